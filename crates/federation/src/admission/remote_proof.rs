//! The checks of users who are outside. An edge knows none of them: it lets in what says to be of an own domain, for the home
//! alone. The home asks for the password, whatever the edge is: once for each connection of a phone.

use sip::aor::Aor;
use sip::message::Message;
use sip::refusal::Refusal;

use super::guesses::Guesser;
use super::{Admitted, Claim, Evidence, Flow, Organisation, Origin, Rules, Stop, check_registration, user_proof};
use crate::inside::{ADMITTED_HEADER, RemoteFlow, Split, read_remote};
use crate::refusal;

/// At the edge.
pub(super) fn check_at_edge(claim: &Claim<'_>, aor: &Aor, organisation: &Organisation) -> Result<Admitted, Refusal> {
    match &organisation.split {
        Split::Edge(inside) if inside.takes_remote_users => {
            check_registration(claim, aor, organisation)?;
            Ok(Admitted::new(Origin::Remote { aor: aor.clone() }))
        }
        _ => Err(refusal::no_users_here(aor.domain())),
    }
}

/// What an edge tells of the sender's connection, where it says that he is outside.
pub(super) fn remote_flow(request: &Message) -> Option<RemoteFlow> {
    let value = request.header_by_name(ADMITTED_HEADER)?;
    read_remote(std::str::from_utf8(value).ok()?)
}

/// At home, of what came by an edge.
pub(super) fn check_at_home(
    request: &Message,
    flow: &Flow<'_>,
    (claim, evidence): (&Claim<'_>, &Evidence),
    (aor, remote): (&Aor, RemoteFlow),
    rules: &mut Rules<'_>,
) -> Result<Admitted, Stop> {
    check_registration(claim, aor, rules.organisation)?;
    // The connection is the edge's: whoever showed a password on it was another, perhaps. What counts is the phone's own.
    let users = if evidence.proven_outside && remote.transport.is_secure() { std::slice::from_ref(aor) } else { &[] };
    let flow = &Flow { users, ..*flow };
    let by_digest = user_proof::prove(request, (claim, aor), (flow, evidence), Guesser::outside(&remote), rules)?;
    let origin = Origin::User { aor: aor.clone() };
    Ok(Admitted { by_digest, from_inside: true, remote: Some(Box::new(remote)), ..Admitted::new(origin) })
}
