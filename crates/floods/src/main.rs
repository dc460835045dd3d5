//! `cargo run -p floods`: attacks a server of its own on this machine, while honest people use it, and prints what became
//! of them, of its memory and of the attackers.

mod answers;
mod attack;
mod caller;
mod honest;
mod line;
mod memory;
mod report;
mod server;
mod strangers;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Parser;

use attack::{Attack, MEMORY_MAX, Target};
use honest::Honest;
use memory::Watch;
use report::Row;
use server::Server;

/// Attacks a server on this machine, and measures it.
#[derive(Parser)]
struct Arguments {
    /// All attacks one after the other on one server, within a minute; fails, as without it, when the server is not alive,
    /// an honest request was not answered, it had or keeps more memory than it may, or a datagram was answered with more
    /// bytes than it had
    #[arg(long)]
    quick: bool,
    /// How long honest people are measured before each attack, and each attack lasts; with --strangers, each that has no
    /// amount of its own
    #[arg(long, value_name = "SECS", default_value_t = 15)]
    secs: u64,
    /// How often each attack is done: each time with a new server, and the best for the honest is shown; with --quick, one
    /// after the other on the same
    #[arg(long, value_name = "COUNT", default_value_t = 1)]
    runs: u32,
    /// Only attacks whose name has this in it
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,
    /// The attacks of those whom nobody entered, on a server that anybody may reach
    #[arg(long)]
    strangers: bool,
    #[command(flatten)]
    amount: strangers::Amount,
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    if arguments.strangers {
        return strangers::run(&arguments.amount, Duration::from_secs(arguments.secs.max(SECS_OF_STRANGERS_MIN)));
    }
    let attacks: Vec<&Attack> = attack::ALL.iter().filter(|attack| attack.name.contains(&arguments.only)).collect();
    anyhow::ensure!(!attacks.is_empty(), "no attack has \"{}\" in its name", arguments.only);
    if arguments.quick { quick(&attacks.repeat(arguments.runs as usize)) } else { full(&attacks, &arguments) }
}

fn full(attacks: &[&Attack], arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let length = Duration::from_secs(arguments.secs);
    report::print_head();
    let mut problems = Vec::new();
    for attack in attacks {
        let mut rows = Vec::new();
        for _ in 0..arguments.runs {
            let server = Server::start(&USERS)?;
            let honest = Honest::begin(&server.doors).context("honest people cannot sign in")?;
            std::thread::sleep(SETTLE);
            rows.push(perform(&server, &honest, attack, (length, length))?);
        }
        problems.extend(rows.iter().flat_map(|row| [row.problems(), row.kept()].concat()));
        let best = rows.into_iter().min_by_key(Row::honest_p99).context("no run")?;
        println!("{best}");
    }
    Ok(report::verdict(&problems))
}

fn quick(attacks: &[&Attack]) -> anyhow::Result<ExitCode> {
    let server = Server::start(&USERS)?;
    let honest = Honest::begin(&server.doors).context("honest people cannot sign in")?;
    std::thread::sleep(SETTLE);
    let first = server.memory()?;
    let mut problems = Vec::new();
    report::print_head();
    for attack in attacks {
        let row = perform(&server, &honest, attack, (Duration::from_millis(500), Duration::from_millis(1_500)))?;
        println!("{row}");
        problems.extend(row.problems());
    }
    std::thread::sleep(SETTLE);
    let last = server.memory()?;
    println!("memory: {} MB before the first, {} MB after the last", first >> 20, last >> 20);
    if last > first + MEMORY_MAX.kept {
        problems.push(format!("the server keeps {} MB more than it began with", (last - first) >> 20));
    }
    Ok(report::verdict(&problems))
}

/// One attack: `lengths` says how long honest people are measured before it, and how long it lasts.
fn perform(server: &Server, honest: &Honest, attack: &Attack, lengths: (Duration, Duration)) -> anyhow::Result<Row> {
    let memory_before = server.memory()?;
    let met_before = server.limits_met()?;
    let begun = Instant::now();
    std::thread::sleep(lengths.0);
    let attacked = Instant::now();
    let watch = Watch::begin(server.pid());
    let answers = (attack.run)(&Target { doors: server.doors.clone(), until: attacked + lengths.1 });
    let ended = Instant::now();
    let during = honest.summary(attacked, ended);
    let memory_peak = watch.end();
    // What was kept for connections goes with them.
    std::thread::sleep(if lengths.1 > Duration::from_secs(5) { SETTLE } else { Duration::ZERO });
    let mut limits_met = server.limits_met()?;
    for (limit, count) in &mut limits_met {
        *count -= met_before.get(limit).copied().unwrap_or(0);
    }
    limits_met.retain(|_, count| *count > 0);
    let memory = [memory_before, memory_peak, server.memory()?];
    let before = honest.summary(begun, attacked);
    let (attack, memory_max) = (attack.name, attack.memory_max);
    Ok(Row { attack, memory, memory_max, before, during, limits_met, answers })
}

const USERS: [&str; 7] = [
    "alice@contoso.example",
    "bob@contoso.example",
    "carol@contoso.example",
    "dave@contoso.example",
    "erin@contoso.example",
    "frank@contoso.example",
    "mallory@contoso.example",
];
/// A handshake that does not go on may be borne for some ten.
const SECS_OF_STRANGERS_MIN: u64 = 15;
const SETTLE: Duration = Duration::from_secs(2);
