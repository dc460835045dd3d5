//! Admission: one list of checks for every request from outside, read top to bottom; the first refusal
//! wins. A request whose From is one of our domains must prove a user, any other must prove its domain.
//!
//! The list is pure: when it lacks evidence it says what it needs, and it is run again from the top once
//! the answer is there. Only the nonce book changes, and it is touched last.

mod domain_proof;
mod guesses;
mod inside_proof;
mod remote_proof;
mod user_proof;

pub use domain_proof::{SOURCE_HEADER, source_value};
pub use guesses::GuessBook;
pub use user_proof::{ANSWERED_BY_MD5, ANSWERED_WITHOUT_QOP, NAMED_IN_CAPITALS, NAMED_WITH_DOMAIN};

use std::collections::BTreeMap;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use sip::aor::Aor;
use sip::auth::{Algorithm, NonceBook, UserHa1};
use sip::message::Message;
use sip::method::Method;
use sip::refusal::Refusal;
use sip::uri::Uri;

use guesses::Guesser;

use crate::discovery::SrvResult;
use crate::domain_name;
use crate::flow::{FlowFacts, FlowKind, is_written};
use crate::inside::{Inside, RemoteFlow, Split};
use crate::partner::{Partners, Provider};
use crate::refusal;
use crate::screen::screen;
use crate::verification::Rung;

/// Whose edge this is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Organisation {
    /// Our SIP domains, lower case.
    pub domains: Vec<String>,
    /// The edge's certified FQDN, lower case.
    pub edge: String,
    /// Which of our certificates partners are shown for a domain of ours, by its number; the first (0) where nothing is said.
    pub certificates_by_domain: BTreeMap<String, u16>,
    /// The same for partners that are shown one of their own, whichever domain of ours it is about.
    pub certificates_by_partner: BTreeMap<String, u16>,
    /// Digest algorithms that users may sign in with, most wanted first.
    pub digest: Vec<Algorithm>,
    /// Whether edge and home are one.
    pub split: Split,
}

impl Organisation {
    /// Edge and home in one, with every digest algorithm.
    pub fn new(domains: Vec<String>, edge: String) -> Organisation {
        Organisation {
            domains,
            edge,
            certificates_by_domain: BTreeMap::new(),
            certificates_by_partner: BTreeMap::new(),
            digest: Algorithm::ALL.to_vec(),
            split: Split::Whole,
        }
    }

    /// Whether the host is one of our SIP domains.
    pub fn is_local(&self, host: &str) -> bool {
        self.domains.iter().any(|domain| domain_name::same(domain, host))
    }

    /// The number of the certificate that is shown for this domain of ours.
    pub fn certificate_of(&self, domain: &str) -> u16 {
        self.certificates_by_domain.get(&domain_name::canonical(domain)).copied().unwrap_or_default()
    }

    /// The number of the certificate that this partner alone is shown; `None`: it is shown what all are.
    pub fn certificate_for(&self, partner: &str) -> Option<u16> {
        self.certificates_by_partner.get(&domain_name::canonical(partner)).copied()
    }

    /// Whether this partner is shown the first certificate for all our domains.
    pub fn shows_first(&self, partner: &str) -> bool {
        self.certificate_for(partner).is_none() && self.certificates_by_domain.values().all(|number| *number == 0)
    }

    /// What is between edge and home, where they are two.
    pub fn inside(&self) -> Option<&Inside> {
        self.split.inside()
    }

    /// Whether this is an edge alone.
    pub fn is_edge_only(&self) -> bool {
        matches!(self.split, Split::Edge(_))
    }

    /// Whether this is a home alone.
    pub fn is_home_only(&self) -> bool {
        matches!(self.split, Split::Home(_))
    }

    /// Whether this host names us, on either side.
    pub fn is_named(&self, host: &str) -> bool {
        domain_name::same(&self.edge, host) || self.inside().is_some_and(|inside| inside.is_named(host))
    }

    /// Whether a Request-URI with this host is for us: one of our domains, or the edge by name.
    pub fn answers_for(&self, host: &str) -> bool {
        self.is_local(host) || self.is_named(host)
    }
}

/// What the checks are made against. The digest realm is the user's SIP domain.
pub struct Rules<'a> {
    pub organisation: &'a Organisation,
    pub partners: &'a Partners,
    pub now: Instant,
    pub nonces: &'a mut NonceBook,
    pub guesses: &'a mut GuessBook,
}

/// The flow a request came on.
#[derive(Clone, Copy, Debug)]
pub struct Flow<'a> {
    pub facts: &'a FlowFacts,
    pub kind: &'a FlowKind,
    /// Identities proven on this very flow; only a TLS flow can hold any.
    pub users: &'a [Aor],
}

