//! `comity partner ...`

mod lync;
mod transfer;
mod trust;

use std::process::ExitCode;

use clap::Subcommand;
use federation::admission::Origin;
use federation::decision::{DecisionRecord, Outcome};
use federation::flow::Direction;
use federation::modality::Modalities;
use federation::partner::{SourceMark, VerificationLevel};
use server::certificate::ServedCertificate;
use server::control::answers::{
    DecisionAnswer, DiscoveryAnswer, LinkAnswer, NewPartner, PartnerAnswer, PartnerChange, PartnerDetail, PartnerEdit,
    PartnerReset, PartnerWord, SeenAnswer, TroubleAnswer, rung_sentence,
};
use server::{domain, moment};
use sip::Diagnostics;
use store::StoredSeen;

use self::trust::TrustChange;
use super::Global;
use super::discovered;
use super::edges;
use super::route::{print_advice, print_certificate};
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
            global.print(&change, || println!("{domain} is no longer blocked; it has no entry now"))
        }
        PartnerCommand::Remove { domain } => {
            let change: PartnerChange = client.delete(&format!("{}?only=allowed", path(&domain))).await?;
            global.print(&change, || println!("{domain} has no entry any more"))
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
        match &new {
            NewPartner { kind: PartnerWord::Blocked, .. } => println!("{domain} is blocked"),
            NewPartner { edge: Some(edge), .. } => println!("{domain} is allowed, with its edge {edge}"),
            NewPartner { edge: None, .. } => println!("{domain} is allowed; its edge is found by DNS"),
        }
        if let Some(before) = change.before.as_ref().filter(|before| before.kind != new.kind || before.edge != new.edge)
        {
            println!("before: {}", described(before));
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
        println!("the entry of {domain} is changed");
        if let (Some(before), Some(entry)) = (&change.before, &change.entry) {
            print_changes(before, entry);
        }
    })
}

/// What each term was and is.
fn print_changes(before: &PartnerAnswer, entry: &PartnerAnswer) {
    for ((name, was), (_, is)) in terms_of(before).into_iter().zip(terms_of(entry)) {
        if was != is {
            println!("  {name}: {is} (before: {was})");
        }
    }
}

