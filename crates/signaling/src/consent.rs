//! First contacts, where a user wants to be asked: what a sender of a domain without an entry brings goes to the store, and the
//! user is asked by a message that any phone shows, from an address of its own for each sender. He answers it with a word, or
//! writes to the sender himself. What is held, and who is asked, is `messaging::consent`'s; here it is sent, and taken.
//!
//! RFC 5360 has a document for permissions and a server to upload it to, which no phone knows. A message and its answer all do.

mod words;

use std::time::Instant;

use federation::admission::Origin;
use messaging::{
    Approach, Approached, Brings, ConsentAnswer, ConsentAnswered, ConsentId, ConsentQuestion, ConsentReply,
    ConsentTerms, HeldMessage, Holding, Verdict,
};
use sip::header::date::sip_date;
use sip::refusal::Word;
use sip::{Aor, HeaderName, Message, Method, Refusal, RequestBuilder};

use crate::acceptor::{no_answer, overloaded, store_failed};
use crate::acquaintance::is_by_device;
use crate::core::Core;
use crate::metering::is_of_discovered;
use crate::outbound::is_sips;
use crate::route::Destination;
use crate::waiting::Asker;
use crate::{AdmittedRequest, Answer, Handoff, Question, Upstream};
use words::Stranger;

/// A request whose sender the user may have to agree to.
pub(crate) struct Approaching {
    pub request: AdmittedRequest,
    /// It is a message that can wait for that.
    pub can_wait: bool,
}

impl Approaching {
    /// What is a message may be in the store already, and cannot be taken back.
    pub(crate) fn is_call_of(&self, upstream: Upstream) -> bool {
        self.request.upstream == Some(upstream) && self.request.message.method() == Some(Method::Invite)
    }
}

impl Core {
    /// Gives a request back that goes on at once.
    pub(crate) fn seek_consent(&mut self, now: Instant, request: AdmittedRequest) -> Option<AdmittedRequest> {
        let Destination::User(aor) = request.destination.clone() else { return Some(request) };
        if let Some(id) = ConsentId::of_user(aor.user()) {
            self.take_reply(now, id, &aor, request);
            return None;
        }
        let (Some(upstream), Some(sender)) = (request.upstream, self.asked_about(&aor, &request)) else {
            return Some(request);
        };
        match self.approach(now, &aor, sender, &request) {
            Ok(approach) => self.ask_about(now, approach, request),
            Err(refusal) => self.refuse_owned(now, upstream, &request.message, &refusal),
        }
        None
    }

    /// The sender of a request, where its user is to be asked about him.
    fn asked_about(&self, aor: &Aor, request: &AdmittedRequest) -> Option<String> {
        let access = self.partners.access();
        if !is_of_discovered(request) || request.admitted.has_consent() || !access.asks_first(Some(aor)) {
            return None;
        }
        let sender = Aor::of_sender(&request.message);
        let sender = sender.map_or_else(|| request.admitted.domain().to_owned(), |sender| sender.to_string());
        // Whom he has let in by name he has agreed to.
        (!access.lets_reach(aor, &sender)).then(|| sender.to_ascii_lowercase())
    }

    fn ask_about(&mut self, now: Instant, approach: Approach, request: AdmittedRequest) {
        let can_wait = matches!(approach.brings, Brings::Message(_));
        let asker = Asker::Approach(Box::new(Approaching { request, can_wait }));
        if let Err(Asker::Approach(approaching)) = self.ask(now, Question::Approach(Box::new(approach)), asker)
            && let Some(upstream) = approaching.request.upstream
        {
            let refusal = overloaded("too many requests wait for an answer");
            self.refuse_owned(now, upstream, &approaching.request.message, &refusal);
        }
    }

