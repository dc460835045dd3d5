//! Flows, handshakes, messages as bytes, and the limits that they meet.

use signaling::COUNTED_LIMITS;

use super::super::definition::{Kind, Label, Metric, Sample, Values, one};
use super::super::snapshot::{Snapshot, WorkerSnapshot};
use super::{WORKER, by_word, by_worker_and};

static FLOW_KIND: Label = Label { name: "kind", values: Values::Words(&["client", "partner", "undecided"]) };
static OPENED_BY: Label = Label { name: "direction", values: Values::Words(&["inbound", "outbound"]) };
static RESULT: Label = Label { name: "result", values: Values::Words(&["completed", "failed"]) };
static OPENING: Label = Label { name: "result", values: Values::Words(&["opened", "refused"]) };
static TRANSPORT: Label = Label { name: "transport", values: Values::Words(&["stream", "datagram"]) };
static UNREADABLE: Label = Label { name: "error", values: Values::Words(&["framing", "parse", "tls"]) };
static LOST: Label = Label {
    name: "reason",
    values: Values::Words(&["flow-gone", "datagram-oversized", "datagram-unsent", "handoff-dropped"]),
};
static LIMIT: Label = Label { name: "limit", values: Values::Words(&LIMITS) };

pub(crate) static FLOWS: Metric = Metric {
    name: "comity_flows",
    kind: Kind::Gauge,
    labels: &[&WORKER, &FLOW_KIND],
    help: "Connections that are open, by what their first admitted request showed them to be",
    read: |all| {
        by_worker_and(all, |worker| {
            let core = &worker.core;
            let undecided = core.flows.saturating_sub(core.client_flows + core.partner_flows);
            [("client", core.client_flows), ("partner", core.partner_flows), ("undecided", undecided)]
        })
    },
};

pub(crate) static FLOWS_OPENED: Metric = Metric {
    name: "comity_flows_opened_total",
    kind: Kind::Counter,
    labels: &[&OPENED_BY],
    help: "Connections that came up, handshake included: inbound by others, outbound by us to partners",
    read: |all| {
        by_word([
            ("inbound", all.sum_sockets(|sockets| sockets.flows_accepted)),
            ("outbound", all.sum_sockets(|sockets| sockets.flows_connected)),
        ])
    },
};

pub(crate) static WEB_SOCKETS: Metric = Metric {
    name: "comity_web_sockets_total",
    kind: Kind::Counter,
    labels: &[&OPENING],
    help: "WebSockets that were asked for: opened, or refused for their page's origin, for not being SIP, or for being none",
    read: |all| {
        by_word([
            ("opened", all.sum_sockets(|sockets| sockets.web_sockets_opened)),
            ("refused", all.sum_sockets(|sockets| sockets.web_sockets_refused)),
        ])
    },
};

pub(crate) static FLOWS_ENDED: Metric = Metric {
    name: "comity_flows_ended_total",
    kind: Kind::Counter,
    labels: &[],
    help: "Connections that ended, whoever ended them",
    read: |all| one(all.sum_sockets(|sockets| sockets.flows_ended)),
};

pub(crate) static FLOWS_MOVED: Metric = Metric {
    name: "comity_flows_moved_total",
    kind: Kind::Counter,
    labels: &[],
    help: "Connections of clients that moved to the worker that owns their user",
    read: |all| one(all.sum_sockets(|sockets| sockets.flows_adopted)),
};

pub(crate) static HANDSHAKES: Metric = Metric {
    name: "comity_handshakes_total",
    kind: Kind::Counter,
    labels: &[&RESULT],
    help: "TLS handshakes that others began with us; one that says nothing or takes too long has failed",
    read: |all| {
        by_word([
            ("completed", all.sum_sockets(|sockets| sockets.handshakes_completed)),
            ("failed", all.sum_sockets(|sockets| sockets.handshakes_failed)),
        ])
    },
};

pub(crate) static HANDSHAKES_RESUMED: Metric = Metric {
    name: "comity_handshakes_resumed_total",
    kind: Kind::Counter,
    labels: &[],
    help: "TLS handshakes that took up an earlier session",
    read: |all| one(all.sum_sockets(|sockets| sockets.handshakes_resumed)),
};

pub(crate) static ACCEPTS_FAILED: Metric = Metric {
    name: "comity_accepts_failed_total",
    kind: Kind::Counter,
    labels: &[],
    help: "Connections that the system could not give us; a lack of file descriptors shows here",
    read: |all| one(all.sum_sockets(|sockets| sockets.accepts_failed)),
};

pub(crate) static MESSAGES_RECEIVED: Metric = Metric {
    name: "comity_messages_received_total",
    kind: Kind::Counter,
    labels: &[&TRANSPORT],
    help: "SIP messages received that could be read",
    read: |all| {
        by_word([
            ("stream", all.sum_sockets(|sockets| sockets.messages_received)),
            ("datagram", all.sum_sockets(|sockets| sockets.datagrams_received)),
        ])
    },
};

