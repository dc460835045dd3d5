use std::time::Duration;

use sip::HeaderName;

use super::*;
use crate::discovery::{SrvAnswer, SrvTarget};
use crate::partner::EntrySwitch;

fn standing(partners: &Partners, domain: &str) -> String {
    match partners.standing(domain) {
        Standing::Allowed(entry) => format!("allowed by {}", entry.domain),
        Standing::Blocked(entry) => format!("blocked by {}", entry.domain),
        Standing::Shared(provider) => format!("shared with {}", provider.name),
        Standing::Cleared(clearing) => format!("cleared by {}", clearing.edge()),
        Standing::Discovered => "discovered".to_owned(),
        Standing::Unknown => "unknown".to_owned(),
        Standing::FederationOff => "off".to_owned(),
        Standing::Awaited => "awaited".to_owned(),
    }
}

#[test]
fn a_block_wins_over_an_allowance_of_the_same_domain() {
    for list in [
        vec![Partner::blocked("a.example"), Partner::allowed("A.example.")],
        vec![Partner::allowed("a.example"), Partner::blocked("a.example")],
    ] {
        assert_eq!(standing(&Partners::new(list, true, true), "a.example"), "blocked by a.example");
    }
}

#[test]
fn an_unlisted_domain_is_discovered_only_when_discovery_is_on() {
    assert_eq!(standing(&Partners::new(vec![], true, true), "a.example"), "discovered");
    assert_eq!(standing(&Partners::new(vec![], true, false), "a.example"), "unknown");
}

#[test]
fn an_entry_says_nothing_about_subdomains() {
    let partners = Partners::new(vec![Partner::allowed("a.example")], true, false);
    assert_eq!(standing(&partners, "A.EXAMPLE."), "allowed by a.example");
    assert_eq!(standing(&partners, "b.a.example"), "unknown");
    assert_eq!(standing(&partners, "example"), "unknown");
}

#[test]
fn a_star_is_about_all_below_and_the_most_exact_entry_decides() {
    let list = vec![
        Partner::allowed("*.a.example"),
        Partner::at("*.b.a.example", "edge.example"),
        Partner::allowed("c.b.a.example"),
    ];
    let partners = Partners::new(list, true, false);
    assert_eq!(standing(&partners, "a.example"), "unknown");
    assert_eq!(standing(&partners, "x.a.example"), "allowed by *.a.example");
    assert_eq!(standing(&partners, "b.a.example"), "allowed by *.a.example");
    assert_eq!(standing(&partners, "X.y.b.A.example."), "allowed by *.b.a.example");
    assert_eq!(standing(&partners, "c.b.a.example"), "allowed by c.b.a.example");
    assert_eq!(standing(&partners, "xa.example"), "unknown");
}

#[test]
fn a_block_far_above_wins_over_the_most_exact_allowance() {
    let list = vec![Partner::blocked("*.example"), Partner::allowed("b.a.example"), Partner::allowed("*.a.example")];
    let partners = Partners::new(list, true, true);
    assert_eq!(standing(&partners, "b.a.example"), "blocked by *.example");
    assert_eq!(standing(&partners, "example"), "discovered");
}

#[test]
fn federation_off_hides_every_entry() {
    let partners = Partners::new(vec![Partner::allowed("a.example")], false, true);
    assert_eq!(standing(&partners, "a.example"), "off");
}

fn leads_to(host: &str) -> SrvResult {
    let target = SrvTarget { priority: 0, weight: 0, port: 5061, host: host.into() };
    Ok(SrvAnswer { name: String::new(), targets: vec![target], ttl: Duration::ZERO, secure: false, tlsa: Vec::new() })
}

#[test]
fn a_domain_is_of_the_provider_to_whose_edge_its_records_lead() {
    let off = Provider { enabled: false, ..Provider::new("off", "edge.off.example") };
    let providers = vec![Provider::new("cloud", "Edge.cloud.example:5061"), off];
    let list = vec![Partner::allowed("a.example"), Partner::at("b.example", "sip.b.example")];
    let partners = Partners::new(list, true, false).with_providers(providers, &[]);
    let of = |domain, host| partners.provider_of(domain, &leads_to(host)).map(|provider| provider.name.as_str());
    assert_eq!(of("a.example", "edge.CLOUD.example."), Some("cloud"));
    assert_eq!(of("a.example", "edge.a.example"), None);
    assert_eq!(of("a.example", "edge.off.example"), None, "it is not enabled");
    assert_eq!(of("b.example", "edge.cloud.example"), None, "its entry names an edge");
}

