//! First contacts that wait for a user to agree.

use super::super::definition::{Kind, Metric, one};

pub(crate) static HELD: Metric = Metric {
    name: "comity_held_messages",
    kind: Kind::Gauge,
    labels: &[],
    help: "Messages that wait until their user agrees to hear from the sender; absent while the store cannot be read",
    read: |all| all.server.stored.as_ref().map(|stored| one(stored.held.count)).unwrap_or_default(),
};

pub(crate) static OPEN: Metric = Metric {
    name: "comity_consents_awaited",
    kind: Kind::Gauge,
    labels: &[],
    help: "Senders about whom a user was asked and has not answered; absent while the store cannot be read",
    read: |all| all.server.stored.as_ref().map(|stored| one(stored.held.asked)).unwrap_or_default(),
};

pub(crate) static ASKED: Metric = Metric {
    name: "comity_consents_asked_total",
    kind: Kind::Counter,
    labels: &[],
    help: "Times that a user was asked about a first contact",
    read: |all| one(all.sum_counts(|counts| counts.consents_asked)),
};

pub(crate) static MESSAGES_HELD: Metric = Metric {
    name: "comity_messages_held_total",
    kind: Kind::Counter,
    labels: &[],
    help: "Messages that were held until their user agrees",
    read: |all| one(all.sum_counts(|counts| counts.held)),
};

pub(crate) static MESSAGES_RELEASED: Metric = Metric {
    name: "comity_held_messages_released_total",
    kind: Kind::Counter,
    labels: &[],
    help: "Held messages that went to their user because he agreed",
    read: |all| one(all.sum_counts(|counts| counts.held_released)),
};

pub(crate) static MESSAGES_DISCARDED: Metric = Metric {
    name: "comity_held_messages_discarded_total",
    kind: Kind::Counter,
    labels: &[],
    help: "Held messages that were discarded because nobody agreed in time",
    read: |all| one(all.server.held_discarded),
};
