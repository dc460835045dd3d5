//! How stored messages leave: a user's queue is emptied once a device of his registers, or answers something else, the next
//! message only after the one before has its answer.
//!
//! Pure: the store is asked, and devices are sent to, by `signaling`. A user has one drain at a time, however many of
//! his devices register. Where the store fails it pauses: one user after the other finds out whether the store works
//! again, and then all go on.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use sip::Aor;
use sip::transaction::ClientTransactionId;

use crate::MessageId;

/// The queues of the users that one worker owns. Who has no entry may have messages waiting.
#[derive(Debug)]
pub struct Queues {
    drains_by_aor: BTreeMap<Aor, Drain>,
    aors_by_branch: BTreeMap<ClientTransactionId, Aor>,
    rests_by_aor: BTreeMap<Aor, Rest>,
    rests_max: usize,
    /// Of whom a device answers other requests, and since then none has taken what waits.
    paces_by_aor: BTreeMap<Aor, Pace>,
    paused: BTreeSet<Aor>,
    /// A time is set at which one of them goes on.
    will_resume: bool,
    /// Responses to registrations that are on their way out: what waits must not overtake them.
    responses_by_aor: BTreeMap<Aor, usize>,
}

/// What the last drain of a queue left; forgotten when something new is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rest {
    Nothing,
    /// Only what the devices refused for what it is: another device may think otherwise.
    Refused,
}

#[derive(Debug)]
struct Drain {
    /// The message that was sent last.
    after: MessageId,
    stage: Stage,
    has_refused: bool,
    /// Something was stored, or a device came, since it began: it starts over when nothing is left.
    again: bool,
    /// A device came since it began: it starts over also when those that were there do not take what waits.
    has_new_device: bool,
}

/// How often answers to other requests begin a drain.
#[derive(Debug, Clone, Copy)]
struct Pace {
    next_at: Instant,
    pause: Duration,
}

#[derive(Debug)]
enum Stage {
    /// The store is to say which message is next.
    ExpectMessage,
    ExpectAnswers(Attempt),
}

/// One message, sent to every device.
#[derive(Debug)]
struct Attempt {
    pending: BTreeSet<ClientTransactionId>,
    worst: Outcome,
}

/// What became of a message that was sent; the later of two counts for more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// A device has it.
    Delivered,
    /// No device wants this message. It is kept, and the next one is tried.
    Refused,
    /// No device takes messages now: all are kept.
    NotNow,
    /// A device may have it: no answer came.
    Unanswered,
}

/// A message whose outcome is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    pub aor: Aor,
    pub id: MessageId,
    pub outcome: Outcome,
}

impl Outcome {
    /// Of a final status of a device. Those that speak about the message itself must not keep the rest waiting.
    pub fn of_status(status: u16) -> Outcome {
        match status {
            200..=299 => Outcome::Delivered,
            400 | 403 | 413 | 415 | 416 | 420 | 488 | 493 | 513 | 603 | 606 => Outcome::Refused,
            _ => Outcome::NotNow,
        }
    }
}

impl Queues {
    /// Remembers up to `rests_max` users of whom nothing waits.
    pub fn new(rests_max: usize) -> Queues {
        Queues {
            drains_by_aor: BTreeMap::new(),
            aors_by_branch: BTreeMap::new(),
            rests_by_aor: BTreeMap::new(),
            rests_max,
            paces_by_aor: BTreeMap::new(),
            paused: BTreeSet::new(),
            will_resume: false,
            responses_by_aor: BTreeMap::new(),
        }
    }

    /// The response to a registration is on its way to whoever sends it. Until it is out nothing of the user's begins.
    pub fn response_begins(&mut self, aor: &Aor) {
        *self.responses_by_aor.entry(aor.clone()).or_default() += 1;
    }

