//! How long honest requests took, counted from when each was due: one that could not be sent in time because the one before
//! was slow has waited, too (else the slowest answers would hide those behind them).

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// One request.
#[derive(Clone, Debug)]
pub struct Sample {
    pub due: Instant,
    pub kind: &'static str,
    /// From when it was due to its answer; the reason, where there was none or another than expected.
    pub took: Result<Duration, String>,
}

#[derive(Debug, Default)]
pub struct Samples {
    all: Mutex<Vec<Sample>>,
}

impl Samples {
    pub fn push(&self, sample: Sample) {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).push(sample);
    }

    /// Of those that were due in this time.
    pub fn summary(&self, from: Instant, until: Instant) -> Summary {
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let mut summary = Summary::default();
        for sample in all.iter().filter(|sample| (from..until).contains(&sample.due)) {
            match &sample.took {
                Ok(took) => {
                    summary.took.push(*took);
                    let slowest = summary.slowest_by_kind.entry(sample.kind).or_default();
                    *slowest = (*slowest).max(*took);
                }
                Err(why) => summary.failed.push(format!("{}: {why}", sample.kind)),
            }
        }
        summary.took.sort();
        summary
    }

    /// Whether everything that was due before is decided, for each of so many kinds.
    pub fn has_passed(&self, moment: Instant, kinds: usize) -> bool {
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let later: std::collections::BTreeSet<_> =
            all.iter().filter(|sample| sample.due >= moment).map(|sample| sample.kind).collect();
        later.len() >= kinds
    }
}

/// Of one stretch of time.
#[derive(Debug, Default)]
pub struct Summary {
    /// Sorted.
    took: Vec<Duration>,
    pub failed: Vec<String>,
    /// The slowest answer of each kind.
    pub slowest_by_kind: BTreeMap<&'static str, Duration>,
}

impl Summary {
    pub fn answered(&self) -> usize {
        self.took.len()
    }

    /// So many of a hundred were not slower.
    pub fn percentile(&self, of_hundred: usize) -> Duration {
        let rank = (self.took.len() * of_hundred).div_ceil(100);
        self.took.get(rank.saturating_sub(1)).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_request_that_was_made() {
        let samples = Samples::default();
        let begun = Instant::now();
        for millis in 1..=200 {
            let (due, took) = (begun + Duration::from_millis(millis), Ok(Duration::from_millis(millis)));
            samples.push(Sample { due, kind: "message", took });
        }
        let all = samples.summary(begun, begun + Duration::from_secs(1));
        assert_eq!([50, 99, 100].map(|rank| all.percentile(rank).as_millis()), [100, 198, 200]);
        let first = samples.summary(begun, begun + Duration::from_millis(11));
        assert_eq!((first.answered(), first.percentile(99).as_millis()), (10, 10));
        assert_eq!(first.slowest_by_kind["message"].as_millis(), 10);
        assert!(samples.has_passed(begun + Duration::from_millis(200), 1));
        assert!(!samples.has_passed(begun + Duration::from_millis(201), 1));
    }

    #[test]
    fn what_was_not_answered_is_told() {
        let samples = Samples::default();
        let due = Instant::now();
        samples.push(Sample { due, kind: "call", took: Err("503".into()) });
        assert_eq!(samples.summary(due, due + Duration::from_secs(1)).failed, ["call: 503"]);
    }
}
