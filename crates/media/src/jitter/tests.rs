use super::*;
use crate::tests::begin;

/// A buffer at 8 kHz, and what is heard of it, a letter a frame: the payload's first byte, `_` lost, `+` made up with the next
/// packet at hand, `.` silence, `(x)` surplus.
struct Play {
    begun: Instant,
    buffer: JitterBuffer,
    heard: String,
}

impl Play {
    fn new() -> Play {
        Play { begun: begin(), buffer: JitterBuffer::new(8000), heard: String::new() }
    }

    /// Packets as (arrival ms, sequence, timestamp in frames, payload); then frames every 20 ms, at the odd tens.
    fn run(&mut self, mut packets: Vec<(u64, u16, u32, &str)>, frames: u64) -> &str {
        packets.sort_by_key(|packet| packet.0);
        let mut packets = packets.into_iter().peekable();
        for at in (0..frames).map(|frame| frame * 20 + 10) {
            while let Some((arrival, sequence, frame, payload)) = packets.next_if(|packet| packet.0 < at) {
                let timestamp = (frame * 160).wrapping_sub(1000);
                let header = Header { marker: false, payload_type: 0, sequence, timestamp, ssrc: 1 };
                self.buffer.insert(self.begun + Duration::from_millis(arrival), &header, payload.as_bytes());
            }
            self.frame(at);
        }
        &self.heard
    }

    fn frame(&mut self, at: u64) {
        loop {
            match self.buffer.pull(self.begun + Duration::from_millis(at)) {
                Pulled::Sound(payload) => self.heard.push(payload[0].into()),
                Pulled::Surplus(payload) => {
                    self.heard.push_str(&format!("({})", char::from(payload[0])));
                    self.buffer.played(160);
                    continue;
                }
                Pulled::Lost { next } => self.heard.push(if next.is_some() { '+' } else { '_' }),
                Pulled::Silence => self.heard.push('.'),
            }
            if self.heard.ends_with(|letter: char| letter.is_alphanumeric()) {
                self.buffer.played(160);
            }
            return;
        }
    }
}

const LETTERS: [&str; 10] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];

/// Ten packets, each with how much later than due it comes; `None`: never.
fn stream(lateness: [Option<u64>; 10]) -> Vec<(u64, u16, u32, &'static str)> {
    let packet = |number: usize| {
        let due = number as u64 * 20;
        let sequence = 65_530_u16.wrapping_add(number as u16);
        lateness[number].map(|late| (due + late, sequence, number as u32, LETTERS[number]))
    };
    (0..10).filter_map(packet).collect()
}

#[test]
fn an_even_stream_is_heard_whole_over_the_wraps() {
    let mut play = Play::new();
    assert_eq!(play.run(stream([Some(0); 10]), 15), "..abcdefghij___");
    assert_eq!(play.buffer.counts, JitterCounts::default());
}

#[test]
fn what_comes_out_of_order_within_the_delay_is_put_in_order() {
    let mut lateness = [Some(0); 10];
    lateness[3] = Some(35);
    lateness[6] = Some(25);
    assert_eq!(Play::new().run(stream(lateness), 12), "..abcdefghij");
}

#[test]
fn a_lost_packet_is_made_up_with_the_help_of_the_next() {
    let mut lateness = [Some(0); 10];
    lateness[4] = None;
    lateness[6] = None;
    lateness[7] = None;
    assert_eq!(Play::new().run(stream(lateness), 12), "..abcd+f_+ij");
}

#[test]
fn what_comes_after_its_time_is_late_and_not_heard() {
    let mut lateness = [Some(0); 10];
    lateness[4] = Some(95);
    let mut play = Play::new();
    assert_eq!(play.run(stream(lateness), 12), "..abcd+fghij");
    assert_eq!(play.buffer.counts, JitterCounts { late: 1, ..JitterCounts::default() });
}

#[test]
fn a_stall_of_the_network_is_drawn_out_and_nothing_is_lost() {
    let lateness = std::array::from_fn(|number| Some(if number < 4 { 0 } else { 100 }));
    assert_eq!(Play::new().run(stream(lateness), 16), "..abcd___efghij_");
}

