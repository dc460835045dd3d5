//! Who of another organisation may be in a meeting, and with what: by the external access policy of its organiser, as if it
//! were he who is called, or calls. A meeting that is not known is nobody's: the organisation's policy holds.

use conference::ConferenceId;
use federation::admission::Origin;
use federation::external_access::{Crossing, Part, check_goes_on, decide};
use federation::flow::Direction;
use federation::modality::{Modality, asked_for};
use sip::refusal::Word;
use sip::{Aor, Message, Method, Refusal};

use crate::AdmittedRequest;
use crate::core::Core;
use crate::external_access::{part, with_meeting};
use crate::route::Destination;

impl Core {
    /// Whether a partner's request to a meeting may come in.
    ///
    /// # Errors
    /// 404 `meeting-unknown` where the organiser may not be reached from there, as for a meeting that does not exist;
    /// 403 `modality-not-allowed` and `source-unverified`.
    pub(crate) fn check_comes_into_meeting(&self, id: &ConferenceId, request: &AdmittedRequest) -> Result<(), Refusal> {
        let Origin::Partner { .. } = request.admitted.origin() else { return Ok(()) };
        let asked = asked_for(&request.message);
        let ends = asked.is_empty() && request.message.is_within_dialog();
        let modalities = with_meeting(asked, !ends);
        let organiser = self.organiser_of(id);
        let part = part(&request.message, true);
        self.check_partner(&request.message, &request.admitted, organiser, (modalities, part)).map_err(|refusal| {
            match refusal.word {
                Word::UserUnknown => Refusal::new(404, Word::MeetingUnknown, refusal.reason),
                _ => refusal,
            }
        })
    }

    /// Whether a meeting of ours may call, or write to, somebody outside.
    ///
    /// # Errors
    /// As [`decide`].
    pub(crate) fn check_meeting_invites(
        &self,
        id: &ConferenceId,
        message: &Message,
        to: &Destination,
    ) -> Result<(), Refusal> {
        let begins = matches!(message.method(), Some(Method::Invite | Method::Message | Method::Refer));
        let Destination::Partner { domain, .. } = to else { return Ok(()) };
        if !begins || message.is_within_dialog() || self.organisation.is_local(domain) {
            return Ok(());
        }
        decide(
            &self.partners,
            &Crossing {
                direction: Direction::Outbound,
                user: self.organiser_of(id),
                domain,
                provider: None,
                modalities: with_meeting(asked_for(message), true),
                part: Part::Begins,
                unverified_sender: None,
            },
        )
    }

    /// Whether somebody may stay in a meeting, now that the list of partners or a policy is another one.
    ///
    /// # Errors
    /// As [`check_goes_on`].
    pub(crate) fn check_stays_in_meeting(&self, who: &Aor, organiser: &Aor) -> Result<(), Refusal> {
        if self.organisation.is_local(who.domain()) {
            return Ok(());
        }
        check_goes_on(&self.partners, Some(organiser), who.domain(), [Modality::Meetings].into_iter().collect())
    }
}
