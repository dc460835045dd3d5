//! Anchored calls.

use super::*;

const GCM: Option<Suite> = Some(Suite::AeadAes128Gcm);
const CM80: Option<Suite> = Some(Suite::AesCm128HmacSha1_80);

#[test]
fn the_same_encoding_passes_untouched_and_at_once() {
    for suites in [(None, None), (GCM, CM80), (None, GCM)] {
        let mut world = World::with(BridgeKind::Anchor, &[(Encoding::Opus, suites.0), (Encoding::Opus, suites.1)]);
        world.phone(2).tone = 0.0;
        // In no time, so not by the beat.
        for _ in 0..3 {
            let (packet, source) = (world.phone(1).say(), world.phones[&1].address);
            world.receive(1, source, &packet);
        }
        assert_eq!(world.phones[&2].headers.len(), 3);
        world.talk(50);
        assert_eq!(world.phones[&2].headers.len(), 53);
        assert!(are_continuous(&world.phones[&2].headers, 960));
        assert_eq!(world.phones[&2].headers[0].payload_type, 107);
        assert_eq!(world.phones[&2].hears(25), [1]);
        assert_ne!(world.phones[&2].headers[0].ssrc, world.phones[&1].ssrc);
        assert_eq!(world.phones[&1].headers.len(), 0, "nobody spoke to him");
    }
}

#[test]
fn other_encodings_are_made_into_each_other() {
    let mut world = World::with(BridgeKind::Anchor, &[(Encoding::Opus, GCM), (Encoding::Pcma, None)]);
    world.talk(100);
    assert_eq!(world.hearing(), [vec![2], vec![1]]);
    let events = world.take_events();
    assert!(events.iter().all(|event| matches!(event, MediaEvent::Heard { .. })), "{events:?}");
}

#[test]
fn a_changed_source_is_one_source_for_the_other() {
    let mut world = World::with(BridgeKind::Anchor, &[(Encoding::Pcmu, GCM), (Encoding::Pcmu, CM80)]);
    world.talk(30);
    // The phone begins anew, behind a transfer.
    let phone = world.phone(1);
    (phone.ssrc, phone.sequence, phone.timestamp) = (99, 7, 12);
    world.talk(30);
    assert_eq!(world.hearing(), [vec![2], vec![1]]);
    let headers = &world.phones[&2].headers;
    assert_eq!(headers.len(), 60);
    assert!(are_continuous(&headers[..30], 160) && are_continuous(&headers[30..], 160));
    assert_eq!(headers[30].sequence, headers[29].sequence.wrapping_add(1));
    let step = headers[30].timestamp.wrapping_sub(headers[29].timestamp);
    assert!((160..=320).contains(&step), "{step}");
}

#[test]
fn a_source_that_counts_anew_leaves_no_gap() {
    let mut world = World::with(BridgeKind::Anchor, &[(Encoding::Pcmu, None), (Encoding::Pcmu, None)]);
    world.talk(10);
    let phone = world.phone(1);
    (phone.sequence, phone.timestamp) = (30_000, 12);
    world.talk(10);
    let headers = &world.phones[&2].headers;
    assert_eq!(headers.len(), 19, "the first that is far from all others is none");
    assert_eq!(headers[10].sequence, headers[9].sequence.wrapping_add(1));
    let step = headers[10].timestamp.wrapping_sub(headers[9].timestamp);
    assert!((160..=480).contains(&step), "{step}");
}

#[test]
fn held_and_muted_legs_pass_nothing() {
    let mut world = World::with(BridgeKind::Anchor, &[(Encoding::Pcmu, None), (Encoding::Pcmu, None)]);
    world.talk(10);
    world.command(MediaCommand::Mute { leg: leg(1), is_muted: true });
    world.talk(10);
    assert_eq!((world.phones[&1].headers.len(), world.phones[&2].headers.len()), (20, 10));
    world.command(MediaCommand::Hold { leg: leg(2), is_held: true });
    world.talk(10);
    assert_eq!((world.phones[&1].headers.len(), world.phones[&2].headers.len()), (20, 10));
    world.command(MediaCommand::Mute { leg: leg(1), is_muted: false });
    world.command(MediaCommand::Hold { leg: leg(2), is_held: false });
    world.talk(10);
    assert_eq!((world.phones[&1].headers.len(), world.phones[&2].headers.len()), (30, 20));
    assert_eq!(world.phones[&2].headers[10].sequence, world.phones[&2].headers[9].sequence.wrapping_add(1));
}

