//! The shapes of what explains: the way to a domain step by step, and whose turn it is.

use std::net::IpAddr;

use federation::discovery::SrvTarget;
use federation::flow::ConnectStep;
use federation::trust::{Anchor, PeerCertificate, Purposes};
use serde::{Deserialize, Serialize};
use signaling::HourCounts;

use super::{FromEdge, PartnerAnswer};

/// `GET /api/route/{domain}`: each step of discovery, done now.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RouteAnswer {
    pub domain: String,
    pub entry: Option<PartnerAnswer>,
    /// What follows from the entry, or from its absence.
    pub meaning: String,
    /// What leads there, where it is not the DNS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub led_by: Option<String>,
    /// Asked only where it has no SRV record; `None` where that was not asked, or not answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain_exists: Option<bool>,
    /// What keeps our own certificate from being shown to partners, if anything does.
    pub own_certificate_problem: Option<String>,
    /// Why a partner may refuse it, one sentence each.
    pub own_certificate_warnings: Vec<String>,
    /// The names that the DNS was asked for, in order.
    pub queries: Vec<QueryStep>,
    /// In the order in which they are tried.
    pub targets: Vec<TargetStep>,
    /// The first way that holds.
    pub way: Option<WayAnswer>,
    /// Why nothing is sent, or why no way holds.
    pub refusal: Option<RefusalAnswer>,
    pub advice: Advice,
}

impl RouteAnswer {
    /// Whether a message would get to the partner, as far as that can be seen without sending one.
    pub fn holds(&self) -> bool {
        self.way.is_some() && self.refusal.is_none() && self.own_certificate_problem.is_none()
    }
}

/// One SRV query.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct QueryStep {
    pub name: String,
    pub took_ms: u64,
    pub records: Vec<SrvTarget>,
    pub ttl_secs: Option<u64>,
    pub failure: Option<String>,
}

/// One target: its addresses, and how connecting to each went.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TargetStep {
    pub host: String,
    pub port: u16,
    pub lookup_ms: u64,
    pub addresses: Vec<AddressStep>,
    /// Why there is no address.
    pub failure: Option<String>,
}

/// One address: TCP, TLS, and what the ladder says to the certificate.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AddressStep {
    pub address: IpAddr,
    pub tcp_ms: Option<u64>,
    pub tls_ms: Option<u64>,
    /// Why TCP or TLS failed.
    pub failure: Option<String>,
    #[serde(skip)]
    pub failed_at: Option<ConnectStep>,
    pub certificate: Option<CertificateAnswer>,
    /// The rung of the ladder that holds.
    pub rung: Option<String>,
    /// Why none does.
    pub refusal: Option<RefusalAnswer>,
    /// How the peer ended the connection right after the handshake, if it did: it may not accept our certificate.
    pub hung_up: Option<String>,
}

/// Where messages go, and what proves the place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WayAnswer {
    /// `edge.fabrikam.example:5061`
    pub target: String,
    pub address: IpAddr,
    pub rung: String,
}

/// A peer's certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateAnswer {
    pub subject: String,
    /// DNS names, and SIP domains as `sip:` URIs.
    pub names: Vec<String>,
    pub issuer: String,
    pub serial: String,
    pub not_after_unix: i64,
    /// `serverAuth`, `clientAuth`, `sipDomain`, `any`; empty: none that SIP knows.
    pub purposes: Vec<String>,
    /// Absent where its extended key usage is not stated, so that it is good for every purpose.
    pub purposes_stated: bool,
    /// The authority that the chain ends at.
    pub anchor: Option<String>,
    /// Why the chain is not accepted.
    pub chain_failure: Option<String>,
    /// What the list of revoked certificates says that it names; absent where it names none, or none is looked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revocation: Option<String>,
    /// SHA-256, hexadecimal.
    pub fingerprint: String,
}

/// `GET /api/why`: what was decided about a request, or would be.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WhyAnswer {
    /// Absent where nothing was sent.
    pub call_id: Option<String>,
    /// How the call was chosen, where it was not named.
    pub note: Option<String>,
    /// In the order of time.
    pub steps: Vec<WhyStep>,
    /// Other Call-IDs between the same domains, the newest first.
    pub others: Vec<String>,
    pub advice: Advice,
    /// Of a home: what its edges decided about it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub edges: Vec<FromEdge<WhyAnswer>>,
}

/// One decision, in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WhyStep {
    /// Absent where nothing was sent.
    pub at_unix_ms: Option<i64>,
    pub sentence: String,
    pub details: Vec<String>,
}

/// What the DNS said about a partner, as a worker remembers it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DiscoveryAnswer {
    /// The SRV name that answered.
    pub name: Option<String>,
    pub records: Vec<SrvTarget>,
    pub failure: Option<String>,
    /// Since the name servers said so; an edge of an earlier version does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learnt_secs_ago: Option<u64>,
    pub believed_secs: u64,
    /// Why it could not be asked for again, though its own time is nearly over or over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale: Option<String>,
    /// For how long its own time has been over.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub stale_secs: u64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// A server, or one of its addresses, that failed lately.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TroubleAnswer {
    pub worker: u16,
    pub place: String,
    pub failures: u32,
    pub reason: String,
    /// Since the last time.
    #[serde(default)]
    pub failed_secs_ago: u64,
    /// How much longer it is tried last.
    pub avoided_secs: u64,
}

