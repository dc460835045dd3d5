//! The command line: what can be typed, and which file does it.

mod backup;
mod calls;
mod check;
mod completions;
mod consent;
mod definition;
mod discovered;
mod doctor;
mod drain;
mod edges;
mod init;
mod man;
mod meeting;
mod metrics;
mod partner;
mod plan;
mod policy;
mod provider;
mod reference;
mod restore;
mod route;
mod serve;
mod status;
mod terms;
mod user;
mod why;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{FromArgMatches, Parser, Subcommand};
pub use definition::{definition, is_command, with_subcommands};
use serde::Serialize;

use crate::demo::{self, DemoArguments};
use crate::failure::Failure;

/// SIP federation between organisations, by domain, without a provider between them.
#[derive(Debug, Parser)]
#[command(version, about, after_help = EXAMPLES, disable_help_subcommand = true)]
pub struct Arguments {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// What every command understands.
#[derive(Debug, Clone, clap::Args)]
pub struct Global {
    /// The configuration file [default: ./comity.toml, then /etc/comity/comity.toml]
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "COMITY_CONFIG",
        hide_env_values = true,
        display_order = 900
    )]
    config: Option<PathBuf>,
    /// Answer in JSON, for programs
    #[arg(long, global = true, display_order = 901)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Set up a new server: ask, then write comity.toml, a key and a certificate
    #[command(after_help = init::EXAMPLES)]
    Init(init::InitArguments),
    /// Run the server in the foreground, until SIGTERM or Ctrl-C
    #[command(after_help = serve::EXAMPLES)]
    Serve,
    /// Check the configuration and the certificate; start nothing
    #[command(after_help = check::EXAMPLES)]
    Check(check::CheckArguments),
    /// Show which certificate, DNS records and open ports the server needs, in Markdown
    #[command(after_help = plan::EXAMPLES)]
    Plan(plan::PlanArguments),
    /// Show what the running server is doing
    #[command(after_help = status::EXAMPLES)]
    Status,
    /// Make the running server take nothing new, and finish what is under way
    #[command(after_help = drain::EXAMPLES)]
    Drain,
    /// Print the running server's metrics, as Prometheus gets them
    #[command(after_help = metrics::EXAMPLES)]
    Metrics,
    /// Add, list and remove users; change their passwords
    #[command(subcommand, after_help = user::EXAMPLES)]
    User(user::UserCommand),
    /// Allow, block, list and show the domains to federate with
    #[command(subcommand, after_help = partner::EXAMPLES)]
    Partner(partner::PartnerCommand),
    /// Add, list and remove hosting providers, whose one edge serves many domains
    #[command(subcommand, after_help = provider::EXAMPLES)]
    Provider(provider::ProviderCommand),
    /// Set the external access policies: which users may speak to whom outside, and how
    #[command(subcommand, after_help = policy::EXAMPLES)]
    Policy(policy::PolicyCommand),
    /// Decide whom users hear from who want to be asked about first contacts
    #[command(subcommand, after_help = consent::EXAMPLES)]
    Consent(consent::ConsentCommand),
    /// Schedule meetings with people of any domain; list, show, change and cancel them
    #[command(subcommand, after_help = meeting::EXAMPLES)]
    Meeting(meeting::MeetingCommand),
    /// Show calls: who with whom, when, how long, how it sounded and why it ended
    #[command(after_help = calls::EXAMPLES)]
    Calls(calls::CallsArguments),
    /// Copy the database to a file, while the server runs
    #[command(after_help = backup::EXAMPLES)]
    Backup(backup::BackupArguments),
    /// Put such a copy in the database's place; the server has to be stopped
    #[command(after_help = restore::EXAMPLES)]
    Restore(restore::RestoreArguments),
    /// Walk the way to a partner now, step by step; show what is wrong and whose side it is
    #[command(after_help = route::EXAMPLES)]
    Route(route::RouteArguments),
    /// Look at this server, or the way to a partner; say what is wrong and what to do
    #[command(after_help = doctor::EXAMPLES)]
    Doctor(doctor::DoctorArguments),
    /// Show what was decided about a call or message, why, and what to do next
    #[command(after_help = why::EXAMPLES)]
    Why(why::WhyArguments),
    /// Run three federated organisations on this machine, to look at
    #[command(after_help = demo::EXAMPLES)]
    Demo(DemoArguments),
    /// Print the script that makes the Tab key complete commands and options in your shell
    #[command(after_help = completions::EXAMPLES)]
    Completions(completions::CompletionsArguments),
    /// Print the manual page comity(1), or write the page of every command
    #[command(after_help = man::EXAMPLES)]
    Man(man::ManArguments),
    /// Write the pages of docs/reference
    #[command(hide = true)]
    Reference(reference::ReferenceArguments),
}

