//! The checks of a partner: that its certificate is there, that its domain is welcome, that the one proves the other, and
//! whether the sender's name is vouched for.

use sip::message::Message;
use sip::refusal::{Refusal, Word};

use super::{Claim, Flow, Organisation, Origin, Question, Rules, Source, Stop};
use crate::discovery::SrvResult;
use crate::domain_name;
use crate::modality::is_last_word;
use crate::partner::{Partners, Provider, Standing, VerificationLevel};
use crate::refusal;
use crate::trust::PeerCertificate;
use crate::verification::{Role, Rung, Verdict, judge};

/// The other end of the flow.
struct Peer<'a> {
    certificate: &'a PeerCertificate,
    role: Role,
}

/// A foreign domain, from its certificate to the word of its sender. One that is not let in any more, or not by what its
/// entry said, may still end what it is in.
pub(super) fn prove(
    request: &Message,
    claim: &Claim<'_>,
    domain: &str,
    flow: &Flow<'_>,
    (srv, rules): (Option<&SrvResult>, &Rules<'_>),
) -> Result<Origin, Stop> {
    match prove_welcome(request, claim, domain, flow, (srv, rules)) {
        Err(Stop::Refused(refusal)) if claim.is_of_peer && is_last_word(request) => {
            match prove_peer(claim, domain, flow, (srv, rules)) {
                Err(Stop::Refused(_)) => Err(refusal.into()),
                proven => proven,
            }
        }
        proven => proven,
    }
}

/// That this is the domain which it says it is, whatever the list says of it: by its certificate, or because it was proven on
/// this very connection while its entry said how.
fn prove_peer(
    claim: &Claim<'_>,
    domain: &str,
    flow: &Flow<'_>,
    (srv, rules): (Option<&SrvResult>, &Rules<'_>),
) -> Result<Origin, Stop> {
    let partners = rules.partners;
    let certificate = flow.facts.secure_certificate().ok_or_else(|| refusal::certificate_missing(domain))?;
    let is_revoked = partners.revoked().contains(&certificate.fingerprint);
    let rung = match (partners.standing(domain), claim.proven_before) {
        // How it has to prove itself is not known yet.
        (Standing::Awaited, _) => return Err(refusal::partners_awaited().into()),
        (_, Some(rung)) if !is_revoked => rung,
        _ => check_domain(&Peer { certificate, role: flow.facts.peer_role() }, domain, srv, partners)?,
    };
    // It is counted as whoever has no entry.
    let standing = super::Tier::Discovered;
    Ok(Origin::Partner { domain: domain.to_owned(), rung, standing, source: Source::default() })
}

fn prove_welcome(
    request: &Message,
    claim: &Claim<'_>,
    domain: &str,
    flow: &Flow<'_>,
    (srv, rules): (Option<&SrvResult>, &Rules<'_>),
) -> Result<Origin, Stop> {
    // Comes first, so that a peer that can prove nothing cannot sound out the partner list.
    let certificate = flow.facts.secure_certificate().ok_or_else(|| refusal::certificate_missing(domain))?;
    let standing = rules.partners.standing(domain);
    let tier = standing.check(domain)?;
    let rung = check_domain(&Peer { certificate, role: flow.facts.peer_role() }, domain, srv, rules.partners)?;
    rules.partners.check_cleared(domain, certificate)?;
    let provider = rules.partners.provider_behind(domain, rung, certificate);
    let source = check_source(request, claim, level(standing, provider))?;
    // Whoever is behind a provider that the administrator chose is as welcome as one that he entered himself.
    let standing = if provider.is_some() { super::Tier::Allowed } else { tier };
    let source = Source { provider: provider.map(|provider| provider.name.clone()), ..source };
    Ok(Origin::Partner { domain: domain.to_owned(), rung, standing, source })
}

/// A foreign domain, proven by itself; or else the word of the provider that shares our address space, at whose edge its
/// users look for those of ours who are at home here. Such a request is the provider's, in the name of our domain: what
/// belongs to it goes back there.
pub(super) fn prove_or_carried(
    request: &Message,
    claim: &Claim<'_>,
    domain: &str,
    flow: &Flow<'_>,
    evidence: (Option<&SrvResult>, &Rules<'_>),
) -> Result<Origin, Stop> {
    let proven = prove(request, claim, domain, flow, evidence);
    let Err(Stop::Refused(refusal)) = &proven else { return proven };
    let organisation = evidence.1.organisation;
    let hosts = [claim.request_uri.host(), claim.to.host()];
    let ours = hosts.into_iter().find(|host| organisation.is_local(host)).map(domain_name::canonical);
    let Some(ours) = ours else { return proven };
    match sharer(flow, &ours, evidence.1.partners, organisation) {
        Some(provider) if provider.takes_missing_users() && may_carry(provider, refusal, flow) => {
            prove(request, claim, &ours, flow, evidence)
        }
        _ => proven,
    }
}

/// Whether what the certificate lacks is the domain's name alone. A pinned one needs no chain either.
fn may_carry(sharer: &Provider, refusal: &Refusal, flow: &Flow<'_>) -> bool {
    let is_pinned = |certificate: &PeerCertificate| sharer.pins.contains(&certificate.fingerprint);
    refusal.word == Word::CertificateName
        || refusal.word == Word::CertificateUntrusted && flow.facts.secure_certificate().is_some_and(is_pinned)
}

/// The provider that shares our address space, if this is its connection: in a domain of ours it speaks for those who
/// are not at home here.
pub(super) fn sharer<'a>(
    flow: &Flow<'_>,
    domain: &str,
    partners: &'a Partners,
    organisation: &Organisation,
) -> Option<&'a Provider> {
    let certificate = flow.facts.secure_certificate().filter(|_| organisation.is_local(domain))?;
    partners.sharer_claimed(certificate)
}

/// Nobody outside speaks for who is at home here.
pub(super) fn user_at_home(provider: &str, aor: &sip::aor::Aor) -> Refusal {
    let reason = format!("{aor} is a user here; {provider} speaks for those who are not");
    Refusal::new(403, Word::MixedTraffic, reason)
}

fn check_domain(peer: &Peer<'_>, domain: &str, srv: Option<&SrvResult>, partners: &Partners) -> Result<Rung, Stop> {
    match judge(peer.certificate, peer.role, &partners.claim(domain), srv) {
        Verdict::Proven(rung) => Ok(rung),
        Verdict::Needs => Err(Stop::Needs(Question::Srv { domain: domain.to_owned() })),
        Verdict::Failed(refusal) => Err(Stop::Refused(refusal)),
    }
}

fn level(standing: Standing<'_>, provider: Option<&Provider>) -> VerificationLevel {
    let of_entry = standing.entry().map(|entry| entry.verification);
    provider.map(|provider| provider.verification).or(of_entry).unwrap_or_default()
}

/// Who is in a dialog was asked about when it began.
fn check_source(request: &Message, claim: &Claim<'_>, level: VerificationLevel) -> Result<Source, Refusal> {
    let is_verified = match level {
        _ if claim.in_dialog => true,
        VerificationLevel::AlwaysVerifiable => true,
        VerificationLevel::AlwaysUnverifiable => false,
        VerificationLevel::UseSourceVerification => said_of_source(request).ok_or_else(|| {
            let reason =
                format!("no {SOURCE_HEADER} with it, and what this partner sends must say whether it is verified");
            Refusal::new(403, Word::SourceUnverified, reason)
        })?,
    };
    Ok(Source { is_verified, provider: None })
}

/// `ms-source-verified-user=verified`, with or without quotes, or `unverified`; `None` where it says neither.
fn said_of_source(request: &Message) -> Option<bool> {
    let value = std::str::from_utf8(request.header_by_name(SOURCE_HEADER)?).ok()?;
    let said = value.split(';').find_map(|part| part.trim().strip_prefix("ms-source-verified-user"))?;
    match said.trim_start().strip_prefix('=')?.trim().trim_matches('"') {
        "verified" => Some(true),
        "unverified" => Some(false),
        _ => None,
    }
}

/// The header in which an edge of Lync says whether it vouches for the sender.
pub const SOURCE_HEADER: &str = "ms-asserted-verification-level";

/// Its value.
pub const fn source_value(is_verified: bool) -> &'static str {
    if is_verified { "ms-source-verified-user=verified" } else { "ms-source-verified-user=unverified" }
}
