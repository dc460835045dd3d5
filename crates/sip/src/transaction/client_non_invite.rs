//! The non-INVITE client transaction (RFC 3261 section 17.1.2). CANCEL is one too.

use std::time::Instant;

use bytes::Bytes;

use super::timers::{Backoff, Turn};
use super::{Failure, ResponseOutcome};

#[derive(Debug)]
pub(super) enum ClientNonInvite {
    Trying(Sending),
    Proceeding(Sending),
    /// Absorbs retransmitted responses until timer K.
    Completed {
        until: Instant,
    },
    Terminated,
}

/// The request, its timer E and its timer F.
#[derive(Debug)]
pub(super) struct Sending {
    request: Bytes,
    retransmit: Option<Backoff>,
    give_up: Instant,
}

impl ClientNonInvite {
    pub(super) fn start(request: Bytes, turn: &mut Turn<'_>) -> ClientNonInvite {
        turn.transmit(request.clone());
        let (retransmit, give_up) = (Backoff::start(turn), turn.give_up_at());
        ClientNonInvite::Trying(Sending { request, retransmit, give_up })
    }

    pub(super) fn handle_response(&mut self, status: u16, turn: &Turn<'_>) -> ResponseOutcome {
        let sending = match std::mem::replace(self, ClientNonInvite::Terminated) {
            ClientNonInvite::Trying(sending) | ClientNonInvite::Proceeding(sending) => sending,
            ended => {
                *self = ended;
                return ResponseOutcome::Absorbed;
            }
        };
        *self = match status {
            ..=199 => sending.proceed(turn),
            _ if turn.flow.is_reliable() => ClientNonInvite::Terminated,
            _ => ClientNonInvite::Completed { until: turn.now + turn.timers.t4 },
        };
        ResponseOutcome::Deliver
    }

    pub(super) fn handle_timeout(&mut self, turn: &mut Turn<'_>) -> Option<Failure> {
        match self {
            ClientNonInvite::Trying(sending) | ClientNonInvite::Proceeding(sending) => {
                if sending.give_up <= turn.now {
                    *self = ClientNonInvite::Terminated;
                    return Some(Failure::Timeout);
                }
                if Backoff::fires(&mut sending.retransmit, turn.now, turn.timers.t2) {
                    turn.transmit(sending.request.clone());
                }
            }
            ClientNonInvite::Completed { until } if *until <= turn.now => *self = ClientNonInvite::Terminated,
            ClientNonInvite::Completed { .. } | ClientNonInvite::Terminated => {}
        }
        None
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        match self {
            ClientNonInvite::Trying(sending) | ClientNonInvite::Proceeding(sending) => {
                Some(sending.retransmit.map_or(sending.give_up, |timer_e| timer_e.at.min(sending.give_up)))
            }
            ClientNonInvite::Completed { until } => Some(*until),
            ClientNonInvite::Terminated => None,
        }
    }

    pub(super) fn expects_final(&self) -> bool {
        matches!(self, ClientNonInvite::Trying(_) | ClientNonInvite::Proceeding(_))
    }

    pub(super) fn lingers(&self) -> bool {
        matches!(self, ClientNonInvite::Completed { .. })
    }

    pub(super) fn is_terminated(&self) -> bool {
        matches!(self, ClientNonInvite::Terminated)
    }
}

impl Sending {
    /// A provisional response: the server lives, so T2 is often enough.
    fn proceed(mut self, turn: &Turn<'_>) -> ClientNonInvite {
        Backoff::slow_down(&mut self.retransmit, turn.now, turn.timers.t2);
        ClientNonInvite::Proceeding(self)
    }
}
