//! Whole media threads on the loopback, and phones with sockets.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use ::media::codec::{Decoder, Encoder, frame_len};
use ::media::rtp::{self, Header};
use ::media::srtp::{Protector, Unprotector};
use ::media::{BridgeId, BridgeKind, Clock, LegId, LegReport, MediaCommand, MediaEvent, OpenedLeg};
use sdp::{AudioSession, Direction, Encoding, Format, Key, Protection, Suite};

use super::*;

const THREADS: u16 = 2;

/// Media threads with the port range of their own. Stop when dropped.
struct TestMedia {
    threads: MediaThreads,
    joins: Vec<thread::JoinHandle<()>>,
    events: mpsc::Receiver<MediaEvent>,
}

impl TestMedia {
    fn start(addresses: Result<&[&str], String>, ports: PortRange) -> TestMedia {
        let (threads, inboxes) = media_threads(THREADS);
        let (tell, events) = mpsc::channel();
        let clock = Clock { epoch: Instant::now(), epoch_unix_ms: 1_000_000 };
        let setup = |(thread, inbox)| {
            let tell = tell.clone();
            let parse = |addresses: &[&str]| sdp::LocalAddresses {
                first: addresses[0].parse().unwrap(),
                other: addresses.get(1).map(|other| other.parse().unwrap()),
            };
            let addresses = addresses.clone().map(parse);
            let deliver = std::sync::Arc::new(move |event| tell.send(event).unwrap_or_default());
            let setup = MediaSetup { thread, threads: THREADS, addresses, ports, clock, inbox, deliver };
            thread::spawn(move || run(setup).unwrap())
        };
        let joins = (0..).zip(inboxes).map(setup).collect();
        TestMedia { threads, joins, events }
    }

    fn open(&self, leg: LegId) -> Result<OpenedLeg, String> {
        let (reply, answer) = mpsc::channel();
        self.threads.open_leg(leg, Box::new(move |opened| reply.send(opened).unwrap()));
        answer.recv_timeout(Duration::from_secs(5)).unwrap()
    }

    fn counters(&self) -> Vec<MediaCounters> {
        let (reply, answers) = mpsc::channel();
        self.threads.counters(move |counters| reply.send(counters).unwrap());
        let mut all: Vec<_> = answers.iter().take(THREADS.into()).collect();
        all.sort_by_key(|counters| counters.thread);
        all
    }

    fn event(&self) -> MediaEvent {
        self.events.recv_timeout(Duration::from_secs(5)).unwrap()
    }

    fn report(&self, leg: LegId) -> LegReport {
        self.threads.command(MediaCommand::Close { leg });
        loop {
            match self.event() {
                MediaEvent::Closed { leg: closed, report } if closed == leg => return report,
                _ => {}
            }
        }
    }
}

impl Drop for TestMedia {
    fn drop(&mut self) {
        self.threads.stop();
        for join in self.joins.drain(..) {
            join.join().expect("no panic");
        }
    }
}

fn leg(bridge: u64, serial: u32) -> LegId {
    LegId { bridge: BridgeId { worker: 0, serial: bridge }, serial }
}

/// A phone that says a tone to a leg, and hears.
pub(crate) struct Phone {
    socket: UdpSocket,
    pub(crate) to: SocketAddr,
    pub(crate) session: AudioSession,
    tone: f32,
    protector: Option<Protector>,
    unprotector: Option<Unprotector>,
}

impl Phone {
    /// Number n says a tone of its own.
    pub(crate) fn new(number: u8, opened: &OpenedLeg, encoding: Encoding, suite: Option<Suite>) -> Phone {
        Phone::sending_to(opened.rtp, number, opened, encoding, suite)
    }

    /// The same, which sends to another address of the leg and is where that can send to.
    fn sending_to(to: SocketAddr, number: u8, opened: &OpenedLeg, encoding: Encoding, suite: Option<Suite>) -> Phone {
        let socket = UdpSocket::bind(SocketAddr::new(to.ip(), 0)).unwrap();
        socket.set_nonblocking(true).unwrap();
        let ours = suite.map(|suite| Key(vec![number; suite.key_bytes()]));
        let theirs = suite.and_then(|suite| opened.keys.of(suite).cloned());
        let protection = suite.zip(ours.clone()).zip(theirs.clone());
        let protection = protection.map(|((suite, remote), local)| Protection { suite, local, remote });
        let remote = socket.local_addr().unwrap();
        Phone {
            to,
            session: AudioSession {
                remote,
                remote_rtcp: remote,
                format: Format { payload_type: 100, encoding },
                telephone_event: None,
                protection,
                direction: Direction::SendRecv,
                packet_ms: 20,
            },
            tone: 300.0 + 200.0 * f32::from(number),
            protector: suite.zip(ours).map(|(suite, key)| Protector::new(suite, &key).unwrap()),
            unprotector: suite.zip(theirs).map(|(suite, key)| Unprotector::new(suite, &key).unwrap()),
            socket,
        }
    }

