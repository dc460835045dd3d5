//! Offers of sound and of messages within the dialog, both or one of them.

use sdp_types::Media;

use super::answering::{Accepted, NotAcceptable};
use super::offering::{self, Again, NotOurs};
use crate::capabilities::{Capabilities, LocalMedia, SessionOrigin};
use crate::description::{MEDIA_LINES_MAX, Offer, ParseError};
use crate::message::MessageStream;
use crate::session::AudioSession;
use crate::write;

/// What of ours a session may take.
#[derive(Debug, Clone, Copy)]
pub struct OurStreams<'a> {
    pub origin: &'a SessionOrigin,
    /// `None`: no sound.
    pub audio: Option<(&'a Capabilities, &'a LocalMedia)>,
    /// The media types that we take in messages; none: no messages.
    pub accept_types: &'a [&'a str],
}

/// What an offer and our answer agreed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgreedStreams {
    pub audio: Option<AudioSession>,
    pub messages: Option<MessageStream>,
    /// The answer, to be sent.
    pub description: String,
}

/// Answers an offer with all that we are willing to take: one audio stream as [`super::answer`] chooses it, and the first
/// stream of messages; every other m-line is refused in its place.
///
/// # Errors
/// Nothing of the offer can be taken.
pub fn answer_streams(offer: &Offer, ours: &OurStreams<'_>) -> Result<AgreedStreams, NotAcceptable> {
    let audio = match ours.audio {
        Some((capabilities, local)) => {
            Accepted::best(offer, capabilities, local).map(|best| (best, capabilities, local))
        }
        None => Err(NotAcceptable::NoStream),
    };
    let messages = offer.message_line().filter(|_| !ours.accept_types.is_empty());
    let mut medias: Vec<Media> = match (&audio, &messages) {
        (Ok((accepted, capabilities, local)), _) => accepted.medias(offer, capabilities, local),
        (Err(_), Some(_)) => offer.session.medias.iter().map(write::refused).collect(),
        (Err(NotAcceptable::NoAudio), None) => return Err(NotAcceptable::NoStream),
        (Err(refusal), None) => return Err(refusal.clone()),
    };
    if let Some((index, _)) = &messages {
        medias[*index] = write::messages(&offer.session.medias[*index], ours.accept_types);
    }
    let told = audio.as_ref().ok().map(|(accepted, ..)| accepted.told);
    let description = write::whole(ours.origin, told, medias, offer.session.times.first());
    let audio = audio.ok().map(|(accepted, ..)| accepted.session);
    Ok(AgreedStreams { audio, messages: messages.map(|(_, stream)| stream), description })
}

/// An offer inside a running session, as [`super::reoffer`] makes it; messages stay where the last description had them.
///
/// # Errors
/// `last` is none of ours, or has no sound where `ours` has.
pub fn reoffer_streams(last: &str, ours: &OurStreams<'_>) -> Result<String, NotOurs> {
    let (last, mut medias, told) = match ours.audio {
        Some((_, local)) => {
            let Again { last, medias, told } = offering::again(last, local)?;
            (last, medias, Some(told))
        }
        None => {
            let last = Offer::parse(last.as_bytes()).map_err(NotOurs::Unreadable)?;
            let medias = last.session.medias.iter().map(write::refused).collect();
            (last, medias, None)
        }
    };
    if let Some((index, _)) = last.message_line().filter(|_| !ours.accept_types.is_empty()) {
        medias[index] = write::messages(&last.session.medias[index], ours.accept_types);
    }
    Ok(write::whole(ours.origin, told, medias, last.session.times.first()))
}

/// An offer of messages alone.
pub fn offer_messages(origin: &SessionOrigin, accept_types: &[&str]) -> String {
    write::whole(origin, None, vec![write::own_messages(accept_types)], None)
}

