//! The one decision where requests for another organisation's domain go.
//!
//! | What is said of the domain | Where they go |
//! | --- | --- |
//! | it is blocked, or federation is off | nowhere |
//! | one of our own, shared with a provider | the provider's edge |
//! | the sender's policy has a route | there |
//! | its entry names an edge | there |
//! | there is a default route | there |
//! | it has an entry without an edge, or discovery is on | where the DNS says |
//! | neither that nor a record, but there is a clearing house | there |
//! | nothing of all this | nowhere |

use sip::aor::Aor;

use super::{Clearing, Partner, PartnerKind, Partners, Standing};

/// Where requests for a domain go, and why.
#[derive(Clone, Copy, Debug)]
pub struct Way<'a> {
    pub standing: Standing<'a>,
    /// "host:port" of the next hop; `None`: the DNS says.
    pub edge: Option<&'a str>,
    /// Where requests go if the DNS names no server.
    pub last_resort: Option<&'a str>,
    pub by: By<'a>,
}

/// What decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By<'a> {
    /// The route of this policy.
    Policy(&'a str),
    /// The domain's own entry names the edge.
    Entry,
    /// This provider shares our address space.
    Sharer(&'a str),
    DefaultRoute,
    /// This provider, which takes what has no other way.
    ClearingHouse(&'a str),
    /// The domain's SRV records.
    Dns,
}

impl std::fmt::Display for By<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            By::Policy(name) => write!(f, "the route of the policy {name}"),
            By::Entry => f.write_str("the edge that the partner entry names"),
            By::Sharer(name) => write!(f, "the edge of {name}, which shares our address space"),
            By::DefaultRoute => f.write_str("the default route"),
            By::ClearingHouse(name) => write!(f, "the clearing house {name}"),
            By::Dns => f.write_str("the SRV records of the domain"),
        }
    }
}

impl<'a> Way<'a> {
    /// As whoever has decided nothing about the domain finds it.
    pub fn by_dns(standing: Standing<'a>) -> Way<'a> {
        Way { standing, edge: None, last_resort: None, by: By::Dns }
    }

    fn to(standing: Standing<'a>, edge: &'a str, by: By<'a>) -> Way<'a> {
        Way { standing, edge: Some(edge), last_resort: None, by }
    }
}

impl Partners {
    /// Where requests of this user of ours go, or of nobody in particular; see the table above.
    pub fn way<'a>(&'a self, domain: &str, user: Option<&Aor>) -> Way<'a> {
        let usual = self.usual_way(domain);
        match self.access().route_of(user) {
            Some((policy, route)) if !matches!(usual.by, By::Sharer(_)) => {
                Way::to(usual.standing, route, By::Policy(policy))
            }
            _ => usual,
        }
    }

    /// As for whoever has no route of his own.
    pub fn usual_way<'a>(&'a self, domain: &str) -> Way<'a> {
        let standing = self.standing(domain);
        match (standing, self.default_route()) {
            (Standing::Shared(provider), _) => Way::to(standing, &provider.edge, By::Sharer(&provider.name)),
            (Standing::Allowed(Partner { kind: PartnerKind::AllowedServer { edge }, .. }), _) => {
                Way::to(standing, edge, By::Entry)
            }
            (_, Some(route)) => Way::to(standing, route, By::DefaultRoute),
            (Standing::Cleared(Clearing::Provider(provider)), None) => {
                Way::to(standing, &provider.edge, By::ClearingHouse(&provider.name))
            }
            (Standing::Discovered, None) => {
                let last_resort = self.clearing_house().map(|provider| provider.edge.as_str());
                Way { last_resort, ..Way::by_dns(standing) }
            }
            _ => Way::by_dns(standing),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::external_access::{ExternalAccess, Policy};
    use crate::partner::{Partner, Provider};

    fn clearing(name: &str) -> Provider {
        Provider { clearing_house: true, ..Provider::new(name, "edge.clearing.example") }
    }

    fn table(discovery: bool) -> Partners {
        let list = vec![
            Partner::allowed("by-dns.example"),
            Partner::at("named.example", "edge.named.example"),
            Partner::blocked("blocked.example"),
        ];
        Partners::new(list, true, discovery)
    }

    fn ways(partners: &Partners, user: Option<&Aor>) -> Vec<String> {
        let way = |domain: &&str| {
            let Way { standing, edge, last_resort, by } = partners.way(domain, user);
            match standing.check(domain) {
                Err(refusal) => refusal.word.to_string(),
                Ok(_) => format!("{:?} {} {}", by, edge.unwrap_or("-"), last_resort.unwrap_or("-")),
            }
        };
        ["by-dns.example", "named.example", "blocked.example", "stranger.example"].iter().map(way).collect()
    }

    #[test]
    fn a_list_alone_lets_strangers_in_only_with_discovery() {
        let listed = ["Dns - -", "Entry edge.named.example -", "domain-blocked"];
        assert_eq!(ways(&table(false), None), [&listed[..], &["domain-not-allowed"]].concat());
        assert_eq!(ways(&table(true), None), [&listed[..], &["Dns - -"]].concat());
    }

    #[test]
    fn a_clearing_house_takes_whoever_has_no_other_rule() {
        let with = |discovery| table(discovery).with_providers(vec![clearing("hub")], &[]);
        let listed = ["Dns - -", "Entry edge.named.example -", "domain-blocked"];
        let cleared = "ClearingHouse(\"hub\") edge.clearing.example -";
        assert_eq!(ways(&with(false), None), [&listed[..], &[cleared]].concat());
        assert_eq!(ways(&with(true), None), [&listed[..], &["Dns - edge.clearing.example"]].concat());
    }

    #[test]
    fn a_default_route_takes_all_but_what_is_blocked_or_has_an_edge_of_its_own() {
        let partners = table(false).with_default_route(Some("sbc.corp.example:5061".to_owned()));
        let there = "DefaultRoute sbc.corp.example:5061 -";
        assert_eq!(ways(&partners, None), [there, "Entry edge.named.example -", "domain-blocked", there]);
    }

    #[test]
    fn a_policy_s_route_leads_where_the_list_lets_its_users_go() {
        let alice: Aor = "alice@contoso.example".parse().unwrap();
        let route = Some("edge.berlin.example:5061".to_owned());
        let mut access = ExternalAccess::new([Policy { route, ..Policy::new("berlin") }]);
        access.give_to_user(alice.clone(), "berlin");
        let partners = table(false).with_access(access);
        let there = "Policy(\"berlin\") edge.berlin.example:5061 -";
        assert_eq!(ways(&partners, Some(&alice)), [there, there, "domain-blocked", "domain-not-allowed"]);
        assert_eq!(ways(&partners, None)[0], "Dns - -");
    }
}
