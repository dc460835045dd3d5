//! One worker's core: takes an input, lets the machines work, and settles what they put out.
//!
//! What lives here is the dispatch and the order of things. Requests as they arrive are `acceptor`'s, what a target's
//! owner does with them is `owner`'s, connections to partners are `links`'.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use conference::schedule::Meetings;
use federation::admission::Organisation;
use federation::decision::Decisions;
use federation::discovery::{DiscoveryCache, KnownHosts};
use federation::flow::{Direction, FlowFacts, FlowKind};
use federation::ledger::{DiscoveredTerms, KeptSuspect, LedgerLimits, Ledgers};
use federation::look_alike::TrustedNames;
use federation::partner::Partners;
use messaging::{Pager, Queues, StoreAndForward};
use presence::PresenceAgent;
use registrar::{BindingSummary, EdgeFlow, LocationService};
use sip::auth::NonceBook;
use sip::transaction::{Timers, TransactionLayer, TransactionLimits, TransactionOutput};
use sip::{Aor, FlowId, Message, Transport};

use crate::acceptor::Acceptor;
use crate::agent::Asked;
use crate::aliases::Aliases;
use crate::b2bua::Between;
use crate::call_record::CallKind;
use crate::calls::Calls;
use crate::conferences::Conferences;
use crate::counts::CoreCounts;
use crate::elsewhere::{EndedFlows, Orphans};
use crate::failover::Failover;
use crate::flow_table::{FlowTable, Whereabouts};
use crate::gateway::Gateways;
use crate::handoff::Responder;
use crate::links::Links;
use crate::owner::Owner;
use crate::partner_status::PartnerCounts;
use crate::presence::Watcher;
use crate::proven_phones::ProvenPhones;
use crate::reach::Reaches;
use crate::records::Records;
use crate::refresh::StaleTold;
use crate::remote::Remotes;
use crate::replacing::Proxied;
use crate::schedule::{Machine, Schedule};
use crate::stateless::{ProvenAddresses, Surplus};
use crate::strangers::Strangers;
use crate::token::Mint;
use crate::waiting::Waiters;
use crate::{CallSettings, CoreStatus, Handoff, Input, Limits, Output, Ownership, Requester, WorkerId};

/// What a worker is told when it starts.
#[derive(Debug, Clone)]
pub struct CoreConfig {
    pub worker: WorkerId,
    pub workers: u16,
    pub organisation: Arc<Organisation>,
    /// In the order that the `listener` of a datagram flow counts.
    pub listeners: Vec<Listener>,
    /// Signs our tokens: the same on every worker, and kept over restarts.
    pub secret: [u8; 32],
    /// What an edge shares with the others of its home.
    pub pool_secret: Option<[u8; 32]>,
    /// Counts the starts of this server: flows of an earlier one are gone.
    pub incarnation: u32,
    /// The moment that monotonic time is counted from, and what the clock said then.
    pub epoch: Instant,
    pub epoch_unix_ms: u64,
    pub partners: Arc<Partners>,
    pub meetings: Arc<Meetings>,
    pub calls: CallSettings,
    pub discovered: DiscoveredTerms,
    /// Discovered partners that were suspect when the server ended.
    pub suspects: Arc<Vec<KeptSuspect>>,
    pub limits: Limits,
    pub random_seed: u64,
}

/// A socket that this server listens on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listener {
    pub transport: Transport,
    pub address: SocketAddr,
    /// Of the inner side.
    pub is_inner: bool,
}

