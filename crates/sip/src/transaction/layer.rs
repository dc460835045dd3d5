//! Maps requests, responses and times to their transactions (RFC 3261 section 17). What a transaction does then is its
//! machine's; nothing here looks at states.
//!
//! The tables are ordered maps, so that no peer can choose keys that collide.

mod clients;
mod servers;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::RangeInclusive;
use std::time::Instant;

use bytes::Bytes;

use super::client_invite::ClientInvite;
use super::client_non_invite::ClientNonInvite;
use super::machine::{ClientMachine, ServerMachine};
use super::matching::{MatchKey, method_of};
use super::timers::Turn;
use super::{
    ClientTransactionId, Failure, Full, NoTransaction, RequestOutcome, ResponseOutcome, ServerTransactionId, Timers,
    TransactionKey, TransactionLimits, TransactionOutput,
};
use crate::flow::FlowId;
use crate::message::Message;
use crate::method::Method;

/// All transactions of one Core.
pub struct TransactionLayer {
    timers: Timers,
    limits: TransactionLimits,
    server_serial_next: u64,
    servers_by_id: BTreeMap<ServerTransactionId, Server>,
    server_ids_by_key: BTreeMap<MatchKey, ServerTransactionId>,
    invites_by_flow: BTreeSet<(FlowId, ServerTransactionId)>,
    clients_by_id: BTreeMap<ClientTransactionId, Client>,
    clients_by_flow: BTreeSet<(FlowId, ClientTransactionId)>,
    /// Those that went well, and are there only for retransmissions.
    lingering_servers: BTreeSet<ServerTransactionId>,
    lingering_clients: BTreeSet<ClientTransactionId>,
    /// How often one of those ended early for another.
    lingering_forgotten: u64,
    outputs: VecDeque<TransactionOutput>,
}

struct Server {
    flow: FlowId,
    key: MatchKey,
    machine: ServerMachine,
    scheduled: Option<Instant>,
}

struct Client {
    flow: FlowId,
    /// That flow is closed, and the response may come on another.
    is_cut: bool,
    machine: ClientMachine,
    scheduled: Option<Instant>,
}

impl TransactionLayer {
    pub fn new(timers: Timers, limits: TransactionLimits) -> TransactionLayer {
        TransactionLayer {
            timers,
            limits,
            server_serial_next: 0,
            servers_by_id: BTreeMap::new(),
            server_ids_by_key: BTreeMap::new(),
            invites_by_flow: BTreeSet::new(),
            clients_by_id: BTreeMap::new(),
            clients_by_flow: BTreeSet::new(),
            lingering_servers: BTreeSet::new(),
            lingering_clients: BTreeSet::new(),
            lingering_forgotten: 0,
            outputs: VecDeque::new(),
        }
    }

    /// Sorts a received request. Responses to it will go to `flow`.
    pub fn handle_request(&mut self, now: Instant, flow: FlowId, request: &Message) -> RequestOutcome {
        let outcome = method_of(request).and_then(|method| match method {
            Method::Ack => self.handle_ack(now, request),
            Method::Cancel => self.handle_cancel(now, flow, request),
            _ => self.handle_other(now, flow, &method, request),
        });
        outcome.unwrap_or_else(RequestOutcome::Malformed)
    }

    /// The same, of a response that came on `flow`: where the request's own is closed, an ACK goes that way too.
    pub fn handle_response_on(
        &mut self,
        now: Instant,
        id: ClientTransactionId,
        flow: FlowId,
        response: &Message,
    ) -> ResponseOutcome {
        if let Some(client) = self.clients_by_id.get_mut(&id).filter(|client| client.is_cut) {
            self.clients_by_flow.remove(&(client.flow, id));
            self.clients_by_flow.insert((flow, id));
            (client.flow, client.is_cut) = (flow, false);
        }
        self.handle_response(now, id, response)
    }

    /// Sorts a received response. `id` is what our Via branch in it and the method of its CSeq say; that the branch is
    /// ours is for the caller to check.
    pub fn handle_response(&mut self, now: Instant, id: ClientTransactionId, response: &Message) -> ResponseOutcome {
        let handled = self.with_client(now, id, |machine, turn| machine.handle_response(response, turn));
        handled.unwrap_or(ResponseOutcome::Stray)
    }

