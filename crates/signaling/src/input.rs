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
    /// An account was removed: its bindings and flows end.
    UserRemoved(Aor),
    /// What the clock of the machine says: it may have been set since the server started.
    Clock { unix_ms: u64 },
    /// The server is about to end: nothing new begins here any more, what is under way goes on.
    Drain,
}