/// The engine of one worker. Feed it, drain it, wake it.
pub struct Core {
    pub(crate) ownership: Ownership,
    pub(crate) organisation: Arc<Organisation>,
    pub(crate) listeners: Vec<Listener>,
    pub(crate) limits: Limits,
    pub(crate) mint: Mint,
    pub(crate) partners: Arc<Partners>,
    pub(crate) meetings: Arc<Meetings>,
    pub(crate) nonces: NonceBook,
    pub(crate) discovery: DiscoveryCache,
    pub(crate) hosts: KnownHosts,
    pub(crate) stale_told: StaleTold,
    pub(crate) flows: FlowTable,
    pub(crate) transactions: TransactionLayer,
    pub(crate) acceptor: Acceptor,
    pub(crate) surplus: Surplus,
    pub(crate) proven_addresses: ProvenAddresses,
    pub(crate) strangers: Strangers,
    pub(crate) remotes: Remotes,
    pub(crate) proven_phones: ProvenPhones,
    pub(crate) owner: Owner,
    pub(crate) links: Links,
    pub(crate) aliases: Aliases,
    pub(crate) ended_flows: EndedFlows,
    pub(crate) orphans: Orphans,
    pub(crate) failover: Failover,
    pub(crate) reaches: Reaches,
    pub(crate) discovered: DiscoveredTerms,
    pub(crate) ledgers: Ledgers,
    /// Made when somebody comes who is not among them; forgotten when the partners change.
    pub(crate) trusted_names: Option<TrustedNames>,
    /// Those with a policy or group of their own, as tokens name them; made and forgotten likewise.
    pub(crate) users_with_terms: Option<BTreeMap<u64, Aor>>,
    pub(crate) counts: CoreCounts,
    pub(crate) counts_by_partner: BTreeMap<String, PartnerCounts>,
    pub(crate) location: LocationService,
    pub(crate) pager: Pager,
    pub(crate) store_and_forward: StoreAndForward,
    pub(crate) queues: Queues,
    pub(crate) presence: PresenceAgent<Watcher>,
    pub(crate) calls: Calls,
    pub(crate) asked: Asked,
    pub(crate) conferences: Conferences,
    pub(crate) between: Between,
    pub(crate) proxied: Proxied,
    pub(crate) call_settings: CallSettings,
    pub(crate) gateways: Gateways,
    pub(crate) records: Records,
    /// Stored messages sent again because it was never recorded what became of them.
    pub(crate) stored_repeats: u64,
    pub(crate) decisions: Decisions,
    pub(crate) schedule: Schedule,
    /// The registrar's entry in the schedule, so that not every REGISTER adds one.
    registrar_wakes_at: Option<Instant>,
    /// A NOTIFY has its answer: the next one of its subscription may be due.
    pub(crate) watchers_answered: bool,
    /// The presence agent's, likewise.
    presence_wakes_at: Option<Instant>,
    pub(crate) waiters: Waiters,
    outputs: VecDeque<Output>,
    /// A moment, and what the clock of the machine said then.
    clock: (Instant, u64),
    random_state: u64,
    /// Counts the numbers that nobody is to guess: who sees one learns of no other.
    pub(crate) unguessable: u64,
    pub(crate) undeliverable: u64,
    /// New requests outside of dialogs are refused.
    pub(crate) is_draining: bool,
}

impl Core {
    pub fn new(config: CoreConfig) -> Core {
        let limits = config.limits;
        let transaction_limits = TransactionLimits {
            server_max: limits.server_transactions_max,
            client_max: limits.client_transactions_max,
            lingering_max: limits.lingering_transactions_max,
        };
        let mut mint = Mint::new(&config.secret, config.worker, config.incarnation);
        config.pool_secret.iter().for_each(|secret| mint.use_pool_secret(secret));
        let ownership = Ownership { worker: config.worker, workers: config.workers };
        let ledgers = restored(&ownership, config.discovered, &limits.ledgers, &config.suspects);
        let nonce_life = Duration::from_secs(limits.nonce_secs);
        Core {
            ownership,
            organisation: config.organisation,
            listeners: config.listeners,
            partners: config.partners,
            meetings: config.meetings,
            nonces: NonceBook::new(mint.nonce_secret(), config.epoch, nonce_life, limits.nonces_max),
            mint,
            discovery: DiscoveryCache::new(),
            hosts: KnownHosts::default(),
            stale_told: StaleTold::new(),
            flows: FlowTable::default(),
            transactions: TransactionLayer::new(Timers::default(), transaction_limits),
            acceptor: Acceptor::default(),
            surplus: Surplus::default(),
            proven_addresses: ProvenAddresses::default(),
            strangers: Strangers::default(),
            remotes: Remotes::default(),
            proven_phones: ProvenPhones::default(),
            owner: Owner::new(config.incarnation),
            links: Links::default(),
            aliases: Aliases::default(),
            ended_flows: EndedFlows::default(),
            orphans: Orphans::default(),
            failover: Failover::default(),
            reaches: Reaches::default(),
            discovered: config.discovered,
            ledgers,
            trusted_names: None,
            users_with_terms: None,
            counts: CoreCounts::default(),
            counts_by_partner: BTreeMap::new(),
            location: LocationService::new(limits.registrar.clone()),
            pager: Pager::new(limits.pager.clone()),
            store_and_forward: StoreAndForward::new(limits.store_and_forward.clone()),
            queues: Queues::new(limits.store_and_forward.empty_queues_max),
            calls: Calls::default(),
            asked: Asked::new(config.incarnation),
            conferences: Conferences::new(config.incarnation),
            between: Between::new(config.incarnation),
            proxied: Proxied::default(),
            call_settings: config.calls,
            gateways: Gateways::new(config.incarnation),
            records: Records::default(),
            presence: PresenceAgent::new(limits.presence.clone(), config.incarnation),
            stored_repeats: 0,
            decisions: Decisions::new(limits.decisions_max),
            schedule: Schedule::default(),
            registrar_wakes_at: None,
            watchers_answered: false,
            presence_wakes_at: None,
            waiters: Waiters::default(),
            outputs: VecDeque::new(),
            clock: (config.epoch, config.epoch_unix_ms),
            random_state: config.random_seed | 1,
            unguessable: u64::from(config.incarnation) << 32,
            undeliverable: 0,
            is_draining: false,
            limits,
        }
    }

