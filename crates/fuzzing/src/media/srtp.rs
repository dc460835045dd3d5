//! SRTP: what was protected is opened once, and nothing else ever is.

use std::hash::{DefaultHasher, Hash, Hasher};

use media::rtp::Header;
use media::srtp::{Protector, Unprotector, Unusable};
use sdp::{Key, Suite};

use crate::choices::Choices;

/// The first byte chooses the suite; then packets are sent, changed on the way, repeated, or come from a stranger.
pub fn check(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let suite = *choices.one_of(&Suite::ALL);
    let key = key(suite, bytes);
    let is_rtcp = choices.flag();
    let mut sender = Protector::new(suite, &key).expect("a key of its length");
    let mut receiver = Unprotector::new(suite, &key).expect("a key of its length");
    let mut out = Vec::new();
    for sequence in 0..32u16 {
        if choices.is_used_up() {
            break;
        }
        if choices.below(4) == 3 {
            let opened = open(&mut receiver, is_rtcp, choices.piece(), &mut out);
            assert!(opened.is_err(), "a stranger's packet");
            continue;
        }
        let plain = packet(&mut choices, is_rtcp, sequence);
        let mut sealed = plain.clone();
        seal(&mut sender, is_rtcp, &mut sealed).expect("a packet of its own number");
        on_its_way(&mut choices, &mut receiver, is_rtcp, &sealed);
        assert_eq!(open(&mut receiver, is_rtcp, &sealed, &mut out), Ok(()), "number {sequence}");
        assert_eq!(out, plain);
        assert_eq!(open(&mut receiver, is_rtcp, &sealed, &mut out), Err(Unusable::Replayed));
    }
}

/// Of each input another, so that a packet which was protected once is a stranger's in every other input.
fn key(suite: Suite, bytes: &[u8]) -> Key {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    let drawn = hasher.finish().to_be_bytes();
    Key(drawn.into_iter().cycle().take(suite.key_bytes()).collect())
}

/// Changed in one byte, or shortened, it is not the same packet.
fn on_its_way(choices: &mut Choices<'_>, receiver: &mut Unprotector, is_rtcp: bool, sealed: &[u8]) {
    let mut changed = sealed.to_vec();
    let change = choices.byte();
    match choices.flag() {
        true => changed[choices.below(sealed.len())] ^= change,
        false => changed.truncate(choices.below(sealed.len())),
    }
    if changed != sealed {
        let opened = open(receiver, is_rtcp, &changed, &mut Vec::new());
        assert!(opened.is_err(), "changed on its way, and taken: {changed:?} for {sealed:?}");
    }
}

fn packet(choices: &mut Choices<'_>, is_rtcp: bool, sequence: u16) -> Vec<u8> {
    let mut packet = match is_rtcp {
        true => vec![0x80, 201, 0, 1, 0, 0, 0, 9],
        false => Header { marker: false, payload_type: 0, sequence, timestamp: 160, ssrc: 9 }.print().to_vec(),
    };
    packet.extend_from_slice(choices.bytes(12));
    packet
}

fn seal(sender: &mut Protector, is_rtcp: bool, packet: &mut Vec<u8>) -> Result<(), Unusable> {
    if is_rtcp { sender.protect_rtcp(packet) } else { sender.protect_rtp(packet) }
}

fn open(receiver: &mut Unprotector, is_rtcp: bool, packet: &[u8], out: &mut Vec<u8>) -> Result<(), Unusable> {
    if is_rtcp { receiver.unprotect_rtcp(packet, out) } else { receiver.unprotect_rtp(packet, out) }
}
