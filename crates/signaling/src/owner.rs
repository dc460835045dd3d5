//! What the owner of a target does with an admitted request: finds the flows that lead there.
//!
//! The response contexts over them (RFC 3261 section 16.7) are `contexts`', what comes back over them is `answers`'.

mod answers;
mod contexts;
mod in_dialog;

use std::time::Instant;

use federation::admission::{Organisation, Origin};
use federation::border::Crossing;
use sip::refusal::Word;
use sip::{Aor, Message, Method, Refusal};

use crate::acceptor::{no_answer, overloaded, store_failed};
use crate::core::Core;
use crate::outbound::{gruu, is_sips};
use crate::route::Destination;
use crate::store_and_forward::Keeping;
use crate::transferred;
use crate::waiting::Asker;
use crate::{AdmittedRequest, Answer, Question, Upstream};

pub(crate) use contexts::{ContextId, Owner, Target};

impl Core {
    /// An admitted request whose target is ours.
    pub(crate) fn own(&mut self, now: Instant, request: AdmittedRequest) {
        self.record_bye(now, &request);
        if let Some(request) = self.seek_consent(now, request) {
            self.own_agreed(now, request);
        }
    }

    /// The same, of which the user wants to hear.
    pub(crate) fn own_agreed(&mut self, now: Instant, request: AdmittedRequest) {
        let Some(request) = self.stand_between(now, request) else { return };
        match request.destination.clone() {
            Destination::Ourselves | Destination::Factory => self.answer_ourselves(now, &request),
            Destination::Agent(agent) => self.serve_agent(now, &agent, request),
            Destination::Registrar(_) => self.register(now, &request),
            Destination::User(aor) => self.deliver(now, &aor, request),
            Destination::Flow { flow, user, by_path, .. } => self.relay(now, flow, (user, by_path), request),
            Destination::InDialog { aor, began } => self.relay_to_contact(now, &aor, began, request),
            Destination::Edge { edge, phone } => self.relay_by_edge(now, edge, phone, request),
            Destination::Partner { domain, .. } => self.send_to_partner(now, &domain, request),
            Destination::Inside { .. } => self.send_inside(now, request),
        }
    }

    /// To every device of a user of ours.
    fn deliver(&mut self, now: Instant, aor: &Aor, request: AdmittedRequest) {
        let Some(upstream) = request.upstream else { return };
        if self.is_hidden_probe(&request) {
            let refusal = self.nobody("a partner that was discovered can call and write, and ask nothing else");
            return self.refuse_owned(now, upstream, &request.message, &refusal);
        }
        if Core::is_for_presence(&request.message) {
            return self.handle_presence(now, aor, request);
        }
        let targets = transferred::meant(&request, self.devices_for(now, aor, &request.message));
        let message = &request.message;
        let names_device = gruu(message).is_some();
        let has_others = targets.is_empty() && is_sips(message) && !names_device && !self.devices(now, aor).is_empty();
        if has_others && !self.hides_users_from(&request) {
            return self.refuse_owned(now, upstream, message, &no_secure_way());
        }
        // What is for one device waits for no other.
        if message.method() == Some(Method::Message) && !(names_device && targets.is_empty()) {
            match self.terms_if_kept(now, aor, &request, targets.len()) {
                Ok(None) => {}
                Ok(Some(terms)) => {
                    return self.keep(
                        now,
                        Keeping { request, aor: aor.clone(), was_sent: false, branches: Vec::new() },
                        terms,
                    );
                }
                Err(refusal) => return self.refuse_owned(now, upstream, message, &refusal),
            }
        }
        if targets.is_empty() {
            return self.ask_recipient(now, aor, request);
        }
        self.fork(now, request, targets);
    }

    /// Nobody is there: is he away (480), or is there no such user (404)?
    fn ask_recipient(&mut self, now: Instant, aor: &Aor, request: AdmittedRequest) {
        let asker = Asker::Recipient(Box::new(request));
        if let Err(Asker::Recipient(request)) = self.ask(now, Question::User(aor.clone()), asker)
            && let Some(upstream) = request.upstream
        {
            self.refuse_owned(now, upstream, &request.message, &overloaded("too many requests wait for an answer"));
        }
    }

    pub(crate) fn resume_recipient(&mut self, now: Instant, request: AdmittedRequest, answer: Option<Answer>) {
        let Some(upstream) = request.upstream else { return };
        if let (Some(Answer::User(Ok(true))), Destination::User(aor)) = (&answer, request.destination.clone())
            && Core::is_for_presence(&request.message)
        {
            return self.serve_presence(now, &aor, &request);
        }
        if let (Some(Answer::User(Ok(false))), Destination::User(aor)) = (&answer, request.destination.clone()) {
            return self.user_missing(now, &aor, request);
        }
        let refusal = match answer {
            Some(Answer::User(Ok(true))) if self.hides_users_from(&request) => {
                self.nobody("no device of the user is registered")
            }
            Some(Answer::User(Ok(true))) if gruu(&request.message).is_some() => {
                Refusal::new(480, Word::UserOffline, "the one device of the user that the URI names is not registered")
            }
            Some(Answer::User(Ok(true))) => Refusal::new(480, Word::UserOffline, "no device of the user is registered"),
            Some(Answer::User(Err(why))) => store_failed(&why),
            _ => no_answer(),
        };
        self.refuse_owned(now, upstream, &request.message, &refusal);
    }

    /// A request for one target: with a response context, or an ACK without.
    pub(crate) fn send_single(&mut self, now: Instant, request: AdmittedRequest, target: Target) {
        match request.upstream {
            None => self.send_ack(now, &request, &target),
            Some(upstream) => {
                let context = self.open_context(now, upstream, request);
                self.send_branch(now, context, target);
                self.close_target_set(now, context);
            }
        }
    }
    pub(crate) fn refuse_owned(&mut self, now: Instant, upstream: Upstream, request: &Message, refusal: &Refusal) {
        self.record_refused(now, request, refusal);
        self.refuse(now, upstream, request, refusal);
    }
}
/// RFC 5630 section 5.3.
fn no_secure_way() -> Refusal {
    Refusal::new(480, Word::NoSecureWay, "the request is for a sips URI, and no device has registered one over TLS")
}

/// As a decision names them.
pub(crate) fn devices_named(count: usize) -> String {
    if count == 1 { "the user's one device".to_owned() } else { format!("{count} devices of the user") }
}

/// The border that a request crosses on its way, if any.
pub(crate) fn crossing<'a>(request: &'a AdmittedRequest, organisation: &'a Organisation) -> Crossing<'a> {
    match (request.admitted.origin(), &request.destination) {
        (Origin::Partner { domain, .. }, _) => Crossing::Inward { domain },
        (_, Destination::Partner { .. }) => Crossing::Outward { domains: &organisation.domains },
        _ => Crossing::Within,
    }
}

/// The same of its responses.
pub(crate) fn crossing_back<'a>(request: &'a AdmittedRequest, organisation: &'a Organisation) -> Crossing<'a> {
    match (request.admitted.origin(), &request.destination) {
        (Origin::Partner { .. }, _) => Crossing::Outward { domains: &organisation.domains },
        (_, Destination::Partner { domain, .. }) => Crossing::Inward { domain },
        _ => Crossing::Within,
    }
}
