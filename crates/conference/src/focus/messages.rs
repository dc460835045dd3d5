//! What is said in writing: within a session or outside of any dialog, from one to all others, once each.

use sip::refusal::Word;
use sip::{Aor, HeaderName, Method, Refusal};

use super::endpoint::EndpointId;
use super::inviting::outside;
use super::joining::sender;
use super::participant::{Participant, Place};
use super::{Asked, Focus, new_tag};
use crate::{Incoming, Turn};

/// Something said, as all others are to receive it.
struct Said<'a> {
    by: &'a Aor,
    content_type: &'a str,
    body: &'a [u8],
}

impl<S: Copy + Ord> Focus<S> {
    /// A message outside of any dialog. Who sends one takes part from then on, if he may.
    pub(super) fn handle_page(&mut self, turn: &mut Turn<'_>, incoming: &Incoming<'_, S>) -> Result<(), Refusal> {
        let (who, display) = sender(incoming.request)?;
        let entry = self.admit(turn, &who)?;
        let since = turn.unix_secs;
        let participant =
            self.participants_by_aor.entry(who.clone()).or_insert_with(|| Participant::new(Place::Called, since));
        participant.is_paged = true;
        self.place(turn, &who, display, entry);
        self.check_inside(&who)?;
        self.say(turn, incoming, &who)
    }

    /// A message within the session of an endpoint.
    pub(super) fn handle_said(
        &mut self,
        turn: &mut Turn<'_>,
        incoming: &Incoming<'_, S>,
        id: EndpointId,
    ) -> Result<(), Refusal> {
        let Some(endpoint) = self.endpoints_by_id.get_mut(&id) else { return Ok(()) };
        endpoint.takes_messages = true;
        let who = endpoint.participant.clone();
        self.check_inside(&who)?;
        self.say(turn, incoming, &who)
    }

    fn say(&mut self, turn: &mut Turn<'_>, incoming: &Incoming<'_, S>, by: &Aor) -> Result<(), Refusal> {
        let request = incoming.request;
        let content_type = request.header_text(HeaderName::ContentType).unwrap_or("text/plain").trim();
        if content_type.is_empty() || request.header(HeaderName::ContentEncoding).is_some() {
            return Err(Refusal::new(415, Word::MediaTypeUnsupported, "a message whose type cannot be told"));
        }
        if is_typing(content_type)
            && let Some(participant) = self.participants_by_aor.get_mut(by)
        {
            participant.knows_typing = true;
        }
        let said = Said { by, content_type, body: request.body() };
        self.distribute(turn, &said);
        let tag = request.to().ok().and_then(|to| to.tag().map(str::to_owned)).unwrap_or_else(|| new_tag(turn));
        self.respond(incoming, 200, &tag);
        Ok(())
    }

    fn distribute(&mut self, turn: &mut Turn<'_>, said: &Said<'_>) {
        let others: Vec<Aor> = self.inside().map(|(who, _)| who.clone()).filter(|who| who != said.by).collect();
        let name = self.participants_by_aor.get(said.by).map(|by| by.name(said.by).into_owned()).unwrap_or_default();
        for who in others {
            let session = self.message_session(&who);
            match session {
                Some(id) => self.say_within(id, said, &name),
                None => self.page(turn, &who, said, &name),
            }
        }
    }

    /// The device of his that takes messages within its dialog.
    fn message_session(&self, who: &Aor) -> Option<EndpointId> {
        let endpoints = &self.participants_by_aor.get(who)?.endpoints;
        let takes = |id: &&EndpointId| {
            self.endpoints_by_id.get(id).is_some_and(|endpoint| endpoint.takes_messages && endpoint.is_established())
        };
        endpoints.iter().find(takes).copied()
    }

    fn say_within(&mut self, id: EndpointId, said: &Said<'_>, name: &str) {
        let body = with_name(said, name);
        let Some(usage) = self.usage(id) else { return };
        let request = usage.request(&Method::Message).body(said.content_type, body);
        self.ask(Asked::Within(id), request);
    }

    fn page(&mut self, turn: &mut Turn<'_>, who: &Aor, said: &Said<'_>, name: &str) {
        let Some(participant) = self.participants_by_aor.get(who) else { return };
        if is_typing(said.content_type) && !participant.knows_typing {
            return;
        }
        let is_wanted = participant.is_paged || participant.endpoints.iter().any(|id| self.knows_messages(*id));
        if !is_wanted {
            return;
        }
        let (tag, call_id) = (new_tag(turn), format!("{:016x}@{}", (turn.random)(), self.aor.domain()));
        let request = outside(&Method::Message, &who.uri(), &self.aor, name, &tag)
            .header(HeaderName::CallId, call_id)
            .header(HeaderName::CSeq, "1 MESSAGE")
            .body(said.content_type, with_name(said, name));
        self.ask(Asked::Page(who.clone()), request);
    }

    fn knows_messages(&self, id: EndpointId) -> bool {
        self.endpoints_by_id.get(&id).is_some_and(|endpoint| endpoint.allows_messages && endpoint.is_established())
    }

    /// Whoever is not known, or wants nothing of it, is not in the conversation any more.
    pub(super) fn page_answered(&mut self, turn: &mut Turn<'_>, who: &Aor, status: u16) {
        if !matches!(status, 403 | 404 | 410 | 604 | 603) {
            return;
        }
        let Some(participant) = self.participants_by_aor.get_mut(who) else { return };
        participant.is_paged = false;
        if participant.is_gone() {
            self.gone(turn, who);
        }
    }
}

/// A text says who said it: most phones show no other name than the conference's.
fn with_name(said: &Said<'_>, name: &str) -> Vec<u8> {
    let is_text = said.content_type.to_ascii_lowercase().starts_with("text/plain");
    if is_text { [name.as_bytes(), b": ", said.body].concat() } else { said.body.to_vec() }
}

fn is_typing(content_type: &str) -> bool {
    content_type.to_ascii_lowercase().starts_with("application/im-iscomposing+xml")
}
