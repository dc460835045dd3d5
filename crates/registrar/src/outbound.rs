//! Flows that clients keep alive (RFC 5626 section 6): who asks for it, and where it cannot be had.

use sip::refusal::Word;
use sip::{HeaderName, Message, Refusal};

use crate::{Binding, ClientFlow};

/// Whether a REGISTER with these bindings, each with its seconds, is to be handled by RFC 5626.
///
/// # Errors
/// 400 for several flows in one request, 439 where a proxy stands between that does not lead back by the client's flow.
pub(crate) fn is_asked_for(request: &Message, updates: &[(Binding, u32)]) -> Result<bool, Refusal> {
    let knows = |header| request.has_option_tag(header, OPTION_TAG);
    if !knows(HeaderName::Supported) && !knows(HeaderName::Require) {
        return Ok(false);
    }
    let flows = updates.iter().filter(|(binding, expires_secs)| *expires_secs > 0 && binding.reg_id.is_some()).count();
    if flows > 1 {
        return Err(Refusal::new(
            400,
            Word::MalformedRequest,
            "several Contacts with reg-id: a request comes over one flow",
        ));
    }
    if !updates.iter().any(|(binding, _)| binding.is_outbound()) {
        return Ok(false);
    }
    match request.vias().count() == 1 || first_proxy_knows(request) {
        true => Ok(true),
        false => Err(Refusal::new(
            439,
            Word::OutboundUnsupported,
            "a proxy between the client and us does not say ;ob in its Path",
        )),
    }
}

/// The client speaks with us, or with an edge of ours that has added its Via.
pub(crate) fn is_first_hop(request: &Message, flow: ClientFlow) -> bool {
    request.vias().count() == 1 + usize::from(flow.edge.is_some())
}

/// The proxy that the client speaks with is the last in Path, since each puts itself on top (RFC 3327 section 5.2).
fn first_proxy_knows(request: &Message) -> bool {
    request.paths().last().is_some_and(|path| path.is_ok_and(|path| path.uri().param("ob").is_some()))
}

const OPTION_TAG: &str = "outbound";
