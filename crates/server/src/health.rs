//! Whether this server can do the work: what a load balancer asks before it sends anybody here, and `comity status` shows.
//!
//! Being up is not enough: a server whose disk is full, or whose home is away, would take connections from one that works.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use federation::inside::{Hop, Inside};
use net::{InsideTls, Resolver};
use sip::Transport;

use crate::moment;

/// What is looked at.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    pub is_draining: bool,
    /// Whether this is an edge that waits for its home's word about partners.
    pub is_untold: bool,
    /// The workers that do not answer.
    pub silent: Vec<u16>,
    /// Why nothing can be written, where users are at home here.
    pub unwritable: Option<String>,
    /// Why nobody of the inner side is reached, at an edge alone.
    pub inner_unreachable: Option<String>,
    /// When the certificate that partners are shown ends.
    pub not_after_unix: i64,
    pub now_unix: i64,
}

/// One sentence for each part that does not work; none where all do.
pub(crate) fn failing(facts: &Facts) -> Vec<String> {
    let silent = facts.silent.iter().map(|worker| format!("worker {worker} does not answer"));
    let draining =
        facts.is_draining.then(|| "draining: what is under way is finished, nothing new is taken".to_owned());
    let untold = facts.is_untold.then(|| "the home has told this edge nothing yet".to_owned());
    let unwritable = facts.unwritable.as_ref().map(|why| format!("the database takes no changes: {why}"));
    let inner = facts.inner_unreachable.as_ref().map(|why| format!("the inner side is out of reach: {why}"));
    let expired = (facts.not_after_unix <= facts.now_unix)
        .then(|| format!("the certificate has expired on {}", moment::date(facts.not_after_unix)));
    draining.into_iter().chain(silent).chain(untold).chain(unwritable).chain(inner).chain(expired).collect()
}

/// Whether the servers behind an edge were reached when they were last tried.
#[derive(Clone, Debug, Default)]
pub(crate) struct InnerSide(Arc<Mutex<Option<String>>>);

impl InnerSide {
    /// Why none of them was; `None` where there is nothing to be reached, too.
    pub(crate) fn unreachable(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, unreachable: Option<String>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match (&*known, &unreachable) {
            (None, Some(why)) => tracing::warn!(%why, "the inner side is out of reach"),
            (Some(_), None) => tracing::info!("the inner side is reached again"),
            _ => {}
        }
        *known = unreachable;
    }

    /// Tries them again and again. By UDP nothing tells whether somebody is there, so nothing is claimed then.
    pub(crate) async fn watch(self, rules: Inside, tls: InsideTls, resolver: Resolver) {
        if rules.transport == Transport::Udp {
            return;
        }
        loop {
            self.set(unreachable(&rules, &tls, &resolver).await);
            tokio::time::sleep(WATCH_PAUSE).await;
        }
    }
}

/// The last reason, where not one address of one hop is reached.
async fn unreachable(rules: &Inside, tls: &InsideTls, resolver: &Resolver) -> Option<String> {
    let mut reason = None;
    for Hop { host, port } in &rules.hops {
        let port = port.unwrap_or_else(|| rules.transport.default_port());
        let addresses = match resolver.addresses(host).await {
            Ok(addresses) => addresses,
            Err(error) => {
                reason = Some(error.to_string());
                continue;
            }
        };
        for address in addresses.into_iter().take(ADDRESSES_MAX) {
            let tls = (rules.transport == Transport::Tls).then_some((tls, host.as_str()));
            match net::reach((address, port).into(), tls, REACH_TIME).await {
                Ok(()) => return None,
                Err(error) => reason = Some(error),
            }
        }
    }
    reason
}

/// A new state of the inner side is known after this at most, and the time that reaching it takes.
const WATCH_PAUSE: Duration = Duration::from_secs(3);
const REACH_TIME: Duration = Duration::from_secs(2);
const ADDRESSES_MAX: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn well() -> Facts {
        Facts { not_after_unix: 1_800_000_000, now_unix: 1_790_000_000, ..Facts::default() }
    }

    #[test]
    fn what_does_not_work_is_told_one_by_one() {
        assert_eq!(failing(&well()), Vec::<String>::new());
        let facts = Facts {
            is_draining: true,
            is_untold: true,
            silent: vec![1, 3],
            unwritable: Some("disk full".to_owned()),
            inner_unreachable: Some("10.0.0.7:5061 cannot be reached".to_owned()),
            not_after_unix: 1_780_000_000,
            ..well()
        };
        assert_eq!(
            failing(&facts),
            [
                "draining: what is under way is finished, nothing new is taken",
                "worker 1 does not answer",
                "worker 3 does not answer",
                "the home has told this edge nothing yet",
                "the database takes no changes: disk full",
                "the inner side is out of reach: 10.0.0.7:5061 cannot be reached",
                "the certificate has expired on 2026-05-28",
            ]
        );
    }
}
