//! Certificates: our own are loaded and checked, a peer's are turned into facts.
//!
//! The TLS verifiers here never end a handshake for a chain, a purpose or a name: `federation` judges
//! those per request, so that a refusal carries a word and leaves a record. They end it for a broken
//! handshake signature, that is, for a peer that does not hold the key of the certificate it shows.

pub mod facts;
pub mod load;
pub mod revocation;
pub mod roots;
pub mod served;
pub mod tls;
pub mod tls_alpn;
pub mod verifier;
pub mod watch;

pub use facts::facts;
pub use load::{Identity, LoadError};
pub use revocation::{RevocationLists, RevocationPolicy};
pub use roots::Roots;
pub use served::ServedIdentity;
pub use tls::{client_config, server_config};
pub use tls_alpn::TlsAlpn;
pub use verifier::{RecordingClientVerifier, RecordingServerVerifier};
pub use watch::IdentityWatch;

#[cfg(test)]
mod testing;