    /// # Errors
    /// As [`messaging::Pager::handle_message`] and [`messaging::StoreAndForward::terms`].
    fn approach(
        &mut self,
        now: Instant,
        aor: &Aor,
        sender: String,
        request: &AdmittedRequest,
    ) -> Result<Approach, Refusal> {
        let brings = self.brings(now, request)?;
        let now_unix_ms = self.unix_ms(now);
        let terms = self.discovered;
        let life_ms = u64::from(terms.held_days) * DAY_MS;
        let is_elsewhere = self.home_of_missing(aor, request).is_some();
        let question = self.question(now_unix_ms, aor, &sender, (request, &brings));
        Ok(Approach {
            aor: aor.clone(),
            sender,
            brings,
            question,
            hides_users: self.hides_users_from(request) && self.asks_everybody() && !is_elsewhere,
            terms: ConsentTerms {
                now_unix_ms,
                until_unix_ms: now_unix_ms.saturating_add(life_ms),
                held_per_sender: terms.held_per_sender,
                held_per_user: terms.held_per_user,
                held_max: terms.held_max,
            },
        })
    }

    /// What asks the user is only what reaches people, and what the ledgers count as that: a SUBSCRIBE or an OPTIONS must not be
    /// a way to make somebody's phone ring with questions.
    fn brings(&self, now: Instant, request: &AdmittedRequest) -> Result<Brings, Refusal> {
        let message = &request.message;
        match message.method() {
            Some(Method::Invite) => return Ok(Brings::Knock),
            Some(Method::Message) => {}
            _ => return Ok(Brings::Nothing),
        }
        self.pager.handle_message(message, &request.admitted, 0)?;
        let terms = self.store_and_forward.terms(message, &request.admitted, self.unix_ms(now))?;
        let Some(terms) = terms else { return Ok(Brings::Nothing) };
        // Where not everybody is asked, a 202 would say that there is such a user; and by which way a device comes later nobody knows.
        let tells = self.hides_users_from(request) && !self.asks_everybody();
        if tells || is_sips(message) {
            return Ok(Brings::Knock);
        }
        let bytes = self.kept_form(request, terms.accepted_unix_ms);
        Ok(Brings::Message(HeldMessage { request: bytes, expires_unix_ms: terms.expires_unix_ms }))
    }

    /// Whether a first contact gets the same answer for every name, used or not.
    pub(crate) fn asks_everybody(&self) -> bool {
        self.partners.access().asks_first(None)
    }

    fn question(
        &mut self,
        now_unix_ms: u64,
        aor: &Aor,
        sender: &str,
        (request, brings): (&AdmittedRequest, &Brings),
    ) -> ConsentQuestion {
        let provider = match request.admitted.origin() {
            Origin::Partner { source, .. } => source.provider.as_deref(),
            _ => None,
        };
        let domain = request.admitted.domain();
        let look_alike = self.trusted_names().look_alike(domain);
        let days = self.discovered.held_days;
        let is_held = matches!(brings, Brings::Message(_));
        let is_call = request.message.method() == Some(Method::Invite);
        let stranger = Stranger { sender, domain, provider, look_alike: look_alike.as_ref(), is_call, is_held, days };
        let text = stranger.question();
        let id = ConsentId::new(self.with_random(|draw| draw()));
        let request = self.said_to(now_unix_ms, aor, &id, &text);
        ConsentQuestion { id, request }
    }

    /// A message to the user from the address that asks, as the store keeps messages.
    fn said_to(&mut self, now_unix_ms: u64, aor: &Aor, id: &ConsentId, text: &str) -> bytes::Bytes {
        let (tag, call_id) = self.with_random(|draw| (draw(), draw()));
        let (uri, from) = (aor.uri(), id.aor(aor.domain()).uri());
        RequestBuilder::new(&Method::Message, &uri)
            .header(HeaderName::MaxForwards, "70")
            .header(HeaderName::From, format!("\"{}\" <{from}>;tag={tag:016x}", words::DISPLAY_NAME))
            .header(HeaderName::To, format!("<{uri}>"))
            .header(HeaderName::CallId, format!("{call_id:016x}@{}", aor.domain()))
            .header(HeaderName::CSeq, "1 MESSAGE")
            .header(HeaderName::Date, sip_date(now_unix_ms / 1000))
            .body("text/plain;charset=UTF-8", text)
            .build()
    }

