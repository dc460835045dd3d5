//! A session description as it came in: read within limits, before anybody looks at what it says (RFC 8866).

use std::net::IpAddr;

use sdp_types::Session;

use crate::message::MessageStream;
use crate::session::{Direction, Encoding};
use crate::stream::{Stream, Unusable};

/// A description that somebody sent, or that we sent before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    pub(crate) session: Session,
}

/// Why a body is not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    #[error("the session description has {0} bytes; {BYTES_MAX} are read at most")]
    TooLong(usize),
    #[error("the session description has {0} m= lines; {MEDIA_LINES_MAX} are read at most")]
    TooManyMediaLines(usize),
    #[error("the session description has {0} a= lines; {ATTRIBUTES_MAX} are read at most")]
    TooManyAttributes(usize),
    /// The reader's words, with the number of the line.
    #[error("the session description cannot be read: {0}")]
    Syntax(String),
}

impl Offer {
    /// Reads a body of type `application/sdp`.
    pub fn parse(body: &[u8]) -> Result<Self, ParseError> {
        if body.len() > BYTES_MAX {
            return Err(ParseError::TooLong(body.len()));
        }
        // COMPAT(old phones): names in o= and s= that are not UTF-8. Nothing that counts is outside ASCII.
        let text = String::from_utf8_lossy(body);
        let session = Session::parse(text.as_bytes()).map_err(|error| ParseError::Syntax(error.to_string()))?;
        check_counts(&session)?;
        Ok(Self { session })
    }

    /// Whether its first audio stream comes with keys that we can use, be they demanded (`RTP/SAVP`) or only offered.
    pub fn is_protected(&self) -> bool {
        self.first_audio().is_some_and(|stream| stream.is_secure || !stream.crypto.is_empty())
    }

    /// Whether its first audio stream is for `RTP/SAVP` alone.
    pub fn demands_protection(&self) -> bool {
        self.first_audio().is_some_and(|stream| stream.is_secure)
    }

    /// Where its sender wants the sound of its first audio stream.
    pub fn address(&self) -> Option<IpAddr> {
        self.first_audio().map(|stream| stream.remote.ip())
    }

    /// Whether it is of one stream of sound that can be sent to one address alone: there are no candidates (RFC 8839) and no
    /// alternatives (RFC 6947) to choose from.
    pub fn is_for_one_address(&self) -> bool {
        let [media] = self.session.medias.as_slice() else { return false };
        let is_choice = |attribute: &sdp_types::Attribute| matches!(attribute.attribute.as_str(), "candidate" | "altc");
        media.media == "audio" && !media.attributes.iter().any(is_choice)
    }

    /// What its first audio stream may be encoded in, of what we know, most wanted first.
    pub fn encodings(&self) -> Vec<Encoding> {
        let formats = self.first_audio().map(|stream| stream.payloads.formats).unwrap_or_default();
        let mut encodings = Vec::with_capacity(formats.len());
        for format in formats {
            if !encodings.contains(&format.encoding) {
                encodings.push(format.encoding);
            }
        }
        encodings
    }

    /// Which way sound goes in its first audio stream, as seen from who sent it.
    pub fn direction(&self) -> Option<Direction> {
        self.first_audio().map(|stream| stream.direction)
    }

    /// So many its answer has (RFC 3264 section 6).
    pub fn media_lines(&self) -> usize {
        self.session.medias.len()
    }

    /// Whether it offers sound, usable or not.
    pub fn has_audio(&self) -> bool {
        self.audio().next().is_some()
    }

    /// What its first stream for messages within the dialog says; `None`: it has none in use.
    pub fn messages(&self) -> Option<MessageStream> {
        self.message_line().map(|(_, stream)| stream)
    }

    /// The same with its place among the m-lines.
    pub(crate) fn message_line(&self) -> Option<(usize, MessageStream)> {
        self.session.medias.iter().enumerate().find_map(|(index, media)| Some((index, MessageStream::read(media)?)))
    }

    fn first_audio(&self) -> Option<Stream> {
        self.audio().find_map(|(_, stream)| stream.ok())
    }

