//! What is decided about requests, and what is under way.

use federation::flow::Direction;
use sip::refusal::Word;

use super::super::definition::{Kind, Label, Metric, Sample, Values, one};
use super::super::snapshot::Snapshot;
use super::{WORKER, by_word, by_worker, by_worker_and};

static SENDER: Label =
    Label { name: "sender", values: Values::Words(&["user", "allowed-partner", "discovered-partner"]) };
static DIRECTION: Label = Label { name: "direction", values: Values::Words(&["inbound", "outbound"]) };
static WORD: Label = Label { name: "word", values: Values::Words(&WORDS) };
static SIDE: Label = Label { name: "side", values: Values::Words(&["server", "client"]) };

pub(crate) static ADMITTED: Metric = Metric {
    name: "comity_requests_admitted_total",
    kind: Kind::Counter,
    labels: &[&SENDER],
    help: "Requests that passed admission, by who was proven to send them and how far a partner is trusted",
    read: |all| {
        by_word([
            ("user", all.sum_counts(|counts| counts.admitted_of_users)),
            ("allowed-partner", all.sum_counts(|counts| counts.admitted_of_allowed_partners)),
            ("discovered-partner", all.sum_counts(|counts| counts.admitted_of_discovered_partners)),
        ])
    },
};

pub(crate) static REFUSED: Metric = Metric {
    name: "comity_requests_refused_total",
    kind: Kind::Counter,
    labels: &[&DIRECTION, &WORD],
    help: "Requests that were refused, by the public word of the refusal; outbound is what claims to come from our own \
        domains",
    read: refused,
};

pub(crate) static CHALLENGED: Metric = Metric {
    name: "comity_requests_challenged_total",
    kind: Kind::Counter,
    labels: &[],
    help: "Requests that were asked for a password first; most come again with it, and a wrong one counts as \
        refused with authentication-failed",
    read: |all| one(all.sum_counts(|counts| counts.challenged)),
};

pub(crate) static TRANSACTIONS: Metric = Metric {
    name: "comity_transactions",
    kind: Kind::Gauge,
    labels: &[&WORKER, &SIDE],
    help: "SIP transactions under way: server for what we were asked, client for what we ask",
    read: |all| {
        by_worker_and(all, |worker| {
            [("server", worker.core.server_transactions), ("client", worker.core.client_transactions)]
        })
    },
};

pub(crate) static RESPONSE_CONTEXTS: Metric = Metric {
    name: "comity_response_contexts",
    kind: Kind::Gauge,
    labels: &[&WORKER],
    help: "Requests that were passed on and have no final answer yet",
    read: |all| by_worker(all, |worker| worker.core.response_contexts),
};

pub(crate) static WAITING: Metric = Metric {
    name: "comity_requests_waiting",
    kind: Kind::Gauge,
    labels: &[&WORKER],
    help: "Questions to the DNS, the store or a partner's server whose answer is waited for",
    read: |all| by_worker(all, |worker| worker.core.waiting),
};

pub(crate) static TIMERS: Metric = Metric {
    name: "comity_timers",
    kind: Kind::Gauge,
    labels: &[&WORKER],
    help: "Entries in the workers' schedules",
    read: |all| by_worker(all, |worker| worker.core.timers),
};

pub(crate) static REGISTRATIONS: Metric = Metric {
    name: "comity_registrations",
    kind: Kind::Gauge,
    labels: &[],
    help: "Devices that are registered",
    read: |all| one(all.sum_core(|core| core.bindings)),
};

pub(crate) static CONFERENCES: Metric = Metric {
    name: "comity_conferences",
    kind: Kind::Gauge,
    labels: &[],
    help: "Meetings that somebody is in, is called into, or waits to be let into",
    read: |all| one(all.sum_core(|core| core.conferences)),
};

pub(crate) static AGENT_REQUESTS: Metric = Metric {
    name: "comity_agent_requests",
    kind: Kind::Gauge,
    labels: &[],
    help: "Requests of conferences, and of others of our own, that have no final answer yet",
    read: |all| one(all.sum_core(|core| core.agent_requests)),
};

pub(crate) static WATCHERS: Metric = Metric {
    name: "comity_presence_watchers",
    kind: Kind::Gauge,
    labels: &[],
    help: "Subscriptions to the presence of our users",
    read: |all| one(all.sum_core(|core| core.watchers)),
};

pub(crate) static PUBLICATIONS: Metric = Metric {
    name: "comity_presence_publications",
    kind: Kind::Gauge,
    labels: &[],
    help: "What devices have published of their users' presence",
    read: |all| one(all.sum_core(|core| core.publications)),
};

fn refused(all: &Snapshot) -> Vec<Sample> {
    let mut samples = Vec::new();
    for (name, direction) in [("inbound", Direction::Inbound), ("outbound", Direction::Outbound)] {
        for word in Word::ALL {
            let count = all.sum_counts(|counts| counts.refused.get(&(direction, *word)).copied().unwrap_or(0));
            samples.push(Sample::labelled([name, word.as_str()], count));
        }
    }
    samples
}

/// `Word::ALL` as texts.
const WORDS: [&str; Word::ALL.len()] = {
    let mut texts = [""; Word::ALL.len()];
    let mut index = 0;
    while index < texts.len() {
        texts[index] = Word::ALL[index].as_str();
        index += 1;
    }
    texts
};
