//! What changes in a message on its way from one dialog of a call into the other. Call-ID, tags, Contact and bodies stay: each
//! phone sees of the other what it would see through a proxy.

use bytes::Bytes;
use sip::header::RAck;
use sip::{CSeq, Edits, HeaderName, Message, ParseError};

/// Where a request goes on in the other dialog.
pub(super) struct Way {
    pub request_uri: String,
    pub routes: Vec<String>,
    pub sequence: u32,
    /// How the INVITE that a PRACK may speak of was numbered: there, and here.
    pub invite: Option<(u32, u32)>,
}

/// The INVITE that begins the second dialog: that of the first, without its way here.
pub(super) fn invite(received: &Message, routes_taken: usize) -> Result<Message, ParseError> {
    let mut edits = Edits::new();
    edits.remove(HeaderName::Via);
    edits.remove(HeaderName::RecordRoute);
    if routes_taken > 0 {
        edits.remove_first_value(HeaderName::Route, routes_taken);
    }
    Message::parse(edits.apply(received))
}

/// The same INVITE with another offer; `is_repeated`: after one that was refused (RFC 3261 section 8.1.3.5).
pub(super) fn invite_again(sent: &Message, is_repeated: bool, offer: Option<Bytes>) -> Result<Message, ParseError> {
    let mut edits = Edits::new();
    if is_repeated {
        let cseq = sent.cseq()?;
        edits.set(HeaderName::CSeq, format!("{} {}", cseq.number + 1, cseq.method));
    }
    if let Some(offer) = offer {
        edits.set_body(SDP, offer.to_vec());
    }
    Message::parse(edits.apply(sent))
}

/// A request or an answer with this description in place of its own.
pub(super) fn described(message: &Message, description: &str) -> Result<Message, ParseError> {
    let mut edits = Edits::new();
    edits.set_body(SDP, description.as_bytes().to_vec());
    Message::parse(edits.apply(message))
}

/// A request within a dialog.
pub(super) fn request(received: &Message, way: &Way) -> Result<Message, ParseError> {
    let mut edits = Edits::new();
    edits.set_request_uri(&way.request_uri);
    for name in [HeaderName::Via, HeaderName::RecordRoute, HeaderName::Route] {
        edits.remove(name);
    }
    let cseq = received.cseq()?;
    if cseq.number != way.sequence {
        edits.set(HeaderName::CSeq, format!("{} {}", way.sequence, cseq.method));
    }
    if let Some(rack) = renumbered(received, way.invite) {
        edits.set(HeaderName::RAck, rack);
    }
    for route in way.routes.iter().rev() {
        edits.prepend(HeaderName::Route, route);
    }
    Message::parse(edits.apply(received))
}

/// The answer to it, for whoever sent the request.
pub(super) fn response(received: &Message, request: &Message) -> Result<Bytes, ParseError> {
    let mut edits = Edits::new();
    edits.remove(HeaderName::Via);
    edits.remove(HeaderName::RecordRoute);
    let cseq = request.cseq()?;
    if received.cseq()?.number != cseq.number {
        edits.set(HeaderName::CSeq, format!("{} {}", cseq.number, cseq.method));
    }
    let forms_dialog = received.status().is_some_and(|status| (101..300).contains(&status))
        && request.method().is_some_and(|method| method.forms_dialog());
    let names = [(HeaderName::RecordRoute, forms_dialog), (HeaderName::Via, true)];
    for name in names.into_iter().filter_map(|(name, is_due)| is_due.then_some(name)) {
        let values: Vec<&[u8]> = request.header_all(name).collect();
        for value in values.into_iter().rev() {
            edits.prepend(name, String::from_utf8_lossy(value));
        }
    }
    Ok(edits.apply(received))
}

/// RFC 3262 section 7.2: a PRACK names the INVITE by its CSeq.
fn renumbered(received: &Message, invite: Option<(u32, u32)>) -> Option<String> {
    let (theirs, ours) = invite.filter(|(theirs, ours)| theirs != ours)?;
    let rack = RAck::parse(received.header(HeaderName::RAck)?).ok().filter(|rack| rack.cseq.number == theirs)?;
    Some(RAck { cseq: CSeq { number: ours, ..rack.cseq }, ..rack }.to_string())
}

const SDP: &str = "application/sdp";
