//! Pinned certificates: of a domain, and of the edge of a provider that a domain is behind.

use sip::refusal::{Refusal, Word};

use super::{Claim, Role, Rung, Verdict, check_chain, check_purposes, list, names_edge, not_accepted};
use crate::discovery::{SrvFailure, SrvResult};
use crate::partner::Provider;
use crate::refusal;
use crate::trust::{Fingerprint, PeerCertificate, hexadecimal};

/// Whether it is one of these. A pin replaces chain and names, since the administrator has seen this very certificate. It does not
/// replace the certificate's own dates: whoever holds its key has said until when that key is to be relied upon, and after that
/// day nobody need tell us any more that it was lost.
pub(super) fn by_pins(certificate: &PeerCertificate, role: Role, whose: &str, pins: &[Fingerprint]) -> Verdict {
    let checked = check_pins(certificate, whose, pins).and_then(|()| check_purposes(certificate.purposes, role));
    checked.map_or_else(Verdict::Failed, |()| Verdict::Proven(Rung::Pin))
}

fn check_pins(certificate: &PeerCertificate, whose: &str, pins: &[Fingerprint]) -> Result<(), Refusal> {
    if !pins.contains(&certificate.fingerprint) {
        let pinned: Vec<String> = pins.iter().map(hexadecimal).collect();
        return Err(refusal::certificate_pin_changed(format!(
            "for {whose} the certificate {} is pinned, and another was shown: {}, of {}, issued by {}",
            list(pinned.iter().map(String::as_str)),
            certificate.fingerprint_hex(),
            certificate.subject,
            certificate.issuer
        )));
    }
    certificate.validity.as_ref().map_err(|why| not_accepted(certificate, why)).copied()
}

/// By what is pinned for the edge of the provider that answers for the domain, where anything is; it ends the climb either way, but
/// for the relay of a policy, which is nobody's edge.
pub(super) fn by_provider(
    certificate: &PeerCertificate,
    role: Role,
    claim: &Claim<'_>,
    srv: Option<&SrvResult>,
) -> Option<Verdict> {
    let provider = match (answering(claim, srv), claim.last_resort) {
        (Answering::Open, _) => return needs_records(certificate, claim).then_some(Verdict::Needs),
        (Answering::Provider(provider), _) => provider,
        // It carries for others, too, but for them their own proof is as good.
        (Answering::Nobody, Some(hub)) if hub.pins.contains(&certificate.fingerprint) => hub,
        (Answering::Nobody, _) => return None,
    };
    if provider.pins.is_empty() || is_relay(certificate, claim) {
        return None;
    }
    Some(by_pins(certificate, role, &format!("{OF_PROVIDER}{}", provider.name), &provider.pins))
}

/// The pinned provider that answers for a domain.
enum Answering<'a> {
    Provider(&'a Provider),
    Nobody,
    /// The domain's records say.
    Open,
}

fn answering<'a>(claim: &Claim<'a>, srv: Option<&SrvResult>) -> Answering<'a> {
    if let Some(deputy) = claim.deputy {
        return Answering::Provider(deputy);
    }
    let mut pinned = claim.providers.iter().filter(|provider| !provider.pins.is_empty()).peekable();
    match (srv, claim.last_resort) {
        _ if pinned.peek().is_none() => Answering::Nobody,
        (None, _) => Answering::Open,
        (Some(Err(SrvFailure::NoRecord)), Some(hub)) => Answering::Provider(hub),
        (Some(srv), _) => {
            pinned.find(|provider| provider.is_led_to(srv)).map_or(Answering::Nobody, Answering::Provider)
        }
    }
}

/// Nobody is asked for a certificate that is trusted in no case.
fn needs_records(certificate: &PeerCertificate, claim: &Claim<'_>) -> bool {
    let mut pinned = claim.providers.iter().filter(|provider| !provider.pins.is_empty());
    check_chain(certificate, claim.domain, claim.trust).is_ok()
        || pinned.any(|provider| provider.is_claimed_by(certificate))
}

