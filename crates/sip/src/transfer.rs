//! What a device shows of how it can be moved from one dialog into another.

use serde::{Deserialize, Serialize};

use crate::header_name::HeaderName;
use crate::message::Message;
use crate::method::Method;

/// As its REGISTER, INVITE or 2xx shows. What a device does not show it is not trusted to know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferSupport {
    /// REFER (RFC 3515) is in Allow, or in the `methods` of Contact (RFC 3840).
    pub refer: bool,
    /// `replaces` (RFC 3891) is in Supported.
    pub replaces: bool,
}

impl TransferSupport {
    pub fn shown_in(message: &Message) -> TransferSupport {
        let is_replaces = |option: &[u8]| option.eq_ignore_ascii_case(b"replaces");
        TransferSupport {
            refer: allows(message, &Method::Refer),
            replaces: message.elements(HeaderName::Supported).any(is_replaces),
        }
    }

    /// An INVITE with Replaces takes the place of a dialog of this device, and the device may be told so.
    pub fn can_be_moved(self) -> bool {
        self.refer && self.replaces
    }
}

fn allows(message: &Message, method: &Method) -> bool {
    let is_meant = |word: &str| word.trim().eq_ignore_ascii_case(method.as_str());
    let in_allow = message.elements(HeaderName::Allow).any(|word| std::str::from_utf8(word).is_ok_and(is_meant));
    in_allow || message.contacts().flatten().any(|contact| in_methods(&contact, is_meant))
}

fn in_methods(contact: &crate::ContactValue<'_>, is_meant: impl Fn(&str) -> bool) -> bool {
    let Some(methods) = contact.address().and_then(|address| address.param("methods").flatten()) else { return false };
    methods.split(',').any(is_meant)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(headers: &str) -> TransferSupport {
        let text = format!(
            "REGISTER sip:a.example SIP/2.0\nVia: SIP/2.0/TLS a;branch=z9hG4bK1\nFrom: <sip:a@a.example>;tag=a\n\
             To: <sip:a@a.example>\nCall-ID: 1\nCSeq: 1 REGISTER\nMax-Forwards: 70\n{headers}\n"
        );
        TransferSupport::shown_in(&Message::parse(text.replace('\n', "\r\n").into()).expect("a request"))
    }

    #[test]
    fn what_is_shown_is_known_and_nothing_else() {
        for (headers, refer, replaces) in [
            ("", false, false),
            ("Allow: INVITE, ACK, BYE, refer\n", true, false),
            ("Allow: INVITE\nAllow: REFER\nSupported: timer, Replaces\n", true, true),
            ("Contact: <sip:a@192.0.2.1>;methods=\"INVITE,REFER,BYE\"\nk: replaces\n", true, true),
            ("Allow: REFERRED\nRequire: replaces\n", false, false),
        ] {
            let support = shown(headers);
            assert_eq!((support.refer, support.replaces), (refer, replaces), "{headers}");
            assert_eq!(support.can_be_moved(), refer && replaces);
        }
    }
}