    pub fn response_is_out(&mut self, aor: &Aor) {
        let Some(count) = self.responses_by_aor.get_mut(aor) else { return };
        *count -= 1;
        if *count == 0 {
            self.responses_by_aor.remove(aor);
        }
    }

    /// A device registered, over a flow that is new or not. Says whether to ask the store for the next message.
    pub fn begin(&mut self, aor: &Aor, is_new_flow: bool) -> bool {
        if self.responses_by_aor.contains_key(aor) {
            return false;
        }
        self.paused.remove(aor);
        if let Some(drain) = self.drains_by_aor.get_mut(aor) {
            drain.again |= is_new_flow;
            drain.has_new_device |= is_new_flow;
            return false;
        }
        match self.rests_by_aor.get(aor) {
            Some(Rest::Nothing) => return false,
            Some(Rest::Refused) if !is_new_flow => return false,
            Some(Rest::Refused) | None => {}
        }
        self.drains_by_aor.insert(aor.clone(), Drain::new());
        true
    }

    /// A device answered another request: it is there, whatever became of what was sent before. Says whether to ask the store
    /// for the next message. Where no device takes what waits, it is at most once a minute, and then ever more rarely.
    pub fn begin_answered(&mut self, now: Instant, aor: &Aor) -> bool {
        let pace = self.paces_by_aor.get(aor).copied();
        // Whose queue the store failed has his turn.
        if self.paused.contains(aor) || pace.is_some_and(|pace| now < pace.next_at) || !self.begin(aor, false) {
            return false;
        }
        let pause = pace.map_or(ANSWERED_PAUSE, |pace| (pace.pause * 2).min(ANSWERED_PAUSE_MAX));
        if self.paces_by_aor.len() >= self.rests_max {
            self.paces_by_aor.clear();
        }
        self.paces_by_aor.insert(aor.clone(), Pace { next_at: now + pause, pause });
        true
    }

    /// The message after which the store is to look for the next; `None` where no drain waits for one.
    pub fn expects_after(&self, aor: &Aor) -> Option<MessageId> {
        let drain = self.drains_by_aor.get(aor)?;
        matches!(drain.stage, Stage::ExpectMessage).then_some(drain.after)
    }

    pub fn is_draining(&self, aor: &Aor) -> bool {
        self.drains_by_aor.contains_key(aor)
    }

    pub fn drains(&self) -> usize {
        self.drains_by_aor.len()
    }

    /// A message was stored, or may have been.
    pub fn stored(&mut self, aor: &Aor) {
        self.rests_by_aor.remove(aor);
        if let Some(drain) = self.drains_by_aor.get_mut(aor) {
            drain.again = true;
        }
    }

    /// The store says that nothing is left. Says whether to ask it again from the start.
    pub fn exhausted(&mut self, aor: &Aor) -> bool {
        let Some(drain) = self.drains_by_aor.remove(aor) else { return false };
        if drain.again {
            self.drains_by_aor.insert(aor.clone(), Drain::new());
            return true;
        }
        if self.rests_by_aor.len() >= self.rests_max {
            self.rests_by_aor.clear();
        }
        self.paces_by_aor.remove(aor);
        self.rests_by_aor.insert(aor.clone(), if drain.has_refused { Rest::Refused } else { Rest::Nothing });
        false
    }

    /// The store failed: the user's queue goes out later. Says whether to set a time for [`Queues::wake`].
    pub fn pause(&mut self, aor: &Aor) -> bool {
        self.end(aor);
        self.paused.insert(aor.clone());
        !std::mem::replace(&mut self.will_resume, true)
    }

    /// The time has come. Answers whose queue goes on, and whether to set another time for those that are left.
    pub fn wake(&mut self) -> (Option<Aor>, bool) {
        let resumed = self.resume();
        self.will_resume = !self.paused.is_empty();
        (resumed, self.will_resume)
    }

    /// The store works: a user whose queue was paused, and goes on.
    pub fn resume(&mut self) -> Option<Aor> {
        self.paused.pop_first()
    }