    /// Takes one input. Drain [`Core::poll_output`] before the next one.
    pub fn handle_input(&mut self, now: Instant, input: Input) {
        match input {
            Input::FlowOpened(facts) => self.flow_opened(now, facts),
            Input::FlowBroke { flow, how } => self.links.flow_broke(flow, how),
            Input::FlowClosed(flow) => self.flow_closed(now, flow),
            Input::Message { flow, message } => {
                if let Some(facts) = self.flows.get(flow).map(|state| state.facts.clone()) {
                    self.handle_message(now, facts, message);
                }
            }
            Input::Datagram { facts, message } => self.handle_datagram(now, facts, message),
            Input::Answer { id, answer } => self.handle_answer(now, id, Some(answer)),
            Input::Media(event) => self.handle_media(now, event),
            Input::Handoff(handoff) => self.handle_handoff(now, handoff),
            Input::Partners(partners) => self.replace_partners(now, partners),
            Input::Meetings(meetings) => self.replace_meetings(now, meetings),
            Input::UserRemoved(aor) => self.user_removed(now, &aor),
            // Whoever opens one is, or says to be, one of ours.
            Input::WebSocketRefused(word) => self.counts.refused(Direction::Outbound, word),
            Input::Clock { unix_ms } => self.clock = (now, unix_ms),
            Input::Drain => self.drain(now),
        }
        self.settle(now);
    }