/// A certificate that the partner shows on connections that stand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenAnswer {
    /// Whether the partner opened the connections.
    pub inbound: bool,
    pub connections: u64,
    pub remote: IpAddr,
    pub certificate: CertificateAnswer,
}

/// Requests since the server started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CountsAnswer {
    /// Of the partner.
    pub admitted: u64,
    /// Of the partner.
    pub refused: u64,
    /// Of those refused: too much of the partner was under way.
    #[serde(default)]
    pub over_share: u64,
    /// Of our users, by us.
    pub refused_ours: u64,
    pub sent: u64,
    pub succeeded: u64,
    /// Answered with 503.
    pub overloaded: u64,
    /// Not sent while the partner rested.
    pub held_back: u64,
    /// Of the hour of the clock, and of the one before.
    #[serde(default)]
    pub this_hour: HourCounts,
    #[serde(default)]
    pub last_hour: HourCounts,
}

/// What a rung of the ladder means, for whoever has not read about it.
pub fn rung_sentence(rung: &str) -> String {
    match rung {
        "pin" => "the certificate is the one that is pinned here (pin)".to_owned(),
        "edge-fqdn" => "the certificate names the edge of the partner entry (edge-fqdn)".to_owned(),
        "domain" => "the certificate names the SIP domain itself (domain)".to_owned(),
        "edge-in-domain" => {
            "the certificate names an edge directly below the domain, to which its SRV record leads (edge-in-domain)"
                .to_owned()
        }
        "secure-dns" => {
            "the DNS, validated by DNSSEC, leads from the domain to the host that the certificate names, or has a TLSA record \
             of it (secure-dns)"
                .to_owned()
        }
        "configured" => "it is who [inside] says that it is (configured)".to_owned(),
        other => other.to_owned(),
    }
}

/// The public word and the private reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusalAnswer {
    pub status: u16,
    pub word: String,
    pub reason: String,
}

/// Who has something to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// Nothing is wrong.
    Nobody,
    Ours,
    Partner,
    /// Between the two, or the DNS.
    Network,
    /// Whoever wrote the message.
    Sender,
}

/// The last words of every explanation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Advice {
    /// One sentence: what it comes down to.
    pub verdict: String,
    /// One sentence: what to do next.
    pub next: String,
    pub side: Side,
    #[serde(default)]
    pub sure: Sure,
}

/// How far a verdict is to be believed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sure {
    /// It was seen here.
    #[default]
    Seen,
    /// The partner's answer says so.
    Told,
    /// What was seen mostly means this.
    Likely,
    /// What was seen can be on either side.
    Open,
}

impl Sure {
    /// Ends "how sure: ".
    pub fn as_str(self) -> &'static str {
        match self {
            Sure::Seen => "certain: it was seen here",
            Sure::Told => "the partner's answer says so; it cannot be checked from here",
            Sure::Likely => "likely: what was seen here mostly means this",
            Sure::Open => "open: what was seen here can have its cause on either side, or between",
        }
    }
}

impl Side {
    /// Ends "whose side: ".
    pub fn as_str(self) -> &'static str {
        match self {
            Side::Nobody => "nobody's",
            Side::Ours => "ours",
            Side::Partner => "the partner's",
            Side::Network => "the network between, or the DNS",
            Side::Sender => "the sender's",
        }
    }
}

impl From<&PeerCertificate> for CertificateAnswer {
    fn from(seen: &PeerCertificate) -> CertificateAnswer {
        let uris = seen.names.sip_uris.iter().map(|domain| format!("sip:{domain}"));
        let (anchor, chain_failure) = match &seen.chain {
            Ok(Anchor::Public { name } | Anchor::Partner { name, .. }) => (Some(name.clone()), None),
            Err(why) => (None, Some(why.to_string())),
        };
        CertificateAnswer {
            subject: seen.subject.clone(),
            names: seen.names.dns.iter().cloned().chain(uris).collect(),
            issuer: seen.issuer.clone(),
            serial: seen.serial.clone(),
            not_after_unix: seen.not_after_unix,
            purposes: purposes(seen.purposes),
            purposes_stated: seen.purposes.stated,
            anchor,
            chain_failure,
            revocation: None,
            fingerprint: seen.fingerprint_hex(),
        }
    }
}

impl From<&sip::Refusal> for RefusalAnswer {
    fn from(refusal: &sip::Refusal) -> RefusalAnswer {
        RefusalAnswer { status: refusal.status, word: refusal.word.to_string(), reason: refusal.reason.clone() }
    }
}

/// Those that SIP reads, as they are called.
pub(crate) fn purposes(of: Purposes) -> Vec<String> {
    let named =
        [(of.server_auth, "serverAuth"), (of.client_auth, "clientAuth"), (of.sip_domain, "sipDomain"), (of.any, "any")];
    named.into_iter().filter(|(stated, _)| *stated).map(|(_, name)| name.to_owned()).collect()
}
