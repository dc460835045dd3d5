//! What the shell tells a [`Core`](crate::Core): one enum, so that a world can be recorded and replayed.

use std::sync::Arc;

use conference::schedule::Meetings;
use federation::flow::FlowFacts;
use federation::partner::Partners;
use media::MediaEvent;
use sip::refusal::Word;
use sip::{Aor, FlowId, Message};

use crate::{Answer, Handoff, QuestionId};

/// Everything that can happen to a worker.
#[derive(Debug)]
pub enum Input {
    /// A stream flow was accepted, or arrived from another worker; comes before any message on it.
    FlowOpened(FlowFacts),
    /// Something came over a stream flow that cannot be taken; mostly its end follows.
    FlowBroke { flow: FlowId, how: Breakage },
    /// A stream flow of this worker ended, for whatever reason.
    FlowClosed(FlowId),
    /// A whole message arrived on a stream flow of this worker.
    Message { flow: FlowId, message: Message },
    /// A whole message arrived as a datagram. The facts are those of the packet: there is nothing to keep.
    Datagram { facts: FlowFacts, message: Message },
    /// A web page was refused a WebSocket, before there was any message; only counted.
    WebSocketRefused(Word),
    /// The answer to a question asked through [`Output::Ask`](crate::Output::Ask).
    Answer { id: QuestionId, answer: Answer },
    /// Something happened on a leg of a bridge of this worker.
    Media(MediaEvent),
    /// Another worker hands something over.
    Handoff(Handoff),
    /// The table of partners was replaced.
    Partners(Arc<Partners>),
    /// The table of scheduled meetings was replaced.
    Meetings(Arc<Meetings>),
    /// Something was put among what is stored for a user; only who owns him has to do with it.
    StoredFor(Aor),
    /// An account was removed: its bindings and flows end.
    UserRemoved(Aor),
    /// What the clock of the machine says: it may have been set since the server started.
    Clock { unix_ms: u64 },
    /// The server is about to end: nothing new begins here any more, what is under way goes on.
    Drain,
}

/// What came, for the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Breakage {
    /// An alert, or no TLS.
    Tls(String),
    /// How it begins, in printable characters.
    NoSip(String),
}

impl Breakage {
    /// The first line of what was received, as far as it can be printed.
    pub fn no_sip(received: &[u8]) -> Breakage {
        let line = received.split(|byte| b"\r\n".contains(byte)).next().unwrap_or_default();
        let shown = line.iter().take(BEGINNING_CHARS_MAX).map(|byte| match byte {
            b' '..=b'~' if *byte != b'"' => char::from(*byte),
            _ => '.',
        });
        Breakage::NoSip(shown.collect())
    }
}

const BEGINNING_CHARS_MAX: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_sip_is_shown_by_its_beginning_and_as_text_only() {
        let of = |received: &[u8]| Breakage::no_sip(received);
        assert_eq!(of(b"HTTP/1.1 400 Bad Request\r\nX: y\r\n"), Breakage::NoSip("HTTP/1.1 400 Bad Request".into()));
        assert_eq!(of(b"\x1b[2J\"\xff"), Breakage::NoSip(".[2J..".into()));
        assert_eq!(of(&[b'a'; 100]), Breakage::NoSip("a".repeat(BEGINNING_CHARS_MAX)));
        assert_eq!(of(b""), Breakage::NoSip(String::new()));
    }
}