    /// Sends a response, whose status is `status`. What a transaction must not send in its state is dropped in
    /// silence (a second final response; RFC 4320 for non-INVITE).
    pub fn respond(
        &mut self,
        now: Instant,
        id: ServerTransactionId,
        status: u16,
        response: Bytes,
    ) -> Result<(), NoTransaction> {
        let responded = self.with_server(now, id, |machine, turn| machine.respond(status, response, turn));
        responded.ok_or(NoTransaction)
    }

    /// Ends a server transaction that has not been responded to: a repeat of its request is a new one.
    pub fn abandon(&mut self, id: ServerTransactionId) {
        self.remove_server(id, true);
    }

    /// Starts a client transaction with a request that has our Via. An ACK, which has none, is sent as it is. A CANCEL
    /// is sent beyond the limit too: it is there to end transactions, and there is at most one for each INVITE.
    pub fn send_request(
        &mut self,
        now: Instant,
        id: ClientTransactionId,
        flow: FlowId,
        method: &Method,
        request: Bytes,
    ) -> Result<(), Full> {
        let is_full = self.counts().1 >= self.limits.client_max;
        let mut turn = Turn { now, timers: &self.timers, flow, outputs: &mut self.outputs };
        if *method == Method::Ack {
            turn.transmit(request);
            return Ok(());
        }
        if is_full && !id.cancel {
            return Err(Full);
        }
        debug_assert!(!self.clients_by_id.contains_key(&id), "the caller chooses a new id for each transaction");
        let machine = match method {
            Method::Invite => ClientMachine::Invite(ClientInvite::start(request, &mut turn)),
            _ => ClientMachine::NonInvite(ClientNonInvite::start(request, &mut turn)),
        };
        self.clients_by_id.insert(id, Client { flow, is_cut: false, machine, scheduled: None });
        self.clients_by_flow.insert((flow, id));
        self.with_client(now, id, |_, _| ());
        if id.cancel {
            let cancelled = ClientTransactionId { cancel: false, ..id };
            self.with_client(now, cancelled, |machine, turn| machine.handle_cancel(turn));
        }
        Ok(())
    }

    /// Nothing will come on `flow` any more. Client transactions that `may_wait` go on: their responses may come on
    /// another (RFC 3261 section 18.1.2). Of the others those that wait for a final response fail, the rest ends. Server transactions live on;
    /// their responses meet a closed flow.
    pub fn flow_closed(&mut self, flow: FlowId, may_wait: impl Fn(ClientTransactionId) -> bool) {
        for id in on_flow(&self.clients_by_flow, flow, CLIENT_IDS) {
            if let Some(client) = self.clients_by_id.get_mut(&id)
                && may_wait(id)
            {
                client.is_cut = true;
                continue;
            }
            if self.clients_by_id.get(&id).is_some_and(|client| client.machine.expects_final()) {
                self.outputs.push_back(TransactionOutput::ClientFailed { id, failure: Failure::TransportFailed });
            }
            self.remove_client(id);
        }
    }

    /// Sends once more what has no ACK yet of final responses on `flow`: it closed, and they may have been lost in it.
    pub fn repeat_unacknowledged(&mut self, now: Instant, flow: FlowId) {
        for id in on_flow(&self.invites_by_flow, flow, SERVER_IDS) {
            self.with_server(now, id, |machine, turn| machine.repeat_unacknowledged(turn));
        }
    }

    /// No final response will come after all, and this is why.
    pub fn fail(&mut self, id: ClientTransactionId, failure: Failure) {
        if self.clients_by_id.get(&id).is_some_and(|client| client.machine.expects_final()) {
            self.outputs.push_back(TransactionOutput::ClientFailed { id, failure });
            self.remove_client(id);
        }
    }

    /// The client transactions on `flow`.
    pub fn clients_on(&self, flow: FlowId) -> Vec<ClientTransactionId> {
        on_flow(&self.clients_by_flow, flow, CLIENT_IDS)
    }

    /// Whether the flow that a client transaction's request went over is closed, and its response may come on another.
    pub fn is_cut(&self, id: ClientTransactionId) -> bool {
        self.clients_by_id.get(&id).is_some_and(|client| client.is_cut)
    }

    /// INVITEs received on `flow` that have no final response.
    pub fn pending_invites(&self, flow: FlowId) -> Vec<ServerTransactionId> {
        let ids = on_flow(&self.invites_by_flow, flow, SERVER_IDS);
        ids.into_iter().filter(|id| self.expects_final(*id)).collect()
    }

