//! Requests that come back although nothing has changed by which we chose their way (RFC 3261 section 16.3, RFC 5393 section 4):
//! they would go round until their hops are used up, and each time to all devices of a user.

use federation::flow::FlowFacts;
use sip::proxy::loop_detection::RoutingMark;
use sip::refusal::Word;
use sip::{Message, Method, Refusal};

use crate::AdmittedRequest;
use crate::core::Core;

impl Core {
    /// What a request was like when it came, as our Via says.
    pub(crate) fn routing_mark(&self, request: &AdmittedRequest) -> RoutingMark {
        self.mark(&request.message, request.ingress.flow(), request.routes_taken)
    }

    /// What is on its way round: one of its Vias says that it came here just as it comes now. Servers that share our name, as
    /// the edges of a pool, find what another of them has sent on.
    ///
    /// # Errors
    /// 482; an ACK is never refused.
    pub(crate) fn check_loop(&self, message: &Message, facts: &FlowFacts, routes_taken: usize) -> Result<(), Refusal> {
        if message.method() == Some(Method::Ack) {
            return Ok(());
        }
        let ours = message.vias().flatten().filter(|via| self.organisation.is_named(via.host));
        let mut marks = ours.filter_map(|via| RoutingMark::split(via.branch()?).1).peekable();
        if marks.peek().is_none() {
            return Ok(());
        }
        let mark = self.mark(message, Some(facts), routes_taken);
        match marks.any(|earlier| earlier == mark) {
            true => Err(Refusal::new(
                482,
                Word::LoopDetected,
                "it was sent on from here before, and has come back as it was",
            )),
            false => Ok(()),
        }
    }

    /// An edge sends a request inside and, for another domain, out again: of that only it sees both.
    fn mark(&self, message: &Message, facts: Option<&FlowFacts>, routes_taken: usize) -> RoutingMark {
        let is_inner = self.organisation.is_edge_only() && facts.is_some_and(|facts| facts.is_inner);
        let routes = message.routes().flatten().take(routes_taken);
        let users: Vec<String> = routes.map(|route| route.uri().user().unwrap_or_default().to_owned()).collect();
        RoutingMark::of(message, u8::from(is_inner), users.iter().map(String::as_str))
    }
}
