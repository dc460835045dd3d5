//! `comity why`

use std::process::ExitCode;

use clap::Args;
use clap::builder::{NonEmptyStringValueParser, PossibleValuesParser};
use federation::modality::Modality;
use server::control::answers::{WhyAnswer, WhyStep};
use server::moment;

use super::route::print_advice;
use super::{Global, edges};
use crate::client::{Client, segment};
use crate::configuration;
use crate::failure::Failure;

pub const EXAMPLES: &str = "\
Examples:
  comity why 8d1f0c2e@phone.contoso.example
  comity why --from alice@contoso.example --to bob@fabrikam.example
  comity why --from alice@contoso.example --to bob@fabrikam.example --dry-run
  comity why --from alice@contoso.example --to bob@fabrikam.example --dry-run --what video
  comity why 8d1f0c2e --json | jq .advice

If no server runs, only refusals are known.";

#[derive(Debug, Args)]
#[command(override_usage = "comity why [OPTIONS] <CALL-ID | --from <ADDRESS> --to <ADDRESS>>")]
pub struct WhyArguments {
    /// The Call-ID of the call or message, as phones and logs show it
    #[arg(value_name = "CALL-ID", value_parser = NonEmptyStringValueParser::new())]
    #[arg(required_unless_present = "from", conflicts_with_all = ["from", "to"])]
    call_id: Option<String>,
    /// Who wrote or called; without --dry-run the newest between the two domains is shown
    #[arg(long, value_name = "ADDRESS", requires = "to")]
    from: Option<String>,
    /// Who was written to or called
    #[arg(long, value_name = "ADDRESS", requires = "from")]
    to: Option<String>,
    /// Say what would happen to a message, and send nothing
    #[arg(long, requires = "from")]
    dry_run: bool,
    /// With --dry-run, what it would be instead: one of the modalities [default: messages]
    #[arg(long, value_name = "MODALITY", requires = "dry_run",
        value_parser = PossibleValuesParser::new(Modality::ALL.map(Modality::as_str)))]
    what: Option<String>,
}

/// Prints the chain of decisions and what it comes down to.
pub async fn run(global: &Global, arguments: &WhyArguments) -> Result<ExitCode, Failure> {
    let config = configuration::load_settings(global.config_file())?;
    let mut client = Client::to_server_or_store(config).await?;
    let answer: WhyAnswer = client.get(&path(arguments)).await?;
    global.print(&answer, || print(&answer))
}

fn path(arguments: &WhyArguments) -> String {
    match arguments {
        WhyArguments { from: Some(from), to: Some(to), dry_run, what, .. } => {
            let what = what.as_ref().map(|what| format!("&what={what}")).unwrap_or_default();
            format!("/api/why?from={}&to={}&dry_run={dry_run}{what}", segment(from), segment(to))
        }
        WhyArguments { call_id, .. } => {
            format!("/api/why?call_id={}", segment(call_id.as_deref().unwrap_or_default()))
        }
    }
}

fn print(answer: &WhyAnswer) {
    match &answer.call_id {
        Some(call_id) => println!("Call-ID {call_id}\n"),
        None => println!("nothing is sent; it would go like this\n"),
    }
    if let Some(note) = &answer.note {
        println!("{note}\n");
    }
    if answer.edges.is_empty() || !answer.steps.is_empty() {
        print_chain(answer);
    }
    edges::print_each(&answer.edges, print_chain);
    if !answer.others.is_empty() {
        println!("\nothers between the same domains, the newest first");
        answer.others.iter().for_each(|call_id| println!("  comity why {}", quoted(call_id)));
    }
}

/// As one server decided.
fn print_chain(answer: &WhyAnswer) {
    for WhyStep { at_unix_ms, sentence, details } in &answer.steps {
        match at_unix_ms {
            Some(at) => println!("{} {sentence}", moment::date_and_time(at.div_euclid(1000))),
            None => println!("{sentence}"),
        }
        details.iter().for_each(|detail| println!("    {detail}"));
    }
    print_advice(&answer.advice);
}

/// For a shell: whoever sends a request chooses its Call-ID.
fn quoted(call_id: &str) -> String {
    match call_id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"@._-".contains(&byte)) {
        true => call_id.to_owned(),
        false => format!("'{}'", call_id.replace('\'', "'\\''")),
    }
}
