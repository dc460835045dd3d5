//! Extensions that a request demands: what is not known here is refused by name (RFC 3261 sections 8.2.2.3, 16.3).

use sip::refusal::Word;
use sip::{HeaderName, Message, Method, Refusal};

/// What a proxy must know to pass the request on. An ACK cannot be refused: what it demands was taken with its INVITE.
///
/// # Errors
/// 420 `extension-unsupported` with Unsupported.
pub(crate) fn check_proxy_require(request: &Message) -> Result<(), Refusal> {
    match request.method() {
        Some(Method::Ack) => Ok(()),
        _ => check(request, HeaderName::ProxyRequire, &[]),
    }
}

/// What we must know to answer the request ourselves.
///
/// # Errors
/// 420 `extension-unsupported` with Unsupported.
pub(crate) fn check_require(request: &Message, known: &[&str]) -> Result<(), Refusal> {
    check(request, HeaderName::Require, known)
}

fn check(request: &Message, header: HeaderName, known: &[&str]) -> Result<(), Refusal> {
    let is_known = |tag: &&str| known.iter().any(|known| known.eq_ignore_ascii_case(tag));
    let unknown: Vec<&str> = request.option_tags(header).filter(|tag| !is_known(tag)).collect();
    if unknown.is_empty() {
        return Ok(());
    }
    let unknown = unknown.join(", ");
    let refusal = Refusal::new(420, Word::ExtensionUnsupported, format!("{header}: {unknown}"));
    Err(refusal.with_header(HeaderName::Unsupported, unknown))
}

/// Of the registrar: RFC 3327, RFC 5626, RFC 5627.
pub(crate) const REGISTRAR_KNOWS: &[&str] = &["path", "outbound", "gruu"];
/// Of these what its answers name: who gets a GRUU sees it (RFC 5627 section 5.2).
pub(crate) const REGISTRAR_TELLS: &[&str] = &["path", "outbound"];

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, headers: &str) -> Message {
        let text = format!("{method} sip:a@a.example SIP/2.0\n{headers}\n\n");
        Message::parse(text.replace('\n', "\r\n").into()).expect("a request")
    }

    fn named(checked: Result<(), Refusal>) -> Option<String> {
        let refusal = checked.err()?;
        assert_eq!((refusal.status, refusal.headers.len()), (420, 1));
        Some(refusal.headers[0].1.clone())
    }

    #[test]
    fn what_a_proxy_does_not_know_is_named() {
        let invite = request("INVITE", "Proxy-Require: privacy\nProxy-Require: sec-agree, x\nRequire: 100rel");
        assert_eq!(named(check_proxy_require(&invite)).as_deref(), Some("privacy, sec-agree, x"));
        assert_eq!(named(check_proxy_require(&request("INVITE", "Require: 100rel"))), None);
        assert_eq!(named(check_proxy_require(&request("ACK", "Proxy-Require: privacy"))), None);
    }

    #[test]
    fn what_the_registrar_does_not_know_is_named() {
        let register = request("REGISTER", "Require: PATH, Outbound, GRUU, pref");
        assert_eq!(named(check_require(&register, REGISTRAR_KNOWS)).as_deref(), Some("pref"));
        assert_eq!(named(check_require(&request("REGISTER", "Require: path"), REGISTRAR_KNOWS)), None);
    }
}
