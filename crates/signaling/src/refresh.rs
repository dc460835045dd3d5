//! What the DNS said of partners, asked for again before its time is over, so that no user's request waits for the name
//! servers while its partner is spoken with.

use std::collections::BTreeSet;
use std::time::Instant;

use federation::discovery::{HostFailure, Learnt, SrvResult};

use crate::core::Core;
use crate::waiting::Asker;
use crate::{Answer, Handoff, Output, Question};

/// The partners of which it was told that their name servers do not answer, on the worker that tells.
#[derive(Debug, Default)]
pub(crate) struct StaleTold(BTreeSet<String>);

impl StaleTold {
    fn is_news(&mut self, domain: &str, is_stale: bool) -> bool {
        match is_stale {
            true => self.0.len() < DOMAINS_TOLD_MAX && self.0.insert(domain.to_owned()),
            false => self.0.remove(domain),
        }
    }
}

impl Core {
    /// Keeps what the DNS said of a domain.
    pub(crate) fn learn(&mut self, now: Instant, domain: &str, result: SrvResult) {
        match self.discovery.insert(now, domain, result) {
            Learnt::Usual => {}
            Learnt::Stale => self.names_changed(domain, true),
            Learnt::Fresh => self.names_changed(domain, false),
        }
    }

    /// The time of some answers is nearly over: those of partners who are spoken with are asked for again.
    pub(crate) fn refresh_discovery(&mut self, now: Instant) {
        for (domain, was_asked_for) in self.discovery.due(now) {
            if was_asked_for || self.links.is_connected_to(&domain) {
                let question = Question::Srv { domain: domain.clone() };
                // Where too many wait already, the next request asks.
                let _ = self.ask(now, question, Asker::Refresh(domain));
            }
        }
        for (host, was_asked_for) in self.hosts.due(now) {
            if was_asked_for || self.links.are_connected_at(&host) {
                let question = Question::Addresses { host: host.clone() };
                let _ = self.ask(now, question, Asker::RefreshHost(host));
            }
        }
    }

    /// `None`: nobody answered, which is as if a name server had failed.
    pub(crate) fn resume_refresh(&mut self, now: Instant, domain: &str, answer: Option<Answer>) {
        match answer {
            Some(Answer::Srv(result)) => self.learn(now, domain, result),
            _ => self.learn(now, domain, Err(federation::discovery::SrvFailure::Timeout)),
        }
    }

    pub(crate) fn resume_host_refresh(&mut self, now: Instant, host: &str, answer: Option<Answer>) {
        let answer = match answer {
            Some(Answer::Addresses(answer)) => answer,
            _ => Err(HostFailure::Unanswered("no name server answered in time".to_owned())),
        };
        // Whoever goes there next is told what is missing.
        let _ = self.hosts.learn(now, host, answer);
    }

    /// Told once, by one worker, however many find out; and never of names that users make up, which no connection leads to.
    fn names_changed(&mut self, domain: &str, is_stale: bool) {
        if is_stale && !self.links.is_connected_to(domain) && self.partners.standing(domain).entry().is_none() {
            return;
        }
        let teller = self.ownership.of_partner(domain, 0);
        match self.ownership.is_ours(teller) {
            true => self.tell_names(domain.to_owned(), is_stale),
            false => self.hand(teller, Handoff::PartnerNames { domain: domain.to_owned(), is_stale }),
        }
    }

    pub(crate) fn tell_names(&mut self, domain: String, is_stale: bool) {
        if self.stale_told.is_news(&domain, is_stale) {
            self.put(Output::PartnerNames { domain, is_stale });
        }
    }
}

/// Partners beyond these are not told of.
const DOMAINS_TOLD_MAX: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_so_many_partners_it_is_told_that_their_name_servers_do_not_answer() {
        let (mut told, domain) = (StaleTold::default(), |number: usize| format!("p{number}.example"));
        let news = (0..2 * DOMAINS_TOLD_MAX).filter(|number| told.is_news(&domain(*number), true));
        assert_eq!(Vec::from_iter(news), Vec::from_iter(0..DOMAINS_TOLD_MAX));
        assert_eq!(told.0.len(), DOMAINS_TOLD_MAX);
        assert!(!told.is_news(&domain(DOMAINS_TOLD_MAX), false), "whoever was not told of is not told to be back");
        assert!(told.is_news(&domain(0), false) && told.is_news(&domain(DOMAINS_TOLD_MAX), true));
    }
}
