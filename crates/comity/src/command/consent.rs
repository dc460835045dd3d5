//! `comity consent ...`

use std::process::ExitCode;

use clap::Subcommand;
use server::control::answers::{ConsentAnswer, ConsentChange, NewConsent};
use server::moment;
use sip::Aor;

use super::Global;
use super::user::parse_aor;
use crate::client::{Client, segment};
use crate::configuration;
use crate::failure::Failure;
use crate::table::Columns;

pub const EXAMPLES: &str = "\
Examples:
  comity policy set organisation --first-contact ask     users are asked before strangers reach them
  comity consent list
  comity consent allow alice@contoso.example eve@mallory.example
  comity consent deny alice@contoso.example mallory.example          everybody in that domain
  comity consent forget alice@contoso.example eve@mallory.example    the next contact is a first one again";

#[derive(Debug, Subcommand)]
pub enum ConsentCommand {
    /// List who was asked about whom, and what was said
    #[command(after_help = "Example:\n  comity consent list --user alice@contoso.example")]
    List {
        /// Of this user alone
        #[arg(long, value_name = "NAME@DOMAIN", value_parser = parse_aor)]
        user: Option<Aor>,
    },
    /// Let somebody reach a user, as if the user had said yes; what is held is delivered
    #[command(after_help = "Example:\n  comity consent allow alice@contoso.example eve@mallory.example")]
    Allow(Pair),
    /// Refuse somebody for a user, as if the user had said no; what is held is discarded
    #[command(after_help = "Example:\n  comity consent deny alice@contoso.example mallory.example")]
    Deny(Pair),
    /// Forget what was said; what is held is discarded, and the user is asked again at the next contact
    #[command(after_help = "Example:\n  comity consent forget alice@contoso.example eve@mallory.example")]
    Forget(Pair),
}

#[derive(Debug, clap::Args)]
pub struct Pair {
    /// The user's SIP address
    #[arg(value_name = "NAME@DOMAIN", value_parser = parse_aor)]
    user: Aor,
    /// The sender's address, or a domain for everybody in it
    sender: String,
}

pub async fn run(global: &Global, command: ConsentCommand) -> Result<ExitCode, Failure> {
    let config = configuration::load_settings(global.config_file())?;
    let mut client = Client::to_server_or_store(config).await?;
    match command {
        ConsentCommand::List { user } => list(global, &mut client, user.as_ref()).await,
        ConsentCommand::Allow(pair) => decide(global, &mut client, &pair, "allowed").await,
        ConsentCommand::Deny(pair) => decide(global, &mut client, &pair, "denied").await,
        ConsentCommand::Forget(pair) => {
            let change: ConsentChange = client.delete(&path(&pair)).await?;
            global.print(&change, || match change.is_changed {
                true => println!("{} is asked about {} at the next contact", change.aor, change.sender),
                false => println!("nothing was said of {} for {}", change.sender, change.aor),
            })
        }
    }
}

async fn list(global: &Global, client: &mut Client, user: Option<&Aor>) -> Result<ExitCode, Failure> {
    let query = user.map_or_else(String::new, |aor| format!("?user={}", segment(&aor.to_string())));
    let consents: Vec<ConsentAnswer> = client.get(&format!("/api/consents{query}")).await?;
    global.print(&consents, || {
        let mut table = Columns::new(&["USER", "SENDER", "VERDICT", "SINCE", "HELD", "UNTIL"]);
        for ConsentAnswer { aor, sender, verdict, since_unix_ms, held, until_unix_ms } in &consents {
            let until = until_unix_ms.map_or_else(|| "-".to_owned(), moment::date_and_time_of_ms);
            let row = [
                aor.clone(),
                sender.clone(),
                verdict.clone(),
                moment::date_and_time_of_ms(*since_unix_ms),
                held.to_string(),
                until,
            ];
            table.row(row);
        }
        table.print();
    })
}

async fn decide(global: &Global, client: &mut Client, pair: &Pair, verdict: &str) -> Result<ExitCode, Failure> {
    let new = NewConsent { verdict: verdict.to_owned() };
    let change: ConsentChange = client.put(&path(pair), &new).await?;
    let ConsentChange { aor, sender, released, .. } = &change;
    global.print(&change, || match (verdict, released) {
        ("allowed", 0) => println!("{sender} can reach {aor}"),
        ("allowed", 1) => println!("{sender} can reach {aor}; the message that was held goes out"),
        ("allowed", count) => println!("{sender} can reach {aor}; {count} messages that were held go out"),
        _ => println!("{sender} cannot reach {aor}; what was held is discarded"),
    })
}

fn path(Pair { user, sender }: &Pair) -> String {
    format!("/api/users/{}/consents/{}", segment(&user.to_string()), segment(sender))
}
