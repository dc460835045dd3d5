//! An INVITE that takes the place of a session of the conference (RFC 3891): somebody goes on with another of his phones, or
//! hands his place to somebody else.

use sip::refusal::Word;
use sip::{Aor, Message, Refusal};

use super::endpoint::EndpointId;
use super::participant::Participant;
use super::{Focus, malformed};
use crate::policy::admission::{self, Entry};

impl<S: Copy + Ord> Focus<S> {
    /// The endpoint that this INVITE is to take the place of. Who knows the dialog of somebody inside was let into it by him.
    ///
    /// # Errors
    /// 481 `dialog-unknown` where there is no such dialog, or nobody inside has it; 400 for what does not parse.
    pub(super) fn replaced(&self, request: &Message) -> Result<Option<EndpointId>, Refusal> {
        let Some(replaces) = request.replaces().map_err(malformed)? else { return Ok(None) };
        let found = self.endpoint_ids_by_dialog.get(&replaces.dialog).copied().filter(|id| {
            let endpoint = self.endpoints_by_id.get(id).filter(|endpoint| endpoint.is_established());
            let who = endpoint.and_then(|endpoint| self.participants_by_aor.get(&endpoint.participant));
            who.is_some_and(Participant::is_inside) && !replaces.early_only
        });
        let unknown =
            || Refusal::new(481, Word::DialogUnknown, "what it is to take the place of is no session of the meeting");
        found.map(Some).ok_or_else(unknown)
    }

    /// Somebody inside hands his place over: it is as if he had let him in, but from where nobody may come nobody comes.
    pub(super) fn admit_in_place(&self, who: &Aor) -> Result<Entry, Refusal> {
        self.check_room(who)?;
        admission::by_rule(&self.conduct, who).map(|_| Entry::Inside)
    }
}
