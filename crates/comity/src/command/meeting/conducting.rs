//! `comity meeting start|running|add|admit|...`: meetings that have people in them now.

use std::process::ExitCode;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};
use conference::Hearing;
use conference::schedule::MeetingRole;
use server::control::answers::{ConferenceAct, ConferenceChange, ConferenceStatus, NewConference, NewEscalation};
use server::moment;

use crate::client::{Client, segment};
use crate::command::Global;
use crate::failure::Failure;
use crate::table::Columns;

#[derive(Debug, Subcommand)]
pub enum ConductCommand {
    /// Begin a meeting now: its organiser and these people are called into it
    #[command(
        after_help = "Examples:\n  comity meeting start --organiser alice@contoso.example --with bob@fabrikam.example\n  \
            comity meeting start --in-writing --organiser alice@contoso.example --with bob@fabrikam.example"
    )]
    Start {
        /// A conversation in writing: everybody is invited by a message, and takes part by answering it
        #[arg(long)]
        in_writing: bool,
        /// A user of this server
        #[arg(long, value_name = "NAME@DOMAIN")]
        organiser: String,
        /// Somebody of any domain; may be given more than once
        #[arg(long = "with", value_name = "NAME@DOMAIN", required = true)]
        people: Vec<String>,
    },
    /// Make a meeting of a call of two that goes on, and call others into it: nobody redials
    #[command(after_help = "Example:\n  comity meeting escalate 8f1c2d@198.51.100.7 --add carol@northwind.example")]
    Escalate {
        /// The call's Call-ID; comity why --from A --to B finds it
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        call_id: String,
        /// Somebody of any domain; may be given more than once
        #[arg(long = "add", value_name = "NAME@DOMAIN")]
        people: Vec<String>,
    },
    /// List the meetings that have people in them now; with an ID, who is in it
    #[command(after_help = "Examples:\n  comity meeting running\n  comity meeting running 7hqk2m4xw9ab")]
    Running {
        /// The meeting's ID, as it is listed
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        id: Option<String>,
    },
    /// Call somebody into a meeting
    #[command(after_help = "Example:\n  comity meeting add 7hqk2m4xw9ab carol@northwind.example")]
    Add(Person),
    /// Let somebody in who waits in the lobby; without a name everybody who waits
    #[command(after_help = "Example:\n  comity meeting admit 7hqk2m4xw9ab")]
    Admit {
        /// The meeting's ID, as it is listed
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        id: String,
        /// Who it is about
        #[arg(value_name = "NAME@DOMAIN")]
        who: Option<String>,
    },
    /// Remove somebody from a meeting
    #[command(after_help = "Example:\n  comity meeting remove 7hqk2m4xw9ab bob@fabrikam.example")]
    Remove(Person),
    /// Mute somebody; without a name all attendees
    #[command(after_help = "Example:\n  comity meeting mute 7hqk2m4xw9ab bob@fabrikam.example")]
    Mute {
        /// The meeting's ID, as it is listed
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        id: String,
        /// Who it is about
        #[arg(value_name = "NAME@DOMAIN")]
        who: Option<String>,
    },
    /// Let somebody be heard again; without a name everybody
    #[command(after_help = "Example:\n  comity meeting unmute 7hqk2m4xw9ab")]
    Unmute {
        /// The meeting's ID, as it is listed
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        id: String,
        /// Who it is about
        #[arg(value_name = "NAME@DOMAIN")]
        who: Option<String>,
    },
    /// Let nobody in any more but the organiser
    #[command(after_help = "Example:\n  comity meeting lock 7hqk2m4xw9ab")]
    Lock {
        /// The meeting's ID, as it is listed
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        id: String,
    },
    /// Take the lock away again
    #[command(after_help = "Example:\n  comity meeting unlock 7hqk2m4xw9ab")]
    Unlock {
        /// The meeting's ID, as it is listed
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        id: String,
    },
    /// Make somebody a presenter, or an attendee again
    #[command(after_help = "Example:\n  comity meeting role 7hqk2m4xw9ab bob@fabrikam.example presenter")]
    Role {
        #[command(flatten)]
        person: Person,
        /// presenter or attendee
        #[arg(value_parser = parse_role)]
        role: MeetingRole,
    },
    /// End a meeting: everybody is sent away
    #[command(after_help = "Example:\n  comity meeting end 7hqk2m4xw9ab")]
    End {
        /// The meeting's ID, as it is listed
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        id: String,
    },
}

#[derive(Debug, Args)]
pub struct Person {
    /// The meeting's ID, as it is listed
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    id: String,
    /// Who it is about
    #[arg(value_name = "NAME@DOMAIN")]
    who: String,
}

