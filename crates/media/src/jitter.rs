//! The jitter buffer: packets come when the network brings them, and leave when they are to be heard.
//!
//! How long a packet is held follows from how unevenly they came of late. Where one is wanted that has not come, the sound
//! before is drawn out, and what was drawn out is taken back from the gap if it was lost, or heard later if it was only late.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::lateness::Lateness;
use crate::rtp::{Header, timestamp_distance};
use crate::window::Window;

/// Of one source.
pub struct JitterBuffer {
    clock_rate: u32,
    /// By sequence number with its rollovers.
    packets: BTreeMap<u64, Stored>,
    seen: Option<Window>,
    playout: Playout,
    lateness: Lateness,
    /// Frames to be made up, so that what follows is heard later.
    owed: u64,
    /// The least that was ahead of us, and over how many frames, since somebody looked.
    ahead: Ahead,
    pub counts: JitterCounts,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct JitterCounts {
    /// Came when their time was over.
    pub late: u64,
    pub duplicate: u64,
    /// Not heard, because too many had gathered.
    pub surplus: u64,
}

struct Stored {
    timestamp: u32,
    arrived: Instant,
    payload: Vec<u8>,
}

enum Playout {
    /// Nothing is heard until enough has come.
    ExpectPackets,
    Playing {
        sequence: u64,
        timestamp: u32,
        /// Ticks of sound made up since the last packet, as the next did not come.
        stalled: i32,
    },
}

struct Ahead {
    ms_min: u64,
    frames: u32,
}

/// What is to be heard next.
#[derive(Debug, PartialEq, Eq)]
pub enum Pulled<'a> {
    /// To be decoded and heard; how long it was is to be said by [`JitterBuffer::played`].
    Sound(Vec<u8>),
    /// To be decoded and not heard, to get nearer to the present.
    Surplus(Vec<u8>),
    /// A frame that never came, or not yet. `next`: the packet right behind it, where that is here.
    Lost { next: Option<&'a [u8]> },
    /// A frame in which the peer said nothing.
    Silence,
}

impl JitterBuffer {
    pub fn new(clock_rate: u32) -> JitterBuffer {
        JitterBuffer {
            clock_rate,
            packets: BTreeMap::new(),
            seen: None,
            playout: Playout::ExpectPackets,
            lateness: Lateness::new(clock_rate),
            owed: 0,
            ahead: Ahead::new(),
            counts: JitterCounts::default(),
        }
    }

    /// Forgets what came so far, as another stream begins; not how it came.
    pub fn restart(&mut self) {
        self.packets.clear();
        self.seen = None;
        self.playout = Playout::ExpectPackets;
        self.lateness.forget();
        self.owed = 0;
    }

    /// Takes a packet. An empty payload stands for one without sound, so that it is not missed.
    pub fn insert(&mut self, now: Instant, header: &Header, payload: &[u8]) {
        let Some(index) = self.index(header.sequence) else {
            self.counts.duplicate += 1;
            return;
        };
        if !payload.is_empty() {
            self.lateness.measure(now, header.timestamp);
        }
        if matches!(self.playout, Playout::Playing { sequence, .. } if index < sequence) {
            if !payload.is_empty() {
                self.counts.late += 1;
                self.hold_back();
            }
            return;
        }
        self.packets.insert(index, Stored { timestamp: header.timestamp, arrived: now, payload: payload.to_vec() });
        while self.packets.len() > PACKETS_MAX {
            self.packets.pop_first();
            self.counts.surplus += 1;
            self.playout = Playout::ExpectPackets;
        }
    }

    /// One came too late: where that is usual, the others are to be held longer from now on.
    fn hold_back(&mut self) {
        let Playout::Playing { timestamp, .. } = self.playout else { return };
        let wanted_ms = u64::try_from(self.delay().as_millis()).unwrap_or(DELAY_MS_MAX);
        let held_ms = self.ahead_ms(timestamp) + u64::from(FRAME_MS);
        self.owed = self.owed.max(wanted_ms.saturating_sub(held_ms) / u64::from(FRAME_MS));
    }

    /// `None`: it was there already.
    fn index(&mut self, sequence: u16) -> Option<u64> {
        let Some(window) = &mut self.seen else {
            let index = FIRST_CYCLE + u64::from(sequence);
            self.seen = Some(Window::beginning_with(index));
            return Some(index);
        };
        let index = window.estimate(sequence).filter(|index| window.is_new(*index))?;
        window.accept(index);
        Some(index)
    }

    /// The next of what is to be heard: sound of any length, or else one frame.
    pub fn pull(&mut self, now: Instant) -> Pulled<'_> {
        self.drop_soundless();
        if self.owed > 0 {
            self.owed -= 1;
            return Pulled::Lost { next: None };
        }
        let is_playing = matches!(self.playout, Playout::Playing { .. }) || self.begin(now);
        if is_playing { self.pull_playing() } else { Pulled::Silence }
    }

    /// How long the sound was, in ticks.
    pub fn played(&mut self, ticks: u32) {
        if let Playout::Playing { timestamp, .. } = &mut self.playout {
            *timestamp = timestamp.wrapping_add(ticks);
        }
    }

