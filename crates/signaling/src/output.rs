//! What a [`Core`](crate::Core) asks of its shell.

use std::sync::Arc;

use bytes::Bytes;
use conference::schedule::Meeting;
use federation::decision::DecisionRecord;
use federation::ledger::{KeptAnswer, KeptSuspect};
use federation::look_alike::LookAlike;
use media::MediaCommand;
use sip::FlowId;

use crate::{Handoff, Question, QuestionId, Reach, ReachedProvider, Record, WorkerId};

/// Everything a worker's core can want done. The shell performs them in order.
#[derive(Debug, Clone)]
pub enum Output {
    /// Write one message on a flow of this worker: a stream it owns, or a datagram from its socket of that listener.
    Transmit { flow: FlowId, bytes: Bytes },
    /// Write what is queued on this stream flow, then end it.
    CloseFlow { flow: FlowId },
    /// Read this stream flow for a moment no further: what comes on it is refused for its number.
    SlowFlow { flow: FlowId },
    /// Give this stream flow, with whatever was read from it and not yet cut, to another worker. Comes before any
    /// handoff that speaks of the flow; the other worker sees [`Input::FlowOpened`](crate::Input::FlowOpened) first.
    MoveFlow { flow: FlowId, to: WorkerId },
    /// Send this to another worker, in order.
    Handoff { to: WorkerId, handoff: Handoff },
    /// Find the answer and bring it back as [`Input::Answer`](crate::Input::Answer) with the same id, exactly once.
    Ask { id: QuestionId, question: Question },
    /// For the media thread that the bridge lives on.
    Media(MediaCommand),
    /// Keep this meeting, in place of what was kept of it before: it began without having been scheduled.
    KeepMeeting(Box<Meeting>),
    /// A decision was made, which the core keeps ([`Core::decisions`](crate::Core::decisions)): for the log alone.
    Decided(Arc<DecisionRecord>),
    /// A discovered partner is suspect from now on, or goes on being so: keep that over restarts. Nothing waits for it.
    KeepSuspect(Box<KeptSuspect>),
    /// Who has answered whom: keep that over restarts. Nothing waits for it.
    KeepAnswer(KeptAnswer),
    /// A domain that looks like one that is trusted here was heard from for the first time.
    LookAlike(LookAlike),
    /// A partner can be reached again, or no longer, or the edge of a hosting provider for whichever domain behind it: tell the
    /// operator. It comes once for each change.
    PartnerReach { domain: String, provider: Option<ReachedProvider>, reach: Reach, is_monitored: bool },
    /// A partner's name servers have ceased to answer, and what they said last goes on being believed; or they answer again.
    PartnerNames { domain: String, is_stale: bool },
    /// Keep this of a call. Nothing waits for it.
    Record(Record),
}
