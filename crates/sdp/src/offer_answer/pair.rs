//! Our offer, answered by ourselves: both ends must come to know the same.

use super::fixture::{local, ours, policy};
use super::{accept, answer, offer};
use crate::capabilities::{Keys, LocalMedia, ProtectionPolicy};
use crate::description::Offer;
use crate::session::{AudioSession, Encoding, Suite};

fn far() -> LocalMedia {
    LocalMedia {
        addresses: ours("203.0.113.9"),
        rtp_port: 40_000,
        rtcp_port: 40_009,
        session_id: 88,
        keys: Keys::cut(&[0x42; Keys::BYTES]),
        ..local()
    }
}

/// What the offerer knows, and what the answerer.
fn agree(offerer: ProtectionPolicy, answerer: ProtectionPolicy) -> (AudioSession, AudioSession) {
    let sent = offer(&policy(offerer), &local());
    let (theirs, body) = answer(&Offer::parse(sent.as_bytes()).unwrap(), &policy(answerer), &far()).unwrap();
    (accept(&sent, body.as_bytes()).unwrap(), theirs)
}

#[test]
fn both_ends_know_the_same() {
    use ProtectionPolicy::{Never, Preferred, Required};
    for (offerer, answerer, suite) in [
        (Never, Never, None),
        (Never, Preferred, None),
        (Preferred, Never, None),
        (Preferred, Preferred, Some(Suite::AeadAes256Gcm)),
        (Preferred, Required, Some(Suite::AeadAes256Gcm)),
        (Required, Preferred, Some(Suite::AeadAes256Gcm)),
    ] {
        let (ours, theirs) = agree(offerer, answerer);
        assert_eq!(ours.remote, "203.0.113.9:40000".parse().unwrap());
        assert_eq!(theirs.remote, "198.51.100.5:30000".parse().unwrap());
        assert_eq!((ours.format, ours.telephone_event), (theirs.format, theirs.telephone_event));
        assert_eq!((ours.format.encoding, ours.telephone_event), (Encoding::Opus, Some(110)));
        assert_eq!(ours.protection.as_ref().map(|protection| protection.suite), suite);
        if let (Some(ours), Some(theirs)) = (ours.protection, theirs.protection) {
            assert_eq!((&ours.local, &ours.remote), (&theirs.remote, &theirs.local));
            assert_ne!(ours.local, ours.remote);
        }
    }
}