/// What has been found out for this request so far.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Evidence {
    /// The SRV answer of the From domain.
    pub srv: Option<SrvResult>,
    /// The credentials of the From user; `Some(None)` when there is no such user.
    pub credentials: Option<Option<UserHa1>>,
    /// A Route that we signed says that this user speaks over this connection: the flow itself, or on the inner side the
    /// phone's connection that the edge names.
    pub proven_by_route: bool,
    /// A Route that we signed is a way out of a dialog that was begun through us; a registered Path is none.
    pub in_dialog: bool,
    /// At a home: the sender has shown the password on the connection to an edge by which this came.
    #[serde(default)]
    pub proven_outside: bool,
    /// Our own signed Route leads to a phone outside.
    #[serde(default)]
    pub to_outside: bool,
    /// The request has passed [`screen`] as it is: the list need not begin with it again.
    #[serde(default)]
    pub is_screened: bool,
    /// Our own signed Route says that the domain in From is in this dialog.
    #[serde(default)]
    pub is_of_peer: bool,
    /// By which rung the domain in From was proven on this connection when a request of it was admitted there last.
    #[serde(default)]
    pub proven_before: Option<Rung>,
}

/// What the list must know before it can decide.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Question {
    Srv { domain: String },
    Credentials(Aor),
}

#[derive(Clone, Debug)]
pub enum Decision {
    Admitted(Admitted),
    Refused(Refusal),
    Needs(Question),
}

/// The proof that a request passed admission; only [`admit`] makes one, and [`vouch`] for requests of our own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Admitted {
    origin: Origin,
    /// The password was shown with this very request.
    #[serde(default)]
    by_digest: bool,
    /// It came over a flow of the inner side.
    #[serde(default)]
    from_inside: bool,
    /// At home: the user is outside, and this is his connection to an edge.
    #[serde(default)]
    remote: Option<Box<RemoteFlow>>,
    /// The user whom it is for has agreed to hear from its sender.
    #[serde(default)]
    has_consent: bool,
}

/// Who sent a request, as proven.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Origin {
    Partner {
        domain: String,
        rung: Rung,
        standing: Tier,
        source: Source,
    },
    User {
        aor: Aor,
    },
    /// At an edge: somebody outside who says that he is this user of ours. Only his home can tell.
    Remote {
        aor: Aor,
    },
    /// What is behind this edge, in the name of this domain of ours.
    Inside {
        domain: String,
    },
}

/// By whose edge a partner's request came, and whether the sender's name is vouched for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The hosting provider by whose edge the domain was proven.
    pub provider: Option<String>,
    /// Else only who lets this sender in is reached.
    pub is_verified: bool,
}

impl Default for Source {
    fn default() -> Source {
        Source { provider: None, is_verified: true }
    }
}

/// How far a partner is trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Tier {
    Allowed,
    Discovered,
}

impl Admitted {
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The kind to fix on the flow.
    pub fn kind(&self) -> FlowKind {
        match self.origin {
            _ if self.from_inside => FlowKind::Inside,
            Origin::Partner { .. } => FlowKind::Partner,
            Origin::User { .. } => FlowKind::Client,
            // Until his home has let him in.
            Origin::Remote { .. } => FlowKind::Undecided,
            Origin::Inside { .. } => FlowKind::Inside,
        }
    }

    /// The sender, if it is a user of ours.
    pub fn aor(&self) -> Option<&Aor> {
        match &self.origin {
            Origin::Partner { .. } | Origin::Remote { .. } | Origin::Inside { .. } => None,
            Origin::User { aor } => Some(aor),
        }
    }

    /// The user who has just shown the password: only he is remembered on the flow. What a signed Route proves ends
    /// with its dialog, and an edge's connection is everybody's.
    pub fn signs_in(&self) -> Option<&Aor> {
        self.aor().filter(|_| self.by_digest && !self.from_inside)
    }

    /// Of a user who is outside, his connection to an edge.
    pub fn remote(&self) -> Option<&RemoteFlow> {
        self.remote.as_deref()
    }

    /// The same request, to whose sender the user has agreed.
    pub fn with_consent(self) -> Admitted {
        Admitted { has_consent: true, ..self }
    }

    pub fn has_consent(&self) -> bool {
        self.has_consent
    }

    fn new(origin: Origin) -> Admitted {
        Admitted { origin, by_digest: false, from_inside: false, remote: None, has_consent: false }
    }

    /// The domain the sender has proven to speak for.
    pub fn domain(&self) -> &str {
        match &self.origin {
            Origin::Partner { domain, .. } | Origin::Inside { domain } => domain,
            Origin::User { aor } | Origin::Remote { aor } => aor.domain(),
        }
    }
}

