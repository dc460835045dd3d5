//! Who is told by `ms-diagnostics` why we refuse: our own users and the inside always, partners where our policy says so. And
//! what a home tells its edge beside that.

use federation::flow::Direction;
use federation::inside::{NOBODY_VALUE, VERDICT_HEADER};
use sip::diagnostics::{PRIVATE_HEADER, PUBLIC_HEADER};
use sip::{Diagnostics, Message, Refusal};

use crate::core::Core;

/// A header of a response.
pub(crate) struct Told {
    pub header: &'static str,
    pub value: String,
}

impl Core {
    /// A challenge is no refusal yet. Whoever claims to be a user of ours learns no more than the Warning tells anybody.
    pub(crate) fn diagnostics_told(&self, request: &Message, refusal: &Refusal) -> Option<Told> {
        if matches!(refusal.status, 401 | 407) {
            return None;
        }
        let exactly = refusal.diagnostics_id;
        match self.direction_of(request) {
            Direction::Outbound => {
                let id = exactly.unwrap_or(refusal.word.diagnostics_id());
                let diagnostics = Diagnostics::of(id, Some(&self.organisation.edge));
                Some(Told { header: PRIVATE_HEADER, value: diagnostics.to_string() })
            }
            Direction::Inbound if self.partners.tells_diagnostics() => {
                let diagnostics = Diagnostics::of(refusal.word.public_diagnostics_id(), None);
                Some(Told { header: PUBLIC_HEADER, value: diagnostics.to_string() })
            }
            Direction::Inbound => None,
        }
    }
    /// An edge counts whom its partners ask for, and cannot know who of them exists. Whoever is not of ours reached this home
    /// by an edge.
    pub(crate) fn verdict_told(&self, request: &Message, refusal: &Refusal) -> Option<Told> {
        let is_for_edge = self.is_home_only() && self.direction_of(request) == Direction::Inbound;
        (is_for_edge && refusal.names_nobody).then(|| Told { header: VERDICT_HEADER, value: NOBODY_VALUE.to_owned() })
    }

    /// The same of a message that is answered as if it were held.
    pub(crate) fn verdict_of_nobody(&self) -> Option<Told> {
        self.is_home_only().then(|| Told { header: VERDICT_HEADER, value: NOBODY_VALUE.to_owned() })
    }
}
