//! The edges of a home: each is told what the home decided, from the inside outwards, as soon as it changes and whenever an
//! edge turns out to know something else. What is known of each is shown by `comity status`.

mod line;
mod question;
mod sound;
mod task;

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use ::media::link::EdgeBridges;
use store::{Revision, now_unix};
use tokio::sync::watch;

use crate::config::{Config, Inside, MediaAt, Roles};
use crate::control::answers::{EdgeAnswer, EdgeFailure, EdgeSoundAnswer, OwnRules};
use crate::metrics::EdgeCounts;
pub(crate) use line::{LIFE_HEADER, LineError, Way};
pub(crate) use sound::{FarSound, SOUND_PATH, SoundTasks};
pub(crate) use task::{Caller, EdgeTasks};

/// What is known of every edge. Cheap to clone; without a home there are none.
#[derive(Clone)]
pub(crate) struct Edges {
    states: Arc<Mutex<Vec<EdgeAnswer>>>,
    /// Something changed that edges are to know.
    changed: watch::Sender<()>,
    /// Set once the server serves.
    way: Arc<OnceLock<Way>>,
}

impl Edges {
    pub(crate) fn of(config: &Config) -> Edges {
        let told = |inside: &'_ Inside| {
            if inside.control_hops.is_empty() { inside.rules.hops.clone() } else { inside.control_hops.clone() }
        };
        let hops = config.inside.iter().filter(|_| config.roles == Roles::Home).flat_map(told);
        let mut states: Vec<EdgeAnswer> = Vec::new();
        for hop in hops {
            if !states.iter().any(|state| state.edge == hop.host) {
                let sound = (config.media.at == MediaAt::Edges).then(EdgeSoundAnswer::default);
                states.push(EdgeAnswer { sound, ..EdgeAnswer::unknown(&hop.host) });
            }
        }
        Edges { states: Arc::new(Mutex::new(states)), changed: watch::channel(()).0, way: Arc::default() }
    }

    pub(crate) fn states(&self) -> Vec<EdgeAnswer> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.states().into_iter().map(|state| state.edge).collect()
    }

    fn reach_by(&self, way: &Way) {
        // A server starts once.
        let _ = self.way.set(way.clone());
    }

    /// How many stand how, with what is decided here.
    pub(crate) fn counts(&self, ours: Option<Revision>) -> EdgeCounts {
        let mut counts = EdgeCounts::default();
        for state in self.states() {
            match (&state.failed, &ours) {
                (Some(_), _) => counts.out_of_reach += 1,
                (None, Some(ours)) if state.is_current(ours) => counts.current += 1,
                (None, _) => counts.being_told += 1,
            }
            match state.sound {
                Some(EdgeSoundAnswer { is_connected: false, .. }) => counts.sound_away += 1,
                Some(EdgeSoundAnswer { is_draining: true, .. }) => counts.sound_draining += 1,
                Some(_) => counts.sound_connected += 1,
                None => {}
            }
        }
        counts
    }

    /// Tells them at once.
    pub(crate) fn changed(&self) {
        self.changed.send_replace(());
    }

    /// What became of the connection for sound to one of them; the log says when that turns.
    fn note_sound(&self, edge: &str, note: EdgeSoundNote) {
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(state) = states.iter_mut().find(|state| state.edge == edge) else { return };
        let sound = state.sound.get_or_insert_default();
        match note {
            EdgeSoundNote::Stands(EdgeBridges { is_connected, is_draining, bridges, legs }) => {
                if is_connected && !sound.is_connected {
                    tracing::info!(edge, "sound goes by this edge");
                }
                let why = sound.why.take().filter(|_| !is_connected);
                *sound = EdgeSoundAnswer { is_connected, is_draining, bridges, legs, why };
            }
            EdgeSoundNote::Down(why) => {
                if sound.why.is_none() {
                    tracing::warn!(edge, why, "no sound goes by this edge");
                }
                *sound = EdgeSoundAnswer { why: Some(why), ..EdgeSoundAnswer::default() };
            }
        }
    }

    /// What its own comity.toml says.
    fn note_own(&self, edge: &str, own: Option<OwnRules>) {
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(state) = states.iter_mut().find(|state| state.edge == edge) {
            state.own = own;
        }
    }

    /// What came of speaking to one of them; the log says when that turns.
    fn note(&self, edge: &str, outcome: Result<Revision, String>) {
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(state) = states.iter_mut().find(|state| state.edge == edge) else { return };
        match outcome {
            Ok(revision) => {
                if let Some(failed) = state.failed.take() {
                    let away = crate::moment::duration((now_unix() - failed.since_unix).max(0).unsigned_abs());
                    tracing::info!(edge, away, %revision, "the edge is reached again, and current");
                }
                state.succeeded_unix = Some(now_unix());
                state.revision = Some(revision);
            }
            Err(why) => {
                let since_unix = state.failed.as_ref().map_or_else(now_unix, |failed| failed.since_unix);
                if state.failed.is_none() {
                    tracing::warn!(edge, why, "an edge cannot be told; it goes on with what it knows");
                }
                state.failed = Some(EdgeFailure { since_unix, at_unix: now_unix(), why });
            }
        }
    }
}

/// What is known of the sound at an edge.
enum EdgeSoundNote {
    Stands(EdgeBridges),
    /// There is no connection, and why.
    Down(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Edges {
        pub(super) fn named(names: &[&str]) -> Edges {
            let states = names.iter().map(|name| EdgeAnswer::unknown(name)).collect();
            Edges { states: Arc::new(Mutex::new(states)), changed: watch::channel(()).0, way: Arc::default() }
        }
    }

    fn edges() -> Edges {
        Edges::named(&["edge.corp.example"])
    }

    #[test]
    fn a_failure_lasts_until_the_edge_was_told_and_keeps_when_it_began() {
        let (edges, revision) = (edges(), Revision { epoch: "00".repeat(16), number: 7 });
        edges.note("edge.corp.example", Err("refused".to_owned()));
        let first = edges.states()[0].failed.clone().unwrap();
        edges.note("edge.corp.example", Err("silent".to_owned()));
        let second = edges.states()[0].failed.clone().unwrap();
        assert_eq!((second.since_unix, second.why.as_str()), (first.since_unix, "silent"));
        assert!(!edges.states()[0].is_current(&revision));
        edges.note("edge.corp.example", Ok(revision.clone()));
        let state = &edges.states()[0];
        assert!(state.failed.is_none() && state.succeeded_unix.is_some() && state.is_current(&revision));
        assert!(!state.is_current(&Revision { number: 8, ..revision.clone() }));
        edges.note("edge.corp.example", Err("gone".to_owned()));
        assert_eq!(edges.states()[0].revision, Some(revision), "what it knew it still knows");
        edges.note("nobody.example", Err("gone".to_owned()));
    }
}
