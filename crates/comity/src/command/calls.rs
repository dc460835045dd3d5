//! `comity calls`

use std::collections::BTreeSet;
use std::process::ExitCode;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};
use server::call_words;
use server::config::Roles;
use server::control::answers::CallAnswer;
use server::moment;
use store::now_unix;

use super::Global;
use crate::client::{Client, segment};
use crate::configuration;
use crate::failure::Failure;
use crate::table::{Columns, count};

pub const EXAMPLES: &str = "\
Examples:
  comity calls
  comity calls --user alice@contoso.example --since 2h
  comity calls --with fabrikam.example --since 7d
  comity calls --json | jq '.[] | select(.end.cause == \"refused\")'
  comity calls show 8d1f0c2e@phone.contoso.example";

const SHOW_EXAMPLES: &str = "\
Example:
  comity calls show 8d1f0c2e@phone.contoso.example";

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_value_name = "COMMAND")]
pub struct CallsArguments {
    /// Only those of this user, or of all who came into this meeting
    #[arg(long, value_name = "ADDRESS")]
    user: Option<String>,
    /// Only those with this person, or with anybody of this partner's domain
    #[arg(long, value_name = "ADDRESS|DOMAIN")]
    with: Option<String>,
    /// Only those that began within this time: 30m, 2h, 7d
    #[arg(long, value_name = "TIME", value_parser = parse_age)]
    since: Option<u64>,
    /// How many, the newest first
    #[arg(long, value_name = "COUNT", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    #[command(subcommand)]
    command: Option<CallsCommand>,
}

#[derive(Debug, Subcommand)]
enum CallsCommand {
    /// Show one call: its way, how long it took to set up, its sound, and why it ended
    #[command(after_help = SHOW_EXAMPLES)]
    Show {
        /// The Call-ID of the call, as phones, logs and --json show it
        #[arg(value_parser = NonEmptyStringValueParser::new(), value_name = "CALL-ID")]
        call_id: String,
    },
}

pub async fn run(global: &Global, arguments: &CallsArguments) -> Result<ExitCode, Failure> {
    let config = configuration::load_settings(global.config_file())?;
    let is_edge = config.roles == Roles::Edge;
    let mut client = Client::to_server_or_store(config).await?;
    match &arguments.command {
        None if is_edge => Err(Failure::new("an edge records no calls: its home does", "run the command at the home")),
        None => {
            let calls: Vec<CallAnswer> = client.get(&arguments.path()).await?;
            global.print(&calls, || print(&calls, arguments.limit))
        }
        Some(CallsCommand::Show { call_id }) => {
            let calls: Vec<CallAnswer> = client.get(&format!("/api/calls/{}", segment(call_id))).await?;
            global.print(&calls, || calls.iter().for_each(print_one))
        }
    }
}

impl CallsArguments {
    fn path(&self) -> String {
        let mut path = format!("/api/calls?limit={}", self.limit);
        for (name, value) in [("user", &self.user), ("with", &self.with)] {
            if let Some(value) = value {
                path.push_str(&format!("&{name}={}", segment(value)));
            }
        }
        if let Some(secs) = self.since {
            let since = now_unix().unsigned_abs().saturating_sub(secs);
            path.push_str(&format!("&since_unix_ms={}", since * 1000));
        }
        path
    }
}

fn print(calls: &[CallAnswer], limit: u32) {
    if calls.is_empty() {
        return println!("no calls are recorded that match");
    }
    let mut table = Columns::new(&["WHEN", "FROM", "TO", "KIND", "TALKED", "SET UP", "LOSS, JITTER", "HOW IT ENDED"]);
    let mut shown_calls = BTreeSet::new();
    for CallAnswer { record, legs } in calls {
        let (from, to) = call_words::sides(record);
        // Of a call between two users of ours each has a record.
        if !shown_calls.insert((&record.call_id, from.clone(), to.clone())) {
            continue;
        }
        table.row([
            moment::date_and_time_of_ms(record.began_unix_ms),
            from,
            to,
            record.kind.as_str().to_owned(),
            record.talked_ms(now_ms()).map(|ms| moment::duration(ms / 1000)).unwrap_or_default(),
            record.ringing_ms.or(record.answered_ms).map(call_words::milliseconds).unwrap_or_default(),
            call_words::worst_sound(legs),
            call_words::ending(record),
        ]);
    }
    table.print();
    let shown = count(calls.len() as u64, "record", "records");
    if calls.len() as u64 == u64::from(limit) {
        println!("\n{shown}; there may be older ones: --limit");
    }
}

fn print_one(call: &CallAnswer) {
    let record = &call.record;
    let (from, to) = call_words::sides(record);
    let mut facts = Columns::plain();
    let mut fact = |name: &str, value: String| {
        facts.row([name.to_owned(), value]);
    };
    fact("Call-ID", record.call_id.clone());
    fact("record of", record.user.to_string());
    fact("from", from);
    fact("to", to);
    fact("partner", record.partner.clone().unwrap_or_else(|| "none".to_owned()));
    fact("kind", record.kind.as_str().to_owned());
    fact("way", call_words::way(record));
    fact("began", moment::date_and_time_of_ms(record.began_unix_ms));
    fact("set-up", call_words::set_up(record).unwrap_or_else(|| "it neither rang nor was answered".to_owned()));
    fact("talked", record.talked_ms(now_ms()).map_or("never".to_owned(), |ms| moment::duration(ms / 1000)));
    let at = record.end.as_ref().map(|end| format!(", {}", moment::date_and_time_of_ms(end.at_unix_ms)));
    fact("end", format!("{}{}", call_words::ending(record), at.unwrap_or_default()));
    for leg in &call.legs {
        fact("", call_words::leg(leg));
    }
    facts.print();
    println!();
}

fn now_ms() -> u64 {
    now_unix().unsigned_abs() * 1000
}

/// `30m`, `2h`, `7d`, in seconds.
fn parse_age(text: &str) -> Result<u64, String> {
    let wrong = || "write a number with its unit: 30m, 2h or 7d".to_owned();
    let (number, unit) = text.split_at(text.len().saturating_sub(text.chars().last().map_or(0, char::len_utf8)));
    let secs = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    number.checked_mul(secs).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_has_a_number_and_a_unit() {
        assert_eq!(parse_age("30m"), Ok(1_800));
        assert_eq!(parse_age("2h"), Ok(7_200));
        assert_eq!(parse_age("7d"), Ok(604_800));
        for wrong in ["", "7", "d", "-1h", "7 d", "7é", "99999999999999999999d"] {
            assert!(parse_age(wrong).is_err(), "{wrong}");
        }
    }
}
