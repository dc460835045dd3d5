//! `comity provider ...`

pub(super) mod detail;

use std::process::ExitCode;

use clap::Subcommand;
use clap::builder::{BoolishValueParser, NonEmptyStringValueParser};
use federation::modality::Modalities;
use federation::partner::{EntrySwitch, Provider, VerificationLevel};
use federation::trust::{Fingerprint, hexadecimal};
use server::control::answers::{NewProvider, ProviderAnswer, ProviderChange, ProviderDetail};
use server::{domain, moment};

use self::detail::print_detail;
use super::Global;
use super::partner::yes_or_no;
use super::terms::{entry_switch, level, parse_modalities};
use crate::client::{Client, segment};
use crate::configuration;
use crate::failure::Failure;
use crate::table::{Columns, count};

pub const EXAMPLES: &str = "\
Examples:
  comity provider add cloud --edge edge.cloud.example
  comity provider set cloud --verification always-unverifiable
  comity provider set cloud --modalities messages,presence           with all domains behind it
  comity provider set cloud --pin 9F86D081...                        this certificate alone
  comity provider set cloud --shared-address-space yes --hosts-users yes
  comity provider set hub --clearing-house yes                       for whoever has no other way
  comity provider list
  comity provider show cloud                                         domains behind it, certificates, last decisions
  comity provider remove cloud";

#[derive(Debug, Subcommand)]
pub enum ProviderCommand {
    /// Enter a provider; a domain is its own when the domain's SRV records lead to this edge
    #[command(after_help = "Example:\n  comity provider add cloud --edge edge.cloud.example")]
    Add {
        /// A name of your choice
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        name: String,
        /// The name of the provider's edge, which is nobody else's
        #[arg(long, value_name = "HOST[:PORT]", value_parser = domain::parse_edge)]
        edge: String,
        #[command(flatten)]
        terms: ProviderTerms,
    },
    /// Change a provider; what is not named stays
    #[command(after_help = "Example:\n  comity provider set cloud --enabled no")]
    Set {
        /// The provider's name
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        name: String,
        /// The name of the provider's edge
        #[arg(long, value_name = "HOST[:PORT]", value_parser = domain::parse_edge)]
        edge: Option<String>,
        #[command(flatten)]
        terms: ProviderTerms,
    },
    /// List all providers
    #[command(after_help = "Example:\n  comity provider list --json | jq '.[].edge'")]
    List,
    /// Show what holds for a provider: which domains are behind it, its certificates, connections and the last decisions
    #[command(after_help = "Example:\n  comity provider show cloud")]
    Show {
        /// The provider's name
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        name: String,
    },
    /// Remove a provider; its domains have to prove themselves then
    #[command(after_help = "Example:\n  comity provider remove cloud")]
    Remove {
        /// The provider's name
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        name: String,
    },
}

/// What is not typed is not said.
#[derive(Debug, Clone, clap::Args)]
pub struct ProviderTerms {
    /// Whether it counts
    #[arg(long, value_name = "YES|NO", value_parser = BoolishValueParser::new())]
    enabled: Option<bool>,
    /// How far its word about a sender is believed
    #[arg(long, value_name = "LEVEL", value_parser = level())]
    verification: Option<VerificationLevel>,
    /// Whether users of our own domains may be at home there
    #[arg(long, value_name = "YES|NO", value_parser = BoolishValueParser::new())]
    shared_address_space: Option<bool>,
    /// Whether users of our domains who are not here are looked for there
    #[arg(long, value_name = "YES|NO", value_parser = BoolishValueParser::new())]
    hosts_users: Option<bool>,
    /// Whether it is told that we vouch for our users; by-default: as comity.toml says
    #[arg(long, value_name = "WHEN", value_parser = entry_switch())]
    mark_source: Option<EntrySwitch>,
    /// Whether it sees the edge alone, and no name or address behind it; by-default: as comity.toml of the edge says
    #[arg(long, value_name = "WHEN", value_parser = entry_switch())]
    hide_topology: Option<EntrySwitch>,
    /// Whether whoever has no entry, nor an SRV record with discovery on, is reached through it
    #[arg(long, value_name = "YES|NO", value_parser = BoolishValueParser::new())]
    clearing_house: Option<bool>,
    /// A mark for whoever watches over it and all domains behind it, as of a partner
    #[arg(long, value_name = "YES|NO", value_parser = BoolishValueParser::new())]
    monitored: Option<bool>,
    /// What may pass with domains behind it, besides what their entries say: messages, presence, audio, video, sharing, files, meetings;
    /// all; none
    #[arg(long, value_name = "LIST", value_parser = parse_modalities)]
    modalities: Option<Modalities>,
    /// The SHA-256 of a certificate; only pinned ones are its edge's then. May be given again, as before a renewal
    #[arg(long = "pin", value_name = "FINGERPRINT")]
    pins: Vec<String>,
    /// Remove all pins
    #[arg(long, conflicts_with = "pins")]
    no_pins: bool,
    /// A note for whoever reads the list
    #[arg(long, value_name = "TEXT")]
    comment: Option<String>,
}

