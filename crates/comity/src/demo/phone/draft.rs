//! Requests of the phone, each with names of its own.

use std::net::SocketAddr;

use sip::Method;
use sip::uac::Draft;

use super::random_word;

/// A request outside of any dialog, from and to these addresses ("alice@contoso.example").
pub fn draft(method: Method, from: &str, to: &str) -> Draft {
    Draft::new(method, from, to, &random_word(), random_word())
}

/// The Via of a transaction of its own.
pub fn via(local: SocketAddr) -> String {
    format!("SIP/2.0/TLS {local};branch=z9hG4bK{};rport", random_word())
}