    /// A packet that says nothing.
    pub(crate) fn hiss(&self) {
        self.socket.send_to(&[0; 40], self.to).unwrap();
    }

    /// Says its tone for so many frames of 20 ms; what it heard.
    pub(crate) fn talk(mut self, frames: usize) -> Vec<i16> {
        let encoding = self.session.format.encoding;
        let (mut encoder, mut decoder) = (Encoder::new(encoding), Decoder::new(encoding));
        let (begun, len) = (Instant::now(), frame_len(encoding.sample_rate()));
        let mut heard = Vec::new();
        for frame in 0..frames {
            let angle = |index: usize| std::f32::consts::TAU * self.tone * index as f32 / encoding.sample_rate() as f32;
            let sound: Vec<i16> =
                (frame * len..(frame + 1) * len).map(|index| (angle(index).sin() * 6000.0) as i16).collect();
            let mut payload = Vec::new();
            encoder.encode(&sound, &mut payload);
            let header = Header {
                marker: frame == 0,
                payload_type: 100,
                sequence: frame as u16,
                timestamp: frame as u32 * encoding.clock_rate() / 50,
                ssrc: 5,
            };
            let mut packet = [&header.print()[..], &payload].concat();
            if let Some(protector) = &mut self.protector {
                protector.protect_rtp(&mut packet).unwrap();
            }
            self.socket.send_to(&packet, self.to).unwrap();
            let until = begun + Duration::from_millis(20 * (frame as u64 + 1));
            thread::sleep(until.saturating_duration_since(Instant::now()));
            self.hear(&mut decoder, &mut heard);
        }
        heard
    }

    fn hear(&mut self, decoder: &mut Decoder, heard: &mut Vec<i16>) {
        let mut buffer = [0; 2048];
        while let Ok((len, from)) = self.socket.recv_from(&mut buffer) {
            assert_eq!(from, self.to);
            let mut packet = buffer[..len].to_vec();
            if rtp::is_rtcp(&packet) {
                continue;
            }
            if let Some(unprotector) = &mut self.unprotector {
                unprotector.unprotect_rtp(&buffer[..len], &mut packet).unwrap();
            }
            let (_, at) = Header::parse(&packet).unwrap();
            decoder.decode(&packet[at..], heard).unwrap();
        }
    }
}

/// Which of the tones of phones 1 to 3 are in the second half of what was heard (Goertzel).
pub(crate) fn tones(heard: &[i16], encoding: Encoding) -> Vec<u8> {
    let samples = &heard[heard.len() / 2..];
    let peak = |frequency: f64| {
        let angle = std::f64::consts::TAU * frequency / f64::from(encoding.sample_rate());
        let (mut last, mut before) = (0.0, 0.0);
        for sample in samples {
            (before, last) = (last, f64::from(*sample) + 2.0 * angle.cos() * last - before);
        }
        let power: f64 = last * last + before * before - 2.0 * angle.cos() * last * before;
        2.0 * power.sqrt() / samples.len() as f64
    };
    (1..=3).filter(|number| peak(300.0 + 200.0 * f64::from(*number)) > 2000.0).collect()
}

/// So many pairs that nobody uses now, and that no other test gets.
pub(crate) fn free_range(pairs: u16) -> PortRange {
    static GIVEN: AtomicU16 = AtomicU16::new(0);
    let is_free = |first: u16| (first..first + 2 * pairs).all(|port| UdpSocket::bind(("127.0.0.1", port)).is_ok());
    // Below those that the system gives to whoever asks for any.
    let begin = 19_000 + (std::process::id() % 190) as u16 * 64;
    let first = (0..100).map(|_| begin.saturating_add(GIVEN.fetch_add(16, Ordering::Relaxed)).min(32_000));
    let first = first.into_iter().find(|first| is_free(*first)).expect("free ports");
    PortRange { first, last: first + 2 * pairs - 1 }
}

