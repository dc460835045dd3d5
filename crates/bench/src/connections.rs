//! Connections alone: how many a server takes in a second, and what those cost that say nothing.

use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use mio::{Events, Poll, Token};

use crate::latency::Latencies;
use crate::load::{Door, Moment, Outcome};
use crate::wire::{Wire, wait};

/// A connection that is being made. It is up once the server has answered a ping on it (RFC 5626 section 3.5.1): with TLS 1.3
/// a client is ready before the server has seen its certificate.
struct Newcomer {
    wire: Wire,
    begun: Instant,
    has_asked: bool,
}

impl Newcomer {
    fn begin(poll: &Poll, door: &Door, token: Token) -> anyhow::Result<Newcomer> {
        let begun = Instant::now();
        let mut wire = door.open().context("cannot connect")?;
        wire.register(poll.registry(), token)?;
        Ok(Newcomer { wire, begun, has_asked: false })
    }

    /// Whether it is up.
    fn handle_event(&mut self) -> anyhow::Result<bool> {
        self.wire.flush()?;
        self.wire.receive(drop)?;
        if self.wire.is_up() && !self.has_asked {
            self.has_asked = true;
            self.wire.send(PING);
        }
        self.wire.flush()?;
        Ok(self.wire.pongs > 0)
    }
}

/// Makes connections, so many at once, and ends each when it is up.
///
/// # Errors
/// When the server takes none.
pub fn make(
    door: &Door,
    at_once: usize,
    (warm_up, lasts): (Duration, Duration),
    mut at: impl FnMut(Moment) -> anyhow::Result<()>,
) -> anyhow::Result<Outcome> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(1024);
    let mut newcomers = Vec::new();
    for number in 0..at_once {
        newcomers.push(Newcomer::begin(&poll, door, Token(number))?);
    }
    let mut outcome = Outcome::default();
    let mut latencies = Latencies::new();
    let mut counted = Instant::now() + warm_up;
    let mut is_counting = false;
    while !is_counting || counted.elapsed() < lasts {
        if !is_counting && Instant::now() >= counted {
            (is_counting, counted, latencies) = (true, Instant::now(), Latencies::new());
            at(Moment::Begun)?;
        }
        wait(&mut poll, &mut events, Duration::from_millis(50))?;
        for event in &events {
            let number = event.token().0;
            let newcomer = &mut newcomers[number];
            match newcomer.handle_event() {
                Ok(false) => continue,
                Ok(true) => latencies.record(newcomer.begun.elapsed()),
                Err(error) => *outcome.failures.entry(format!("{error:#}")).or_default() += 1,
            }
            newcomers[number] = Newcomer::begin(&poll, door, Token(number))?;
        }
    }
    at(Moment::Over)?;
    outcome.secs = counted.elapsed().as_secs_f64();
    outcome.transactions = latencies.count();
    #[expect(clippy::cast_precision_loss, reason = "a run has fewer handshakes than a float has digits")]
    let per_second = outcome.transactions as f64 / outcome.secs;
    (outcome.per_second, outcome.latency_us) = (per_second, latencies.percentiles());
    Ok(outcome)
}

/// Connections that say nothing, as long as this lives.
pub struct Idle {
    newcomers: Vec<Newcomer>,
}

impl Idle {
    /// Makes so many, a few at once.
    ///
    /// # Errors
    /// When one is refused.
    pub fn open(door: &Door, count: usize) -> anyhow::Result<Idle> {
        let mut idle = Idle { newcomers: Vec::with_capacity(count) };
        while idle.newcomers.len() < count {
            let first = idle.newcomers.len();
            idle.open_some(door, (count - first).min(AT_ONCE)).with_context(|| format!("after {first} connections"))?;
        }
        Ok(idle)
    }

    fn open_some(&mut self, door: &Door, count: usize) -> anyhow::Result<()> {
        let mut poll = Poll::new()?;
        let mut events = Events::with_capacity(AT_ONCE);
        let first = self.newcomers.len();
        for number in first..first + count {
            self.newcomers.push(Newcomer::begin(&poll, door, Token(number))?);
        }
        let mut are_up = 0;
        let deadline = Instant::now() + GIVE_UP;
        while are_up < count {
            ensure!(Instant::now() < deadline, "{} of {count} connections do not come up", count - are_up);
            wait(&mut poll, &mut events, Duration::from_millis(50))?;
            for event in &events {
                let newcomer = &mut self.newcomers[event.token().0];
                let was_up = newcomer.wire.pongs > 0;
                are_up += usize::from(newcomer.handle_event()? && !was_up);
            }
        }
        Ok(())
    }

    /// How many the server has ended meanwhile.
    pub fn gone(&mut self) -> usize {
        self.newcomers.iter_mut().map(|newcomer| usize::from(newcomer.wire.receive(drop).is_err())).sum()
    }
}

/// # Errors
/// When this process may not have so many files open.
pub fn allow_files(count: u64) -> anyhow::Result<()> {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft < count {
        if hard < count {
            bail!("{count} files are needed at once, and ulimit -Hn is {hard}");
        }
        setrlimit(Resource::RLIMIT_NOFILE, count, hard)?;
    }
    Ok(())
}

const PING: &[u8] = b"\r\n\r\n";
/// Below what a server takes of unfinished handshakes from one address.
const AT_ONCE: usize = 16;
const GIVE_UP: Duration = Duration::from_secs(10);
