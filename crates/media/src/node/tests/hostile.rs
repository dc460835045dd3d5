//! Strangers, forgers and noise.

use super::*;
use crate::rtcp;

#[test]
fn plain_sound_from_elsewhere_is_refused_and_told_once() {
    let mut world = World::with(BridgeKind::Conference, &[(Encoding::Pcmu, None), (Encoding::Pcmu, None)]);
    let stranger = SocketAddr::from((ip(66), 4000));
    for _ in 0..5 {
        let packet = Phone::new(3, Encoding::Pcmu, None).say();
        world.receive(1, stranger, &packet);
    }
    assert_eq!(world.take_events(), [MediaEvent::SourceRefused { leg: leg(1), source: ip(66) }]);
    assert_eq!(world.node.counts().packets_refused, 5);
    world.talk(50);
    assert_eq!(world.hearing(), [vec![2], vec![1]], "and is not sent to either: the fixture would fail");
}

#[test]
fn the_first_port_of_the_right_address_is_the_source() {
    let mut world = World::with(BridgeKind::Conference, &[(Encoding::Pcmu, None), (Encoding::Pcmu, None)]);
    // The phone is behind a NAT: not where it said.
    world.phone(1).address = SocketAddr::from((ip(1), 61_001));
    world.talk(50);
    assert_eq!(world.hearing(), [vec![2], vec![1]]);
    let mut other = Phone::new(3, Encoding::Pcmu, None);
    for _ in 0..50 {
        let packet = other.say();
        world.receive(1, SocketAddr::from((ip(1), 61_003)), &packet);
        world.talk(1);
    }
    assert_eq!(world.hearing(), [vec![2], vec![1]]);
    assert_eq!(world.node.counts().packets_refused, 50);
    world.phone(1).tone = 0.0;
    world.talk(120);
    let phone = world.phone(1);
    (phone.address, phone.tone) = (SocketAddr::from((ip(1), 61_005)), 500.0);
    world.talk(50);
    assert_eq!(world.hearing(), [vec![2], vec![1]], "after a silence another port may follow");
}

#[test]
fn protected_sound_counts_from_anywhere_once_it_is_genuine() {
    let suite = Some(Suite::AeadAes128Gcm);
    let mut world = World::with(BridgeKind::Conference, &[(Encoding::Pcmu, suite), (Encoding::Pcmu, None)]);
    let packet = Phone::new(3, Encoding::Pcmu, suite).say();
    world.receive(1, SocketAddr::from((ip(66), 4000)), &packet);
    let plain = Phone::new(1, Encoding::Pcmu, None).say();
    let expected_at = world.phones[&1].address;
    world.receive(1, expected_at, &plain);
    assert_eq!(world.take_events(), [MediaEvent::SourceRefused { leg: leg(1), source: ip(66) }]);
    world.phone(1).address = SocketAddr::from(([203, 0, 113, 5], 7777));
    world.talk(50);
    assert_eq!(world.hearing(), [vec![2], vec![1]]);

    let (packet, source) = (world.phone(1).say(), world.phones[&1].address);
    world.receive(1, source, &packet);
    let before = world.node.counts();
    world.receive(1, source, &packet);
    world.receive(1, SocketAddr::from((ip(66), 4000)), &packet);
    let after = world.node.counts();
    assert_eq!((after.packets_stray, after.packets_refused), (before.packets_stray + 1, before.packets_refused + 1));
    world.talk(30);
    assert_eq!(world.hearing(), [vec![2], vec![1]], "who replays does not become the source");
}

#[test]
fn other_keys_may_come_from_elsewhere_at_once_and_are_another_source() {
    let plain = (Encoding::Pcmu, None);
    let mut world = World::with(BridgeKind::Conference, &[(Encoding::Pcmu, Some(Suite::AeadAes128Gcm)), plain]);
    world.talk(30);
    let before = world.phones[&1].headers[0].ssrc;
    world.phones.insert(1, Phone::new(1, Encoding::Pcmu, Some(Suite::AesCm128HmacSha1_80)));
    let session = world.phones[&1].session();
    world.phone(1).address = SocketAddr::from(([203, 0, 113, 5], 7777));
    let (source, packet) = (world.phones[&1].address, world.phone(1).say());
    let run = MediaCommand::Run { leg: leg(1), kind: BridgeKind::Conference, session, trusted_source: None };
    world.node.handle_command(world.now, run);
    world.receive(1, source, &packet);
    world.talk(50);
    assert_eq!(world.hearing(), [vec![2], vec![1]]);
    assert_eq!(world.node.counts().packets_refused, 0);
    assert_ne!(world.phones[&1].headers[0].ssrc, before);
}

