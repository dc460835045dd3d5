//! The outbound plan: the servers by which a foreign domain is reached, in order. Which way that is has been decided
//! ([`Way`]); what the DNS says is read here.

use serde::{Deserialize, Serialize};
use sip::refusal::Refusal;

use crate::discovery::{self, SrvAnswer, SrvFailure, SrvResult};
use crate::domain_name;
use crate::partner::{By, Edge, Way};
use crate::refusal;

/// One place to connect to, always by TLS.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NextHopTarget {
    pub host: String,
    pub port: u16,
}

impl NextHopTarget {
    /// Whether this is the host of an edge, "host" or "host:port".
    pub fn is_at(&self, edge: &str) -> bool {
        edge.parse::<Edge>().is_ok_and(|edge| domain_name::same(&edge.host, &self.host))
    }
}

impl std::fmt::Display for NextHopTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

#[derive(Clone, Debug)]
pub enum RoutePlan {
    /// At least one, to be tried in this order within the transaction.
    Targets(Vec<NextHopTarget>),
    /// Undecided without the domain's SRV answer.
    Needs,
    Refused(Refusal),
}

/// Plans the way to a foreign domain. `random(bound)` gives a number below `bound`.
pub fn plan(domain: &str, way: Way<'_>, srv: Option<&SrvResult>, random: &mut impl FnMut(u32) -> u32) -> RoutePlan {
    if let Err(refusal) = way.standing.check(domain) {
        return RoutePlan::Refused(refusal);
    }
    match (way.edge, way.last_resort, srv) {
        (Some(edge), ..) => plan_to_edge(domain, edge, way.by),
        (None, Some(last), Some(Err(SrvFailure::NoRecord))) => plan_to_edge(domain, last, way.by),
        (None, ..) => plan_by_srv(domain, srv, random),
    }
}

fn plan_to_edge(domain: &str, edge: &str, by: By<'_>) -> RoutePlan {
    match edge.parse::<Edge>() {
        Ok(Edge { host, port }) => RoutePlan::Targets(vec![NextHopTarget { host, port }]),
        Err(error) => RoutePlan::Refused(refusal::no_route(match by {
            By::Entry => format!("the partner entry of {domain} cannot be used: {error}"),
            other => format!("{domain} cannot be reached by {other}: {error}"),
        })),
    }
}

fn plan_by_srv(domain: &str, srv: Option<&SrvResult>, random: &mut impl FnMut(u32) -> u32) -> RoutePlan {
    if !domain_name::is_dns_name(&domain_name::canonical(domain)) {
        return RoutePlan::Refused(refusal::no_route(format!("\"{domain}\" is not a DNS name")));
    }
    match srv {
        None => RoutePlan::Needs,
        Some(Ok(answer)) => plan_by_answer(domain, answer, random),
        Some(Err(failure)) => {
            let reason = format!("{domain} cannot be routed: {failure}");
            RoutePlan::Refused(match failure.is_temporary() {
                true => refusal::no_route_now(reason),
                false => refusal::no_route(reason),
            })
        }
    }
}

