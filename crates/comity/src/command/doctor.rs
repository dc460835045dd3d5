//! `comity doctor`

use std::process::ExitCode;

use clap::{Args, Subcommand};
use server::control::answers::{Advice, DoctorAnswer, Finding, FindingState};
use server::domain;

use super::Global;
use crate::client::{Client, segment};
use crate::configuration;
use crate::failure::Failure;
use crate::table::count;

pub const EXAMPLES: &str = "\
Examples:
  comity doctor                            this server, as partners find it
  comity doctor partner fabrikam.example   the way to a partner, and what its server answers
  comity doctor --json | jq '.findings[] | select(.state == \"wrong\")'

Succeeds if nothing is wrong; a doubt is no fault.";

#[derive(Debug, Args)]
pub struct DoctorArguments {
    #[command(subcommand)]
    whom: Option<Whom>,
}

#[derive(Debug, Subcommand)]
enum Whom {
    /// Look at the way to a partner, and ask its server for its abilities (OPTIONS)
    #[command(after_help = "Example:\n  comity doctor partner fabrikam.example")]
    Partner {
        /// The partner's SIP domain: the part after the @
        #[arg(value_parser = domain::parse)]
        domain: String,
    },
}

/// Looks at everything, and prints each question with what was seen.
pub async fn run(global: &Global, arguments: &DoctorArguments) -> Result<ExitCode, Failure> {
    let config = configuration::load_settings(global.config_file())?;
    let mut client = Client::to_server_or_store(config).await?;
    let path = match &arguments.whom {
        None => "/api/doctor".to_owned(),
        Some(Whom::Partner { domain }) => format!("/api/doctor/{}", segment(domain)),
    };
    let answer: DoctorAnswer = client.get(&path).await?;
    global.print(&answer, || print(&answer))?;
    Ok(if answer.is_well() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(answer: &DoctorAnswer) {
    answer.findings.iter().for_each(print_finding);
    let of = |state| answer.findings.iter().filter(|finding| finding.state == state).count() as u64;
    let asked = count(answer.findings.len() as u64, "question", "questions");
    let (wrong, doubtful) = (of(FindingState::Wrong), of(FindingState::Doubtful));
    println!("{asked}: {wrong} wrong, {doubtful} doubtful, {} unknown", of(FindingState::Unknown));
}

fn print_finding(Finding { id, question, state, evidence, advice }: &Finding) {
    println!("{:<8} {id}: {question}", state.as_str());
    evidence.iter().for_each(|seen| println!("         {seen}"));
    if let Some(Advice { verdict, next, side, sure }) = advice {
        println!("         verdict:    {verdict}\n         how sure:   {}", sure.as_str());
        println!("         next:       {next}\n         whose side: {}", side.as_str());
    }
}