fn is_relay(certificate: &PeerCertificate, claim: &Claim<'_>) -> bool {
    claim.relays.iter().any(|relay| names_edge(&certificate.names, relay))
        && check_chain(certificate, claim.domain, claim.trust).is_ok()
}

/// The provider whose pinned certificate a refusal is about, by the reason of it: of one that connected, or of a server of a
/// partner, before which its place and the word stand. What follows was written by whoever made the certificate.
pub fn provider_pinned_in(reason: &str) -> Option<&str> {
    let told = match reason.starts_with("for ") {
        true => reason,
        false => reason.split_once(Word::CertificatePinChanged.as_str())?.1.strip_prefix(": ")?,
    };
    let (name, _) = told.strip_prefix("for ")?.strip_prefix(OF_PROVIDER)?.split_once(" the certificate ")?;
    Some(name)
}

const OF_PROVIDER: &str = "the hosting provider ";

#[cfg(test)]
mod tests {
    use super::super::judge;
    use super::*;
    use crate::admission::tests::{certificate, srv};
    use crate::trust::{DomainTrust, Why};

    const DOMAIN: &str = "fabrikam.com";
    const EDGE: &str = "edge.cloud.example";

    fn pinned(name: &str, edge: &str) -> Provider {
        Provider { pins: vec![[6; 32], [7; 32]], ..Provider::new(name, edge) }
    }

    fn shown(fingerprint: Fingerprint, names: &[&str], chain: Option<Why>) -> PeerCertificate {
        let certificate = certificate(&[], names);
        PeerCertificate { fingerprint, chain: chain.map_or(certificate.chain, Err), ..certificate }
    }

    /// In both directions, of which each is judged alike.
    fn judged(certificate: &PeerCertificate, claim: &Claim<'_>, srv: Option<&SrvResult>) -> String {
        let [one, other] = [Role::Client, Role::Server].map(|role| match judge(certificate, role, claim, srv) {
            Verdict::Proven(rung) => rung.as_str().to_owned(),
            Verdict::Needs => "needs".to_owned(),
            Verdict::Failed(refusal) => refusal.word.to_string(),
        });
        assert_eq!(one, other);
        one
    }

    #[test]
    fn where_a_provider_s_edge_is_pinned_no_other_certificate_proves_a_domain_behind_it() {
        let providers = [Provider::new("other", "edge.other.example"), pinned("cloud", EDGE)];
        let claim = Claim { providers: &providers, ..Claim::of(DOMAIN) };
        let (there, elsewhere) = (srv(&[EDGE]), srv(&["edge.fabrikam.com"]));
        let own = shown([7; 32], &[], Some(Why::UnknownIssuer));
        assert_eq!(judged(&own, &claim, Some(&there)), "pin");
        assert_eq!(judged(&own, &claim, None), "needs");
        assert_eq!(judged(&own, &claim, Some(&elsewhere)), "certificate-untrusted");
        let expired = PeerCertificate { validity: Err(Why::Expired), ..own };
        assert_eq!(judged(&expired, &claim, Some(&there)), "certificate-expired");
        // With another key: by its name, by the domain's, by both, and by none that is trusted.
        for names in [&[EDGE][..], &[DOMAIN], &[EDGE, DOMAIN], &["edge.fabrikam.com"]] {
            let other = shown([1; 32], names, None);
            assert_eq!(judged(&other, &claim, Some(&there)), "certificate-pin-changed", "{names:?}");
            assert_eq!(judged(&other, &claim, None), "needs", "{names:?}");
        }
        let unknown = shown([1; 32], &[EDGE], Some(Why::UnknownIssuer));
        assert_eq!(judged(&unknown, &claim, Some(&there)), "certificate-pin-changed");
        assert_eq!(judged(&unknown, &claim, None), "needs");
        // Of no other domain, nor where the DNS does not say so.
        let own_edge = shown([1; 32], &["edge.fabrikam.com"], None);
        assert_eq!(judged(&own_edge, &claim, Some(&elsewhere)), "edge-in-domain");
        let of_domain = shown([1; 32], &[DOMAIN], None);
        assert_eq!(judged(&of_domain, &claim, Some(&Err(SrvFailure::Timeout))), "domain");
        // Nobody is looked for in the DNS for a certificate that is trusted in no case.
        let stranger = shown([1; 32], &["x.example"], Some(Why::UnknownIssuer));
        assert_eq!(judged(&stranger, &claim, None), "certificate-untrusted");
        // What is pinned for the domain itself, and the relay of a policy, stand beside it.
        let trust = DomainTrust { pins: vec![[9; 32]], anchors: Vec::new() };
        let own_pin = Claim { trust: &trust, ..claim };
        assert_eq!(judged(&shown([9; 32], &[], None), &own_pin, Some(&there)), "pin");
        assert_eq!(judged(&shown([7; 32], &[EDGE], None), &own_pin, Some(&there)), "certificate-pin-changed");
        let relays = ["sbc.corp.example:5061".to_owned()];
        let by_route = Claim { relays: &relays, ..claim };
        assert_eq!(judged(&shown([1; 32], &["sbc.corp.example"], None), &by_route, Some(&there)), "edge-fqdn");
    }

