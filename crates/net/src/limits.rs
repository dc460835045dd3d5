//! What peers can make one worker hold open, and for how long.

use std::cell::Cell;
use std::time::{Duration, Instant};

use sip::MessageLimits;

/// The limits of one worker's sockets. Each has a counter of the same meaning in [`Counters`](crate::Counters).
#[derive(Debug, Clone)]
pub struct Limits {
    /// Stream connections, both directions, handshakes and endings included; beyond it new ones are closed at once.
    pub connections_max: usize,
    /// Of these, with one remote IPv4 address or IPv6 /64.
    pub connections_per_ip_max: usize,
    /// Inbound connections without a finished handshake, of TLS or of a WebSocket; beyond it the oldest that has sent nothing is closed for a
    /// newcomer, and if there is none, the newcomer.
    pub unfinished_max: usize,
    /// Of these, from one remote IPv4 address or IPv6 /64; beyond it likewise, among its own.
    pub unfinished_per_ip_max: usize,
    /// An inbound connection that has sent nothing of its handshake for this long is closed.
    pub silent_secs_max: u64,
    /// Inbound handshakes at a time, each from its first byte on; beyond it the next one takes the turn of whoever has begun the
    /// most, or waits, in its own time.
    pub handshakes_max: usize,
    /// From the first byte to the end of the handshake, a WebSocket's and waiting included.
    pub handshake_secs_max: u64,
    /// Connections of load balancers that have not said yet whose they are; beyond it new ones are closed at once.
    pub introductions_max: usize,
    /// A connection of a load balancer that has not said so for this long is closed.
    pub introduction_secs_max: u64,
    /// For each of the two steps of a connection to a partner, TCP and TLS.
    pub connect_secs_max: u64,
    /// For one question to the DNS with everything it entails.
    pub resolve_secs_max: u64,
    /// A stream flow on which nothing came or went for this long ends.
    pub idle_secs_max: u64,
    /// From the first byte of a message on a stream flow to its last; beyond it the flow ends.
    pub message_secs_max: u64,
    /// A WebSocket on which nothing came for this long is asked whether its peer is there: every so many seconds. Below
    /// the minute after which proxies end what is silent.
    pub web_socket_ping_secs: u64,
    /// A WebSocket on which not even answers to that came for this long ends.
    pub web_socket_silent_secs_max: u64,
    /// How long a flow that is being ended may take to get its last bytes out.
    pub closing_secs_max: u64,
    /// Bytes waiting to be written on one stream flow; beyond it the peer reads too slowly and the flow ends.
    pub output_bytes_max: usize,
    /// Messages that cannot be read on one stream flow, less those that could be since; beyond it the flow ends.
    pub parse_errors_per_flow_max: u32,
    /// Messages taken from one flow before the others have their turn.
    pub messages_per_turn_max: usize,
    /// Likewise, if they take longer than this: the message under way is the last one of the turn. Flows that bring messages at
    /// the same time share it.
    pub turn_millis_max: u64,
    /// Of each round of all who have something to do, for those who have not shown that they are known here: all of them
    /// together, but one message at least.
    pub strangers_millis_max: u64,
    pub message: MessageLimits,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections_max: 50_000,
            connections_per_ip_max: 10_000,
            unfinished_max: 4096,
            unfinished_per_ip_max: 32,
            silent_secs_max: 3,
            handshakes_max: 256,
            handshake_secs_max: 5,
            introductions_max: 1024,
            introduction_secs_max: 3,
            connect_secs_max: 5,
            resolve_secs_max: 8,
            idle_secs_max: 900,
            message_secs_max: 20,
            web_socket_ping_secs: 25,
            web_socket_silent_secs_max: 90,
            closing_secs_max: 10,
            output_bytes_max: 4 << 20,
            parse_errors_per_flow_max: 64,
            messages_per_turn_max: 64,
            turn_millis_max: 5,
            strangers_millis_max: 1,
            message: MessageLimits::default(),
        }
    }
}

impl Limits {
    pub(crate) fn silent_time(&self) -> Duration {
        Duration::from_secs(self.silent_secs_max)
    }

    pub(crate) fn handshake_time(&self) -> Duration {
        Duration::from_secs(self.handshake_secs_max)
    }

    pub(crate) fn introduction_time(&self) -> Duration {
        Duration::from_secs(self.introduction_secs_max)
    }

    pub(crate) fn connect_time(&self) -> Duration {
        Duration::from_secs(self.connect_secs_max)
    }

    pub(crate) fn resolve_time(&self) -> Duration {
        Duration::from_secs(self.resolve_secs_max)
    }
}

/// Says once a minute that something goes on, such as a limit that is being hit: a flood must not become a flood of log lines.
#[derive(Debug, Default)]
pub(crate) struct Alarm {
    rung_at: Cell<Option<Instant>>,
}

impl Alarm {
    pub(crate) fn ring(&self, now: Instant, limit: &'static str, limit_max: usize) {
        if self.is_due(now) {
            tracing::warn!(limit, limit_max, "a limit is being hit");
        }
    }

    /// Whether it may be said now; if so, it is taken for said.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        let is_due = self.rung_at.get().is_none_or(|at| now.duration_since(at) >= ALARM_PAUSE);
        if is_due {
            self.rung_at.set(Some(now));
        }
        is_due
    }
}

const ALARM_PAUSE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alarm_rings_once_a_minute() {
        let (alarm, begun) = (Alarm::default(), Instant::now());
        let rings = [0, 1, 59, 60, 61, 119, 120].map(|secs| alarm.is_due(begun + Duration::from_secs(secs)));
        assert_eq!(rings, [true, false, false, true, false, false, true]);
    }
}
