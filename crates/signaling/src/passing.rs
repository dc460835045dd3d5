//! Responses to what another edge of our pool has sent on: edges know nothing of each other's transactions, and a response
//! finds its way by its Vias alone (RFC 3261 section 16.7, as a proxy without state does).
//!
//! They come here when that edge, or its connection, is gone: from the home for a partner, or from a partner for the home.

use std::time::Instant;

use federation::border::Crossing;
use federation::flow::FlowFacts;
use federation::verification::Verdict;
use sip::proxy::forward::{next_max_forwards, via_value};
use sip::{FlowId, HeaderName, Message, Method, RequestBuilder, Transport};

use crate::acceptor::cancel_reason;
use crate::core::Core;
use crate::forward;
use crate::handoff::Responder;
use crate::ownership::{partner_connection, partner_connection_of};
use crate::route::INSIDE;
use crate::waiting::Asker;
use crate::{Answer, Question};

impl Core {
    /// Passes a response on whose topmost Via is of no transaction of ours. Only who proves now whom he speaks for is listened
    /// to; whether anybody waits for it is for the next one to judge, by the branch of his own Via.
    pub(crate) fn pass_on(&mut self, now: Instant, from: Responder, message: Message) {
        if !self.organisation.is_edge_only() {
            return;
        }
        let message = if from.is_inner { message } else { self.reveal_vias(self.reveal_response(message)) };
        if message.vias().count() < 2 {
            return;
        }
        if let Some(facts) = self.flows.get(from.flow).map(|state| state.facts.clone()) {
            self.pass_from(now, &facts, message);
        }
    }

    fn pass_from(&mut self, now: Instant, facts: &FlowFacts, message: Message) {
        let (Ok(from), Ok(to)) = (message.from(), message.to()) else { return };
        let (asker, answerer) = (from.uri().host_lowercase().into_owned(), to.uri().host_lowercase().into_owned());
        let (is_ours, is_our_via) = (self.organisation.is_local(&asker), self.is_our_via(&message));
        if is_ours == facts.is_inner || (is_ours && !is_our_via) || (!is_ours && !self.is_welcome(&asker)) {
            return;
        }
        match self.proves_now(now, facts, &answerer) {
            Verdict::Proven(_) if is_ours => self.pass_inward(now, &answerer, &message),
            Verdict::Proven(_) => self.pass_outward(now, facts.id, asker, &message),
            Verdict::Needs => {
                let waiting = Asker::StrayResponse(Box::new((facts.clone(), message)));
                // Beyond the limit it is lost, as on a network.
                let _ = self.ask(now, Question::Srv { domain: answerer }, waiting);
            }
            Verdict::Failed(_) => {}
        }
    }

    /// The domain's SRV records are there, or will not be.
    pub(crate) fn resume_stray_response(
        &mut self,
        now: Instant,
        facts: &FlowFacts,
        message: Message,
        answer: Option<Answer>,
    ) {
        let domain = message.to().map(|to| to.uri().host_lowercase().into_owned());
        if let (Some(Answer::Srv(result)), Ok(domain)) = (answer, domain) {
            self.learn(now, &domain, result);
            self.pass_from(now, facts, message);
        }
    }

    fn pass_outward(&mut self, now: Instant, flow: FlowId, domain: String, message: &Message) {
        let bytes = forward::response(message, Crossing::Outward { domains: &self.organisation.domains });
        let next = Message::parse(bytes.clone()).ok();
        let bytes =
            next.as_ref().filter(|_| self.hides_topology_from(&domain, flow)).map_or(bytes, |next| self.conceal(next));
        let sent_by = next.as_ref().and_then(|next| Some(next.top_via().ok()?.host.to_owned())).unwrap_or_default();
        self.counts.responses_elsewhere += 1;
        match self.aliases.for_response(&domain, &sent_by, flow) {
            Some(known) => self.transmit(now, known, bytes),
            None => {
                let connection = self.connection_of(message, &domain);
                self.respond_to(now, domain, connection, bytes);
            }
        }
    }

    fn pass_inward(&mut self, now: Instant, domain: &str, message: &Message) {
        let bytes = forward::response(message, Crossing::Inward { domain });
        self.counts.responses_elsewhere += 1;
        self.respond_to(now, INSIDE.to_owned(), self.connection_of(message, INSIDE), bytes);
    }

    /// Whether a CANCEL may be of what another edge has sent on.
    pub(crate) fn passes_cancels(&self) -> bool {
        self.organisation.is_edge_only()
    }

    /// The same with a CANCEL, from whoever has proven that he may send it: the other side knows the call by its name. What
    /// is answered there counts for nothing. It has the headers that a CANCEL is made of (RFC 3261 section 9.1), and no others.
    pub(crate) fn pass_cancel(&mut self, now: Instant, facts: &FlowFacts, cancel: &Message) -> bool {
        let (true, Ok(to), Ok(from)) = (self.passes_cancels(), cancel.to(), cancel.from()) else { return false };
        let (Ok(Some(hops)), Some(uri)) = (next_max_forwards(cancel), cancel.request_uri()) else { return false };
        let branch = cancel.top_via().ok().and_then(|via| via.branch()).unwrap_or_default();
        let branch = format!("z9hG4bK{}", self.mint.stateless_tag(branch));
        let (domain, name, port) = match (facts.is_inner, self.organisation.is_local(to.uri().host())) {
            (true, false) => {
                let domain = to.uri().host_lowercase().into_owned();
                (domain, self.organisation.edge.clone(), self.listening_port(Transport::Tls))
            }
            (false, true) => (INSIDE.to_owned(), self.inner_name().to_owned(), self.inner_port(Transport::Tls)),
            _ => return false,
        };
        if domain != INSIDE && !self.is_welcome(&domain) || from.tag().is_none() {
            return false;
        }
        let mut passed = RequestBuilder::new(&Method::Cancel, uri)
            .header(HeaderName::Via, via_value(Transport::Tls, &name, port, &branch))
            .header(HeaderName::MaxForwards, hops);
        for header in [HeaderName::From, HeaderName::To, HeaderName::CallId, HeaderName::CSeq] {
            if let Some(value) = cancel.header_text(header) {
                passed = passed.header(header, value);
            }
        }
        if let Some(reason) = cancel_reason(cancel) {
            passed = passed.header(HeaderName::Reason, reason);
        }
        let is_hidden = domain != INSIDE && self.hides_topology_from(&domain, facts.id);
        let passed = self.conceal_reason(passed.build(), is_hidden);
        let connection = self.connection_of(cancel, &domain);
        self.respond_to(now, domain, connection, passed);
        true
    }

    fn connection_of(&self, message: &Message, domain: &str) -> u16 {
        let connections = self.limits.partner_connections;
        match domain {
            INSIDE => partner_connection(message.call_id().unwrap_or_default(), connections),
            _ => partner_connection_of(message, &self.organisation, connections),
        }
    }

    fn is_our_via(&self, message: &Message) -> bool {
        message.top_via().is_ok_and(|via| self.organisation.is_named(via.host))
    }
}
