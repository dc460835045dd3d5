//! What would prove a domain, for whoever asks before anybody has shown a certificate: the ladder of [`super::judge`] in words.

use super::Claim;
use crate::discovery::{SrvFailure, SrvResult};
use crate::domain_name;
use crate::partner::{Edge, Provider};
use crate::trust::hexadecimal;

/// Each a thing that the certificate of whoever speaks for the domain could be or name, the highest rung first. `by` says why the
/// claim's edge is the domain's.
pub fn expected(claim: &Claim<'_>, by: &str, srv: &SrvResult) -> Vec<String> {
    let Claim { domain, edge, relays, trust, .. } = *claim;
    let domain = domain_name::canonical(domain);
    if !trust.pins.is_empty() {
        return trust
            .pins
            .iter()
            .map(|pin| format!("it is the pinned certificate {}, and no other", hexadecimal(pin)))
            .collect();
    }
    let led_to = claim.providers.iter().filter(|provider| provider.is_led_to(srv));
    let answering = claim.deputy.or(claim.last_resort.filter(|_| matches!(srv, Err(SrvFailure::NoRecord))));
    if let Some(provider) = led_to.clone().chain(answering).find(|provider| !provider.pins.is_empty()) {
        let Provider { name, pins, .. } = provider;
        let pinned =
            |pin| format!("it is the pinned certificate {} (of the provider {name}), and no other", hexadecimal(pin));
        return pins.iter().map(pinned).chain(relays.iter().map(|relay| by_route(relay))).collect();
    }
    let mut proofs: Vec<String> = edge.map(|edge| format!("it names {} ({by})", host(edge))).into_iter().collect();
    proofs.extend(relays.iter().map(|relay| by_route(relay)));
    proofs.extend(
        led_to
            .map(|provider| format!("it names {} (the edge of the provider {})", host(&provider.edge), provider.name)),
    );
    proofs.push(format!("it names {domain} itself, as a sip: URI or a DNS name"));
    match srv {
        Ok(answer) => {
            for target in &answer.targets {
                let host = domain_name::canonical(&target.host);
                if domain_name::parent(&host) == Some(domain.as_str()) {
                    proofs.push(format!("it names {host} (named by {}, directly below {domain})", answer.name));
                } else if answer.secure {
                    proofs.push(format!("it names {host} (named by {}, for which DNSSEC vouches)", answer.name));
                }
            }
            if !answer.tlsa.is_empty() {
                proofs.push("it is one that a TLSA record of these servers is about".to_owned());
            }
        }
        Err(failure) => {
            proofs.push(format!("it names an edge directly below {domain}, if an SRV record led there: {failure}"))
        }
    }
    if !trust.anchors.is_empty() {
        proofs.push(format!("an authority that was entered for {domain} alone may have issued it"));
    }
    proofs
}

fn by_route(relay: &str) -> String {
    format!("it names {} (the route of a policy)", host(relay))
}

/// Without its port.
fn host(edge: &str) -> String {
    edge.parse().map_or_else(|_| edge.to_owned(), |edge: Edge| edge.host)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::discovery::{SrvAnswer, SrvFailure, SrvTarget};
    use crate::partner::Provider;
    use crate::trust::DomainTrust;

    fn leading_to(hosts: &[&str], secure: bool) -> SrvResult {
        let target = |host: &&str| SrvTarget { host: (*host).to_owned(), port: 5061, priority: 0, weight: 0 };
        let targets = hosts.iter().map(target).collect();
        Ok(SrvAnswer {
            name: "_sipfederationtls._tcp.b.example".into(),
            targets,
            ttl: Duration::from_secs(60),
            secure,
            tlsa: Vec::new(),
        })
    }

    fn of_b(srv: &SrvResult) -> Vec<String> {
        expected(&Claim::of("B.example"), "", srv)
    }

    #[test]
    fn each_rung_is_named_that_could_hold() {
        let domain = "it names b.example itself, as a sip: URI or a DNS name";
        let below = "it names sip.b.example (named by _sipfederationtls._tcp.b.example, directly below b.example)";
        let elsewhere =
            "it names edge.host.example (named by _sipfederationtls._tcp.b.example, for which DNSSEC vouches)";
        let targets = ["sip.b.example", "edge.host.example"];
        assert_eq!(of_b(&leading_to(&targets, false)), [domain, below]);
        assert_eq!(of_b(&leading_to(&targets, true)), [domain, below, elsewhere]);
        assert!(of_b(&Err(SrvFailure::NoRecord))[1].contains("directly below b.example, if"));
        let providers = [Provider::new("hub", "edge.host.example:5061"), Provider::new("other", "edge.other.example")];
        let claim = Claim { edge: Some("edge.b.test:5062"), providers: &providers, ..Claim::of("b.example") };
        let proofs = expected(&claim, "its entry", &leading_to(&targets, false));
        let highest = [
            "it names edge.b.test (its entry)",
            "it names edge.host.example (the edge of the provider hub)",
            domain,
            below,
        ];
        assert_eq!(proofs, highest);
    }

    #[test]
    fn a_pin_leaves_nothing_beside_it() {
        let trust = DomainTrust { pins: vec![[7; 32]], anchors: vec![[8; 32]] };
        let claim = Claim { trust: &trust, edge: Some("edge.b.test"), ..Claim::of("b.example") };
        let proofs = expected(&claim, "", &leading_to(&["sip.b.example"], true));
        assert!(matches!(&proofs[..], [one] if one.contains("0707") && one.contains("no other")), "{proofs:?}");
    }
}
