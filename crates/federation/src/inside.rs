//! Edge and home as two: what each knows of the other, and what an edge tells its home of a request that it let in.

use std::net::IpAddr;

use serde::de::IntoDeserializer;
use serde::de::value::Error;
use serde::{Deserialize, Serialize};
use sip::refusal::Refusal;
use sip::{Message, Transport};

use crate::admission::{Flow, Origin, Source, Tier};
use crate::domain_name;
use crate::flow::FlowKind;
use crate::refusal;
use crate::trust::DomainTrust;
use crate::verification::{Rung, check_chain, check_purposes};

mod remote;

pub use remote::{RemoteFlow, gone_value, read_gone, read_remote, remote_value};

/// Whether edge and home are one, or which of the two this is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Split {
    #[default]
    Whole,
    /// Lets partners in and out; users are behind it.
    Edge(Inside),
    /// Has the users; partners are beyond its edges.
    Home(Inside),
}

impl Split {
    pub fn inside(&self) -> Option<&Inside> {
        match self {
            Split::Whole => None,
            Split::Edge(inside) | Split::Home(inside) => Some(inside),
        }
    }
}

/// The inner side, as the configuration has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inside {
    /// What we are called there, in Via and Record-Route; lower case.
    pub name: String,
    /// Where requests for the other side go: of an edge its next hop, of a home its edges.
    pub hops: Vec<Hop>,
    pub transport: Transport,
    /// Both sides are Comity: the edge says what it found out about a partner.
    pub is_comity: bool,
    /// DNS names of which a certificate there has to have one; lower case.
    pub peer_names: Vec<String>,
    /// Of servers without certificates, over TCP and UDP.
    pub peer_addresses: Vec<IpAddr>,
    /// Partners' requests go on with P-Asserted-Identity (RFC 3325).
    pub assert: bool,
    /// Of an edge: users of ours may sign in through it from outside.
    #[serde(default)]
    pub takes_remote_users: bool,
}

/// A server of the other side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hop {
    /// A DNS name, or an IP address where no certificate has to name it.
    pub host: String,
    /// `None`: its SRV records say, else the transport's own.
    pub port: Option<u16>,
}

impl Inside {
    pub fn is_named(&self, host: &str) -> bool {
        domain_name::same(&self.name, host)
    }

    /// Whether a server of the other side has this name, by which it can be reached.
    pub fn has_hop(&self, host: &str) -> bool {
        self.hops.iter().any(|hop| domain_name::same(&hop.host, host))
    }

    /// Whether whoever is at the other end of an inner flow is one of those who may be there.
    ///
    /// # Errors
    /// With the reason for the operator.
    pub fn check_peer(&self, flow: &Flow<'_>) -> Result<(), Refusal> {
        let facts = flow.facts;
        if *flow.kind == FlowKind::Inside {
            return Ok(());
        }
        let Some(certificate) = facts.secure_certificate() else {
            let (address, is_known) = (facts.remote.ip(), self.peer_addresses.contains(&facts.remote.ip()));
            return match facts.transport {
                Transport::Tcp | Transport::Udp if is_known => Ok(()),
                Transport::Tcp | Transport::Udp => {
                    Err(refusal::not_inside(format!("{address} is not in [inside] peers")))
                }
                _ => Err(refusal::not_inside(format!("{address} shows no certificate"))),
            };
        };
        self.check_certificate(certificate, facts.peer_role())
    }

    /// Whether a certificate is that of somebody of the inner side.
    ///
    /// # Errors
    /// With the reason for the operator.
    pub fn check_certificate(
        &self,
        certificate: &crate::trust::PeerCertificate,
        role: crate::verification::Role,
    ) -> Result<(), Refusal> {
        check_chain(certificate, &self.name, &DomainTrust::default())
            .and_then(|()| check_purposes(certificate.purposes, role))?;
        let names = &certificate.names.dns;
        if self.peer_names.iter().any(|peer| names.contains(peer)) {
            return Ok(());
        }
        Err(refusal::not_inside(format!(
            "the certificate of {} names {}; expected one of {} ([inside] peers)",
            certificate.subject,
            names.iter().take(NAMED_MAX).cloned().collect::<Vec<_>>().join(", "),
            self.peer_names.join(", ")
        )))
    }
}

