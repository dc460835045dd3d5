//! How one source is heard: its sequence numbers (RFC 3550 appendix A.1), losses (A.3) and jitter (A.8).

use std::time::Instant;

use crate::rtcp::ReportBlock;
use crate::rtp::{Header, sequence_distance, timestamp_distance};

/// Of one source, from its first packet on.
#[derive(Debug, Clone)]
pub struct Reception {
    pub ssrc: u32,
    clock_rate: u32,
    first: u64,
    highest: u64,
    received: u64,
    /// As of the last report that we sent.
    expected_before: u64,
    received_before: u64,
    /// In ticks.
    jitter: f64,
    jitter_max: f64,
    previous: Option<(Instant, u32)>,
    /// What a restarted source would send next.
    restart: Option<u16>,
    /// When its last report came, and the middle of the time that it gave.
    sender_report: Option<(Instant, u32)>,
}

/// What a sequence number means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Of the stream, in order or not.
    Expected,
    /// Far from the others: not to be played.
    Stray,
    /// The second of a new count: the source began anew.
    Restarted,
}

impl Reception {
    pub fn new(ssrc: u32, clock_rate: u32, sequence: u16) -> Reception {
        let first = FIRST_CYCLE + u64::from(sequence);
        Reception {
            ssrc,
            clock_rate,
            first,
            highest: first,
            received: 0,
            expected_before: 0,
            received_before: 0,
            jitter: 0.0,
            jitter_max: 0.0,
            previous: None,
            restart: None,
            sender_report: None,
        }
    }

    /// Counts a packet.
    pub fn handle_packet(&mut self, header: &Header) -> Verdict {
        let ahead = i64::from(sequence_distance((self.highest & 0xffff) as u16, header.sequence));
        let verdict = if (-MISORDER_MAX..DROPOUT_MAX).contains(&ahead) {
            self.restart = None;
            self.highest = self.highest.max(self.highest.saturating_add_signed(ahead));
            Verdict::Expected
        } else if self.restart == Some(header.sequence) {
            *self = Reception {
                jitter: self.jitter,
                jitter_max: self.jitter_max,
                sender_report: self.sender_report,
                ..Reception::new(self.ssrc, self.clock_rate, header.sequence)
            };
            Verdict::Restarted
        } else {
            self.restart = Some(header.sequence.wrapping_add(1));
            return Verdict::Stray;
        };
        self.received += 1;
        verdict
    }

    /// Measures how much later or earlier a packet of sound came than its timestamp makes believe.
    pub fn measure_jitter(&mut self, now: Instant, timestamp: u32) {
        if let Some((before, timestamp_before)) = self.previous {
            let ticks = now.duration_since(before).as_secs_f64() * f64::from(self.clock_rate);
            let difference = (ticks - f64::from(timestamp_distance(timestamp_before, timestamp))).abs();
            // A new beginning of the timestamps, or a pause without, is no jitter.
            if difference < f64::from(self.clock_rate) {
                self.jitter += (difference - self.jitter) / 16.0;
                self.jitter_max = self.jitter_max.max(self.jitter);
            }
        }
        self.previous = Some((now, timestamp));
    }

    pub fn handle_sender_report(&mut self, now: Instant, ntp: u64) {
        self.sender_report = Some((now, middle(ntp)));
    }

    /// Packets that never came.
    pub fn lost(&self) -> u64 {
        self.expected().saturating_sub(self.received)
    }

    pub fn jitter_ms(&self) -> f32 {
        self.ms(self.jitter)
    }

    pub fn jitter_ms_max(&self) -> f32 {
        self.ms(self.jitter_max)
    }

    /// What we tell the source, of the time since we told it last.
    pub fn report(&mut self, now: Instant) -> ReportBlock {
        let expected = self.expected() - self.expected_before;
        let received = self.received - self.received_before;
        (self.expected_before, self.received_before) = (self.expected(), self.received);
        let lost = expected.saturating_sub(received);
        let lost_in_all = i64::try_from(self.expected()).unwrap_or(0) - i64::try_from(self.received).unwrap_or(0);
        let (last_sender_report, delay) = match self.sender_report {
            Some((at, middle)) => (middle, units(now.duration_since(at).as_secs_f64())),
            None => (0, 0),
        };
        ReportBlock {
            ssrc: self.ssrc,
            fraction_lost: (lost * 256).checked_div(expected).map_or(0, |part| u8::try_from(part).unwrap_or(u8::MAX)),
            lost: i32::try_from(lost_in_all.clamp(-0x80_0000, 0x7f_ffff)).unwrap_or(0),
            highest_sequence: ((self.highest - FIRST_CYCLE) & 0xffff_ffff) as u32,
            jitter: self.jitter as u32,
            last_sender_report,
            delay,
        }
    }

