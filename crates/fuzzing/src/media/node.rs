//! A media node: commands, packets and time in any order. Nothing panics, what goes out is RTP or RTCP, and a node whose legs are
//! closed holds nothing and wants nothing.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use media::{
    Announcement, BridgeId, BridgeKind, Clock, LegId, MediaCommand, MediaEvent, MediaNode, Output, PacketKind, rtcp,
    rtp,
};
use sdp::{AudioSession, Direction, Encoding, Format, Key, Protection, Suite};

use crate::choices::Choices;

pub fn check(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let mut now = Instant::now();
    let mut node = MediaNode::new(Clock { epoch: now, epoch_unix_ms: 1_800_000_000_000 }, [7; 32]);
    for _ in 0..STEPS_MAX {
        if choices.is_used_up() {
            break;
        }
        match choices.below(8) {
            0 | 1 => node.handle_command(now, command(&mut choices)),
            2..=5 => receive(&mut node, now, &mut choices),
            _ => {
                now += Duration::from_millis(1 << choices.below(12));
                node.handle_timeout(now);
            }
        }
        drain(&mut node);
    }
    for serial in 0..LEGS {
        node.handle_command(now, MediaCommand::Close { leg: leg(serial) });
        let closed = std::iter::from_fn(|| node.poll_output());
        let told = closed.filter(|output| matches!(output, Output::Event(MediaEvent::Closed { .. }))).count();
        assert_eq!(told, 1, "every closing is answered once");
    }
    assert_eq!((node.bridges(), node.poll_timeout()), (0, None));
}

fn command(choices: &mut Choices<'_>) -> MediaCommand {
    let leg = leg(choices.byte());
    match choices.below(8) {
        0..=3 => MediaCommand::Run {
            leg,
            kind: if leg.bridge.serial == 0 { BridgeKind::Conference } else { BridgeKind::Anchor },
            session: session(choices),
            trusted_source: choices.flag().then(|| remote(0).ip()),
        },
        4 => MediaCommand::Mute { leg, is_muted: choices.flag() },
        5 => MediaCommand::Hold { leg, is_held: choices.flag() },
        6 => {
            let announcement = match choices.below(3) {
                0 => Announcement::Joined,
                1 => Announcement::Count(choices.byte()),
                _ => Announcement::Muted,
            };
            MediaCommand::Announce { bridge: leg.bridge, to: choices.flag().then_some(leg), announcement }
        }
        _ => MediaCommand::Close { leg },
    }
}

fn session(choices: &mut Choices<'_>) -> AudioSession {
    let encoding = *choices.one_of(&Encoding::ALL);
    let suite = *choices.one_of(&Suite::ALL);
    let key = Key(vec![7; suite.key_bytes()]);
    let is_protected = choices.below(4) == 3;
    AudioSession {
        remote: remote(choices.below(2)),
        remote_rtcp: remote(2 + choices.below(2)),
        format: Format { payload_type: choices.byte() & 0x7f, encoding },
        telephone_event: choices.flag().then_some(101),
        protection: is_protected.then(|| Protection { suite, local: key.clone(), remote: key }),
        direction: *choices.one_of(&[
            Direction::SendRecv,
            Direction::SendOnly,
            Direction::RecvOnly,
            Direction::Inactive,
        ]),
        packet_ms: *choices.one_of(&[20, 10, 30, 40, 60]),
    }
}

fn receive(node: &mut MediaNode, now: Instant, choices: &mut Choices<'_>) {
    let to = leg(choices.byte());
    let from = remote(choices.below(4));
    let kind = if choices.below(4) == 3 { PacketKind::Rtcp } else { PacketKind::Rtp };
    let packet = match choices.below(4) {
        0 => choices.piece().to_vec(),
        1 => rtcp::print(choices.byte().into(), None, None, "them", choices.flag()),
        _ => {
            let payload_type = *choices.one_of(&[0, 8, 9, 101, 96]);
            let (sequence, step) = (u16::from(choices.byte()) << choices.below(9), u32::from(choices.byte()));
            let timestamp = step.wrapping_mul(160) << choices.below(20);
            let header =
                rtp::Header { marker: choices.flag(), payload_type, sequence, timestamp, ssrc: choices.byte().into() };
            [&header.print()[..], choices.piece()].concat()
        }
    };
    node.handle_packet(now, (to, kind), from, &packet);
}

fn drain(node: &mut MediaNode) {
    let mut outputs = 0;
    while let Some(output) = node.poll_output() {
        outputs += 1;
        assert!(outputs < 1000, "one step has no end of outputs");
        if let Output::Transmit { bytes, .. } = output {
            let is_ours = rtp::is_rtcp(&bytes) || rtp::Header::parse(&bytes).is_ok();
            assert!(is_ours && bytes.len() <= 1500, "{} bytes", bytes.len());
        }
    }
}

/// Four legs of a conference, two of an anchored call.
fn leg(number: u8) -> LegId {
    let serial = u32::from(number % LEGS);
    LegId { bridge: BridgeId { worker: 0, serial: u64::from(serial >= 4) }, serial }
}

fn remote(number: usize) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 7], 4000 + u16::try_from(number).expect("few")))
}

const LEGS: u8 = 6;
const STEPS_MAX: usize = 200;
