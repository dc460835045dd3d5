//! The list of checks run for a request, as often as it asks for evidence; the list itself is `federation`'s.

use std::time::Instant;

use federation::admission::{self, Decision, Flow, Rules};
use federation::flow::FlowKind;
use sip::{Message, Method, Refusal};

use super::{Arrival, no_answer, overloaded, store_failed};
use crate::core::Core;
use crate::waiting::Asker;
use crate::{Answer, Question};

impl Core {
    /// What costs a stranger nothing must cost us nothing either. The sender of a datagram is only a claim until it
    /// has answered a challenge: before that no transaction is kept for it, and each packet gets one packet back. And
    /// those who have proven nothing cannot take all transactions from those who have. Of a datagram the first run of the
    /// list is done then.
    pub(super) fn judge_at_once(&mut self, now: Instant, arrival: &Arrival) -> Result<Option<Decision>, Refusal> {
        let is_stream = arrival.facts.id.is_reliable();
        let method = arrival.message.method();
        if matches!(method, Some(Method::Ack | Method::Cancel)) || self.transactions.is_known(&arrival.message) {
            return Ok(None);
        }
        let kind = self.flows.get(arrival.facts.id).map_or(FlowKind::Undecided, |state| state.kind);
        if kind == FlowKind::Undecided && self.transactions.counts().0 >= self.limits.server_transactions_unproven_max {
            self.counts.hit("server_transactions_unproven_max");
            let refusal = overloaded("too many server transactions");
            self.record_turned_away(now, arrival.facts.id, &arrival.message, &refusal);
            return Err(refusal);
        }
        let too_fast = self.too_fast(now, arrival);
        if let Some(refusal) = too_fast.or_else(|| self.refused_outside(now, arrival, kind)) {
            self.record_turned_away(now, arrival.facts.id, &arrival.message, &refusal);
            return Err(refusal);
        }
        let looped = self.check_loop(&arrival.message, &arrival.facts, arrival.own_routes.count);
        if let Err(refusal) = looped {
            self.record_refused(now, &arrival.message, &refusal);
            return Err(refusal);
        }
        if self.is_only_for_dialogs() && !arrival.evidence.in_dialog {
            self.counts.hit("server_transactions_max");
            let refusal = overloaded("too many server transactions");
            self.record_turned_away(now, arrival.facts.id, &arrival.message, &refusal);
            return Err(refusal);
        }
        if is_stream {
            return Ok(None);
        }
        match self.judge_arrival(now, arrival) {
            Decision::Refused(refusal) => {
                self.record_refused(now, &arrival.message, &refusal);
                Err(refusal)
            }
            judged @ (Decision::Admitted(_) | Decision::Needs(_)) => Ok(Some(judged)),
        }
    }

    /// The last tenth of the transactions is for calls that are under way: who is in one can always hang up.
    fn is_only_for_dialogs(&self) -> bool {
        let max = self.limits.server_transactions_max;
        self.transactions.counts().0 >= max - max / 10
    }

    /// Runs the list of checks from the top with the evidence there is, unless that is done already; asks for more, refuses,
    /// or lets it through.
    pub(super) fn decide(&mut self, now: Instant, mut arrival: Arrival, mut judged: Option<Decision>) {
        loop {
            match judged.take().unwrap_or_else(|| self.judge_arrival(now, &arrival)) {
                Decision::Needs(admission::Question::Srv { domain }) => match self.discovery.lookup(now, &domain) {
                    Some(known) => {
                        arrival.evidence.srv = Some(known.clone());
                        self.discovery.mark_used(&domain);
                    }
                    None => return self.await_evidence(now, arrival, Question::Srv { domain }),
                },
                Decision::Needs(admission::Question::Credentials(aor)) => {
                    return self.await_evidence(now, arrival, Question::Credentials(aor));
                }
                Decision::Refused(refusal) => return self.refuse_unproven(now, arrival, &refusal),
                Decision::Admitted(admitted) => return self.send_on(now, arrival, admitted),
            }
        }
    }

    fn judge_arrival(&mut self, now: Instant, arrival: &Arrival) -> Decision {
        let state = self.flows.get(arrival.facts.id);
        let flow = Flow {
            facts: &arrival.facts,
            kind: state.map_or(&FlowKind::Undecided, |state| &state.kind),
            users: state.map_or(&[], |state| &state.users),
        };
        let mut rules = Rules {
            organisation: &self.organisation,
            partners: &self.partners,
            now,
            nonces: &mut self.nonces,
            guesses: &mut self.guesses,
        };
        admission::admit(&arrival.message, &flow, &arrival.evidence, &mut rules)
    }

    fn await_evidence(&mut self, now: Instant, arrival: Arrival, question: Question) {
        if let Err(Asker::Admission(arrival)) = self.ask(now, question, Asker::Admission(Box::new(arrival))) {
            self.refuse_unproven(now, *arrival, &overloaded("too many requests wait for an answer"));
        }
    }

    /// The answer has come, or will not come: the same list again, with more evidence.
    pub(crate) fn resume_admission(&mut self, now: Instant, mut arrival: Arrival, answer: Option<Answer>) {
        match answer {
            Some(Answer::Credentials(Ok(found))) => arrival.evidence.credentials = Some(found),
            Some(Answer::Credentials(Err(why))) => return self.refuse_unproven(now, arrival, &store_failed(&why)),
            Some(Answer::Srv(result)) => {
                let domain = from_domain(&arrival.message);
                if let Some(domain) = &domain {
                    self.learn(now, domain, result.clone());
                }
                // Where the name servers are silent, what they said before.
                let believed = domain.and_then(|domain| self.discovery.lookup(now, &domain).cloned());
                arrival.evidence.srv = Some(believed.unwrap_or(result));
            }
            _ => return self.refuse_unproven(now, arrival, &no_answer()),
        }
        self.decide(now, arrival, None);
    }
}

pub(crate) fn from_domain(request: &Message) -> Option<String> {
    request.from().ok().map(|from| from.uri().host_lowercase().into())
}
