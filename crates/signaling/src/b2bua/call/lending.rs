//! A call whose dialogs somebody else speaks in for a while, and which gets them back: a conference that it was to become.

use std::time::Instant;

use federation::admission::vouch;
use sip::dialog::Dialog;
use sip::refusal::Word;
use sip::usage::Session;
use sip::{HeaderName, Message, Method, Refusal};

use super::{Asked, Call, CallOutput, OF_THE_GONE};
use crate::b2bua::dialogs::{Pair, Side};

impl Call {
    /// The one pair of dialogs that the call has come to, with nothing under way in it.
    ///
    /// # Errors
    /// 491: it rings, or an offer is under way.
    pub fn settled(&self) -> Result<&Pair, Refusal> {
        let busy = |reason: &str| Refusal::new(491, Word::OffersCross, reason.to_owned());
        match self.pairs.as_slice() {
            [pair] if !pair.is_confirmed => Err(busy("the call has not been answered yet")),
            [pair] if pair.expects_ack || self.asked_by_number.values().any(Asked::is_owed) => {
                Err(busy("a request within the call waits for its answer"))
            }
            [pair] => Ok(pair),
            [] if !self.ended.is_empty() => Err(Refusal::new(481, Word::DialogUnknown, "the call has ended")),
            [] => Err(busy("the call rings")),
            _ => Err(busy("several devices have answered the call")),
        }
    }

    /// Its dialogs come back from whoever spoke in them meanwhile; a phone that agreed to another session gets its own back.
    pub fn give_back(&mut self, now: Instant, back: [(Side, Option<Dialog>, bool); 2]) {
        self.check_at = now + self.check_time;
        let Some(tag) = self.pairs.first().map(|pair| pair.tag().to_owned()) else { return };
        for (side, dialog, _) in &back {
            if let (Some(pair), Some(dialog)) = (self.pairs.first_mut(), dialog) {
                pair.end_mut(*side).dialog = dialog.clone();
            }
        }
        for (side, dialog, has_moved) in back {
            match dialog {
                None => return self.lost(&tag, side, None),
                Some(_) if has_moved => self.restore(&tag, side),
                Some(_) => {}
            }
        }
    }

    pub(super) fn restore(&mut self, tag: &str, side: Side) {
        let told = self.told(side).map(|told| Session::sdp(told.to_owned()));
        let Some(pair) = self.pairs.iter_mut().find(|pair| pair.tag() == tag) else { return };
        let other = pair.end(side.other());
        let (Some(session), Some(speaker)) = (told.or(other.described.clone()), other.party.clone()) else { return };
        let contact = format!("<{}>", other.dialog.remote_target());
        let request = pair.end_mut(side).dialog.request(&Method::Invite);
        let request = request.header(HeaderName::Contact, contact).body(&session.content_type, &session.body);
        if let Ok(request) = request.message() {
            self.ask(Asked::Restore { tag: tag.to_owned(), side, is_answered: false }, vouch(&speaker), request);
        }
    }

    /// Each 2xx is acknowledged, its repeats too.
    pub(super) fn restored(&mut self, number: u64, tag: String, side: Side, response: &Message) {
        if let Some(status) = response.status().filter(|status| *status >= 300) {
            let is_gone = OF_THE_GONE.contains(&status);
            let word = if is_gone { Word::FlowFailed } else { Word::MediaUnacceptable };
            return self.lost(&tag, side, Some((status, word)));
        }
        let Some(pair) = self.pairs.iter_mut().find(|pair| pair.tag() == tag) else { return };
        let (Some(speaker), Ok(cseq)) = (pair.end(side.other()).party.clone(), response.cseq()) else { return };
        if let Ok(request) = pair.end(side).dialog.ack(cseq.number).message() {
            self.outputs.push_back(CallOutput::Ack { admitted: vouch(&speaker), request });
        }
        self.sound_restored(&tag, side, response);
        self.asked_by_number.insert(number, Asked::Restore { tag, side, is_answered: true });
    }

    /// It is somebody else's for now.
    pub fn postpone(&mut self, now: Instant) {
        self.ended.retain(|ended| now < ended.until);
        self.check_at = now + self.check_time;
    }
}
