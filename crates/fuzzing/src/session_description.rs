//! Session descriptions (RFC 8866, 3264): what we answer and offer is read again, and both sides agree on it.

use std::net::Ipv6Addr;

use sdp::{
    AudioSession, Capabilities, Keys, LocalAddresses, LocalMedia, Offer, OurStreams, ParseError, SessionOrigin, accept,
    answer, answer_streams, keys_in_use, offer, offer_streams_in_place_of, reoffer, reoffer_streams,
};

pub fn check(bytes: &[u8]) {
    let (capabilities, local) = (Capabilities::default(), local(1));
    let ours = offer(&capabilities, &local);
    if let Ok(session) = accept(&ours, bytes) {
        check_session(&session);
    }
    let streams = our_streams(&capabilities, &local);
    let _ = keys_in_use(bytes, ours.as_bytes());
    let Ok(theirs) = Offer::parse(bytes) else {
        return assert!(offer_streams_in_place_of(bytes, &streams).is_err());
    };
    read_everything(&theirs);
    check_answer(&theirs, &capabilities, &local, bytes);
    check_in_place(bytes, &streams);
}

/// An answer has as many m-lines as its offer (RFC 3264 section 6), and is one that we would ourselves take.
fn check_answer(theirs: &Offer, capabilities: &Capabilities, local: &LocalMedia, bytes: &[u8]) {
    let both = answer_streams(theirs, &our_streams(capabilities, local));
    let Ok((session, text)) = answer(theirs, capabilities, local) else {
        return assert!(both.is_err() || both.is_ok_and(|agreed| agreed.audio.is_none()));
    };
    check_session(&session);
    let read = Offer::parse(text.as_bytes()).expect("our answer is a description");
    assert_eq!(media_lines(text.as_bytes()), theirs.media_lines(), "{text}");
    assert!(read.encodings().contains(&session.format.encoding), "{text}");
    assert_eq!(both.expect("sound alone was taken").audio.as_ref(), Some(&session));
    assert_eq!(read.is_protected(), session.protection.is_some());
    // As the peer sees it: the same keys, the other way round.
    if let Some(peer) = std::str::from_utf8(bytes).ok().and_then(|sent| accept(sent, text.as_bytes()).ok()) {
        check_session(&peer);
    }
    let again = reoffer(&text, &self::local(2)).expect("what we have said can be said again");
    assert_eq!(media_lines(again.as_bytes()), media_lines(text.as_bytes()));
    let streams = our_streams(capabilities, local);
    reoffer_streams(&text, &streams).expect("with and without messages");
}

fn check_in_place(bytes: &[u8], streams: &OurStreams<'_>) {
    let text = match offer_streams_in_place_of(bytes, streams) {
        Ok(text) => text,
        // There is no room for a line of sound.
        Err(error) => {
            return assert_eq!(error, ParseError::TooManyMediaLines(17), "what can be read can be offered again");
        }
    };
    let read = Offer::parse(text.as_bytes()).expect("our offer is a description");
    assert!(read.has_audio() && !read.encodings().is_empty(), "{text}");
}

fn check_session(session: &AudioSession) {
    assert!(session.format.payload_type < 128 && session.telephone_event.is_none_or(|event| event < 128));
    assert!((10..=60).contains(&session.packet_ms), "{} ms", session.packet_ms);
    assert!(!session.remote.ip().is_multicast(), "{}", session.remote);
    if let Some(protection) = &session.protection {
        let lengths = [protection.local.0.len(), protection.remote.0.len()];
        assert_eq!(lengths, [protection.suite.key_bytes(); 2]);
    }
}

fn read_everything(offer: &Offer) {
    let encodings = offer.encodings();
    assert!(encodings.len() <= 4 && (encodings.is_empty() || offer.has_audio()));
    assert!(offer.is_protected() || !offer.demands_protection());
    let _ = (offer.address(), offer.direction());
    if let Some(messages) = offer.messages() {
        assert!(messages.accept_types.len() <= 32);
        let _ = (messages.takes("text/plain"), messages.names("text/plain"));
    }
}

fn media_lines(text: &[u8]) -> usize {
    text.split(|byte| *byte == b'\n').filter(|line| line.starts_with(b"m=")).count()
}

fn our_streams<'a>(capabilities: &'a Capabilities, local: &'a LocalMedia) -> OurStreams<'a> {
    static ORIGIN: std::sync::OnceLock<SessionOrigin> = std::sync::OnceLock::new();
    let origin = ORIGIN.get_or_init(|| SessionOrigin::of(&self::local(1)));
    OurStreams { origin, audio: Some((capabilities, local)), accept_types: &["text/plain"] }
}

fn local(version: u64) -> LocalMedia {
    LocalMedia {
        addresses: LocalAddresses { first: [192, 0, 2, 1].into(), other: Some(Ipv6Addr::LOCALHOST.into()) },
        rtp_port: 4000,
        rtcp_port: 4001,
        session_id: 1,
        version,
        direction: sdp::Direction::SendRecv,
        keys: Keys::cut(&[7; Keys::BYTES]),
    }
}
