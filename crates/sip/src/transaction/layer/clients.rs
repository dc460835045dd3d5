//! Client transactions: each has its turn, and what follows from it.

use std::time::Instant;

use super::{TransactionLayer, begin, newly_scheduled};
use crate::transaction::machine::ClientMachine;
use crate::transaction::timers::Turn;
use crate::transaction::{ClientTransactionId, TransactionKey, TransactionOutput};

impl TransactionLayer {
    /// As [`TransactionLayer::with_server`].
    pub(super) fn with_client<R>(
        &mut self,
        now: Instant,
        id: ClientTransactionId,
        act: impl FnOnce(&mut ClientMachine, &mut Turn<'_>) -> R,
    ) -> Option<R> {
        let client = self.clients_by_id.get_mut(&id)?;
        let mut turn = Turn { now, timers: &self.timers, flow: client.flow, outputs: &mut self.outputs };
        let lingered = client.machine.lingers();
        let result = act(&mut client.machine, &mut turn);
        let begins_to_linger = !lingered && client.machine.lingers();
        if client.machine.is_terminated() {
            self.remove_client(id);
        } else if let Some(at) = newly_scheduled(&mut client.scheduled, client.machine.next_timeout()) {
            self.outputs.push_back(TransactionOutput::Schedule { at, key: TransactionKey::Client(id) });
        }
        if begins_to_linger && let Some(oldest) = begin(&mut self.lingering_clients, id, self.limits.lingering_max) {
            self.lingering_forgotten += 1;
            self.remove_client(oldest);
        }
        Some(result)
    }

    pub(super) fn remove_client(&mut self, id: ClientTransactionId) {
        let Some(client) = self.clients_by_id.remove(&id) else { return };
        self.clients_by_flow.remove(&(client.flow, id));
        self.lingering_clients.remove(&id);
        self.outputs.push_back(TransactionOutput::ClientEnded { id });
    }

    pub(super) fn handle_client_timeout(&mut self, now: Instant, id: ClientTransactionId) {
        if let Some(client) = self.clients_by_id.get_mut(&id) {
            client.scheduled = None;
        }
        self.with_client(now, id, |machine, turn| {
            if let Some(failure) = machine.handle_timeout(turn) {
                turn.outputs.push_back(TransactionOutput::ClientFailed { id, failure });
            }
        });
    }
}