    /// The audio streams that are not switched off, each with its place among the m-lines.
    pub(crate) fn audio(&self) -> impl Iterator<Item = (usize, Result<Stream, Unusable>)> + '_ {
        let lines = self.session.medias.iter().enumerate();
        lines
            .filter(|(_, media)| media.media.eq_ignore_ascii_case("audio") && media.port != 0)
            .map(|(index, media)| (index, Stream::read(&self.session, media)))
    }
}

fn check_counts(session: &Session) -> Result<(), ParseError> {
    if session.medias.len() > MEDIA_LINES_MAX {
        return Err(ParseError::TooManyMediaLines(session.medias.len()));
    }
    let of_media: usize = session.medias.iter().map(|media| media.attributes.len()).sum();
    let attributes = session.attributes.len() + of_media;
    if attributes > ATTRIBUTES_MAX {
        return Err(ParseError::TooManyAttributes(attributes));
    }
    Ok(())
}

/// A browser's offer of sound and pictures has about 7,000.
const BYTES_MAX: usize = 16 * 1024;
pub(crate) const MEDIA_LINES_MAX: usize = 16;
const ATTRIBUTES_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n";
    const AUDIO: &str = "m=audio 4000 RTP/AVP 0\r\n";

    fn parse(text: &str) -> Result<Offer, ParseError> {
        Offer::parse(text.as_bytes())
    }

    #[test]
    fn each_limit_holds() {
        let padded = |bytes: usize| format!("{LINES}a={}", "x".repeat(bytes - LINES.len() - 2));
        assert!(parse(&padded(BYTES_MAX)).is_ok());
        assert_eq!(parse(&padded(BYTES_MAX + 1)), Err(ParseError::TooLong(BYTES_MAX + 1)));
        let lines = |count| format!("{LINES}{}", AUDIO.repeat(count));
        assert!(parse(&lines(16)).is_ok());
        assert_eq!(parse(&lines(17)), Err(ParseError::TooManyMediaLines(17)));
        let attributes = |count: usize| format!("{LINES}a=x\r\n{AUDIO}{}", "a=y\r\n".repeat(count - 1));
        assert!(parse(&attributes(256)).is_ok());
        assert_eq!(parse(&attributes(257)), Err(ParseError::TooManyAttributes(257)));
    }

    #[test]
    fn what_is_no_description_is_refused_with_its_line() {
        for (text, place) in [
            ("", "No version"),
            ("hello", "line 1"),
            ("v=1\r\n", "line 1"),
            ("v=0\r\nc=IN\r\n", "line 2"),
            ("v=0\r\nm=audio 70000 RTP/AVP 0\r\n", "line 2"),
            ("v=0\r\nm=audio 4000\r\n", "line 2"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(matches!(&error, ParseError::Syntax(words) if words.contains(place)), "{text:?}: {error}");
        }
    }

    #[test]
    fn names_need_not_be_utf8() {
        let mut body = b"v=0\r\no=J\xfcrgen 1 1 IN IP4 192.0.2.1\r\ns=Gespr\xe4ch\r\nc=IN IP4 192.0.2.1\r\n".to_vec();
        body.extend(AUDIO.as_bytes());
        assert_eq!(Offer::parse(&body).unwrap().encodings(), [Encoding::Pcmu]);
    }

    #[test]
    fn an_offer_tells_what_is_in_it() {
        let plain =
            parse(&format!("{LINES}m=audio 4000 RTP/AVP 8 0 96\r\na=rtpmap:96 PCMA/8000\r\na=sendonly\r\n")).unwrap();
        assert_eq!(plain.encodings(), [Encoding::Pcma, Encoding::Pcmu]);
        assert_eq!((plain.is_protected(), plain.direction()), (false, Some(Direction::SendOnly)));
        let key = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz\r\n";
        assert!(parse(&format!("{LINES}{AUDIO}{key}")).unwrap().is_protected());
        assert!(parse(&format!("{LINES}m=audio 4000 RTP/SAVP 0\r\n")).unwrap().is_protected());
        let silent = parse(&format!("{LINES}m=audio 0 RTP/AVP 0\r\nm=video 4000 RTP/AVP 0\r\n")).unwrap();
        assert_eq!((silent.encodings(), silent.direction()), (vec![], None));
    }
}
