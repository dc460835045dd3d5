//! The non-INVITE server transaction (RFC 3261 section 17.2.2, with the corrections of RFC 4320).

use std::time::Instant;

use bytes::Bytes;

use super::timers::Turn;
use crate::build;
use crate::message::Message;

#[derive(Debug)]
pub(super) enum ServerNonInvite {
    Trying {
        request: Box<Message>,
        trying_at: Instant,
        give_up: Instant,
    },
    Proceeding {
        response: Bytes,
        give_up: Instant,
    },
    /// Answers retransmitted requests until timer J.
    Completed {
        response: Bytes,
        until: Instant,
        is_success: bool,
    },
    Terminated {
        answered: bool,
    },
}

impl ServerNonInvite {
    pub(super) fn start(request: &Message, turn: &Turn<'_>) -> ServerNonInvite {
        ServerNonInvite::Trying {
            request: Box::new(request.clone()),
            trying_at: turn.now + turn.timers.non_invite_trying(),
            // By then the client's timer F has fired: a response would be a stray (RFC 4320 section 4.2).
            give_up: turn.give_up_at(),
        }
    }

    pub(super) fn handle_retransmission(&self, turn: &mut Turn<'_>) {
        match self {
            ServerNonInvite::Proceeding { response, .. } | ServerNonInvite::Completed { response, .. } => {
                turn.transmit(response.clone());
            }
            ServerNonInvite::Trying { .. } | ServerNonInvite::Terminated { .. } => {}
        }
    }

    pub(super) fn respond(&mut self, status: u16, response: Bytes, turn: &mut Turn<'_>) {
        let (give_up, may_try) = match self {
            ServerNonInvite::Trying { trying_at, give_up, .. } => {
                (*give_up, turn.flow.is_reliable() || *trying_at <= turn.now)
            }
            ServerNonInvite::Proceeding { give_up, .. } => (*give_up, true),
            ServerNonInvite::Completed { .. } | ServerNonInvite::Terminated { .. } => return,
        };
        match status {
            100 if may_try => self.proceed(response, give_up, turn),
            // RFC 4320 section 4.1: no other provisional responses, and no early 100 over UDP.
            ..=199 => {}
            // RFC 4320 section 4.2: when it is time for a 408, the client has given up as well.
            408 => *self = ServerNonInvite::Terminated { answered: false },
            _ => self.complete(status, response, turn),
        }
    }

    pub(super) fn handle_timeout(&mut self, turn: &mut Turn<'_>) {
        match self {
            ServerNonInvite::Trying { give_up, .. } | ServerNonInvite::Proceeding { give_up, .. }
                if *give_up <= turn.now =>
            {
                *self = ServerNonInvite::Terminated { answered: false };
            }
            ServerNonInvite::Trying { request, trying_at, give_up } if *trying_at <= turn.now => {
                let (give_up, response) = (*give_up, trying(request));
                self.proceed(response, give_up, turn);
            }
            ServerNonInvite::Completed { until, .. } if *until <= turn.now => {
                *self = ServerNonInvite::Terminated { answered: true };
            }
            _ => {}
        }
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        match self {
            ServerNonInvite::Trying { trying_at, give_up, .. } => Some(*trying_at.min(give_up)),
            ServerNonInvite::Proceeding { give_up, .. } => Some(*give_up),
            ServerNonInvite::Completed { until, .. } => Some(*until),
            ServerNonInvite::Terminated { .. } => None,
        }
    }

    pub(super) fn expects_final(&self) -> bool {
        matches!(self, ServerNonInvite::Trying { .. } | ServerNonInvite::Proceeding { .. })
    }

    /// It went well, and is there only for retransmissions of the request.
    pub(super) fn lingers(&self) -> bool {
        matches!(self, ServerNonInvite::Completed { is_success: true, .. })
    }

    /// Once it is over: whether a final response was sent.
    pub(super) fn ended(&self) -> Option<bool> {
        if let ServerNonInvite::Terminated { answered } = self { Some(*answered) } else { None }
    }

    fn proceed(&mut self, response: Bytes, give_up: Instant, turn: &mut Turn<'_>) {
        turn.transmit(response.clone());
        *self = ServerNonInvite::Proceeding { response, give_up };
    }

    fn complete(&mut self, status: u16, response: Bytes, turn: &mut Turn<'_>) {
        turn.transmit(response.clone());
        *self = if turn.flow.is_reliable() {
            ServerNonInvite::Terminated { answered: true }
        } else {
            ServerNonInvite::Completed { response, until: turn.give_up_at(), is_success: status < 300 }
        };
    }
}

/// The 100 to a request that was received.
pub(super) fn trying(request: &Message) -> Bytes {
    build::response(request, 100, None, None).build()
}
