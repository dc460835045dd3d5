//! One server, one measure, as a comparison takes it: for a profiler, and to see what a change brings.

use std::path::PathBuf;
use std::process::{Child, Command};

use anyhow::Context;
use clap::{Args, ValueEnum};
use serde_json::json;

use crate::answering::Answering;
use crate::compare::{self, Contender};
use crate::load::Pace;
use crate::measure::{self, Figures, OUTSTANDING, Times};
use crate::scene::{Job, Running, Scene};
use crate::work::Work;

#[derive(Args)]
pub struct AloneArguments {
    #[arg(value_enum)]
    server: Contender,
    #[arg(value_enum)]
    what: What,
    /// Conversations that begin in a second; without it as many as it takes
    #[arg(long)]
    rate: Option<f64>,
    #[arg(long, default_value_t = 10_000)]
    partners: usize,
    #[arg(long, default_value_t = 1)]
    workers: usize,
    #[arg(long, default_value_t = 6)]
    secs: u64,
    /// That say nothing
    #[arg(long, default_value_t = 1_000)]
    idle: usize,
    /// Let perf record what the server does meanwhile
    #[arg(long, value_name = "FILE")]
    perf: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    Message,
    Call,
    Subscribe,
    Register,
    /// The same by datagrams
    RegisterUdp,
    Handshake,
    /// Connections that say nothing
    Idle,
    /// A server that has nothing to do
    Rest,
}

/// # Errors
/// When the server does not start or the measurement cannot be made.
pub fn run(arguments: &AloneArguments) -> anyhow::Result<()> {
    compare::make_room()?;
    let inside = Answering::begin(0)?;
    let job = match arguments.what {
        What::Register | What::RegisterUdp => Job::Registrar { users: compare::USERS },
        _ => Job::Edge,
    };
    let partners = if job == Job::Edge { arguments.partners } else { 1 };
    let scene = Scene { job, partners, workers: arguments.workers, inside: inside.address };
    let server = arguments.server.start(&scene, compare::cores(arguments.workers))?;
    let recorder = arguments.perf.as_ref().map(|file| record(file, server.pid(), arguments.secs)).transpose()?;
    let figures = figures(&server, arguments)?;
    println!("{}", json!({ "scene": scene, "figures": figures }));
    if let Some(mut recorder) = recorder {
        recorder.wait()?;
    }
    Ok(())
}

fn figures(server: &Running, arguments: &AloneArguments) -> anyhow::Result<Figures> {
    let lasts = std::time::Duration::from_secs(arguments.secs);
    let times = Times { warm_up: lasts / 3, lasts };
    let pace = arguments.rate.map_or(Pace::Outstanding(OUTSTANDING), Pace::PerSecond);
    match arguments.what {
        What::Message => measure::federated(server, Work::Message, pace, times),
        What::Call => measure::federated(server, Work::Call, pace, times),
        What::Subscribe => measure::federated(server, Work::Subscribe, pace, times),
        What::Register => measure::registrations(server, &server.phone_door(), compare::USERS, times),
        What::RegisterUdp => measure::registrations(server, &server.datagram_door(), compare::USERS, times),
        What::Handshake => measure::handshakes(server, times),
        What::Idle => measure::idle_connections(server, arguments.idle),
        What::Rest => measure::at_rest(server),
    }
}

/// From the end of the warming up.
fn record(file: &std::path::Path, pid: u32, secs: u64) -> anyhow::Result<Child> {
    let (delay, lasts) = ((secs * 1_000 / 3).to_string(), (secs * 4 / 3).to_string());
    let pid = pid.to_string();
    Command::new("perf")
        .args([
            "record",
            "--quiet",
            "-e",
            "cpu-clock",
            "-F",
            "499",
            "--call-graph",
            "dwarf,65528",
            "--delay",
            &delay,
            "-p",
            &pid,
            "-o",
        ])
        .arg(file)
        .args(["--", "sleep", &lasts])
        .spawn()
        .context("perf is not installed: apt-get install linux-perf")
}
