//! Offers of ours inside a session that runs (RFC 3264 section 8).

use super::fixture::{answered, lines, local, ours};
use super::{NotOurs, UnusableAnswer, accept, answer, offer, reoffer};
use crate::capabilities::{Capabilities, Keys, LocalMedia};
use crate::description::Offer;
use crate::session::{Direction, Encoding};

const THREE_LINES: &str = "v=0
    o=- 1 1 IN IP4 192.0.2.1
    s=-
    c=IN IP4 192.0.2.1
    t=3034423619 0
    m=video 5000 RTP/AVP 97
    a=rtpmap:97 H264/90000
    m=audio 4000 RTP/SAVP 107 101
    a=rtpmap:107 opus/48000/2
    a=rtpmap:101 telephone-event/48000
    a=crypto:4 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz
    m=application 9 UDP/BFCP *";

#[test]
fn after_an_answer_lines_numbers_and_tags_stay() {
    let (_, last) = answered(THREE_LINES, &Capabilities::default()).unwrap();
    let moved = LocalMedia {
        addresses: ours("198.51.100.6"),
        rtp_port: 31_000,
        rtcp_port: 31_001,
        version: 2,
        direction: Direction::SendOnly,
        keys: Keys::cut(&[0x43; Keys::BYTES]),
        ..local()
    };
    let expected = "v=0
        o=- 77 2 IN IP4 198.51.100.6
        s=-
        c=IN IP4 198.51.100.6
        t=3034423619 0
        m=video 0 RTP/AVP 97
        m=audio 31000 RTP/SAVP 107 101
        a=rtpmap:107 opus/48000/2
        a=rtpmap:101 telephone-event/48000
        a=fmtp:101 0-15
        a=ptime:20
        a=crypto:4 AES_CM_128_HMAC_SHA1_80 inline:Q0NDQ0NDQ0NDQ0NDQ0NDQ0NDQ0NDQ0NDQ0NDQ0ND
        a=sendonly
        m=application 0 UDP/BFCP *";
    assert_eq!(reoffer(&last, &moved).unwrap(), lines(expected));
}

#[test]
fn only_the_version_changes_where_nothing_else_does() {
    let first = offer(&Capabilities::default(), &local());
    let second = reoffer(&first, &LocalMedia { version: 2, ..local() }).unwrap();
    assert_eq!(second, first.replace("o=- 77 1 ", "o=- 77 2 "));
}

#[test]
fn a_reoffer_is_answered_and_read() {
    let (_, last) = answered(THREE_LINES, &Capabilities::default()).unwrap();
    let sent = reoffer(&last, &LocalMedia { version: 2, ..local() }).unwrap();
    let far = LocalMedia { addresses: ours("192.0.2.1"), rtp_port: 4000, rtcp_port: 4001, ..local() };
    let (theirs, body) = answer(&Offer::parse(sent.as_bytes()).unwrap(), &Capabilities::default(), &far).unwrap();
    let ours = accept(&sent, body.as_bytes()).unwrap();
    assert_eq!((ours.format, ours.telephone_event), (theirs.format, theirs.telephone_event));
    assert_eq!((ours.format.payload_type, ours.format.encoding), (107, Encoding::Opus));
    assert_eq!(ours.remote, "192.0.2.1:4000".parse().unwrap());
    assert!(ours.protection.is_some());
}

#[test]
fn the_answer_stands_where_the_offer_stood() {
    let (_, last) = answered(THREE_LINES, &Capabilities::default()).unwrap();
    let sent = reoffer(&last, &LocalMedia { version: 2, ..local() }).unwrap();
    let stream = "m=audio 4000 RTP/SAVP 107\na=rtpmap:107 opus/48000/2\na=rtcp-mux\n\
        a=crypto:4 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";
    let answer = |first: &str, second: &str| {
        lines(&format!("v=0\nc=IN IP4 192.0.2.1\n{first}\n{second}\nm=application 0 UDP/BFCP *"))
    };
    let session = accept(&sent, answer("m=video 0 RTP/AVP 97", stream).as_bytes()).unwrap();
    assert_eq!(session.remote_rtcp.port(), 4001, "ports are shared only where both say so, and we did not");
    let misplaced = answer(stream, "m=audio 0 RTP/SAVP 107");
    assert_eq!(accept(&sent, misplaced.as_bytes()), Err(UnusableAnswer::Refused));
}

#[test]
fn without_a_running_stream_there_is_nothing_to_offer_again() {
    assert_eq!(reoffer("v=0\r\nm=audio 0 RTP/AVP 0\r\n", &local()), Err(NotOurs::NoAudio));
    assert!(matches!(reoffer("", &local()), Err(NotOurs::Unreadable(_))));
}
