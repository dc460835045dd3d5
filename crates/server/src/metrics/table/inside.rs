//! Between a home and its edges.

use super::super::definition::{Kind, Label, Metric, Values, one};
use super::by_word;

static STATE: Label = Label { name: "state", values: Values::Words(&["current", "being-told", "out-of-reach"]) };

pub(crate) static EDGES: Metric = Metric {
    name: "comity_edges",
    kind: Kind::Gauge,
    labels: &[&STATE],
    help: "Edges of this home, by whether they know what is decided here; comity status names them",
    read: |all| {
        let edges = all.server.edges;
        by_word([("current", edges.current), ("being-told", edges.being_told), ("out-of-reach", edges.out_of_reach)])
    },
};

static SOUND_STATE: Label = Label { name: "state", values: Values::Words(&["connected", "draining", "away"]) };

pub(crate) static SOUND_EDGES: Metric = Metric {
    name: "comity_media_edges",
    kind: Kind::Gauge,
    labels: &[&SOUND_STATE],
    help: "Edges at which this home has its sound (at under [media]), by whether they take it now",
    read: |all| {
        let edges = all.server.edges;
        by_word([("connected", edges.sound_connected), ("draining", edges.sound_draining), ("away", edges.sound_away)])
    },
};

pub(crate) static TOLD: Metric = Metric {
    name: "comity_told_timestamp_seconds",
    kind: Kind::Gauge,
    labels: &[],
    help: "When its home told this edge last what it decided, in seconds since 1970; 0 where it never did, or has none",
    read: |all| one(all.server.told_unix),
};

pub(crate) static HOME_HEARD: Metric = Metric {
    name: "comity_home_heard_timestamp_seconds",
    kind: Kind::Gauge,
    labels: &[],
    help: "When its home was at this edge last, which it is every half minute, in seconds since 1970; 0 for not since \
        the start",
    read: |all| one(all.server.home_heard_unix),
};
