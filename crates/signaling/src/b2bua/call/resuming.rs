//! Sound that was lost with the media node that had it: both phones are offered that of another, within their dialogs.

use std::time::Instant;

use conference::LegPorts;
use federation::admission::vouch;
use sip::refusal::Word;
use sip::{HeaderName, Method};

use super::sound::Sound;
use super::{Asked, Call, CallOutput};
use crate::b2bua::dialogs::Side;

impl Call {
    /// The legs are gone. Says whether others are wanted; a call that was not settled ends.
    pub fn sound_lost(&mut self, now: Instant) -> bool {
        let is_settled = self.settled().is_ok();
        match &mut self.sound {
            Sound::Anchored(anchor) if is_settled => {
                anchor.is_moving = true;
                self.check_at = now + self.check_time;
                self.outputs.push_back(CallOutput::OpenLegsAgain);
                return true;
            }
            Sound::Anchored(_) => self.end_for_want_of_sound(),
            Sound::Direct { .. } | Sound::Opening(_) => {}
        }
        false
    }

    /// The other legs are open, or cannot be had. Says whether they are wanted.
    pub(super) fn moved(&mut self, ports: Result<[LegPorts; 2], String>) -> bool {
        let Sound::Anchored(anchor) = &mut self.sound else { return false };
        if !std::mem::take(&mut anchor.is_moving) {
            return false;
        }
        let is_moved = ports.is_ok_and(|ports| anchor.move_to(ports).is_ok());
        let tags: Vec<String> = self.pairs.iter().map(|pair| pair.tag().to_owned()).collect();
        match (is_moved, tags.as_slice()) {
            (true, [tag]) => {
                for side in [Side::Caller, Side::Callee] {
                    self.restore(tag, side);
                }
            }
            _ => self.end_for_want_of_sound(),
        }
        self.end_if_over();
        is_moved
    }

    fn end_for_want_of_sound(&mut self) {
        let rings =
            |asked: &Asked| matches!(asked, Asked::Passed(passed) if passed.pair.is_none() && !passed.is_answered);
        let ringing = self.asked_by_number.iter().filter(|(_, asked)| rings(asked)).map(|(number, _)| *number);
        for number in ringing.collect::<Vec<_>>() {
            self.is_given_up = true;
            self.outputs.push_back(CallOutput::Cancel { number });
        }
        let confirmed = self.pairs.iter().filter(|pair| pair.is_confirmed).map(|pair| pair.tag().to_owned());
        for tag in confirmed.collect::<Vec<_>>() {
            for side in [Side::Caller, Side::Callee] {
                self.end_with_reason(&tag, side);
            }
            self.pairs.retain(|pair| pair.tag() != tag);
        }
        self.end_if_over();
    }

    /// RFC 3326.
    fn end_with_reason(&mut self, tag: &str, side: Side) {
        let Some(pair) = self.pairs.iter_mut().find(|pair| pair.tag() == tag) else { return };
        let Some(speaker) = pair.end(side.other()).party.clone() else { return };
        let reason = format!("SIP;cause=503;text=\"{}\"", Word::NoMedia);
        let bye = pair.end_mut(side).dialog.request(&Method::Bye).header(HeaderName::Reason, reason);
        if let Ok(request) = bye.message() {
            self.ask(Asked::Bye, vouch(&speaker), request);
        }
    }
}
