//! What `comity partner show` prints: what holds for a domain, and what was seen of it.

use federation::admission::Origin;
use federation::decision::{Answerer, DecisionRecord, Outcome};
use federation::flow::Direction;
use federation::modality::Modalities;
use server::certificate::ServedCertificate;
use server::control::answers::{
    CountsAnswer, DecisionAnswer, DiscoveryAnswer, LinkAnswer, PartnerDetail, SeenAnswer, TroubleAnswer, rung_sentence,
};
use server::{domain, moment};
use sip::Diagnostics;
use store::{PartnerSeen, StoredSeen};

use super::entry_terms::{is_usual, terms_of};
use super::trust;
use crate::command::route::{print_advice, print_certificate, purposes_told};
use crate::command::{discovered, edges};
use crate::table::{Columns, count};

pub(super) fn print_detail(detail: &PartnerDetail) {
    println!("{}\n  {}", domain::shown(&detail.domain), detail.meaning);
    if let Some(entry) = &detail.entry {
        println!("  entry of {}", moment::date(entry.added_unix));
    }
    if let Some(entry) = &detail.decided_by {
        println!("  decided by the entry of {}", domain::shown(&entry.domain));
    }
    if let Some(tier) = &detail.tier {
        println!("  tier: {tier}");
    }
    if let Some(provider) = &detail.provider {
        println!("  a domain of the hosting provider {provider}");
        if let Some(modalities) = detail.provider_modalities.filter(|modalities| *modalities != Modalities::ALL) {
            println!("  its provider's modalities, which hold besides: {modalities}");
        }
        for pin in &detail.provider_pins {
            println!("  its provider's pinned certificate {pin}");
        }
        if detail.provider_monitored {
            println!("  its provider is monitored");
        }
    }
    if let Some(entry) = detail.decided_by.as_ref().or(detail.entry.as_ref()) {
        let unusual =
            terms_of(&entry.clone().into()).into_iter().skip(2).filter(|(name, value)| !is_usual(name, value));
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
    detail.counts.as_ref().map(print_counts);
    detail.discovery.as_ref().map(print_discovery);
    discovered::print_ledgers(&detail.ledgers);
    // Behind edges nobody expects any.
    if detail.edges.is_empty() {
        print_links(&detail.links, &Whose::Partners);
    }
    print_troubles(&detail.troubles);
    print_certificates(&detail.certificates);
    print_seen(&detail.seen);
    print_all_decisions(&detail.decisions, &detail.refusals);
    print_advice(&detail.advice);
}

pub(in crate::command) fn print_counts(counts: &CountsAnswer) {
    println!(
        "  since the server started: {} of theirs admitted, {} refused; {} of ours sent, {} of them taken, {} refused here",
        counts.admitted, counts.refused, counts.sent, counts.succeeded, counts.refused_ours
    );
    let (this, last) = (counts.this_hour, counts.last_hour);
    println!(
        "  this hour: {} of theirs came, {} of ours were sent; last hour: {} came, {} were sent",
        this.theirs, this.sent, last.theirs, last.sent
    );
    if counts.over_share > 0 {
        println!(
            "  of theirs refused with 503 and a time to wait, for as much was under way as one may have: {}",
            counts.over_share
        );
    }
    if counts.overloaded > 0 {
        let (overloaded, held_back) = (counts.overloaded, counts.held_back);
        println!(
            "  answered with 503 (overloaded): {overloaded}; not sent while its server had asked for rest: {held_back}"
        );
    }
}

pub(in crate::command) fn print_all_decisions(decisions: &[DecisionAnswer], refusals: &[DecisionAnswer]) {
    match decisions.is_empty() {
        true => println!("\nno decisions about it yet"),
        false => print_decisions("last decisions, the newest first", decisions),
    }
    if !refusals.is_empty() {
        print_decisions("the last refusals before those", refusals);
    }
}

fn print_discovery(discovery: &DiscoveryAnswer) {
    let learnt = discovery.learnt_secs_ago.map(|secs| format!("learnt {} ago, ", moment::duration(secs)));
    let believed =
        format!("{}believed for {} more", learnt.unwrap_or_default(), moment::duration(discovery.believed_secs));
    match (&discovery.name, &discovery.failure) {
        (Some(name), _) => println!("\nits servers by DNS ({name}, {believed})"),
        (None, failure) => println!("\nDNS: {} ({believed})", failure.as_deref().unwrap_or_default()),
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

pub(in crate::command) fn print_troubles(troubles: &[TroubleAnswer]) {
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

pub(in crate::command) fn print_certificates(certificates: &[SeenAnswer]) {
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
pub(in crate::command) fn print_seen(all: &[StoredSeen]) {
    if all.is_empty() {
        return;
    }
    println!("\ncertificates that it has shown so far");
    let mut told: Vec<&str> = Vec::new();
    for StoredSeen { seen, .. } in all.iter() {
        if !told.contains(&seen.fingerprint.as_str()) {
            told.push(&seen.fingerprint);
            print_seen_certificate(seen);
            all.iter().filter(|other| other.seen.fingerprint == seen.fingerprint).for_each(print_seen_at);
        }
    }
}

fn print_seen_certificate(seen: &PartnerSeen) {
    let PartnerSeen { subject, issuer, serial, not_after_unix, purposes, purposes_stated, fingerprint, .. } = seen;
    let purposes = purposes_stated.map(|stated| format!(", for {}", purposes_told(purposes, stated)));
    println!("  certificate of {}", if subject.is_empty() { "nothing" } else { subject });
    println!("    issued by {issuer}, serial {serial}");
    println!("    expires {}{}", moment::date(*not_after_unix), purposes.unwrap_or_default());
    println!("    fingerprint {fingerprint}");
}

fn print_seen_at(StoredSeen { seen, first_unix, last_unix }: &StoredSeen) {
    let PartnerSeen { address, place, rung, .. } = seen;
    let place = if seen.is_inbound { format!("from {address}") } else { format!("to {place} ({address})") };
    let rung = rung.as_ref().map(|rung| format!(", proven by {rung}")).unwrap_or_default();
    let [first, last] = [first_unix, last_unix].map(|unix| moment::date_and_time(*unix));
    println!("    {place}{rung}: first seen {first}, last seen {last}");
}

/// With whom connections are.
pub(in crate::command) enum Whose {
    Partners,
    /// For several domains.
    Providers,
}

pub(in crate::command) fn print_links(links: &[LinkAnswer], whose: &Whose) {
    if links.is_empty() {
        return println!("\nno connections to it");
    }
    println!("\nconnections to it");
    // A partner's page has said its domain already.
    let number = match whose {
        Whose::Partners => "NUMBER",
        Whose::Providers => "DOMAIN, NUMBER",
    };
    let mut table = Columns::new(&[number, "WORKER", "STATE", "HOST", "PROVEN BY", "LAST FAILURE"]);
    let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    for LinkAnswer { worker, link } in links {
        table.row([
            match whose {
                Whose::Partners => link.connection.to_string(),
                Whose::Providers => format!("{}, {}", domain::shown(&link.domain), link.connection),
            },
            worker.to_string(),
            link.state.clone(),
            or_dash(&link.host),
            or_dash(&link.rung),
            or_dash(&link.last_failure),
        ]);
    }
    table.print_indented();
}

fn print_decisions(title: &str, decisions: &[DecisionAnswer]) {
    println!("\n{title}");
    let mut table = Columns::new(&["TIME", "WAY", "METHOD", "FROM", "TO", "OUTCOME"]);
    for DecisionAnswer { at_unix_ms, record, .. } in decisions {
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
        Outcome::Held { reason } => format!("held: {reason}"),
        Outcome::Retried { reason } => format!("tried again: {reason}"),
        Outcome::Answered { status, by: Answerer::Device, .. } => format!("a device answered with {status}"),
        Outcome::Answered { status, by: Answerer::Nobody, .. } => format!("no device answered: {status}"),
        Outcome::Answered { status, by: Answerer::Inside, .. } => format!("answered with {status} behind this edge"),
        Outcome::Answered { status, word: Some(word), .. } => format!("answered with {status} {word}"),
        Outcome::Answered { status, word: None, diagnostics: None, .. } => format!("answered with {status}"),
        Outcome::Answered { status, diagnostics: Some(Diagnostics { id, reason, .. }), .. } => {
            format!("answered with {status}, ms-diagnostics {id} {reason}")
        }
    }
}
