//! The INVITE client transaction (RFC 3261 section 17.1.1, RFC 6026 section 7.2), and the two requests that share an
//! INVITE's branch: the ACK for a final response other than 2xx, and CANCEL.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::timers::{Backoff, Turn};
use super::{Failure, ResponseOutcome};
use crate::build::RequestBuilder;
use crate::error::ParseError;
use crate::header_name::HeaderName;
use crate::message::Message;
use crate::method::Method;

#[derive(Debug)]
pub(super) enum ClientInvite {
    /// Timers A and B.
    Calling {
        request: Bytes,
        retransmit: Option<Backoff>,
        give_up: Instant,
    },
    /// A callee may ring for long; there is a limit only once it was sent a CANCEL.
    Proceeding {
        request: Bytes,
        give_up: Option<Instant>,
    },
    /// Every 2xx goes to the transaction user until timer M, for the ACK is end to end.
    Accepted {
        until: Instant,
    },
    /// Acknowledges retransmitted final responses until timer D.
    Completed {
        ack: Bytes,
        until: Instant,
    },
    Terminated,
}

impl ClientInvite {
    pub(super) fn start(request: Bytes, turn: &mut Turn<'_>) -> ClientInvite {
        turn.transmit(request.clone());
        ClientInvite::Calling { request, retransmit: Backoff::start(turn), give_up: turn.give_up_at() }
    }

    pub(super) fn handle_response(&mut self, response: &Message, turn: &mut Turn<'_>) -> ResponseOutcome {
        match (&self, response.status().unwrap_or_default()) {
            (ClientInvite::Calling { request, .. }, ..=199) => {
                *self = ClientInvite::Proceeding { request: request.clone(), give_up: None };
            }
            (ClientInvite::Proceeding { .. }, ..=199) => {}
            (ClientInvite::Calling { .. } | ClientInvite::Proceeding { .. }, 200..=299) => {
                *self = ClientInvite::Accepted { until: turn.give_up_at() };
            }
            (ClientInvite::Calling { request, .. } | ClientInvite::Proceeding { request, .. }, _) => {
                let request = request.clone();
                self.complete(request, response, turn);
            }
            (ClientInvite::Accepted { .. }, 200..=299) => {}
            (ClientInvite::Completed { ack, .. }, 300..) => {
                turn.transmit(ack.clone());
                return ResponseOutcome::Absorbed;
            }
            _ => return ResponseOutcome::Absorbed,
        }
        ResponseOutcome::Deliver
    }

    /// Its CANCEL was sent: a final response comes within 64 T1, or none (RFC 3261 section 9.1).
    pub(super) fn handle_cancel(&mut self, turn: &Turn<'_>) {
        if let ClientInvite::Proceeding { give_up: give_up @ None, .. } = self {
            *give_up = Some(turn.give_up_at());
        }
    }

    pub(super) fn handle_timeout(&mut self, turn: &mut Turn<'_>) -> Option<Failure> {
        match self {
            ClientInvite::Calling { give_up, .. } | ClientInvite::Proceeding { give_up: Some(give_up), .. }
                if *give_up <= turn.now =>
            {
                *self = ClientInvite::Terminated;
                return Some(Failure::Timeout);
            }
            ClientInvite::Accepted { until } | ClientInvite::Completed { until, .. } if *until <= turn.now => {
                *self = ClientInvite::Terminated;
            }
            _ => {}
        }
        if let ClientInvite::Calling { request, retransmit, .. } = self
            && Backoff::fires(retransmit, turn.now, Duration::MAX)
        {
            turn.transmit(request.clone());
        }
        None
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        match self {
            ClientInvite::Calling { retransmit, give_up, .. } => {
                Some(retransmit.map_or(*give_up, |timer_a| timer_a.at.min(*give_up)))
            }
            ClientInvite::Proceeding { give_up, .. } => *give_up,
            ClientInvite::Accepted { until } | ClientInvite::Completed { until, .. } => Some(*until),
            ClientInvite::Terminated => None,
        }
    }

    pub(super) fn expects_final(&self) -> bool {
        matches!(self, ClientInvite::Calling { .. } | ClientInvite::Proceeding { .. })
    }

    pub(super) fn is_terminated(&self) -> bool {
        matches!(self, ClientInvite::Terminated)
    }

    fn complete(&mut self, request: Bytes, response: &Message, turn: &mut Turn<'_>) {
        *self = ClientInvite::Terminated;
        let ack = Message::parse(request).and_then(|request| build_ack(&request, response));
        // Without a readable To the response cannot be acknowledged; the peer's timer H ends its side.
        let Ok(ack) = ack else { return };
        turn.transmit(ack.clone());
        if !turn.flow.is_reliable() {
            *self = ClientInvite::Completed { ack, until: turn.now + turn.timers.d };
        }
    }
}

/// The CANCEL for `request`, an INVITE as it was sent (RFC 3261 section 9.1). `reason` is the value of a Reason header
/// (RFC 3326). Fails only if the INVITE lacks a header that every request has.
pub fn build_cancel(request: &Message, reason: Option<&str>) -> Result<Bytes, ParseError> {
    let mut cancel = same_hop(request, &Method::Cancel, text(request, HeaderName::To)?)?;
    if let Some(reason) = reason {
        cancel = cancel.header(HeaderName::Reason, reason);
    }
    Ok(cancel.build())
}

/// The ACK for a final response other than 2xx (RFC 3261 section 17.1.1.3): its To is the response's, if it is one.
fn build_ack(request: &Message, response: &Message) -> Result<Bytes, ParseError> {
    response.to()?;
    Ok(same_hop(request, &Method::Ack, text(response, HeaderName::To)?)?.build())
}

/// A request that goes where the INVITE went and belongs to its transaction: same Request-URI, top Via, Routes, From,
/// Call-ID and CSeq number.
fn same_hop(request: &Message, method: &Method, to: &str) -> Result<RequestBuilder, ParseError> {
    let uri = request.request_uri().ok_or(ParseError::Invalid("request line"))?;
    Ok(RequestBuilder::new(method, uri)
        .header(HeaderName::Via, request.top_via()?.as_str())
        .header(HeaderName::MaxForwards, "70")
        .copied(HeaderName::Route, request)
        .header(HeaderName::From, text(request, HeaderName::From)?)
        .header(HeaderName::To, to)
        .header(HeaderName::CallId, request.call_id()?)
        .header(HeaderName::CSeq, format!("{} {method}", request.cseq()?.number)))
}

fn text(message: &Message, name: HeaderName) -> Result<&str, ParseError> {
    message.header_text(name).ok_or(malformed(name))
}

fn malformed(name: HeaderName) -> ParseError {
    ParseError::Malformed(name)
}