/// An offer inside a session that another user agent described until now, with `last` the last description that the peer has
/// of it: m-lines keep their places (RFC 3264 section 8), the first audio stream and the first one of messages become ours, all
/// others are refused.
///
/// # Errors
/// `last` cannot be read, or has so many m-lines without sound that none may be added.
pub fn offer_streams_in_place_of(last: &[u8], ours: &OurStreams<'_>) -> Result<String, ParseError> {
    let last = Offer::parse(last)?;
    let mut medias: Vec<Media> = last.session.medias.iter().map(write::refused).collect();
    if let Some((index, _)) = last.message_line().filter(|_| !ours.accept_types.is_empty()) {
        medias[index] = write::messages(&last.session.medias[index], ours.accept_types);
    }
    if let Some((capabilities, local)) = ours.audio {
        let audio = offering::offered_audio(capabilities, local);
        match last.session.medias.iter().position(|media| media.media == "audio") {
            Some(place) => medias[place] = audio,
            None if medias.len() >= MEDIA_LINES_MAX => return Err(ParseError::TooManyMediaLines(medias.len() + 1)),
            None => medias.push(audio),
        }
    }
    let told = ours.audio.map(|(_, local)| local.addresses.first);
    Ok(write::whole(ours.origin, told, medias, last.session.times.first()))
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{lines, local};
    use super::*;

    const TAKES: &[&str] = &["text/plain", "message/cpim"];
    const AUDIO: &str = "m=audio 4000 RTP/AVP 0\n";
    const MESSAGES: &str = "m=message 5060 sip null\na=accept-types:text/plain text/html\n";

    fn origin() -> SessionOrigin {
        SessionOrigin { host: "contoso.example".into(), session_id: 7, version: 1 }
    }

    fn offer(media: &str) -> Offer {
        let text = format!("v=0\no=- 1 1 IN IP4 192.0.2.1\ns=-\nc=IN IP4 192.0.2.1\nt=0 0\n{media}");
        Offer::parse(lines(&text).as_bytes()).unwrap()
    }

    fn answered(media: &str, accept_types: &[&str]) -> Result<AgreedStreams, NotAcceptable> {
        let (capabilities, local, origin) = (Capabilities::default(), local(), origin());
        let ours = OurStreams { origin: &origin, audio: Some((&capabilities, &local)), accept_types };
        answer_streams(&offer(media), &ours)
    }

    fn media_lines(text: &str) -> Vec<&str> {
        text.lines().filter(|line| line.starts_with("m=")).collect()
    }

    #[test]
    fn sound_and_messages_are_taken_in_their_places_and_the_rest_is_refused() {
        let media = format!("m=message 2855 TCP/MSRP *\n{MESSAGES}m=video 4002 RTP/AVP 97\n{AUDIO}");
        let agreed = answered(&media, TAKES).unwrap();
        let expected =
            ["m=message 0 TCP/MSRP *", "m=message 5060 sip null", "m=video 0 RTP/AVP 97", "m=audio 30000 RTP/AVP 0"];
        assert_eq!(media_lines(&agreed.description), expected);
        assert!(agreed.description.contains("a=accept-types:text/plain message/cpim\r\n"));
        assert!(agreed.description.contains("c=IN IP4 198.51.100.5\r\n"), "sound goes to an address");
        assert_eq!(agreed.messages.unwrap().accept_types, ["text/plain", "text/html"]);
        assert!(agreed.audio.is_some());
    }

    #[test]
    fn messages_alone_need_no_address() {
        let origin = origin();
        let ours = OurStreams { origin: &origin, audio: None, accept_types: TAKES };
        let agreed = answer_streams(&offer(&format!("{AUDIO}{MESSAGES}")), &ours).unwrap();
        let expected = lines(
            "v=0\no=- 7 1 IN IP4 contoso.example\ns=-\nc=IN IP4 contoso.example\nt=0 0\nm=audio 0 RTP/AVP 0\n\
             m=message 5060 sip null\na=accept-types:text/plain message/cpim",
        );
        assert_eq!((agreed.description, agreed.audio), (expected, None));
    }

    #[test]
    fn each_kind_may_be_alone() {
        let sound = answered(AUDIO, TAKES).unwrap();
        assert!(sound.audio.is_some() && sound.messages.is_none());
        let messages = answered(MESSAGES, TAKES).unwrap();
        assert!(messages.audio.is_none() && messages.messages.is_some());
        let g729 = answered(&format!("m=audio 4000 RTP/AVP 18\n{MESSAGES}"), TAKES).unwrap();
        assert!(g729.audio.is_none() && g729.messages.is_some());
    }

    #[test]
    fn what_nobody_takes_is_refused() {
        assert_eq!(answered(MESSAGES, &[]), Err(NotAcceptable::NoStream));
        assert_eq!(answered("m=message 2855 TCP/MSRP *\n", TAKES), Err(NotAcceptable::NoStream));
        assert_eq!(NotAcceptable::NoStream.warn_code(), 304);
        let g729 = answered("m=audio 4000 RTP/AVP 18\n", TAKES);
        assert!(matches!(g729, Err(NotAcceptable::Stream { line: 1, .. })), "{g729:?}");
    }

    #[test]
    fn a_session_is_offered_again_with_its_messages() {
        let (capabilities, local) = (Capabilities::default(), local());
        let next = SessionOrigin { version: 2, ..origin() };
        let audio = Some((&capabilities, &local));
        let both = answered(&format!("{MESSAGES}{AUDIO}"), TAKES).unwrap().description;
        let ours = OurStreams { origin: &next, audio, accept_types: TAKES };
        let again = reoffer_streams(&both, &ours).unwrap();
        assert_eq!(again, both.replace("o=- 7 1 ", "o=- 7 2 "));
        let silent = reoffer_streams(&both, &OurStreams { audio: None, ..ours }).unwrap();
        assert_eq!(media_lines(&silent), ["m=message 5060 sip null", "m=audio 0 RTP/AVP 0"]);
    }

    fn offered_in_place_of(last: &str, has_audio: bool) -> String {
        try_in_place_of(last, has_audio).unwrap()
    }

    fn try_in_place_of(last: &str, has_audio: bool) -> Result<String, ParseError> {
        let (capabilities, local, origin) = (Capabilities::default(), local(), origin());
        let audio = has_audio.then_some((&capabilities, &local));
        let ours = OurStreams { origin: &origin, audio, accept_types: TAKES };
        let last = format!("v=0\no=- 1 1 IN IP4 192.0.2.1\ns=-\nc=IN IP4 192.0.2.1\nt=0 0\n{last}");
        offer_streams_in_place_of(lines(&last).as_bytes(), &ours)
    }

    #[test]
    fn an_offer_in_place_of_anothers_keeps_the_lines() {
        let video = "m=video 4002 RTP/AVP 99\na=rtpmap:99 H264/90000\n";
        let text = offered_in_place_of(&format!("{video}m=audio 4000 RTP/AVP 18\n{MESSAGES}"), true);
        let media = media_lines(&text);
        assert_eq!((media[0], media[2], media.len()), ("m=video 0 RTP/AVP 99", "m=message 5060 sip null", 3), "{text}");
        assert!(media[1].starts_with("m=audio 30000 ") && text.contains("PCMU/8000"), "{text}");
        assert!(offered_in_place_of("", true).contains("\r\nm=audio "));
        assert_eq!(try_in_place_of(&video.repeat(16), true), Err(ParseError::TooManyMediaLines(17)));
        assert_eq!(media_lines(&offered_in_place_of(&video.repeat(15), true)).len(), 16);
    }

    #[test]
    fn what_we_offer_of_messages_is_read_as_such() {
        let text = offer_messages(&origin(), TAKES);
        let offer = Offer::parse(text.as_bytes()).unwrap();
        assert!(
            offer.messages().is_some_and(|messages| messages.names("message/cpim")) && !offer.has_audio(),
            "{text}"
        );
    }

    #[test]
    fn messages_alone_are_offered_in_place_of_anothers() {
        let text = offered_in_place_of(MESSAGES, false);
        assert!(text.contains("c=IN IP4 contoso.example\r\n"), "{text}");
        assert_eq!(media_lines(&text), ["m=message 5060 sip null"]);
        assert!(text.contains("a=accept-types:text/plain message/cpim\r\n"), "{text}");
    }
}
