//! What one worker knows of one user whose presence it keeps.

use std::sync::Arc;

use sip::Aor;

use crate::compositor::{BaseState, compose};
use crate::event_state::EventState;

#[derive(Debug, Default)]
pub(crate) struct Presentity {
    pub event_state: EventState,
    pub base: BaseState,
    /// What the watchers are told; none while there are none, for most users are never watched.
    document: Option<Arc<str>>,
}

impl Presentity {
    pub fn document(&self) -> Option<&Arc<str>> {
        self.document.as_ref()
    }

    /// Brings the document up to date, and says whether it is another one.
    pub fn recompose(&mut self, aor: &Aor, is_watched: bool) -> bool {
        let document = is_watched.then(|| Arc::from(compose(aor, &self.event_state.documents(), self.base)));
        let is_changed = document != self.document;
        if is_changed {
            self.document = document;
        }
        is_changed
    }

    /// Nothing is known that would not hold for anybody.
    pub fn is_blank(&self) -> bool {
        self.event_state.len() == 0 && self.base == BaseState::default()
    }
}
