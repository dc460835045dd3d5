//! Stateless refusals, before a transaction or any memory is spent on a request: its shape, its sizes
//! and Max-Forwards (RFC 3261 8.1.1, 16.3).

use sip::message::Message;
use sip::method::Method;
use sip::refusal::{Refusal, Word};
use sip::{ContactValue, HeaderName};

use crate::refusal;

/// A Request-URI longer than this is answered 414.
pub const REQUEST_URI_BYTES_MAX: usize = 2048;
/// A Call-ID is kept with every transaction, dialog and decision, so its length is bounded.
pub const CALL_ID_BYTES_MAX: usize = 256;
/// So is that of a tag, which is kept with every dialog and subscription.
pub const TAG_BYTES_MAX: usize = 256;
/// And of a user's name in From and To, by which he is known wherever he is remembered.
pub const USER_BYTES_MAX: usize = 256;
/// Record-Routes and Contact, which a dialog keeps for as long as it lasts. A registrar has limits of its own.
pub const ROUTE_SET_BYTES_MAX: usize = 8192;
/// Start line and headers. A response repeats much of them, and has to be a message still.
pub const HEADER_BLOCK_BYTES_MAX: usize = 48 * 1024;

/// Checks a request by itself.
pub fn screen(request: &Message) -> Result<(), Refusal> {
    check_shape(request)?;
    check_contact(request)?;
    check_sizes(request)?;
    check_hops(request)
}

/// The headers every request needs are there and can be read, and CSeq names the method. That none of them is
/// there twice, for two readers to read differently, is seen to by the parser.
fn check_shape(request: &Message) -> Result<(), Refusal> {
    let Some(method) = request.method() else {
        return Err(refusal::malformed_request("a response came where a request was expected"));
    };
    let unreadable = |error: sip::ParseError| refusal::malformed_request(error.to_string());
    request.from().map_err(unreadable)?;
    request.to().map_err(unreadable)?;
    request.call_id().map_err(unreadable)?;
    request.top_via().map_err(unreadable)?;
    let cseq = request.cseq().map_err(unreadable)?;
    if cseq.method != method {
        let reason = format!("CSeq says {}, the request line {}", cseq.method.as_str(), method.as_str());
        return Err(refusal::malformed_request(reason));
    }
    Ok(())
}

/// To it goes all that follows in a dialog (RFC 3261 sections 8.1.1.8 and 12.1.1): nobody could hang up on who gives no address there.
fn check_contact(request: &Message) -> Result<(), Refusal> {
    if !request.method().is_some_and(|method| method.forms_dialog() || method == Method::Update) {
        return Ok(());
    }
    for contact in request.contacts() {
        match contact {
            Ok(ContactValue::Address(_)) => {}
            Ok(ContactValue::Star) => {
                return Err(refusal::malformed_request("a Contact that is * is for REGISTER alone"));
            }
            Err(error) => return Err(refusal::malformed_request(error.to_string())),
        }
    }
    Ok(())
}

fn check_sizes(request: &Message) -> Result<(), Refusal> {
    if request.request_uri().is_some_and(|uri| uri.len() > REQUEST_URI_BYTES_MAX) {
        let reason = format!("the Request-URI is longer than {REQUEST_URI_BYTES_MAX} bytes");
        return Err(Refusal::new(414, Word::MalformedRequest, reason));
    }
    if request.call_id().is_ok_and(|call_id| call_id.len() > CALL_ID_BYTES_MAX) {
        return Err(refusal::malformed_request(format!("the Call-ID is longer than {CALL_ID_BYTES_MAX} bytes")));
    }
    check_ends(request)?;
    let header_block = request.as_bytes().len() - request.body().len();
    if header_block > HEADER_BLOCK_BYTES_MAX {
        let reason = format!("{header_block} bytes of headers; at most {HEADER_BLOCK_BYTES_MAX}");
        return Err(Refusal::new(513, Word::MessageTooLarge, reason));
    }
    Ok(())
}

/// What is remembered of the two ends long after the request itself is gone.
fn check_ends(request: &Message) -> Result<(), Refusal> {
    for (name, end) in [("From", request.from()), ("To", request.to())] {
        let Ok(end) = end else { continue };
        if end.tag().is_some_and(|tag| tag.len() > TAG_BYTES_MAX) {
            return Err(refusal::malformed_request(format!("the tag of {name} is longer than {TAG_BYTES_MAX} bytes")));
        }
        if end.uri().user().is_some_and(|user| user.len() > USER_BYTES_MAX) {
            return Err(refusal::malformed_request(format!(
                "the user of {name} is longer than {USER_BYTES_MAX} bytes"
            )));
        }
    }
    let bytes = |name| request.header_all(name).map(<[u8]>::len).sum::<usize>();
    let route_set = bytes(HeaderName::RecordRoute) + bytes(HeaderName::Contact);
    if request.method() != Some(Method::Register) && route_set > ROUTE_SET_BYTES_MAX {
        let reason = format!("{route_set} bytes of Record-Route and Contact; at most {ROUTE_SET_BYTES_MAX}");
        return Err(Refusal::new(513, Word::MessageTooLarge, reason));
    }
    Ok(())
}

