//! What both benches of messages do: the one with a clock and the one that counts instructions.

#![allow(dead_code, reason = "neither bench uses all of it")]

mod requests;

use std::time::Instant;

use bytes::Bytes;
use sip::proxy::forward::{next_max_forwards, via_value};
use sip::transaction::{
    ClientTransactionId, RequestOutcome, ResponseOutcome, Timers, TransactionLayer, TransactionLimits,
};
use sip::{Edits, FlowId, HeaderName, Message, Method, Transport, build};

pub use requests::{invite_bytes, message_bytes};

pub fn parse(bytes: Bytes) -> Message {
    Message::parse(bytes).expect("a message of ours")
}

pub fn invite() -> Message {
    parse(invite_bytes())
}

pub fn message() -> Message {
    parse(message_bytes())
}

/// What a proxy changes in a request that it passes on: our Route taken, our Via on top, one hop fewer.
pub fn forward(request: &Message) -> Bytes {
    let mut edits = Edits::new();
    edits.remove_first_value(HeaderName::Route, 1);
    edits.prepend(HeaderName::Via, via_value(Transport::Tls, "edge.contoso.example", 5061, BRANCH));
    let hops = next_max_forwards(request).expect("a number").expect("not used up");
    edits.set(HeaderName::MaxForwards, hops.to_string());
    edits.apply(request)
}

/// How long what was read is, so that nothing of it is left out.
pub fn typed_headers(request: &Message) -> usize {
    from(request) + to(request) + top_via(request) + contact(request) + route(request)
}

pub fn from(request: &Message) -> usize {
    let from = request.from().expect("a From");
    from.uri().host().len() + from.tag().expect("a tag").len()
}

pub fn to(request: &Message) -> usize {
    request.to().expect("a To").uri().host().len()
}

pub fn top_via(request: &Message) -> usize {
    let via = request.top_via().expect("a Via");
    via.host.len() + via.branch().expect("a branch").len()
}

pub fn contact(request: &Message) -> usize {
    let contact = request.contacts().next().expect("a Contact").expect("an address");
    contact.address().expect("no star").uri().host().len()
}

pub fn route(request: &Message) -> usize {
    request.routes().next().expect("a Route").expect("an address").uri().host().len()
}

/// A worker's layer, and the four messages of one request that is passed on and answered.
pub struct Exchange {
    layer: TransactionLayer,
    now: Instant,
    received: Message,
    sent_on: Bytes,
    answer: Message,
    sent_back: Bytes,
}

impl Exchange {
    #[allow(clippy::disallowed_methods, reason = "a moment to begin with")]
    pub fn new() -> Exchange {
        let limits = TransactionLimits { server_max: 1_000, client_max: 1_000, lingering_max: 1_000 };
        let received = message();
        let sent_on = forward(&received);
        let answer = build::response(&parse(sent_on.clone()), 200, None, Some("bob")).message().expect("an answer");
        let mut edits = Edits::new();
        edits.remove_first_value(HeaderName::Via, 1);
        let sent_back = edits.apply(&answer);
        let layer = TransactionLayer::new(Timers::default(), limits);
        Exchange { layer, now: Instant::now(), received, sent_on, answer, sent_back }
    }

    /// One that has all the room that it needs.
    pub fn used() -> Exchange {
        let mut exchange = Exchange::new();
        exchange.run();
        exchange
    }

    /// On streams both transactions end with the answer, so the same again is new. Returns how many outputs there were.
    pub fn run(&mut self) -> usize {
        let [theirs, ours] = [1, 2].map(|serial| FlowId::Stream { worker: 0, serial });
        let RequestOutcome::New(server) = self.layer.handle_request(self.now, theirs, &self.received) else {
            panic!("the one before has ended");
        };
        let client = ClientTransactionId { serial: 1, cancel: false };
        self.layer.send_request(self.now, client, ours, &Method::Message, self.sent_on.clone()).expect("there is room");
        let outcome = self.layer.handle_response(self.now, client, &self.answer);
        assert_eq!(outcome, ResponseOutcome::Deliver);
        self.layer.respond(self.now, server, 200, self.sent_back.clone()).expect("it is there");
        std::iter::from_fn(|| self.layer.poll_output()).count()
    }
}

const BRANCH: &str = "z9hG4bK1.4f2a.9c81d07e5b3f6a24";
