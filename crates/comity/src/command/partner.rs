//! `comity partner ...`

pub(super) mod detail;
pub(super) mod entry_terms;
mod imported;
mod lync;
mod transfer;
mod trust;

use std::process::ExitCode;

use clap::Subcommand;
use server::control::answers::{
    NewPartner, PartnerAnswer, PartnerChange, PartnerDetail, PartnerEdit, PartnerReset, PartnerWord,
};
use server::{domain, moment};

use self::detail::print_detail;
use self::entry_terms::print_changes;
use self::trust::TrustChange;
use super::Global;
use super::discovered;
use super::edges;
use super::terms::Terms;
use crate::client::{Client, segment};
use crate::configuration;
use crate::failure::Failure;
use crate::table::{Columns, count};

pub const EXAMPLES: &str = "\
Examples:
  comity partner add fabrikam.example                        its edge is found by DNS
  comity partner add fabrikam.example --edge sip.fabrikam.example:5061
  comity partner block adatum.example --comment 'spam, ticket 42'
  comity partner show fabrikam.example                       the entry, connections, last decisions";

#[derive(Debug, Subcommand)]
pub enum PartnerCommand {
    /// Allow a domain, or change its entry; a block is lifted first: partner unblock
    #[command(after_help = "Example:\n  comity partner add fabrikam.example --edge sip.fabrikam.example")]
    Add {
        /// The partner's SIP domain: the part after the @; *.DOMAIN for all that is below it
        #[arg(value_parser = domain::parse_entry)]
        domain: String,
        /// The name of the partner's edge, port 5061 unless given [default: the edge is found by DNS]
        #[arg(long, value_name = "HOST[:PORT]", value_parser = domain::parse_edge)]
        edge: Option<String>,
        /// A note for whoever reads the list
        #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
        comment: String,
        #[command(flatten)]
        terms: Terms,
    },
    /// Change some terms of an entry; what is not named stays
    #[command(after_help = "Examples:\n  comity partner set fabrikam.example --modalities messages,presence,audio\n  \
        comity partner set fabrikam.example --no-edge")]
    Set {
        /// The entry's SIP domain, or *.DOMAIN
        #[arg(value_parser = domain::parse_entry)]
        domain: String,
        /// The name of the partner's edge, port 5061 unless given
        #[arg(long, value_name = "HOST[:PORT]", value_parser = domain::parse_edge)]
        edge: Option<String>,
        /// Let its edge be found by DNS
        #[arg(long, conflicts_with = "edge")]
        no_edge: bool,
        /// A note for whoever reads the list
        #[arg(long, value_name = "TEXT")]
        comment: Option<String>,
        #[command(flatten)]
        terms: Terms,
    },
    /// Block a domain: nothing from it or to it passes, whatever else is set
    #[command(after_help = "Example:\n  comity partner block adatum.example --comment 'spam, ticket 42'")]
    Block {
        /// The SIP domain: the part after the @
        #[arg(value_parser = domain::parse_entry)]
        domain: String,
        /// A note for whoever reads the list
        #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
        comment: String,
    },
    /// Lift the block of a domain; it has no entry then
    #[command(after_help = "Example:\n  comity partner unblock adatum.example")]
    Unblock {
        /// The SIP domain: the part after the @
        #[arg(value_parser = domain::parse_entry)]
        domain: String,
    },
    /// Remove the entry of an allowed domain; without discovery it may not reach you then
    #[command(after_help = "Example:\n  comity partner remove fabrikam.example")]
    Remove {
        /// The SIP domain: the part after the @
        #[arg(value_parser = domain::parse_entry)]
        domain: String,
    },
    /// Pin a domain's certificates, or trust an authority of its own for it alone; what is not named stays as it is
    #[command(after_help = "Examples:\n  \
        comity partner trust fabrikam.example --pin 9F86D081...             only this certificate proves it from now on\n  \
        comity partner trust fabrikam.example --anchor fabrikam-ca.pem      its own authority vouches for it\n  \
        comity partner trust fabrikam.example --no-pins --no-anchors        as for everybody else")]
    Trust {
        /// The partner's SIP domain: the part after the @
        #[arg(value_parser = domain::parse)]
        domain: String,
        #[command(flatten)]
        change: TrustChange,
    },
    /// Forget what was learnt about a domain: DNS answers, servers that failed, lost connections, that it was suspect
    #[command(after_help = "Example:\n  comity partner reset fabrikam.example      after its DNS was corrected")]
    Reset {
        /// The SIP domain: the part after the @
        #[arg(value_parser = domain::parse_entry)]
        domain: String,
    },
    /// Say what partners without an entry sent in this hour and the last one, and what is thought of them
    #[command(after_help = "Example:\n  comity partner report --json")]
    Report,
    /// Print all entries, hosting providers and policies as TOML, or write them to a new file
    #[command(after_help = "Example:\n  comity partner export partners.toml")]
    Export {
        /// The file, which must not be there yet [default: to standard output]
        file: Option<std::path::PathBuf>,
    },
    /// Show what a file of entries, hosting providers and policies would change, and with --apply change it
    #[command(after_help = "Examples:\n  comity partner import partners.toml\n  \
        comity partner import --lync allowed.txt providers.xml --apply")]
    Import(transfer::ImportArguments),
    /// List all entries, allowed and blocked, and who has come without one
    #[command(after_help = "Example:\n  comity partner list --json | jq '.[].domain'")]
    List,
    /// Show what holds for a domain, the way to it, its connections and the last decisions
    #[command(after_help = "Example:\n  comity partner show fabrikam.example")]
    Show {
        /// The SIP domain: the part after the @
        #[arg(value_parser = domain::parse_entry)]
        domain: String,
    },
}

