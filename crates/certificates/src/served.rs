//! The identity that we show, exchanged while connections stand: each handshake takes the one of its moment.
//!
//! A connection keeps what its handshake showed. A session does not outlive the identity it was begun with, so that
//! nobody resumes his way past a certificate that was replaced because its key was lost.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use rustls::client::ResolvesClientCert;
use rustls::server::{ClientHello, ResolvesServerCert, ServerSessionMemoryCache, StoresServerSessions};
use rustls::sign::CertifiedKey;
use rustls::{Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName};
use webpki::EndEntityCert;

use crate::load::Identity;
use crate::tls::{SESSIONS_MAX, provider};

/// Shared by the TLS configurations of all listeners and of connections to partners.
#[derive(Debug)]
pub struct ServedIdentity {
    current: RwLock<Arc<CertifiedKey>>,
    /// Counts the replacements.
    generation: AtomicU64,
    /// Shown to who asks for a name (SNI) that one of these has, and this one has not; the first that has it.
    others: Vec<Arc<ServedIdentity>>,
}

impl ServedIdentity {
    /// # Errors
    /// For a key that is of no use, or that belongs to another certificate.
    pub fn new(identity: &Identity) -> Result<Arc<ServedIdentity>, Error> {
        ServedIdentity::with_others(identity, Vec::new())
    }

    /// One beside which there are others for further names. Connections of our own show this one, unless they begin with one of
    /// [`ServedIdentity::all`].
    ///
    /// # Errors
    /// As [`ServedIdentity::new`].
    pub fn with_others(identity: &Identity, others: Vec<Arc<ServedIdentity>>) -> Result<Arc<ServedIdentity>, Error> {
        let current = RwLock::new(certified(identity)?);
        Ok(Arc::new(ServedIdentity { current, generation: AtomicU64::new(0), others }))
    }

    /// This one, then those beside it: by these numbers partners are shown one or the other.
    pub fn all(self: &Arc<ServedIdentity>) -> impl Iterator<Item = &Arc<ServedIdentity>> {
        std::iter::once(self).chain(&self.others)
    }

    /// The certificate as it is shown now, the server's own first.
    pub fn chain(&self) -> Vec<CertificateDer<'static>> {
        self.current().cert.clone()
    }

    /// From now on every handshake shows this one.
    ///
    /// # Errors
    /// As [`ServedIdentity::new`]; the old one stays then.
    pub fn replace(&self, identity: &Identity) -> Result<(), Error> {
        let new = certified(identity)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = new;
        self.generation.fetch_add(1, Ordering::Release);
        Ok(())
    }

    fn current(&self) -> Arc<CertifiedKey> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// For the name that a client asks for, if it asks for one.
    fn named(&self, name: Option<&str>) -> Arc<CertifiedKey> {
        let first = self.current();
        let Some(name) = name.filter(|_| !self.others.is_empty()).and_then(|name| ServerName::try_from(name).ok())
        else {
            return first;
        };
        if is_for(&first, &name) {
            return first;
        }
        self.others.iter().map(|other| other.current()).find(|key| is_for(key, &name)).unwrap_or(first)
    }

    /// Rises with each replacement of any.
    fn generation(&self) -> u64 {
        let own = self.generation.load(Ordering::Acquire);
        self.others.iter().fold(own, |sum, other| sum + other.generation())
    }
}

/// As browsers judge it, wildcards included.
fn is_for(key: &CertifiedKey, name: &ServerName<'_>) -> bool {
    let end_entity = key.cert.first().and_then(|der| EndEntityCert::try_from(der).ok());
    end_entity.is_some_and(|certificate| certificate.verify_is_valid_for_subject_name(name).is_ok())
}

fn certified(identity: &Identity) -> Result<Arc<CertifiedKey>, Error> {
    CertifiedKey::from_der(identity.chain.clone(), identity.key.clone_key(), &provider()).map(Arc::new)
}

impl ResolvesServerCert for ServedIdentity {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.named(hello.server_name()))
    }
}

impl ResolvesClientCert for ServedIdentity {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.current())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// The sessions of one listener. Those of an earlier identity are not found; the oldest are forgotten first.
#[derive(Debug)]
pub(crate) struct Sessions {
    served: Arc<ServedIdentity>,
    cache: Arc<ServerSessionMemoryCache>,
}

impl Sessions {
    pub(crate) fn new(served: Arc<ServedIdentity>) -> Arc<Sessions> {
        Arc::new(Sessions { served, cache: ServerSessionMemoryCache::new(SESSIONS_MAX) })
    }

    fn key(&self, key: &[u8]) -> Vec<u8> {
        let generation = self.served.generation();
        [&generation.to_be_bytes(), key].concat()
    }
}

impl StoresServerSessions for Sessions {
    fn put(&self, key: Vec<u8>, value: Vec<u8>) -> bool {
        self.cache.put(self.key(&key), value)
    }

    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.cache.get(&self.key(key))
    }

    fn take(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.cache.take(&self.key(key))
    }

    fn can_cache(&self) -> bool {
        self.cache.can_cache()
    }
}

#[cfg(test)]
mod tests {
    use rustls::HandshakeKind;
    use rustls::client::Resumption;

    use super::*;
    use crate::testing::{Authority, Wish, connect, connect_to};
    use crate::tls::{recording_client_config, recording_server_config, web_server_config};

    fn chain(identity: &Identity) -> Option<&[CertificateDer<'static>]> {
        Some(&identity.chain)
    }

