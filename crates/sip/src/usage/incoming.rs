//! What the peer offers, and our 2xx until it is acknowledged.

use std::time::Instant;

use bytes::Bytes;

use super::{InviteUsage, Session, T1, T2, UsageEnd, UsageOutput, is_initial};
use crate::refusal::Word;
use crate::{HeaderName, Message, Method, Refusal};

/// The INVITE, or UPDATE, of the peer that is under way.
#[derive(Debug)]
pub(super) enum Theirs<S> {
    Idle,
    ExpectAnswer {
        to: S,
        request: Box<Message>,
    },
    ExpectAck {
        to: S,
        status: u16,
        response: Bytes,
        sequence: u32,
        /// The 2xx had our offer: the ACK has the answer.
        has_offered: bool,
        repeat_at: Option<Instant>,
        interval: std::time::Duration,
        give_up_at: Instant,
    },
}

/// What is due with a 2xx that nobody has acknowledged.
pub(super) enum Repeat<S> {
    Again { to: S, status: u16, response: Bytes },
    GiveUp,
}

impl<S: Copy> Theirs<S> {
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        match self {
            Theirs::ExpectAck { repeat_at, give_up_at, .. } => {
                Some(repeat_at.map_or(*give_up_at, |at| at.min(*give_up_at)))
            }
            Theirs::Idle | Theirs::ExpectAnswer { .. } => None,
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) -> Option<Repeat<S>> {
        let Theirs::ExpectAck { to, status, response, repeat_at, interval, give_up_at, .. } = self else { return None };
        if *give_up_at <= now {
            return Some(Repeat::GiveUp);
        }
        if repeat_at.is_none_or(|at| now < at) {
            return None;
        }
        *interval = (*interval * 2).min(T2);
        *repeat_at = Some(now + *interval);
        Some(Repeat::Again { to: *to, status: *status, response: response.clone() })
    }
}

impl<S: Copy> InviteUsage<S> {
    /// Answers the peer's INVITE or UPDATE with 200 and this session, which is the answer to its offer or, where it made
    /// none, our offer. Where the peer's offer came in the 2xx to our INVITE, the answer goes in the ACK.
    pub fn accept(&mut self, now: Instant, session: Option<Session>) {
        if self.acknowledge_with(session.as_ref()) {
            return self.go_on(now);
        }
        let Theirs::ExpectAnswer { to, request } = std::mem::replace(&mut self.theirs, Theirs::Idle) else { return };
        let mut response = self.response(&request, 200).header(HeaderName::Contact, &self.us.contact);
        for (name, value) in &self.us.headers {
            response = response.header(*name, value);
        }
        let has_offered = session.is_some() && request.body().is_empty();
        if let Some(session) = &session {
            response = response.body(&session.content_type, &session.body);
        }
        let response = response.build();
        self.outputs.push_back(UsageOutput::Respond { to, status: 200, response: response.clone() });
        if request.method() == Some(Method::Invite) {
            self.dialog.confirm();
            let sequence = request.cseq().map_or(0, |cseq| cseq.number);
            let (repeat_at, give_up_at) = (Some(now + T1), now + T1 * 64);
            self.theirs = Theirs::ExpectAck {
                to,
                status: 200,
                response,
                sequence,
                has_offered,
                repeat_at,
                interval: T1,
                give_up_at,
            };
        }
        self.go_on(now);
    }

    /// Refuses what the peer asked for: the session if this was its first INVITE, else only the change.
    pub fn refuse(&mut self, status: u16) {
        self.refuse_with(status, &[]);
    }

    /// The same, with further headers.
    pub fn refuse_with(&mut self, status: u16, headers: &[(HeaderName, String)]) {
        if self.acknowledge_with(None) {
            return self.send_bye(UsageEnd::HungUp);
        }
        let Theirs::ExpectAnswer { to, request } = std::mem::replace(&mut self.theirs, Theirs::Idle) else { return };
        let mut response = self.response(&request, status);
        for (name, value) in headers {
            response = response.header(*name, value);
        }
        self.outputs.push_back(UsageOutput::Respond { to, status, response: response.build() });
        if is_initial(&request) {
            self.end(UsageEnd::Refused);
        }
    }

    /// The caller gave up (CANCEL) before we answered.
    pub fn cancelled(&mut self) {
        self.refuse(487);
    }

    pub(super) fn offered(&mut self, to: S, request: &Message) -> Result<(), Refusal> {
        let offer = Session::of(request);
        if request.method() == Some(Method::Update) && offer.is_none() {
            let response = self.response(request, 200).header(HeaderName::Contact, &self.us.contact).build();
            self.outputs.push_back(UsageOutput::Respond { to, status: 200, response });
            return Ok(());
        }
        if self.expects_answer() {
            return Err(Refusal::new(491, Word::OffersCross, "an offer of ours is under way"));
        }
        if !matches!(self.theirs, Theirs::Idle) {
            let refusal = Refusal::new(500, Word::OffersCross, "the peer's last offer is under way");
            return Err(refusal.with_header(HeaderName::RetryAfter, RETRY_AFTER_SECS.to_string()));
        }
        self.theirs = Theirs::ExpectAnswer { to, request: Box::new(request.clone()) };
        self.outputs.push_back(UsageOutput::Offered { offer });
        Ok(())
    }

    pub(super) fn acknowledged(&mut self, now: Instant, ack: &Message) {
        let number = ack.cseq().map_or(0, |cseq| cseq.number);
        let Theirs::ExpectAck { sequence, has_offered, .. } = &self.theirs else { return };
        if *sequence != number {
            return;
        }
        let has_offered = *has_offered;
        self.theirs = Theirs::Idle;
        match Session::of(ack).filter(|_| has_offered) {
            Some(answer) => self.outputs.push_back(UsageOutput::Answered { answer }),
            // RFC 3261 section 13.2.2.4: without the answer there is no session.
            None if has_offered && !self.is_over => self.send_bye(UsageEnd::HungUp),
            None => {}
        }
        self.go_on(now);
    }
}

/// RFC 3261 section 14.2: a random time up to ten seconds.
const RETRY_AFTER_SECS: u32 = 2;
