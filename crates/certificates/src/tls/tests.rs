//! Whole handshakes in memory: what ends one, what does not, and which facts remain.

use federation::trust::{Anchor, PeerCertificate, Why};
use federation::verification::{Claim, Role, Rung, Verdict, judge};
use rustls::client::{ClientSessionMemoryCache, ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{CertificateError, HandshakeKind, NamedGroup, ProtocolVersion, RootCertStore};

use super::*;
use crate::facts::facts;
use crate::load::Identity;
use crate::roots::Roots;
use crate::testing::{Authority, ClientAuth, Pair, ServerAuth, Wish, connect, connect_to, now, sip_domain};

fn server_of(served: &Arc<ServedIdentity>) -> Arc<ServerConfig> {
    Arc::new(recording_server_config(served).expect("a configuration"))
}

fn server(identity: &Identity) -> Arc<ServerConfig> {
    server_of(&ServedIdentity::new(identity).expect("an identity"))
}

fn client(identity: Option<&Identity>) -> Arc<ClientConfig> {
    let served = identity.map(|identity| ServedIdentity::new(identity).expect("an identity"));
    Arc::new(recording_client_config(served.as_ref()).expect("a configuration"))
}

/// A client of one TLS version that resumes, as other people's clients do.
fn resuming_client(identity: &Identity, version: &'static SupportedProtocolVersion) -> Arc<ClientConfig> {
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[version])
        .expect("a version")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(RecordingServerVerifier::new(&provider())))
        .with_client_auth_cert(identity.chain.clone(), identity.key.clone_key())
        .expect("a key");
    config.resumption = Resumption::in_memory_sessions(8);
    Arc::new(config)
}

fn facts_at_server(pair: &Pair, roots: &Roots) -> PeerCertificate {
    facts(pair.server.peer_certificates().expect("a certificate"), roots, now())
}

#[test]
fn a_stock_verifier_refuses_an_honest_partner_and_ours_records_it() {
    let root = Authority::root("Root");
    let ours = root.issue(Wish { dns: &["edge.contoso.com"], purposes: vec![ServerAuth], ..Wish::default() });
    let theirs = root.issue(Wish { uris: &["sip:fabrikam.com"], purposes: vec![ServerAuth], ..Wish::default() });

    let mut store = RootCertStore::empty();
    store.add(root.certificate()).expect("a root");
    let stock = WebPkiClientVerifier::builder_with_provider(Arc::new(store), provider()).build().expect("a verifier");
    let strict =
        Arc::new(server_config(&ServedIdentity::new(&ours).expect("an identity"), stock).expect("a configuration"));
    let error = connect(&client(Some(&theirs)), &strict).err().expect("a refusal");
    let purpose = matches!(error, Error::InvalidCertificate(CertificateError::InvalidPurposeContext { .. }));
    assert!(purpose, "{error:?}");

    let pair = connect(&client(Some(&theirs)), &server(&ours)).expect("a connection");
    let facts = facts_at_server(&pair, &root.roots());
    assert_eq!(facts.chain, Ok(Anchor::Public { name: "CN=Root".into() }));
    assert!(matches!(judge(&facts, Role::Client, &Claim::of("fabrikam.com"), None), Verdict::Proven(Rung::Domain)));
    assert_eq!(pair.server.protocol_version(), Some(ProtocolVersion::TLSv1_3));
    assert_eq!((pair.server.alpn_protocol(), pair.client.alpn_protocol()), (None, None));
}

#[test]
fn a_certificate_for_sip_domains_only_serves_both_ways() {
    let root = Authority::root("Root");
    let wish = |uri| Wish { uris: uri, purposes: vec![sip_domain()], ..Wish::default() };
    let (ours, theirs) = (root.issue(wish(&["sip:contoso.com"])), root.issue(wish(&["sip:fabrikam.com"])));
    let pair = connect(&client(Some(&theirs)), &server(&ours)).expect("a connection");
    let client_facts = facts_at_server(&pair, &root.roots());
    let server_facts = facts(pair.client.peer_certificates().expect("a certificate"), &root.roots(), now());
    for (facts, role, domain) in
        [(client_facts, Role::Client, "fabrikam.com"), (server_facts, Role::Server, "contoso.com")]
    {
        assert!(matches!(judge(&facts, role, &Claim::of(domain), None), Verdict::Proven(Rung::Domain)));
    }
}

