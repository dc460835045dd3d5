//! Conferences.

use sdp::Direction;

use super::*;
use crate::command::Announcement;
use crate::rtcp::{self, Item, ReportBlock, SenderInfo};

const GCM: Option<Suite> = Some(Suite::AeadAes256Gcm);
const CM80: Option<Suite> = Some(Suite::AesCm128HmacSha1_80);
const CM32: Option<Suite> = Some(Suite::AesCm128HmacSha1_32);

#[test]
fn three_hear_each_other_and_nobody_himself() {
    let plain = [(Encoding::Pcmu, None), (Encoding::Pcma, None), (Encoding::G722, None)];
    let protected = [(Encoding::Pcmu, GCM), (Encoding::Pcma, CM80), (Encoding::Opus, CM32)];
    let mixed = [(Encoding::Opus, None), (Encoding::Opus, GCM), (Encoding::Pcma, None)];
    for phones in [plain, protected, mixed] {
        let mut world = World::with(BridgeKind::Conference, &phones);
        world.talk(100);
        assert_eq!(world.hearing(), [vec![2, 3], vec![1, 3], vec![1, 2]], "{phones:?}");
        for (number, phone) in &world.phones {
            let ticks = phone.encoding.clock_rate() / 50;
            assert!(are_continuous(&phone.headers, ticks), "{number}");
            assert!((95..=101).contains(&phone.headers.len()), "{number}: {}", phone.headers.len());
        }
        let heard = (1..=3).map(|number| MediaEvent::Heard { leg: leg(number) });
        let talking = (1..=3).map(|number| MediaEvent::Talking { leg: leg(number), is_talking: true });
        assert_eq!(world.take_events(), heard.chain(talking).collect::<Vec<_>>());
    }
}

#[test]
fn a_network_that_loses_and_delays_is_lived_with() {
    let mut world = World::with(BridgeKind::Conference, &[(Encoding::Pcmu, CM80), (Encoding::Opus, GCM)]);
    (world.lost_percent, world.late_percent) = (5, 20);
    world.talk(500);
    assert_eq!(world.hearing(), [vec![2], vec![1]]);
    let report = world.close(1);
    assert_eq!((report.encoding, report.is_protected), (Some(Encoding::Pcmu), true));
    assert_eq!(report.packets_received + report.packets_lost, 500, "{report:?}");
    assert!((10..=40).contains(&report.packets_lost), "{report:?}");
    assert!(report.packets_late < 15, "{report:?}");
    assert!(report.jitter_ms_max > 5.0 && report.jitter_ms_max < 60.0, "{report:?}");
}

#[test]
fn muted_is_not_heard_and_held_does_not_hear() {
    let mut world =
        World::with(BridgeKind::Conference, &[(Encoding::Pcmu, None), (Encoding::Pcma, None), (Encoding::Pcmu, None)]);
    world.talk(50);
    world.command(MediaCommand::Mute { leg: leg(1), is_muted: true });
    world.talk(50);
    assert_eq!(world.hearing(), [vec![2, 3], vec![3], vec![2]]);
    world.command(MediaCommand::Mute { leg: leg(1), is_muted: false });
    world.command(MediaCommand::Hold { leg: leg(2), is_held: true });
    world.talk(50);
    assert_eq!(world.hearing(), [vec![3], vec![], vec![1]]);
    world.command(MediaCommand::Hold { leg: leg(2), is_held: false });
    world.talk(50);
    assert_eq!(world.hearing(), [vec![2, 3], vec![1, 3], vec![1, 2]]);
}

#[test]
fn who_waits_in_the_lobby_is_held_before_he_runs() {
    let mut world = World::with(BridgeKind::Conference, &[(Encoding::Pcmu, None), (Encoding::Pcmu, None)]);
    world.phones.insert(3, Phone::new(3, Encoding::Opus, None));
    world.command(MediaCommand::Hold { leg: leg(3), is_held: true });
    world.run(3);
    world.talk(60);
    assert_eq!(world.hearing(), [vec![2], vec![1], vec![]]);
    assert!(world.phones[&3].headers.len() > 50, "he is sent silence, so that what lies between stays open");
}

#[test]
fn keys_are_told_once_a_press_and_are_not_heard() {
    let mut world = World::with(BridgeKind::Conference, &[(Encoding::Pcmu, CM80), (Encoding::Pcma, None)]);
    world.talk(20);
    world.take_events();
    for event in [10, 6] {
        let timestamp = world.phones[&1].timestamp;
        for n in 1..=8_u8 {
            let packet = world.phone(1).packet(101, timestamp, &[event, if n > 5 { 0x8a } else { 10 }, 0, n * 20]);
            let source = world.phones[&1].address;
            world.receive(1, source, &packet);
            world.pass(Duration::from_millis(20));
        }
        let ticks = 8 * 160;
        world.phone(1).timestamp = timestamp.wrapping_add(ticks);
    }
    let keys: String = world
        .take_events()
        .iter()
        .filter_map(|event| if let MediaEvent::Dtmf { key, .. } = event { Some(*key) } else { None })
        .collect();
    assert_eq!(keys, "*6");
    let report = world.close(1);
    assert_eq!(report.packets_lost, 0);
}

