//! Ours and a peer, in turn on the same cores with the same work: medians and ratios.

mod kamailio;
mod ours;
mod report;

use std::collections::BTreeMap;

use anyhow::Context;
use clap::ValueEnum;
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;

use crate::answering::Answering;
use crate::connections::allow_files;
use crate::load::Pace;
use crate::measure::{self, Figures, OUTSTANDING, Times};
use crate::scene::{Job, Running, Scene};
use crate::work::Work;
pub use report::{Report, median};

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Peer {
    Kamailio,
}

/// How much of it.
#[derive(Clone, Copy, Debug)]
pub struct Amount {
    /// How often each of the two has its turn.
    pub pairs: usize,
    pub times: Times,
    /// Also with other numbers of partners and of workers.
    pub series: bool,
}

/// Who is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Contender {
    Comity,
    Kamailio,
}

impl Contender {
    /// Starts it on the cores given.
    ///
    /// # Errors
    /// When it is not there, or does not start.
    pub fn start(self, scene: &Scene, cores: &str) -> anyhow::Result<Running> {
        match self {
            Contender::Comity => ours::start(scene, cores),
            Contender::Kamailio => kamailio::start(scene, cores),
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Contender::Comity => "comity",
            Contender::Kamailio => "kamailio",
        }
    }
}

/// The figures of one turn, by what was measured.
pub type Turn = BTreeMap<String, Figures>;

/// # Errors
/// When a server does not start, or a measurement cannot be made.
pub fn run(peer: Peer, amount: Amount) -> anyhow::Result<Report> {
    make_room()?;
    let inside = Answering::begin(0)?;
    let Peer::Kamailio = peer;
    let mut contenders = [(Contender::Kamailio, Vec::new()), (Contender::Comity, Vec::new())];
    let mut rate = None;
    for number in 0..amount.pairs {
        for (contender, turns) in &mut contenders {
            let (contender, name) = (*contender, contender.as_str());
            let is_first = number == 0;
            eprintln!("turn {} of {}: {name}", number + 1, amount.pairs);
            let mut turn = Turn::new();
            let whole = edge(contender, inside.address, amount.times, &mut rate, &mut turn).and_then(|()| {
                registrar(contender, inside.address, amount.times, &mut turn)?;
                if amount.series && is_first {
                    series(contender, inside.address, amount.times, &mut turn);
                }
                Ok(())
            });
            whole.with_context(|| format!("{name}, turn {}", number + 1))?;
            turns.push(turn);
        }
    }
    let [(_, theirs), (_, ours)] = contenders;
    Ok(Report::new("kamailio", amount, (&ours, &theirs)))
}

/// An edge on one core with ten thousand partners. `rate`: half of what the peer took at most, once that is known.
fn edge(
    contender: Contender,
    inside: std::net::SocketAddr,
    times: Times,
    rate: &mut Option<f64>,
    turn: &mut Turn,
) -> anyhow::Result<()> {
    let scene = Scene { job: Job::Edge, partners: PARTNERS, workers: 1, inside };
    let server = contender.start(&scene, SERVER)?;
    note(turn, "at-rest", measure::at_rest(&server)?);
    let most = Pace::Outstanding(OUTSTANDING);
    let message = measure::federated(&server, Work::Message, most, times)?;
    let half = message["per_second"] / 2.0;
    note(turn, "message", message);
    let same = *rate.get_or_insert(half);
    note(turn, "message-half", measure::federated(&server, Work::Message, Pace::PerSecond(half), times)?);
    note(turn, "message-same", measure::federated(&server, Work::Message, Pace::PerSecond(same), times)?);
    note(turn, "call", measure::federated(&server, Work::Call, most, times)?);
    note(turn, "handshake", measure::handshakes(&server, times)?);
    drop(server);
    for count in [1_000, 10_000] {
        // Each with a new server: memory that was once used is not seen to be used again.
        let server = contender.start(&scene, SERVER)?;
        match measure::idle_connections(&server, count) {
            Ok(figures) => note(turn, &format!("idle-{count}"), figures),
            Err(error) => eprintln!("  {count} idle connections: {error:#}"),
        }
    }
    Ok(())
}

fn registrar(contender: Contender, inside: std::net::SocketAddr, times: Times, turn: &mut Turn) -> anyhow::Result<()> {
    let scene = Scene { job: Job::Registrar { users: USERS }, partners: 1, workers: 1, inside };
    let server = contender.start(&scene, SERVER)?;
    note(turn, "register", measure::registrations(&server, &server.phone_door(), USERS, times)?);
    note(turn, "register-udp", measure::registrations(&server, &server.datagram_door(), USERS, times)?);
    Ok(())
}

/// The same messages with other lists of partners, and on two cores. What cannot be measured is said and left out: it must
/// not take what was measured before with it.
fn series(contender: Contender, inside: std::net::SocketAddr, times: Times, turn: &mut Turn) {
    let most = Pace::Outstanding(OUTSTANDING);
    let lists = [10, 1_000, 100_000].map(|partners| (format!("message-{partners}-partners"), partners, 1, SERVER));
    for (name, partners, workers, cores) in
        lists.into_iter().chain([("message-2-workers".to_owned(), PARTNERS, 2, BOTH)])
    {
        let started = contender.start(&Scene { job: Job::Edge, partners, workers, inside }, cores);
        match started.and_then(|server| measure::federated(&server, Work::Message, most, times)) {
            Ok(figures) => note(turn, &name, figures),
            Err(error) => eprintln!("  {name}: {error:#}"),
        }
    }
}

fn note(turn: &mut Turn, name: &str, figures: Figures) {
    let text: Vec<String> = figures.iter().map(|(name, value)| format!("{name} {value:.1}")).collect();
    eprintln!("  {name}: {}", text.join(", "));
    turn.insert(name.to_owned(), figures);
}

/// For the many connections of one process, and a core for its two sides: the generator and the answering peer.
///
/// # Errors
/// On a machine of one core, or where so many files are not allowed.
pub fn make_room() -> anyhow::Result<()> {
    allow_files(FILES)?;
    stay_on_core(GENERATOR)
}

/// Those of a server.
pub const fn cores(workers: usize) -> &'static str {
    if workers > 1 { BOTH } else { SERVER }
}

fn stay_on_core(core: usize) -> anyhow::Result<()> {
    let mut cores = CpuSet::new();
    cores.set(core)?;
    sched_setaffinity(Pid::from_raw(0), &cores).context("this needs a machine of two cores")
}

const PARTNERS: usize = 10_000;
pub const USERS: usize = 128;
const SERVER: &str = "0";
const GENERATOR: usize = 1;
const BOTH: &str = "0,1";
const FILES: u64 = 16_384;
