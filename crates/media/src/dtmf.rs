//! Keys pressed on a phone, as telephone events (RFC 4733): one press comes as many packets.

use std::time::Instant;

use crate::rtp::{Header, timestamp_distance};

/// Of one source.
#[derive(Debug, Clone, Default)]
pub struct DtmfReceiver {
    last: Option<Press>,
}

#[derive(Debug, Clone, Copy)]
struct Press {
    event: u8,
    timestamp: u32,
    duration: u16,
}

impl DtmfReceiver {
    /// The key, with the first packet of a press that comes. All packets of one press have its timestamp, or, where it lasts
    /// longer than a packet can say, the one where the segment before ended (section 2.5.1.3).
    pub fn handle_packet(&mut self, header: &Header, payload: &[u8]) -> Option<char> {
        let &[event, _flags, high, low, ..] = payload else { return None };
        let duration = u16::from_be_bytes([high, low]);
        let press = Press { event, timestamp: header.timestamp, duration };
        let is_new = match self.last {
            None => true,
            Some(last) => match timestamp_distance(last.timestamp, press.timestamp) {
                ..0 => return None,
                0 => false,
                ahead => !last.goes_on_after(ahead, event),
            },
        };
        self.last = Some(press);
        KEYS.get(usize::from(event)).copied().filter(|_| is_new).map(char::from)
    }
}

impl Press {
    fn goes_on_after(&self, ahead: i32, event: u8) -> bool {
        event == self.event && self.duration == u16::MAX && ahead == i32::from(u16::MAX)
    }
}

/// A press that is passed on into a stream of another clock.
#[derive(Debug, Clone, Copy)]
pub struct PassedPress {
    /// The timestamp of its packets, as they come and as they go.
    pub received: u32,
    pub timestamp: u32,
    pub began: Instant,
    /// In ticks as they go, once its end has come, which is said three times alike (section 2.5.1.4).
    pub lasted: Option<u16>,
}

impl PassedPress {
    /// Itself, or the one that begins with another timestamp; `None`: it is over already, and the packet came late.
    pub fn or_next(self, next: PassedPress) -> Option<PassedPress> {
        match timestamp_distance(self.received, next.received) {
            ..0 => None,
            0 => Some(self),
            1.. => Some(next),
        }
    }

    /// The payload as it goes on.
    pub fn pass(self, now: Instant, payload: &[u8], clock_rate: u32) -> Option<(PassedPress, [u8; 4])> {
        let &[event, flags, ..] = payload.get(..4)? else { return None };
        let ticks = (now.duration_since(self.began).as_secs_f64() + PACKET_SECS) * f64::from(clock_rate);
        let lasted = self.lasted.unwrap_or(ticks as u16);
        let is_end = flags & END != 0;
        let [high, low] = lasted.to_be_bytes();
        Some((PassedPress { lasted: is_end.then_some(lasted), ..self }, [event, flags, high, low]))
    }
}

const END: u8 = 0x80;
/// A packet says how long the key was pressed until its end.
const PACKET_SECS: f64 = 0.02;

/// By their events (section 3.2); others, such as the flash, are no key.
const KEYS: &[u8; 16] = b"0123456789*#ABCD";

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(timestamp: u32) -> Header {
        Header { marker: false, payload_type: 101, sequence: 0, timestamp, ssrc: 1 }
    }

    fn keys(packets: &[(u32, [u8; 4])]) -> String {
        let mut receiver = DtmfReceiver::default();
        packets.iter().filter_map(|(timestamp, payload)| receiver.handle_packet(&packet(*timestamp), payload)).collect()
    }

    #[test]
    fn a_press_is_one_key_however_many_packets_it_has() {
        let press =
            |timestamp, event| (1..=8).map(move |n| (timestamp, [event, if n > 5 { 0x8a } else { 10 }, 0, n * 20]));
        let packets: Vec<_> = press(160, 10).chain(press(1600, 6)).chain(press(3200, 6)).collect();
        assert_eq!(keys(&packets), "*66");
        assert_eq!(keys(&packets[7..9]), "*6", "the last of one, the first of the next");
    }

    #[test]
    fn what_comes_out_of_order_is_no_press() {
        assert_eq!(keys(&[(1600, [6, 10, 0, 20]), (160, [10, 0x8a, 0, 160]), (1600, [6, 10, 0, 40])]), "6");
        let wrapped = [(u32::MAX - 10, [1, 10, 0, 20]), (100, [2, 10, 0, 20])];
        assert_eq!(keys(&wrapped), "12");
    }

    #[test]
    fn a_long_press_goes_on_under_another_timestamp() {
        let segments = [(160, [5, 10, 0xff, 0xff]), (160 + 0xffff, [5, 10, 0, 20])];
        assert_eq!(keys(&segments), "5");
        assert_eq!(keys(&[(160, [5, 10, 0xff, 0xff]), (170 + 0xffff, [5, 10, 0, 20])]), "55");
    }

    #[test]
    fn what_is_no_key_is_not_heard() {
        assert_eq!(keys(&[(1, [16, 10, 0, 20]), (500, [255, 10, 0, 20]), (900, [15, 10, 0, 20])]), "D");
        assert_eq!(DtmfReceiver::default().handle_packet(&packet(1), &[1, 10, 0]), None);
    }
}