    /// Wakes every machine whose time has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(machine) = self.schedule.pop_due(now) {
            match machine {
                Machine::Transaction(key) => self.transactions.handle_timeout(now, key),
                Machine::Context(id) => self.wake_context(now, id),
                Machine::Waiting(id) => self.give_up_waiting(now, id),
                Machine::Asked(serial) => self.give_up_asking(now, serial),
                Machine::Conference(serial) => self.wake_conference(now, serial),
                Machine::Call(serial) => self.wake_call(now, serial),
                Machine::Gateway(serial) => self.wake_gateway(now, serial),
                Machine::Undecided(flow) => self.close_undecided(now, flow),
                Machine::Discovery => self.refresh_discovery(now),
                Machine::Dial(serial) => self.dial_beside(now, serial),
                Machine::Registrar => self.location.expire(now),
                Machine::Presence => self.presence.handle_timeout(now),
                Machine::Settlement(settlement) => self.record_settled(now, settlement),
                Machine::Queues => self.wake_queues(now),
                Machine::Draining => self.let_go_of_idle_flows(now),
            }
            self.settle(now);
        }
    }

    /// When to call [`Core::handle_timeout`] at the latest.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.schedule.next()
    }

    /// The next thing for the shell to do, in order.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The certified name of this server, as refusals say it.
    pub fn edge(&self) -> &str {
        &self.organisation.edge
    }

    pub fn decisions(&self) -> &Decisions {
        &self.decisions
    }

    pub fn bindings(&self, now: Instant) -> Vec<BindingSummary> {
        self.location.summaries(now)
    }

    pub fn worker(&self) -> WorkerId {
        self.ownership.worker
    }

    /// The domain of a partner that a flow of this worker speaks for, once a request on it was admitted.
    pub fn partner_of(&self, flow: FlowId) -> Option<&str> {
        self.flows.get(flow)?.partner.as_deref()
    }

    /// What was done since the start.
    pub fn counts(&self) -> &CoreCounts {
        &self.counts
    }

    pub fn status(&self) -> CoreStatus {
        CoreStatus { links: self.links.statuses(), ..self.load() }
    }

    /// The status without the connections to partners, of which there may be many.
    pub fn load(&self) -> CoreStatus {
        let (server_transactions, client_transactions) = self.transactions.counts();
        let of_kind = |kind| self.flows.iter().filter(|flow| flow.kind == kind).count();
        let (partners_away, monitored_partners_away) = self.count_away();
        CoreStatus {
            worker: self.ownership.worker,
            flows: self.flows.iter().count(),
            client_flows: of_kind(FlowKind::Client),
            partner_flows: of_kind(FlowKind::Partner),
            server_transactions,
            client_transactions,
            response_contexts: self.owner.contexts(),
            waiting: self.waiters.awaited(),
            bindings: self.location.len(),
            watchers: self.presence.watchers(),
            publications: self.presence.publications(),
            conferences: self.conferences.len(),
            agent_requests: self.asked.unanswered(),
            calls_under_way: self.records.under_way(CallKind::Call),
            message_sessions_under_way: self.records.under_way(CallKind::Messages),
            meeting_calls_under_way: self.records.under_way(CallKind::Meeting),
            queues_draining: self.queues.drains(),
            stored_repeats: self.stored_repeats,
            calls_between: self.between.len(),
            timers: self.schedule.len(),
            undeliverable: self.undeliverable,
            links_by_state: self.links.counts_by_state(),
            partner_servers_failed: self.failover.health.len(),
            partners_away,
            monitored_partners_away,
            discovered_partners: self.ledgers.len(),
            suspect_partners: self.ledgers.suspects(),
            is_draining: self.is_draining,
            links: Vec::new(),
        }
    }

    /// Whether nobody waits for anything that this worker would still do. What only absorbs or passes on repeats does
    /// not count, nor does a dialog: it outlives the server.
    pub fn is_idle(&self) -> bool {
        self.waiters.is_empty() && !self.transactions.owes_final()
    }

    /// A message from outside, on whichever flow and worker it came.
    fn handle_message(&mut self, now: Instant, facts: FlowFacts, message: Message) {
        if message.is_request() {
            self.accept(now, &facts, message);
        } else {
            self.target_answered(now, facts.id, &message);
            let is_certified = facts.secure_certificate().is_some();
            let from = Responder { flow: facts.id, is_certified, is_inner: facts.is_inner };
            self.handle_response(now, from, message);
        }
    }

    /// A datagram may have reached any worker; responses find their owner by their branch.
    fn handle_datagram(&mut self, now: Instant, facts: FlowFacts, message: Message) {
        let owner = message.call_id().map(|call_id| self.ownership.of_datagrams(call_id));
        match owner {
            Ok(owner) if message.is_request() && !self.ownership.is_ours(owner) => {
                self.hand(owner, Handoff::Datagram { facts, message: Box::new(message) });
            }
            _ => self.handle_message(now, facts, message),
        }
    }

    fn handle_handoff(&mut self, now: Instant, handoff: Handoff) {
        match handoff {
            Handoff::Datagram { facts, message } => self.handle_message(now, facts, *message),
            Handoff::Request(request) => self.own(now, *request),
            Handoff::Redirected(request) => self.redirected(now, *request),
            Handoff::Metered { request, in_dialog } => self.meter_handed(now, *request, in_dialog),
            Handoff::Missed { certificate, user } => self.count_missed(now, &certificate, user),
            Handoff::TurnedTo { user, domain } => drop(self.ledgers.turned_to(user, &domain)),
            // On the way that its request took.
            Handoff::Cancel { owner, .. } if !self.ownership.is_ours(owner) => self.hand(owner, handoff),
            Handoff::Cancel { upstream, .. } => self.cancel_owned(now, upstream),
            Handoff::Respond { to, status, response, source } => self.respond_here(now, to, status, response, source),
            Handoff::Response { from, message } => self.handle_response(now, from, *message),
            Handoff::Transmit { flow, bytes } => self.transmit_handed(now, flow, bytes),
            Handoff::FlowMoved { flow, kind, users } => {
                if let Some(state) = self.flows.get_mut(flow) {
                    state.kind = kind;
                    state.users = users;
                }
            }
            Handoff::FlowEnded { flow } => self.flow_ended_elsewhere(now, flow),
            Handoff::Alias { domain, alias } => self.aliases.insert(&domain, *alias),
            Handoff::Orphans { orphans, worker } => self.hear_of_orphans(now, orphans, worker),
            Handoff::CancelOrphan { server } => self.cancel(now, server),
            Handoff::RespondOverLink { domain, connection, bytes } => {
                self.respond_over_link(now, self.partner_link(&domain, connection), bytes);
            }
            Handoff::Engaged { aor, engagement, is_under_way } => {
                self.change_engagement(now, &aor, engagement, is_under_way);
            }
            Handoff::Gateway { user, peer, agent, is_open } => self.list_gateway(user, peer, agent, is_open),
            Handoff::Registered { aor, is_new_flow } => self.registration_answered(now, aor, is_new_flow),
            Handoff::CallRecord(news) => self.hear_of_call(now, news),
            Handoff::WatchPartner { domain, watcher } => self.failover.watch(domain, watcher),
            Handoff::PartnerReach { domain, reach } => self.tell_reach(now, domain, reach),
            Handoff::PartnerNames { domain, is_stale } => self.tell_names(domain, is_stale),
            Handoff::PhoneGone { edge, number } => self.phone_lost(EdgeFlow { edge, number }),
            Handoff::PhoneProven { edge, number, user, secs } => {
                self.phone_proven(now, EdgeFlow { edge, number }, (user, secs));
            }
            Handoff::PartnerHeard { domain } => {
                self.failover.health.forget(&domain);
            }
        }
    }

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
    fn transmit_handed(&mut self, now: Instant, flow: FlowId, bytes: Bytes) {
        match self.flows.whereabouts_handed(flow) {
            Whereabouts::Here => self.put(Output::Transmit { flow, bytes }),
            Whereabouts::At(to) => self.hand(to, Handoff::Transmit { flow, bytes }),
            Whereabouts::Gone => self.transmit_elsewhere(now, flow, bytes),
        }
    }

    pub(crate) fn put(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    /// With numbers that nobody can guess, each another.
    pub(crate) fn with_random<T>(&mut self, act: impl FnOnce(&mut dyn FnMut() -> u64) -> T) -> T {
        let (mint, serial) = (&self.mint, &mut self.unguessable);
        act(&mut || {
            *serial += 1;
            mint.unguessable(*serial)
        })
    }

    pub(crate) fn hand(&mut self, to: WorkerId, handoff: Handoff) {
        self.put(Output::Handoff { to, handoff });
    }

    /// The port of ours that a peer reaches us on, for a flow over this transport.
    pub(crate) fn listening_port(&self, transport: Transport) -> u16 {
        self.listeners
            .iter()
            .find(|listener| listener.transport == transport && !listener.is_inner)
            .map_or(DEFAULT_TLS_PORT, |listener| listener.address.port())
    }

    /// The same for the inner side; there we may have no listener of this transport, and answers come as they went.
    pub(crate) fn inner_port(&self, transport: Transport) -> u16 {
        let inner = || self.listeners.iter().filter(|listener| listener.is_inner);
        let found = inner().find(|listener| listener.transport == transport).or_else(|| inner().next());
        found.map_or_else(|| transport.default_port(), |listener| listener.address.port())
    }

    /// The port of ours in a flow: of a connection that we opened, the one we listen on.
    pub(crate) fn our_port(&self, facts: &FlowFacts) -> u16 {
        match facts.direction {
            Direction::Inbound => facts.local.port(),
            Direction::Outbound if facts.is_inner => self.inner_port(facts.transport),
            Direction::Outbound => self.listening_port(facts.transport),
        }
    }

    /// Milliseconds since 1970, by the clock as it was read last.
    pub fn unix_ms(&self, now: Instant) -> u64 {
        let (read_at, unix_ms) = self.clock;
        let elapsed = now.saturating_duration_since(read_at).as_millis();
        unix_ms.saturating_add(u64::try_from(elapsed).unwrap_or(u64::MAX))
    }

    /// A number below `bound`, for the weights of RFC 2782: even spread matters here, not secrecy.
    pub(crate) fn draw(&mut self) -> impl FnMut(u32) -> u32 + use<> {
        self.random_state = step(self.random_state);
        let mut state = self.random_state;
        move |bound| {
            state = step(state);
            u32::try_from((state >> 11) % u64::from(bound.max(1))).expect("the remainder of a u32 fits")
        }
    }
}

/// The ledgers of suspects that this worker owns.
fn restored(ownership: &Ownership, terms: DiscoveredTerms, limits: &LedgerLimits, suspects: &[KeptSuspect]) -> Ledgers {
    let mut ledgers = Ledgers::new(terms, limits.clone(), ownership.workers);
    let ours = suspects.iter().filter(|suspect| ownership.is_ours(ownership.of_ledger(&suspect.certificate)));
    ours.for_each(|suspect| ledgers.restore(suspect.clone()));
    ledgers
}

/// Xorshift64.
fn step(mut state: u64) -> u64 {
    state ^= state << 13;
    state ^= state >> 7;
    state ^ (state << 17)
}

const DEFAULT_TLS_PORT: u16 = 5061;
