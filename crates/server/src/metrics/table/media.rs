//! The sound of meetings and of calls that the server stands between.

use super::super::definition::{Kind, Label, Metric, Values, one};
use super::by_word;

static DROPPED: Label = Label { name: "reason", values: Values::Words(&["malformed", "refused", "stray", "unsent"]) };

pub(crate) static BRIDGES: Metric = Metric {
    name: "comity_media_bridges",
    kind: Kind::Gauge,
    labels: &[],
    help: "Meetings and anchored calls that have sound now",
    read: |all| one(all.sum_media(|media| media.bridges as u64)),
};

pub(crate) static LEGS: Metric = Metric {
    name: "comity_media_legs",
    kind: Kind::Gauge,
    labels: &[],
    help: "Legs whose ports are open: each is one phone in a meeting or an anchored call",
    read: |all| one(all.sum_media(|media| media.legs as u64)),
};

pub(crate) static LEGS_MAX: Metric = Metric {
    name: "comity_media_legs_max",
    kind: Kind::Gauge,
    labels: &[],
    help: "Legs that there are ports for (ports under [media])",
    read: |all| one(all.sum_media(|media| media.legs_max as u64)),
};

pub(crate) static LEGS_OPENED: Metric = Metric {
    name: "comity_media_legs_opened_total",
    kind: Kind::Counter,
    labels: &[],
    help: "Legs that got ports",
    read: |all| one(all.sum_media(|media| media.legs_opened)),
};

pub(crate) static LEGS_REFUSED: Metric = Metric {
    name: "comity_media_legs_refused_total",
    kind: Kind::Counter,
    labels: &[],
    help: "Legs that got none, as no port was free or it is not known where phones are to send",
    read: |all| one(all.sum_media(|media| media.legs_refused)),
};

pub(crate) static LEGS_EXPIRED: Metric = Metric {
    name: "comity_media_legs_expired_total",
    kind: Kind::Counter,
    labels: &[],
    help: "Legs that were opened, never used, and closed again after five minutes",
    read: |all| one(all.sum_media(|media| media.legs_expired)),
};

pub(crate) static LEGS_LOST: Metric = Metric {
    name: "comity_media_legs_lost_total",
    kind: Kind::Counter,
    labels: &[],
    help: "Legs of a home that were gone with the edge that had them, while they were in use",
    read: |all| one(all.sum_media(|media| media.legs_lost)),
};

pub(crate) static PACKETS_RECEIVED: Metric = Metric {
    name: "comity_media_packets_received_total",
    kind: Kind::Counter,
    labels: &[],
    help: "RTP packets that counted",
    read: |all| one(all.sum_media(|media| media.packets_received)),
};

pub(crate) static PACKETS_SENT: Metric = Metric {
    name: "comity_media_packets_sent_total",
    kind: Kind::Counter,
    labels: &[],
    help: "RTP and RTCP packets made",
    read: |all| one(all.sum_media(|media| media.packets_sent)),
};

pub(crate) static PACKETS_DROPPED: Metric = Metric {
    name: "comity_media_packets_dropped_total",
    kind: Kind::Counter,
    labels: &[&DROPPED],
    help: "Packets not taken: no RTP, from where they may not come, replayed; and those of ours that the system did not take",
    read: |all| {
        by_word([
            ("malformed", all.sum_media(|media| media.packets_malformed)),
            ("refused", all.sum_media(|media| media.packets_refused)),
            ("stray", all.sum_media(|media| media.packets_stray)),
            ("unsent", all.sum_media(|media| media.packets_unsent)),
        ])
    },
};

pub(crate) static FRAMES_SKIPPED: Metric = Metric {
    name: "comity_media_frames_skipped_total",
    kind: Kind::Counter,
    labels: &[],
    help: "Frames of 20 ms that a media thread left out because it could not keep up: gaps that all on it hear",
    read: |all| one(all.sum_media(|media| media.frames_skipped)),
};
