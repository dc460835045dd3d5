//! The server itself: its life, its certificate, its users and what waits for them.

use crate::acme_service::AcmeStatus;

use super::super::definition::{Kind, Label, Metric, Sample, Values, one};
use super::super::snapshot::{Snapshot, StoredSnapshot};
use super::{WORKER, by_worker};

static VERSION: Label = Label { name: "version", values: Values::Version };

pub(crate) static BUILD_INFO: Metric = Metric {
    name: "comity_build_info",
    kind: Kind::Gauge,
    labels: &[&VERSION],
    help: "Always 1; the version is in its label",
    read: |_| vec![Sample::labelled([env!("CARGO_PKG_VERSION")], 1_u64)],
};

pub(crate) static UPTIME: Metric = Metric {
    name: "comity_uptime_seconds",
    kind: Kind::Gauge,
    labels: &[],
    help: "How long the server has been running",
    read: |all| one(all.server.uptime_secs),
};

pub(crate) static WORKER_UP: Metric = Metric {
    name: "comity_worker_up",
    kind: Kind::Gauge,
    labels: &[&WORKER],
    help: "1 for a worker that answers, 0 for one that does not: what else is said of it is then what it said last",
    read: |all| by_worker(all, |worker| usize::from(worker.has_answered)),
};

pub(crate) static DRAINING: Metric = Metric {
    name: "comity_draining",
    kind: Kind::Gauge,
    labels: &[],
    help: "1 while the server is about to end and takes nothing new, else 0",
    read: |all| one(all.workers.iter().any(|worker| worker.core.is_draining)),
};

pub(crate) static CERTIFICATE_NOT_AFTER: Metric = Metric {
    name: "comity_certificate_not_after_timestamp_seconds",
    kind: Kind::Gauge,
    labels: &[],
    help: "When the served certificate expires, in seconds since 1970",
    read: |all| one(all.server.certificate.all().map(|served| served.report.not_after_unix).min().unwrap_or_default()),
};

pub(crate) static CERTIFICATE_WARNINGS: Metric = Metric {
    name: "comity_certificate_warnings",
    kind: Kind::Gauge,
    labels: &[],
    help: "What is wrong with the served certificate, an end within thirty days included; comity status says it in words",
    read: |all| one(all.server.certificate.all().map(|served| served.report.warnings.len()).sum::<usize>()),
};

pub(crate) static CERTIFICATE_REFUSED: Metric = Metric {
    name: "comity_certificate_refused",
    kind: Kind::Gauge,
    labels: &[],
    help: "1 while the certificate's files have changed and what they hold cannot be served, else 0",
    read: |all| one(all.server.certificate.all().any(|served| served.refused.is_some())),
};

static OUTCOME: Label = Label { name: "outcome", values: Values::Words(&["issued", "failed"]) };

pub(crate) static ACME_ORDERS: Metric = Metric {
    name: "comity_acme_orders_total",
    kind: Kind::Counter,
    labels: &[&OUTCOME],
    help: "Certificates ordered from the authority that [certificate.acme] names; absent without it",
    read: |all| {
        let samples = |acme: &AcmeStatus| {
            vec![Sample::labelled(["issued"], acme.issued), Sample::labelled(["failed"], acme.failed)]
        };
        all.server.certificate.acme.as_ref().map(samples).unwrap_or_default()
    },
};

pub(crate) static ACME_NEXT_ORDER: Metric = Metric {
    name: "comity_acme_next_order_timestamp_seconds",
    kind: Kind::Gauge,
    labels: &[],
    help: "When the next certificate is ordered, in seconds since 1970; absent without [certificate.acme]",
    read: |all| all.server.certificate.acme.as_ref().map(|acme| one(acme.next_unix)).unwrap_or_default(),
};

pub(crate) static USERS: Metric = Metric {
    name: "comity_users",
    kind: Kind::Gauge,
    labels: &[],
    help: "Users who have an account; absent while the store cannot be read",
    read: |all| of_store(all, |stored| stored.users),
};

pub(crate) static STORE_FAILURES: Metric = Metric {
    name: "comity_store_failures_total",
    kind: Kind::Counter,
    labels: &[],
    help: "Reads and writes of the store that failed: the log says how, and the disk most likely why",
    read: |all| one(all.server.store_failures),
};

pub(crate) static STORED_MESSAGES: Metric = Metric {
    name: "comity_stored_messages",
    kind: Kind::Gauge,
    labels: &[],
    help: "Messages that wait for a user to register; absent while the store cannot be read",
    read: |all| of_store(all, |stored| stored.messages.count),
};

pub(crate) static STORED_OLDEST_AGE: Metric = Metric {
    name: "comity_stored_messages_oldest_age_seconds",
    kind: Kind::Gauge,
    labels: &[],
    help: "For how long the oldest of the messages that wait has waited, 0 where none waits; absent while the store cannot \
        be read",
    read: |all| {
        let age = |at_unix_ms: i64| (all.server.now_unix - at_unix_ms / 1000).max(0).unsigned_abs();
        of_store(all, |stored| stored.messages.oldest_unix_ms.map_or(0, age))
    },
};

pub(crate) static MESSAGES_STORED: Metric = Metric {
    name: "comity_messages_stored_total",
    kind: Kind::Counter,
    labels: &[],
    help: "Messages that were stored because their user was away",
    read: |all| one(all.sum_counts(|counts| counts.stored)),
};

pub(crate) static MESSAGES_DELIVERED: Metric = Metric {
    name: "comity_stored_messages_delivered_total",
    kind: Kind::Counter,
    labels: &[],
    help: "Stored messages that a device took",
    read: |all| one(all.sum_counts(|counts| counts.stored_delivered)),
};

pub(crate) static MESSAGES_REPEATED: Metric = Metric {
    name: "comity_stored_messages_repeated_total",
    kind: Kind::Counter,
    labels: &[],
    help: "Stored messages that were sent again because it was never recorded what became of the first time",
    read: |all| one(all.workers.iter().map(|worker| worker.core.stored_repeats).sum::<u64>()),
};

pub(crate) static MESSAGES_EXPIRED: Metric = Metric {
    name: "comity_stored_messages_expired_total",
    kind: Kind::Counter,
    labels: &[],
    help: "Stored messages that were removed undelivered because their time was over",
    read: |all| one(all.server.messages_expired),
};

pub(crate) static CALLS_BETWEEN: Metric = Metric {
    name: "comity_calls_between",
    kind: Kind::Gauge,
    labels: &[],
    help: "Calls that this server stands between",
    read: |all| one(all.sum_core(|core| core.calls_between)),
};

pub(crate) static QUEUES_DRAINING: Metric = Metric {
    name: "comity_message_queues_draining",
    kind: Kind::Gauge,
    labels: &[],
    help: "Users whose stored messages are going out",
    read: |all| one(all.sum_core(|core| core.queues_draining)),
};

fn of_store(all: &Snapshot, number: impl Fn(&StoredSnapshot) -> u64) -> Vec<Sample> {
    all.server.stored.as_ref().map(|stored| one(number(stored))).unwrap_or_default()
}