pub async fn run(global: &Global, command: PartnerCommand) -> Result<ExitCode, Failure> {
    let config = configuration::load_settings(global.config_file())?;
    let mut client = Client::to_server_or_store(config).await?;
    match command {
        PartnerCommand::Add { domain, edge, comment, terms } => {
            let kind = if edge.is_some() { PartnerWord::AllowedServer } else { PartnerWord::AllowedDomain };
            put(global, &mut client, &domain, terms.on(NewPartner::of(kind, edge, comment))).await
        }
        PartnerCommand::Set { domain, edge, no_edge, comment, terms } => {
            let edge = edge.or_else(|| no_edge.then(String::new));
            set(global, &mut client, &domain, terms.edit(edge, comment)).await
        }
        PartnerCommand::Block { domain, comment } => {
            put(global, &mut client, &domain, NewPartner::of(PartnerWord::Blocked, None, comment)).await
        }
        PartnerCommand::Unblock { domain } => {
            let change: PartnerChange = client.delete(&format!("{}?only=blocked", path(&domain))).await?;
            global.print(&change, || println!("{} is no longer blocked; it has no entry now", domain::shown(&domain)))
        }
        PartnerCommand::Remove { domain } => {
            let change: PartnerChange = client.delete(&format!("{}?only=allowed", path(&domain))).await?;
            global.print(&change, || println!("{} has no entry any more", domain::shown(&domain)))
        }
        PartnerCommand::Trust { domain, change } => trust::change(global, &mut client, &domain, &change).await,
        PartnerCommand::Reset { domain } => {
            let reset: PartnerReset = client.post(&format!("{}/reset", path(&domain)), &()).await?;
            global.print(&reset, || print_reset(&reset))
        }
        PartnerCommand::Report => discovered::report(global, &mut client).await,
        PartnerCommand::Export { file } => transfer::export(&mut client, file.as_deref()).await,
        PartnerCommand::Import(arguments) => transfer::import(global, &mut client, &arguments).await,
        PartnerCommand::List => list(global, &mut client).await,
        PartnerCommand::Show { domain } => {
            let detail: PartnerDetail = client.get(&path(&domain)).await?;
            global.print(&detail, || print_detail(&detail))
        }
    }
}

