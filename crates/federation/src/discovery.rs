//! Discovery of a partner's edge by SRV: the answer as evidence, the order of its targets (RFC 2782),
//! and a bounded [`cache`]. The queries themselves are made by the shell.

mod cache;
mod hosts;
mod memory;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use cache::{CACHE_ENTRIES_MAX, DiscoveryCache, Learnt, Remembered};
pub use hosts::{HostAnswer, HostFailure, KnownHosts};
pub use memory::STALE_MAX;

use crate::dane::Tlsa;

/// Targets considered of one answer, and remembered; those of the worst priorities are left out.
pub const SRV_TARGETS_MAX: usize = 32;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SrvTarget {
    pub priority: u16,
    pub weight: u16,
    pub port: u16,
    pub host: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SrvAnswer {
    /// The name that answered, such as `_sipfederationtls._tcp.fabrikam.com`.
    pub name: String,
    pub targets: Vec<SrvTarget>,
    pub ttl: Duration,
    /// Validated by DNSSEC.
    pub secure: bool,
    /// Of the targets, validated by DNSSEC; only where the answer is.
    pub tlsa: Vec<Tlsa>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SrvFailure {
    /// Neither name has a record.
    NoRecord,
    /// The target is ".": the service is decidedly not offered (RFC 2782).
    Refused,
    Timeout,
    ServFail(String),
}

impl SrvAnswer {
    /// With the targets that are considered, and no memory for others.
    fn within_limits(self) -> SrvAnswer {
        match self.targets.len() > SRV_TARGETS_MAX {
            true => SrvAnswer { targets: considered(self.targets), ..self },
            false => self,
        }
    }
}

impl SrvFailure {
    /// Whether asking again soon may give another answer.
    pub fn is_temporary(&self) -> bool {
        matches!(self, SrvFailure::Timeout | SrvFailure::ServFail(_))
    }
}

impl std::fmt::Display for SrvFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            SrvFailure::NoRecord => f.write_str("the domain has no SRV record for SIP federation"),
            SrvFailure::Refused => f.write_str("the domain's SRV record says that SIP is not offered"),
            SrvFailure::Timeout => f.write_str("the SRV lookup timed out"),
            SrvFailure::ServFail(what) => write!(f, "the SRV lookup failed: {what}"),
        }
    }
}

pub type SrvResult = Result<SrvAnswer, SrvFailure>;

/// The names to ask for, in order; the first that has a record is the answer.
pub fn srv_names(domain: &str) -> [String; 2] {
    [format!("_sipfederationtls._tcp.{domain}"), format!("_sips._tcp.{domain}")]
}

/// The targets in the order in which they are to be tried (RFC 2782, "The format of the SRV RR"): by
/// priority, and within one priority drawn by weight. `random(bound)` gives a number below `bound`.
pub fn order(targets: &[SrvTarget], random: &mut impl FnMut(u32) -> u32) -> Vec<SrvTarget> {
    let mut remaining = considered(targets.to_vec());
    let mut ordered = Vec::with_capacity(remaining.len());
    while let Some(first) = remaining.first() {
        let priority = first.priority;
        let peers = remaining.iter().take_while(|target| target.priority == priority).count();
        let drawn = draw(&remaining[..peers], random);
        ordered.push(remaining.remove(drawn));
    }
    ordered
}

/// By priority; zero weights stand first, as the RFC wants, so that they have their small chance.
fn considered(mut targets: Vec<SrvTarget>) -> Vec<SrvTarget> {
    targets.sort_by_key(|target| (target.priority, target.weight != 0));
    targets.truncate(SRV_TARGETS_MAX);
    targets.shrink_to_fit();
    targets
}

/// The index of the first target whose running sum of weights reaches a random number.
fn draw(peers: &[SrvTarget], random: &mut impl FnMut(u32) -> u32) -> usize {
    let total: u32 = peers.iter().map(|target| u32::from(target.weight)).sum();
    let mark = random(total + 1);
    let mut running = 0;
    let reaches = |target: &SrvTarget| {
        running += u32::from(target.weight);
        running >= mark
    };
    peers.iter().position(reaches).unwrap_or(0)
}