    /// The drain cannot go on. What is left waits until a device registers, or answers something else.
    pub fn end(&mut self, aor: &Aor) {
        let Some(drain) = self.drains_by_aor.remove(aor) else { return };
        if let Stage::ExpectAnswers(attempt) = drain.stage {
            self.forget(&attempt.pending);
        }
    }

    /// The user is no more.
    pub fn remove_user(&mut self, aor: &Aor) {
        self.end(aor);
        self.paused.remove(aor);
        self.rests_by_aor.remove(aor);
        self.paces_by_aor.remove(aor);
    }

    /// The next message went out over these branches; `unsent` is the worst of why it could not go out over others.
    pub fn sent(
        &mut self,
        aor: &Aor,
        id: MessageId,
        pending: BTreeSet<ClientTransactionId>,
        unsent: Option<Outcome>,
    ) -> Option<Settled> {
        let drain = self.drains_by_aor.get_mut(aor)?;
        self.aors_by_branch.extend(pending.iter().map(|branch| (*branch, aor.clone())));
        drain.after = id;
        drain.stage = Stage::ExpectAnswers(Attempt { pending, worst: unsent.unwrap_or(Outcome::Refused) });
        self.settle(aor, None)
    }

    /// A branch was answered, or failed. `Some` once that decides about the message; with `Delivered` and `Refused` the
    /// next one is to be asked for.
    pub fn answered(&mut self, branch: ClientTransactionId, outcome: Outcome) -> Option<Settled> {
        let aor = self.aors_by_branch.remove(&branch)?;
        let drain = self.drains_by_aor.get_mut(&aor)?;
        if let Stage::ExpectAnswers(attempt) = &mut drain.stage {
            attempt.pending.remove(&branch);
            attempt.worst = attempt.worst.max(outcome);
        }
        self.settle(&aor, Some(outcome))
    }

    /// A device answers late, and has the message that is under way.
    pub fn delivered_late(&mut self, aor: &Aor, id: MessageId) -> Option<Settled> {
        self.drains_by_aor.get(aor).filter(|drain| drain.after == id)?;
        self.settle(aor, Some(Outcome::Delivered))
    }

    fn settle(&mut self, aor: &Aor, last: Option<Outcome>) -> Option<Settled> {
        let drain = self.drains_by_aor.get_mut(aor)?;
        let Stage::ExpectAnswers(attempt) = &mut drain.stage else { return None };
        let outcome = match last {
            Some(Outcome::Delivered) => Outcome::Delivered,
            _ if attempt.pending.is_empty() => attempt.worst,
            _ => return None,
        };
        // What the other devices still say makes no difference.
        let others = std::mem::take(&mut attempt.pending);
        let settled = Settled { aor: aor.clone(), id: drain.after, outcome };
        drain.stage = Stage::ExpectMessage;
        match outcome {
            Outcome::Delivered => drop(self.paces_by_aor.remove(aor)),
            Outcome::Refused => drain.has_refused = true,
            Outcome::NotNow | Outcome::Unanswered if drain.has_new_device => *drain = Drain::new(),
            Outcome::NotNow | Outcome::Unanswered => self.end(aor),
        }
        self.forget(&others);
        Some(settled)
    }

    fn forget(&mut self, branches: &BTreeSet<ClientTransactionId>) {
        for branch in branches {
            self.aors_by_branch.remove(branch);
        }
    }
}

impl Drain {
    fn new() -> Drain {
        Drain {
            after: MessageId::default(),
            stage: Stage::ExpectMessage,
            has_refused: false,
            again: false,
            has_new_device: false,
        }
    }
}

/// After an answer has begun a drain, while no device takes what waits; twice as long each time.
const ANSWERED_PAUSE: Duration = Duration::from_secs(60);
const ANSWERED_PAUSE_MAX: Duration = Duration::from_secs(3600);
