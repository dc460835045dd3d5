//! What people do with each other over federation, as policies name it, and what a request asks for.

mod streams;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sip::header_name::HeaderName;
use sip::message::Message;
use sip::method::Method;

pub use streams::declined;
use streams::offered;

/// One way to communicate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Modality {
    Messages,
    Presence,
    Audio,
    Video,
    Sharing,
    Files,
    Meetings,
}

impl Modality {
    pub const ALL: [Modality; 7] = [
        Modality::Messages,
        Modality::Presence,
        Modality::Audio,
        Modality::Video,
        Modality::Sharing,
        Modality::Files,
        Modality::Meetings,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Modality::Messages => "messages",
            Modality::Presence => "presence",
            Modality::Audio => "audio",
            Modality::Video => "video",
            Modality::Sharing => "sharing",
            Modality::Files => "files",
            Modality::Meetings => "meetings",
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// A set of them. Written as a list of words, as `all` or as `none`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "Vec<String>", try_from = "Vec<String>")]
pub struct Modalities(u8);

impl Modalities {
    pub const ALL: Modalities = Modalities((1 << Modality::ALL.len()) - 1);
    pub const NONE: Modalities = Modalities(0);

    pub const fn contains(self, modality: Modality) -> bool {
        self.0 & modality.bit() != 0
    }

    pub fn insert(&mut self, modality: Modality) {
        self.0 |= modality.bit();
    }

    pub fn remove(&mut self, modality: Modality) {
        self.0 &= !modality.bit();
    }

    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub fn iter(self) -> impl Iterator<Item = Modality> {
        Modality::ALL.into_iter().filter(move |modality| self.contains(*modality))
    }

    /// The first of these that is not among `allowed`.
    pub fn first_beyond(self, allowed: Modalities) -> Option<Modality> {
        self.iter().find(|modality| !allowed.contains(*modality))
    }
}

impl FromIterator<Modality> for Modalities {
    fn from_iter<T: IntoIterator<Item = Modality>>(all: T) -> Modalities {
        let mut set = Modalities::NONE;
        all.into_iter().for_each(|modality| set.insert(modality));
        set
    }
}

/// Why a text names no modalities.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is none of {words}", words = Modalities::ALL)]
pub struct ModalityError(String);

impl FromStr for Modality {
    type Err = ModalityError;

    fn from_str(text: &str) -> Result<Modality, ModalityError> {
        let found = Modality::ALL.into_iter().find(|modality| modality.as_str() == text);
        found.ok_or_else(|| ModalityError(text.to_owned()))
    }
}

impl FromStr for Modalities {
    type Err = ModalityError;

    fn from_str(text: &str) -> Result<Modalities, ModalityError> {
        match text.trim() {
            "all" => Ok(Modalities::ALL),
            "none" => Ok(Modalities::NONE),
            list => list.split(',').map(|word| word.trim().parse::<Modality>()).collect(),
        }
    }
}

impl fmt::Display for Modalities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("none");
        }
        let words: Vec<&str> = self.iter().map(Modality::as_str).collect();
        f.write_str(&words.join(", "))
    }
}

impl fmt::Debug for Modalities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<Modalities> for Vec<String> {
    fn from(set: Modalities) -> Vec<String> {
        set.iter().map(|modality| modality.as_str().to_owned()).collect()
    }
}

impl TryFrom<Vec<String>> for Modalities {
    type Error = ModalityError;

    fn try_from(words: Vec<String>) -> Result<Modalities, ModalityError> {
        words.iter().map(|word| word.parse::<Modality>()).collect()
    }
}

/// What a request asks for: by its method, its event, and the streams that its session description offers. What ends
/// something asks for nothing.
///
/// A call without an offer asks for audio. That the other end is a meeting is for the caller to know.
pub fn asked_for(request: &Message) -> Modalities {
    let mut asked = Modalities::NONE;
    match request.method() {
        Some(Method::Message) => asked.insert(Modality::Messages),
        Some(Method::Subscribe | Method::Notify | Method::Publish) if !ends_subscription(request) => {
            asked.extend_by_event(request);
        }
        Some(method @ (Method::Invite | Method::Update | Method::Ack | Method::Prack)) => {
            let begins = method == Method::Invite && !request.is_within_dialog();
            asked = offered(request);
            if asked.is_empty() && begins {
                asked.insert(Modality::Audio);
            }
            if begins && is_of_focus(request) {
                asked.insert(Modality::Meetings);
            }
        }
        _ => {}
    }
    asked
}

