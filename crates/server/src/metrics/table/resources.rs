//! What the program uses of the machine.

use super::super::definition::{Kind, Metric, Number, Sample, one};
use super::super::resources::Resources;
use super::super::snapshot::Snapshot;

pub(crate) static OPEN_FILES: Metric = Metric {
    name: "comity_process_open_files",
    kind: Kind::Gauge,
    labels: &[],
    help: "File descriptors in use, of which each connection needs one",
    read: |all| of_system(all, |resources| resources.open_files),
};

pub(crate) static OPEN_FILES_MAX: Metric = Metric {
    name: "comity_process_open_files_max",
    kind: Kind::Gauge,
    labels: &[],
    help: "File descriptors that the system grants (LimitNOFILE of the service): beyond it no connection is accepted",
    read: |all| of_system(all, |resources| resources.open_files_max),
};

pub(crate) static RESIDENT_MEMORY: Metric = Metric {
    name: "comity_process_resident_memory_bytes",
    kind: Kind::Gauge,
    labels: &[],
    help: "Memory in use, as the system counts it",
    read: |all| of_system(all, |resources| resources.resident_memory_bytes),
};

pub(crate) static CPU: Metric = Metric {
    name: "comity_process_cpu_seconds_total",
    kind: Kind::Counter,
    labels: &[],
    help: "Processor time spent, by all threads together",
    read: |all| of_system(all, |resources| resources.cpu_secs),
};

fn of_system<T: Number>(all: &Snapshot, number: impl Fn(&Resources) -> T) -> Vec<Sample> {
    all.server.resources.as_ref().map(|resources| one(number(resources))).unwrap_or_default()
}