pub async fn run(global: &Global, client: &mut Client, command: ConductCommand) -> Result<ExitCode, Failure> {
    let (id, act) = match command {
        ConductCommand::Start { in_writing, organiser, people } => {
            let new = NewConference { organiser, people, is_written: in_writing };
            let begun: ConferenceChange = client.post("/api/conferences", &new).await?;
            return global.print(&begun, || print_begun(&begun, in_writing));
        }
        ConductCommand::Escalate { call_id, people } => {
            let new = NewEscalation { call_id, people };
            let begun: ConferenceChange = client.post("/api/escalations", &new).await?;
            return global.print(&begun, || print_escalated(&begun));
        }
        ConductCommand::Running { id: None } => {
            let all: Vec<ConferenceStatus> = client.get("/api/conferences").await?;
            return global.print(&all, || print_list(&all));
        }
        ConductCommand::Running { id: Some(id) } => {
            let one: ConferenceStatus = client.get(&path(&id)).await?;
            return global.print(&one, || print_one(&one));
        }
        ConductCommand::Add(Person { id, who }) => (id, ConferenceAct::Add { who }),
        ConductCommand::Admit { id, who } => (id, ConferenceAct::Admit { who }),
        ConductCommand::Remove(Person { id, who }) => (id, ConferenceAct::Remove { who }),
        ConductCommand::Mute { id, who: Some(who) } => (id, ConferenceAct::Mute { who }),
        ConductCommand::Mute { id, who: None } => (id, ConferenceAct::MuteAll),
        ConductCommand::Unmute { id, who: Some(who) } => (id, ConferenceAct::Unmute { who }),
        ConductCommand::Unmute { id, who: None } => (id, ConferenceAct::UnmuteAll),
        ConductCommand::Lock { id } => (id, ConferenceAct::Lock),
        ConductCommand::Unlock { id } => (id, ConferenceAct::Unlock),
        ConductCommand::Role { person: Person { id, who }, role } => (id, ConferenceAct::Role { who, role }),
        ConductCommand::End { id } => (id, ConferenceAct::End),
    };
    let change: ConferenceChange = client.post(&path(&id), &act).await?;
    global.print(&change, || match &change.conference {
        Some(conference) => print_one(conference),
        None => println!("nobody is in meeting {} any more", change.id),
    })
}

fn path(id: &str) -> String {
    format!("/api/conferences/{}", segment(id))
}

fn parse_role(text: &str) -> Result<MeetingRole, String> {
    match text {
        "presenter" => Ok(MeetingRole::Presenter),
        "attendee" => Ok(MeetingRole::Attendee),
        _ => Err("presenter or attendee".to_owned()),
    }
}

fn print_begun(begun: &ConferenceChange, is_written: bool) {
    let called = if is_written { "invited by a message" } else { "called" };
    match &begun.conference {
        Some(conference) => {
            println!("meeting {} begun: {}", begun.id, conference.uri);
            println!("{} people are being {called}", conference.participants.len());
        }
        None => println!("meeting {} begun, and nobody could be {called}", begun.id),
    }
}

fn print_escalated(begun: &ConferenceChange) {
    println!("the call is meeting {} now", begun.id);
    if let Some(conference) = &begun.conference {
        print_one(conference);
    }
}

fn print_list(all: &[ConferenceStatus]) {
    if all.is_empty() {
        return println!("nobody is in a meeting");
    }
    let mut columns = Columns::new(&["ID", "ORGANISER", "PEOPLE", "LOCKED", "SUBJECT"]);
    for one in all {
        let people = one.participants.len().to_string();
        let locked = if one.is_locked { "yes" } else { "no" }.to_owned();
        columns.row([one.id.to_string(), one.organiser.clone(), people, locked, one.subject.clone()]);
    }
    columns.print();
}

fn print_one(one: &ConferenceStatus) {
    println!("meeting {}: {}", one.id, one.uri);
    if !one.subject.is_empty() {
        println!("subject: {}", one.subject);
    }
    println!("organiser: {}{}\n", one.organiser, if one.is_locked { ", locked" } else { "" });
    let mut columns = Columns::new(&["WHO", "ROLE", "WHERE", "MUTED", "TALKING", "SINCE", "SOUND"]);
    for participant in &one.participants {
        let said = |is_so: bool| if is_so { "yes" } else { "no" }.to_owned();
        let role = format!("{:?}", participant.role).to_lowercase();
        let place = format!("{:?}", participant.place).to_lowercase();
        let since = moment::date_and_time(participant.since_unix);
        let (muted, talking) = (said(participant.is_muted), said(participant.is_talking));
        let sound = participant.sound.iter().map(sound_words).collect::<Vec<_>>().join(", ");
        columns.row([participant.address.clone(), role, place, muted, talking, since, sound]);
    }
    columns.print();
}

fn sound_words(hearing: &Hearing) -> String {
    match hearing {
        Hearing::Expected => "nothing came yet".to_owned(),
        Hearing::Heard => "heard".to_owned(),
        Hearing::Silent => "nothing comes any more".to_owned(),
        Hearing::Refused { from } => {
            format!("what comes from {from} is not taken: another key, or plain and not from where its signalling is")
        }
    }
}
