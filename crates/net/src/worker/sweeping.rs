//! What is looked at every few seconds: flows that are idle or stuck, peers that are silent, the clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use signaling::Input;
use sip::FlowId;

use super::Worker;
use crate::flow::{Fate, StreamFlow};

impl Worker {
    /// The clock of the machine may have been set: what is told by it (how long a message is kept, when a meeting opens) is told
    /// by the new one. What only waits does not notice.
    fn read_clock(&mut self) {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let unix_ms = u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX);
        let off_ms = unix_ms.abs_diff(self.core.unix_ms(self.now));
        if off_ms < CLOCK_OFF_MS_MAX {
            return;
        }
        if self.id == 0 && off_ms >= CLOCK_SET_MS {
            let by = if unix_ms > self.core.unix_ms(self.now) { "forward" } else { "back" };
            tracing::warn!("the clock of this machine was set {by} by {} s", off_ms / 1000);
        }
        self.core.handle_input(self.now, Input::Clock { unix_ms });
    }

    /// Ends what has been idle, or ending, or in the middle of a message, for too long.
    pub(super) fn sweep(&mut self) {
        self.enter();
        let idle_time = Duration::from_secs(self.limits.idle_secs_max);
        let closing_time = Duration::from_secs(self.limits.closing_secs_max);
        let now = self.now;
        let stuck: Vec<FlowId> = self.flows_where(|flow| flow.is_closing_longer_than(now, closing_time)).collect();
        let idle: Vec<FlowId> =
            self.flows_where(|flow| !flow.is_closing() && flow.is_idle_longer_than(now, idle_time)).collect();
        let message_time = Duration::from_secs(self.limits.message_secs_max);
        let slow: Vec<FlowId> = self.flows_where(|flow| flow.is_partial_longer_than(now, message_time)).collect();
        for id in stuck {
            self.end(id, Fate::Ended);
        }
        self.ask_silent_peers();
        self.read_clock();
        for id in idle {
            self.counters.flows_idle_ended += 1;
            self.close(id);
        }
        for id in slow {
            tracing::debug!(flow = ?id, "a message does not come to its end");
            self.counters.slow_writers_ended += 1;
            self.close(id);
        }
        self.finish();
    }

    /// Of WebSockets only: whether the peer is there is asked, and a peer that is not is given up.
    fn ask_silent_peers(&mut self) {
        let (now, silent_time) = (self.now, Duration::from_secs(self.limits.web_socket_silent_secs_max));
        let gone: Vec<FlowId> = self.flows_where(|flow| flow.is_unanswered_for(now, silent_time)).collect();
        for id in gone {
            self.counters.web_sockets_silent_ended += 1;
            self.end(id, Fate::Ended);
        }
        let ping_time = Duration::from_secs(self.limits.web_socket_ping_secs);
        let asked = self.flows.iter_mut().filter_map(|(id, flow)| flow.ping_after(now, ping_time).then_some(*id));
        for id in asked.collect::<Vec<_>>() {
            self.mark_dirty(id);
        }
    }

    fn flows_where(&self, condition: impl Fn(&StreamFlow) -> bool) -> impl Iterator<Item = FlowId> {
        self.flows.iter().filter(move |(_, flow)| condition(flow)).map(|(id, _)| *id)
    }
}

/// Clocks are kept right by small steps, which change nothing that is told by them.
const CLOCK_OFF_MS_MAX: u64 = 250;
/// So much is worth a word.
const CLOCK_SET_MS: u64 = 2_000;
