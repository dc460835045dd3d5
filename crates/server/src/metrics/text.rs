//! The Prometheus text format, version 0.0.4: <https://prometheus.io/docs/instrumenting/exposition_formats/>.

use std::fmt::Write;

use super::ALL;
use super::definition::{Metric, Sample};
use super::snapshot::Snapshot;

/// Every metric with its help, kind and samples.
pub(crate) fn render(snapshot: &Snapshot) -> String {
    let mut text = String::new();
    for metric in ALL {
        write_metric(&mut text, metric, &(metric.read)(snapshot)).expect("a String takes everything");
    }
    text
}

/// Nothing is escaped: a label's values are words of ours, and a help has no backslash and no line break.
fn write_metric(text: &mut String, metric: &Metric, samples: &[Sample]) -> std::fmt::Result {
    let Metric { name, kind, labels, help, .. } = metric;
    writeln!(text, "# HELP {name} {help}.\n# TYPE {name} {}", kind.as_str())?;
    for sample in samples {
        let Sample { suffix, labels: values, value } = sample;
        let names = labels.iter().map(|label| label.name).chain(["le"]);
        let pairs: Vec<String> = names.zip(values).map(|(label, value)| format!("{label}=\"{value}\"")).collect();
        match pairs.is_empty() {
            true => writeln!(text, "{name}{suffix} {value}")?,
            false => writeln!(text, "{name}{suffix}{{{}}} {value}", pairs.join(","))?,
        }
    }
    Ok(())
}

pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
