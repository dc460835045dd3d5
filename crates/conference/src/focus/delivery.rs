//! What one says goes to all others: within the session of each device that takes messages there, else outside of any dialog
//! to all devices of his. Whoever refuses it, or is silent, does not keep it from the others.

use std::collections::VecDeque;

use documents::cpim;
use sip::{Aor, HeaderName, Method, RequestBuilder};

use super::endpoint::EndpointId;
use super::inviting::outside;
use super::participant::{Participant, Place};
use super::said::Said;
use super::{Asked, Focus, new_tag};
use crate::{FocusOutput, Turn};

/// What is on its way to somebody outside of any dialog.
#[derive(Debug, Default)]
pub(super) struct Pages {
    is_under_way: bool,
    waiting: VecDeque<Page>,
}

#[derive(Debug)]
struct Page {
    request: RequestBuilder,
    asked_by: Option<EndpointId>,
}

impl<S: Copy + Ord> Focus<S> {
    pub(super) fn distribute(&mut self, turn: &mut Turn<'_>, by: &Aor, said: &Said) {
        let all = self.participants_by_aor.iter();
        let others = all.filter(|(who, participant)| *who != by && self.hears(participant));
        let others: Vec<Aor> = others.map(|(who, _)| who.clone()).collect();
        let name = self.name_of(by);
        for who in others {
            let sessions = self.written_sessions(&who);
            match sessions.is_empty() {
                true => self.page_said(turn, &who, (by, &name), said),
                false => sessions.into_iter().for_each(|id| self.say_within(id, (by, &name), said)),
            }
        }
    }

    /// Whether he gets what others say: he is inside, is called by message, or comes with the session that he has.
    fn hears(&self, participant: &Participant) -> bool {
        let is_on_its_way =
            |id: &EndpointId| self.endpoints_by_id.get(id).is_some_and(|endpoint| endpoint.adopting.is_some());
        match participant.place {
            Place::Inside => true,
            Place::Called => participant.is_paged || participant.endpoints.iter().any(is_on_its_way),
            Place::Lobby => false,
        }
    }

    pub(super) fn name_of(&self, who: &Aor) -> String {
        self.participants_by_aor.get(who).map_or_else(|| who.to_string(), |one| one.name(who).into_owned())
    }

    /// The devices of his that take messages within their dialogs.
    pub(super) fn written_sessions(&self, who: &Aor) -> Vec<EndpointId> {
        let endpoints = self.participants_by_aor.get(who).map(|participant| participant.endpoints.iter());
        let takes = |id: &&EndpointId| self.endpoints_by_id.get(id).is_some_and(|one| one.is_written_to_within());
        endpoints.into_iter().flatten().filter(takes).copied().collect()
    }

    fn say_within(&mut self, id: EndpointId, (by, name): (&Aor, &str), said: &Said) {
        let Some(endpoint) = self.endpoints_by_id.get(&id) else { return };
        let names_cpim = endpoint.messages.as_ref().is_some_and(|messages| messages.names(cpim::CONTENT_TYPE));
        let (knows_typing, knows_cpim) = self.knows(&endpoint.participant);
        // Whoever has sent it knows it, though his description may not say so.
        let is_taken = endpoint.takes(&said.media_type()) || (said.is_typing() && knows_typing);
        if !is_taken {
            return;
        }
        let has_sender = !said.is_typing() && (names_cpim || knows_cpim);
        let (content_type, body) = match has_sender {
            true => said.with_sender(name, by, &self.aor),
            false => said.with_name(name),
        };
        let Some(usage) = self.usage(id) else { return };
        let request = usage.request(&Method::Message).body(&content_type, body);
        self.ask(Asked::Said(id), request);
    }

    fn page_said(&mut self, turn: &mut Turn<'_>, who: &Aor, (by, name): (&Aor, &str), said: &Said) {
        let (knows_typing, knows_cpim) = self.knows(who);
        if (said.is_typing() && !knows_typing) || !self.is_reached_by_page(who) {
            return;
        }
        let written = match knows_cpim && !said.is_typing() {
            true => said.with_sender(name, by, &self.aor),
            false => said.with_name(name),
        };
        self.page(turn, who, name, written, None);
    }

