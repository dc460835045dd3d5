//! Those whom nobody entered, where anybody may come: many domains that send what nobody asked for, try names, look like
//! others, and send what is broken or does not go on; beside honest people, an allowed partner and an honest partner without an entry.
//!
//! Each domain has its own certificate of the test's authority, which names it: nobody has to ask the DNS who he is.

mod broken;
mod lingering;
mod look_alikes;
mod names;
mod row;
mod spam;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use certificates::ServedIdentity;
use clap::Args;

use crate::honest::Honest;
use crate::report;
use crate::server::Server;
use row::{Harm, Row};

/// How much of it.
#[derive(Args)]
pub struct Amount {
    /// Domains without an entry
    #[arg(long, value_name = "COUNT", default_value_t = 20)]
    domains: usize,
    /// Messages that nobody asked for
    #[arg(long, value_name = "COUNT", default_value_t = 50_000)]
    messages: usize,
    /// Names that are tried
    #[arg(long, value_name = "COUNT", default_value_t = 2_000)]
    names: usize,
}

/// One of them, with what it proves itself by.
pub struct Stranger {
    pub domain: String,
    pub identity: Arc<ServedIdentity>,
}

/// What the attacks work with.
pub struct Field<'a> {
    pub server: &'a Server,
    pub strangers: Vec<Stranger>,
}

impl<'a> Field<'a> {
    fn new(server: &'a Server, name: &str, domains: usize) -> anyhow::Result<Field<'a>> {
        let stranger = |number| {
            let domain = format!("{name}-stranger{number}.example");
            anyhow::Ok(Stranger { identity: server.certify(&domain)?, domain })
        };
        Ok(Field { server, strangers: (0..domains).map(stranger).collect::<Result<_, _>>()? })
    }
}

/// What has no amount lasts `lasts`.
pub fn run(amount: &Amount, lasts: Duration) -> anyhow::Result<ExitCode> {
    let there: Vec<String> = (0..amount.names.div_ceil(100)).map(names::there).collect();
    let users = crate::USERS.into_iter().chain(spam::VICTIMS).chain(there.iter().map(String::as_str));
    let server = Server::start_open(&users.collect::<Vec<_>>())?;
    // Each attack is of others: what was learnt of those before must not help.
    let field = |name| Field::new(&server, name, amount.domains);
    let (patient, quick, loud, clumsy) = (field("patient")?, field("quick")?, field("loud")?, field("clumsy")?);
    let honest = Honest::begin(&server.doors).context("honest people cannot sign in")?;
    std::thread::sleep(SETTLE);
    row::print_head();
    let (mut problems, mut slowest) = (Vec::new(), Vec::new());
    let mut perform = |name, attack: &dyn Fn() -> anyhow::Result<Harm>| {
        let row = measured(&honest, name, attack)?;
        println!("{row}");
        problems.extend(row.problems());
        slowest.push(row.slowest());
        slowest.extend(row.harm.remark.map(|remark| format!("{name}: {remark}")));
        anyhow::Ok(())
    };
    perform("look-alikes", &|| look_alikes::show(&server))?;
    perform("names, tried patiently", &|| names::try_all(&patient, amount.names, Some(PATIENT_PER_SEC)))?;
    perform("names, as fast as can be", &|| names::try_all(&quick, amount.names, None))?;
    perform("messages that nobody asked for", &|| spam::pour(&loud, amount.messages))?;
    perform("malformed messages", &|| broken::pour(&clumsy, lasts))?;
    perform("half-open handshakes", &|| Ok(lingering::half_open(&clumsy, lasts)))?;
    perform("slow drips", &|| Ok(lingering::drip(&clumsy, lasts.max(lingering::DRIPS))))?;
    println!("{}", slowest.join("\n"));
    println!("memory at the end: {} MB", server.memory()? >> 20);
    Ok(report::verdict(&problems))
}

fn measured(honest: &Honest, name: &'static str, attack: &dyn Fn() -> anyhow::Result<Harm>) -> anyhow::Result<Row> {
    let begun = Instant::now();
    std::thread::sleep(IDLE);
    let attacked = Instant::now();
    let harm = attack()?;
    let ended = Instant::now().max(attacked + Duration::from_secs(1));
    std::thread::sleep(ended.saturating_duration_since(Instant::now()));
    Ok(Row {
        name,
        harm,
        lasted: ended - attacked,
        before: honest.summary(begun, attacked),
        during: honest.summary(attacked, ended),
    })
}

/// Half of what a discovered partner may send.
const PATIENT_PER_SEC: u32 = 10;
const SETTLE: Duration = Duration::from_secs(2);
const IDLE: Duration = Duration::from_secs(3);
