//! Descriptions in the shape of programs that people use, and what we answer.

use super::fixture::{answered, lines};
use crate::capabilities::Capabilities;
use crate::session::{Direction, Encoding, Format};

#[test]
fn the_simplest_offer_is_answered() {
    let (session, body) = answered(
        "v=0
         o=- 1 1 IN IP4 192.0.2.1
         s=-
         c=IN IP4 192.0.2.1
         t=0 0
         m=audio 4000 RTP/AVP 0",
        &Capabilities::default(),
    )
    .unwrap();
    assert_eq!(session.format, Format { payload_type: 0, encoding: Encoding::Pcmu });
    assert_eq!(
        (session.remote, session.remote_rtcp),
        ("192.0.2.1:4000".parse().unwrap(), "192.0.2.1:4001".parse().unwrap())
    );
    assert_eq!((session.telephone_event, session.protection, session.packet_ms), (None, None, 20));
    assert_eq!(session.direction, Direction::SendRecv);
    let expected = "v=0
        o=- 77 1 IN IP4 198.51.100.5
        s=-
        c=IN IP4 198.51.100.5
        t=0 0
        m=audio 30000 RTP/AVP 0
        a=rtpmap:0 PCMU/8000
        a=ptime:20
        a=sendrecv";
    assert_eq!(body, lines(expected));
}
