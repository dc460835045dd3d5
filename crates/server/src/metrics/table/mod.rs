//! Every metric, by what it is about.

pub(super) mod calls;
pub(super) mod consents;
pub(super) mod inside;
pub(super) mod media;
pub(super) mod partners;
pub(super) mod requests;
pub(super) mod resources;
pub(super) mod server;
pub(super) mod transport;

use super::definition::{Label, Sample, Values};
use super::snapshot::{Snapshot, WorkerSnapshot};

pub(super) static WORKER: Label = Label { name: "worker", values: Values::Workers };

/// One sample for each worker.
fn by_worker(all: &Snapshot, number: impl Fn(&WorkerSnapshot) -> usize) -> Vec<Sample> {
    all.workers.iter().map(|worker| Sample::labelled([&worker.worker.to_string()], number(worker))).collect()
}

/// One sample for each worker and each of these words.
fn by_worker_and<const N: usize>(
    all: &Snapshot,
    number: impl Fn(&WorkerSnapshot) -> [(&'static str, usize); N],
) -> Vec<Sample> {
    let of_worker = |worker: &WorkerSnapshot| {
        let name = worker.worker.to_string();
        number(worker).map(|(word, number)| Sample::labelled([&name, word], number))
    };
    all.workers.iter().flat_map(of_worker).collect()
}

/// One sample for each of these words.
fn by_word<const N: usize>(numbers: [(&'static str, u64); N]) -> Vec<Sample> {
    numbers.map(|(word, number)| Sample::labelled([word], number)).into()
}