/// A request that this server makes itself in the name of a user of ours, such as a NOTIFY about him.
pub fn vouch(aor: &Aor) -> Admitted {
    Admitted::new(Origin::User { aor: aor.clone() })
}

/// Decides about one request. ACK is decided like any other method, but is never challenged; CANCEL
/// never comes here, it shares the fate of its INVITE.
pub fn admit(request: &Message, flow: &Flow<'_>, evidence: &Evidence, rules: &mut Rules<'_>) -> Decision {
    match check(request, flow, evidence, rules) {
        Ok(admitted) => Decision::Admitted(admitted),
        Err(Stop::Refused(refusal)) => Decision::Refused(refusal),
        Err(Stop::Needs(question)) => Decision::Needs(question),
    }
}

fn check(request: &Message, flow: &Flow<'_>, evidence: &Evidence, rules: &mut Rules<'_>) -> Result<Admitted, Stop> {
    if !evidence.is_screened {
        screen(request)?;
    }
    let claim = Claim::read(request, evidence, rules.organisation)?;
    if flow.facts.is_inner {
        return inside_proof::check_inside(request, flow, (&claim, evidence), rules);
    }
    if let Sender::Local { aor } = &claim.sender
        && !rules.organisation.is_home_only()
        && let Some(provider) = domain_proof::sharer(flow, aor.domain(), rules.partners, rules.organisation)
    {
        return check_shared(request, flow, evidence, rules, (&claim, aor, provider));
    }
    check_traffic(flow, &claim)?;
    match &claim.sender {
        Sender::Foreign { domain } if rules.organisation.is_home_only() => Err(refusal::not_the_edge(domain).into()),
        Sender::Foreign { domain } => {
            let origin = domain_proof::prove_or_carried(request, &claim, domain, flow, (evidence.srv.as_ref(), rules))?;
            check_relay(flow, &claim, rules.organisation)?;
            Ok(Admitted::new(origin))
        }
        Sender::Local { aor } if rules.organisation.is_edge_only() => {
            Ok(remote_proof::check_at_edge(&claim, aor, rules.organisation)?)
        }
        Sender::Local { aor } => {
            check_registration(&claim, aor, rules.organisation)?;
            let guesser = Guesser::of(flow.facts);
            let by_digest = user_proof::prove(request, (&claim, aor), (flow, evidence), guesser, rules)?;
            Ok(Admitted { by_digest, ..Admitted::new(Origin::User { aor: aor.clone() }) })
        }
    }
}

/// A request in a domain of ours from the provider that shares it: from one who is not at home here.
fn check_shared(
    request: &Message,
    flow: &Flow<'_>,
    evidence: &Evidence,
    rules: &Rules<'_>,
    (claim, aor, provider): (&Claim<'_>, &Aor, &Provider),
) -> Result<Admitted, Stop> {
    if flow.kind == &FlowKind::Client {
        return Err(refusal::mixed_traffic(format!("a request by {} came on a client's flow", provider.name)).into());
    }
    let origin = domain_proof::prove(request, claim, aor.domain(), flow, (evidence.srv.as_ref(), rules))?;
    check_partner_method(claim)?;
    // Who is at home there reaches partners through us: it is our certificate that proves the domain to them.
    if !provider.takes_missing_users() || !claim.request_uri.is_sip() {
        check_relay(flow, claim, rules.organisation)?;
    }
    match &evidence.credentials {
        None => Err(Stop::Needs(Question::Credentials(aor.clone()))),
        Some(Some(_)) => Err(domain_proof::user_at_home(&provider.name, aor).into()),
        Some(None) => Ok(Admitted::new(origin)),
    }
}

/// Why the list ended early.
enum Stop {
    Refused(Refusal),
    Needs(Question),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Stop {
        Stop::Refused(refusal)
    }
}

/// What a request says of itself, before any of it is proven.
struct Claim<'a> {
    method: Method,
    request_uri: Uri<'a>,
    to: Uri<'a>,
    /// In a dialog that was set up through us: our Route, and a To tag (RFC 3261 12.2.1.1).
    in_dialog: bool,
    /// The same, and our Route names its sender's domain.
    is_of_peer: bool,
    proven_before: Option<Rung>,
    sender: Sender,
}

enum Sender {
    Local { aor: Aor },
    Foreign { domain: String },
}