pub(crate) static MESSAGES_SENT: Metric = Metric {
    name: "comity_messages_sent_total",
    kind: Kind::Counter,
    labels: &[&TRANSPORT],
    help: "SIP messages sent",
    read: |all| {
        by_word([
            ("stream", all.sum_sockets(|sockets| sockets.messages_sent)),
            ("datagram", all.sum_sockets(|sockets| sockets.datagrams_sent)),
        ])
    },
};

pub(crate) static MESSAGES_UNREADABLE: Metric = Metric {
    name: "comity_messages_unreadable_total",
    kind: Kind::Counter,
    labels: &[&UNREADABLE],
    help: "What was received and is no SIP message: without sound borders, not to be parsed, or not to be decrypted",
    read: |all| {
        by_word([
            ("framing", all.sum_sockets(|sockets| sockets.framing_errors)),
            ("parse", all.sum_sockets(|sockets| sockets.parse_errors)),
            ("tls", all.sum_sockets(|sockets| sockets.tls_errors)),
        ])
    },
};

pub(crate) static MESSAGES_UNREADABLE_ANSWERED: Metric = Metric {
    name: "comity_messages_unreadable_answered_total",
    kind: Kind::Counter,
    labels: &[],
    help: "Of those not to be parsed, the ones that said whom to answer, and got 400 or 505",
    read: |all| one(all.sum_sockets(|sockets| sockets.parse_errors_answered)),
};

pub(crate) static DATAGRAMS_IGNORED: Metric = Metric {
    name: "comity_datagrams_ignored_total",
    kind: Kind::Counter,
    labels: &[],
    help: "Datagrams too short for a message: keep-alives of phones, mostly",
    read: |all| one(all.sum_sockets(|sockets| sockets.datagrams_ignored)),
};

pub(crate) static STUN_ANSWERED: Metric = Metric {
    name: "comity_stun_answered_total",
    kind: Kind::Counter,
    labels: &[],
    help: "STUN requests on the UDP ports of SIP that were answered: keep-alives of phones behind NATs",
    read: |all| one(all.sum_sockets(|sockets| sockets.stun_answered)),
};

pub(crate) static MESSAGES_LOST: Metric = Metric {
    name: "comity_messages_lost_total",
    kind: Kind::Counter,
    labels: &[&LOST],
    help: "Messages of ours that could not go out; those between workers are dropped when a worker is overwhelmed",
    read: |all| {
        let undeliverable: u64 = all.workers.iter().map(|worker| worker.core.undeliverable).sum();
        by_word([
            ("flow-gone", undeliverable + all.sum_sockets(|sockets| sockets.transmits_without_flow)),
            ("datagram-oversized", all.sum_sockets(|sockets| sockets.datagrams_oversized)),
            ("datagram-unsent", all.sum_sockets(|sockets| sockets.datagrams_unsent)),
            ("handoff-dropped", all.sum_sockets(|sockets| sockets.handoffs_dropped)),
        ])
    },
};

pub(crate) static LIMIT_HITS: Metric = Metric {
    name: "comity_limit_hits_total",
    kind: Kind::Counter,
    labels: &[&LIMIT],
    help: "How often a limit was met and its stated answer given; each is a limit of one worker",
    read: limit_hits,
};

fn limit_hits(all: &Snapshot) -> Vec<Sample> {
    let hits = |limit| all.workers.iter().map(|worker| hits_of(worker, limit)).sum::<u64>();
    LIMITS.iter().map(|limit| Sample::labelled([limit], hits(limit))).collect()
}

fn hits_of(worker: &WorkerSnapshot, limit: &str) -> u64 {
    let sockets = &worker.sockets;
    match limit {
        "connections_max" => sockets.connections_refused,
        "connections_per_ip_max" => sockets.connections_per_ip_refused,
        "unfinished_max" => sockets.unfinished_displaced + sockets.unfinished_refused,
        "handshakes_max" => sockets.handshakes_full,
        "introductions_max" => sockets.introductions_full,
        "web_socket_silent_secs_max" => sockets.web_sockets_silent_ended,
        "idle_secs_max" => sockets.flows_idle_ended,
        "message_secs_max" => sockets.slow_writers_ended,
        "output_bytes_max" => sockets.slow_readers_ended,
        "parse_errors_per_flow_max" => sockets.parse_errors_ended,
        of_core => worker.counts.limits_hit.get(of_core).copied().unwrap_or(0),
    }
}

/// By their names in the `Limits` of their crates. Those of one user's devices and messages have refusal words.
const LIMITS: [&str; SHELL_LIMITS.len() + COUNTED_LIMITS.len()] = {
    let (mut all, mut number) = ([""; SHELL_LIMITS.len() + COUNTED_LIMITS.len()], 0);
    while number < all.len() {
        all[number] = match number.checked_sub(SHELL_LIMITS.len()) {
            Some(of_core) => COUNTED_LIMITS[of_core],
            None => SHELL_LIMITS[number],
        };
        number += 1;
    }
    all
};

/// Those that are counted where the sockets are: see [`hits_of`].
const SHELL_LIMITS: [&str; 10] = [
    "connections_max",
    "connections_per_ip_max",
    "handshakes_max",
    "idle_secs_max",
    "introductions_max",
    "message_secs_max",
    "output_bytes_max",
    "parse_errors_per_flow_max",
    "unfinished_max",
    "web_socket_silent_secs_max",
];
