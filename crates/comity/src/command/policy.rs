//! `comity policy ...`

use std::process::ExitCode;

use clap::Subcommand;
use clap::builder::{BoolishValueParser, NonEmptyStringValueParser};
use federation::external_access::{FirstContact, PartnerScope, Policy};
use federation::modality::Modalities;
use server::control::answers::{GroupPolicy, NewPolicy, PolicyAnswer};
use server::domain;

use super::Global;
use super::partner::entry_terms::{TermsTold, or_dash};
use super::partner::yes_or_no;
use super::terms::parse_modalities;
use crate::client::{Client, segment};
use crate::configuration;
use crate::failure::Failure;
use crate::table::Columns;

pub const EXAMPLES: &str = "\
Examples:
  comity policy set organisation --modalities messages,presence     for everybody without another
  comity policy add sales --partners fabrikam.example,litware.example
  comity user policy alice@contoso.example sales
  comity policy group workers sales                                  for all users of a group
  comity policy set berlin --route 'sip:edge.berlin.contoso.example;transport=tls'
  comity policy set organisation --first-contact ask                 strangers wait until a user agrees
  comity policy show sales";

#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Add a policy; what is not said is allowed
    #[command(
        after_help = "Example:\n  comity policy add sales --partners fabrikam.example --modalities messages,audio"
    )]
    Add {
        /// A name of your choice
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        name: String,
        #[command(flatten)]
        rules: Rules,
    },
    /// Change a policy; what is not named stays. The policy organisation holds for everybody without another
    #[command(after_help = "Example:\n  comity policy set organisation --federation no")]
    Set {
        /// The policy's name
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        name: String,
        #[command(flatten)]
        rules: Rules,
    },
    /// Remove a policy that nobody has; the policy organisation allows everything again
    #[command(after_help = "Example:\n  comity policy remove sales")]
    Remove {
        /// The policy's name
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        name: String,
    },
    /// List all policies
    #[command(after_help = "Example:\n  comity policy list --json | jq '.[].name'")]
    List,
    /// Show a policy and to whom it is given
    #[command(after_help = "Example:\n  comity policy show sales")]
    Show {
        /// The policy's name
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        name: String,
    },
    /// Give a policy to a group
    #[command(after_help = "Example:\n  comity policy group workers sales")]
    Group {
        /// The group's name
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        group: String,
        /// The policy's name
        #[arg(value_parser = NonEmptyStringValueParser::new(), required_unless_present = "none")]
        policy: Option<String>,
        /// Take the group's away: the organisation's holds
        #[arg(long, conflicts_with = "policy")]
        none: bool,
    },
}

/// What is not typed is not said.
#[derive(Debug, Clone, clap::Args)]
pub struct Rules {
    /// Whether the users may speak to other organisations at all
    #[arg(long, value_name = "YES|NO", value_parser = BoolishValueParser::new())]
    federation: Option<bool>,
    /// With which partners: all, or domains with commas between them; *.DOMAIN for all that is below it
    #[arg(long, value_name = "LIST", value_parser = parse_scope)]
    partners: Option<PartnerScope>,
    /// How: messages, presence, audio, video, sharing, files, meetings; all; none
    #[arg(long, value_name = "LIST", value_parser = parse_modalities)]
    modalities: Option<Modalities>,
    /// Whether the users may sign in from outside, by an edge that lets users in
    #[arg(long, value_name = "YES|NO", value_parser = BoolishValueParser::new())]
    outside: Option<bool>,
    /// Through which edge their requests to other organisations go, such as that of their site; none: the usual way
    #[arg(long, value_name = "SIP-URI|none")]
    route: Option<String>,
    /// What becomes of the first that somebody of a domain without an entry sends them: it is delivered, or it is held and the
    /// user is asked
    #[arg(long, value_name = "deliver|ask", value_parser = parse_first_contact)]
    first_contact: Option<FirstContact>,
}

impl Rules {
    fn on(self, policy: Policy) -> NewPolicy {
        NewPolicy {
            federation: self.federation.unwrap_or(policy.federation),
            partners: self.partners.unwrap_or(policy.partners),
            modalities: self.modalities.unwrap_or(policy.modalities),
            outside: self.outside.unwrap_or(policy.outside),
            first_contact: self.first_contact.unwrap_or(policy.first_contact),
            route: self.route.or(policy.route).filter(|route| route != "none"),
        }
    }
}

fn parse_first_contact(text: &str) -> Result<FirstContact, String> {
    let found = FirstContact::ALL.into_iter().find(|choice| choice.as_str() == text);
    found.ok_or_else(|| "it is one of: deliver, ask".to_owned())
}

