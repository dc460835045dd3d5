//! `comity meeting ...`

mod arguments;
mod conducting;
mod print;
mod words;

use std::path::Path;
use std::process::ExitCode;

use clap::Subcommand;
use clap::builder::NonEmptyStringValueParser;
use server::control::answers::{MailAnswer, MeetingAnswer, MeetingChange, MeetingDetail};

use super::Global;
use crate::client::{Client, segment};
use crate::configuration;
use crate::failure::Failure;
use arguments::{CreateArguments, SetArguments, Telling};

pub const EXAMPLES: &str = "\
Examples:
  comity meeting create --organiser alice@contoso.example --subject Budget \\
      --at '2027-03-01 10:00' --zone Europe/Berlin --for 45m \\
      --invite bob@fabrikam.example --invitation budget.ics
  comity meeting list
  comity meeting show ID
  comity meeting set ID --at '2027-03-01 11:00' --invitation budget.ics
  comity meeting cancel ID --invitation budget.ics
  comity meeting start --organiser alice@contoso.example --with bob@fabrikam.example
  comity meeting running

The invitation is an iCalendar file: open it in a calendar, or attach it to a mail. With --mail
the server sends it to everybody, if [mail] in comity.toml names a mail server. Whoever is invited
calls sip:meet-ID@contoso.example from the phone or client of his own organisation.";

#[derive(Debug, Subcommand)]
pub enum MeetingCommand {
    /// Schedule a meeting, once or as a series, with people of any domain
    #[command(override_usage = CREATE_USAGE, after_help = CREATE_EXAMPLES)]
    Create(Box<CreateArguments>),
    /// List the meetings that are still to take place, the next first
    #[command(after_help = "Example:\n  comity meeting list --json | jq '.[].uri'")]
    List {
        /// Those that are over or cancelled, too
        #[arg(long)]
        all: bool,
    },
    /// Show a meeting: its address, when it takes place, who is invited, who comes in how
    #[command(after_help = "Example:\n  comity meeting show 7hqk2m4xw9ab")]
    Show {
        /// The meeting's ID, as it is listed
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        id: String,
    },
    /// Change a meeting, or move one occurrence of it; then send the invitation again
    #[command(after_help = SET_EXAMPLES)]
    Set(Box<SetArguments>),
    /// Cancel a meeting, or one occurrence of it
    #[command(
        after_help = "Example:\n  comity meeting cancel 7hqk2m4xw9ab --only 2027-03-08 --invitation cancelled.ics"
    )]
    Cancel {
        /// The meeting's ID, as it is listed
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        id: String,
        /// The day of the one occurrence to cancel
        #[arg(long, value_name = "DATE")]
        only: Option<String>,
        #[command(flatten)]
        telling: Telling,
    },
    /// Write the invitation as it is now, or send it again
    #[command(
        after_help = "Example:\n  comity meeting invite 7hqk2m4xw9ab --invitation budget.ics\n  comity meeting invite 7hqk2m4xw9ab --mail"
    )]
    Invite {
        /// The meeting's ID, as it is listed
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        id: String,
        #[command(flatten)]
        telling: Telling,
    },
    #[command(flatten)]
    Conduct(conducting::ConductCommand),
}

pub async fn run(global: &Global, command: MeetingCommand) -> Result<ExitCode, Failure> {
    let config = configuration::load_settings(global.config_file())?;
    let mut client = Client::to_server_or_store(config).await?;
    match command {
        MeetingCommand::Create(arguments) => create(global, &mut client, *arguments).await,
        MeetingCommand::List { all } => {
            let meetings: Vec<MeetingAnswer> = client.get(&format!("/api/meetings?all={all}")).await?;
            global.print(&meetings, || print::list(&meetings))
        }
        MeetingCommand::Show { id } => {
            let detail: MeetingDetail = client.get(&path(&id)).await?;
            global.print(&detail, || print::detail(&detail))
        }
        MeetingCommand::Set(arguments) => set(global, &mut client, *arguments).await,
        MeetingCommand::Cancel { id, only, telling } => {
            let day = only.map(|day| format!("&occurrence={}", segment(&day))).unwrap_or_default();
            let change = client.delete(&format!("{}?mail={}{day}", path(&id), telling.mail)).await?;
            finish(global, &change, &telling, || print::changed(&change, &telling))
        }
        MeetingCommand::Conduct(command) => conducting::run(global, &mut client, command).await,
        MeetingCommand::Invite { id, telling } => invite(global, &mut client, &id, &telling).await,
    }
}