    #[test]
    fn a_pinned_provider_that_speaks_for_others_is_known_by_its_pins_alone() {
        let providers = [pinned("hub", EDGE)];
        let (own, other) = (shown([7; 32], &[], Some(Why::UnknownIssuer)), shown([1; 32], &[EDGE], None));
        let deputy = Claim { edge: Some(EDGE), deputy: Some(&providers[0]), ..Claim::of(DOMAIN) };
        assert_eq!(judged(&own, &deputy, None), "pin");
        assert_eq!(judged(&other, &deputy, None), "certificate-pin-changed");
        let last_resort =
            Claim { edge: Some(EDGE), last_resort: Some(&providers[0]), providers: &providers, ..Claim::of(DOMAIN) };
        let (none, elsewhere) = (Err(SrvFailure::NoRecord), srv(&["edge.fabrikam.com"]));
        assert_eq!(judged(&own, &last_resort, Some(&none)), "pin");
        assert_eq!(judged(&other, &last_resort, Some(&none)), "certificate-pin-changed");
        assert_eq!(judged(&own, &last_resort, Some(&elsewhere)), "pin");
        assert_eq!(judged(&other, &last_resort, Some(&elsewhere)), "certificate-name");
        assert_eq!(
            judged(&shown([1; 32], &["edge.fabrikam.com"], None), &last_resort, Some(&elsewhere)),
            "edge-in-domain"
        );
    }

    #[test]
    fn a_refusal_names_the_provider_whose_pin_it_is_about_and_nobody_else_can() {
        let of =
            |whose: &str, certificate: &PeerCertificate| match by_pins(certificate, Role::Client, whose, &[[7; 32]]) {
                Verdict::Failed(refusal) => refusal.reason,
                other => panic!("{other:?}"),
            };
        let reason = of("the hosting provider cloud", &certificate(&[], &[EDGE]));
        assert_eq!(provider_pinned_in(&reason), Some("cloud"));
        let outbound = format!("edge.cloud.example:5061 (192.0.2.1): certificate-pin-changed: {reason}");
        assert_eq!(provider_pinned_in(&outbound), Some("cloud"));
        let named = "CN=certificate-pin-changed: for the hosting provider cloud the certificate x".to_owned();
        let reason = of(DOMAIN, &PeerCertificate { subject: named, ..certificate(&[], &[]) });
        assert_eq!(provider_pinned_in(&reason), None, "{reason}");
        assert_eq!(provider_pinned_in(&format!("x: certificate-pin-changed: {reason}")), None);
    }
}
