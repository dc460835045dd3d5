//! What came of a comparison: every raw figure, the medians, and how many times as good ours is.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::{Amount, Turn};
use crate::measure::{CONNECTIONS, OUTSTANDING, Times};

#[derive(Debug, Serialize)]
pub struct Report {
    peer: &'static str,
    pairs: usize,
    times: Times,
    connections: usize,
    outstanding: usize,
    /// Transactions for the same time on a core: ours over the peer's, of messages at the most that each takes.
    transactions_per_cpu_ratio: Option<f64>,
    measures: BTreeMap<String, BTreeMap<String, Comparison>>,
}

#[derive(Debug, Serialize)]
struct Comparison {
    ours: Vec<f64>,
    theirs: Vec<f64>,
    ours_median: Option<f64>,
    theirs_median: Option<f64>,
    /// Above 1: ours is better, whatever the unit.
    ratio: Option<f64>,
}

impl Report {
    pub fn new(peer: &'static str, amount: Amount, (ours, theirs): (&[Turn], &[Turn])) -> Report {
        let mut measures: BTreeMap<String, BTreeMap<String, Comparison>> = BTreeMap::new();
        for turn in ours.iter().chain(theirs) {
            for (measure, figures) in turn {
                for figure in figures.keys() {
                    let all = |turns: &[Turn]| -> Vec<f64> {
                        turns.iter().filter_map(|turn| turn.get(measure)?.get(figure).copied()).collect()
                    };
                    let entry = measures.entry(measure.clone()).or_default();
                    entry
                        .entry((*figure).to_owned())
                        .or_insert_with(|| Comparison::new(figure, all(ours), all(theirs)));
                }
            }
        }
        let ratio = measures.get("message").and_then(|figures| figures.get("cpu_us")?.ratio);
        Report {
            peer,
            pairs: amount.pairs,
            times: amount.times,
            connections: CONNECTIONS,
            outstanding: OUTSTANDING,
            transactions_per_cpu_ratio: ratio,
            measures,
        }
    }
}

impl Comparison {
    fn new(figure: &str, ours: Vec<f64>, theirs: Vec<f64>) -> Comparison {
        let (ours_median, theirs_median) = (median(&ours), median(&theirs));
        let ratio = ours_median.zip(theirs_median).map(|(ours, theirs)| match figure {
            "per_second" => ours / theirs,
            _ => theirs / ours,
        });
        Comparison { ours, theirs, ours_median, theirs_median, ratio }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| What | Figure | Comity | {} | times as good |", self.peer)?;
        writeln!(f, "| --- | --- | --- | --- | --- |")?;
        let text = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.1}"));
        for (measure, figures) in &self.measures {
            for (figure, Comparison { ours_median, theirs_median, ratio, .. }) in figures {
                let ratio = ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.2}"));
                writeln!(f, "| {measure} | {figure} | {} | {} | {ratio} |", text(*ours_median), text(*theirs_median))?;
            }
        }
        Ok(())
    }
}

/// None of no values.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (low, high) = (sorted.get(sorted.len().checked_sub(1)? / 2)?, sorted.get(sorted.len() / 2)?);
    Some(f64::midpoint(*low, *high))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::measure::Figures;

    fn turn(per_second: f64, cpu_us: f64) -> Turn {
        Turn::from([("message".to_owned(), Figures::from([("per_second", per_second), ("cpu_us", cpu_us)]))])
    }

    #[test]
    fn more_of_a_rate_and_less_of_a_cost_are_better() {
        let amount =
            Amount { pairs: 3, times: Times { warm_up: Duration::ZERO, lasts: Duration::ZERO }, series: false };
        let ours = [turn(20.0, 1.0), turn(30.0, 2.0), turn(10.0, 4.0)];
        let theirs = [turn(10.0, 8.0), turn(10.0, 8.0)];
        let report = Report::new("peer", amount, (&ours, &theirs));
        let ratio = |figure: &str| report.measures["message"][figure].ratio;
        assert_eq!((ratio("per_second"), ratio("cpu_us")), (Some(2.0), Some(4.0)));
        assert_eq!(report.transactions_per_cpu_ratio, Some(4.0));
    }

    #[test]
    fn what_only_one_could_do_has_no_ratio() {
        let amount =
            Amount { pairs: 1, times: Times { warm_up: Duration::ZERO, lasts: Duration::ZERO }, series: false };
        let report = Report::new("peer", amount, (&[turn(1.0, 1.0)], &[]));
        assert_eq!(report.measures["message"]["cpu_us"].ratio, None);
        assert!(report.to_string().contains("| message | cpu_us | 1.0 | - | - |"));
    }
}
