//! Timer values (RFC 3261 section 17 and appendix A, RFC 6026, RFC 4320), and what a machine may do in its turn.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::TransactionOutput;
use crate::flow::FlowId;

/// The values that the others follow from.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Timers {
    /// Estimate of the round trip.
    pub t1: Duration,
    /// Longest interval between retransmissions of non-INVITE requests and of responses to INVITE.
    pub t2: Duration,
    /// Longest time that a message stays in the network.
    pub t4: Duration,
    /// Timer D: how long an INVITE client transaction acknowledges retransmitted final responses; 32 s at least.
    pub d: Duration,
    /// When an INVITE that nobody answered gets a 100 (RFC 3261 section 17.2.1).
    pub trying: Duration,
}

impl Default for Timers {
    fn default() -> Timers {
        Timers {
            t1: Duration::from_millis(500),
            t2: Duration::from_secs(4),
            t4: Duration::from_secs(5),
            d: Duration::from_secs(32),
            trying: Duration::from_millis(200),
        }
    }
}

impl Timers {
    /// 64 T1: timers B, F, H, J, L and M.
    pub(crate) fn transaction_timeout(&self) -> Duration {
        self.t1 * 64
    }

    /// The time after which a client's timer E is at T2: from then on a non-INVITE request gets a 100, and over an
    /// unreliable transport not before (RFC 4320 section 4.1).
    pub(super) fn non_invite_trying(&self) -> Duration {
        let mut interval = self.t1;
        let mut sum = Duration::ZERO;
        while interval < self.t2 && !interval.is_zero() {
            sum += interval;
            interval *= 2;
        }
        sum
    }
}

/// A retransmission timer whose interval doubles: A, E and G.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) struct Backoff {
    pub at: Instant,
    interval: Duration,
}

impl Backoff {
    /// None on a reliable flow, where nothing is retransmitted.
    pub(super) fn start(turn: &Turn<'_>) -> Option<Backoff> {
        let interval = turn.timers.t1;
        (!turn.flow.is_reliable()).then_some(Backoff { at: turn.now + interval, interval })
    }

    /// Whether to retransmit now; if so, the next time is set.
    pub(super) fn fires(backoff: &mut Option<Backoff>, now: Instant, interval_max: Duration) -> bool {
        let Some(due) = backoff.as_mut().filter(|backoff| backoff.at <= now) else { return false };
        due.interval = (due.interval * 2).min(interval_max);
        // From now, not from `at`: a process that slept must not send a burst.
        due.at = now + due.interval;
        true
    }

    /// Goes on at `interval`, from now.
    pub(super) fn slow_down(backoff: &mut Option<Backoff>, now: Instant, interval: Duration) {
        if let Some(running) = backoff {
            *running = Backoff { at: now + interval, interval };
        }
    }
}

/// What a machine is given when it is its turn: time, and where to send.
pub(super) struct Turn<'a> {
    pub now: Instant,
    pub timers: &'a Timers,
    pub flow: FlowId,
    pub outputs: &'a mut VecDeque<TransactionOutput>,
}

impl Turn<'_> {
    pub(super) fn transmit(&mut self, bytes: Bytes) {
        self.outputs.push_back(TransactionOutput::Transmit { flow: self.flow, bytes });
    }

    /// 64 T1 from now.
    pub(super) fn give_up_at(&self) -> Instant {
        self.now + self.timers.transaction_timeout()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timer_e_reaches_t2_after_three_and_a_half_seconds() {
        assert_eq!(Timers::default().non_invite_trying(), Duration::from_millis(3500));
    }
}
