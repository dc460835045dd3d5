//! The way to partners and back. By partner there is `comity partner show`: a label with a domain would have no bound.

use signaling::ANSWER_MS_STEPS;

use super::super::definition::{Kind, Label, Metric, Sample, Values, histogram, one};
use super::super::snapshot::Snapshot;
use super::by_word;

static STATE: Label = Label { name: "state", values: Values::Words(&["idle", "resolving", "connecting", "up"]) };
static TIER: Label = Label { name: "tier", values: Values::Words(&["discovered", "suspect"]) };
static CLASS: Label = Label { name: "class", values: Values::Words(&["2xx", "3xx", "4xx", "5xx", "6xx"]) };
static MONITORED: Label = Label { name: "monitored", values: Values::Words(&["yes", "no"]) };
static KIND: Label = Label { name: "kind", values: Values::Words(&["allowed-server", "allowed-domain", "blocked"]) };

pub(crate) static ENTRIES: Metric = Metric {
    name: "comity_partner_entries",
    kind: Kind::Gauge,
    labels: &[&KIND],
    help: "Entries in the partner list; absent while the store cannot be read",
    read: |all| {
        let Some(stored) = &all.server.stored else { return Vec::new() };
        let count = |kind| (kind, stored.partners_by_kind.get(kind).copied().unwrap_or(0));
        by_word(["allowed-server", "allowed-domain", "blocked"].map(count))
    },
};

pub(crate) static AWAY: Metric = Metric {
    name: "comity_partners_out_of_reach",
    kind: Kind::Gauge,
    labels: &[&MONITORED],
    help: "Partners that a warning was about and that were not heard from since: out of reach, or one side's certificate is refused",
    read: |all| {
        let marked = all.sum_core(|core| core.monitored_partners_away);
        by_word([("yes", marked), ("no", all.sum_core(|core| core.partners_away) - marked)])
    },
};

pub(crate) static CERTIFICATES_END: Metric = Metric {
    name: "comity_partner_certificate_not_after_timestamp_seconds",
    kind: Kind::Gauge,
    labels: &[&MONITORED],
    help: "When the first of the certificates expires that partners with an entry and hosting providers show, in seconds since 1970; absent where \
        none was seen in the last seven days",
    read: |all| {
        let first = |is_monitored| {
            let endings = all.server.partner_endings.iter().filter(move |ending| ending.is_monitored == is_monitored);
            endings.map(|ending| ending.not_after_unix).min()
        };
        let sample = |(word, is_monitored)| Some(Sample::labelled([word], first(is_monitored)?));
        [("yes", true), ("no", false)].into_iter().filter_map(sample).collect()
    },
};

pub(crate) static CERTIFICATES_SOON: Metric = Metric {
    name: "comity_partner_certificates_expiring",
    kind: Kind::Gauge,
    labels: &[&MONITORED],
    help: "Certificates that partners with an entry and hosting providers show and that expire within 30 days, or have expired",
    read: |all| {
        let count = |is_monitored| {
            let soon = all.server.partner_endings.iter().filter(|ending| ending.is_soon(all.server.now_unix));
            soon.filter(|ending| ending.is_monitored == is_monitored).count() as u64
        };
        by_word([("yes", count(true)), ("no", count(false))])
    },
};

pub(crate) static DISCOVERED: Metric = Metric {
    name: "comity_discovered_partners",
    kind: Kind::Gauge,
    labels: &[&TIER],
    help: "Certificates of partners without an entry that are counted, by how far they are trusted",
    read: |all| {
        let suspect = all.sum_core(|core| core.suspect_partners);
        by_word([("discovered", all.sum_core(|core| core.discovered_partners) - suspect), ("suspect", suspect)])
    },
};

pub(crate) static OVER_SHARE: Metric = Metric {
    name: "comity_partner_requests_over_share_total",
    kind: Kind::Counter,
    labels: &[&MONITORED],
    help: "Requests of partners with an entry that got 503 with Retry-After, as much of the partner being under way as one may have; \
        comity partner show has the number of each",
    read: |all| {
        let sum = |place: usize| all.sum_counts(|counts| counts.over_share_of_partners[place]);
        by_word([("yes", sum(0)), ("no", sum(1))])
    },
};

pub(crate) static LOOK_ALIKES: Metric = Metric {
    name: "comity_look_alikes_total",
    kind: Kind::Counter,
    labels: &[],
    help: "Domains without an entry that look like one that is trusted here, each at its first contact",
    read: |all| one(all.sum_counts(|counts| counts.look_alikes)),
};

