//! How a call of two will become a meeting, decided at its first INVITE: the one list of reasons.
//!
//! A device that knows REFER and Replaces is called into the meeting in place of the call, so the call is proxied. For any
//! other we stand between the two from the beginning, and move each by a re-INVITE of ours. So we do for a session of
//! messages, whatever its devices show: what they show is about calls, and one end may be a gateway of ours.

use sip::{HeaderName, Message, Method, TransferSupport};

use crate::When;

/// What was decided, and why, for a person to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    pub stands_between: bool,
    pub reason: String,
}

/// The two ends of a call as far as they are ours.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ends<'a> {
    /// It is a session for messages alone.
    pub is_written: bool,
    /// What the caller's device shows in its INVITE; `None` for a partner's.
    pub caller: Option<TransferSupport>,
    /// What each of the callee's devices showed when it registered; `None` for a partner's.
    pub callees: Option<&'a [TransferSupport]>,
}

impl Ends<'_> {
    /// How the devices of ours come into a meeting when nobody stands between them.
    fn how_moved(&self) -> &'static str {
        let mut ours = self.caller.into_iter().chain(self.callees.unwrap_or_default().iter().copied());
        if self.is_written {
            return "a session of messages is not moved then";
        }
        if ours.clone().all(|support| support.replaces) {
            return "each device of ours in it shows Replaces";
        }
        match ours.all(|support| support.replaces || support.refer) {
            true => "a device of ours in it shows no Replaces: it is asked by REFER",
            false => "a device of ours in it shows neither REFER nor Replaces: it is not moved",
        }
    }
}

/// Decides about a call.
pub fn decide(setting: When, ends: Ends<'_>) -> Way {
    let between = |reason: &str| Way { stands_between: true, reason: reason.to_owned() };
    let proxied = |reason: &str| Way { stands_between: false, reason: reason.to_owned() };
    match setting {
        When::Always => return between("[calls] between says always"),
        When::Never => return proxied(&format!("[calls] between says never, and {}", ends.how_moved())),
        When::WhenNeeded => {}
    }
    if ends.is_written {
        return between("it is a session of messages, and no device is asked to replace one");
    }
    if let Some(caller) = ends.caller.filter(|support| !support.can_be_moved()) {
        return between(&format!("the caller's device shows {}", lacks(caller)));
    }
    if let Some(callee) = ends.callees.unwrap_or_default().iter().find(|support| !support.can_be_moved()) {
        return between(&format!("a device of the one called shows {}", lacks(*callee)));
    }
    proxied("each device of ours in it shows REFER and Replaces")
}

/// Whether an INVITE begins a call of two that may become a meeting. What takes the place of another dialog or joins it is
/// part of such a move. Nor can we hold a dialog of our own with a caller of RFC 2543, who has no tag or no Contact.
pub fn begins_call(request: &Message) -> bool {
    request.method() == Some(Method::Invite)
        && !request.is_within_dialog()
        && request.from().is_ok_and(|from| from.tag().is_some())
        && request.contacts().next().is_some()
        && request.header(HeaderName::Replaces).is_none()
        && request.header(HeaderName::Join).is_none()
}

/// Whether an INVITE offers messages alone.
pub fn is_for_messages(request: &Message) -> bool {
    let mut media = request.body().split(|byte| *byte == b'\n').filter_map(|line| line.strip_prefix(b"m="));
    media.next().is_some_and(|first| first.starts_with(b"message ")) && media.all(|line| line.starts_with(b"message "))
}

fn lacks(support: TransferSupport) -> &'static str {
    match (support.refer, support.replaces) {
        (false, false) => "neither REFER nor Replaces",
        (false, true) => "no REFER",
        (true, _) => "no Replaces",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: TransferSupport = TransferSupport { refer: true, replaces: true };
    const NONE: TransferSupport = TransferSupport { refer: false, replaces: false };

    fn invite(headers: &str, body: &str) -> Message {
        let text = format!(
            "INVITE sip:bob@b.example SIP/2.0\nVia: SIP/2.0/TLS a;branch=z9hG4bK1\nFrom: <sip:a@a.example>;tag=a\n\
             To: <sip:bob@b.example>\nCall-ID: 1\nCSeq: 1 INVITE\nContact: <sip:a@a>\nMax-Forwards: 70\n{headers}\n"
        );
        Message::parse([text.replace('\n', "\r\n"), body.replace('\n', "\r\n")].concat().into()).expect("a request")
    }

    #[test]
    fn we_stand_between_where_a_device_of_ours_could_not_be_moved() {
        let one_of_two = [FULL, NONE];
        for (ends, stands_between) in [
            (Ends { caller: Some(FULL), ..Ends::default() }, false),
            (Ends { caller: Some(NONE), ..Ends::default() }, true),
            (Ends { callees: Some(&[FULL]), ..Ends::default() }, false),
            (Ends { caller: Some(FULL), callees: Some(&one_of_two), is_written: false }, true),
            (Ends { caller: Some(FULL), callees: Some(&[FULL]), is_written: true }, true),
        ] {
            let way = decide(When::WhenNeeded, ends);
            assert_eq!(way.stands_between, stands_between, "{ends:?}: {}", way.reason);
            assert!(decide(When::Always, ends).stands_between);
            assert!(!decide(When::Never, ends).stands_between);
        }
    }

    #[test]
    fn only_what_begins_a_call_counts() {
        assert!(begins_call(&invite("", "")));
        assert!(begins_call(&invite("", "v=0\nm=message 5060 sip sip:a@a.example\n")));
        assert!(!begins_call(&invite("Replaces: 1;to-tag=a;from-tag=b\n", "")));
        assert!(!begins_call(&invite("Join: 1;to-tag=a;from-tag=b\n", "")));
        for (part, other) in [(";tag=a", ""), ("Contact: <sip:a@a>\r\n", "")] {
            let text = String::from_utf8(invite("", "").as_bytes().to_vec()).expect("ASCII").replace(part, other);
            assert!(!begins_call(&Message::parse(text.into()).expect("a request")), "without {part}");
        }
    }
    #[test]
    fn a_session_with_sound_is_none_of_messages_alone() {
        assert!(is_for_messages(&invite("", "v=0\nm=message 5060 sip sip:a@a.example\n")));
        assert!(!is_for_messages(&invite("", "v=0\nm=audio 1 RTP/AVP 0\nm=message 2 TCP/MSRP *\n")));
        assert!(!is_for_messages(&invite("", "")));
    }
    #[test]
    fn where_we_never_stand_between_it_is_said_how_a_device_is_moved() {
        let one_of_two = [FULL, NONE];
        let refer = TransferSupport { refer: true, replaces: false };
        for (ends, said) in [
            (Ends { caller: Some(FULL), ..Ends::default() }, "each device of ours in it shows Replaces"),
            (Ends { caller: Some(refer), callees: Some(&[FULL]), is_written: false }, "it is asked by REFER"),
            (Ends { callees: Some(&one_of_two), ..Ends::default() }, "it is not moved"),
            (
                Ends { caller: Some(FULL), is_written: true, ..Ends::default() },
                "a session of messages is not moved then",
            ),
        ] {
            let way = decide(When::Never, ends);
            assert!(!way.stands_between && way.reason.ends_with(said), "{ends:?}: {}", way.reason);
        }
    }
}
