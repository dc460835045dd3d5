//! Reason (RFC 3326 section 2): why something ended, by the cause of a protocol.

use super::grammar::{Params, is_token, params, split_once, trim};
use crate::{HeaderName, Message};

/// One element of Reason.
#[derive(Copy, Clone, Debug)]
pub struct Reason<'a> {
    protocol: &'a str,
    /// With the leading semicolon, or empty.
    params: &'a str,
}

impl<'a> Reason<'a> {
    /// `None` for what does not begin with the name of a protocol. Parameters are read as far as they are some.
    pub fn parse(element: &'a str) -> Option<Reason<'a>> {
        let protocol = split_once(element, b';').map_or(element, |(protocol, _)| protocol);
        let reason = Reason { protocol: trim(protocol), params: &element[protocol.len()..] };
        is_token(reason.protocol.as_bytes()).then_some(reason)
    }

    pub fn params(&self) -> Params<'a> {
        params(self.params)
    }

    /// The status that `SIP` gives; `None` for other protocols.
    pub fn status(&self) -> Option<u16> {
        let cause = self.params().get("cause").flatten().filter(|_| self.protocol.eq_ignore_ascii_case("SIP"));
        cause.and_then(|cause| cause.parse().ok())
    }

    /// The same without what is said in words.
    pub fn without_text(&self) -> String {
        let said = self.params().filter(|param| !param.name.eq_ignore_ascii_case("text"));
        said.fold(self.protocol.to_owned(), |reason, param| match param.value {
            Some(value) => format!("{reason};{}={value}", param.name),
            None => format!("{reason};{}", param.name),
        })
    }
}

impl Message {
    /// Of all Reason headers; what is no reason is skipped.
    pub fn reasons(&self) -> impl Iterator<Item = Reason<'_>> {
        self.elements(HeaderName::Reason).filter_map(|element| Reason::parse(str::from_utf8(element).ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_is_that_of_sip_alone() {
        for (reason, status) in [
            ("SIP;cause=408", Some(408)),
            ("sip ; text=\"x;cause=1\" ; Cause = 481", Some(481)),
            ("SIP;cause=200;text=\"x;cause=408;y\"", Some(200)),
            ("Q.850;cause=16", None),
            ("SIP", None),
            ("SIP;cause", None),
            ("SIP;cause=many", None),
        ] {
            assert_eq!(Reason::parse(reason).expect(reason).status(), status, "{reason}");
        }
        assert!(
            Reason::parse("").is_none() && Reason::parse(";cause=1").is_none() && Reason::parse("a b;c=1").is_none()
        );
    }

    #[test]
    fn without_its_text_a_reason_has_its_cause() {
        for (reason, shown) in [
            ("Q.850;cause=16;text=\"Terminated; see gw1.inside\"", "Q.850;cause=16"),
            ("SIP ;text=\"a \\\" b; c\" ;cause=600", "SIP;cause=600"),
            ("Q.850;cause=31", "Q.850;cause=31"),
            ("SIP;cause=1;is it=gw1.inside", "SIP;cause=1"),
        ] {
            assert_eq!(Reason::parse(reason).expect(reason).without_text(), shown);
        }
    }

    #[test]
    fn each_element_of_each_header_is_one() {
        let text = "BYE sip:a SIP/2.0\r\nReason: SIP;cause=408, Q.850;cause=102;text=\"a, b\"\r\nReason: , SIP;cause=1\r\n\r\n";
        let message = Message::parse(text.as_bytes().to_vec().into()).expect("a request");
        assert_eq!(message.reasons().map(|reason| reason.status()).collect::<Vec<_>>(), [Some(408), None, Some(1)]);
    }
}
