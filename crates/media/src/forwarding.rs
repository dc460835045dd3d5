//! Packets passed on as they are, from one leg of an anchored call to the other: what the receiver hears is one source, whose
//! numbers go on whoever it was that spoke.

use std::time::Instant;

use crate::rtp::Header;

/// One way of an anchored call.
#[derive(Debug, Default)]
pub struct Forwarding {
    base: Option<Base>,
    forwarded_at: Option<Instant>,
}

/// What is added to the numbers of the stream that is passed on.
#[derive(Debug, Clone, Copy)]
struct Base {
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
}

impl Forwarding {
    /// The packet's numbers as the receiver is to see them. `next`: those that would come next, and their clock.
    pub fn renumber(&mut self, now: Instant, header: &Header, next: (u16, u32), clock_rate: u32) -> Header {
        let base = match self.base.filter(|base| base.ssrc == header.ssrc) {
            Some(base) => base,
            None => self.begin(now, header, next, clock_rate),
        };
        self.forwarded_at = Some(now);
        Header {
            sequence: header.sequence.wrapping_add(base.sequence),
            timestamp: header.timestamp.wrapping_add(base.timestamp),
            ..*header
        }
    }

    /// The next packet begins a stream.
    pub fn interrupt(&mut self) {
        self.base = None;
    }

    fn begin(&mut self, now: Instant, header: &Header, next: (u16, u32), clock_rate: u32) -> Base {
        let paused = self.forwarded_at.map_or(0.0, |before| now.duration_since(before).as_secs_f64());
        let ticks = (paused * f64::from(clock_rate)) as u64 as u32;
        let base = Base {
            ssrc: header.ssrc,
            sequence: next.0.wrapping_sub(header.sequence),
            timestamp: next.1.wrapping_add(ticks).wrapping_sub(header.timestamp),
        };
        *self.base.insert(base)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::tests::begin;

    #[test]
    fn numbers_go_on_over_a_change_of_source() {
        let (begun, mut forwarding) = (begin(), Forwarding::default());
        let packet = |ssrc, sequence, timestamp| Header { marker: false, payload_type: 0, sequence, timestamp, ssrc };
        let mut renumbered = |ms, packet: Header, next| {
            let header = forwarding.renumber(begun + Duration::from_millis(ms), &packet, next, 8000);
            (header.sequence, header.timestamp)
        };
        assert_eq!(renumbered(0, packet(1, 65_535, 90), (10, 1000)), (10, 1000));
        assert_eq!(renumbered(40, packet(1, 1, 410), (11, 1160)), (12, 1320));
        assert_eq!(renumbered(41, packet(1, 0, 250), (13, 1480)), (11, 1160), "what comes late stays behind");
        assert_eq!(renumbered(141, packet(2, 500, 7), (13, 1480)), (13, 1480 + 800));
        assert_eq!(renumbered(161, packet(2, 501, 167), (14, 2440)), (14, 2440));
    }
}
