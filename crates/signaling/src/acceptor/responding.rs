//! What goes back up a server transaction, on whichever worker that is: refusals, and what we answer ourselves.

use std::net::IpAddr;
use std::time::Instant;

use bytes::Bytes;
use federation::flow::FlowKind;
use sip::refusal::Word;
use sip::{HeaderName, Message, Method, Refusal, build};

use crate::core::Core;
use crate::diagnostics::Told;
use crate::extensions::check_require;
use crate::{AdmittedRequest, Handoff, Requester, Upstream};

impl Core {
    /// Refuses a request of ours or of another worker, with the public word and nothing more.
    pub(crate) fn refuse(&mut self, now: Instant, upstream: Upstream, request: &Message, refusal: &Refusal) {
        let tag = self.mint.tag(upstream.requester.serial());
        let diagnostics = self.diagnostics_told(request, refusal);
        let told = [diagnostics, self.verdict_told(request, refusal)];
        let response = refusal_response(request, refusal, &tag, (&self.organisation.edge, told));
        self.respond(now, upstream, refusal.status, response);
    }

    /// A final response without a word: the request ended in the ordinary way.
    pub(crate) fn respond_generated(&mut self, now: Instant, upstream: Upstream, request: &Message, status: u16) {
        let tag = self.mint.tag(upstream.requester.serial());
        let response = build::response(request, status, None, Some(&tag)).build();
        self.respond(now, upstream, status, response);
    }

    /// 202 to a message that is held, or said to be; an edge is to know where there is nobody.
    pub(crate) fn respond_held(&mut self, now: Instant, upstream: Upstream, request: &Message, is_user: bool) {
        let tag = self.mint.tag(upstream.requester.serial());
        let mut response = build::response(request, 202, None, Some(&tag));
        if let Some(Told { header, value }) = self.verdict_of_nobody().filter(|_| !is_user) {
            response = response.raw_header(header, value);
        }
        self.respond(now, upstream, 202, response.build());
    }

    /// Sends a response up the server transaction, on whichever worker that is.
    pub(crate) fn respond(&mut self, now: Instant, upstream: Upstream, status: u16, response: Bytes) {
        self.respond_from(now, upstream, status, response, None);
    }

    /// The same, saying where the response came from.
    pub(crate) fn respond_from(
        &mut self,
        now: Instant,
        upstream: Upstream,
        status: u16,
        response: Bytes,
        source: Option<IpAddr>,
    ) {
        let to = upstream.requester;
        if self.ownership.is_ours(upstream.worker) {
            self.respond_here(now, to, status, response, source);
        } else {
            self.hand(upstream.worker, Handoff::Respond { to, status, response, source });
        }
    }

    /// The transaction may have ended meanwhile: then there is nobody to tell.
    pub(crate) fn respond_here(
        &mut self,
        now: Instant,
        to: Requester,
        status: u16,
        response: Bytes,
        source: Option<IpAddr>,
    ) {
        self.draft_answered(now, to, status, &response);
        let Some(response) = self.remote_answered(now, to, status, response) else { return };
        let response = self.concealed_response(to, response);
        match to {
            Requester::Agent(serial) => self.asked.responded(serial, response, source),
            Requester::Outside(id) => {
                // It may have ended meanwhile.
                let _ = self.transactions.respond(now, id, status, response);
                // A refusal that nobody acknowledges is kept for as long as a call that rings.
                if status >= 200 && !self.transactions.awaits_ack(id) {
                    self.acceptor.shares.give_back(id);
                }
            }
            Requester::Notifier(subscription) => self.notified(now, subscription, status, response),
        }
    }

    /// What a partner is answered, by whomever.
    fn concealed_response(&self, to: Requester, response: Bytes) -> Bytes {
        let Requester::Outside(transaction) = to else { return response };
        let flow = self.transactions.server_flow(transaction).filter(|_| self.hides_topology());
        let Some(flow) = flow else { return response };
        let is_partner = self.flows.get(flow).is_some_and(|state| state.kind == FlowKind::Partner);
        let is_hidden =
            |message: &Message| message.from().is_ok_and(|from| self.hides_topology_from(from.uri().host(), flow));
        match Message::parse(response.clone()) {
            Ok(message) if (is_partner || self.is_of_partner(flow, &message)) && is_hidden(&message) => {
                self.conceal(&message)
            }
            _ => response,
        }
    }