    pub(crate) fn resume_approach(&mut self, now: Instant, approaching: Approaching, answer: Option<Answer>) {
        let Approaching { request, can_wait } = approaching;
        let (Some(upstream), Destination::User(aor)) = (request.upstream, request.destination.clone()) else { return };
        let approached = match answer {
            Some(Answer::Approached(Ok(approached))) => approached,
            Some(Answer::Approached(Err(why))) => {
                return self.refuse_owned(now, upstream, &request.message, &store_failed(&why));
            }
            _ => return self.refuse_owned(now, upstream, &request.message, &no_answer()),
        };
        if approached.asks {
            self.counts.consents_asked += 1;
            self.forward_what_came(now, &aor);
        }
        if let Holding::Full(limit) = approached.holding {
            self.counts.hit(limit);
        }
        if approached.verdict == Some(Verdict::Allowed) {
            // After a restart the ledgers no longer know.
            self.turned_to(now, &aor, request.admitted.domain());
            let admitted = request.admitted.with_consent();
            return self.own_agreed(now, AdmittedRequest { admitted, ..request });
        }
        match can_wait && matches!(approached.holding, Holding::Name | Holding::Whole) {
            true => self.hold(now, request, approached),
            false => self.turn_away(now, &aor, request, approached),
        }
    }

    /// 202 (RFC 3428 section 7: accepted, and perhaps never delivered), whatever becomes of it.
    fn hold(&mut self, now: Instant, request: AdmittedRequest, approached: Approached) {
        let Some(upstream) = request.upstream else { return };
        if !approached.is_user {
            self.missed(now, &request);
        }
        self.counts.held += u64::from(approached.holding == Holding::Whole);
        self.record_held(now, &request.message, why_held(&approached).to_owned());
        self.respond_held(now, upstream, &request.message, approached.is_user);
    }

    /// As one who is not there, where that is hidden: a call and a subscription have no answer that could mean both.
    fn turn_away(&mut self, now: Instant, aor: &Aor, request: AdmittedRequest, approached: Approached) {
        let Some(upstream) = request.upstream else { return };
        if !approached.is_user {
            return self.user_missing(now, aor, request);
        }
        let reason = why_turned_away(&approached);
        let refusal = match self.hides_users_from(&request) {
            true => self.nobody(reason),
            false => Refusal::new(403, Word::ConsentNeeded, reason),
        };
        self.refuse_owned(now, upstream, &request.message, &refusal);
    }

    /// Something for a user was put among what is stored for him.
    pub(crate) fn forward_what_came(&mut self, now: Instant, aor: &Aor) {
        let owner = self.ownership.of_aor(aor);
        if !self.ownership.is_ours(owner) {
            return self.hand(owner, Handoff::StoredFor { aor: aor.clone() });
        }
        self.queues.stored(aor);
        if !self.devices(now, aor).is_empty() {
            self.forward_stored(now, aor, false);
        }
    }

    /// A user answers a question, or writes to where none was asked.
    fn take_reply(&mut self, now: Instant, id: ConsentId, asker: &Aor, request: AdmittedRequest) {
        let Some(upstream) = request.upstream else { return };
        let is_message = request.message.method() == Some(Method::Message);
        let Some(aor) = request.admitted.aor().filter(|_| is_message).cloned() else {
            return self.user_missing(now, asker, request);
        };
        if is_by_device(&request.message) || messaging::is_transient(&request.message) {
            // That he types, or that his phone has shown the question.
            return self.respond_generated(now, upstream, &request.message, 200);
        }
        let (reply, now_unix_ms) = (ConsentReply::of_message(&request.message), self.unix_ms(now));
        let confirmation = self.said_to(now_unix_ms, &aor, &id, words::confirmation(reply));
        let answer = ConsentAnswer { aor, id, reply, confirmation, now_unix_ms };
        let asker = Asker::ConsentAnswer(Box::new(request));
        if let Err(Asker::ConsentAnswer(request)) = self.ask(now, Question::ConsentAnswer(Box::new(answer)), asker) {
            let refusal = overloaded("too many requests wait for an answer");
            self.refuse_owned(now, upstream, &request.message, &refusal);
        }
    }

