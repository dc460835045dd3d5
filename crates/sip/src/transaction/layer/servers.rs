//! Server transactions: a received request begins one, or belongs to one.

use std::time::Instant;

use sha2::{Digest as _, Sha256};

use super::{Server, TransactionLayer, begin, newly_scheduled};
use crate::build;
use crate::error::ParseError;
use crate::flow::FlowId;
use crate::message::Message;
use crate::method::Method;
use crate::transaction::machine::ServerMachine;
use crate::transaction::matching::MatchKey;
use crate::transaction::server_invite::{AckOutcome, ServerInvite};
use crate::transaction::server_non_invite::ServerNonInvite;
use crate::transaction::timers::Turn;
use crate::transaction::{RequestOutcome, ServerTransactionId, TransactionKey, TransactionOutput};

impl TransactionLayer {
    pub(super) fn handle_ack(&mut self, now: Instant, request: &Message) -> Result<RequestOutcome, ParseError> {
        let key = MatchKey::new(request, &Method::Invite)?;
        let id = self.server_ids_by_key.get(&key).copied();
        let outcome = id.and_then(|id| self.with_server(now, id, |machine, turn| machine.handle_ack(turn)));
        Ok(match outcome {
            Some(AckOutcome::Absorbed) => RequestOutcome::Absorbed,
            Some(AckOutcome::For2xx) | None => RequestOutcome::AckFor2xx,
        })
    }

    /// RFC 3261 section 9.2. The CANCEL is a transaction of its own, so that its retransmissions are absorbed.
    pub(super) fn handle_cancel(
        &mut self,
        now: Instant,
        flow: FlowId,
        cancel: &Message,
    ) -> Result<RequestOutcome, ParseError> {
        let key = MatchKey::new(cancel, &Method::Cancel)?;
        if let Some(outcome) = self.absorb(now, &key) {
            return Ok(outcome);
        }
        // Only who sent the INVITE may take it back, and he does so where he sent it: the branch that they share is
        // known to everybody further down.
        let invite = self.server_ids_by_key.get(&MatchKey::new(cancel, &Method::Invite)?).copied();
        let Some(invite) = invite.filter(|id| self.server_flow(*id) == Some(flow)) else {
            return Ok(RequestOutcome::CancelOfNothing);
        };
        let response = build::response(cancel, 200, None, Some(&to_tag(&key))).build();
        match self.start_cancel(now, flow, key, cancel) {
            Some(id) => self.respond(now, id, 200, response).expect("the transaction was inserted just now"),
            None => self.outputs.push_back(TransactionOutput::Transmit { flow, bytes: response }),
        }
        Ok(RequestOutcome::Cancel { cancelled: Some(invite).filter(|id| self.expects_final(*id)) })
    }

    /// None where nothing would be retransmitted, and beyond the limit: CANCEL ends work, and to answer each
    /// retransmission anew is right too.
    fn start_cancel(
        &mut self,
        now: Instant,
        flow: FlowId,
        key: MatchKey,
        cancel: &Message,
    ) -> Option<ServerTransactionId> {
        if flow.is_reliable() || self.is_full() {
            return None;
        }
        let machine = ServerNonInvite::start(cancel, &self.turn(now, flow));
        Some(self.insert_server(flow, key, ServerMachine::Cancel(machine)))
    }

    pub(super) fn handle_other(
        &mut self,
        now: Instant,
        flow: FlowId,
        method: &Method,
        request: &Message,
    ) -> Result<RequestOutcome, ParseError> {
        let key = MatchKey::new(request, method)?;
        if let Some(outcome) = self.absorb(now, &key) {
            return Ok(outcome);
        }
        if self.is_full() {
            return Ok(RequestOutcome::Full);
        }
        let turn = self.turn(now, flow);
        let machine = match method {
            Method::Invite => ServerMachine::Invite(ServerInvite::start(request, &turn)),
            _ => ServerMachine::NonInvite(ServerNonInvite::start(request, &turn)),
        };
        let id = self.insert_server(flow, key, machine);
        self.with_server(now, id, |_, _| ());
        Ok(RequestOutcome::New(id))
    }

    /// A retransmission gets the last response again.
    fn absorb(&mut self, now: Instant, key: &MatchKey) -> Option<RequestOutcome> {
        let id = self.server_ids_by_key.get(key).copied()?;
        self.with_server(now, id, |machine, turn| machine.handle_retransmission(turn))?;
        Some(RequestOutcome::Absorbed)
    }

    fn insert_server(&mut self, flow: FlowId, key: MatchKey, machine: ServerMachine) -> ServerTransactionId {
        let id = ServerTransactionId(self.server_serial_next);
        self.server_serial_next += 1;
        self.server_ids_by_key.insert(key.clone(), id);
        if matches!(machine, ServerMachine::Invite(_)) {
            self.invites_by_flow.insert((flow, id));
        }
        self.servers_by_id.insert(id, Server { flow, key, machine, scheduled: None });
        id
    }

    /// Gives a machine its turn, and sees to what follows from it: its end, or its next time.
    pub(super) fn with_server<R>(
        &mut self,
        now: Instant,
        id: ServerTransactionId,
        act: impl FnOnce(&mut ServerMachine, &mut Turn<'_>) -> R,
    ) -> Option<R> {
        let server = self.servers_by_id.get_mut(&id)?;
        let mut turn = Turn { now, timers: &self.timers, flow: server.flow, outputs: &mut self.outputs };
        let lingered = server.machine.lingers();
        let result = act(&mut server.machine, &mut turn);
        let begins_to_linger = !lingered && server.machine.lingers();
        if let Some(acked) = server.machine.ended() {
            self.remove_server(id, acked);
        } else if let Some(at) = newly_scheduled(&mut server.scheduled, server.machine.next_timeout()) {
            self.outputs.push_back(TransactionOutput::Schedule { at, key: TransactionKey::Server(id) });
        }
        if begins_to_linger && let Some(oldest) = begin(&mut self.lingering_servers, id, self.limits.lingering_max) {
            self.lingering_forgotten += 1;
            self.remove_server(oldest, true);
        }
        Some(result)
    }

    pub(super) fn remove_server(&mut self, id: ServerTransactionId, acked: bool) {
        let Some(server) = self.servers_by_id.remove(&id) else { return };
        self.lingering_servers.remove(&id);
        self.server_ids_by_key.remove(&server.key);
        self.invites_by_flow.remove(&(server.flow, id));
        if !matches!(server.machine, ServerMachine::Cancel(_)) {
            self.outputs.push_back(TransactionOutput::ServerEnded { id, acked });
        }
    }

    pub(super) fn handle_server_timeout(&mut self, now: Instant, id: ServerTransactionId) {
        if let Some(server) = self.servers_by_id.get_mut(&id) {
            server.scheduled = None;
        }
        self.with_server(now, id, |machine, turn| machine.handle_timeout(turn));
    }

    fn is_full(&self) -> bool {
        self.counts().0 >= self.limits.server_max
    }

    pub(super) fn expects_final(&self, id: ServerTransactionId) -> bool {
        self.servers_by_id.get(&id).is_some_and(|server| server.machine.expects_final_to_invite())
    }

    fn turn(&mut self, now: Instant, flow: FlowId) -> Turn<'_> {
        Turn { now, timers: &self.timers, flow, outputs: &mut self.outputs }
    }
}

/// The To tag of a response that no dialog follows from: the same for each retransmission (RFC 3261 section 8.2.7).
fn to_tag(key: &MatchKey) -> String {
    let digest = Sha256::digest(key.as_bytes());
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}
