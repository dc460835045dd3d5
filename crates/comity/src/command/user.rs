//! `comity user ...`

use std::process::ExitCode;

use clap::Subcommand;
use clap::builder::NonEmptyStringValueParser;
use serde_json::json;
use server::control::answers::{AccessAnswer, AllowChange, NewPassword, NewUser, UserAnswer};
use server::moment;
use sip::Aor;

use super::Global;
use crate::client::{Client, segment};
use crate::configuration;
use crate::failure::Failure;
use crate::password::PasswordSource;
use crate::table::Columns;

pub const EXAMPLES: &str = "\
Examples:
  comity user add alice@contoso.example                      asks for the password
  comity user add bob@contoso.example --generate             makes one and prints it
  comity user passwd alice@contoso.example --password-stdin < secret.txt
  comity user list
  comity user remove bob@contoso.example";

#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Add a user; the password is asked for, unless an option says otherwise
    #[command(after_help = "Example:\n  comity user add alice@contoso.example --generate")]
    Add {
        /// The user's SIP address, in a domain of this server
        #[arg(value_name = "NAME@DOMAIN", value_parser = parse_aor)]
        aor: Aor,
        #[command(flatten)]
        password: PasswordSource,
    },
    /// List all users, with how many devices are signed in and how many messages wait
    #[command(after_help = "Example:\n  comity user list --json | jq '.[].aor'")]
    List,
    /// Change a user's password; it is asked for, unless an option says otherwise
    #[command(after_help = "Example:\n  comity user passwd alice@contoso.example")]
    Passwd {
        /// The user's SIP address
        #[arg(value_name = "NAME@DOMAIN", value_parser = parse_aor)]
        aor: Aor,
        #[command(flatten)]
        password: PasswordSource,
    },
    /// Show which external access policy holds for a user, and whom the user lets in
    #[command(after_help = "Example:\n  comity user access alice@contoso.example")]
    Access {
        /// The user's SIP address
        #[arg(value_name = "NAME@DOMAIN", value_parser = parse_aor)]
        aor: Aor,
    },
    /// Give a user an external access policy of the user's own
    #[command(after_help = "Examples:\n  comity user policy alice@contoso.example sales\n  \
        comity user policy alice@contoso.example --none")]
    Policy {
        /// The user's SIP address
        #[arg(value_name = "NAME@DOMAIN", value_parser = parse_aor)]
        aor: Aor,
        /// The policy's name
        #[arg(value_parser = NonEmptyStringValueParser::new(), required_unless_present = "none")]
        policy: Option<String>,
        /// Take the user's own away: the group's holds, or the organisation's
        #[arg(long, conflicts_with = "policy")]
        none: bool,
    },
    /// Put a user into a group; a user is in one at most
    #[command(after_help = "Example:\n  comity user group alice@contoso.example sales")]
    Group {
        /// The user's SIP address
        #[arg(value_name = "NAME@DOMAIN", value_parser = parse_aor)]
        aor: Aor,
        /// The group's name
        #[arg(value_parser = NonEmptyStringValueParser::new(), required_unless_present = "none")]
        group: Option<String>,
        /// Take the user out of the group
        #[arg(long, conflicts_with = "group")]
        none: bool,
    },
    /// Let somebody outside reach a user though nobody vouches for them
    #[command(after_help = "Example:\n  comity user allow alice@contoso.example bob@fabrikam.example")]
    Allow {
        /// The user's SIP address
        #[arg(value_name = "NAME@DOMAIN", value_parser = parse_aor)]
        aor: Aor,
        /// Their address, or a domain
        who: String,
    },
    /// Take that back
    #[command(after_help = "Example:\n  comity user unallow alice@contoso.example bob@fabrikam.example")]
    Unallow {
        /// The user's SIP address
        #[arg(value_name = "NAME@DOMAIN", value_parser = parse_aor)]
        aor: Aor,
        /// Their address, or a domain
        who: String,
    },
    /// Remove a user, with the messages that wait; what the devices are doing ends
    #[command(after_help = "Example:\n  comity user remove bob@contoso.example")]
    Remove {
        /// The user's SIP address
        #[arg(value_name = "NAME@DOMAIN", value_parser = parse_aor)]
        aor: Aor,
    },
}

