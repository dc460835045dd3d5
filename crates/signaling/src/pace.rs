//! Discovered partners that send faster than their ledger allows: they are told so where their requests arrive, without a
//! transaction, a decision or the way to the worker that counts, and their connection is read more slowly. What is refused for
//! its number must not cost by its number.

use std::time::{Duration, Instant};

use federation::ledger::OverLimit;
use federation::partner::Standing;
use sip::{FlowId, Refusal};

use crate::acceptor::{Arrival, from_domain};
use crate::core::Core;
use crate::{AdmittedRequest, Handoff, Output};

/// That a flow brought more than its ledger allows.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    too_fast: Option<TooFast>,
    /// Requests that were refused here, which the ledger does not know yet.
    refused: u64,
}

#[derive(Debug, Clone, Copy)]
struct TooFast {
    /// The ledger has room for another one then.
    until: Instant,
    per_sec: u32,
    retry_after_secs: u32,
}

impl Core {
    /// On the worker that owns the ledger: a request was one too many.
    pub(crate) fn tell_pace(&mut self, now: Instant, request: &AdmittedRequest, over: OverLimit) {
        let OverLimit::Rate { per_sec, retry_after_secs } = over else { return };
        let (Some(facts), Some(upstream)) = (request.ingress.flow(), request.upstream) else { return };
        let flow = facts.id;
        match self.ownership.is_ours(upstream.worker) {
            true => self.note_pace(now, flow, per_sec, retry_after_secs),
            false => self.hand(upstream.worker, Handoff::TooFast { flow, per_sec, retry_after_secs }),
        }
    }

    /// On the worker that has the flow.
    pub(crate) fn note_pace(&mut self, now: Instant, flow: FlowId, per_sec: u32, retry_after_secs: u32) {
        let Some(state) = self.flows.get_mut(flow) else { return };
        let until = now + Duration::from_secs(1) / per_sec.max(1);
        state.pace.too_fast = Some(TooFast { until, per_sec, retry_after_secs });
        self.put(Output::SlowFlow { flow });
    }

    /// The refusal of a request that would be refused by its ledger, too. What belongs to a dialog has a rate of its own.
    pub(crate) fn too_fast(&mut self, now: Instant, arrival: &Arrival) -> Option<Refusal> {
        let flow = arrival.facts.id;
        let too_fast = self.flows.get(flow)?.pace.too_fast.filter(|too_fast| now < too_fast.until)?;
        let domain = from_domain(&arrival.message)?;
        // Its certificate may name others, which are allowed.
        if arrival.evidence.in_dialog || !matches!(self.partners.standing(&domain), Standing::Discovered) {
            return None;
        }
        self.flows.get_mut(flow)?.pace.refused += 1;
        self.put(Output::SlowFlow { flow });
        let TooFast { per_sec, retry_after_secs, .. } = too_fast;
        Some(self.over_limit(OverLimit::Rate { per_sec, retry_after_secs }, &domain))
    }

    /// What was refused on the flow since its ledger was told last.
    pub(crate) fn take_refused(&mut self, flow: Option<FlowId>) -> u64 {
        let state = flow.and_then(|flow| self.flows.get_mut(flow));
        state.map_or(0, |state| std::mem::take(&mut state.pace.refused))
    }
}
