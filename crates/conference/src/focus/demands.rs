//! What a request demands of a conference that it does not know or do (RFC 3261 sections 8.2.1 to 8.2.3).

use sip::refusal::Word;
use sip::{HeaderName, Message, Method, Refusal};

use super::ALLOW;

/// Nothing may be demanded of us that we do not know (RFC 3261 section 8.2.2.3). An ACK is never answered.
///
/// # Errors
/// 420 `extension-unsupported` with Unsupported.
pub(super) fn check_required(request: &Message) -> Result<(), Refusal> {
    let known: &[&str] = match request.method() {
        Some(Method::Ack) => return Ok(()),
        Some(Method::Invite) => &["replaces", "norefersub"],
        Some(Method::Refer) => &["norefersub"],
        // RFC 5365 section 7.
        Some(Method::Message) => &["recipient-list-message"],
        _ => &[],
    };
    let is_known = |tag: &&str| known.iter().any(|known| known.eq_ignore_ascii_case(tag));
    let unknown: Vec<&str> = request.option_tags(HeaderName::Require).filter(|tag| !is_known(tag)).collect();
    if unknown.is_empty() {
        return Ok(());
    }
    let unknown = unknown.join(", ");
    let refusal = Refusal::new(420, Word::ExtensionUnsupported, format!("Require: {unknown}"));
    Err(refusal.with_header(HeaderName::Unsupported, unknown))
}

/// What we answer an INVITE with is a session description (RFC 3261 section 13.2.1, RFC 4475 section 3.3.15).
///
/// # Errors
/// 406 where Accept has no place for one.
pub(super) fn check_acceptable(invite: &Message) -> Result<(), Refusal> {
    let holds_sdp = |range: &[u8]| {
        let range = range.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii().to_ascii_lowercase();
        matches!(&*range, b"application/sdp" | b"application/*" | b"*/*")
    };
    if invite.header(HeaderName::Accept).is_none() || invite.elements(HeaderName::Accept).any(holds_sdp) {
        return Ok(());
    }
    Err(Refusal::new(406, Word::MediaTypeUnsupported, "the INVITE accepts no application/sdp"))
}

/// 405 for what we know and do not do here, 501 for what we do not know (RFC 3261 sections 8.2.1, 21.5.2).
pub(super) fn not_taken(method: &Method, place: &str) -> Refusal {
    let status = if matches!(method, Method::Other(_)) { 501 } else { 405 };
    Refusal::new(status, Word::MethodNotAllowed, format!("a conference takes no {method} {place}"))
        .with_header(HeaderName::Allow, ALLOW.to_owned())
}
