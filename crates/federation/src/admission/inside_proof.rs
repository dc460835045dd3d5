//! The checks of what comes over the inner side: who is there was configured, and for whom he may speak follows from
//! which side this is.

use sip::aor::Aor;
use sip::message::Message;
use sip::method::Method;
use sip::refusal::Refusal;

use super::{
    Admitted, Claim, Evidence, Flow, Organisation, Origin, Question, Rules, Sender, Source, Stop, remote_proof,
};
use crate::inside::{ADMITTED_HEADER, Split, read_admitted};
use crate::refusal;

pub(super) fn check_inside(
    request: &Message,
    flow: &Flow<'_>,
    (claim, evidence): (&Claim<'_>, &Evidence),
    rules: &mut Rules<'_>,
) -> Result<Admitted, Stop> {
    let organisation = rules.organisation;
    let Some(inside) = organisation.inside() else { return Err(refusal::not_inside("there is no inner side").into()) };
    inside.check_peer(flow)?;
    if let (Split::Home(_), Sender::Local { aor }, Some(remote)) =
        (&organisation.split, &claim.sender, remote_proof::remote_flow(request))
    {
        return remote_proof::check_at_home(request, flow, (claim, evidence), (aor, remote), rules);
    }
    if claim.method == Method::Register {
        return Err(refusal::relay_denied("a registration on the inner side").into());
    }
    let origin = match (&organisation.split, &claim.sender) {
        // Whether we are there is asked in any name.
        _ if asks_for_us(claim, rules) => Origin::Inside { domain: inside.name.clone() },
        (Split::Edge(_), Sender::Local { aor }) => Origin::Inside { domain: aor.domain().to_owned() },
        // On its way to a phone of ours, from whomever the home lets reach it.
        (Split::Edge(_), Sender::Foreign { domain }) if evidence.to_outside => {
            Origin::Inside { domain: domain.clone() }
        }
        (Split::Edge(inside), Sender::Foreign { domain }) if inside.is_comity && is_for_sharer(claim, rules) => {
            Origin::Inside { domain: domain.clone() }
        }
        (Split::Edge(_), Sender::Foreign { domain }) => {
            let reason = format!("what is behind us may not send as {domain}, which is not ours");
            return Err(refusal::not_vouched(reason).into());
        }
        (_, Sender::Local { aor }) => shared_by_edge(request, aor, (evidence, organisation))?,
        (_, Sender::Foreign { domain }) => admitted_by_edge(request, domain, organisation)?,
    };
    Ok(Admitted { from_inside: true, ..Admitted::new(origin) })
}

/// What the edge found out about the partner; it is of the domain in From, or of one of ours whose provider carries whom From
/// names to us, or counts for nothing.
fn admitted_by_edge(request: &Message, from: &str, organisation: &Organisation) -> Result<Origin, Refusal> {
    let speaks_for =
        |domain: &str, source: &Source| domain == from || (source.provider.is_some() && organisation.is_local(domain));
    let value = request.header_by_name(ADMITTED_HEADER).and_then(|value| std::str::from_utf8(value).ok());
    match value.map(read_admitted) {
        Some(Some(Origin::Partner { domain, rung, standing, source })) if speaks_for(&domain, &source) => {
            Ok(Origin::Partner { domain, rung, standing, source })
        }
        Some(_) => Err(refusal::not_vouched(format!("the edge's {ADMITTED_HEADER} does not speak for {from}"))),
        None => Err(refusal::not_vouched(format!("an edge sent a request of {from} without {ADMITTED_HEADER}"))),
    }
}

/// One in our own domain who is at home at the provider that shares it, by whose connection the edge knows him.
fn shared_by_edge(
    request: &Message,
    aor: &Aor,
    (evidence, organisation): (&Evidence, &Organisation),
) -> Result<Origin, Stop> {
    let origin = admitted_by_edge(request, aor.domain(), organisation)?;
    let Origin::Partner { source: Source { provider: Some(provider), .. }, .. } = &origin else {
        return Err(refusal::not_vouched(format!("an edge may not send as our own {aor}")).into());
    };
    match &evidence.credentials {
        None => Err(Stop::Needs(Question::Credentials(aor.clone()))),
        Some(Some(_)) => Err(super::domain_proof::user_at_home(provider, aor).into()),
        Some(None) => Ok(origin),
    }
}

/// A partner's request for a user in our domains whom the home does not have: it comes back on its way to the provider that
/// shares them.
fn is_for_sharer(claim: &Claim<'_>, rules: &Rules<'_>) -> bool {
    let has_sharer = rules.partners.shared_address_space().is_some_and(|provider| provider.takes_missing_users());
    has_sharer && (claim.in_dialog || rules.organisation.is_local(claim.request_uri.host()))
}

fn asks_for_us(claim: &Claim<'_>, rules: &Rules<'_>) -> bool {
    claim.method == Method::Options
        && claim.request_uri.user().is_none()
        && rules.organisation.answers_for(claim.request_uri.host())
}