    /// How long the first packet of a stream is held.
    pub fn delay(&self) -> Duration {
        let ms = self.lateness.peak_ms() + MARGIN_MS;
        Duration::from_millis(ms.clamp(DELAY_MS_MIN, DELAY_MS_MAX))
    }

    /// Whether it is time to begin with the first packet; if so, it is next.
    fn begin(&mut self, now: Instant) -> bool {
        let Some((sequence, first)) = self.packets.first_key_value() else { return false };
        let is_due =
            now.duration_since(first.arrived) >= self.delay() || self.ahead_ms(first.timestamp) >= DELAY_MS_MAX;
        if is_due {
            self.playout = Playout::Playing { sequence: *sequence, timestamp: first.timestamp, stalled: 0 };
            self.ahead = Ahead::new();
            self.owed = 0;
        }
        is_due
    }

    fn pull_playing(&mut self) -> Pulled<'_> {
        let frame = self.frame_ticks();
        let Playout::Playing { sequence, timestamp, stalled } = &mut self.playout else { return Pulled::Silence };
        let first = self.packets.first_key_value();
        let Some((index, first_timestamp)) = first.map(|(index, first)| (*index, first.timestamp)) else {
            *stalled += frame;
            if *stalled <= frame * STALLED_FRAMES_MAX {
                return Pulled::Lost { next: None };
            }
            self.playout = Playout::ExpectPackets;
            return Pulled::Silence;
        };
        let gap = timestamp_distance(*timestamp, first_timestamp);
        let made_up = gap.clamp(0, *stalled);
        *timestamp = timestamp.wrapping_add_signed(made_up);
        *stalled = 0;
        let gap = gap - made_up;
        let is_jump = gap < frame / 2 || gap > frame * GAP_FRAMES_MAX;
        if is_jump {
            return self.take_first();
        }
        let is_lost = index > *sequence;
        *timestamp = timestamp.wrapping_add_signed(frame);
        if !is_lost {
            return Pulled::Silence;
        }
        let is_right_behind = gap < 2 * frame;
        let next = self.packets.first_key_value().filter(|_| is_right_behind);
        Pulled::Lost { next: next.map(|(_, first)| &*first.payload) }
    }

    fn take_first(&mut self) -> Pulled<'_> {
        let Some((index, first)) = self.packets.pop_first() else { return Pulled::Silence };
        let ahead_ms = self.ahead_ms(first.timestamp);
        let is_surplus = self.ahead.is_surplus(ahead_ms, self.delay());
        if let Playout::Playing { sequence, timestamp, .. } = &mut self.playout {
            (*sequence, *timestamp) = (index + 1, first.timestamp);
        }
        if is_surplus {
            self.counts.surplus += 1;
            return Pulled::Surplus(first.payload);
        }
        Pulled::Sound(first.payload)
    }

    /// How much has come beyond this timestamp.
    fn ahead_ms(&self, timestamp: u32) -> u64 {
        let last = self.packets.last_key_value().map_or(timestamp, |(_, last)| last.timestamp);
        let ticks = u64::try_from(timestamp_distance(timestamp, last)).unwrap_or(0);
        ticks * 1000 / u64::from(self.clock_rate)
    }

    fn drop_soundless(&mut self) {
        while let Some(entry) = self.packets.first_entry().filter(|entry| entry.get().payload.is_empty()) {
            let index = *entry.key();
            entry.remove();
            if let Playout::Playing { sequence, .. } = &mut self.playout {
                // Only where all before it were heard: a loss stays one.
                *sequence += u64::from(*sequence == index);
            }
        }
    }

    fn frame_ticks(&self) -> i32 {
        i32::try_from(self.clock_rate / FRAMES_PER_SEC).unwrap_or(i32::MAX)
    }
}

impl Ahead {
    fn new() -> Ahead {
        Ahead { ms_min: u64::MAX, frames: 0 }
    }

    /// Whether there was more than needed for a whole second.
    fn is_surplus(&mut self, ahead_ms: u64, delay: Duration) -> bool {
        self.ms_min = self.ms_min.min(ahead_ms);
        self.frames += 1;
        if self.frames < FRAMES_PER_SEC {
            return false;
        }
        let is_surplus = u128::from(self.ms_min) >= delay.as_millis() + SURPLUS_MS;
        *self = Ahead::new();
        is_surplus
    }
}

const FRAME_MS: u32 = 20;
const FRAMES_PER_SEC: u32 = 1000 / FRAME_MS;
const DELAY_MS_MIN: u64 = 20;
/// Beyond this a conversation suffers more from waiting than from gaps.
pub const DELAY_MS_MAX: u64 = 200;
/// Above what was measured: for what has not been seen yet, and the beat of the frames.
const MARGIN_MS: u64 = 10;
/// Two frames, so that it does not swing.
const SURPLUS_MS: u128 = 40;
/// More than this is no gap but another time.
const GAP_FRAMES_MAX: i32 = 25;
/// As long as sound that is made up is worth hearing.
const STALLED_FRAMES_MAX: i32 = 5;
/// A second of packets of 20 ms.
pub const PACKETS_MAX: usize = 50;
/// Room before the first packet for those that it overtook.
const FIRST_CYCLE: u64 = 1 << 32;

#[cfg(test)]
mod tests;