/// An OPTIONS that has run out of hops is answered by whoever holds it (RFC 3261 11, 16.3).
fn check_hops(request: &Message) -> Result<(), Refusal> {
    let hops = request.max_forwards().map_err(|error| refusal::malformed_request(error.to_string()))?;
    match hops {
        Some(0) if request.method() != Some(Method::Options) => Err(refusal::too_many_hops()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contact_is_an_address() {
        let screened = |method: &str, contact: &str| {
            let text = format!(
                "{method} sip:a@a.example SIP/2.0\r\nVia: SIP/2.0/TLS p.invalid;branch=z9hG4bK1\r\nFrom: <sip:b@b.example>;tag=f\r\n\
                 To: <sip:a@a.example>\r\nCall-ID: c\r\nCSeq: 1 {method}\r\n{contact}Content-Length: 0\r\n\r\n"
            );
            screen(&Message::parse(text.into()).unwrap()).map_err(|refusal| (refusal.status, refusal.word))
        };
        for bad in ["Contact: *\r\n", "Contact: <sip:>\r\n", "Contact: <>\r\n", "Contact: <sip:b@p.invalid>, <sip:\r\n"]
        {
            assert_eq!(screened("INVITE", bad), Err((400, Word::MalformedRequest)), "{bad}");
        }
        for good in ["", "Contact: \"B\" <sip:b@p.invalid;x>;q=1\r\n", "m: tel:+1234\r\n"] {
            assert_eq!(screened("INVITE", good), Ok(()), "{good}");
        }
        assert!(screened("UPDATE", "Contact: <sip:>\r\n").is_err());
        assert_eq!(screened("REGISTER", "Contact: *\r\n"), Ok(()));
        assert_eq!(screened("MESSAGE", "Contact: <sip:>\r\n"), Ok(()), "nothing goes to it");
    }

    /// What a request is refused with whose parts are so many bytes long.
    fn screened(uri: usize, call_id: usize, headers: usize) -> Option<(u16, Word)> {
        let scheme = "sip:a@";
        let head = format!(
            "OPTIONS {scheme}{} SIP/2.0\r\nVia: SIP/2.0/TLS p.invalid;branch=z9hG4bK1\r\nFrom: <sip:b@b.example>;tag=f\r\n\
             To: <sip:a@a.example>\r\nCall-ID: {}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n",
            "x".repeat(uri - scheme.len()),
            "c".repeat(call_id)
        );
        let mut text = head;
        while text.len() + 2 < headers {
            let line = (headers - text.len() - 2).min(8_000);
            text += &format!("A-Header: {}\r\n", "x".repeat(line.saturating_sub(12)));
        }
        let request = Message::parse((text + "\r\n").into_bytes().into()).unwrap();
        screen(&request).err().map(|refusal| (refusal.status, refusal.word))
    }

    #[test]
    fn what_is_remembered_of_the_ends_of_a_dialog_has_its_limits() {
        let told = |method: &str, from: [usize; 2], to: [usize; 2], routes: usize| {
            let end = |[user, tag]: [usize; 2]| format!("<sip:{}@a.example>;tag={}", "u".repeat(user), "t".repeat(tag));
            let contact = "<sip:c@p.invalid>";
            let half = (routes - contact.len()) / 2;
            let route = |bytes: usize| format!("Record-Route: <sip:r.example;lr;x={}>\r\n", "x".repeat(bytes - 21));
            let text = format!(
                "{method} sip:a@a.example SIP/2.0\r\nVia: SIP/2.0/TLS p.invalid;branch=z9hG4bK1\r\nFrom: {}\r\nTo: {}\r\n\
                 Call-ID: 1\r\nCSeq: 1 {method}\r\nContact: {contact}\r\n{}{}Content-Length: 0\r\n\r\n",
                end(from),
                end(to),
                route(half),
                route(routes - contact.len() - half),
            );
            let request = Message::parse(text.into_bytes().into()).unwrap();
            screen(&request).err().map(|refusal| (refusal.status, refusal.word))
        };
        let malformed = Some((400, Word::MalformedRequest));
        let (most, more) = (TAG_BYTES_MAX, TAG_BYTES_MAX + 1);
        assert_eq!(told("SUBSCRIBE", [USER_BYTES_MAX, most], [USER_BYTES_MAX, most], ROUTE_SET_BYTES_MAX), None);
        assert_eq!(told("SUBSCRIBE", [1, more], [1, 1], 500), malformed);
        assert_eq!(told("SUBSCRIBE", [1, 1], [1, more], 500), malformed);
        assert_eq!(told("SUBSCRIBE", [USER_BYTES_MAX + 1, 1], [1, 1], 500), malformed);
        assert_eq!(told("SUBSCRIBE", [1, 1], [USER_BYTES_MAX + 1, 1], 500), malformed);
        let large = ROUTE_SET_BYTES_MAX + 1;
        assert_eq!(told("SUBSCRIBE", [1, 1], [1, 1], large), Some((513, Word::MessageTooLarge)));
        assert_eq!(told("REGISTER", [1, 1], [1, 1], large), None);
    }

    #[test]
    fn each_size_has_its_limit_and_its_answer() {
        assert_eq!(screened(REQUEST_URI_BYTES_MAX, CALL_ID_BYTES_MAX, 0), None);
        assert_eq!(screened(REQUEST_URI_BYTES_MAX + 1, 9, 0), Some((414, Word::MalformedRequest)));
        assert_eq!(screened(9, CALL_ID_BYTES_MAX + 1, 0), Some((400, Word::MalformedRequest)));
        assert_eq!(screened(9, 9, HEADER_BLOCK_BYTES_MAX - 100), None);
        assert_eq!(screened(9, 9, HEADER_BLOCK_BYTES_MAX + 100), Some((513, Word::MessageTooLarge)));
    }
}
