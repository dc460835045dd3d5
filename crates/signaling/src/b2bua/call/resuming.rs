//! Sound that was lost with the media node that had it: both phones are offered that of another, within their dialogs.

use std::time::Instant;

use conference::LegPorts;
use sip::refusal::Word;

use super::sound::Sound;
use super::{Call, CallOutput};
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
            Sound::Anchored(_) => self.end(503, Word::NoMedia),
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
            _ => self.end(503, Word::NoMedia),
        }
        self.end_if_over();
        is_moved
    }
}
