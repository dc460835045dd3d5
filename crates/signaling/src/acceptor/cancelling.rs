//! A caller who gives up.

use std::time::Instant;

use sip::transaction::ServerTransactionId;

use super::Given;
use crate::core::Core;
use crate::waiting::Asker;
use crate::{Handoff, Requester, Upstream};

impl Core {
    /// The caller gave up (RFC 3261 section 16.10): whoever works on the request stops, and answers for it.
    pub(crate) fn cancel(&mut self, now: Instant, transaction: ServerTransactionId) {
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
                    self.hand(next, Handoff::Cancel { upstream, owner, by_ledger });
                    self.acceptor.cancelled.insert(transaction);
                }
                None => self.cancel_owned(now, upstream),
            },
        }
    }
}