async fn put(global: &Global, client: &mut Client, domain: &str, new: NewPartner) -> Result<ExitCode, Failure> {
    let change: PartnerChange = client.put(&path(domain), &new).await?;
    global.print(&change, || {
        let shown = domain::shown(domain);
        match &new {
            NewPartner { kind: PartnerWord::Blocked, .. } => println!("{shown} is blocked"),
            NewPartner { edge: Some(edge), .. } => println!("{shown} is allowed, with its edge {edge}"),
            NewPartner { edge: None, .. } => println!("{shown} is allowed; its edge is found by DNS"),
        }
        if let (Some(entry), true) = (&change.blocked_by, new.kind != PartnerWord::Blocked) {
            println!("it stays blocked by the entry of {entry}; to lift that: comity partner unblock '{entry}'");
        }
        if !domain.contains('.') {
            let undo = if new.kind == PartnerWord::Blocked { "unblock" } else { "remove" };
            println!("{domain} has no dot; if that is a slip: comity partner {undo} {domain}");
        }
        if let (Some(before), Some(entry)) = (&change.before, &change.entry)
            && print_changes(before, entry)
            && new.kind != PartnerWord::Blocked
        {
            println!("it begins anew; to change a part of an entry and keep the rest: comity partner set {domain}");
        }
    })
}

async fn set(global: &Global, client: &mut Client, domain: &str, edit: PartnerEdit) -> Result<ExitCode, Failure> {
    if edit == PartnerEdit::default() {
        let next = format!("name what to change: comity partner set {domain} --help");
        return Err(Failure::new("nothing to change was named", next));
    }
    let change: PartnerChange = client.patch(&path(domain), &edit).await?;
    global.print(&change, || {
        println!("the entry of {} is changed", domain::shown(domain));
        if let (Some(before), Some(entry)) = (&change.before, &change.entry) {
            print_changes(before, entry);
        }
    })
}

pub(super) fn yes_or_no(is_so: bool) -> &'static str {
    if is_so { "yes" } else { "no" }
}

async fn list(global: &Global, client: &mut Client) -> Result<ExitCode, Failure> {
    let partners: Vec<PartnerAnswer> = client.get("/api/partners").await?;
    let found = discovered::fetch(client).await?;
    global.print(&partners, || {
        if partners.is_empty() {
            println!("no entries yet; to allow a domain: comity partner add DOMAIN");
            return discovered::print_list(&found);
        }
        let mut table = Columns::new(&["DOMAIN", "KIND", "EDGE", "SINCE", "COMMENT"]);
        for partner in &partners {
            table.row([
                domain::shown(&partner.domain),
                partner.kind.as_str().to_owned(),
                partner.edge.clone().unwrap_or_else(|| "-".to_owned()),
                moment::date(partner.added_unix),
                partner.comment.clone(),
            ]);
        }
        table.print();
        discovered::print_list(&found);
    })
}

fn print_reset(PartnerReset { domain, workers, forgotten, seen, edges }: &PartnerReset) {
    if *workers == 0 {
        return println!("nothing is remembered of {domain} where no server runs");
    }
    println!(
        "forgotten about {domain}: {}, {}, {}, {}, {}; the next message finds its way anew",
        count(forgotten.discovery as u64, "answer of the DNS", "answers of the DNS"),
        count(forgotten.failures as u64, "failure of a server", "failures of servers"),
        count(forgotten.connections as u64, "connection that was down", "connections that were down"),
        count(forgotten.ledgers as u64, "count of its requests", "counts of its requests"),
        count(*seen as u64, "certificate that it has shown", "certificates that it has shown"),
    );
    edges::print_each(edges, print_reset);
}

fn path(domain: &str) -> String {
    format!("/api/partners/{}", segment(domain))
}
