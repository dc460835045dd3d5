//! The streams of a session description, as far as policies name them: which are offered, and which are declined.
//!
//! Read wherever in the body they are, line by line: a description that is one part of several counts as a phone would
//! read it, and so does one that no strict reader would take.

use sip::header_name::HeaderName;
use sip::message::Message;

use super::{Modalities, Modality};

/// What the description in this message offers. A stream with port 0 is offered to nobody (RFC 3264 section 5.1), unless it
/// is to share the port of another (RFC 8843 section 6).
pub(super) fn offered(message: &Message) -> Modalities {
    let body = text(message);
    streams(&body).iter().filter(|stream| stream.is_offered).map(|stream| stream.modality).collect()
}

/// The body with each stream declined that is not allowed: by port 0, and out of the group that shares a port. `None` where
/// nothing is to be declined.
pub fn declined(message: &Message, allowed: Modalities) -> Option<String> {
    let body = text(message);
    let streams = streams(&body);
    let is_unwelcome = |stream: &&Stream<'_>| stream.is_offered && !allowed.contains(stream.modality);
    let unwelcome: Vec<&Stream<'_>> = streams.iter().filter(is_unwelcome).collect();
    if unwelcome.is_empty() {
        return None;
    }
    let mids: Vec<&str> = unwelcome.iter().filter_map(|stream| stream.mid).collect();
    let (mut written, mut is_declined, mut is_left_out) = (String::with_capacity(body.len()), false, false);
    for line in body.split_inclusive(LINE_ENDS) {
        let content = line.trim_end_matches(LINE_ENDS);
        if content.starts_with("m=") {
            is_declined = unwelcome.iter().any(|stream| std::ptr::eq(stream.line.as_ptr(), line.as_ptr()));
        }
        let end = &line[content.len()..];
        // The line feed of a line that is left out goes with it.
        is_left_out = (is_left_out && line == "\n") || (is_declined && content == "a=bundle-only");
        match content {
            _ if is_left_out => {}
            media if is_declined && media.starts_with("m=") => written.extend([&*with_port_zero(media), end]),
            group if group.starts_with("a=group:BUNDLE") => written.extend([&*without_mids(group, &mids), end]),
            _ => written.push_str(line),
        }
    }
    Some(written)
}

fn text(message: &Message) -> String {
    let kind = message.header_text(HeaderName::ContentType).unwrap_or_default().trim_start().to_ascii_lowercase();
    if !kind.starts_with("application/sdp") && !kind.starts_with("multipart/") {
        return String::new();
    }
    String::from_utf8_lossy(message.body()).into_owned()
}

fn streams(body: &str) -> Vec<Stream<'_>> {
    let mut streams: Vec<Stream<'_>> = Vec::new();
    for line in body.split(LINE_ENDS) {
        if line.starts_with("m=") {
            streams.push(Stream::read(line));
        } else if let (Some(attribute), Some(stream)) = (line.strip_prefix("a="), streams.last_mut()) {
            stream.read_attribute(attribute);
        }
    }
    streams
}

struct Stream<'a> {
    /// As it stands in the body.
    line: &'a str,
    is_offered: bool,
    modality: Modality,
    mid: Option<&'a str>,
}