    fn expected(&self) -> u64 {
        if self.received == 0 { 0 } else { self.highest - self.first + 1 }
    }

    fn ms(&self, ticks: f64) -> f32 {
        (ticks * 1000.0 / f64::from(self.clock_rate)) as f32
    }
}

/// The middle 32 bits of an NTP time: seconds and their fraction, 16 bits each.
pub fn middle(ntp: u64) -> u32 {
    (ntp >> 16) as u32
}

/// Seconds in units of 1/65536.
fn units(secs: f64) -> u32 {
    (secs * 65_536.0) as u32
}

/// Room before the first packet for those that it overtook; even in the 16 bits that the peer counts, so not seen from outside.
const FIRST_CYCLE: u64 = 1 << 32;
/// RFC 3550 appendix A.1.
const DROPOUT_MAX: i64 = 3000;
const MISORDER_MAX: i64 = 100;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::tests::begin;

    fn packet(sequence: u16) -> Header {
        Header { marker: false, payload_type: 0, sequence, timestamp: 0, ssrc: 7 }
    }

    fn received(sequences: &[u16]) -> Reception {
        let mut reception = Reception::new(7, 8000, sequences[0]);
        for sequence in sequences {
            reception.handle_packet(&packet(*sequence));
        }
        reception
    }

    #[test]
    fn losses_are_counted_over_the_wrap() {
        let mut reception = received(&[65_533, 65_534, 1, 0, 4]);
        assert_eq!(reception.lost(), 3);
        let report = reception.report(begin());
        assert_eq!((report.lost, report.fraction_lost, report.highest_sequence), (3, 96, 65_540));
        assert_eq!(reception.report(begin()).fraction_lost, 0, "nothing since");
    }

    #[test]
    fn duplicates_make_the_loss_negative() {
        let mut reception = received(&[1, 2, 2, 2, 3]);
        assert_eq!((reception.report(begin()).lost, reception.lost()), (-2, 0));
    }

    #[test]
    fn a_stray_is_not_counted_and_two_are_a_new_beginning() {
        let mut reception = received(&[1, 2]);
        assert_eq!(reception.handle_packet(&packet(30_000)), Verdict::Stray);
        assert_eq!(reception.handle_packet(&packet(3)), Verdict::Expected);
        assert_eq!(reception.handle_packet(&packet(30_001)), Verdict::Stray, "the one before was forgotten");
        assert_eq!(reception.handle_packet(&packet(30_002)), Verdict::Restarted);
        assert_eq!((reception.handle_packet(&packet(30_003)), reception.lost()), (Verdict::Expected, 0));
    }

    #[test]
    fn jitter_is_the_smoothed_difference() {
        let (begun, mut reception) = (begin(), received(&[1]));
        let steady = [(0, 0), (20, 160), (40, 320)];
        let late = [(70, 480)];
        for (at, timestamp) in steady.iter().chain(&late) {
            reception.measure_jitter(begun + Duration::from_millis(*at), *timestamp);
        }
        // 10 ms are 80 ticks, of which a sixteenth counts.
        assert_eq!(reception.report(begun).jitter, 5);
        assert!((reception.jitter_ms() - 0.625).abs() < 0.001, "{}", reception.jitter_ms());
        reception.measure_jitter(begun + Duration::from_millis(80), 3_000_000);
        assert_eq!(reception.report(begun).jitter, 5, "a jump is no jitter");
    }

    #[test]
    fn the_source_hears_when_its_report_came() {
        let (begun, mut reception) = (begin(), received(&[1]));
        reception.handle_sender_report(begun, 0x1234_5678_9abc_def0);
        let report = reception.report(begun + Duration::from_millis(1500));
        assert_eq!((report.last_sender_report, report.delay), (0x5678_9abc, 0x1_8000));
    }
}
