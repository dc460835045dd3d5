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

use crate::load::Identity;
use crate::tls::{SESSIONS_MAX, provider};

/// Shared by the TLS configurations of all listeners and of connections to partners.
#[derive(Debug)]
pub struct ServedIdentity {
    current: RwLock<Arc<CertifiedKey>>,
    /// Counts the replacements.
    generation: AtomicU64,
}

impl ServedIdentity {
    /// # Errors
    /// For a key that is of no use, or that belongs to another certificate.
    pub fn new(identity: &Identity) -> Result<Arc<ServedIdentity>, Error> {
        let current = RwLock::new(certified(identity)?);
        Ok(Arc::new(ServedIdentity { current, generation: AtomicU64::new(0) }))
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
}

fn certified(identity: &Identity) -> Result<Arc<CertifiedKey>, Error> {
    CertifiedKey::from_der(identity.chain.clone(), identity.key.clone_key(), &provider()).map(Arc::new)
}

impl ResolvesServerCert for ServedIdentity {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current())
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
        let generation = self.served.generation.load(Ordering::Acquire);
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
    use rustls::pki_types::CertificateDer;

    use super::*;
    use crate::testing::{Authority, Wish, connect};
    use crate::tls::{recording_client_config, recording_server_config};

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
    fn an_identity_whose_key_belongs_to_another_changes_nothing() {
        let root = Authority::root("Root");
        let (old, other) = (root.issue(Wish::default()), root.issue(Wish::default()));
        let ours = ServedIdentity::new(&old).expect("an identity");
        let mixed = Identity { chain: other.chain, key: old.key.clone_key() };
        ours.replace(&mixed).expect_err("a mismatch");
        assert_eq!(ours.current().cert, old.chain);
    }
}
