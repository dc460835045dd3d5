//! The one way to wait: a machine of the Core asks, is parked with a deadline, and goes on with the answer or without it.
//!
//! How many wait is bounded, and of one flow's admissions once more: answers come in the order of the questions, so who asks
//! for much at a time would make all others wait.

use std::collections::BTreeMap;
use std::time::Instant;

use federation::flow::FlowFacts;
use media::LegId;
use sip::{Aor, FlowId, Message};

use crate::acceptor::Arrival;
use crate::agent::LegUser;
use crate::consent::Approaching;
use crate::core::Core;
use crate::links::{Dial, LinkKey};
use crate::schedule::Machine;
use crate::store_and_forward::{Keeping, Settlement};
use crate::{AdmittedRequest, Answer, Output, Question, QuestionId};

/// Who waits for what was asked.
#[derive(Default)]
pub(crate) struct Waiters {
    parked: BTreeMap<QuestionId, Waiting>,
    admissions: AdmissionsByFlow,
    last_id: u64,
}

/// Who waits for an answer, and until when.
struct Waiting {
    asker: Asker,
    deadline: Instant,
}

/// The machines that ask.
pub(crate) enum Asker {
    /// A request on its way through admission.
    Admission(Box<Arrival>),
    /// A CANCEL of what was begun over another connection, from whoever this one is.
    StrayCancel(Box<(FlowFacts, Message)>),
    /// A response to what another edge has sent on, likewise.
    StrayResponse(Box<(FlowFacts, Message)>),
    /// A request for a user of ours who has no device: does he exist?
    Recipient(Box<AdmittedRequest>),
    /// A request of somebody whom its user may have to agree to.
    Approach(Box<Approaching>),
    /// What a user says to that.
    ConsentAnswer(Box<AdmittedRequest>),
    /// That a user turned to somebody himself, to be recorded.
    Agreement(Aor),
    /// A MESSAGE for a user who is away, on its way into the store.
    Keep(Box<Keeping>),
    /// A user's queue, for its next message.
    Queue(Aor),
    /// What became of a stored message, to be recorded.
    Settlement(Settlement),
    /// A connection to a partner on its way up.
    Link(LinkKey),
    /// One address of a partner's server, which is dialled.
    Dial(Box<Dial>),
    /// Nobody: what the DNS said of this domain is asked for again.
    Refresh(String),
    /// Nobody: the addresses of this server are asked for again.
    RefreshHost(String),
    /// Ports for a leg of sound.
    Leg { user: LegUser, leg: LegId },
}

impl Waiters {
    pub(crate) fn len(&self) -> usize {
        self.parked.len()
    }

    /// Less those for whose answer no request waits.
    pub(crate) fn awaited(&self) -> usize {
        self.parked
            .values()
            .filter(|waiting| !matches!(waiting.asker, Asker::Refresh(_) | Asker::RefreshHost(_)))
            .count()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.parked.is_empty()
    }
}

impl Core {
    /// Asks, and remembers who waits.
    ///
    /// # Errors
    /// Gives the asker back when too many wait already.
    pub(crate) fn ask(&mut self, now: Instant, question: Question, asker: Asker) -> Result<(), Asker> {
        if self.waiters.len() >= self.limits.waiting_max {
            self.counts.hit("waiting_max");
            return Err(asker);
        }
        if let Asker::Admission(arrival) = &asker {
            if self.waiters.admissions.count(arrival.facts.id) >= self.limits.waiting_per_flow_max {
                self.counts.hit("waiting_per_flow_max");
                return Err(asker);
            }
            self.waiters.admissions.begin(arrival.facts.id);
        }
        self.waiters.last_id += 1;
        let id = QuestionId(self.waiters.last_id);
        let deadline = now + self.limits.answer_time();
        self.waiters.parked.insert(id, Waiting { asker, deadline });
        self.schedule.push(deadline, Machine::Waiting(id));
        self.put(Output::Ask { id, question });
        Ok(())
    }