    #[test]
    fn new_handshakes_show_the_new_identity_in_both_directions() {
        let root = Authority::root("Root");
        let (old, new, peer) = (root.issue(Wish::default()), root.issue(Wish::default()), root.issue(Wish::default()));
        let ours = ServedIdentity::new(&old).expect("an identity");
        let theirs = ServedIdentity::new(&peer).expect("an identity");
        let listening = Arc::new(recording_server_config(&ours).expect("a server"));
        let connecting = Arc::new(recording_client_config(Some(&ours)).expect("a client"));
        let their_listener = Arc::new(recording_server_config(&theirs).expect("a server"));
        let their_client = Arc::new(recording_client_config(None).expect("a client"));
        for identity in [&old, &new] {
            ours.replace(identity).expect("an identity");
            let inbound = connect(&their_client, &listening).expect("a connection");
            assert_eq!(inbound.client.peer_certificates(), chain(identity));
            let outbound = connect(&connecting, &their_listener).expect("a connection");
            assert_eq!(outbound.server.peer_certificates(), chain(identity));
        }
    }

    #[test]
    fn a_session_of_the_old_identity_is_not_resumed() {
        let root = Authority::root("Root");
        let ours = ServedIdentity::new(&root.issue(Wish::default())).expect("an identity");
        let listener = Arc::new(recording_server_config(&ours).expect("a server"));
        let mut client = recording_client_config(None).expect("a client");
        client.resumption = Resumption::in_memory_sessions(8);
        let client = Arc::new(client);
        let kind = || connect(&client, &listener).expect("a connection").server.handshake_kind();
        assert_eq!([kind(), kind()], [Some(HandshakeKind::Full), Some(HandshakeKind::Resumed)]);
        ours.replace(&root.issue(Wish::default())).expect("an identity");
        assert_eq!([kind(), kind()], [Some(HandshakeKind::Full), Some(HandshakeKind::Resumed)]);
    }

    #[test]
    fn who_asks_for_a_name_is_shown_the_certificate_that_has_it() {
        let root = Authority::root("Root");
        let named = |dns| root.issue(Wish { dns, ..Wish::default() });
        let (first, second) = (named(&["sip.contoso.com", "contoso.com"]), named(&["*.contoso.com", "fabrikam.com"]));
        let other = ServedIdentity::new(&second).expect("an identity");
        let served = ServedIdentity::with_others(&first, vec![other.clone()]).expect("an identity");
        let client = Arc::new(recording_client_config(None).expect("a client"));
        for listener in [recording_server_config(&served), web_server_config(&served)] {
            let listener = Arc::new(listener.expect("a server"));
            let shown = |name| connect_to(name, &client, &listener).expect("a connection").client;
            for (name, identity) in [
                ("contoso.com", &first),
                ("sip.contoso.com", &first),
                ("phone.contoso.com", &second),
                ("fabrikam.com", &second),
                ("a.phone.contoso.com", &first),
                ("litware.com", &first),
                ("192.0.2.1", &first),
            ] {
                assert_eq!(shown(name).peer_certificates(), chain(identity), "{name}");
            }
            let renewed = named(&["fabrikam.com"]);
            other.replace(&renewed).expect("an identity");
            assert_eq!(shown("fabrikam.com").peer_certificates(), chain(&renewed));
            assert_eq!(shown("phone.contoso.com").peer_certificates(), chain(&first));
            other.replace(&second).expect("an identity");
        }
    }

    #[test]
    fn a_session_of_an_old_identity_beside_is_not_resumed_either() {
        let root = Authority::root("Root");
        let other = ServedIdentity::new(&root.issue(Wish::default())).expect("an identity");
        let served =
            ServedIdentity::with_others(&root.issue(Wish::default()), vec![other.clone()]).expect("an identity");
        let listener = Arc::new(recording_server_config(&served).expect("a server"));
        let mut client = recording_client_config(None).expect("a client");
        client.resumption = Resumption::in_memory_sessions(8);
        let client = Arc::new(client);
        let kind = || connect(&client, &listener).expect("a connection").server.handshake_kind();
        assert_eq!([kind(), kind()], [Some(HandshakeKind::Full), Some(HandshakeKind::Resumed)]);
        other.replace(&root.issue(Wish::default())).expect("an identity");
        assert_eq!(kind(), Some(HandshakeKind::Full));
    }

    #[test]
    fn an_identity_whose_key_belongs_to_another_changes_nothing() {
        let root = Authority::root("Root");
        let (old, other) = (root.issue(Wish::default()), root.issue(Wish::default()));
        let ours = ServedIdentity::new(&old).expect("an identity");
        let mixed = Identity { chain: other.chain, key: old.key.clone_key() };
        ours.replace(&mixed).expect_err("a mismatch");
        assert_eq!(ours.current().cert, old.chain);
    }

    #[test]
    fn so_many_sessions_are_remembered_the_last_ones() {
        let served = ServedIdentity::new(&Authority::root("Root").issue(Wish::default())).expect("an identity");
        let sessions = Sessions::new(served);
        let key = |number: usize| number.to_be_bytes().to_vec();
        for number in 0..=SESSIONS_MAX {
            assert!(sessions.put(key(number), vec![1]));
        }
        let known = (0..=SESSIONS_MAX).filter(|number| sessions.get(&key(*number)).is_some()).count();
        assert!(sessions.get(&key(0)).is_none() && sessions.get(&key(SESSIONS_MAX)).is_some());
        assert_eq!(known, SESSIONS_MAX);
    }
}