#[test]
fn a_loss_while_nothing_comes_is_not_made_up_twice() {
    // e and f are lost, and g comes when it should have been heard already.
    let lateness = [Some(0), Some(0), Some(0), Some(0), None, None, Some(60), Some(60), Some(60), Some(60)];
    assert_eq!(Play::new().run(stream(lateness), 14), "..abcd___ghij_");
}

#[test]
fn each_packet_is_heard_once() {
    let mut packets = stream([Some(0); 10]);
    packets.extend(stream([Some(1); 10]));
    let mut play = Play::new();
    assert_eq!(play.run(packets, 12), "..abcdefghij");
    assert_eq!(play.buffer.counts.duplicate, 10);
}

#[test]
fn a_pause_of_the_talker_is_silence() {
    let short = vec![(0, 1, 0, "a"), (20, 2, 1, "b"), (80, 3, 4, "c"), (100, 4, 5, "d")];
    assert_eq!(Play::new().run(short, 8), "..ab..cd");
    let long = vec![(0, 1, 0, "a"), (20, 2, 1, "b"), (400, 3, 20, "c"), (420, 4, 21, "d")];
    assert_eq!(Play::new().run(long, 24), "..ab_____.............cd");
}

#[test]
fn timestamps_that_jump_are_followed() {
    let packets = vec![(0, 1, 0, "a"), (20, 2, 1, "b"), (40, 3, 100_000, "c"), (60, 4, 100_001, "d"), (80, 5, 7, "e")];
    assert_eq!(Play::new().run(packets, 7), "..abcde");
}

#[test]
fn packets_without_sound_are_not_missed() {
    let packets =
        vec![(0, 1, 0, "a"), (20, 2, 1, "b"), (40, 3, 2, ""), (60, 4, 2, ""), (80, 5, 4, "c"), (100, 6, 5, "d")];
    assert_eq!(Play::new().run(packets, 8), "..ab..cd");
}

#[test]
fn too_much_is_given_up_and_the_present_reached_again() {
    let mut play = Play::new();
    let burst = (0..200).map(|number| (1, number, number.into(), "x")).collect();
    play.run(burst, 1);
    assert_eq!(play.buffer.packets.len() + 1, PACKETS_MAX);
    assert_eq!(play.buffer.counts.surplus, 150);
}

#[test]
fn more_than_needed_is_shed_a_packet_a_second() {
    // A second of sound is ten frames too early for the clock, all the time.
    let mut packets: Vec<_> = (0..10).map(|number| (1, number, number.into(), "x")).collect();
    packets.extend((10..400).map(|number| (u64::from(number - 10) * 20 + 1, number, number.into(), "x")));
    let mut play = Play::new();
    play.run(packets, 390);
    assert_eq!(play.heard.matches("(x)").count(), 6, "{}", play.heard);
    assert!(!play.heard.contains('_'));
}

#[test]
fn an_uneven_network_is_given_more_time() {
    let mut play = Play::new();
    let late = |number: u64| if number.is_multiple_of(7) { 90 } else { 0 };
    let packets = (0..300_u64).map(|n| (n * 20 + late(n), n as u16, n as u32, "x")).collect();
    play.run(packets, 300);
    assert_eq!(play.buffer.delay(), Duration::from_millis(100));
    assert!(play.heard.ends_with(&"x".repeat(250)), "{}", play.heard);
}

#[test]
fn whatever_comes_nothing_grows_and_nothing_panics() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let (begun, mut buffer) = (begin(), JitterBuffer::new(48_000));
    for step in 0..20_000 {
        let now = begun + Duration::from_millis(step * 3);
        let header = Header {
            marker: false,
            payload_type: 0,
            sequence: (random() % if step % 2000 < 1000 { 65_536 } else { 40 }) as u16,
            timestamp: (random() >> (random() % 40)) as u32,
            ssrc: 1,
        };
        buffer.insert(now, &header, &b"sound"[..(random() % 6) as usize]);
        if matches!(buffer.pull(now), Pulled::Sound(_) | Pulled::Surplus(_)) {
            buffer.played((random() % 6000) as u32);
        }
        assert!(buffer.packets.len() <= PACKETS_MAX);
    }
}