impl<'a> Stream<'a> {
    /// `m=audio 49170 RTP/AVP 0`. What is none of the known media is taken for sharing.
    fn read(line: &'a str) -> Stream<'a> {
        let mut words = line.trim_start_matches("m=").split_ascii_whitespace();
        let modality = match words.next().unwrap_or_default().to_ascii_lowercase().as_str() {
            "audio" => Modality::Audio,
            "video" => Modality::Video,
            "message" | "text" | "x-ms-message" => Modality::Messages,
            "image" | "data" => Modality::Files,
            _ => Modality::Sharing,
        };
        let port = words.next().unwrap_or_default().split('/').next().unwrap_or_default();
        let is_zero = !port.is_empty() && port.bytes().all(|digit| digit == b'0');
        Stream { line, is_offered: !is_zero, modality, mid: None }
    }

    fn read_attribute(&mut self, attribute: &'a str) {
        let (name, value) = attribute.split_once(':').unwrap_or((attribute, ""));
        match (name.trim_end(), self.modality) {
            ("bundle-only", _) => self.is_offered = true,
            ("mid", _) => self.mid = Some(value.trim()),
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

/// What has no port is no stream to anybody.
fn with_port_zero(media: &str) -> String {
    let words: Vec<&str> = media.split_ascii_whitespace().collect();
    match &words[..] {
        [kind, _port, rest @ ..] => [&[*kind, "0"], rest].concat().join(" "),
        _ => media.to_owned(),
    }
}

fn without_mids(group: &str, mids: &[&str]) -> String {
    let kept: Vec<&str> = group.split_ascii_whitespace().filter(|word| !mids.contains(word)).collect();
    kept.join(" ")
}

const LINE_ENDS: [char; 2] = ['\r', '\n'];

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: &str, body: &str) -> Message {
        let text = format!(
            "SIP/2.0 200 OK\r\nVia: SIP/2.0/TLS a.example;branch=z9hG4bK1\r\nFrom: <sip:bob@fabrikam.com>;tag=1\r\n\
             To: <sip:alice@contoso.com>;tag=2\r\nCall-ID: a\r\nCSeq: 1 INVITE\r\nContent-Type: {kind}\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        Message::parse(text.into()).expect("is well formed")
    }

    fn sdp(lines: &str) -> Message {
        message("application/sdp", &format!("v=0\r\n{}\r\n", lines.replace('|', "\r\n")))
    }

    fn offers(lines: &str) -> String {
        offered(&sdp(lines)).to_string()
    }

    fn left(lines: &str, allowed: &str) -> Option<String> {
        let body = declined(&sdp(lines), allowed.parse().expect("words"))?;
        Some(body.trim_start_matches("v=0\r\n").trim_end().replace("\r\n", "|"))
    }

    #[test]
    fn each_stream_of_an_offer_counts_unless_its_port_is_zero() {
        assert_eq!(offers("m=audio 4000 RTP/AVP 0|m=video 4002 RTP/AVP 96"), "audio, video");
        assert_eq!(offers("m=audio 4000 RTP/AVP 0|m=video 0 RTP/AVP 96"), "audio");
        assert_eq!(offers("m=audio 4000 RTP/AVP 0|m=video 00/2 RTP/AVP 96"), "audio");
        assert_eq!(offers("m=message 2855 TCP/MSRP *"), "messages");
        assert_eq!(offers("m=message 2855 TCP/MSRP *|a=file-selector:name:\"a.pdf\""), "files");
        assert_eq!(offers("m=audio 4000/2 RTP/AVP 0|m=video 4002 RTP/AVP 96|a=content:slides"), "audio, sharing");
        assert_eq!(offers("m=applicationsharing 4000 TCP/RTP/AVP 127"), "sharing");
        assert_eq!(offers("m=Video 4000 RTP/AVP 96"), "video");
    }

    #[test]
    fn a_stream_that_shares_the_port_of_another_is_offered() {
        let both = "a=group:BUNDLE 0 1|m=audio 4000 RTP/AVP 0|a=mid:0|m=video 0 RTP/AVP 96|a=bundle-only|a=mid:1";
        assert_eq!(offers(both), "audio, video");
        assert_eq!(
            left(both, "audio").as_deref(),
            Some("a=group:BUNDLE 0|m=audio 4000 RTP/AVP 0|a=mid:0|m=video 0 RTP/AVP 96|a=mid:1")
        );
    }

    #[test]
    fn an_offer_within_a_multipart_body_counts() {
        let body = "--x\r\nContent-Type: application/sdp\r\n\r\nv=0\r\nm=video 4002 RTP/AVP 96\r\n--x--";
        let message = message("Multipart/Mixed;boundary=x", body);
        assert_eq!(offered(&message).to_string(), "video");
        let left = declined(&message, Modalities::NONE).expect("one is declined");
        assert_eq!(left, body.replace("4002", "0"));
    }

    #[test]
    fn what_is_not_allowed_is_declined_and_nothing_else_changes() {
        let two = "m=audio 4000 RTP/AVP 0|a=sendrecv|m=video 4002 RTP/AVP 96|a=rtpmap:96 VP8/90000";
        assert_eq!(left(two, "audio, video"), None);
        assert_eq!(left(two, "audio").as_deref(), Some(&*two.replace("4002", "0")));
        assert_eq!(left(two, "none").as_deref(), Some(&*two.replace("4002", "0").replace("4000", "0")));
        assert_eq!(declined(&message("text/plain", "m=video 1 RTP/AVP 0\r\n"), Modalities::NONE), None);
    }
}