/// What an edge says to its home of a request of a partner, in [`ADMITTED_HEADER`].
pub fn admitted_value(origin: &Origin) -> Option<String> {
    match origin {
        Origin::Partner { domain, rung, standing, source } => {
            let provider = source.provider.as_ref().map(|name| format!(";provider={name}")).unwrap_or_default();
            let verified = source.is_verified;
            Some(format!("1;partner={domain};rung={rung:?};tier={standing:?};verified={verified}{provider}"))
        }
        Origin::User { .. } | Origin::Remote { .. } | Origin::Inside { .. } => None,
    }
}

/// Reads [`admitted_value`]; `None` where it says nothing that this version knows. What follows is for later versions.
pub fn read_admitted(value: &str) -> Option<Origin> {
    let mut parts = value.split(';').map(str::trim);
    let (mut partner, mut rung, mut tier) = (None, None, None);
    // Nobody is vouched for by silence.
    let mut source = Source { provider: None, is_verified: false };
    if parts.next()? != VERSION {
        return None;
    }
    for part in parts {
        match part.split_once('=')? {
            // Nobody is both, here and in the others.
            ("remote" | "gone", _) => return None,
            ("partner", domain) => partner = Some(domain_name::canonical(domain)),
            ("rung", name) => rung = Some(Rung::deserialize(deserializer(name)).ok()?),
            ("tier", name) => tier = Some(Tier::deserialize(deserializer(name)).ok()?),
            ("verified", is_verified) => source.is_verified = is_verified == "true",
            ("provider", name) => source.provider = Some(name.to_owned()),
            _ => {}
        }
    }
    let domain = partner.filter(|domain| domain_name::is_dns_name(domain))?;
    Some(Origin::Partner { domain, rung: rung?, standing: tier?, source })
}

/// What Lync's edge says to its inside of a partner's request, in [`TRUST_HEADER`] (MS-SIPRE section 2.2.15). `edge` is our name
/// there. A partner that nobody entered is of `AutoFederation`, one whose edge the administrator named a `DirectPartner`.
pub fn trust_value(origin: &Origin, edge: &str) -> Option<String> {
    let Origin::Partner { rung, standing, source, .. } = origin else { return None };
    let kind = match (standing, rung) {
        (Tier::Discovered, _) => "AutoFederation",
        (Tier::Allowed, Rung::Pin | Rung::EdgeFqdn) => "DirectPartner",
        (Tier::Allowed, _) => "AuthorizedServer",
    };
    let user = if source.is_verified { "verified" } else { "unverified" };
    let network = if source.provider.is_some() { "publiccloud" } else { "federation" };
    Some(format!("ms-source-type={kind};ms-ep-fqdn={edge};ms-source-verified-user={user};ms-source-network={network}"))
}

/// Whether what is behind an edge says by its final response that the user asked for does not exist: a home in
/// [`VERDICT_HEADER`], a server of another kind by its status alone (RFC 3261 sections 21.4.5, 21.6.3).
pub fn is_of_nobody(response: &Message, is_comity: bool) -> bool {
    match is_comity {
        true => response.header_by_name(VERDICT_HEADER).is_some_and(|value| value == NOBODY_VALUE.as_bytes()),
        false => matches!(response.status(), Some(404 | 604)),
    }
}

/// A variant's name is what both sides know it by.
fn deserializer(name: &str) -> serde::de::value::StrDeserializer<'_, Error> {
    name.into_deserializer()
}

