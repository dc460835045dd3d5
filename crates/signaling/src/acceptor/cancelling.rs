//! A caller who gives up.

use std::time::Instant;

use sip::transaction::ServerTransactionId;
use sip::{HeaderName, Message};

use super::Given;
use crate::core::Core;
use crate::waiting::Asker;
use crate::{Handoff, Requester, Upstream};

impl Core {
    /// The caller gave up (RFC 3261 section 16.10): whoever works on the request stops, and answers for it. `reason` is what
    /// the CANCEL says of it, if there was one.
    pub(crate) fn cancel(&mut self, now: Instant, transaction: ServerTransactionId, reason: Option<String>) {
        let upstream = Upstream { worker: self.ownership.worker, requester: Requester::Outside(transaction) };
        let waits = |asker: &Asker| match asker {
            Asker::Admission(arrival) => arrival.upstream == Some(upstream),
            Asker::Recipient(request) => request.upstream == Some(upstream),
            Asker::Approach(approaching) => approaching.is_call_of(upstream),
            // What is on its way into the store cannot be taken back.
            Asker::StrayCancel(_)
            | Asker::StrayResponse(_)
            | Asker::Link(_)
            | Asker::Dial(_)
            | Asker::Refresh(_)
            | Asker::RefreshHost(_)
            | Asker::Keep(_)
            | Asker::Queue(_)
            | Asker::Settlement(_)
            | Asker::ConsentAnswer(_)
            | Asker::Agreement(_)
            | Asker::Leg { .. } => false,
        };
        match self.stop_waiting(waits) {
            Some(Asker::Admission(arrival)) => {
                self.answer_cancelled(now, upstream, &arrival);
            }
            Some(Asker::Recipient(request)) => {
                self.respond_generated(now, upstream, &request.message, 487);
            }
            Some(Asker::Approach(approaching)) => {
                self.respond_generated(now, upstream, &approaching.request.message, 487);
            }
            _ => match self.acceptor.whereabouts_by_server.get(&transaction) {
                Some(&Given { next, owner, by_ledger }) => {
                    self.hand(next, Handoff::Cancel { upstream, owner, by_ledger, reason });
                    self.acceptor.cancelled.insert(transaction);
                }
                None => self.cancel_owned(now, upstream, reason),
            },
        }
    }
}

/// What a CANCEL says of its reason (RFC 3326), to be said again below; what is longer than a reason is none.
pub(crate) fn cancel_reason(cancel: &Message) -> Option<String> {
    let said: Vec<&str> = cancel.elements(HeaderName::Reason).filter_map(|value| str::from_utf8(value).ok()).collect();
    Some(said.join(", ")).filter(|reason| !reason.is_empty() && reason.len() <= REASON_BYTES_MAX)
}

const REASON_BYTES_MAX: usize = 512;

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn reason_of(headers: &str) -> Option<String> {
        let cancel = format!("CANCEL sip:bob@fabrikam.example SIP/2.0\r\n{headers}Content-Length: 0\r\n\r\n");
        cancel_reason(&Message::parse(Bytes::from(cancel)).unwrap())
    }

    #[test]
    fn a_reason_is_repeated_unless_it_is_too_long() {
        assert_eq!(reason_of(""), None);
        let both = "Reason: SIP;cause=200\r\nReason: Q.850;cause=16\r\n";
        assert_eq!(reason_of(both).as_deref(), Some("SIP;cause=200, Q.850;cause=16"));
        let of_length = |length: usize| format!("Reason: {}\r\n", "x".repeat(length));
        assert_eq!(reason_of(&of_length(REASON_BYTES_MAX)).map(|reason| reason.len()), Some(REASON_BYTES_MAX));
        assert_eq!(reason_of(&of_length(REASON_BYTES_MAX + 1)), None);
    }
}