/// How long a result is believed: an answer by its TTL, within 5 seconds and an hour; a statement that
/// there is nothing, 60 seconds; a failure to find out, 5 seconds.
pub fn life(result: &SrvResult) -> Duration {
    match result {
        Ok(answer) => answer.ttl.clamp(LIFE_MIN, LIFE_MAX),
        Err(failure) if failure.is_temporary() => LIFE_MIN,
        Err(_) => NEGATIVE_LIFE_MAX,
    }
}

const LIFE_MIN: Duration = Duration::from_secs(5);
const LIFE_MAX: Duration = Duration::from_secs(3600);
const NEGATIVE_LIFE_MAX: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    fn target(priority: u16, weight: u16, host: &str) -> SrvTarget {
        SrvTarget { priority, weight, port: 5061, host: host.to_owned() }
    }

    fn hosts(targets: &[SrvTarget]) -> Vec<&str> {
        targets.iter().map(|target| target.host.as_str()).collect()
    }

    pub(super) fn answer(ttl_secs: u64) -> SrvResult {
        Ok(SrvAnswer {
            name: String::new(),
            targets: vec![],
            ttl: Duration::from_secs(ttl_secs),
            secure: false,
            tlsa: vec![],
        })
    }

    #[test]
    fn a_lower_priority_comes_first_whatever_the_weights() {
        let targets = [target(20, 60000, "spare"), target(10, 0, "main")];
        for fixed in [0, u32::MAX] {
            let mut random = |bound: u32| fixed.min(bound - 1);
            assert_eq!(hosts(&order(&targets, &mut random)), ["main", "spare"]);
        }
    }

    #[test]
    fn the_draw_follows_the_running_sum_of_weights() {
        let targets = [target(1, 10, "a"), target(1, 0, "zero"), target(1, 30, "b")];
        let first = |mark: u32| {
            let mut marks = vec![0, 0, mark];
            let ordered = order(&targets, &mut |bound| {
                let mark = marks.pop().unwrap_or(0);
                assert!(mark < bound);
                mark
            });
            assert_eq!(ordered.len(), 3);
            ordered[0].host.clone()
        };
        assert_eq!(first(0), "zero");
        assert_eq!(first(1), "a");
        assert_eq!(first(10), "a");
        assert_eq!(first(11), "b");
        assert_eq!(first(40), "b");
    }

    #[test]
    fn over_many_draws_weights_are_proportions() {
        let targets = [target(1, 1, "light"), target(1, 3, "heavy")];
        let mut state = 1u32;
        let mut random = |bound: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) % bound
        };
        let heavy = (0..10_000).filter(|_| order(&targets, &mut random)[0].host == "heavy").count();
        // Marks 0..=4 of which 2, 3 and 4 fall to the heavy one.
        assert!((5_700..6_300).contains(&heavy), "{heavy}");
    }

    #[test]
    fn a_huge_answer_is_cut_at_the_worst_priorities() {
        let targets: Vec<SrvTarget> = (0..1000).rev().map(|i| target(i, 65535, &i.to_string())).collect();
        let ordered = order(&targets, &mut |_| 0);
        assert_eq!(ordered.len(), SRV_TARGETS_MAX);
        assert_eq!(ordered[SRV_TARGETS_MAX - 1].priority, 31);
    }

    #[test]
    fn an_answer_lives_by_its_clamped_ttl_and_a_failure_shortly() {
        let life_secs = |result: SrvResult| life(&result).as_secs();
        assert_eq!(life_secs(answer(0)), 5);
        assert_eq!(life_secs(answer(300)), 300);
        assert_eq!(life_secs(answer(86_400)), 3600);
        assert_eq!(life_secs(Err(SrvFailure::NoRecord)), 60);
        assert_eq!(life_secs(Err(SrvFailure::Timeout)), 5);
    }
}
