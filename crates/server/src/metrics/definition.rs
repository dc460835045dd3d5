//! What a metric is: everything that its definition says, and how its samples are read.

use super::snapshot::Snapshot;

/// One metric, defined once: the text for a scraper and the reference page come from here.
#[derive(Debug)]
pub struct Metric {
    /// With the prefix `comity_` and the unit or `_total` at its end, as Prometheus has it.
    pub name: &'static str,
    pub kind: Kind,
    pub labels: &'static [&'static Label],
    /// What it says, as one sentence without its full stop.
    pub help: &'static str,
    pub(super) read: fn(&Snapshot) -> Vec<Sample>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only rises, until the server starts again.
    Counter,
    Gauge,
    /// Several series: one for each step that a value did not exceed, all values' sum, and their count.
    Histogram,
}

/// A label with all values that it can have: there is one series for each combination, and never another one.
#[derive(Debug)]
pub struct Label {
    pub name: &'static str,
    pub values: Values,
}

/// A closed set. What a peer sends, or an administrator enters, is in none of them.
#[derive(Clone, Copy, Debug)]
pub enum Values {
    Words(&'static [&'static str]),
    /// The numbers of the workers, from 0.
    Workers,
    /// The version of this program alone.
    Version,
}

/// One value of a metric.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sample {
    /// Of a histogram's series, what comes after the metric's name.
    pub suffix: &'static str,
    /// The values of the labels, in their order; for a histogram's step, its end after them.
    pub labels: Vec<String>,
    pub value: f64,
}

impl Kind {
    /// As the text format spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        }
    }
}

impl Sample {
    /// Counts beyond 2^53 lose their last digits, as they do in Prometheus.
    pub(super) fn labelled<const N: usize>(labels: [&str; N], value: impl Number) -> Sample {
        Sample { suffix: "", labels: labels.map(str::to_owned).into(), value: value.value() }
    }
}

/// The one sample of a metric without labels.
pub(super) fn one(value: impl Number) -> Vec<Sample> {
    vec![Sample::labelled([], value)]
}

/// A histogram's samples, from the counts of its steps, each with its end in seconds, and those beyond all of them.
pub(super) fn histogram(steps: &[(f64, u64)], beyond: u64, sum_secs: f64) -> Vec<Sample> {
    let mut total = 0;
    let mut bucket = |end: String, count: u64| {
        total += count;
        Sample { suffix: "_bucket", labels: vec![end], value: total.value() }
    };
    let mut samples: Vec<Sample> = steps.iter().map(|(end, count)| bucket(end.to_string(), *count)).collect();
    samples.push(bucket("+Inf".to_owned(), beyond));
    let of_all = |suffix, value| Sample { suffix, labels: Vec::new(), value };
    samples.extend([of_all("_sum", sum_secs), of_all("_count", total.value())]);
    samples
}

/// What is counted or measured.
pub(super) trait Number {
    fn value(self) -> f64;
}

impl Number for u64 {
    fn value(self) -> f64 {
        self as f64
    }
}

impl Number for usize {
    fn value(self) -> f64 {
        self as f64
    }
}

impl Number for f64 {
    fn value(self) -> f64 {
        self
    }
}

impl Number for i64 {
    fn value(self) -> f64 {
        self as f64
    }
}

impl Number for bool {
    fn value(self) -> f64 {
        f64::from(u8::from(self))
    }
}
