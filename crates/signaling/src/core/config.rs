//! What a worker is told when it starts, and the Core that this makes.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use conference::schedule::Meetings;
use federation::admission::{GuessBook, Organisation};
use federation::decision::Decisions;
use federation::discovery::{DiscoveryCache, KnownHosts};
use federation::ledger::{DiscoveredTerms, KeptAnswer, KeptSuspect, LedgerLimits, Ledgers};
use federation::partner::Partners;
use messaging::{Pager, Queues, StoreAndForward};
use presence::PresenceAgent;
use registrar::LocationService;
use sip::Transport;
use sip::auth::NonceBook;
use sip::transaction::{Timers, TransactionLayer, TransactionLimits};

use super::Core;
use crate::acceptor::Acceptor;
use crate::agent::Asked;
use crate::aliases::Aliases;
use crate::b2bua::Between;
use crate::calls::Calls;
use crate::conferences::Conferences;
use crate::counts::CoreCounts;
use crate::elsewhere::{EndedFlows, Orphans};
use crate::failover::Failover;
use crate::flow_shares::FlowShares;
use crate::flow_table::FlowTable;
use crate::gateway::Gateways;
use crate::leg_shares::LegShares;
use crate::links::Links;
use crate::owner::Owner;
use crate::proven_phones::ProvenPhones;
use crate::reach::Reaches;
use crate::records::Records;
use crate::refresh::StaleTold;
use crate::remote::Remotes;
use crate::replacing::Proxied;
use crate::schedule::Schedule;
use crate::stateless::{ProvenAddresses, Surplus};
use crate::strangers::Strangers;
use crate::token::Mint;
use crate::waiting::Waiters;
use crate::{CallSettings, Limits, Ownership, WorkerId};

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
    /// Who has answered whom: first to whom users have turned, then who has knocked, the oldest first.
    pub answers: Arc<Vec<KeptAnswer>>,
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
        let ledgers = restored(&ownership, config.discovered, &limits.ledgers, (&config.suspects, &config.answers));
        let nonce_life = Duration::from_secs(limits.nonce_secs);
        Core {
            ownership,
            organisation: config.organisation,
            listeners: config.listeners,
            partners: config.partners,
            meetings: config.meetings,
            nonces: NonceBook::new(mint.nonce_secret(), config.epoch, nonce_life, limits.nonces_max),
            guesses: GuessBook::new(config.epoch),
            mint,
            discovery: DiscoveryCache::new(),
            hosts: KnownHosts::default(),
            stale_told: StaleTold::default(),
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
            leg_shares: LegShares::default(),
            flow_shares: FlowShares::default(),
            proxied: Proxied::default(),
            call_settings: config.calls,
            gateways: Gateways::new(config.incarnation),
            records: Records::default(),
            presence: PresenceAgent::new(limits.presence.clone(), config.incarnation),
            stored_repeats: 0,
            decisions: Decisions::new(limits.decisions_max),
            turned_away: Decisions::new(limits.turned_away_max),
            schedule: Schedule::default(),
            registrar_wakes_at: None,
            watchers_answered: false,
            presence_wakes_at: None,
            discovery_wakes_at: None,
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
}

/// The ledgers that this worker owns, as far as they are known over restarts.
fn restored(
    ownership: &Ownership,
    terms: DiscoveredTerms,
    limits: &LedgerLimits,
    (suspects, answers): (&[KeptSuspect], &[KeptAnswer]),
) -> Ledgers {
    let mut ledgers = Ledgers::new(terms, limits.clone(), ownership.workers);
    let ours = suspects.iter().filter(|suspect| ownership.is_ours(ownership.of_ledger(&suspect.certificate)));
    ours.for_each(|suspect| ledgers.restore(suspect.clone()));
    // To whom users have turned every worker knows.
    let is_ours = |kept: &&KeptAnswer| match kept {
        KeptAnswer::TurnedTo { .. } => true,
        KeptAnswer::Knock { certificate, .. } => ownership.is_ours(ownership.of_ledger(certificate)),
    };
    answers.iter().filter(is_ours).for_each(|kept| ledgers.restore_answer(kept));
    ledgers
}