/// Believed on inner flows alone, and taken off everywhere else.
pub const ADMITTED_HEADER: &str = "Comity-Admitted";
/// For what reads Lync's words; taken off what comes from outside ([`crate::border`]).
pub const TRUST_HEADER: &str = "ms-edge-proxy-message-trust";
/// What a home says to its edge of a request for a user who does not exist: believed from a home alone, and taken off before it goes on.
pub const VERDICT_HEADER: &str = "Comity-Verdict";
pub const NOBODY_VALUE: &str = "1;user=unknown";
const VERSION: &str = "1";
/// Of a certificate's names, in a sentence.
const NAMED_MAX: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_edge_says_is_read_by_its_home() {
        for rung in [Rung::Pin, Rung::EdgeFqdn, Rung::Domain, Rung::EdgeInDomain, Rung::SecureDns] {
            for standing in [Tier::Allowed, Tier::Discovered] {
                let source = Source { provider: Some("hoster".to_owned()), is_verified: rung != Rung::Domain };
                let origin = Origin::Partner { domain: "fabrikam.example".to_owned(), rung, standing, source };
                assert_eq!(admitted_value(&origin).and_then(|value| read_admitted(&value)), Some(origin));
            }
        }
    }

    #[test]
    fn lync_s_inside_is_told_in_its_own_words() {
        let told = |rung, standing, source| {
            let origin = Origin::Partner { domain: "fabrikam.example".to_owned(), rung, standing, source };
            trust_value(&origin, "edge.corp.example")
        };
        let hoster = Source { provider: Some("hoster".to_owned()), is_verified: false };
        for (rung, standing, source, kind, rest) in [
            (
                Rung::EdgeFqdn,
                Tier::Allowed,
                Source::default(),
                "DirectPartner",
                "verified;ms-source-network=federation",
            ),
            (
                Rung::Domain,
                Tier::Allowed,
                Source::default(),
                "AuthorizedServer",
                "verified;ms-source-network=federation",
            ),
            (
                Rung::Domain,
                Tier::Discovered,
                Source::default(),
                "AutoFederation",
                "verified;ms-source-network=federation",
            ),
            (Rung::Domain, Tier::Allowed, hoster, "AuthorizedServer", "unverified;ms-source-network=publiccloud"),
        ] {
            let value = format!("ms-source-type={kind};ms-ep-fqdn=edge.corp.example;ms-source-verified-user={rest}");
            assert_eq!(told(rung, standing, source), Some(value));
        }
        assert_eq!(trust_value(&Origin::Inside { domain: "contoso.example".to_owned() }, "x"), None);
    }

    #[test]
    fn who_does_not_exist_a_home_says_in_its_header_and_another_server_by_its_status() {
        let response = |text: &str| Message::parse(format!("SIP/2.0 {text}\r\n\r\n").into()).expect("a response");
        let told = "480 Temporarily Unavailable\r\nComity-Verdict: 1;user=unknown";
        for (text, by_home, by_another) in [
            (told, true, false),
            ("480 Temporarily Unavailable\r\nComity-Verdict: 2;user=unknown", false, false),
            ("480 Temporarily Unavailable", false, false),
            ("404 Not Found", false, true),
            ("604 Does Not Exist Anywhere", false, true),
            ("200 OK", false, false),
        ] {
            let response = response(text);
            assert_eq!(
                (is_of_nobody(&response, true), is_of_nobody(&response, false)),
                (by_home, by_another),
                "{text}"
            );
        }
    }

    #[test]
    fn nothing_is_made_of_what_is_not_whole() {
        let whole = "1;partner=fabrikam.example;rung=Domain;tier=Allowed";
        assert!(read_admitted(whole).is_some());
        assert!(read_admitted(&format!("{whole};more=less")).is_some(), "a later version says more");
        for bad in [
            "",
            "2;partner=fabrikam.example;rung=Domain;tier=Allowed",
            "1;partner=fabrikam.example;rung=Domain",
            "1;partner=fabrikam.example;tier=Allowed",
            "1;rung=Domain;tier=Allowed",
            "1;partner=192.0.2.1;rung=Domain;tier=Allowed",
            "1;partner=fabrikam.example;rung=Faith;tier=Allowed",
        ] {
            assert_eq!(read_admitted(bad), None, "{bad}");
        }
    }
}