fn plan_by_answer(domain: &str, answer: &SrvAnswer, random: &mut impl FnMut(u32) -> u32) -> RoutePlan {
    let targets: Vec<NextHopTarget> = discovery::order(&answer.targets, random)
        .into_iter()
        .map(|target| NextHopTarget { host: domain_name::canonical(&target.host), port: target.port })
        .filter(|target| target.port != 0 && domain_name::is_dns_name(&target.host))
        .collect();
    if targets.is_empty() {
        return RoutePlan::Refused(refusal::no_route(format!("{} of {domain} names no usable target", answer.name)));
    }
    RoutePlan::Targets(targets)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::discovery::SrvTarget;
    use crate::partner::{Partner, Standing};

    fn answer(targets: &[(u16, &str, u16)]) -> SrvResult {
        let target =
            |&(priority, host, port): &(u16, &str, u16)| SrvTarget { priority, weight: 0, port, host: host.into() };
        Ok(SrvAnswer {
            name: "_sipfederationtls._tcp.fabrikam.com".into(),
            targets: targets.iter().map(target).collect(),
            ttl: Duration::from_secs(60),
            secure: false,
            tlsa: vec![],
        })
    }

    fn plan_zero(standing: Standing<'_>, srv: Option<&SrvResult>) -> RoutePlan {
        let way = match standing.edge() {
            Some(edge) => Way { edge: Some(edge), by: By::Entry, ..Way::by_dns(standing) },
            None => Way::by_dns(standing),
        };
        plan("fabrikam.com", way, srv, &mut |_| 0)
    }

    fn targets(plan: RoutePlan) -> Vec<String> {
        match plan {
            RoutePlan::Targets(targets) => targets.iter().map(NextHopTarget::to_string).collect(),
            other => panic!("{other:?}"),
        }
    }

    fn refused(plan: RoutePlan) -> (u16, String) {
        match plan {
            RoutePlan::Refused(refusal) => (refusal.status, refusal.word.to_string()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_partner_entry_s_edge_wins_without_any_lookup() {
        let server = Partner::at("fabrikam.com", "Edge.fabrikam.com");
        let elsewhere = answer(&[(0, "x.example", 1)]);
        assert_eq!(targets(plan_zero(Standing::Allowed(&server), Some(&elsewhere))), ["edge.fabrikam.com:5061"]);
        let server = Partner::at("fabrikam.com", "edge.fabrikam.com:5071");
        assert_eq!(targets(plan_zero(Standing::Allowed(&server), None)), ["edge.fabrikam.com:5071"]);
    }

    #[test]
    fn without_an_edge_the_srv_targets_are_tried_in_order() {
        let allowed = Partner::allowed("fabrikam.com");
        let answer = answer(&[(20, "b.fabrikam.com.", 5061), (10, "a.hoster.example", 443)]);
        for standing in [Standing::Allowed(&allowed), Standing::Discovered] {
            assert!(matches!(plan_zero(standing, None), RoutePlan::Needs));
            assert_eq!(targets(plan_zero(standing, Some(&answer))), ["a.hoster.example:443", "b.fabrikam.com:5061"]);
        }
    }

    #[test]
    fn no_record_is_no_route_and_a_dns_failure_says_so_for_now() {
        for (failure, status) in [
            (SrvFailure::NoRecord, 404),
            (SrvFailure::Refused, 404),
            (SrvFailure::Timeout, 504),
            (SrvFailure::ServFail("SERVFAIL".into()), 504),
        ] {
            assert_eq!(refused(plan_zero(Standing::Discovered, Some(&Err(failure)))), (status, "no-route".into()));
        }
    }

    #[test]
    fn targets_that_are_no_host_or_port_are_left_out() {
        let useless = answer(&[(0, ".", 5061), (0, "192.0.2.1", 5061), (0, "a.example", 0)]);
        assert_eq!(refused(plan_zero(Standing::Discovered, Some(&useless))), (404, "no-route".into()));
    }

    #[test]
    fn an_address_is_never_looked_up_as_a_domain() {
        let plan = plan("192.0.2.1", Way::by_dns(Standing::Discovered), None, &mut |_| 0);
        assert_eq!(refused(plan), (404, "no-route".into()));
    }

    #[test]
    fn a_last_resort_is_for_domains_of_which_the_dns_knows_no_server() {
        let way = Way { last_resort: Some("hub.example:5071"), ..Way::by_dns(Standing::Discovered) };
        let planned = |srv: Option<SrvResult>| plan("fabrikam.com", way, srv.as_ref(), &mut |_| 0);
        assert!(matches!(planned(None), RoutePlan::Needs));
        assert_eq!(targets(planned(Some(answer(&[(0, "a.example", 5061)])))), ["a.example:5061"]);
        assert_eq!(targets(planned(Some(Err(SrvFailure::NoRecord)))), ["hub.example:5071"]);
        for decided in [SrvFailure::Refused, SrvFailure::Timeout] {
            assert_eq!(refused(planned(Some(Err(decided)))).1, "no-route");
        }
    }

    #[test]
    fn what_may_not_come_in_may_not_go_out() {
        let blocked = Partner::blocked("fabrikam.com");
        let refusal = |standing| refused(plan_zero(standing, None)).1;
        assert_eq!(refusal(Standing::FederationOff), "federation-off");
        assert_eq!(refusal(Standing::Blocked(&blocked)), "domain-blocked");
        assert_eq!(refusal(Standing::Unknown), "domain-not-allowed");
    }

    #[test]
    fn an_unusable_edge_is_the_operator_s_to_mend() {
        let broken = Partner::at("fabrikam.com", "edge:x");
        assert_eq!(refused(plan_zero(Standing::Allowed(&broken), None)), (404, "no-route".into()));
    }
}
