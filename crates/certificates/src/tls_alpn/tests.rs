use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls::ClientConnection;
use rustls::server::Acceptor;
use rustls_pki_types::{PrivatePkcs8KeyDer, ServerName};

use super::*;
use crate::tls::recording_client_config;

fn shown(name: &str) -> TlsAlpn {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new([name.to_owned()]).expect("a name");
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(&[7; 32])];
    let certificate = params.self_signed(&key).expect("a certificate");
    let challenges = TlsAlpn::default();
    let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
    challenges.show(name, certificate.der().clone(), key).expect("a key of use");
    challenges
}

/// Whether a client that asks for this name, with these protocols, is answered.
fn is_answered(challenges: &TlsAlpn, name: &'static str, protocols: &[&[u8]]) -> bool {
    let mut config = recording_client_config(None).expect("a client");
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    let name = ServerName::try_from(name).expect("a name");
    let mut client = ClientConnection::new(Arc::new(config), name).expect("a client");
    let mut hello = Vec::new();
    client.write_tls(&mut hello).expect("memory");
    let mut acceptor = Acceptor::default();
    acceptor.read_tls(&mut hello.as_slice()).expect("memory");
    let accepted = acceptor.accept().map_err(|(error, _)| error).expect("a hello").expect("all of it");
    challenges.answer(&accepted.client_hello()).is_some()
}

#[test]
fn only_who_asks_for_the_challenge_by_its_name_is_answered() {
    let challenges = shown("sip.contoso.example");
    assert!(challenges.is_waiting());
    assert!(is_answered(&challenges, "sip.contoso.example", &[ACME_TLS]));
    assert!(is_answered(&challenges, "SIP.Contoso.example", &[ACME_TLS]));
    assert!(!is_answered(&challenges, "contoso.example", &[ACME_TLS]));
    assert!(!is_answered(&challenges, "sip.contoso.example", &[b"sip", b"http/1.1"]));
    assert!(!is_answered(&challenges, "sip.contoso.example", &[]));
}

#[test]
fn nobody_is_answered_after_the_order() {
    let challenges = shown("sip.contoso.example");
    challenges.clone().clear();
    assert!(!challenges.is_waiting());
    assert!(!is_answered(&challenges, "sip.contoso.example", &[ACME_TLS]));
}