    /// Sends a message outside of any dialog, under this name; `asked_by` hears what becomes of it.
    ///
    /// The next one waits until this one is answered: two that are under way to a partner at once may overtake each other.
    pub(super) fn page(
        &mut self,
        turn: &mut Turn<'_>,
        who: &Aor,
        name: &str,
        (content_type, body): (String, Vec<u8>),
        asked_by: Option<EndpointId>,
    ) {
        let (tag, call_id) = (new_tag(turn), format!("{:016x}@{}", (turn.random)(), self.aor.domain()));
        let request = outside(&Method::Message, &who.uri(), &self.aor, name, &tag)
            .header(HeaderName::CallId, call_id)
            .header(HeaderName::CSeq, "1 MESSAGE")
            .body(&content_type, body);
        let Some(participant) = self.participants_by_aor.get_mut(who) else { return };
        if participant.pages.waiting.len() >= self.limits.pages_waiting_max {
            return self.outputs.push_back(FocusOutput::LimitHit("pages_waiting_max"));
        }
        participant.pages.waiting.push_back(Page { request, asked_by });
        if !participant.pages.is_under_way {
            self.send_next_page(who);
        }
    }

    fn send_next_page(&mut self, who: &Aor) {
        let has_room = self.has_room_to_ask();
        let Some(participant) = self.participants_by_aor.get_mut(who) else { return };
        let is_empty = participant.pages.waiting.is_empty();
        participant.pages.is_under_way = has_room && !is_empty;
        if !has_room && !is_empty {
            self.stalled.insert(who.clone());
            return self.outputs.push_back(FocusOutput::LimitHit("requests_max"));
        }
        if let Some(Page { request, asked_by }) = participant.pages.waiting.pop_front() {
            self.ask(Asked::Page { who: who.clone(), asked_by }, request);
        }
    }

    /// A request of ours has ended: what found no room goes out.
    pub(super) fn send_stalled_pages(&mut self) {
        while self.has_room_to_ask() {
            let Some(who) = self.stalled.pop_first() else { return };
            if self.participants_by_aor.get(&who).is_some_and(|participant| !participant.pages.is_under_way) {
                self.send_next_page(&who);
            }
        }
    }

    /// Who has left still gets what was on its way to him.
    pub(super) fn send_last_pages(&mut self, who: &Aor, pages: Pages) {
        for Page { request, asked_by } in pages.waiting {
            self.ask(Asked::Page { who: who.clone(), asked_by }, request);
        }
    }

    /// Whether his phone has shown that it knows who is typing, and `message/cpim`.
    fn knows(&self, who: &Aor) -> (bool, bool) {
        self.participants_by_aor.get(who).map_or((false, false), |one| (one.knows_typing, one.knows_cpim))
    }

    fn is_reached_by_page(&self, who: &Aor) -> bool {
        let allows = |id: &EndpointId| {
            self.endpoints_by_id.get(id).is_some_and(|endpoint| endpoint.allows_messages && endpoint.is_established())
        };
        let participant = self.participants_by_aor.get(who);
        participant.is_some_and(|participant| participant.is_paged || participant.endpoints.iter().any(allows))
    }

    /// Whoever is not known, or wants nothing of it, is not in the conversation any more.
    pub(super) fn page_answered(&mut self, turn: &mut Turn<'_>, who: &Aor, asked_by: Option<EndpointId>, status: u16) {
        if status < 200 {
            return;
        }
        if let (Some(participant), 405 | 406 | 488 | 501 | 606) = (self.participants_by_aor.get_mut(who), status)
            && participant.place == Place::Called
            && participant.is_paged
        {
            participant.is_paged = false;
            participant.pages = Pages::default();
            return self.invite_to_session(turn, who, asked_by);
        }
        self.reference_progress(asked_by, status);
        if let (Some(participant), 403 | 404 | 410 | 603 | 604) = (self.participants_by_aor.get_mut(who), status) {
            participant.is_paged = false;
            participant.pages.waiting.clear();
            if participant.is_gone() {
                return self.gone(turn, who);
            }
            self.touch();
        }
        self.send_next_page(who);
    }

    /// A device that refuses messages within its dialog gets none there any more.
    pub(super) fn said_answered(&mut self, id: EndpointId, status: u16) {
        if let (Some(endpoint), 405 | 501) = (self.endpoints_by_id.get_mut(&id), status) {
            (endpoint.messages, endpoint.writes_within) = (None, false);
        }
    }
}
