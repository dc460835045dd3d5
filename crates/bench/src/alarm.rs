//! Wakes a poll to the microsecond; its own timeout is of whole milliseconds, in which a server may have answered long ago.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

/// One alarm at a time.
pub struct Alarm {
    timer: TimerFd,
}

impl Alarm {
    pub fn new(registry: &Registry, token: Token) -> io::Result<Alarm> {
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC)?;
        registry.register(&mut SourceFd(&timer.as_fd().as_raw_fd()), token, Interest::READABLE)?;
        Ok(Alarm { timer })
    }

    /// In place of the one that was set. What has rung and was not looked at is forgotten.
    pub fn set(&self, from_now: Duration) -> io::Result<()> {
        let from_now = TimeSpec::from_duration(from_now.max(Duration::from_nanos(1)));
        Ok(self.timer.set(Expiration::OneShot(from_now), TimerSetTimeFlags::empty())?)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use mio::{Events, Poll};

    use super::*;

    #[test]
    fn it_wakes_before_a_poll_would_by_itself() {
        let mut poll = Poll::new().unwrap();
        let alarm = Alarm::new(poll.registry(), Token(7)).unwrap();
        let mut events = Events::with_capacity(4);
        for _ in 0..3 {
            let begun = Instant::now();
            alarm.set(Duration::from_micros(200)).unwrap();
            poll.poll(&mut events, Some(Duration::from_secs(5))).unwrap();
            assert_eq!(events.iter().map(|event| event.token()).collect::<Vec<_>>(), [Token(7)]);
            assert!(begun.elapsed() >= Duration::from_micros(200));
        }
    }
}