    /// `None` says that the answer did not come in time.
    pub(crate) fn handle_answer(&mut self, now: Instant, id: QuestionId, answer: Option<Answer>) {
        let Some(asker) = self.no_longer_waits(id) else {
            return self.answer_came_late(answer);
        };
        match asker {
            Asker::Admission(arrival) => self.resume_admission(now, *arrival, answer),
            Asker::StrayCancel(cancel) => self.resume_cancel(now, &cancel.0, &cancel.1, answer),
            Asker::StrayResponse(response) => self.resume_stray_response(now, &response.0, response.1, answer),
            Asker::Recipient(request) => self.resume_recipient(now, *request, answer),
            Asker::Approach(approaching) => self.resume_approach(now, *approaching, answer),
            Asker::ConsentAnswer(request) => self.resume_reply(now, *request, answer),
            Asker::Agreement(aor) => self.resume_agreement(now, &aor, answer),
            Asker::Keep(keeping) => self.resume_keep(now, *keeping, answer),
            Asker::Queue(aor) => self.resume_queue(now, &aor, answer),
            Asker::Settlement(settlement) => self.resume_settlement(now, settlement, answer),
            Asker::Link(key) => self.resume_link(now, key, answer),
            Asker::Dial(dial) => self.resume_dial(now, *dial, answer),
            Asker::Refresh(domain) => self.resume_refresh(now, &domain, answer),
            Asker::RefreshHost(host) => self.resume_host_refresh(now, &host, answer),
            Asker::Leg { user, leg } => self.resume_leg(now, &user, leg, answer),
        }
    }

    pub(crate) fn give_up_waiting(&mut self, now: Instant, id: QuestionId) {
        if self.waiters.parked.get(&id).is_some_and(|waiting| waiting.deadline <= now) {
            self.handle_answer(now, id, None);
        }
    }

    /// A connection that nobody waits for any more must not stay open.
    fn answer_came_late(&mut self, answer: Option<Answer>) {
        if let Some(Answer::Connected(Ok(facts))) = answer {
            self.put(Output::CloseFlow { flow: facts.id });
        }
    }

    /// Takes back the first asker of whom this is so; the answer to its question is passed over then.
    pub(crate) fn stop_waiting(&mut self, wanted: impl Fn(&Asker) -> bool) -> Option<Asker> {
        let id = self.waiters.parked.iter().find(|(_, waiting)| wanted(&waiting.asker)).map(|(id, _)| *id)?;
        self.no_longer_waits(id)
    }

    fn no_longer_waits(&mut self, id: QuestionId) -> Option<Asker> {
        let Waiting { asker, .. } = self.waiters.parked.remove(&id)?;
        if let Asker::Admission(arrival) = &asker {
            self.waiters.admissions.end(arrival.facts.id);
        }
        Some(asker)
    }
}

/// How many requests of one flow wait for what their admission needs.
#[derive(Debug, Default)]
struct AdmissionsByFlow {
    /// Without those that have none.
    counts: BTreeMap<FlowId, usize>,
}

impl AdmissionsByFlow {
    fn count(&self, flow: FlowId) -> usize {
        self.counts.get(&flow).copied().unwrap_or(0)
    }

    fn begin(&mut self, flow: FlowId) {
        *self.counts.entry(flow).or_default() += 1;
    }

    fn end(&mut self, flow: FlowId) {
        let left = self.count(flow).saturating_sub(1);
        match left {
            0 => drop(self.counts.remove(&flow)),
            _ => drop(self.counts.insert(flow, left)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_flow_is_counted_and_none_is_left_behind() {
        let [one, other] = [1, 2].map(|serial| FlowId::Stream { worker: 0, serial });
        let mut admissions = AdmissionsByFlow::default();
        [one, one, other].into_iter().for_each(|flow| admissions.begin(flow));
        assert_eq!([one, other].map(|flow| admissions.count(flow)), [2, 1]);
        [one, other, one].into_iter().for_each(|flow| admissions.end(flow));
        assert!(admissions.counts.is_empty());
    }
}
