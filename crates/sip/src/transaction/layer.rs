//! Maps requests, responses and times to their transactions (RFC 3261 section 17). What a transaction does then is its
//! machine's; nothing here looks at states.
//!
//! The tables are ordered maps, so that no peer can choose keys that collide.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::RangeInclusive;
use std::time::Instant;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use super::client_invite::ClientInvite;
use super::client_non_invite::ClientNonInvite;
use super::machine::{ClientMachine, ServerMachine};
use super::matching::{MatchKey, method_of};
use super::server_invite::{AckOutcome, ServerInvite};
use super::server_non_invite::ServerNonInvite;
use super::timers::Turn;
use super::{
    ClientTransactionId, Failure, Full, NoTransaction, RequestOutcome, ResponseOutcome, ServerTransactionId, Timers,
    TransactionKey, TransactionLimits, TransactionOutput,
};
use crate::build;
use crate::error::ParseError;
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

    /// No final response will come after all.
    pub fn fail(&mut self, id: ClientTransactionId) {
        if self.clients_by_id.get(&id).is_some_and(|client| client.machine.expects_final()) {
            self.outputs.push_back(TransactionOutput::ClientFailed { id, failure: Failure::TransportFailed });
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

// Server side.
impl TransactionLayer {
    fn handle_ack(&mut self, now: Instant, request: &Message) -> Result<RequestOutcome, ParseError> {
        let key = MatchKey::new(request, &Method::Invite)?;
        let id = self.server_ids_by_key.get(&key).copied();
        let outcome = id.and_then(|id| self.with_server(now, id, |machine, turn| machine.handle_ack(turn)));
        Ok(match outcome {
            Some(AckOutcome::Absorbed) => RequestOutcome::Absorbed,
            Some(AckOutcome::For2xx) | None => RequestOutcome::AckFor2xx,
        })
    }

    /// RFC 3261 section 9.2. The CANCEL is a transaction of its own, so that its retransmissions are absorbed.
    fn handle_cancel(&mut self, now: Instant, flow: FlowId, cancel: &Message) -> Result<RequestOutcome, ParseError> {
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

    fn handle_other(
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
    fn with_server<R>(
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
            self.remove_server(oldest, true);
        }
        Some(result)
    }

    fn remove_server(&mut self, id: ServerTransactionId, acked: bool) {
        let Some(server) = self.servers_by_id.remove(&id) else { return };
        self.lingering_servers.remove(&id);
        self.server_ids_by_key.remove(&server.key);
        self.invites_by_flow.remove(&(server.flow, id));
        if !matches!(server.machine, ServerMachine::Cancel(_)) {
            self.outputs.push_back(TransactionOutput::ServerEnded { id, acked });
        }
    }

    fn handle_server_timeout(&mut self, now: Instant, id: ServerTransactionId) {
        if let Some(server) = self.servers_by_id.get_mut(&id) {
            server.scheduled = None;
        }
        self.with_server(now, id, |machine, turn| machine.handle_timeout(turn));
    }

    fn is_full(&self) -> bool {
        self.counts().0 >= self.limits.server_max
    }

    fn expects_final(&self, id: ServerTransactionId) -> bool {
        self.servers_by_id.get(&id).is_some_and(|server| server.machine.expects_final_to_invite())
    }

    fn turn(&mut self, now: Instant, flow: FlowId) -> Turn<'_> {
        Turn { now, timers: &self.timers, flow, outputs: &mut self.outputs }
    }
}

// Client side.
impl TransactionLayer {
    /// As [`TransactionLayer::with_server`].
    fn with_client<R>(
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
            self.remove_client(oldest);
        }
        Some(result)
    }

    fn remove_client(&mut self, id: ClientTransactionId) {
        let Some(client) = self.clients_by_id.remove(&id) else { return };
        self.clients_by_flow.remove(&(client.flow, id));
        self.lingering_clients.remove(&id);
        self.outputs.push_back(TransactionOutput::ClientEnded { id });
    }

    fn handle_client_timeout(&mut self, now: Instant, id: ClientTransactionId) {
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

/// The To tag of a response that no dialog follows from: the same for each retransmission (RFC 3261 section 8.2.7).
fn to_tag(key: &MatchKey) -> String {
    let digest = Sha256::digest(key.as_bytes());
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

const SERVER_IDS: RangeInclusive<ServerTransactionId> = ServerTransactionId(0)..=ServerTransactionId(u64::MAX);
const CLIENT_IDS: RangeInclusive<ClientTransactionId> =
    ClientTransactionId { serial: 0, cancel: false }..=ClientTransactionId { serial: u64::MAX, cancel: true };