fn parse_scope(text: &str) -> Result<PartnerScope, String> {
    let entry = |text: &str| domain::parse_entry(text.trim()).map_err(|error| error.to_string());
    match text {
        "all" => Ok(PartnerScope::All),
        list => list.split(',').map(entry).collect::<Result<_, _>>().map(PartnerScope::Only),
    }
}

pub async fn run(global: &Global, command: PolicyCommand) -> Result<ExitCode, Failure> {
    let config = configuration::load_settings(global.config_file())?;
    let mut client = Client::to_server_or_store(config).await?;
    match command {
        PolicyCommand::Add { name, rules } => {
            if named(&mut client, &name).await?.is_some() {
                let next = format!("to change it: comity policy set {name}");
                return Err(Failure::new(format!("there is a policy {name:?} already"), next));
            }
            put(global, &mut client, &name, &rules.on(Policy::new(&name))).await
        }
        PolicyCommand::Set { name, rules } => {
            let found = named(&mut client, &name).await?.ok_or_else(|| unknown(&name))?;
            put(global, &mut client, &name, &rules.on(found.policy)).await
        }
        PolicyCommand::Remove { name } => {
            let left: Vec<PolicyAnswer> = client.delete(&path(&name)).await?;
            global.print(&left, || match left.iter().any(|answer| answer.policy.name == name) {
                true => println!("the policy {name} allows everything again"),
                false => println!("the policy {name} is removed"),
            })
        }
        PolicyCommand::List => list(global, &mut client).await,
        PolicyCommand::Show { name } => {
            let found = named(&mut client, &name).await?.ok_or_else(|| unknown(&name))?;
            global.print(&found, || print_policy(&found))
        }
        PolicyCommand::Group { group, policy, .. } => {
            let new = GroupPolicy { group: group.clone(), policy };
            let answer: GroupPolicy = client.put(&format!("/api/groups/{}", segment(&group)), &new).await?;
            global.print(&answer, || match &answer.policy {
                Some(policy) => println!("the group {group} has the policy {policy}"),
                None => println!("the group {group} has no policy of its own"),
            })
        }
    }
}

async fn named(client: &mut Client, name: &str) -> Result<Option<PolicyAnswer>, Failure> {
    let policies: Vec<PolicyAnswer> = client.get("/api/policies").await?;
    Ok(policies.into_iter().find(|answer| answer.policy.name == name))
}

fn unknown(name: &str) -> Failure {
    Failure::new(format!("there is no policy {name:?}"), "to see the policies: comity policy list")
}

async fn put(global: &Global, client: &mut Client, name: &str, new: &NewPolicy) -> Result<ExitCode, Failure> {
    let answer: PolicyAnswer = client.put(&path(name), new).await?;
    global.print(&answer, || print_policy(&answer))
}

fn print_policy(answer: &PolicyAnswer) {
    let PolicyAnswer { policy, given_to } = answer;
    println!("{}", policy.name);
    let told = terms_of(&answer.clone().into()).into_iter().filter(|(name, value)| *name != "route" || value != "-");
    told.for_each(|(name, value)| println!("  {name}: {value}"));
    let holders = if given_to.is_empty() { "nobody".to_owned() } else { given_to.join(", ") };
    println!("  given to: {holders}");
}

/// All that a policy says, in words.
pub(super) fn terms_of(policy: &NewPolicy) -> TermsTold {
    vec![
        ("federation", yes_or_no(policy.federation).to_owned()),
        ("partners", scope(&policy.partners)),
        ("modalities", policy.modalities.to_string()),
        ("from outside", yes_or_no(policy.outside).to_owned()),
        ("first contact", policy.first_contact.as_str().to_owned()),
        ("route", or_dash(policy.route.as_deref().unwrap_or_default())),
    ]
}

fn scope(partners: &PartnerScope) -> String {
    match partners {
        PartnerScope::All => "all".to_owned(),
        PartnerScope::Only(list) => list.join(", "),
    }
}

async fn list(global: &Global, client: &mut Client) -> Result<ExitCode, Failure> {
    let policies: Vec<PolicyAnswer> = client.get("/api/policies").await?;
    global.print(&policies, || {
        let mut table =
            Columns::new(&["NAME", "FEDERATION", "PARTNERS", "MODALITIES", "OUTSIDE", "FIRST CONTACT", "GIVEN TO"]);
        for PolicyAnswer { policy, given_to } in &policies {
            table.row([
                policy.name.clone(),
                yes_or_no(policy.federation).to_owned(),
                scope(&policy.partners),
                policy.modalities.to_string(),
                yes_or_no(policy.outside).to_owned(),
                policy.first_contact.as_str().to_owned(),
                given_to.len().to_string(),
            ]);
        }
        table.print();
    })
}

fn path(name: &str) -> String {
    format!("/api/policies/{}", segment(name))
}