#[test]
fn without_a_trusted_address_plain_sound_counts_from_nowhere() {
    let mut world = World::with(BridgeKind::Conference, &[(Encoding::Pcmu, None)]);
    let session = world.phones[&1].session();
    world.command(MediaCommand::Run { leg: leg(1), kind: BridgeKind::Conference, session, trusted_source: None });
    world.talk(10);
    assert_eq!(world.take_events(), [MediaEvent::SourceRefused { leg: leg(1), source: ip(1) }]);
}

#[test]
fn reports_of_strangers_count_for_nothing() {
    for suite in [None, Some(Suite::AesCm128HmacSha1_80)] {
        let mut world = World::with(BridgeKind::Conference, &[(Encoding::Pcmu, suite)]);
        world.talk(10);
        let ssrc = world.phones[&1].headers[0].ssrc;
        let block = rtcp::ReportBlock { ssrc, lost: 500, ..rtcp::ReportBlock::default() };
        let packet = rtcp::print(1, None, Some(block), "x", true);
        let at = (leg(1), PacketKind::Rtcp);
        world.node.handle_packet(world.now, at, SocketAddr::from((ip(66), 4001)), &packet);
        assert_eq!(world.close(1).peer_lost, 0, "{suite:?}");
    }
}

#[test]
fn a_key_that_fits_no_suite_is_silence_and_not_clear_sound() {
    let mut world = World::with(BridgeKind::Conference, &[(Encoding::Pcmu, None)]);
    let mut session = Phone::new(1, Encoding::Pcmu, Some(Suite::AeadAes128Gcm)).session();
    session.protection.as_mut().unwrap().local = sdp::Key(vec![1; 5]);
    world.command(MediaCommand::Run {
        leg: leg(1),
        kind: BridgeKind::Conference,
        session,
        trusted_source: Some(ip(1)),
    });
    world.talk(10);
    assert_eq!(world.phones[&1].headers.len(), 0);
}

#[test]
fn keys_are_told_no_faster_than_they_can_be_pressed() {
    let mut world = World::with(BridgeKind::Conference, &[(Encoding::Pcmu, None)]);
    for n in 0..1000_u32 {
        let packet = world.phone(1).packet(101, n * 1000, &[5, 10, 0, 20]);
        let source = world.phones[&1].address;
        world.receive(1, source, &packet);
        world.pass(Duration::from_millis(3));
    }
    let keys = world.take_events().iter().filter(|event| matches!(event, MediaEvent::Dtmf { .. })).count();
    assert_eq!(keys, 45, "in three seconds");
}

/// Whatever bytes come, to legs of every sort: no panic, and sound goes on.
#[test]
fn noise_does_no_harm() {
    let suites = [None, Some(Suite::AeadAes256Gcm), Some(Suite::AesCm128HmacSha1_32), None];
    for kind in [BridgeKind::Conference, BridgeKind::Anchor] {
        let phones: Vec<_> =
            [Encoding::Opus, Encoding::Opus, Encoding::Pcmu, Encoding::G722].into_iter().zip(suites).collect();
        let mut world = World::with(kind, if kind == BridgeKind::Anchor { &phones[..2] } else { &phones });
        for round in 0..3000 {
            let number = world.phones.keys().copied().nth(round % world.phones.len()).unwrap();
            let mut bytes = world.phone(number).say();
            for _ in 0..world.draw() % 4 {
                let at = world.draw() as usize % bytes.len();
                bytes[at] = world.draw() as u8;
            }
            bytes.truncate((world.draw() % 400) as usize);
            let source = world.phones[&number].address;
            let port = if world.draw().is_multiple_of(3) { PacketKind::Rtcp } else { PacketKind::Rtp };
            world.node.handle_packet(world.now, (leg(number), port), source, &bytes);
            if port == PacketKind::Rtcp {
                let mut report = rtcp::print(7, None, Some(rtcp::ReportBlock::default()), "n", true);
                let at = world.draw() as usize % report.len();
                report[at] = world.draw() as u8;
                world.node.handle_packet(world.now, (leg(number), port), source, &report);
            }
            // What is heard of it is noise, and what is passed on of it no phone could decode.
            while world.node.poll_output().is_some() {}
            let step = world.draw() % 30;
            world.now += Duration::from_millis(step);
            world.node.handle_timeout(world.now);
        }
        assert!(world.node.counts().packets_malformed > 100);
        for number in world.phones.keys().copied().collect::<Vec<_>>() {
            world.close(number);
        }
        assert_eq!(world.node.bridges(), 0);
    }
}