    /// Whether a final response to an INVITE waits for its ACK.
    pub fn awaits_ack(&self, id: ServerTransactionId) -> bool {
        self.servers_by_id.get(&id).is_some_and(|server| server.machine.awaits_ack())
    }

    /// Whether the request belongs to a server transaction already: a repeat, an ACK or a CANCEL.
    pub fn is_known(&self, request: &Message) -> bool {
        let key = method_of(request).and_then(|method| MatchKey::new(request, &method));
        key.is_ok_and(|key| self.server_ids_by_key.contains_key(&key))
    }

    /// Where the request of a client transaction went.
    pub fn client_flow(&self, id: ClientTransactionId) -> Option<FlowId> {
        self.clients_by_id.get(&id).map(|client| client.flow)
    }

    /// Where the responses of a server transaction go.
    pub fn server_flow(&self, id: ServerTransactionId) -> Option<FlowId> {
        self.servers_by_id.get(&id).map(|server| server.flow)
    }

    /// Acts on what is due. Early, late or for a transaction that has ended, it does no harm; while there is something
    /// to wait for, it asks for the next time anew.
    pub fn handle_timeout(&mut self, now: Instant, key: TransactionKey) {
        match key {
            TransactionKey::Server(id) => self.handle_server_timeout(now, id),
            TransactionKey::Client(id) => self.handle_client_timeout(now, id),
        }
    }

    pub fn poll_output(&mut self) -> Option<TransactionOutput> {
        self.outputs.pop_front()
    }

    /// Server and client transactions under way, less those that linger.
    pub fn counts(&self) -> (usize, usize) {
        let servers = self.servers_by_id.len() - self.lingering_servers.len();
        (servers, self.clients_by_id.len() - self.lingering_clients.len())
    }

    /// Server and client transactions that went well, and are there only for retransmissions.
    pub fn lingering(&self) -> (usize, usize) {
        (self.lingering_servers.len(), self.lingering_clients.len())
    }

    /// How often one that lingers was forgotten for another.
    pub fn lingering_forgotten(&self) -> u64 {
        self.lingering_forgotten
    }

    /// The flows on which somebody waits for a final response, we or a peer.
    pub fn flows_under_way(&self) -> impl Iterator<Item = FlowId> {
        let servers = self.servers_by_id.values().filter(|server| server.machine.expects_final());
        let clients = self.clients_by_id.values().filter(|client| client.machine.expects_final());
        servers.map(|server| server.flow).chain(clients.map(|client| client.flow))
    }

    /// Whether a received request still waits for its final response. What only absorbs retransmissions owes nothing.
    pub fn owes_final(&self) -> bool {
        self.servers_by_id.values().any(|server| server.machine.expects_final())
    }

    /// Whether nothing is left of transactions that have ended.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.counts() == (0, 0)
            && self.server_ids_by_key.is_empty()
            && self.invites_by_flow.is_empty()
            && self.clients_by_flow.is_empty()
    }
}

/// The time to ask for, unless one that is no later has been asked for: the caller's heap cannot forget.
fn newly_scheduled(scheduled: &mut Option<Instant>, next: Option<Instant>) -> Option<Instant> {
    let at = next.filter(|next| scheduled.is_none_or(|scheduled| *next < scheduled))?;
    *scheduled = Some(at);
    Some(at)
}

/// The one that began first, where there are too many by now: what is under way matters more.
fn begin<Id: Copy + Ord>(lingering: &mut BTreeSet<Id>, id: Id, max: usize) -> Option<Id> {
    lingering.insert(id);
    lingering.first().copied().filter(|_| lingering.len() > max)
}

fn on_flow<Id: Copy + Ord>(index: &BTreeSet<(FlowId, Id)>, flow: FlowId, ids: RangeInclusive<Id>) -> Vec<Id> {
    index.range((flow, *ids.start())..=(flow, *ids.end())).map(|(_, id)| *id).collect()
}

const SERVER_IDS: RangeInclusive<ServerTransactionId> = ServerTransactionId(0)..=ServerTransactionId(u64::MAX);
const CLIENT_IDS: RangeInclusive<ClientTransactionId> =
    ClientTransactionId { serial: 0, cancel: false }..=ClientTransactionId { serial: u64::MAX, cancel: true };
