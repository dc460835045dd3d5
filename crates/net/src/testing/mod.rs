//! A certificate authority, configurations and a name server for the tests of this crate.

pub(crate) mod name_server;

use std::sync::Arc;

use certificates::{Identity, Roots, ServedIdentity, tls};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType};
use rustls::{ClientConfig, ServerConfig};
use rustls_pki_types::PrivateKeyDer;

/// A certificate authority that every edge of a test trusts.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// The TLS configurations of an edge with a certificate, and whom it trusts.
pub(crate) struct Edge {
    pub(crate) server: Arc<ServerConfig>,
    pub(crate) web_server: Arc<ServerConfig>,
    pub(crate) client: Arc<ClientConfig>,
    pub(crate) roots: Roots,
}

impl Authority {
    pub(crate) fn new() -> Authority {
        let mut params = CertificateParams::new([]).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Authority { issuer: CertifiedIssuer::self_signed(params, key()).expect("an authority") }
    }

    /// Its certificate names `domain` as a SIP domain and as a host.
    pub(crate) fn edge(&self, domain: &str) -> Edge {
        let mut params = CertificateParams::new([domain.to_owned()]).expect("a host name");
        params.subject_alt_names.push(SanType::URI(format!("sip:{domain}").try_into().expect("ASCII")));
        let key = key();
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let identity = Identity {
            chain: vec![certificate.der().clone()],
            key: PrivateKeyDer::try_from(key.serialize_der()).expect("a key"),
        };
        let roots = Roots::empty().with_certificates(&[self.issuer.as_ref().der().clone()]).expect("a root");
        let served = ServedIdentity::new(&identity).expect("an identity");
        Edge {
            server: Arc::new(tls::recording_server_config(&served).expect("a server")),
            web_server: Arc::new(tls::web_server_config(&served).expect("a server")),
            client: Arc::new(tls::recording_client_config(Some(&served)).expect("a client")),
            roots,
        }
    }
}

fn key() -> KeyPair {
    KeyPair::generate().expect("a key")
}
