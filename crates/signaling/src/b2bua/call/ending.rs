//! A call that we end ourselves: both phones are told, and why (RFC 3326).

use federation::admission::vouch;
use sip::refusal::Word;
use sip::{HeaderName, Method, refusal};

use super::{Asked, Call, CallOutput};
use crate::b2bua::dialogs::Side;

impl Call {
    /// What rings is taken back, what was answered is hung up, on both sides.
    pub fn end(&mut self, cause: u16, word: Word) {
        let rings =
            |asked: &Asked| matches!(asked, Asked::Passed(passed) if passed.pair.is_none() && !passed.is_answered);
        let ringing = self.asked_by_number.iter().filter(|(_, asked)| rings(asked)).map(|(number, _)| *number);
        for number in ringing.collect::<Vec<_>>() {
            self.is_given_up = true;
            self.outputs.push_back(CallOutput::Cancel { number, reason: Some(refusal::reason(cause, word)) });
        }
        let confirmed = self.pairs.iter().filter(|pair| pair.is_confirmed).map(|pair| pair.tag().to_owned());
        for tag in confirmed.collect::<Vec<_>>() {
            for side in [Side::Caller, Side::Callee] {
                self.hang_up(&tag, side, cause, word);
            }
            self.pairs.retain(|pair| pair.tag() != tag);
        }
        self.end_if_over();
    }

    pub(super) fn hang_up(&mut self, tag: &str, side: Side, cause: u16, word: Word) {
        let Some(pair) = self.pairs.iter_mut().find(|pair| pair.tag() == tag) else { return };
        let Some(speaker) = pair.end(side.other()).party.clone() else { return };
        let bye = pair.end_mut(side).dialog.request(&Method::Bye);
        let bye = bye.header(HeaderName::Reason, refusal::reason(cause, word));
        if let Ok(request) = bye.message() {
            self.ask(Asked::Bye, vouch(&speaker), request);
        }
    }
}