#[test]
fn talking_is_told_once_a_second_at_most() {
    let mut world = World::with(BridgeKind::Conference, &[(Encoding::Pcmu, None), (Encoding::Pcmu, None)]);
    let tone = std::mem::take(&mut world.phone(2).tone);
    world.talk(10);
    world.take_events();
    for at in 0..40 {
        let is_silent = at % 2 == 0;
        world.command(MediaCommand::Mute { leg: leg(1), is_muted: is_silent });
        world.talk(10);
    }
    let told = world.take_events();
    assert!((3..=9).contains(&told.len()), "{told:?}");
    assert!(tone > 0.0);
}

#[test]
fn silence_is_told_once_until_something_comes_again() {
    let mut world = World::with(BridgeKind::Conference, &[(Encoding::Pcmu, None)]);
    world.talk(10);
    world.take_events();
    world.pass(Duration::from_secs(14));
    assert_eq!(world.take_events(), [MediaEvent::Talking { leg: leg(1), is_talking: false }]);
    world.pass(Duration::from_secs(30));
    assert_eq!(world.take_events(), [MediaEvent::Silent { leg: leg(1) }]);
    world.talk(1);
    world.pass(Duration::from_secs(16));
    let talking = |is_talking| MediaEvent::Talking { leg: leg(1), is_talking };
    assert_eq!(world.take_events(), [talking(true), talking(false), MediaEvent::Silent { leg: leg(1) }]);
    assert!(world.close(1).gap_ms_max >= 44_000);
}

#[test]
fn who_holds_the_call_is_neither_sent_to_nor_missed() {
    let mut world = World::with(BridgeKind::Conference, &[(Encoding::Pcmu, None), (Encoding::Pcmu, None)]);
    world.talk(20);
    let mut session = world.phones[&1].session();
    session.direction = Direction::Inactive;
    let hold =
        |session| MediaCommand::Run { leg: leg(1), kind: BridgeKind::Conference, session, trusted_source: Some(ip(1)) };
    world.command(hold(session.clone()));
    world.take_events();
    let before = world.phones[&1].headers.len();
    world.phone(1).tone = 0.0;
    world.talk(1000);
    assert_eq!(world.take_events(), [MediaEvent::Talking { leg: leg(1), is_talking: false }]);
    assert_eq!(world.phones[&1].headers.len(), before);
    session.remote = SocketAddr::from(([0, 0, 0, 0], 4000));
    session.direction = Direction::SendRecv;
    world.command(hold(session));
    world.talk(20);
    assert_eq!(world.phones[&1].headers.len(), before, "in the old way: an address that is none");
    world.phone(1).tone = 500.0;
    world.run(1);
    world.talk(30);
    assert_eq!(world.hearing(), [vec![2], vec![1]]);
    assert!(world.close(1).gap_ms_max < 1000, "nothing was expected");
}

#[test]
fn a_phone_that_speaks_another_encoding_from_elsewhere_goes_on() {
    let mut world = World::with(BridgeKind::Conference, &[(Encoding::Pcmu, None), (Encoding::Pcmu, None)]);
    world.talk(50);
    let mut moved = Phone::new(3, Encoding::Opus, GCM);
    (moved.tone, moved.sequence) = (500.0, 40_000);
    world.phones.insert(1, moved);
    world.run(1);
    world.talk(50);
    assert_eq!(world.hearing(), [vec![2], vec![1]]);
    assert!(are_continuous(&world.phones[&2].headers, 160));
    assert!(are_continuous(&world.phones[&1].headers, 960));
    let report = world.close(1);
    assert_eq!((report.packets_received, report.packets_lost, report.encoding), (100, 0, Some(Encoding::Opus)));
}

#[test]
fn a_refreshed_session_disturbs_nothing() {
    let mut world = World::with(BridgeKind::Conference, &[(Encoding::Pcmu, GCM), (Encoding::G722, None)]);
    for _ in 0..10 {
        world.talk(10);
        world.run(1);
        world.run(2);
    }
    assert!(are_continuous(&world.phones[&1].headers, 160));
    assert!(are_continuous(&world.phones[&2].headers, 160));
    assert_eq!(world.close(1).packets_lost, 0);
}

#[test]
fn announcements_are_heard_by_whom_they_are_for() {
    let mut world = World::with(BridgeKind::Conference, &[(Encoding::Pcmu, None), (Encoding::Pcmu, None)]);
    (world.phone(1).tone, world.phone(2).tone) = (0.0, 0.0);
    world.pass(Duration::from_millis(400));
    world.command(MediaCommand::Announce { bridge: BRIDGE, to: Some(leg(2)), announcement: Announcement::Muted });
    world.pass(Duration::from_millis(200));
    let loudest = |world: &World, number| world.phones[&number].heard.iter().map(|sample| sample.unsigned_abs()).max();
    assert!(loudest(&world, 1) < Some(100));
    assert!(loudest(&world, 2) > Some(3000));
}

