//! What is said in writing: within a session or outside of any dialog. Each gets it once: from session to session where he
//! has one, else as a message of its own.

use std::time::{Duration, Instant};

use sip::refusal::Word;
use sip::{Aor, HeaderName, Refusal};

use super::endpoint::EndpointId;
use super::joining::sender;
use super::participant::{Participant, Place};
use super::said::{Said, read_with_recipients};
use super::wish::Wish;
use super::{Focus, new_tag};
use crate::id::MeetingAddress;
use crate::{FocusOutput, Incoming, Turn};

/// How much somebody says: a count that begins anew each second.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pace {
    second: Option<Instant>,
    count: u32,
}

impl Pace {
    fn count(&mut self, now: Instant) -> u32 {
        if self.second.is_none_or(|second| now.saturating_duration_since(second) >= Duration::from_secs(1)) {
            *self = Pace { second: Some(now), count: 0 };
        }
        self.count += 1;
        self.count
    }
}

impl<S: Copy + Ord> Focus<S> {
    /// A message outside of any dialog. Who sends one takes part from then on, if he may.
    pub(super) fn handle_page(&mut self, turn: &mut Turn<'_>, incoming: &Incoming<'_, S>) -> Result<(), Refusal> {
        let (who, display) = sender(incoming.request)?;
        let entry = self.admit(turn, &who)?;
        let begins = is_to_factory(incoming);
        let (recipients, said) = match begins {
            true => read_with_recipients(incoming.request)?,
            false => (Vec::new(), Said::read(incoming.request)?),
        };
        self.check_size(&said)?;
        let since = turn.unix_secs;
        let participant =
            self.participants_by_aor.entry(who.clone()).or_insert_with(|| Participant::new(Place::Called, since));
        participant.is_paged = true;
        self.place(turn, &who, display, entry);
        self.check_inside(&who)?;
        self.check_pace(turn, &who)?;
        self.respond_to_said(turn, incoming);
        if begins {
            self.greet(turn, &who);
        }
        for recipient in &recipients {
            self.add_for(turn, &who, recipient);
        }
        match Wish::read(&said.body).filter(|_| !said.is_typing()) {
            Some(wish) => self.grant(turn, &who, wish),
            None => self.say(turn, &who, &said),
        }
        Ok(())
    }

    /// A message within the session of an endpoint.
    pub(super) fn handle_said(
        &mut self,
        turn: &mut Turn<'_>,
        incoming: &Incoming<'_, S>,
        id: EndpointId,
    ) -> Result<(), Refusal> {
        let Some(endpoint) = self.endpoints_by_id.get_mut(&id) else { return Ok(()) };
        let who = endpoint.participant.clone();
        let said = Said::read(incoming.request)?;
        let is_on_its_way = endpoint.adopting.is_some();
        if !std::mem::replace(&mut endpoint.writes_within, true) {
            self.touch();
        }
        if !is_on_its_way {
            self.check_inside(&who)?;
        }
        self.check_size(&said)?;
        self.check_pace(turn, &who)?;
        self.respond_to_said(turn, incoming);
        self.say(turn, &who, &said);
        Ok(())
    }

    fn respond_to_said(&mut self, turn: &mut Turn<'_>, incoming: &Incoming<'_, S>) {
        let tag = incoming.request.to().ok().and_then(|to| to.tag().map(str::to_owned));
        let tag = tag.unwrap_or_else(|| new_tag(turn));
        self.respond(incoming, 200, &tag);
    }

    fn say(&mut self, turn: &mut Turn<'_>, by: &Aor, said: &Said) {
        self.last_said = Some(turn.now);
        if let Some(participant) = self.participants_by_aor.get_mut(by) {
            participant.knows_typing |= said.is_typing();
            participant.knows_cpim |= said.knows_cpim;
        }
        if !said.body.is_empty() {
            self.distribute(turn, by, said);
        }
    }

    fn check_size(&mut self, said: &Said) -> Result<(), Refusal> {
        let (size, max) = (said.body.len(), self.limits.message_bytes_max);
        if size <= max {
            return Ok(());
        }
        self.outputs.push_back(FocusOutput::LimitHit("message_bytes_max"));
        Err(Refusal::new(413, Word::MessageTooLarge, format!("{size} bytes of message; at most {max}")))
    }

    /// Not 503, which would turn a partner away from this whole server: it is one person who says too much.
    fn check_pace(&mut self, turn: &Turn<'_>, who: &Aor) -> Result<(), Refusal> {
        let max = self.limits.messages_per_sec_max;
        let Some(participant) = self.participants_by_aor.get_mut(who) else { return Ok(()) };
        if participant.pace.count(turn.now) <= max {
            return Ok(());
        }
        self.outputs.push_back(FocusOutput::LimitHit("messages_per_sec_max"));
        let refusal = Refusal::new(480, Word::TooManyMessages, format!("more than {max} messages in a second"));
        Err(refusal.with_header(HeaderName::RetryAfter, "1".to_owned()))
    }
}

fn is_to_factory<S>(incoming: &Incoming<'_, S>) -> bool {
    let uri = incoming.request.request_uri().and_then(|uri| sip::Uri::parse(uri).ok());
    uri.and_then(|uri| MeetingAddress::read(uri.user()?)) == Some(MeetingAddress::Factory)
}
