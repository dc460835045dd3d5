//! What the machines put out goes where it belongs, until all are quiet.

use std::time::Instant;

use bytes::Bytes;
use sip::FlowId;
use sip::transaction::TransactionOutput;

use super::Core;
use crate::flow_table::Whereabouts;
use crate::schedule::Machine;
use crate::{Handoff, Output, Requester};

impl Core {
    /// Moves what the machines put out to where it belongs, until all are quiet.
    pub(crate) fn settle(&mut self, now: Instant) {
        loop {
            self.settle_presence(now);
            self.settle_transactions(now);
            if !self.settle_agents(now) && !self.watchers_answered {
                break;
            }
        }
        self.schedule_wakes(now);
    }

    fn settle_transactions(&mut self, now: Instant) {
        while let Some(output) = self.transactions.poll_output() {
            match output {
                TransactionOutput::Transmit { flow, bytes } => self.transmit(now, flow, bytes),
                TransactionOutput::Schedule { at, key } => self.schedule.push(at, Machine::Transaction(key)),
                TransactionOutput::ClientFailed { id, failure } => self.branch_failed(now, id, failure),
                TransactionOutput::ServerEnded { id, .. } => {
                    self.acceptor.forget(id);
                    self.remotes.forget(id);
                    self.orphans.forget(id);
                    self.draft_abandoned(now, Requester::Outside(id));
                }
                TransactionOutput::ClientEnded { id } => self.branch_over(now, id),
            }
        }
    }

    /// The machines that answer one next time for all that they hold.
    fn schedule_wakes(&mut self, now: Instant) {
        if let Some(at) = self.location.poll_timeout()
            && self.registrar_wakes_at.is_none_or(|set| at < set || set <= now)
        {
            self.registrar_wakes_at = Some(at);
            self.schedule.push(at, Machine::Registrar);
        }
        if let Some(at) = self.presence.poll_timeout()
            && self.presence_wakes_at.is_none_or(|set| at < set || set <= now)
        {
            self.presence_wakes_at = Some(at);
            self.schedule.push(at, Machine::Presence);
        }
        if let Some(at) = self.discovery.next_refresh().into_iter().chain(self.hosts.next_refresh()).min()
            && self.discovery_wakes_at.is_none_or(|set| at < set || set <= now)
        {
            self.discovery_wakes_at = Some(at);
            self.schedule.push(at, Machine::Discovery);
        }
    }

    /// Sends bytes on a flow, wherever that flow lives.
    pub(crate) fn transmit(&mut self, now: Instant, flow: FlowId, bytes: Bytes) {
        match self.flows.whereabouts(flow, self.ownership.worker) {
            Whereabouts::Here => self.put(Output::Transmit { flow, bytes }),
            Whereabouts::At(to) => self.hand(to, Handoff::Transmit { flow, bytes }),
            Whereabouts::Gone => self.transmit_elsewhere(now, flow, bytes),
        }
    }

    /// Bytes that another worker handed to us. Only a flow's acceptor knows where it went: a worker that is neither
    /// that nor the owner has been told too late, and must not send them back.
    pub(super) fn transmit_handed(&mut self, now: Instant, flow: FlowId, bytes: Bytes) {
        match self.flows.whereabouts_handed(flow) {
            Whereabouts::Here => self.put(Output::Transmit { flow, bytes }),
            Whereabouts::At(to) => self.hand(to, Handoff::Transmit { flow, bytes }),
            Whereabouts::Gone => self.transmit_elsewhere(now, flow, bytes),
        }
    }
}
