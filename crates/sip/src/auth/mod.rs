//! Digest authentication: RFC 7616 as SIP uses it (RFC 3261 section 22, RFC 8760).
//!
//! `credentials` checks what a client sent, `challenge` writes ours and answers those of others, `nonce` says which
//! nonces are good. Who may authenticate, and as whom, is not decided here.

mod challenge;
mod credentials;
mod digest;
mod nonce;
mod parameters;

pub use challenge::{answer, challenges};
pub use credentials::DigestCredentials;
pub use digest::{Algorithm, Ha1, UserHa1, is_address_in};
pub use nonce::{NonceBook, NonceState};
