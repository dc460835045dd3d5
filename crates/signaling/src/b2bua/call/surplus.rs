//! More devices that answer one INVITE than a call keeps pairs for: one that takes it goes before those that only ring, and
//! where all have taken it, the next is let go.

use sip::{Message, Method};

use federation::admission::vouch;

use super::{Asked, Call, CallOutput, PAIRS_MAX, Passed};
use crate::b2bua::dialogs::{Pair, Side};

impl Call {
    /// Whether a pair for this answer can be kept, with the place of one that only rings if need be.
    pub(super) fn make_room_for(&mut self, response: &Message) -> bool {
        if self.pairs.len() < PAIRS_MAX {
            return true;
        }
        let is_taken = response.status() >= Some(200);
        let ringing = self.pairs.iter().position(|pair| !pair.is_confirmed).filter(|_| is_taken);
        ringing.map(|place| self.pairs.remove(place)).is_some()
    }

    /// Whether a 2xx to the first INVITE is of a device for which there is no pair, and can be none.
    pub(super) fn is_surplus(&self, passed: &Passed, response: &Message) -> bool {
        let tag = response.to().ok().and_then(|to| to.tag().map(str::to_owned)).unwrap_or_default();
        passed.pair.is_none()
            && matches!(response.status(), Some(200..=299))
            && self.pairs.len() >= PAIRS_MAX
            && self.pairs.iter().all(|pair| pair.is_confirmed && pair.tag() != tag)
    }

    /// Its 2xx is acknowledged, and its session ended: else it would repeat the one, and wait in the other. The caller never
    /// hears of it.
    pub(super) fn let_go(&mut self, response: &Message) {
        let (Ok(mut pair), Ok(cseq)) = (Pair::new(&self.received, &self.sent, response), response.cseq()) else {
            return;
        };
        let Some(speaker) = pair.end(Side::Caller).party.clone() else { return };
        let dialog = &mut pair.end_mut(Side::Callee).dialog;
        if let (Ok(ack), Ok(bye)) = (dialog.ack(cseq.number).message(), dialog.request(&Method::Bye).message()) {
            self.outputs.push_back(CallOutput::Ack { admitted: vouch(&speaker), request: ack });
            self.ask(Asked::Bye, vouch(&speaker), bye);
        }
    }
}