pub async fn run(global: &Global, command: UserCommand) -> Result<ExitCode, Failure> {
    let config = configuration::load_settings(global.config_file())?;
    let mut client = Client::to_server_or_store(config).await?;
    match command {
        UserCommand::Add { aor, password } => add(global, &mut client, &aor, &password).await,
        UserCommand::List => list(global, &mut client).await,
        UserCommand::Passwd { aor, password } => passwd(global, &mut client, &aor, &password).await,
        UserCommand::Access { aor } => access(global, &client.get(&access_path(&aor)).await?, &aor),
        UserCommand::Policy { aor, policy, .. } => {
            let edit = AccessAnswer { policy: Some(policy.unwrap_or_default()), ..AccessAnswer::default() };
            access(global, &client.patch(&access_path(&aor), &edit).await?, &aor)
        }
        UserCommand::Group { aor, group, .. } => {
            let edit = AccessAnswer { group: Some(group.unwrap_or_default()), ..AccessAnswer::default() };
            access(global, &client.patch(&access_path(&aor), &edit).await?, &aor)
        }
        UserCommand::Allow { aor, who } => {
            let change: AllowChange = client.put(&allow_path(&aor, &who), &()).await?;
            let already = if change.is_changed { "" } else { " already" };
            global.print(&change, || println!("{} lets {} in{already}", change.aor, change.who))
        }
        UserCommand::Unallow { aor, who } => {
            let change: AllowChange = client.delete(&allow_path(&aor, &who)).await?;
            let verb = if change.is_changed { "no longer lets" } else { "did not let" };
            global.print(&change, || println!("{} {verb} {} in", change.aor, change.who))
        }
        UserCommand::Remove { aor } => {
            client.delete::<()>(&format!("/api/users/{}", segment(&aor.to_string()))).await?;
            global.print(&json!({ "removed": aor.to_string() }), || println!("user {aor} removed"))
        }
    }
}

fn access_path(aor: &Aor) -> String {
    format!("/api/users/{}/access", segment(&aor.to_string()))
}

fn allow_path(aor: &Aor, who: &str) -> String {
    format!("/api/users/{}/allows/{}", segment(&aor.to_string()), segment(who))
}

fn access(global: &Global, answer: &AccessAnswer, aor: &Aor) -> Result<ExitCode, Failure> {
    global.print(answer, || {
        println!("{aor}\n  policy: {}", answer.holds.as_deref().unwrap_or("-"));
        println!("  group: {}", answer.group.as_deref().unwrap_or("-"));
        let allows = if answer.allows.is_empty() { "nobody".to_owned() } else { answer.allows.join(", ") };
        println!("  lets in though nobody vouches for them: {allows}");
    })
}

async fn add(global: &Global, client: &mut Client, aor: &Aor, password: &PasswordSource) -> Result<ExitCode, Failure> {
    let aor = aor.to_string();
    let password = password.obtain(&aor).await?;
    let new = NewUser { aor, password: password.text.clone() };
    let user: UserAnswer = client.post("/api/users", &new).await?;
    let mut answer = json!(user);
    if password.is_generated {
        answer["password"] = json!(password.text);
    }
    global.print(&answer, || {
        println!("user {} added", user.aor);
        if password.is_generated {
            println!("password: {}", password.text);
        }
    })
}

async fn passwd(
    global: &Global,
    client: &mut Client,
    aor: &Aor,
    password: &PasswordSource,
) -> Result<ExitCode, Failure> {
    let aor = aor.to_string();
    let password = password.obtain(&aor).await?;
    let new = NewPassword { password: password.text.clone() };
    client.put::<()>(&format!("/api/users/{}/password", segment(&aor)), &new).await?;
    let shown = password.is_generated.then_some(&password.text);
    global.print(&json!({ "aor": aor, "password": shown }), || {
        println!("password of {aor} changed");
        if let Some(password) = shown {
            println!("password: {password}");
        }
    })
}

async fn list(global: &Global, client: &mut Client) -> Result<ExitCode, Failure> {
    let users: Vec<UserAnswer> = client.get("/api/users").await?;
    global.print(&users, || {
        if users.is_empty() {
            return println!("no users yet; to add one: comity user add NAME@DOMAIN");
        }
        let mut table = Columns::new(&["USER", "DEVICES", "MESSAGES", "SINCE"]);
        for user in &users {
            let devices = user.registrations.map_or_else(|| "-".to_owned(), |count| count.to_string());
            let messages = user.stored_messages.to_string();
            table.row([user.aor.clone(), devices, messages, moment::date(user.created_unix)]);
        }
        table.print();
    })
}

pub(super) fn parse_aor(text: &str) -> Result<Aor, String> {
    let Some((name, domain)) = text.trim_start_matches("sip:").rsplit_once('@') else {
        return Err("write NAME@DOMAIN, such as alice@contoso.example".to_owned());
    };
    let domain = server::domain::parse(domain).map_err(|error| error.to_string())?;
    format!("{name}@{domain}").parse().map_err(|_| {
        format!("{name:?} cannot be the name of a user; letters from a to z, digits, dots, dashes and underscores can")
    })
}
