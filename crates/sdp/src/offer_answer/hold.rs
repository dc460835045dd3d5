//! Which way sound goes, on both sides, in both ways to hold a call (RFC 3264 sections 6.1 and 8.4).

use super::fixture::{lines, local, ours};
use super::{accept, answer, offer};
use crate::capabilities::{Capabilities, LocalMedia};
use crate::description::Offer;
use crate::session::{AudioSession, Direction};

use Direction::{Inactive, RecvOnly, SendOnly, SendRecv};

const EVERY: [Direction; 4] = [SendRecv, SendOnly, RecvOnly, Inactive];

fn answered(address: &str, offered: Direction, ours: Direction) -> (AudioSession, String) {
    let text = lines(&format!("v=0\nc=IN IP4 {address}\nm=audio 4000 RTP/AVP 0\na={}", offered.name()));
    let local = LocalMedia { direction: ours, ..local() };
    answer(&Offer::parse(text.as_bytes()).unwrap(), &Capabilities::default(), &local).unwrap()
}

#[test]
fn an_answer_allows_what_both_allow() {
    for (offered, expected) in [(SendRecv, SendRecv), (SendOnly, RecvOnly), (RecvOnly, SendOnly), (Inactive, Inactive)]
    {
        let (session, body) = answered("192.0.2.1", offered, SendRecv);
        assert_eq!(session.direction, expected);
        assert!(body.ends_with(&format!("a={}\r\n", expected.name())), "{body}");
        assert_eq!(answered("192.0.2.1", offered, Inactive).0.direction, Inactive);
    }
    assert_eq!(answered("192.0.2.1", SendRecv, SendOnly).0.direction, SendOnly);
    assert_eq!(answered("192.0.2.1", SendOnly, SendOnly).0.direction, Inactive);
}

#[test]
fn nothing_is_sent_to_who_holds_in_the_old_way() {
    let (session, body) = answered("0.0.0.0", SendRecv, SendRecv);
    assert_eq!(session.direction, RecvOnly);
    assert!(body.ends_with("a=recvonly\r\n") && body.contains("m=audio 30000 RTP/AVP 0"), "{body}");
    assert_eq!(answered("0.0.0.0", RecvOnly, SendRecv).0.direction, Inactive);
}

#[test]
fn the_old_way_needs_no_address_of_our_family() {
    let text = lines("v=0\nc=IN IP4 0.0.0.0\nm=audio 4000 RTP/AVP 0");
    let local = LocalMedia { addresses: ours("2001:db8::5"), ..local() };
    let offer = Offer::parse(text.as_bytes()).unwrap();
    assert_eq!(answer(&offer, &Capabilities::default(), &local).unwrap().0.direction, RecvOnly);
}

#[test]
fn an_answer_to_us_is_turned_round_and_cannot_widen_our_offer() {
    for ours in EVERY {
        let sent = offer(&Capabilities::default(), &LocalMedia { direction: ours, ..local() });
        for theirs in EVERY {
            let text = lines(&format!("v=0\nc=IN IP4 192.0.2.1\nm=audio 4000 RTP/AVP 0\na={}", theirs.name()));
            let direction = accept(&sent, text.as_bytes()).unwrap().direction;
            assert_eq!(direction.sends(), ours.sends() && theirs.receives());
            assert_eq!(direction.receives(), ours.receives() && theirs.sends());
        }
    }
}
