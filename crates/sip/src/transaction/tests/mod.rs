//! Conversations with the layer: inputs and jumps of the clock, then the exact list of outputs. A leftover fails.

mod client;
mod server;

use std::time::{Duration, Instant};

use super::*;
use crate::build;
use crate::message::Message;
use crate::method::Method;

/// A layer, a clock, and the heap that a Core would keep.
struct Conversation {
    layer: TransactionLayer,
    start: Instant,
    now: Instant,
    asked: Vec<(Instant, TransactionKey)>,
    /// What came out, each line with the milliseconds since the start.
    lines: Vec<String>,
}

impl Conversation {
    fn new() -> Conversation {
        Conversation::with_limits(TransactionLimits { server_max: 100, client_max: 100, lingering_max: 1000 })
    }

    fn with_limits(limits: TransactionLimits) -> Conversation {
        let start = some_instant();
        let layer = TransactionLayer::new(Timers::default(), limits);
        Conversation { layer, start, now: start, asked: Vec::new(), lines: Vec::new() }
    }

    fn receive(&mut self, flow: FlowId, request: &Message) -> RequestOutcome {
        let outcome = self.layer.handle_request(self.now, flow, request);
        self.drain();
        outcome
    }

    fn receive_new(&mut self, flow: FlowId, request: &Message) -> ServerTransactionId {
        match self.receive(flow, request) {
            RequestOutcome::New(id) => id,
            other => panic!("expected a new transaction, not {other:?}"),
        }
    }

    fn respond(&mut self, id: ServerTransactionId, request: &Message, status: u16) -> Result<(), NoTransaction> {
        let response = build::response(request, status, None, Some("totag")).build();
        let responded = self.layer.respond(self.now, id, status, response);
        self.drain();
        responded
    }

    fn send(&mut self, id: ClientTransactionId, flow: FlowId, request: &Message) -> Result<(), Full> {
        let method = request.method().expect("is a request");
        let sent = self.layer.send_request(self.now, id, flow, &method, request.as_bytes().clone());
        self.drain();
        sent
    }

    /// A response of the peer to a request of ours.
    fn answer(&mut self, id: ClientTransactionId, request: &Message, status: u16) -> ResponseOutcome {
        let response = build::response(request, status, None, Some("totag")).build();
        let response = Message::parse(response).expect("is well formed");
        let outcome = self.layer.handle_response(self.now, id, &response);
        self.drain();
        outcome
    }

    fn close(&mut self, flow: FlowId) {
        self.layer.flow_closed(flow, |_| false);
        self.drain();
    }

    /// Jumps from one asked time to the next.
    fn run_until(&mut self, milliseconds: u64) {
        let end = self.start + Duration::from_millis(milliseconds);
        while let Some(&(at, key)) = self.asked.iter().min().filter(|(at, _)| *at <= end) {
            self.asked.retain(|entry| *entry != (at, key));
            self.now = at;
            self.layer.handle_timeout(at, key);
            self.drain();
        }
        self.now = end;
    }

    /// Fails unless exactly these came out since the last time.
    fn expect(&mut self, lines: &[&str]) {
        assert_eq!(std::mem::take(&mut self.lines), lines);
    }

    /// Fails unless all transactions have ended, and nothing else comes out.
    fn end(mut self) {
        assert!(self.layer.is_empty());
        self.run_until(1_000_000);
        self.expect(&[]);
    }

    fn drain(&mut self) {
        let milliseconds = (self.now - self.start).as_millis();
        while let Some(output) = self.layer.poll_output() {
            let line = match output {
                TransactionOutput::Schedule { at, key } => {
                    self.asked.push((at, key));
                    continue;
                }
                TransactionOutput::Transmit { flow, bytes } => summary(flow, bytes),
                TransactionOutput::ClientFailed { id, failure } => format!("{} failed {failure:?}", name(id)),
                TransactionOutput::ClientEnded { id } => format!("{} ended", name(id)),
                TransactionOutput::ServerEnded { id, acked } => format!("server {} ended, acked {acked}", id.0),
            };
            self.lines.push(format!("{milliseconds} {line}"));
        }
    }
}

fn summary(flow: FlowId, bytes: Bytes) -> String {
    let flow = if flow.is_reliable() { "tls" } else { "udp" };
    let message = Message::parse(bytes).expect("what we send is well formed");
    let method = message.cseq().expect("what we send has a CSeq").method;
    message.status().map_or(format!("{flow} {method}"), |status| format!("{flow} {status} {method}"))
}

fn name(id: ClientTransactionId) -> String {
    format!("{} {}", if id.cancel { "cancel" } else { "client" }, id.serial)
}

#[expect(clippy::disallowed_methods, reason = "a test starts somewhere in time")]
fn some_instant() -> Instant {
    Instant::now()
}

fn udp() -> FlowId {
    FlowId::Datagram { listener: 0, remote: "192.0.2.1:5060".parse().expect("is an address") }
}

fn tls() -> FlowId {
    FlowId::Stream { worker: 0, serial: 7 }
}

fn client(serial: u64) -> ClientTransactionId {
    ClientTransactionId { serial, cancel: false }
}

fn cancel(serial: u64) -> ClientTransactionId {
    ClientTransactionId { serial, cancel: true }
}

fn request(method: Method, branch: &str) -> Message {
    from(method, branch, "alice-pc.contoso.com")
}

fn from(method: Method, branch: &str, sent_by: &str) -> Message {
    parse(&format!(
        "{method} sip:bob@fabrikam.com SIP/2.0\r\nVia: SIP/2.0/UDP {sent_by};branch={branch}\r\nMax-Forwards: 70\r\n\
         From: \"Alice\" <sip:alice@contoso.com>;tag=fromtag\r\nTo: <sip:bob@fabrikam.com>\r\nCall-ID: call1\r\n\
         CSeq: 1 {method}\r\nContent-Length: 0\r\n\r\n"
    ))
}

fn parse(text: &str) -> Message {
    Message::parse(text.to_owned().into()).expect("is well formed")
}
