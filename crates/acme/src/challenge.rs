//! How a name is proven: by HTTP (RFC 8555 section 8.3), by TLS (RFC 8737), or by a record in the DNS (RFC 8555 section 8.4).

mod dns;
mod http;
mod tls_alpn;

use std::net::SocketAddr;

use certificates::TlsAlpn;
pub use dns::{DnsUpdates, TsigAlgorithm, TsigKey};
use instant_acme::{ChallengeType, KeyAuthorization};

use crate::error::AcmeError;

/// The way that the configuration chose.
#[derive(Clone, Debug)]
pub enum Proof {
    /// A listener of our own on these addresses, while an order waits.
    Http01(Vec<SocketAddr>),
    /// Our TLS listeners, which share this.
    TlsAlpn01(TlsAlpn),
    /// A name server that takes updates.
    Dns01(DnsUpdates),
}

/// The answers to one order's challenges, from before it is made until it is over; dropped, they are gone. Records in the
/// DNS are not: see [`Answers::withdraw`].
pub(crate) enum Answers {
    Http01(http::Answers),
    TlsAlpn01(tls_alpn::Answers),
    Dns01(dns::Answers),
}

impl Answers {
    /// Gets ready. What can fail here fails before the authority is asked, and counted, anything.
    pub(crate) async fn open(proof: &Proof, names: &[String]) -> Result<Answers, AcmeError> {
        match proof {
            Proof::Http01(listen) => http::Answers::open(listen).await.map(Answers::Http01),
            Proof::TlsAlpn01(shown) => Ok(Answers::TlsAlpn01(tls_alpn::Answers::new(shown.clone()))),
            Proof::Dns01(updates) => dns::Answers::open(updates, names).await.map(Answers::Dns01),
        }
    }

    pub(crate) fn kind(&self) -> ChallengeType {
        match self {
            Answers::Http01(_) => ChallengeType::Http01,
            Answers::TlsAlpn01(_) => ChallengeType::TlsAlpn01,
            Answers::Dns01(_) => ChallengeType::Dns01,
        }
    }

    pub(crate) async fn show(
        &mut self,
        name: &str,
        token: &str,
        authorization: &KeyAuthorization,
    ) -> Result<(), AcmeError> {
        match self {
            Answers::Http01(answers) => {
                answers.show(token, authorization.as_str());
                Ok(())
            }
            Answers::TlsAlpn01(answers) => answers.show(name, authorization.digest().as_ref()),
            Answers::Dns01(answers) => answers.show(name, &authorization.dns_value()).await,
        }
    }

    /// Returns when all that was shown can be seen from outside.
    pub(crate) async fn settle(&self) {
        if let Answers::Dns01(answers) = self {
            answers.settle().await;
        }
    }

    pub(crate) async fn withdraw(self) {
        if let Answers::Dns01(answers) = self {
            answers.withdraw().await;
        }
    }
}