/// Whether this is the last of a subscription (RFC 6665 sections 4.1.2.3 and 4.2.2): a NOTIFY that says so, or the SUBSCRIBE
/// that unsubscribes.
pub fn ends_subscription(request: &Message) -> bool {
    match request.method() {
        Some(Method::Notify) => {
            let state = request.header_text(HeaderName::SubscriptionState).unwrap_or_default();
            state.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("terminated")
        }
        Some(Method::Subscribe) => request.is_within_dialog() && request.expires().is_ok_and(|secs| secs == Some(0)),
        _ => false,
    }
}

/// Whether a request within a dialog only ends what there is, or acknowledges it: BYE, ACK, and the last NOTIFY of a subscription.
/// What unsubscribes is none of these, since a state is told once more in answer to it (RFC 6665 section 4.1.2.3).
pub fn is_last_word(request: &Message) -> bool {
    match request.method() {
        Some(Method::Bye | Method::Ack) => true,
        Some(Method::Notify) => ends_subscription(request),
        _ => false,
    }
}

/// RFC 4579 section 5.2: who calls is a focus.
fn is_of_focus(request: &Message) -> bool {
    let is_focus =
        |contact: &sip::ContactValue<'_>| contact.address().is_some_and(|address| address.param("isfocus").is_some());
    request.contacts().flatten().any(|contact| is_focus(&contact))
}

impl Modalities {
    /// RFC 3856 and its relatives are presence, RFC 4575 is a meeting.
    fn extend_by_event(&mut self, request: &Message) {
        let event = request.header_text(HeaderName::Event).unwrap_or_default();
        match event.split([';', '.']).next().unwrap_or_default().trim() {
            "presence" => self.insert(Modality::Presence),
            "conference" => self.insert(Modality::Meetings),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, headers: &str, body: &str) -> Message {
        let text = format!(
            "{method} sip:alice@contoso.com SIP/2.0\r\nVia: SIP/2.0/TLS a.example;branch=z9hG4bK1\r\n\
             From: <sip:bob@fabrikam.com>;tag=1\r\nTo: <sip:alice@contoso.com>\r\nCall-ID: a\r\nCSeq: 1 {method}\r\n\
             {headers}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        Message::parse(text.into()).expect("is well formed")
    }

    fn asked(method: &str, headers: &str, body: &str) -> String {
        asked_for(&request(method, headers, body)).to_string()
    }

    #[test]
    fn methods_and_events_say_what_they_are_for() {
        assert_eq!(asked("MESSAGE", "", "Hello"), "messages");
        assert_eq!(asked("SUBSCRIBE", "Event: presence\r\n", ""), "presence");
        assert_eq!(asked("SUBSCRIBE", "Event: presence.winfo;id=1\r\n", ""), "presence");
        assert_eq!(asked("SUBSCRIBE", "Event: conference\r\n", ""), "meetings");
        assert_eq!(asked("OPTIONS", "", ""), "none");
    }

    #[test]
    fn what_ends_a_subscription_asks_for_nothing() {
        let notify = |state: &str| asked("NOTIFY", &format!("Event: presence\r\nSubscription-State: {state}\r\n"), "");
        assert_eq!(notify("active;expires=60"), "presence");
        assert_eq!(notify("Terminated;reason=rejected"), "none");
        assert_eq!(asked("SUBSCRIBE", "Event: presence\r\nExpires: 0\r\n", ""), "presence", "a fetch");
        let within = request("SUBSCRIBE", "Event: presence\r\nExpires: 0\r\n", "");
        let within = String::from_utf8(within.as_bytes().to_vec()).expect("ASCII");
        let within = within.replace("To: <sip:alice@contoso.com>", "To: <sip:alice@contoso.com>;tag=2");
        assert_eq!(asked_for(&Message::parse(within.into()).expect("is well formed")), Modalities::NONE);
    }

    #[test]
    fn a_call_without_an_offer_asks_for_audio_and_a_focus_for_a_meeting() {
        assert_eq!(asked("INVITE", "", ""), "audio");
        assert_eq!(asked("INVITE", "Contact: <sip:m@fabrikam.com>;isfocus\r\n", ""), "audio, meetings");
    }

    #[test]
    fn a_set_reads_as_it_is_written() {
        let some: Modalities = "messages, video".parse().expect("words");
        assert_eq!(
            (some.to_string().as_str(), some.first_beyond(Modalities::NONE)),
            ("messages, video", Some(Modality::Messages))
        );
        assert_eq!(("all".parse(), "none".parse()), (Ok(Modalities::ALL), Ok(Modalities::NONE)));
        assert!("messages,smoke".parse::<Modalities>().is_err_and(|error| error.to_string().contains("presence")));
        let json = serde_json::to_string(&some).expect("words");
        assert_eq!(json, r#"["messages","video"]"#);
        assert_eq!(serde_json::from_str::<Modalities>(&json).ok(), Some(some));
    }
}