fn terms_of(entry: &PartnerAnswer) -> [(&'static str, String); 7] {
    let or_dash = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
    [
        ("kind", entry.kind.as_str().to_owned()),
        ("edge", or_dash(entry.edge.as_deref().unwrap_or_default())),
        ("comment", or_dash(&entry.comment)),
        ("monitored", yes_or_no(entry.monitored).to_owned()),
        ("verification", entry.verification.to_string()),
        ("modalities", entry.modalities.to_string()),
        ("mark source", entry.mark_source.to_string()),
    ]
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
                partner.domain.clone(),
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

fn print_detail(detail: &PartnerDetail) {
    println!("{}\n  {}", detail.domain, detail.meaning);
    if let Some(entry) = &detail.entry {
        println!("  entry of {}", moment::date(entry.added_unix));
    }
    if let Some(entry) = &detail.decided_by {
        println!("  decided by the entry of {}", entry.domain);
    }
    if let Some(tier) = &detail.tier {
        println!("  tier: {tier}");
    }
    if let Some(provider) = &detail.provider {
        println!("  a domain of the hosting provider {provider}");
    }
    if let Some(entry) = detail.decided_by.as_ref().or(detail.entry.as_ref()) {
        let unusual = terms_of(entry).into_iter().skip(2).filter(|(name, value)| !is_usual(name, value));
        unusual.for_each(|(name, value)| println!("  {name}: {value}"));
    }
    trust::print(&detail.trust, "  ");
    print_learnt(detail);
    edges::print_each(&detail.edges, print_learnt);
}

/// What it came to on one server.
fn print_learnt(detail: &PartnerDetail) {
    if let Some(ServedCertificate { report, .. }) = &detail.shown {
        let (names, end) = (report.names.join(", "), moment::date(report.not_after_unix));
        println!("  it alone is shown the certificate of {}, which names {names} and expires {end}", report.subject);
    }
    for way in &detail.ways {
        println!("  messages go to {} ({}): {}", way.target, way.address, rung_sentence(&way.rung));
    }
    if let Some(counts) = &detail.counts {
        println!(
            "  since the server started: {} of theirs admitted, {} refused; {} of ours sent, {} of them taken, {} refused here",
            counts.admitted, counts.refused, counts.sent, counts.succeeded, counts.refused_ours
        );
        if counts.overloaded > 0 {
            let (overloaded, held_back) = (counts.overloaded, counts.held_back);
            println!(
                "  answered with 503 (overloaded): {overloaded}; not sent while its server had asked for rest: {held_back}"
            );
        }
    }
    detail.discovery.as_ref().map(print_discovery);
    discovered::print_ledgers(&detail.ledgers);
    // Behind edges nobody expects any.
    if detail.edges.is_empty() {
        print_links(&detail.links);
    }
    print_troubles(&detail.troubles);
    print_certificates(&detail.certificates);
    print_seen(&detail.seen);
    print_decisions(&detail.decisions);
    print_advice(&detail.advice);
}

/// What every new entry has.
fn is_usual(term: &str, value: &str) -> bool {
    match term {
        "verification" => value == VerificationLevel::default().as_str(),
        "modalities" => value == Modalities::ALL.to_string(),
        "monitored" => value == "no",
        "mark source" => value == SourceMark::default().as_str(),
        _ => value == "-",
    }
}

fn print_discovery(discovery: &DiscoveryAnswer) {
    let believed = moment::duration(discovery.believed_secs);
    match (&discovery.name, &discovery.failure) {
        (Some(name), _) => println!("\nits servers by DNS ({name}, believed for {believed} more)"),
        (None, failure) => println!("\nDNS: {} (believed for {believed} more)", failure.as_deref().unwrap_or_default()),
    }
    if let Some(why) = &discovery.stale {
        let over = moment::duration(discovery.stale_secs);
        println!(
            "  its name servers do not answer any more ({why}); this is what they said before, its time over since {over}"
        );
    }
    for record in &discovery.records {
        println!("  {}:{}, priority {}, weight {}", record.host, record.port, record.priority, record.weight);
    }
}

fn print_troubles(troubles: &[TroubleAnswer]) {
    if troubles.is_empty() {
        return;
    }
    println!("\nservers that failed lately");
    let mut table = Columns::new(&["SERVER", "WORKER", "FAILURES", "LAST", "TRIED LAST FOR", "REASON"]);
    for trouble in troubles {
        table.row([
            trouble.place.clone(),
            trouble.worker.to_string(),
            trouble.failures.to_string(),
            format!("{} ago", moment::duration(trouble.failed_secs_ago)),
            match trouble.avoided_secs {
                0 => "-".to_owned(),
                secs => moment::duration(secs),
            },
            trouble.reason.clone(),
        ]);
    }
    table.print_indented();
}

fn print_certificates(certificates: &[SeenAnswer]) {
    if certificates.is_empty() {
        return;
    }
    println!("\ncertificates on connections that stand");
    for seen in certificates {
        let way = if seen.inbound { "from" } else { "to" };
        let connections = count(seen.connections, "connection", "connections");
        println!("  {connections} {way} {}", seen.remote);
        print_certificate(&seen.certificate, "    ");
    }
}

/// Since when the partner shows what, and where.
fn print_seen(all: &[StoredSeen]) {
    if all.is_empty() {
        return;
    }
    println!("\ncertificates that it has shown so far");
    let mut table =
        Columns::new(&["WAY", "SERVER", "ADDRESS", "PROVEN BY", "CERTIFICATE", "ENDS", "FIRST SEEN", "LAST SEEN"]);
    for StoredSeen { seen, first_unix, last_unix } in all {
        table.row([
            if seen.is_inbound { "from" } else { "to" }.to_owned(),
            if seen.place.is_empty() { "-".to_owned() } else { seen.place.clone() },
            seen.address.to_string(),
            seen.rung.clone().unwrap_or_else(|| "-".to_owned()),
            format!("{}, {}", seen.subject, seen.fingerprint.get(..8).unwrap_or_default()),
            moment::date(seen.not_after_unix),
            moment::date_and_time(*first_unix),
            moment::date_and_time(*last_unix),
        ]);
    }
    table.print_indented();
}

fn print_links(links: &[LinkAnswer]) {
    if links.is_empty() {
        return println!("\nno connections to it");
    }
    println!("\nconnections to it");
    let mut table = Columns::new(&["NUMBER", "WORKER", "STATE", "HOST", "PROVEN BY", "LAST FAILURE"]);
    let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    for LinkAnswer { worker, link } in links {
        table.row([
            link.connection.to_string(),
            worker.to_string(),
            link.state.clone(),
            or_dash(&link.host),
            or_dash(&link.rung),
            or_dash(&link.last_failure),
        ]);
    }
    table.print_indented();
}

fn print_decisions(decisions: &[DecisionAnswer]) {
    if decisions.is_empty() {
        return println!("\nno decisions about it yet");
    }
    println!("\nlast decisions, the newest first");
    let mut table = Columns::new(&["TIME", "WAY", "METHOD", "FROM", "TO", "OUTCOME"]);
    for DecisionAnswer { at_unix_ms, record } in decisions {
        let DecisionRecord { method, from_domain, to_domain, direction, outcome, .. } = record;
        let way = match direction {
            Direction::Inbound => "in",
            Direction::Outbound => "out",
        };
        table.row([
            moment::date_and_time(at_unix_ms.div_euclid(1000)),
            way.to_owned(),
            method.clone(),
            from_domain.clone(),
            to_domain.clone(),
            outcome_text(outcome),
        ]);
    }
    table.print_indented();
}

fn outcome_text(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Admitted { origin: Origin::Partner { rung, .. }, .. } => {
            format!("admitted, proven by {}", rung.as_str())
        }
        Outcome::Admitted { origin: Origin::User { .. }, .. } => "admitted, one of our users".to_owned(),
        Outcome::Admitted { origin: Origin::Remote { .. }, .. } => {
            "passed on, from outside in a user's name".to_owned()
        }
        Outcome::Admitted { origin: Origin::Inside { .. }, .. } => "admitted, from behind this edge".to_owned(),
        Outcome::Refused { status, word, reason } => format!("refused {status} {word}: {reason}"),
        Outcome::Routed { next_hop, .. } => format!("sent to {next_hop}"),
        Outcome::Way { stands_between: true, .. } => "we stand between the two phones".to_owned(),
        Outcome::Way { stands_between: false, .. } => "proxied from one phone to the other".to_owned(),
        Outcome::Anchored { .. } => "its sound goes through this server".to_owned(),
        Outcome::Retried { reason } => format!("tried again: {reason}"),
        Outcome::Answered { status, word: Some(word), .. } => format!("answered with {status} {word}"),
        Outcome::Answered { status, word: None, diagnostics: None } => format!("answered with {status}"),
        Outcome::Answered { status, diagnostics: Some(Diagnostics { id, reason, .. }), .. } => {
            format!("answered with {status}, ms-diagnostics {id} {reason}")
        }
    }
}

fn described(entry: &PartnerAnswer) -> String {
    match &entry.edge {
        Some(edge) => format!("{} {edge}", entry.kind.as_str()),
        None => entry.kind.as_str().to_owned(),
    }
}

fn path(domain: &str) -> String {
    format!("/api/partners/{}", segment(domain))
}
