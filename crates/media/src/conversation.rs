//! RTCP with one peer: when we report, what we say, and what we are told (RFC 3550 section 6).

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::clock::Clock;
use crate::egress::Egress;
use crate::random::Random;
use crate::reception::{Reception, middle};
use crate::rtcp::{self, Item, ReportBlock};

/// One leg's reports.
pub struct Conversation {
    cname: String,
    report_at: Instant,
    /// Where reports came from.
    source: Option<SocketAddr>,
    told: Told,
}

/// What the peer says of how it hears us.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Told {
    pub lost: u64,
    pub jitter_ms: f32,
    pub round_trip_ms: Option<f32>,
}

impl Conversation {
    pub fn new(now: Instant, random: &mut Random) -> Conversation {
        // A name that says nothing of where or who (RFC 7022).
        let cname = format!("{:016x}", random.draw());
        Conversation { cname, report_at: now + interval(random) / 2, source: None, told: Told::default() }
    }

    pub fn told(&self) -> Told {
        self.told
    }

    pub fn source(&self) -> Option<SocketAddr> {
        self.source
    }

    /// The peer may be elsewhere from now on.
    pub fn release_source(&mut self) {
        self.source = None;
    }

    pub fn is_due(&self, now: Instant) -> bool {
        now >= self.report_at
    }

    /// The next report, and by it the time of the one after it.
    pub fn report(
        &mut self,
        now: Instant,
        clock: &Clock,
        (egress, reception): (&mut Egress, Option<&mut Reception>),
        random: &mut Random,
    ) -> Vec<u8> {
        self.report_at = now + interval(random);
        self.print(now, clock, (egress, reception), false)
    }

    /// The last word.
    pub fn bye(&self, now: Instant, clock: &Clock, of: (&mut Egress, Option<&mut Reception>)) -> Vec<u8> {
        self.print(now, clock, of, true)
    }

    fn print(
        &self,
        now: Instant,
        clock: &Clock,
        (egress, reception): (&mut Egress, Option<&mut Reception>),
        is_bye: bool,
    ) -> Vec<u8> {
        let block = reception.map(|reception| reception.report(now));
        rtcp::print(egress.ssrc(), egress.report(clock.ntp(now)), block, &self.cname, is_bye)
    }

    /// Hears what came, which was found to be the peer's.
    pub fn handle_items(
        &mut self,
        (now, ntp): (Instant, u64),
        source: SocketAddr,
        items: &[Item],
        (egress, mut reception): (&Egress, Option<&mut Reception>),
    ) {
        self.source = Some(source);
        for item in items {
            match item {
                Item::Sender { ssrc, ntp } => {
                    let of_sender = reception.as_deref_mut().filter(|reception| reception.ssrc == *ssrc);
                    of_sender.into_iter().for_each(|reception| reception.handle_sender_report(now, *ntp));
                }
                Item::Block(block) if block.ssrc == egress.ssrc() => self.hear(ntp, block, egress.clock_rate()),
                Item::Block(_) | Item::Bye { .. } => {}
            }
        }
    }

    fn hear(&mut self, ntp: u64, block: &ReportBlock, clock_rate: u32) {
        self.told.lost = u64::try_from(block.lost).unwrap_or(0);
        self.told.jitter_ms = block.jitter as f32 * 1000.0 / clock_rate as f32;
        if block.last_sender_report != 0 {
            let units = middle(ntp).wrapping_sub(block.last_sender_report).wrapping_sub(block.delay);
            let round_trip_ms = units as f32 * 1000.0 / 65_536.0;
            // Clocks that disagree by a little give a little less than nothing, which wraps.
            let is_possible = round_trip_ms < ROUND_TRIP_MS_MAX;
            self.told.round_trip_ms = is_possible.then_some(round_trip_ms).or(self.told.round_trip_ms);
        }
    }
}

/// Five seconds, spread so that not all report at once (RFC 3550 section 6.3.1); with two participants nothing else counts.
fn interval(random: &mut Random) -> Duration {
    Duration::from_secs(5).mul_f64((0.5 + random.draw_part()) / COMPENSATION)
}

/// e - 3/2 (RFC 3550 section 6.3.1).
const COMPENSATION: f64 = std::f64::consts::E - 1.5;
const ROUND_TRIP_MS_MAX: f32 = 60_000.0;