#[test]
fn reports_go_both_ways() {
    let mut world = World::with(BridgeKind::Conference, &[(Encoding::Pcmu, CM80), (Encoding::Pcmu, None)]);
    world.talk(400);
    let reports = world.phones[&1].rtcp.clone();
    assert!((1..=4).contains(&reports.len()), "{} in eight seconds", reports.len());
    let items = rtcp::parse(reports.last().unwrap()).unwrap();
    let Item::Sender { ssrc, ntp } = items[0] else { panic!("{items:?}") };
    assert_eq!(ssrc, world.phones[&1].headers[0].ssrc);
    let Item::Block(block) = items[1] else { panic!("{items:?}") };
    assert_eq!((block.ssrc, block.lost), (world.phones[&1].ssrc, 0));

    // The peer answers 100 ms after it got it, half a second later, and has a report of its own.
    let sent = world.begun + Duration::from_nanos(((u128::from(ntp & 0xffff_ffff) * 1_000_000_000) >> 32) as u64);
    let sent = sent + Duration::from_secs((ntp >> 32) - 2_208_988_800 - 1_000_000);
    let answered = world.now;
    let delay = u32::try_from((answered - sent).as_micros() * 65_536 / 1_000_000).unwrap() - 6_554;
    let block = ReportBlock { ssrc, lost: 9, jitter: 80, last_sender_report: (ntp >> 16) as u32, delay, ..block };
    let info = SenderInfo { ntp: 0xaabb_ccdd_eeff_0011, timestamp: 0, packets: 1, octets: 1 };
    let own = world.phones[&1].ssrc;
    let packet = world.phone(1).protect_rtcp(rtcp::print(own, Some(info), Some(block), "x", false));
    let from = SocketAddr::from(([203, 0, 113, 9], 9001));
    world.node.handle_packet(world.now, (leg(1), PacketKind::Rtcp), from, &packet);
    world.talk(400);
    let told = rtcp::parse(world.phones[&1].rtcp.last().unwrap()).unwrap();
    let Item::Block(told) = told[1] else { panic!("{told:?}") };
    assert_eq!(told.last_sender_report, 0xccdd_eeff);
    let report = world.close(1);
    assert_eq!((report.peer_lost, report.peer_jitter_ms), (9, 10.0));
    let round_trip = report.round_trip_ms.unwrap();
    assert!((round_trip - 100.0).abs() < 1.0, "{round_trip}");
    let last = rtcp::parse(world.phones[&1].rtcp.last().unwrap()).unwrap();
    assert_eq!(last.last(), Some(&Item::Bye { ssrc }));
}

#[test]
fn one_port_for_both_is_used_for_both() {
    let mut world = World::with(BridgeKind::Conference, &[(Encoding::Pcmu, None)]);
    let mut session = world.phones[&1].session();
    session.remote_rtcp = session.remote;
    world.command(MediaCommand::Run {
        leg: leg(1),
        kind: BridgeKind::Conference,
        session,
        trusted_source: Some(ip(1)),
    });
    let to = world.phones[&1].address;
    world.receive(1, to, &rtcp::print(1, None, None, "x", false));
    assert_eq!(world.node.counts().packets_malformed, 0);
    let mut reports = 0;
    for _ in 0..500 {
        world.node.handle_timeout(world.now);
        while let Some(output) = world.node.poll_output() {
            let Output::Transmit { kind, bytes, .. } = output else { continue };
            assert_eq!(kind, PacketKind::Rtp);
            reports += u32::from(crate::rtp::is_rtcp(&bytes));
        }
        world.now += Duration::from_millis(20);
    }
    assert!((1..=5).contains(&reports), "{reports}");
}

#[test]
fn what_is_late_is_made_up_and_what_is_too_late_left_out() {
    let mut world = World::with(BridgeKind::Conference, &[(Encoding::Pcmu, None), (Encoding::Pcmu, None)]);
    world.talk(10);
    let before = world.phones[&1].headers.len();
    let now = world.now + Duration::from_millis(55);
    world.node.handle_timeout(now);
    world.settle();
    assert_eq!(world.phones[&1].headers.len(), before + 2);
    assert_eq!(world.node.counts().frames_skipped, 0);
    world.node.handle_timeout(now + Duration::from_secs(1));
    world.settle();
    assert_eq!(world.phones[&1].headers.len(), before + 5);
    assert_eq!(world.node.counts().frames_skipped, 47);
    assert!(world.node.poll_timeout() > Some(now + Duration::from_secs(1)));
    world.now = now + Duration::from_secs(1);
    world.pass(Duration::from_millis(20));
    let [.., last, next] = &world.phones[&1].headers[..] else { panic!() };
    assert_eq!((next.timestamp.wrapping_sub(last.timestamp), next.sequence.wrapping_sub(last.sequence)), (48 * 160, 1));
}

#[test]
fn a_leg_that_is_not_there_is_closed_all_the_same_and_the_last_ends_the_bridge() {
    let mut world = World::with(BridgeKind::Conference, &[(Encoding::Pcmu, None)]);
    assert_eq!(world.close(9), LegReport::default());
    assert_eq!(world.node.bridges(), 1);
    world.close(1);
    assert_eq!((world.node.bridges(), world.node.poll_timeout()), (0, None));
}