#[test]
fn an_untrusted_or_expired_chain_completes_the_handshake_and_is_a_fact() {
    let (root, stranger) = (Authority::root("Root"), Authority::root("Stranger"));
    let expired = || Wish { years: Some((2020, 2021)), ..Wish::default() };
    for (ours, theirs, why) in [
        (root.issue(Wish::default()), stranger.issue(Wish::default()), Why::UnknownIssuer),
        (root.issue(Wish::default()), root.issue(expired()), Why::Expired),
    ] {
        let pair = connect(&client(Some(&theirs)), &server(&ours)).expect("a connection");
        assert_eq!(facts_at_server(&pair, &root.roots()).chain, Err(why.clone()));
        let pair = connect(&client(Some(&ours)), &server(&theirs)).expect("a connection");
        let seen = pair.client.peer_certificates().expect("a certificate");
        assert_eq!(facts(seen, &root.roots(), now()).chain, Err(why));
    }
}

#[test]
fn a_phone_without_a_certificate_is_let_in() {
    let ours = Authority::root("Root").issue(Wish::default());
    let pair = connect(&client(None), &server(&ours)).expect("a connection");
    assert_eq!(pair.server.peer_certificates(), None);
}

#[test]
fn a_peer_without_the_key_of_its_certificate_is_not_let_in() {
    let root = Authority::root("Root");
    let ours = root.issue(Wish::default());
    let victim = root.issue(Wish { uris: &["sip:fabrikam.com"], ..Wish::default() });
    let thief = root.issue(Wish::default());
    for version in [&TLS12, &TLS13] {
        let stolen = Arc::new(Stolen { chain: victim.chain.clone(), key: thief.key.clone_key() });
        let as_client = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[version])
            .expect("a version")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(RecordingServerVerifier::new(&provider())))
            .with_client_cert_resolver(stolen.clone());
        let error = connect(&Arc::new(as_client), &server(&ours)).err().expect("a refusal");
        assert_eq!(error, Error::InvalidCertificate(CertificateError::BadSignature));

        let as_server = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[version])
            .expect("a version")
            .with_no_client_auth()
            .with_cert_resolver(stolen);
        let error = connect(&client(None), &Arc::new(as_server)).err().expect("a refusal");
        assert_eq!(error, Error::InvalidCertificate(CertificateError::BadSignature));
    }
}

#[test]
fn a_resumed_session_shows_the_same_certificate_to_be_judged_again() {
    let root = Authority::root("Root");
    let ours = root.issue(Wish::default());
    let theirs = root.issue(Wish { uris: &["sip:fabrikam.com"], purposes: vec![ClientAuth], ..Wish::default() });
    for version in [&TLS12, &TLS13] {
        let (client, listener) = (resuming_client(&theirs, version), server(&ours));
        let first = connect(&client, &listener).expect("a connection");
        assert_eq!(first.server.handshake_kind(), Some(HandshakeKind::Full));
        let second = connect(&client, &listener).expect("a connection");
        assert_eq!(second.server.handshake_kind(), Some(HandshakeKind::Resumed), "{version:?}");
        assert_eq!(second.server.peer_certificates(), first.server.peer_certificates());
        let (before, after) = (facts_at_server(&first, &root.roots()), facts_at_server(&second, &root.roots()));
        assert_eq!(after.names.sip_uris, ["fabrikam.com"]);
        assert_eq!((before.fingerprint, before.chain), (after.fingerprint, after.chain));
        // A later verdict may differ: the roots of today decide, not those of the first handshake.
        assert_eq!(facts_at_server(&second, &Roots::empty()).chain, Err(Why::UnknownIssuer));
    }
}

#[test]
fn a_session_does_not_cross_to_another_listener() {
    let root = Authority::root("Root");
    let (ours, theirs) = (root.issue(Wish::default()), root.issue(Wish::default()));
    for version in [&TLS12, &TLS13] {
        let client = resuming_client(&theirs, version);
        connect(&client, &server(&ours)).expect("a connection");
        let elsewhere = connect(&client, &server(&ours)).expect("a connection");
        assert_eq!(elsewhere.server.handshake_kind(), Some(HandshakeKind::Full));
    }
}

