//! One figure after the other, of a server that runs.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::connections::{self, Idle};
use crate::load::{self, Door, Moment, Outcome, Pace, Shape};
use crate::scene::{DOMAIN, PARTNER, PASSWORD, Running};
use crate::usage;
use crate::work::{Parties, Work};

/// By name, with the unit at its end.
pub type Figures = BTreeMap<&'static str, f64>;

/// How long each figure is measured.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Times {
    pub warm_up: Duration,
    pub lasts: Duration,
}

/// The load of every comparison: what an edge between two busy organisations sees.
pub const CONNECTIONS: usize = 16;
pub const OUTSTANDING: usize = 8;

/// A partner's requests.
///
/// # Errors
/// When connections end, or more than one of a thousand requests fail.
pub fn federated(server: &Running, work: Work, pace: Pace, times: Times) -> anyhow::Result<Figures> {
    let (from, to) = (PARTNER.to_owned(), DOMAIN.to_owned());
    let parties = Parties { from, to, users: 128, password: String::new() };
    requests(server, &server.partner_door(), (work, &parties), pace, times)
}

/// Users who sign in again and again, through one of the server's doors.
///
/// # Errors
/// As of [`federated`].
pub fn registrations(server: &Running, door: &Door, users: usize, times: Times) -> anyhow::Result<Figures> {
    let domain = DOMAIN.to_owned();
    let parties = Parties { from: domain.clone(), to: domain, users, password: PASSWORD.to_owned() };
    let pace = Pace::Outstanding(users / CONNECTIONS);
    requests(server, door, (Work::Register, &parties), pace, times)
}

fn requests(
    server: &Running,
    door: &Door,
    work: (Work, &Parties),
    pace: Pace,
    Times { warm_up, lasts }: Times,
) -> anyhow::Result<Figures> {
    let shape = Shape { connections: CONNECTIONS, pace, warm_up, lasts };
    let meter = Meter::of(server);
    let outcome = load::run(door, work, shape, |moment| meter.note(moment))?;
    outcome.check()?;
    Ok(meter.figures(&outcome))
}

/// New connections with a whole handshake, certificates on both sides.
///
/// # Errors
/// When none comes up.
pub fn handshakes(server: &Running, Times { warm_up, lasts }: Times) -> anyhow::Result<Figures> {
    let meter = Meter::of(server);
    let outcome =
        connections::make(&server.partner_door(), CONNECTIONS, (warm_up, lasts), |moment| meter.note(moment))?;
    outcome.check()?;
    Ok(meter.figures(&outcome))
}

/// What connections cost that say nothing.
///
/// # Errors
/// When one is refused or ended.
pub fn idle_connections(server: &Running, count: usize) -> anyhow::Result<Figures> {
    let before = usage::memory(server.pid())?;
    let mut idle = Idle::open(&server.partner_door(), count)?;
    std::thread::sleep(SETTLE);
    let after = usage::memory(server.pid())?;
    let gone = idle.gone();
    anyhow::ensure!(gone == 0, "{gone} of {count} idle connections were ended");
    #[expect(clippy::cast_precision_loss, reason = "memory has fewer bytes than a float has digits")]
    let each = after.saturating_sub(before) as f64 / count as f64;
    Ok(Figures::from([("bytes_each", each)]))
}

/// A server that has just started.
///
/// # Errors
/// When it has ended.
pub fn at_rest(server: &Running) -> anyhow::Result<Figures> {
    std::thread::sleep(SETTLE);
    #[expect(clippy::cast_precision_loss, reason = "memory has fewer bytes than a float has digits")]
    let bytes = usage::memory(server.pid())? as f64;
    Ok(Figures::from([("ready_ms", server.ready_after.as_secs_f64() * 1e3), ("memory_mb", bytes / 1e6)]))
}

/// The server's time on a core between two moments.
struct Meter {
    pid: u32,
    begun: Cell<Duration>,
    used: Cell<Duration>,
}

impl Meter {
    fn of(server: &Running) -> Meter {
        Meter { pid: server.pid(), begun: Cell::default(), used: Cell::default() }
    }

    fn note(&self, moment: Moment) -> anyhow::Result<()> {
        let now = usage::processor_time(self.pid)?;
        match moment {
            Moment::Begun => self.begun.set(now),
            Moment::Over => self.used.set(now.saturating_sub(self.begun.get())),
        }
        Ok(())
    }

    fn figures(&self, outcome: &Outcome) -> Figures {
        #[expect(clippy::cast_precision_loss, reason = "a run has fewer transactions than a float has digits")]
        let cpu_us = self.used.get().as_secs_f64() * 1e6 / outcome.transactions.max(1) as f64;
        let latency = outcome.latency_us;
        Figures::from([
            ("per_second", outcome.per_second),
            ("cpu_us", cpu_us),
            ("p50_us", latency.p50),
            ("p99_us", latency.p99),
        ])
    }
}

const SETTLE: Duration = Duration::from_secs(1);