async fn create(global: &Global, client: &mut Client, arguments: CreateArguments) -> Result<ExitCode, Failure> {
    let (new, telling) = arguments.into_request()?;
    check_writable(telling.file())?;
    let change = client.post(&format!("/api/meetings?mail={}", telling.mail), &new).await?;
    finish(global, &change, &telling, || print::created(&change, &new, &telling))
}

async fn set(global: &Global, client: &mut Client, arguments: SetArguments) -> Result<ExitCode, Failure> {
    let (id, edit, telling) = arguments.into_request()?;
    let change = client.patch(&format!("{}?mail={}", path(&id), telling.mail), &edit).await?;
    finish(global, &change, &telling, || print::changed(&change, &telling))
}

async fn invite(global: &Global, client: &mut Client, id: &str, telling: &Telling) -> Result<ExitCode, Failure> {
    let file = telling.file().or((!telling.mail).then_some(Path::new("-")));
    if file.is_some() {
        let text = client.get_text(&format!("{}/invitation", path(id))).await?;
        write_invitation(file, Some(&text))?;
    }
    if !telling.mail {
        return Ok(ExitCode::SUCCESS);
    }
    let mail: MailAnswer = client.post(&format!("{}/mail", path(id)), &()).await?;
    global.print(&mail, || print::mail(&mail))?;
    Ok(exit_code(Some(&mail)))
}

/// What every change ends with: the file, the answer, and whether all were told.
fn finish(
    global: &Global,
    change: &MeetingChange,
    telling: &Telling,
    print: impl FnOnce(),
) -> Result<ExitCode, Failure> {
    write_invitation(telling.file(), change.invitation.as_deref())?;
    global.print(change, print)?;
    Ok(exit_code(change.mail.as_ref()))
}

/// The meeting is as it was asked for, and not everybody knows.
fn exit_code(mail: Option<&MailAnswer>) -> ExitCode {
    let is_complete = mail.is_none_or(|mail| mail.failed.is_empty());
    if is_complete { ExitCode::SUCCESS } else { ExitCode::from(NOT_ALL_TOLD) }
}

fn path(id: &str) -> String {
    format!("/api/meetings/{}", segment(id))
}

/// Before there is a meeting whose invitation cannot be written.
fn check_writable(file: Option<&Path>) -> Result<(), Failure> {
    let Some(file) = file.filter(|file| *file != Path::new("-")) else { return Ok(()) };
    let opened = std::fs::OpenOptions::new().append(true).create(true).open(file);
    opened.map(drop).map_err(|error| unwritable(file, &error))
}

fn write_invitation(file: Option<&Path>, text: Option<&str>) -> Result<(), Failure> {
    match (file, text) {
        (Some(file), Some(text)) if file == Path::new("-") => print!("{text}"),
        (Some(file), Some(text)) => std::fs::write(file, text).map_err(|error| unwritable(file, &error))?,
        _ => {}
    }
    Ok(())
}

fn unwritable(file: &Path, error: &std::io::Error) -> Failure {
    Failure::new(format!("cannot write {}: {error}", file.display()), "name a file in a folder that you may write to")
}

/// 1 and 2 say that nothing was done.
const NOT_ALL_TOLD: u8 = 3;

const CREATE_USAGE: &str = "\
comity meeting create --organiser <NAME@DOMAIN> --subject <TEXT> --at <DATE TIME>
                             --zone <ZONE> --for <DURATION> [OPTIONS]";

const CREATE_EXAMPLES: &str = "\
Examples:
  comity meeting create --organiser alice@contoso.example --subject Budget \\
      --at '2027-03-01 10:00' --zone Europe/Berlin --for 45m \\
      --every week --on mon,thu --count 10 \\
      --invite bob@fabrikam.example --presenter carol@northwind.example --invitation budget.ics
  comity meeting create --organiser alice@contoso.example --subject Review \\
      --at '2027-03-01 15:00' --zone UTC --for 1h30m --every '2 weeks' --until 2027-12-31 \\
      --lobby federated=refuse --lobby fabrikam.example=enter --mute-on-entry yes";

const SET_EXAMPLES: &str = "\
Examples:
  comity meeting set 7hqk2m4xw9ab --at '2027-03-01 11:00' --invitation budget.ics
  comity meeting set 7hqk2m4xw9ab --only 2027-03-08 --at '2027-03-09 16:00'
  comity meeting set 7hqk2m4xw9ab --invite dave@fabrikam.example --uninvite bob@fabrikam.example
  comity meeting set 7hqk2m4xw9ab --locked yes";