/// What was typed; what cannot be understood ends the program with a word on how it is meant.
pub fn typed() -> Arguments {
    let matches = definition().get_matches_from(definition::spelled_out(std::env::args_os()));
    Arguments::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
}

/// Does what was typed.
pub fn run(Arguments { global, command }: Arguments) -> Result<ExitCode, Failure> {
    // It brings its own runtime, since it runs whole servers.
    if let Command::Demo(arguments) = command {
        return Ok(demo::run(arguments)?);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(error.to_string(), "check the limit of open files"))?;
    let outcome = runtime.block_on(async {
        match command {
            Command::Init(arguments) => init::run(&global, &arguments),
            Command::Serve => serve::run(&global).await,
            Command::Check(arguments) => check::run(&global, &arguments).await,
            Command::Plan(arguments) => plan::run(&global, &arguments),
            Command::Status => status::run(&global).await,
            Command::Drain => drain::run(&global).await,
            Command::Metrics => metrics::run(&global).await,
            Command::User(command) => user::run(&global, command).await,
            Command::Partner(command) => partner::run(&global, command).await,
            Command::Provider(command) => provider::run(&global, command).await,
            Command::Policy(command) => policy::run(&global, command).await,
            Command::Consent(command) => consent::run(&global, command).await,
            Command::Meeting(command) => meeting::run(&global, command).await,
            Command::Calls(arguments) => calls::run(&global, &arguments).await,
            Command::Backup(arguments) => backup::run(&global, &arguments),
            Command::Restore(arguments) => restore::run(&global, &arguments),
            Command::Route(arguments) => route::run(&global, &arguments).await,
            Command::Doctor(arguments) => doctor::run(&global, &arguments).await,
            Command::Why(arguments) => why::run(&global, &arguments).await,
            Command::Completions(arguments) => completions::run(&global, &arguments),
            Command::Man(arguments) => man::run(&global, &arguments),
            Command::Reference(arguments) => reference::run(&arguments),
            Command::Demo(_) => Ok(ExitCode::SUCCESS),
        }
    });
    // A password prompt may still wait in a thread of its own.
    runtime.shutdown_background();
    outcome
}

impl Global {
    fn config_file(&self) -> Option<&Path> {
        self.config.as_deref()
    }

    /// Prints JSON for a program, or else what `table` prints for a person.
    fn print(&self, answer: &impl Serialize, table: impl FnOnce()) -> Result<ExitCode, Failure> {
        if self.json {
            let text = serde_json::to_string_pretty(answer).map_err(Failure::told)?;
            println!("{text}");
        } else {
            table();
        }
        Ok(ExitCode::SUCCESS)
    }
}

const EXAMPLES: &str = "\
Examples:
  comity demo                              three organisations on this machine
  comity init                              set up a new server
  comity plan                              what to publish in the DNS and open in the firewall
  comity check                             is comity.toml right?
  comity serve                             run the server
  comity user add alice@contoso.example    a first user
  comity partner add fabrikam.example      federate with fabrikam.example
  comity partner show fabrikam.example     how that goes
  comity meeting create --help             a meeting with people of any domain
  comity route fabrikam.example            which way it goes, or why it does not go
  comity why CALL-ID                       what became of a call or message

comity COMMAND --help says more about a command, and so does comity help COMMAND.

status, metrics and drain need a running server. The other commands that ask a server work on its
store directly where none runs.";