#[test]
fn our_own_domain_is_shared_with_a_provider_that_shares_it() {
    let shares =
        Provider { shared_address_space: true, hosts_users: true, ..Provider::new("cloud", "edge.cloud.example") };
    let ours = ["contoso.example".to_owned()];
    let above = Partner::blocked("*.example");
    let partners = Partners::new(vec![above], true, true).with_providers(vec![shares.clone()], &ours);
    assert_eq!(standing(&partners, "contoso.example"), "shared with cloud");
    let partners = Partners::new(vec![], true, true).with_providers(vec![Provider::new("cloud", "e.example")], &ours);
    assert_eq!(standing(&partners, "contoso.example"), "unknown");
    let partners = Partners::new(vec![], false, true).with_providers(vec![shares], &ours);
    assert_eq!(standing(&partners, "contoso.example"), "off");
}

#[test]
fn an_edge_that_was_told_nothing_asks_everybody_to_come_again() {
    let partners = Partners::awaited();
    assert_eq!(standing(&partners, "a.example"), "awaited");
    let refusal = partners.standing("a.example").check("a.example").expect_err("nobody passes");
    assert_eq!((refusal.status, refusal.word.as_str()), (503, "edge-not-ready"));
    assert!(refusal.headers.contains(&(HeaderName::RetryAfter, "30".to_owned())));
}

#[test]
fn who_is_told_that_we_vouch_for_our_users_its_entry_says_then_its_provider_then_what_holds_for_all() {
    let entry = |domain: &str, mark_source| Partner { mark_source, ..Partner::allowed(domain) };
    let list = vec![
        entry("always.example", EntrySwitch::Always),
        entry("*.never.example", EntrySwitch::Never),
        entry("a.example", EntrySwitch::ByDefault),
        Partner::at("b.example", "edge.b.example"),
    ];
    let silent = Provider { mark_source: EntrySwitch::Never, ..Provider::new("cloud", "edge.cloud.example") };
    let partners = Partners::new(list, true, true).with_providers(vec![silent], &[]);
    let cloud = crate::admission::tests::certificate(&[], &["edge.cloud.example"]);
    for (domain, certificate, is_marked) in [
        ("always.example", None, true),
        ("always.example", Some(&cloud), true),
        ("x.never.example", None, false),
        ("a.example", None, true),
        ("a.example", Some(&cloud), false),
        ("stranger.example", Some(&cloud), false),
        ("b.example", Some(&cloud), true),
    ] {
        assert_eq!(partners.marks_source(domain, certificate), is_marked, "{domain}");
    }
    let off = partners.with_source_marked(false);
    let told = ["always.example", "a.example", "b.example"].map(|domain| off.marks_source(domain, None));
    assert_eq!(told, [true, false, false]);
}

#[test]
fn who_sees_the_edge_alone_its_entry_says_then_its_provider_then_what_holds_for_all() {
    let entry = |domain: &str, hide_topology| Partner { hide_topology, ..Partner::allowed(domain) };
    let list = || vec![entry("bank.example", EntrySwitch::Always), entry("friend.example", EntrySwitch::Never)];
    let partners = Partners::new(list(), true, true);
    assert!(partners.hides_topology() && !Partners::new(Vec::new(), true, true).hides_topology());
    let hidden = |partners: &Partners, certificate| {
        ["bank.example", "friend.example", "stranger.example"]
            .map(|domain| partners.hides_topology_from(domain, certificate))
    };
    let cloud = crate::admission::tests::certificate(&[], &["edge.cloud.example"]);
    let other = crate::admission::tests::certificate(&[], &["edge.other.example"]);
    assert_eq!(hidden(&partners, Some(&cloud)), [true, false, false]);
    let careful = Provider { hide_topology: EntrySwitch::Always, ..Provider::new("cloud", "edge.cloud.example") };
    let partners = partners.with_providers(vec![careful], &[]);
    assert_eq!(hidden(&partners, Some(&cloud)), [true, false, true]);
    assert_eq!(hidden(&partners, Some(&other)), [true, false, false]);
    assert_eq!(hidden(&partners, None), [true, false, true], "it may be behind that provider");
    assert_eq!(hidden(&partners.with_topology_hidden(true), Some(&other)), [true, false, true]);
}
