//! Who is told by `ms-diagnostics` why we refuse: our own users and the inside always, partners where our policy says so.

use federation::flow::Direction;
use sip::diagnostics::{PRIVATE_HEADER, PUBLIC_HEADER};
use sip::{Diagnostics, Message, Refusal};

use crate::core::Core;

/// A header of a refusal.
pub(crate) struct Told {
    pub header: &'static str,
    pub diagnostics: Diagnostics,
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
                Some(Told { header: PRIVATE_HEADER, diagnostics })
            }
            Direction::Inbound if self.partners.tells_diagnostics() => {
                let diagnostics = Diagnostics::of(refusal.word.public_diagnostics_id(), None);
                Some(Told { header: PUBLIC_HEADER, diagnostics })
            }
            Direction::Inbound => None,
        }
    }
}