#[test]
fn three_phones_hear_each_other_and_nobody_himself() {
    let media = TestMedia::start(Ok(&["127.0.0.1"]), free_range(8));
    let kinds = [
        (Encoding::Pcmu, None),
        (Encoding::Opus, Some(Suite::AeadAes256Gcm)),
        (Encoding::G722, Some(Suite::AesCm128HmacSha1_80)),
    ];
    let phones = (1..).zip(kinds).map(|(number, (encoding, suite))| {
        let opened = media.open(leg(7, number.into())).unwrap();
        assert_eq!((opened.rtp.port() % 2, opened.rtcp.port()), (0, opened.rtp.port() + 1));
        let phone = Phone::new(number, &opened, encoding, suite);
        media.threads.command(MediaCommand::Run {
            leg: leg(7, number.into()),
            kind: BridgeKind::Conference,
            session: phone.session.clone(),
            trusted_source: Some(phone.session.remote.ip()),
        });
        (encoding, thread::spawn(move || phone.talk(100)))
    });
    let phones: Vec<_> = phones.collect();
    let heard = phones.into_iter().map(|(encoding, talking)| tones(&talking.join().unwrap(), encoding));
    assert_eq!(heard.collect::<Vec<_>>(), [vec![2, 3], vec![1, 3], vec![1, 2]]);

    let counters = media.counters();
    assert_eq!((counters[0].legs, counters[1].legs, counters[1].bridges), (0, 3, 1), "{counters:?}");
    assert_eq!(counters[1].packets_received, 300);
    let report = media.report(leg(7, 2));
    assert_eq!((report.encoding, report.packets_received, report.packets_lost), (Some(Encoding::Opus), 100, 0));
    assert_eq!(media.counters()[1].legs, 2);
}

#[test]
fn who_has_ipv4_and_who_has_ipv6_hear_each_other() {
    let media = TestMedia::start(Ok(&["127.0.0.1", "::1"]), free_range(8));
    let phones = [(1, false), (2, true)].map(|(number, is_six)| {
        let opened = media.open(leg(7, number)).unwrap();
        assert_eq!((opened.rtp.ip(), opened.other_address), ([127, 0, 0, 1].into(), Some("::1".parse().unwrap())));
        let to = if is_six { SocketAddr::new("::1".parse().unwrap(), opened.rtp.port()) } else { opened.rtp };
        let phone = Phone::sending_to(to, number as u8, &opened, Encoding::Pcmu, None);
        media.threads.command(MediaCommand::Run {
            leg: leg(7, number),
            kind: BridgeKind::Anchor,
            session: phone.session.clone(),
            trusted_source: Some(phone.session.remote.ip()),
        });
        thread::spawn(move || phone.talk(50))
    });
    let heard = phones.map(|talking| tones(&talking.join().unwrap(), Encoding::Pcmu));
    assert_eq!(heard, [[2], [1]]);
    assert_eq!(media.counters()[1].packets_unsent, 0);
}

#[test]
fn ports_come_back_and_their_end_is_said() {
    let media = TestMedia::start(Ok(&["127.0.0.1"]), free_range(2));
    let first = media.open(leg(2, 1)).unwrap();
    assert_eq!(media.open(leg(2, 1)).map(|again| again.rtp), Ok(first.rtp), "asked twice, opened once");
    assert_eq!(media.open(leg(2, 2)).err(), Some("no free media port".to_owned()), "a thread has its share");
    media.threads.command(MediaCommand::Close { leg: leg(2, 1) });
    assert_eq!(media.event(), MediaEvent::Closed { leg: leg(2, 1), report: LegReport::default() });
    // The sockets are closed once their tasks have ended, a moment later.
    let again = (0..500).find_map(|_| {
        thread::sleep(Duration::from_millis(10));
        media.open(leg(2, 2)).ok()
    });
    assert_eq!(again.map(|again| again.rtp), Some(first.rtp));
    let counters = media.counters();
    assert_eq!((counters[0].legs_opened, counters[0].legs, counters[0].legs_max), (2, 1, 1));
    assert!(counters[0].legs_refused >= 1);
}

#[test]
fn without_an_address_there_is_no_sound_and_the_reason_is_said() {
    let media = TestMedia::start(Err("say which".to_owned()), free_range(4));
    assert_eq!(media.open(leg(1, 1)).err(), Some("say which".to_owned()));
    media.threads.command(MediaCommand::Mute { leg: leg(1, 1), is_muted: true });
    media.threads.command(MediaCommand::Close { leg: leg(1, 1) });
    assert_eq!(media.event(), MediaEvent::Closed { leg: leg(1, 1), report: LegReport::default() });
    assert_eq!(media.counters()[1].bridges, 0);
    assert_eq!(MediaThreads::default().count(), 0);
}

#[test]
fn an_address_of_a_nat_is_told_though_it_is_not_ours() {
    let media = TestMedia::start(Ok(&["192.0.2.77"]), free_range(4));
    let opened = media.open(leg(1, 1)).unwrap();
    assert_eq!(opened.rtp.ip().to_string(), "192.0.2.77");
    let taken = UdpSocket::bind(("0.0.0.0", opened.rtp.port()));
    assert!(taken.is_err(), "the port is ours on all addresses");
}
