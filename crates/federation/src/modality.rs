//! What people do with each other over federation, as policies name it, and what a request asks for.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sip::header_name::HeaderName;
use sip::message::Message;
use sip::method::Method;

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

/// What a request asks for: by its method, its event, and the streams that its session description offers. A stream
/// with port 0 is offered to nobody (RFC 3264 section 5.1).
///
/// A call without an offer asks for audio. That the other end is a meeting is for the caller to know.
pub fn asked_for(request: &Message) -> Modalities {
    let mut asked = Modalities::NONE;
    match request.method() {
        Some(Method::Message) => asked.insert(Modality::Messages),
        Some(Method::Subscribe | Method::Notify | Method::Publish) => asked.extend_by_event(request),
        Some(method @ (Method::Invite | Method::Update | Method::Ack | Method::Prack)) => {
            let offered = streams(request);
            let begins = method == Method::Invite && request.to().is_ok_and(|to| to.tag().is_none());
            asked.0 |= offered.0;
            if offered.is_empty() && begins {
                asked.insert(Modality::Audio);
            }
            // RFC 4579 section 5.2: who calls is a focus.
            let is_focus = |contact: &sip::ContactValue<'_>| {
                contact.address().is_some_and(|address| address.param("isfocus").is_some())
            };
            if begins && request.contacts().flatten().any(|contact| is_focus(&contact)) {
                asked.insert(Modality::Meetings);
            }
        }
        _ => {}
    }
    asked
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

/// The streams of a session description, wherever in the body it is: a description that is one part of several is read
/// as a phone would read it.
fn streams(request: &Message) -> Modalities {
    let kind = request.header_text(HeaderName::ContentType).unwrap_or_default().trim_start().to_ascii_lowercase();
    if !kind.starts_with("application/sdp") && !kind.starts_with("multipart/") {
        return Modalities::NONE;
    }
    let body = String::from_utf8_lossy(request.body());
    let mut streams: Vec<Stream> = Vec::new();
    for line in body.split(['\r', '\n']) {
        if let Some(media) = line.strip_prefix("m=") {
            streams.push(Stream::read(media));
        } else if let (Some(attribute), Some(stream)) = (line.strip_prefix("a="), streams.last_mut()) {
            stream.read_attribute(attribute);
        }
    }
    streams.iter().filter(|stream| stream.is_offered).map(|stream| stream.modality).collect()
}

struct Stream {
    is_offered: bool,
    modality: Modality,
}

impl Stream {
    /// The rest of an m-line: `audio 49170 RTP/AVP 0`. What is none of the known media is taken for sharing.
    fn read(line: &str) -> Stream {
        let mut words = line.split_ascii_whitespace();
        let modality = match words.next().unwrap_or_default().to_ascii_lowercase().as_str() {
            "audio" => Modality::Audio,
            "video" => Modality::Video,
            "message" | "text" | "x-ms-message" => Modality::Messages,
            "image" | "data" => Modality::Files,
            _ => Modality::Sharing,
        };
        let port = words.next().unwrap_or_default();
        Stream { is_offered: port.split('/').next() != Some("0"), modality }
    }

    fn read_attribute(&mut self, attribute: &str) {
        let (name, value) = attribute.split_once(':').unwrap_or((attribute, ""));
        match (name, self.modality) {
            // RFC 5547 section 6: a file goes by a session of messages.
            ("file-selector", Modality::Messages) => self.modality = Modality::Files,
            // RFC 4796 section 5: slides, or a screen.
            ("content", Modality::Video) if value.split(',').any(|kind| kind.trim() == "slides") => {
                self.modality = Modality::Sharing;
            }
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

    fn offered(lines: &str) -> String {
        asked("INVITE", "Content-Type: application/sdp\r\n", &format!("v=0\r\n{}", lines.replace('|', "\r\n")))
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
    fn each_stream_of_an_offer_counts_unless_its_port_is_zero() {
        assert_eq!(offered("m=audio 4000 RTP/AVP 0|m=video 4002 RTP/AVP 96"), "audio, video");
        assert_eq!(offered("m=audio 4000 RTP/AVP 0|m=video 0 RTP/AVP 96"), "audio");
        assert_eq!(offered("m=message 2855 TCP/MSRP *"), "messages");
        assert_eq!(offered("m=message 2855 TCP/MSRP *|a=file-selector:name:\"a.pdf\""), "files");
        assert_eq!(offered("m=audio 4000/2 RTP/AVP 0|m=video 4002 RTP/AVP 96|a=content:slides"), "audio, sharing");
        assert_eq!(offered("m=applicationsharing 4000 TCP/RTP/AVP 127"), "sharing");
        assert_eq!(offered("m=Video 4000 RTP/AVP 96"), "video");
    }

    #[test]
    fn an_offer_within_a_multipart_body_counts() {
        let body = "--x\r\nContent-Type: application/sdp\r\n\r\nv=0\r\nm=video 4002 RTP/AVP 96\r\n--x--";
        assert_eq!(asked("INVITE", "Content-Type: Multipart/Mixed;boundary=x\r\n", body), "video");
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
