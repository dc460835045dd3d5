//! How much of a worker's time one flow or socket has before the others come first.

use std::time::{Duration, Instant};

use crate::Limits;

/// What is left of the turn of one flow or socket.
pub(crate) struct Turn {
    messages: usize,
    is_first: bool,
    until: Instant,
}

impl Turn {
    /// The time of a turn is for as many as share it.
    pub(crate) fn begin(now: Instant, limits: &Limits, sharing: u32) -> Turn {
        let time = Duration::from_millis(limits.turn_millis_max) / sharing.max(1);
        Turn { messages: limits.messages_per_turn_max, is_first: true, until: now + time }
    }

    /// The same for so many messages.
    pub(crate) fn of_messages(self, messages: usize) -> Turn {
        Turn { messages, ..self }
    }

    /// One message.
    pub(crate) fn of_one(now: Instant) -> Turn {
        Turn { messages: 1, is_first: true, until: now }
    }

    /// Whether one more message may be taken. The first one always may, so that every flow comes on.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        let may = self.messages > 0 && (self.is_first || now < self.until);
        self.is_first = false;
        self.messages -= usize::from(may);
        may
    }
}

/// How many flows have brought messages lately. Whoever comes anew waits for a turn of each of them, at every worker on the way
/// of his request and of its answer: so they share the time of one turn.
#[derive(Debug, Default)]
pub(crate) struct BusyFlows {
    window_began: Option<Instant>,
    window: Window,
    count: u32,
    count_before: u32,
}

/// The last time in which a flow brought a message.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window(u64);

impl BusyFlows {
    /// A message of a flow, with the mark that this left on the flow before.
    pub(crate) fn note(&mut self, now: Instant, last: &mut Window) {
        let age = self.window_began.map(|began| now.saturating_duration_since(began));
        if age.is_none_or(|age| age >= WINDOW_TIME) {
            self.count_before = if age.is_some_and(|age| age < 2 * WINDOW_TIME) { self.count } else { 0 };
            (self.window_began, self.count) = (Some(now), 0);
            self.window.0 += 1;
        }
        if *last != self.window {
            *last = self.window;
            self.count += 1;
        }
    }

    pub(crate) fn count(&self) -> u32 {
        self.count.max(self.count_before)
    }
}

/// Longer than all busy flows need for a turn of each, else some were not counted; so short that those who are done are soon
/// forgotten.
const WINDOW_TIME: Duration = Duration::from_millis(20);
/// Bytes that wait to be written on a flow whose peer does not read as fast as it asks. Not read from at all, two servers
/// that answer each other on one connection could wait for each other for ever.
pub(crate) const BEHIND_BYTES: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(mut turn: Turn, begun: Instant, millis: [u64; 4]) -> [bool; 4] {
        millis.map(|millis| turn.take(begun + Duration::from_millis(millis)))
    }

    #[test]
    fn a_turn_ends_with_its_messages_or_its_time_and_has_one_message_at_least() {
        let (limits, begun) =
            (Limits { messages_per_turn_max: 3, turn_millis_max: 5, ..Limits::default() }, Instant::now());
        let taken = |millis| taken(Turn::begin(begun, &limits, 1), begun, millis);
        assert_eq!(taken([0, 0, 1, 1]), [true, true, true, false]);
        assert_eq!(taken([0, 4, 5, 6]), [true, true, false, false]);
        assert_eq!(taken([9, 9, 9, 9]), [true, false, false, false]);
    }

    #[test]
    fn those_who_are_busy_share_the_time_of_one_turn() {
        let (limits, begun) = (Limits { turn_millis_max: 8, ..Limits::default() }, Instant::now());
        let shared = |sharing| taken(Turn::begin(begun, &limits, sharing), begun, [0, 1, 3, 7]);
        assert_eq!(shared(1), [true, true, true, true]);
        assert_eq!(shared(4), [true, true, false, false]);
        assert_eq!(shared(100), [true, false, false, false]);
        assert_eq!(taken(Turn::of_one(begun), begun, [0, 0, 0, 0]), [true, false, false, false]);
    }

    #[test]
    fn a_flow_is_busy_for_as_long_as_messages_come() {
        let begun = Instant::now();
        let after = |millis| begun + Duration::from_millis(millis);
        let (mut busy, mut flows) = (BusyFlows::default(), [Window::default(); 3]);
        for flow in [0, 1, 0, 2, 1] {
            busy.note(after(1), &mut flows[flow]);
        }
        assert_eq!(busy.count(), 3);
        busy.note(after(25), &mut flows[0]);
        assert_eq!(busy.count(), 3, "those of just before still count");
        busy.note(after(46), &mut flows[0]);
        assert_eq!(busy.count(), 1);
        busy.note(after(500), &mut flows[1]);
        assert_eq!(busy.count(), 1);
    }
}
