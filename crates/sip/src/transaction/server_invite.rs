//! The INVITE server transaction (RFC 3261 section 17.2.1, RFC 6026 section 7.1).

use std::time::Instant;

use bytes::Bytes;

use super::server_non_invite::trying;
use super::timers::{Backoff, Turn};
use crate::message::Message;

#[derive(Debug)]
pub(super) enum ServerInvite {
    /// Nobody has responded yet; at `trying_at` we do.
    ExpectResponse {
        request: Box<Message>,
        trying_at: Instant,
    },
    Proceeding {
        provisional: Bytes,
    },
    /// A 2xx was sent: its retransmission and its ACK are end to end; here only the INVITE's retransmissions are
    /// absorbed until timer L.
    Accepted {
        until: Instant,
    },
    /// A final response other than 2xx was sent; timers G and H.
    Completed {
        response: Bytes,
        retransmit: Option<Backoff>,
        give_up: Instant,
    },
    /// Acknowledged; absorbs further ACKs until timer I.
    Confirmed {
        until: Instant,
    },
    Terminated {
        acked: bool,
    },
}

/// What an ACK that matched is.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum AckOutcome {
    Absorbed,
    For2xx,
}

impl ServerInvite {
    pub(super) fn start(request: &Message, turn: &Turn<'_>) -> ServerInvite {
        let trying_at = turn.now + turn.timers.trying;
        ServerInvite::ExpectResponse { request: Box::new(request.clone()), trying_at }
    }

    pub(super) fn handle_retransmission(&mut self, turn: &mut Turn<'_>) {
        match self {
            // The client did not hear of us within T1: tell it at once.
            ServerInvite::ExpectResponse { request, .. } => {
                let response = trying(request);
                self.proceed(response, turn);
            }
            ServerInvite::Proceeding { provisional } => turn.transmit(provisional.clone()),
            ServerInvite::Completed { response, .. } => turn.transmit(response.clone()),
            ServerInvite::Accepted { .. } | ServerInvite::Confirmed { .. } | ServerInvite::Terminated { .. } => {}
        }
    }

    pub(super) fn repeat_unacknowledged(&self, turn: &mut Turn<'_>) {
        if let ServerInvite::Completed { response, .. } = self {
            turn.transmit(response.clone());
        }
    }

    pub(super) fn handle_ack(&mut self, turn: &Turn<'_>) -> AckOutcome {
        match self {
            // A client that reuses the INVITE's branch for the ACK of a 2xx.
            ServerInvite::Accepted { .. } => return AckOutcome::For2xx,
            ServerInvite::Completed { .. } if turn.flow.is_reliable() => {
                *self = ServerInvite::Terminated { acked: true };
            }
            ServerInvite::Completed { .. } => {
                *self = ServerInvite::Confirmed { until: turn.now + turn.timers.t4 };
            }
            _ => {}
        }
        AckOutcome::Absorbed
    }

    pub(super) fn respond(&mut self, status: u16, response: Bytes, turn: &mut Turn<'_>) {
        match (&self, status) {
            (ServerInvite::ExpectResponse { .. } | ServerInvite::Proceeding { .. }, ..=199) => {
                self.proceed(response, turn);
            }
            (ServerInvite::ExpectResponse { .. } | ServerInvite::Proceeding { .. }, 200..=299) => {
                turn.transmit(response);
                *self = ServerInvite::Accepted { until: turn.give_up_at() };
            }
            (ServerInvite::ExpectResponse { .. } | ServerInvite::Proceeding { .. }, _) => {
                turn.transmit(response.clone());
                let (retransmit, give_up) = (Backoff::start(turn), turn.give_up_at());
                *self = ServerInvite::Completed { response, retransmit, give_up };
            }
            // Retransmissions of the 2xx, and those of other branches.
            (ServerInvite::Accepted { .. }, 200..=299) => turn.transmit(response),
            // RFC 3261 section 17.2.1: any other response after a final one is discarded.
            _ => {}
        }
    }

    pub(super) fn handle_timeout(&mut self, turn: &mut Turn<'_>) {
        match self {
            ServerInvite::ExpectResponse { request, trying_at } if *trying_at <= turn.now => {
                let response = trying(request);
                self.proceed(response, turn);
            }
            ServerInvite::Completed { give_up, .. } if *give_up <= turn.now => {
                *self = ServerInvite::Terminated { acked: false };
            }
            ServerInvite::Accepted { until } | ServerInvite::Confirmed { until } if *until <= turn.now => {
                *self = ServerInvite::Terminated { acked: true };
            }
            _ => {}
        }
        if let ServerInvite::Completed { response, retransmit, .. } = self
            && Backoff::fires(retransmit, turn.now, turn.timers.t2)
        {
            turn.transmit(response.clone());
        }
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        match self {
            ServerInvite::ExpectResponse { trying_at, .. } => Some(*trying_at),
            ServerInvite::Completed { retransmit, give_up, .. } => {
                Some(retransmit.map_or(*give_up, |timer_g| timer_g.at.min(*give_up)))
            }
            ServerInvite::Accepted { until } | ServerInvite::Confirmed { until } => Some(*until),
            // Timer C, in the response context, sees to it that a final response comes.
            ServerInvite::Proceeding { .. } | ServerInvite::Terminated { .. } => None,
        }
    }

    pub(super) fn awaits_ack(&self) -> bool {
        matches!(self, ServerInvite::Completed { .. })
    }

    pub(super) fn expects_final(&self) -> bool {
        matches!(self, ServerInvite::ExpectResponse { .. } | ServerInvite::Proceeding { .. })
    }

    /// Once it is over: whether the final response was acknowledged, or was a 2xx.
    pub(super) fn ended(&self) -> Option<bool> {
        if let ServerInvite::Terminated { acked } = self { Some(*acked) } else { None }
    }

    fn proceed(&mut self, provisional: Bytes, turn: &mut Turn<'_>) {
        turn.transmit(provisional.clone());
        *self = ServerInvite::Proceeding { provisional };
    }
}