#[test]
fn keys_pass_and_are_told() {
    let mut world = World::with(BridgeKind::Anchor, &[(Encoding::Pcmu, None), (Encoding::Pcmu, GCM)]);
    let (timestamp, source) = (world.phones[&1].timestamp, world.phones[&1].address);
    for n in 1..=3 {
        let packet = world.phone(1).packet(101, timestamp, &[11, 10, 0, n * 20]);
        world.receive(1, source, &packet);
    }
    assert_eq!(world.take_events(), [MediaEvent::Heard { leg: leg(1) }, MediaEvent::Dtmf { leg: leg(1), key: '#' }]);
    let headers = &world.phones[&2].headers;
    assert_eq!(headers.iter().map(|header| header.payload_type).collect::<Vec<_>>(), [101, 101, 101]);
    assert!(headers.iter().all(|header| header.timestamp == headers[0].timestamp));
}

#[test]
fn keys_pass_beside_sound_that_is_made_into_another_encoding() {
    let mut world = World::with(BridgeKind::Anchor, &[(Encoding::Pcmu, None), (Encoding::Opus, GCM)]);
    world.talk(10);
    let before = world.phones[&2].headers.len();
    let (timestamp, source) = (world.phones[&1].timestamp, world.phones[&1].address);
    for n in 1..=6u8 {
        let flags = if n > 3 { 0x8a } else { 10 };
        let packet = world.phone(1).packet(101, timestamp, &[11, flags, 0, n.min(4) * 40]);
        world.receive(1, source, &packet);
        world.pass(Duration::from_millis(20));
    }
    let late = world.phone(1).packet(101, timestamp - 1000, &[5, 10, 0, 20]);
    world.receive(1, source, &late);
    let headers: Vec<_> =
        world.phones[&2].headers[before..].iter().filter(|header| header.payload_type == 101).collect();
    assert_eq!(headers.len(), 6);
    assert!(headers.iter().all(|header| header.timestamp == headers[0].timestamp));
    let pairs =
        world.phones[&2].headers[before..].windows(2).map(|pair| pair[1].sequence.wrapping_sub(pair[0].sequence));
    assert!(pairs.into_iter().all(|step| step == 1));
    let ticks = |payload: &[u8]| (payload[0], payload[1], u16::from_be_bytes([payload[2], payload[3]]));
    let said: Vec<_> = world.phones[&2].events.iter().map(|payload| ticks(payload)).collect();
    let end = (11, 0x8a, 4 * 960);
    assert_eq!(said, [(11, 10, 960), (11, 10, 2 * 960), (11, 10, 3 * 960), end, end, end]);
}

#[test]
fn what_the_network_loses_and_turns_around_stays_so_and_no_number_is_used_twice() {
    let mut world = World::with(BridgeKind::Anchor, &[(Encoding::Pcmu, None), (Encoding::Pcmu, GCM)]);
    (world.lost_percent, world.late_percent) = (10, 20);
    world.phone(2).tone = 0.0;
    for _ in 0..200 {
        let (packet, source) = (world.phone(1).say(), world.phones[&1].address);
        world.bring(1, source, packet.clone());
        // Again, with other sound under the same number.
        let mut forged = packet;
        forged[20] ^= 0xff;
        world.bring(1, source, forged);
        world.pass(Duration::from_millis(20));
    }
    let mut sequences: Vec<_> = world.phones[&2].headers.iter().map(|header| header.sequence).collect();
    let count = sequences.len();
    assert!(count > 150, "{count}");
    assert!(sequences.windows(2).any(|pair| pair[1].wrapping_sub(pair[0]) > 1000), "some came out of order");
    sequences.sort_unstable();
    sequences.dedup();
    assert_eq!(sequences.len(), count);
}

#[test]
fn a_call_becomes_another_encoding_and_back() {
    let mut world = World::with(BridgeKind::Anchor, &[(Encoding::Pcmu, None), (Encoding::Pcmu, None)]);
    world.talk(30);
    let mut opus = Phone::new(1, Encoding::Opus, None);
    opus.sequence = 3;
    world.phones.insert(1, opus);
    world.run(1);
    world.talk(50);
    assert_eq!(world.hearing(), [vec![2], vec![1]]);
    assert_eq!(
        world.phones[&2].headers.windows(2).filter(|pair| pair[1].sequence != pair[0].sequence.wrapping_add(1)).count(),
        0
    );
    world.phones.insert(1, Phone::new(1, Encoding::Pcmu, None));
    world.run(1);
    world.talk(50);
    assert_eq!(world.hearing(), [vec![2], vec![1]]);
}