/// Most clients would not even try; this one does.
#[test]
fn a_session_does_not_cross_to_another_name() {
    let root = Authority::root("Root");
    let (ours, theirs) = (root.issue(Wish::default()), root.issue(Wish::default()));
    for version in [&TLS12, &TLS13] {
        let mut client = ClientConfig::clone(&resuming_client(&theirs, version));
        client.resumption = Resumption::store(Arc::new(Nameless(ClientSessionMemoryCache::new(8))));
        let (client, listener) = (Arc::new(client), server(&ours));
        let kind = |name| connect_to(name, &client, &listener).expect("a connection").server.handshake_kind();
        assert_eq!(kind("contoso.com"), Some(HandshakeKind::Full));
        assert_eq!(kind("contoso.com"), Some(HandshakeKind::Resumed), "{version:?}");
        assert_eq!(kind("fabrikam.com"), Some(HandshakeKind::Full), "{version:?}");
    }
}

#[test]
fn a_browser_is_asked_for_no_certificate_and_told_that_this_is_http() {
    let root = Authority::root("Root");
    let (ours, theirs) = (root.issue(Wish::default()), root.issue(Wish::default()));
    let served = ServedIdentity::new(&ours).expect("an identity");
    let listener = Arc::new(web_server_config(&served).expect("a configuration"));
    let with_protocols = |protocols: &[&[u8]]| {
        let mut client = ClientConfig::clone(&client(Some(&theirs)));
        client.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        connect(&Arc::new(client), &listener)
    };
    let pair = with_protocols(&[b"h2", b"http/1.1"]).expect("a connection");
    assert_eq!(pair.client.alpn_protocol(), Some(&b"http/1.1"[..]));
    assert_eq!(pair.server.peer_certificates(), None);
    assert!(with_protocols(&[]).is_ok(), "a program that names no protocol");
    assert_eq!(with_protocols(&[b"xmpp-client"]).err(), Some(Error::NoApplicationProtocol));
}

#[test]
fn our_own_connections_are_never_resumed() {
    let root = Authority::root("Root");
    let (ours, theirs) = (root.issue(Wish::default()), root.issue(Wish::default()));
    let (client, listener) = (client(Some(&ours)), server(&theirs));
    for _ in 0..2 {
        let pair = connect(&client, &listener).expect("a connection");
        assert_eq!(pair.client.handshake_kind(), Some(HandshakeKind::Full));
    }
}

/// Remembers sessions, and not with whom they were.
#[derive(Debug)]
struct Nameless(ClientSessionMemoryCache);

fn nobody() -> ServerName<'static> {
    ServerName::try_from("nobody.example").expect("a name")
}

impl ClientSessionStore for Nameless {
    fn set_kx_hint(&self, _: ServerName<'static>, group: NamedGroup) {
        self.0.set_kx_hint(nobody(), group);
    }

    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        self.0.kx_hint(&nobody())
    }

    fn set_tls12_session(&self, _: ServerName<'static>, session: Tls12ClientSessionValue) {
        self.0.set_tls12_session(nobody(), session);
    }

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.0.tls12_session(&nobody())
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {
        self.0.remove_tls12_session(&nobody());
    }

    fn insert_tls13_ticket(&self, _: ServerName<'static>, ticket: Tls13ClientSessionValue) {
        self.0.insert_tls13_ticket(nobody(), ticket);
    }

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.0.take_tls13_ticket(&nobody())
    }
}

/// Another's certificate with a key of one's own.
#[derive(Debug)]
struct Stolen {
    chain: Vec<CertificateDer<'static>>,
    key: rustls::pki_types::PrivateKeyDer<'static>,
}

impl Stolen {
    fn certified(&self) -> Arc<rustls::sign::CertifiedKey> {
        let key = provider().key_provider.load_private_key(self.key.clone_key()).expect("a key");
        Arc::new(rustls::sign::CertifiedKey::new(self.chain.clone(), key))
    }
}

impl rustls::client::ResolvesClientCert for Stolen {
    fn resolve(&self, _: &[&[u8]], _: &[rustls::SignatureScheme]) -> Option<Arc<rustls::sign::CertifiedKey>> {
        Some(self.certified())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

impl rustls::server::ResolvesServerCert for Stolen {
    fn resolve(&self, _: rustls::server::ClientHello<'_>) -> Option<Arc<rustls::sign::CertifiedKey>> {
        Some(self.certified())
    }
}