impl ProviderTerms {
    fn on(self, provider: Provider) -> NewProvider {
        NewProvider {
            edge: provider.edge,
            enabled: self.enabled.unwrap_or(provider.enabled),
            verification: self.verification.unwrap_or(provider.verification),
            shared_address_space: self.shared_address_space.unwrap_or(provider.shared_address_space),
            hosts_users: self.hosts_users.unwrap_or(provider.hosts_users),
            mark_source: self.mark_source.unwrap_or(provider.mark_source),
            hide_topology: self.hide_topology.unwrap_or(provider.hide_topology),
            clearing_house: self.clearing_house.unwrap_or(provider.clearing_house),
            monitored: self.monitored.unwrap_or(provider.monitored),
            modalities: self.modalities.unwrap_or(provider.modalities),
            pins: match self.no_pins || !self.pins.is_empty() {
                true => self.pins,
                false => provider.pins.iter().map(hexadecimal).collect(),
            },
            comment: self.comment.unwrap_or(provider.comment),
        }
    }
}

pub async fn run(global: &Global, command: ProviderCommand) -> Result<ExitCode, Failure> {
    let config = configuration::load_settings(global.config_file())?;
    let mut client = Client::to_server_or_store(config).await?;
    match command {
        ProviderCommand::Add { name, edge, terms } => {
            let new = terms.on(Provider::new(&name, edge));
            put(global, &mut client, &name, &new).await
        }
        ProviderCommand::Set { name, edge, terms } => {
            let known: Vec<ProviderAnswer> = client.get("/api/providers").await?;
            let Some(found) = known.into_iter().find(|found| found.provider.name == name) else {
                let error = format!("there is no hosting provider {name:?}");
                return Err(Failure::new(error, "to see them: comity provider list"));
            };
            let provider = Provider { edge: edge.unwrap_or(found.provider.edge.clone()), ..found.provider };
            put(global, &mut client, &name, &terms.on(provider)).await
        }
        ProviderCommand::List => list(global, &mut client).await,
        ProviderCommand::Show { name } => {
            let detail: ProviderDetail = client.get(&path(&name)).await?;
            global.print(&detail, || print_detail(&detail))
        }
        ProviderCommand::Remove { name } => {
            let change: ProviderChange = client.delete(&path(&name)).await?;
            global.print(&change, || println!("the hosting provider {name} is removed"))
        }
    }
}

async fn put(global: &Global, client: &mut Client, name: &str, new: &NewProvider) -> Result<ExitCode, Failure> {
    let change: ProviderChange = client.put(&path(name), new).await?;
    global.print(&change, || {
        let verb = if change.before.is_some() { "changed" } else { "entered" };
        println!("the hosting provider {name} is {verb}, with its edge {}", new.edge);
        if new.enabled && new.shared_address_space && new.hosts_users {
            println!("users of our domains who are not here are looked for there");
        }
        if new.enabled && new.clearing_house {
            println!("domains that have no other way go through it");
        }
        if new.modalities != Modalities::ALL {
            println!("with domains behind it may pass: {}", new.modalities);
        }
        let pins_of = |answer: Option<&ProviderAnswer>| answer.map(|it| it.provider.pins.clone()).unwrap_or_default();
        let (pins, before) = (pins_of(change.provider.as_ref()), pins_of(change.before.as_ref()));
        print_pins(&pins);
        if before != pins && !before.is_empty() {
            println!("before:");
            print_pins(&before);
        }
    })
}

async fn list(global: &Global, client: &mut Client) -> Result<ExitCode, Failure> {
    let providers: Vec<ProviderAnswer> = client.get("/api/providers").await?;
    global.print(&providers, || {
        if providers.is_empty() {
            return println!("no hosting providers; to enter one: comity provider add NAME --edge HOST");
        }
        let mut table =
            Columns::new(&["NAME", "EDGE", "ENABLED", "OUR USERS", "ALL OTHERS", "SINCE", "OTHER TERMS", "COMMENT"]);
        for ProviderAnswer { provider, added_unix } in &providers {
            let ours = match (provider.shared_address_space, provider.hosts_users) {
                (true, true) => "at home there",
                (true, false) => "served there",
                (false, _) => "-",
            };
            table.row([
                provider.name.clone(),
                provider.edge.clone(),
                yes_or_no(provider.enabled).to_owned(),
                ours.to_owned(),
                yes_or_no(provider.clearing_house).to_owned(),
                moment::date(*added_unix),
                unusual_terms(provider),
                provider.comment.clone(),
            ]);
        }
        table.print();
    })
}

/// What a new provider has not, in a few words.
fn unusual_terms(provider: &Provider) -> String {
    let Provider { monitored, pins, modalities, verification, mark_source, hide_topology, .. } = provider;
    let terms = [
        monitored.then(|| "monitored".to_owned()),
        (!pins.is_empty()).then(|| count(pins.len() as u64, "pin", "pins")),
        (*modalities != Modalities::ALL).then(|| format!("passes {modalities}")),
        (*verification != VerificationLevel::default()).then(|| verification.to_string()),
        (*mark_source != EntrySwitch::default()).then(|| format!("source marked {mark_source}")),
        (*hide_topology != EntrySwitch::default()).then(|| format!("topology hidden {hide_topology}")),
    ];
    let terms: Vec<String> = terms.into_iter().flatten().collect();
    if terms.is_empty() { "-".to_owned() } else { terms.join("; ") }
}

fn print_pins(pins: &[Fingerprint]) {
    pins.iter().for_each(|pin| println!("  pinned certificate {}", hexadecimal(pin)));
}

fn path(name: &str) -> String {
    format!("/api/providers/{}", segment(name))
}
