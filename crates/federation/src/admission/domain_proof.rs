//! The checks of a partner: that its certificate is there, that its domain is welcome, and that the one
//! proves the other.

use sip::refusal::Refusal;

use super::{Flow, Question, Stop, Tier};
use crate::discovery::SrvResult;
use crate::partner::{PartnerKind, Partners, Standing};
use crate::refusal;
use crate::trust::PeerCertificate;
use crate::verification::{Claim, Role, Rung, Verdict, judge};

/// The other end of the flow, with the edge its partner entry names.
pub(super) struct Peer<'a> {
    pub(super) certificate: &'a PeerCertificate,
    pub(super) role: Role,
    pub(super) claim: Claim<'a>,
}

/// Comes first, so that a peer that can prove nothing cannot sound out the partner list.
pub(super) fn check_certificate_present<'a>(flow: &Flow<'a>, domain: &str) -> Result<&'a PeerCertificate, Refusal> {
    flow.facts.secure_certificate().ok_or_else(|| refusal::certificate_missing(domain))
}

/// The trust tier of the domain, and the edge its entry names.
pub(super) fn check_standing<'a>(partners: &'a Partners, domain: &str) -> Result<(Tier, Option<&'a str>), Refusal> {
    match partners.standing(domain) {
        Standing::FederationOff => Err(refusal::federation_off()),
        Standing::Blocked(_) => Err(refusal::domain_blocked(domain)),
        Standing::Unknown => Err(refusal::domain_not_allowed(domain)),
        Standing::Discovered => Ok((Tier::Discovered, None)),
        Standing::Allowed(partner) => match &partner.kind {
            PartnerKind::AllowedServer { edge } => Ok((Tier::Allowed, Some(edge))),
            PartnerKind::AllowedDomain | PartnerKind::Blocked => Ok((Tier::Allowed, None)),
        },
    }
}

pub(super) fn check_domain(peer: &Peer<'_>, srv: Option<&SrvResult>) -> Result<Rung, Stop> {
    match judge(peer.certificate, peer.role, &peer.claim, srv) {
        Verdict::Proven(rung) => Ok(rung),
        Verdict::Needs => Err(Stop::Needs(Question::Srv { domain: peer.claim.domain.to_owned() })),
        Verdict::Failed(refusal) => Err(Stop::Refused(refusal)),
    }
}
