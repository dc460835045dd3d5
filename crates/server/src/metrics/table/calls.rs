//! Calls: how many, how they ended, how long they took to set up, and how their sound was.

use signaling::{ANSWER_MS_STEPS, Ending};

use super::super::definition::{Kind, Label, Metric, Sample, Values, histogram, one};
use super::super::snapshot::Snapshot;
use super::by_word;

static KIND: Label = Label { name: "kind", values: Values::Words(&["call", "messages", "meeting"]) };
static CAUSE: Label = Label { name: "cause", values: Values::Words(&Ending::CAUSES) };
static FATE: Label = Label { name: "fate", values: Values::Words(&["received", "lost", "late"]) };

pub(crate) static UNDER_WAY: Metric = Metric {
    name: "comity_calls_under_way",
    kind: Kind::Gauge,
    labels: &[&KIND],
    help: "Calls that were answered and are not over: of two, sessions of messages, and one for each phone in a meeting here",
    read: |all| {
        by_word([
            ("call", all.sum_core(|core| core.calls_under_way)),
            ("messages", all.sum_core(|core| core.message_sessions_under_way)),
            ("meeting", all.sum_core(|core| core.meeting_calls_under_way)),
        ])
    },
};

pub(crate) static ENDED: Metric = Metric {
    name: "comity_calls_ended_total",
    kind: Kind::Counter,
    labels: &[&CAUSE],
    help: "Calls that are over, those that were never answered, sessions of messages and phones in meetings included, by why",
    read: |all| {
        let count = |cause| all.sum_counts(|counts| counts.calls_ended.get(cause).copied().unwrap_or(0));
        Ending::CAUSES.iter().map(|cause| Sample::labelled([cause], count(cause))).collect()
    },
};

pub(crate) static SET_UP_SECONDS: Metric = Metric {
    name: "comity_call_set_up_seconds",
    kind: Kind::Histogram,
    labels: &[],
    help: "How long a call with sound took from its INVITE until the caller heard that it rings, or was answered",
    read: set_up_seconds,
};

pub(crate) static LEGS: Metric = Metric {
    name: "comity_call_legs_total",
    kind: Kind::Counter,
    labels: &[],
    help: "Legs of sound between this server and a phone that are over",
    read: |all| one(all.sum_counts(|counts| counts.legs.closed)),
};

pub(crate) static LEG_PACKETS: Metric = Metric {
    name: "comity_call_leg_packets_total",
    kind: Kind::Counter,
    labels: &[&FATE],
    help: "Packets of sound that phones sent us on legs that are over: received, lost on the way, or received too late",
    read: |all| {
        by_word([
            ("received", all.sum_counts(|counts| counts.legs.packets_received)),
            ("lost", all.sum_counts(|counts| counts.legs.packets_lost)),
            ("late", all.sum_counts(|counts| counts.legs.packets_late)),
        ])
    },
};

pub(crate) static RECORDS_DROPPED: Metric = Metric {
    name: "comity_call_records_dropped_total",
    kind: Kind::Counter,
    labels: &[],
    help: "Records of calls that were not kept, because the store was too slow or failed",
    read: |all| one(all.server.records_dropped),
};

fn set_up_seconds(all: &Snapshot) -> Vec<Sample> {
    let count = |step: usize| all.sum_counts(|counts| counts.set_up_times.counts.get(step).copied().unwrap_or(0));
    let steps: Vec<(f64, u64)> =
        ANSWER_MS_STEPS.iter().enumerate().map(|(step, end_ms)| (*end_ms as f64 / 1000.0, count(step))).collect();
    let sum_secs = all.sum_counts(|counts| counts.set_up_times.sum_ms) as f64 / 1000.0;
    histogram(&steps, count(ANSWER_MS_STEPS.len()), sum_secs)
}
