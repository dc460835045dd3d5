//! `cargo run --release -p bench`: load for a server of this machine, and what it costs the server; ours and others in turn.
//! The load stays on loopback and stops by itself.

mod alarm;
mod alone;
mod answering;
mod certificate;
mod compare;
mod connections;
mod flame;
mod latency;
mod load;
mod measure;
mod mixer;
mod scene;
mod usage;
mod wire;
mod work;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::ensure;
use clap::{Args, Parser, Subcommand, ValueEnum};
use rustls_pki_types::ServerName;
use serde_json::json;

use answering::Answering;
use load::{Door, Moment, Pace, Shape};
use work::{Parties, Work};

#[derive(Parser)]
#[command(about = "Load for SIP servers on this machine, and what it costs them")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Asks a server the same again and again; prints JSON
    Load(LoadArguments),
    /// Says 200 to everything, over TCP and UDP on this port of 127.0.0.1, for a time
    Answer {
        #[arg(long)]
        port: u16,
        #[arg(long, default_value_t = 600)]
        secs: u64,
    },
    /// The same work through ours and a peer, in turn
    Compare(CompareArguments),
    /// A meeting's sound through ours and through Debian's Janus, in turn
    Mixer(mixer::MixerArguments),
    /// One measure of one server
    Alone(alone::AloneArguments),
    /// A picture of what perf recorded
    Flame(flame::FlameArguments),
}

#[derive(Args)]
struct LoadArguments {
    /// Of this machine
    #[arg(long, value_name = "ADDRESS:PORT")]
    server: SocketAddr,
    #[arg(long, value_enum, default_value_t = Transport::Tls)]
    transport: Transport,
    #[arg(long, value_enum, default_value_t = Work::Message)]
    work: Work,
    /// Domain of those who ask
    #[arg(long, default_value = scene::PARTNER)]
    from: String,
    /// Domain of those who are asked
    #[arg(long, default_value = scene::DOMAIN)]
    to: String,
    /// user0, user1 and so on, of each domain
    #[arg(long, default_value_t = 128)]
    users: usize,
    #[arg(long, default_value = scene::PASSWORD)]
    password: String,
    /// PEM, to show by TLS
    #[arg(long, requires = "key")]
    chain: Option<PathBuf>,
    #[arg(long)]
    key: Option<PathBuf>,
    #[arg(long, default_value_t = measure::CONNECTIONS)]
    connections: usize,
    /// Conversations at once on each connection
    #[arg(long, default_value_t = measure::OUTSTANDING, conflicts_with = "rate")]
    outstanding: usize,
    /// Conversations that begin in a second, however slow the answers are
    #[arg(long)]
    rate: Option<f64>,
    #[arg(long, default_value_t = 2)]
    warm_up_secs: u64,
    #[arg(long, default_value_t = 10)]
    secs: u64,
    /// The server's process, to tell its processor time and memory
    #[arg(long)]
    pid: Option<u32>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Transport {
    Tls,
    Tcp,
    Udp,
}

#[derive(Args)]
struct CompareArguments {
    #[arg(value_enum)]
    peer: compare::Peer,
    /// Every raw figure
    #[arg(long)]
    json: bool,
    /// How often each has its turn
    #[arg(long, default_value_t = 3)]
    pairs: usize,
    /// How long each figure is measured
    #[arg(long, default_value_t = 6)]
    secs: u64,
    /// Leave out other numbers of partners and of workers
    #[arg(long)]
    no_series: bool,
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Load(arguments) => put_load(&arguments),
        Command::Answer { port, secs } => {
            let answering = Answering::begin(port)?;
            eprintln!("answering at {} for {secs} s", answering.address);
            std::thread::sleep(Duration::from_secs(secs));
            Ok(())
        }
        Command::Compare(arguments) => compare(&arguments),
        Command::Mixer(arguments) => mixer::run(&arguments),
        Command::Alone(arguments) => alone::run(&arguments),
        Command::Flame(arguments) => flame::draw(&arguments),
    }
}

fn put_load(arguments: &LoadArguments) -> anyhow::Result<()> {
    ensure!(arguments.server.ip().is_loopback(), "{} is not of this machine", arguments.server);
    let door = match arguments.transport {
        Transport::Tcp => Door::Tcp(arguments.server),
        Transport::Udp => Door::Udp(arguments.server),
        Transport::Tls => {
            let config = certificate::client_config(arguments.chain.as_deref().zip(arguments.key.as_deref()))?;
            Door::Tls(arguments.server, config, ServerName::try_from(arguments.to.clone())?)
        }
    };
    let (from, to) = (arguments.from.clone(), arguments.to.clone());
    let parties = Parties { from, to, users: arguments.users, password: arguments.password.clone() };
    let shape = Shape {
        connections: arguments.connections,
        pace: arguments.rate.map_or(Pace::Outstanding(arguments.outstanding), Pace::PerSecond),
        warm_up: Duration::from_secs(arguments.warm_up_secs),
        lasts: Duration::from_secs(arguments.secs),
    };
    connections::allow_files(shape.connections as u64 + 64)?;
    let (mut used, mut memory) = (Duration::ZERO, 0);
    let outcome = load::run(&door, (arguments.work, &parties), shape, |moment| {
        let Some(pid) = arguments.pid else { return Ok(()) };
        let now = usage::processor_time(pid)?;
        used = if moment == Moment::Begun { now } else { now.saturating_sub(used) };
        memory = usage::memory(pid)?;
        Ok(())
    })?;
    let server = arguments.pid.map(|_| json!({ "cpu_secs": used.as_secs_f64(), "memory_bytes": memory }));
    println!("{}", json!({ "work": arguments.work, "shape": shape, "outcome": outcome, "server": server }));
    Ok(())
}

fn compare(arguments: &CompareArguments) -> anyhow::Result<()> {
    let lasts = Duration::from_secs(arguments.secs);
    let times = measure::Times { warm_up: lasts / 3, lasts };
    let amount = compare::Amount { pairs: arguments.pairs, times, series: !arguments.no_series };
    let report = compare::run(arguments.peer, amount)?;
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{report}");
    }
    Ok(())
}