pub(crate) static CONNECTIONS: Metric = Metric {
    name: "comity_partner_connections",
    kind: Kind::Gauge,
    labels: &[&STATE],
    help: "Our connections to partners; idle ones are down and remembered for the reason",
    read: |all| {
        by_word([
            ("idle", all.sum_core(|core| core.links_by_state.idle)),
            ("resolving", all.sum_core(|core| core.links_by_state.resolving)),
            ("connecting", all.sum_core(|core| core.links_by_state.connecting)),
            ("up", all.sum_core(|core| core.links_by_state.up)),
        ])
    },
};

pub(crate) static CONNECTS_FAILED: Metric = Metric {
    name: "comity_partner_connects_failed_total",
    kind: Kind::Counter,
    labels: &[],
    help: "Connections to a partner's server that did not come up: TCP or TLS failed",
    read: |all| one(all.sum_sockets(|sockets| sockets.connects_failed)),
};

pub(crate) static SERVERS_FAILED: Metric = Metric {
    name: "comity_partner_servers_failed",
    kind: Kind::Gauge,
    labels: &[],
    help: "Servers of partners, and addresses of them, that failed and were not heard from since, as each worker knows them",
    read: |all| one(all.sum_core(|core| core.partner_servers_failed)),
};

pub(crate) static PINS_CHANGED: Metric = Metric {
    name: "comity_partner_pins_changed_total",
    kind: Kind::Counter,
    labels: &[],
    help: "Requests refused because another certificate was shown than the one that is pinned for the domain or its hosting provider",
    read: |all| one(all.server.pins_changed),
};

pub(crate) static REQUESTS_SENT: Metric = Metric {
    name: "comity_partner_requests_sent_total",
    kind: Kind::Counter,
    labels: &[],
    help: "Requests that went out over a connection to a partner, each further try at another server included",
    read: |all| one(all.sum_counts(|counts| counts.sent_to_partners)),
};

pub(crate) static REQUESTS_RETRIED: Metric = Metric {
    name: "comity_partner_requests_retried_total",
    kind: Kind::Counter,
    labels: &[],
    help: "Requests that one server of a partner failed, so that another was tried",
    read: |all| one(all.sum_counts(|counts| counts.retried)),
};

pub(crate) static RESPONSES_ELSEWHERE: Metric = Metric {
    name: "comity_partner_responses_elsewhere_total",
    kind: Kind::Counter,
    labels: &[],
    help: "Responses of ours to partners that went over another connection than their requests, which had ended",
    read: |all| one(all.sum_counts(|counts| counts.responses_elsewhere)),
};

pub(crate) static RESPONSES: Metric = Metric {
    name: "comity_partner_responses_total",
    kind: Kind::Counter,
    labels: &[&CLASS],
    help: "Final answers of partners, by the first digit of their status",
    read: |all| {
        let count = |class| all.sum_counts(|counts| counts.answered_by_class.get(&class).copied().unwrap_or(0));
        (2..=6).map(|class| Sample::labelled([&format!("{class}xx")], count(class))).collect()
    },
};

pub(crate) static ANSWER_SECONDS: Metric = Metric {
    name: "comity_partner_answer_seconds",
    kind: Kind::Histogram,
    labels: &[],
    help: "How long requests to partners waited for their final answer, the way there included; without INVITE, which waits \
        for a person",
    read: answer_seconds,
};

pub(crate) static DNS_QUESTIONS: Metric = Metric {
    name: "comity_dns_questions_total",
    kind: Kind::Counter,
    labels: &[],
    help: "Questions to the DNS for a partner's SRV records or addresses",
    read: |all| one(all.sum_sockets(|sockets| sockets.dns_questions)),
};

pub(crate) static DNS_FAILURES: Metric = Metric {
    name: "comity_dns_failures_total",
    kind: Kind::Counter,
    labels: &[],
    help: "Questions to the DNS that got no answer, and hosts of partners that have no address",
    read: |all| one(all.sum_sockets(|sockets| sockets.dns_failures)),
};

fn answer_seconds(all: &Snapshot) -> Vec<Sample> {
    let count = |step: usize| all.sum_counts(|counts| counts.answer_times.counts.get(step).copied().unwrap_or(0));
    let steps: Vec<(f64, u64)> =
        ANSWER_MS_STEPS.iter().enumerate().map(|(step, end_ms)| (*end_ms as f64 / 1000.0, count(step))).collect();
    let sum_secs = all.sum_counts(|counts| counts.answer_times.sum_ms) as f64 / 1000.0;
    histogram(&steps, count(ANSWER_MS_STEPS.len()), sum_secs)
}
