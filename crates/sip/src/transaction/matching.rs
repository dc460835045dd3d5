//! Which server transaction a request belongs to (RFC 3261 section 17.2.3).

use std::sync::Arc;

use crate::error::ParseError;
use crate::header_name::HeaderName;
use crate::message::Message;
use crate::method::Method;

/// What the requests of one server transaction have in common. An ACK and a CANCEL find their INVITE by its method.
///
/// As in the RFC the flow is no part of it: a peer may send an ACK or a CANCEL on another connection than the INVITE.
/// What keeps strangers out is that a branch cannot be guessed.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct MatchKey(Arc<[u8]>);

impl MatchKey {
    /// The key that `request` would have if its method were `method`.
    pub(super) fn new(request: &Message, method: &Method) -> Result<MatchKey, ParseError> {
        let via = request.top_via()?;
        let mut parts = Parts { bytes: Vec::with_capacity(USUAL_BYTES) };
        parts.push(method.as_str().as_bytes());
        match via.branch().filter(|branch| has_magic_cookie(branch)) {
            Some(branch) => {
                parts.push(branch.as_bytes());
                parts.push_lowercase(via.host.as_bytes());
                parts.push(&via.port.map_or([0; 2], u16::to_be_bytes));
            }
            None => parts.push_rfc2543(request)?,
        }
        Ok(MatchKey(parts.bytes.into()))
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// The method of a request, which its CSeq must repeat.
pub(super) fn method_of(request: &Message) -> Result<Method, ParseError> {
    let method = request.method().ok_or(ParseError::Invalid("request line"))?;
    if request.cseq()?.method == method { Ok(method) } else { Err(ParseError::Malformed(HeaderName::CSeq)) }
}

/// Parts with their lengths, so that no two lists of parts give the same bytes.
struct Parts {
    bytes: Vec<u8>,
}

impl Parts {
    fn push(&mut self, part: &[u8]) {
        // A message is shorter than 64 KiB.
        self.bytes.extend_from_slice(&(part.len() as u32).to_be_bytes());
        self.bytes.extend_from_slice(part);
    }

    fn push_lowercase(&mut self, part: &[u8]) {
        self.push(part);
        let begin = self.bytes.len() - part.len();
        self.bytes[begin..].make_ascii_lowercase();
    }

    /// Branches without the magic cookie are not unique. The To tag of RFC 2543's list is left out: an INVITE and its
    /// ACK differ in it, and the rest tells transactions apart already.
    fn push_rfc2543(&mut self, request: &Message) -> Result<(), ParseError> {
        self.push(b"");
        self.push(request.request_uri().unwrap_or_default().as_bytes());
        self.push(request.from()?.tag().unwrap_or_default().as_bytes());
        self.push(request.call_id()?.as_bytes());
        self.push(&request.cseq()?.number.to_be_bytes());
        self.push(request.header(HeaderName::Via).unwrap_or_default());
        Ok(())
    }
}

/// In any case: Via parameters are case-insensitive (RFC 3261 section 7.3.1).
fn has_magic_cookie(branch: &str) -> bool {
    let start = branch.get(..MAGIC_COOKIE.len());
    branch.len() > MAGIC_COOKIE.len() && start.is_some_and(|start| start.eq_ignore_ascii_case(MAGIC_COOKIE))
}

/// A method, a branch, a host and a port.
const USUAL_BYTES: usize = 128;

const MAGIC_COOKIE: &str = "z9hG4bK";