impl<'a> Claim<'a> {
    fn read(request: &'a Message, evidence: &Evidence, organisation: &Organisation) -> Result<Claim<'a>, Refusal> {
        let unreadable = |error: sip::ParseError| refusal::malformed_request(error.to_string());
        let missing = || refusal::malformed_request("no request line");
        let (to, method) = (request.to().map_err(unreadable)?, request.method().ok_or_else(missing)?);
        Ok(Claim {
            request_uri: Uri::parse(request.request_uri().ok_or_else(missing)?).map_err(unreadable)?,
            in_dialog: (evidence.in_dialog || evidence.proven_by_route) && to.tag().is_some(),
            to: to.uri(),
            is_of_peer: evidence.in_dialog && evidence.is_of_peer && to.tag().is_some(),
            proven_before: evidence.proven_before,
            sender: Sender::read(&method, &request.from().map_err(unreadable)?.uri(), organisation)?,
            method,
        })
    }
}

impl Sender {
    /// By the host of From alone; a local one must name a user, a foreign one must be able to be a domain. Users of other
    /// domains, and phones that were given our name or address for one, do not sign in here (RFC 3261 section 10.3).
    fn read(method: &Method, from: &Uri<'_>, organisation: &Organisation) -> Result<Sender, Refusal> {
        if !from.is_sip() {
            return Err(refusal::malformed_request(format!("From is a {} URI, which names no domain", from.scheme())));
        }
        let domain = domain_name::canonical(from.host());
        if organisation.is_local(&domain) {
            let unreadable =
                |error: sip::ParseError| refusal::malformed_request(format!("From names no user: {error}"));
            return Ok(Sender::Local { aor: Aor::from_uri(from).map_err(unreadable)? });
        }
        match domain_name::is_dns_name(&domain) {
            _ if *method == Method::Register => Err(refusal::domain_not_served(&domain, &organisation.domains)),
            _ if domain == ANONYMOUS_DOMAIN => Err(refusal::anonymity_disallowed()),
            true => Ok(Sender::Foreign { domain }),
            false => Err(refusal::no_such_domain(&domain)),
        }
    }
}

/// Of who does not say who he is (RFC 3323 section 4.1.1.3).
const ANONYMOUS_DOMAIN: &str = "anonymous.invalid";

/// One flow carries one kind of traffic: a partner cannot send as our users, nor a client as a partner.
fn check_traffic(flow: &Flow<'_>, claim: &Claim<'_>) -> Result<(), Refusal> {
    match (flow.kind, &claim.sender) {
        (FlowKind::Partner, Sender::Local { aor }) => {
            Err(refusal::mixed_traffic(format!("a request from our own {} came on a partner's flow", aor.domain())))
        }
        (FlowKind::Client, Sender::Foreign { domain }) => {
            Err(refusal::mixed_traffic(format!("a request from {domain} came on a client's flow")))
        }
        _ => Ok(()),
    }
}

fn check_partner_method(claim: &Claim<'_>) -> Result<(), Refusal> {
    match claim.method {
        Method::Register => Err(refusal::relay_denied("a provider's users register there, not here")),
        _ => Ok(()),
    }
}

/// A partner reaches our own users, and through a dialog of theirs the phone behind it, and this server by its names and by the
/// address that it came to; nothing else.
fn check_relay(flow: &Flow<'_>, claim: &Claim<'_>, organisation: &Organisation) -> Result<(), Refusal> {
    let host = claim.request_uri.host();
    if claim.in_dialog || organisation.answers_for(host) || is_written(host, flow.facts.local.ip()) {
        return Ok(());
    }
    if !claim.request_uri.is_sip() {
        return Err(refusal::scheme_unsupported(claim.request_uri.scheme()));
    }
    Err(refusal::relay_denied(format!("the Request-URI is in {}, which is not ours", claim.request_uri.host())))
}

/// A user registers its own address, at a registrar of ours (RFC 3261 10.3 steps 1, 4 and 5). A phone that was given an address for
/// its server asks for that: it names no domain that could be another's.
fn check_registration(claim: &Claim<'_>, aor: &Aor, organisation: &Organisation) -> Result<(), Refusal> {
    if claim.method != Method::Register {
        return Ok(());
    }
    let registrar = Some(claim.request_uri.host()).filter(|host| !domain_name::is_address(host));
    for host in registrar.into_iter().chain([claim.to.host()]) {
        if !organisation.answers_for(host) {
            return Err(refusal::relay_denied(format!("a registration for {host}, which is not ours")));
        }
    }
    match Aor::from_uri(&claim.to) {
        Ok(to) if to == *aor => Ok(()),
        Ok(to) => Err(refusal::identity_mismatch(format!("{aor} would register {to}"))),
        Err(error) => Err(refusal::malformed_request(format!("To names no user: {error}"))),
    }
}

#[cfg(test)]
pub(crate) mod tests;
