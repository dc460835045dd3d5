//! Every metric.

use server::metrics::{ALL, Label, Metric, Values};

use super::markdown::{code, head, table};

pub fn page() -> String {
    let rows = ALL.iter().map(|metric| {
        let labels: Vec<_> = metric.labels.iter().map(|label| code(label.name)).collect();
        vec![code(metric.name), metric.help.to_owned(), metric.kind.as_str().to_owned(), labels.join(", ")]
    });
    let list = table(&["Metric", "What it says", "Kind", "Labels"], rows);
    let sections: String = labels().into_iter().map(|(label, metrics)| label_section(label, &metrics)).collect();
    head("Metrics") + INTRODUCTION + &list + "\n## Labels\n\n" + LABELS + &sections
}

/// Each label with the metrics that have it, in the order of the list. Two labels of one name may differ in their values.
fn labels() -> Vec<(&'static Label, Vec<&'static Metric>)> {
    let mut found: Vec<(&Label, Vec<&Metric>)> = Vec::new();
    for (metric, label) in ALL.iter().flat_map(|metric| metric.labels.iter().map(move |label| (*metric, *label))) {
        match found.iter_mut().find(|(seen, _)| std::ptr::eq(*seen, label)) {
            Some((_, metrics)) => metrics.push(metric),
            None => found.push((label, vec![metric])),
        }
    }
    found
}

fn label_section(label: &Label, metrics: &[&Metric]) -> String {
    let values = match label.values {
        Values::Words(words) => words.iter().map(|word| code(word)).collect::<Vec<_>>().join(", "),
        Values::Workers => "the number of a worker, from 0".to_owned(),
        Values::Version => "the version of the program".to_owned(),
    };
    let of: Vec<_> = metrics.iter().map(|metric| code(metric.name)).collect();
    format!("- **{}** of {}: {values}.\n", label.name, of.join(", "))
}

const INTRODUCTION: &str = "\
What a running server counts and measures, for Prometheus: `comity metrics` prints it, and with `metrics` under `[listen]` in
[comity.toml](configuration.md#listen) the server answers `GET /metrics` there. A counter only rises, until the server starts again.

The number of series is fixed by the number of workers. No label ever names a domain, a user, an address or a Call-ID: what is to be
known of one partner, `comity partner show` tells. [Refusals](refusals.md) explains the words of refusals.

";
const LABELS: &str = "\
All values that a label can have:

";