    pub(crate) fn resume_reply(&mut self, now: Instant, request: AdmittedRequest, answer: Option<Answer>) {
        let Some(upstream) = request.upstream else { return };
        let refusal = match answer {
            Some(Answer::ConsentAnswered(Ok(Some(answered)))) => {
                self.record_routed(now, &request.message, "what asks users whether they agree to a first contact");
                self.respond_generated(now, upstream, &request.message, 200);
                return self.replied(now, &request, &answered);
            }
            Some(Answer::ConsentAnswered(Ok(None))) => {
                Refusal::new(404, Word::UserUnknown, "this user was asked no such question, or it is forgotten")
            }
            Some(Answer::ConsentAnswered(Err(why))) => store_failed(&why),
            _ => no_answer(),
        };
        self.refuse_owned(now, upstream, &request.message, &refusal);
    }

    fn replied(&mut self, now: Instant, request: &AdmittedRequest, answered: &ConsentAnswered) {
        let Some(aor) = request.admitted.aor() else { return };
        if answered.verdict == Some(Verdict::Allowed)
            && let Some((_, domain)) = answered.sender.rsplit_once('@')
        {
            self.turned_to(now, aor, domain);
        }
        self.counts.held_released += u64::from(answered.released);
        self.forward_what_came(now, aor);
    }

    /// A user of ours turns to somebody himself: he agrees to hear from him.
    pub(crate) fn agrees_by_turning_to(&mut self, now: Instant, user: &Aor, message: &Message) {
        let Some(other) = message.to().ok().and_then(|to| Aor::from_uri(&to.uri()).ok()) else { return };
        let is_here = !self.organisation.is_edge_only() && !self.organisation.is_local(other.domain());
        if !is_here || !self.partners.access().asks_first(Some(user)) {
            return;
        }
        let question = Question::Agree {
            aor: user.clone(),
            sender: other.to_string().to_ascii_lowercase(),
            now_unix_ms: self.unix_ms(now),
        };
        // Where there is no room for it he is asked, should it come to that.
        let _ = self.ask(now, question, Asker::Agreement(user.clone()));
    }

    pub(crate) fn resume_agreement(&mut self, now: Instant, aor: &Aor, answer: Option<Answer>) {
        if let Some(Answer::Agreed(Ok(released))) = answer
            && released > 0
        {
            self.counts.held_released += u64::from(released);
            self.forward_what_came(now, aor);
        }
    }
}

fn why_held(approached: &Approached) -> &'static str {
    match (approached.is_user, approached.verdict) {
        (false, _) => {
            "there is no such account: nothing is kept of it, and its sender is told what he is told of everybody"
        }
        (true, Some(Verdict::Denied)) => {
            "the user has refused its sender: nothing is kept of it, and the sender is told what he is told of everybody"
        }
        _ => "until the user agrees to hear from its sender, whom he was asked about",
    }
}

fn why_turned_away(approached: &Approached) -> String {
    match (approached.verdict, approached.holding) {
        (Some(Verdict::Denied), _) => "the user has refused to hear from its sender".to_owned(),
        (_, Holding::Full(limit)) => {
            format!("the user has not agreed to hear from its sender, and as much waits for that as may ({limit})")
        }
        (Some(_), _) => "the user has not agreed to hear from its sender, whom he was asked about".to_owned(),
        (None, _) => "the user has not agreed to hear from its sender, and is not asked because of this".to_owned(),
    }
}

const DAY_MS: u64 = 24 * 3_600_000;
