//! How long it took, from when a request was due: what could not go out in time has waited, too (else the slowest answers
//! would hide those behind them).

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

pub struct Latencies {
    nanoseconds: Histogram<u64>,
}

/// Microseconds.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Percentiles {
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
    pub p999: f64,
    pub max: f64,
}

impl Latencies {
    pub fn new() -> Latencies {
        Latencies { nanoseconds: Histogram::new_with_bounds(1_000, LONGEST_NS, 3).expect("bounds in their order") }
    }

    pub fn record(&mut self, took: Duration) {
        let nanoseconds = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX).clamp(1_000, LONGEST_NS);
        self.nanoseconds.saturating_record(nanoseconds);
    }

    pub fn count(&self) -> u64 {
        self.nanoseconds.len()
    }

    pub fn percentiles(&self) -> Percentiles {
        #[expect(clippy::cast_precision_loss, reason = "an hour has fewer nanoseconds than a float has digits")]
        let at = |quantile| self.nanoseconds.value_at_quantile(quantile) as f64 / 1e3;
        Percentiles { p50: at(0.5), p90: at(0.9), p99: at(0.99), p999: at(0.999), max: at(1.0) }
    }
}

const LONGEST_NS: u64 = 60_000_000_000;
