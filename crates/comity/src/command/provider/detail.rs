//! What `comity provider show` prints: its terms, the domains behind it, and what was seen of its edge.

use server::control::answers::{HostedDomain, NewProvider, ProviderAnswer, ProviderDetail};
use server::{domain, moment};

use super::print_pins;
use crate::command::edges;
use crate::command::partner::detail::{
    Whose, print_all_decisions, print_certificates, print_counts, print_links, print_seen, print_troubles,
};
use crate::command::partner::entry_terms::{TermsTold, or_dash};
use crate::command::partner::yes_or_no;
use crate::command::route::print_advice;
use crate::table::{Columns, count};

pub(super) fn print_detail(detail: &ProviderDetail) {
    let ProviderAnswer { provider, added_unix } = &detail.provider;
    println!("{}\n  {}", provider.name, detail.meaning);
    println!("  entry of {}", moment::date(*added_unix));
    let told =
        terms_of(&detail.provider.clone().into()).into_iter().filter(|(name, value)| !is_said_otherwise(name, value));
    told.for_each(|(name, value)| println!("  {name}: {value}"));
    print_pins(&provider.pins);
    print_learnt(detail);
    edges::print_each(&detail.edges, print_learnt);
}

/// All that is entered of a provider, in words.
pub(in crate::command) fn terms_of(provider: &NewProvider) -> TermsTold {
    vec![
        ("edge", provider.edge.clone()),
        ("enabled", yes_or_no(provider.enabled).to_owned()),
        ("verification", provider.verification.to_string()),
        ("mark source", provider.mark_source.to_string()),
        ("hide topology", provider.hide_topology.to_string()),
        ("modalities", provider.modalities.to_string()),
        ("monitored", yes_or_no(provider.monitored).to_owned()),
        ("shared address space", yes_or_no(provider.shared_address_space).to_owned()),
        ("hosts users", yes_or_no(provider.hosts_users).to_owned()),
        ("clearing house", yes_or_no(provider.clearing_house).to_owned()),
        ("comment", or_dash(&provider.comment)),
        ("pinned certificates", or_dash(&provider.pins.join(", "))),
    ]
}

/// By the meaning, by lines of their own, or by silence.
fn is_said_otherwise(name: &str, value: &str) -> bool {
    ["enabled", "pinned certificates"].contains(&name) || name == "comment" && value == "-"
}

/// What it came to on one server.
fn print_learnt(detail: &ProviderDetail) {
    detail.counts.as_ref().map(print_counts);
    // The edges meet it, not their home.
    if detail.edges.is_empty() {
        print_domains(&detail.domains, detail.domains_seen);
        print_links(&detail.links, &Whose::Providers);
    }
    print_troubles(&detail.troubles);
    print_certificates(&detail.certificates);
    print_seen(&detail.seen);
    print_all_decisions(&detail.decisions, &detail.refusals);
    print_advice(&detail.advice);
}

fn print_domains(domains: &[HostedDomain], seen: usize) {
    if domains.is_empty() {
        return println!("\nno domain was seen behind it lately");
    }
    println!("\ndomains seen behind it lately");
    let mut table = Columns::new(&["DOMAIN", "TIER", "ENTRY", "KNOWN BY"]);
    for hosted in domains {
        table.row([
            domain::shown(&hosted.domain),
            hosted.tier.clone().unwrap_or_else(|| "-".to_owned()),
            hosted.entry.as_deref().map_or_else(|| "-".to_owned(), domain::shown),
            known_by(hosted).to_owned(),
        ]);
    }
    table.print_indented();
    if seen > domains.len() {
        println!("  and {}", count((seen - domains.len()) as u64, "more domain", "more domains"));
    }
}

fn known_by(hosted: &HostedDomain) -> &'static str {
    match (hosted.is_led, hosted.is_proven) {
        (false, false) => "another certificate was shown in its name",
        (true, true) => "its way, and proven by the provider's certificate",
        (false, true) => "proven by the provider's certificate",
        (true, false) => "its way leads there",
    }
}