    /// Of a connection that has ended the request says whose it was.
    fn is_of_partner(&self, flow: sip::FlowId, response: &Message) -> bool {
        !self.is_inner(flow) && response.from().is_ok_and(|from| !self.organisation.is_local(from.uri().host()))
    }

    /// Answers for this server itself (RFC 3261 section 11.2).
    pub(crate) fn answer_ourselves(&mut self, now: Instant, request: &AdmittedRequest) {
        let Some(upstream) = request.upstream else { return };
        let checked = check_for_ourselves(&request.message).and_then(|()| check_require(&request.message, &[]));
        if let Err(refusal) = checked {
            self.record_refused(now, &request.message, &refusal);
            return self.refuse(now, upstream, &request.message, &refusal);
        }
        let tag = self.mint.tag(upstream.requester.serial());
        let response = build::response(&request.message, 200, None, Some(&tag))
            .header(HeaderName::Allow, ALLOW)
            .header(HeaderName::Accept, "*/*")
            .build();
        self.respond(now, upstream, 200, response);
    }
}

/// 405 for what we know and do not do, 501 for what we do not know (RFC 3261 sections 8.2.1, 21.5.2).
fn check_for_ourselves(request: &Message) -> Result<(), Refusal> {
    let status = match request.method() {
        Some(Method::Options) => return Ok(()),
        Some(Method::Other(_)) => 501,
        _ => 405,
    };
    let refusal = Refusal::new(status, Word::MethodNotAllowed, "this server itself answers OPTIONS only");
    Err(refusal.with_header(HeaderName::Allow, "OPTIONS".into()))
}

/// By this server's name, and with what else is told.
pub(crate) fn refusal_response(
    request: &Message,
    refusal: &Refusal,
    tag: &str,
    (host, told): (&str, [Option<Told>; 2]),
) -> Bytes {
    let mut response = build::response(request, refusal.status, None, Some(tag))
        .header(HeaderName::Warning, format!("399 {host} \"{}\"", refusal.word));
    for Told { header, value } in told.into_iter().flatten() {
        response = response.raw_header(header, value);
    }
    for (name, value) in &refusal.headers {
        response = response.header(*name, value);
    }
    // Whoever is told nothing of when takes a 503 for a 500 (RFC 3261 section 21.5.4).
    if refusal.status == 503 && refusal.headers.iter().all(|(name, _)| *name != HeaderName::RetryAfter) {
        response = response.header(HeaderName::RetryAfter, RETRY_AFTER_SECS);
    }
    response.build()
}

pub(crate) fn overloaded(reason: &str) -> Refusal {
    Refusal::new(503, Word::Overloaded, reason).with_header(HeaderName::RetryAfter, RETRY_AFTER_SECS.to_string())
}

pub(crate) fn draining() -> Refusal {
    Refusal::new(503, Word::Draining, "this server is about to end, and takes nothing new")
        .with_header(HeaderName::RetryAfter, RETRY_AFTER_SECS.to_string())
}

pub(crate) fn no_answer() -> Refusal {
    Refusal::new(504, Word::NoAnswer, "what the decision needed did not come in time")
}

/// Nobody is let in unproven, and nobody is told that he does not exist.
pub(crate) fn store_failed(why: &str) -> Refusal {
    Refusal::new(504, Word::NoAnswer, format!("the store: {why}"))
}

/// What passes through this server.
const ALLOW: &str =
    "INVITE, ACK, BYE, CANCEL, OPTIONS, MESSAGE, REFER, NOTIFY, SUBSCRIBE, INFO, UPDATE, PRACK, REGISTER";
const RETRY_AFTER_SECS: u32 = 5;
