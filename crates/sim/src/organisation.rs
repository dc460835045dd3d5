//! One organisation: its workers, what outlives them, and what the shell would hold for them.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use bytes::BytesMut;
use conference::ConferenceId;
use conference::schedule::{Meeting, Meetings};
use federation::admission::Organisation;
use federation::external_access::ExternalAccess;
use federation::flow::FlowFacts;
use federation::ledger::{DiscoveredTerms, KeptAnswer, KeptSuspect};
use federation::partner::{Partner, Partners, Provider};
use signaling::{CallSettings, Core, CoreConfig, Input, Limits, Listener};
use sip::auth::UserHa1;
use sip::{Aor, FlowId, Framer, Transport};

use crate::identity::Identity;
use crate::message_store::MessageStore;
use crate::network::Place;
use crate::sound::Sound;
use crate::world::Condition;

/// Servers of one domain.
pub(crate) struct Site {
    pub organisation: Arc<Organisation>,
    pub address: SocketAddr,
    pub identity: Identity,
    /// Where edge and home are several servers, this one's inner side.
    pub inner: Option<InnerSide>,
    /// Of a home, the edges before it.
    pub edges: Vec<usize>,
    /// Of an edge, its home.
    pub home: Option<usize>,
    /// Shown to partners for domains of its own that the first does not prove.
    pub further_identities: Vec<Identity>,
    pub users: BTreeMap<Aor, UserHa1>,
    pub messages: MessageStore,
    pub sound: Sound,
    /// What its store was given to keep of calls.
    pub records: Vec<signaling::Record>,
    /// What its store keeps of suspects, the newest last.
    pub suspects: Vec<KeptSuspect>,
    /// What its store keeps of who has answered whom.
    pub answers: Vec<KeptAnswer>,
    pub partners: Vec<Partner>,
    pub providers: Vec<Provider>,
    /// The one next hop for whoever's entry names no edge.
    pub default_route: Option<String>,
    /// The policies about its users.
    pub access: ExternalAccess,
    pub discovery: bool,
    pub hides_topology: bool,
    pub configs: Vec<CoreConfig>,
    pub cores: Vec<Core>,
    pub streams: BTreeMap<FlowId, Stream>,
    /// What is kept of its meetings.
    pub meetings: BTreeMap<ConferenceId, Meeting>,
    /// For each worker, streams that ended while its outputs were performed.
    pub ended: Vec<VecDeque<FlowId>>,
    /// For each worker, the stream that is given away with the handoff to come.
    pub moving: Vec<Option<FlowId>>,
    /// The store cannot tell who its users are.
    pub is_unreadable: bool,
    /// Its server is about to end.
    pub is_draining: bool,
    /// Until then nothing answers: it is starting again.
    pub down_until: Option<Instant>,
    /// And until somebody switches it on.
    pub is_switched_off: bool,
    /// How far its clock is from a right one, forward.
    pub clock_off_secs: i64,
    /// Workers that do nothing until then, and what they are to be told.
    stalled: BTreeMap<u16, (Instant, VecDeque<Input>)>,
}

/// One of the servers of an organisation in two, as the others reach it.
pub(crate) struct InnerSide {
    pub address: SocketAddr,
    pub identity: Identity,
}

/// A stream, as the organisation at its end holds it.
pub(crate) struct Stream {
    pub worker: u16,
    pub facts: FlowFacts,
    pub place: Place,
    pub far_place: Place,
    /// On its way to another worker: nothing is read from it.
    pub is_moving: bool,
    /// What is written on it vanishes.
    pub is_mute: bool,
    /// Of the server that accepted it, at that time.
    pub condition: Condition,
    pub framer: Framer,
    pub buffer: BytesMut,
}

/// What an organisation begins with.
pub(crate) struct Beginning {
    pub site: usize,
    pub domain: String,
    pub workers: u16,
    pub partners: Vec<Partner>,
    pub discovery: bool,
    pub now: Instant,
    pub unix_ms: u64,
    pub random_seed: u64,
}

impl Site {
    pub fn new(beginning: Beginning) -> Site {
        let Beginning { site, domain, workers, partners, discovery, now, unix_ms, random_seed } = beginning;
        let edge = format!("sip.{domain}");
        let number = u8::try_from(site + 1).expect("a world of few organisations");
        let address = SocketAddr::from(([192, 0, 2, number], 5061));
        let organisation = Arc::new(Organisation::new(vec![domain], edge.clone()));
        let table = Arc::new(Partners::new(partners.clone(), true, discovery));
        let config = |worker| CoreConfig {
            worker,
            workers,
            organisation: organisation.clone(),
            listeners: vec![
                Listener { transport: Transport::Tls, address, is_inner: false },
                Listener { transport: Transport::Udp, address: SocketAddr::new(address.ip(), 5060), is_inner: false },
            ],
            secret: [number; 32],
            pool_secret: None,
            incarnation: 1,
            epoch: now,
            epoch_unix_ms: unix_ms,
            partners: table.clone(),
            meetings: Arc::default(),
            calls: CallSettings::default(),
            discovered: DiscoveredTerms::default(),
            suspects: Arc::default(),
            answers: Arc::default(),
            limits: Limits::default(),
            random_seed: random_seed.wrapping_add(u64::from(worker)),
        };
        let configs: Vec<CoreConfig> = (0..workers).map(config).collect();
        Site {
            organisation,
            address,
            identity: Identity::new(&[&edge]),
            inner: None,
            edges: Vec::new(),
            home: None,
            further_identities: Vec::new(),
            users: BTreeMap::new(),
            messages: MessageStore::default(),
            sound: Sound::default(),
            meetings: BTreeMap::new(),
            records: Vec::new(),
            suspects: Vec::new(),
            answers: Vec::new(),
            partners,
            providers: Vec::new(),
            default_route: None,
            access: ExternalAccess::default(),
            discovery,
            hides_topology: false,
            cores: configs.iter().cloned().map(Core::new).collect(),
            configs,
            streams: BTreeMap::new(),
            ended: (0..workers).map(|_| VecDeque::new()).collect(),
            moving: (0..workers).map(|_| None).collect(),
            is_unreadable: false,
            is_draining: false,
            down_until: None,
            is_switched_off: false,
            clock_off_secs: 0,
            stalled: BTreeMap::new(),
        }
    }

    /// What the store and comity.toml say of partners.
    pub fn identity_number(&self, number: u16) -> &Identity {
        let further = usize::from(number).checked_sub(1).and_then(|index| self.further_identities.get(index));
        further.unwrap_or(&self.identity)
    }

    pub fn table(&self) -> Arc<Partners> {
        let partners = Partners::new(self.partners.clone(), true, self.discovery);
        let partners = partners.with_providers(self.providers.clone(), &self.organisation.domains);
        let partners = partners.with_default_route(self.default_route.clone());
        Arc::new(partners.with_access(self.access.clone()).with_topology_hidden(self.hides_topology))
    }

    pub fn hides_topology_from(&self, domain: &str) -> bool {
        let entry = self.partners.iter().find(|partner| partner.domain == domain);
        entry.and_then(|entry| entry.hide_topology.said()).unwrap_or(self.hides_topology)
    }

    /// It serves this domain besides. Its server starts anew.
    pub fn serve(&mut self, domain: &str) {
        self.reorganise(|organisation| organisation.domains.push(domain.to_owned()));
    }

    /// It has a certificate with these names besides, which partners are shown for this domain of its own.
    pub fn certify(&mut self, domain: &str, names: &[&str]) {
        self.further_identities.push(Identity::new(names));
        let number = u16::try_from(self.further_identities.len()).expect("a few");
        self.reorganise(|organisation| {
            organisation.certificates_by_domain.insert(domain.to_owned(), number);
        });
    }

    /// It is another organisation from now on, and its server starts anew.
    pub fn reorganise(&mut self, change: impl FnOnce(&mut Organisation)) {
        let mut organisation = (*self.organisation).clone();
        change(&mut organisation);
        self.organisation = Arc::new(organisation);
        for config in &mut self.configs {
            config.organisation = self.organisation.clone();
        }
        self.cores = self.configs.iter().cloned().map(Core::new).collect();
    }

    /// What the store says of meetings.
    pub fn meetings_table(&self) -> Arc<Meetings> {
        Arc::new(Meetings::new(self.meetings.values().cloned()))
    }

    /// In place of what was kept of it before.
    pub fn keep_meeting(&mut self, meeting: Meeting) {
        self.meetings.insert(meeting.id.clone(), meeting);
    }

    /// Those who have turned to somebody before those who have knocked.
    pub fn keep_answer(&mut self, answer: KeptAnswer) {
        self.answers.push(answer);
        self.answers.sort_by_key(|kept| matches!(kept, KeptAnswer::Knock { .. }));
    }

    /// The server was killed and starts again: what was in memory is gone, what was stored is not.
    pub fn start_again(&mut self) {
        let (table, meetings) = (self.table(), self.meetings_table());
        for config in &mut self.configs {
            config.incarnation += 1;
            config.partners = table.clone();
            config.meetings = meetings.clone();
            config.suspects = Arc::new(self.suspects.clone());
            config.answers = Arc::new(self.answers.clone());
        }
        self.cores = self.configs.iter().cloned().map(Core::new).collect();
        self.stalled.clear();
        self.ended.iter_mut().for_each(VecDeque::clear);
        self.moving.iter_mut().for_each(|moving| *moving = None);
    }

    /// Its clock is set.
    pub fn set_clock(&mut self, by_secs: i64) {
        self.clock_off_secs += by_secs;
        for config in &mut self.configs {
            config.epoch_unix_ms = config.epoch_unix_ms.saturating_add_signed(by_secs * 1000);
        }
    }

    pub fn stall(&mut self, worker: u16, until: Instant) {
        self.stalled.entry(worker).or_insert((until, VecDeque::new())).0 = until;
    }

    pub fn is_stalled(&self, worker: u16) -> bool {
        self.stalled.contains_key(&worker)
    }

    /// Gives back what can be told now.
    pub fn keep_if_stalled(&mut self, worker: u16, input: Input) -> Option<Input> {
        match self.stalled.get_mut(&worker) {
            Some((_, kept)) => {
                kept.push_back(input);
                None
            }
            None => Some(input),
        }
    }

    /// What a worker hears that does something again.
    pub fn go_on(&mut self, worker: u16, now: Instant) -> VecDeque<Input> {
        let is_over = self.stalled.get(&worker).is_some_and(|(until, _)| *until <= now);
        let kept = is_over.then(|| self.stalled.remove(&worker)).flatten();
        kept.map(|(_, kept)| kept).unwrap_or_default()
    }

    /// When one of its workers next does something by itself.
    pub fn next_time(&self) -> Option<Instant> {
        let of = |(worker, core): (u16, &Core)| match self.stalled.get(&worker) {
            Some((until, _)) => Some(*until),
            None => core.poll_timeout(),
        };
        (0..).zip(&self.cores).filter_map(of).min()
    }

    /// What the store says of users.
    pub fn look_up<T>(&self, find: impl FnOnce(&BTreeMap<Aor, UserHa1>) -> T) -> Result<T, String> {
        if self.is_unreadable { Err("it is broken".to_owned()) } else { Ok(find(&self.users)) }
    }

    pub fn incarnation(&self) -> u32 {
        self.configs[0].incarnation
    }

    pub fn is_up(&self, now: Instant) -> bool {
        !self.is_switched_off && self.down_until.is_none_or(|until| until <= now)
    }

    pub fn workers(&self) -> u16 {
        u16::try_from(self.cores.len()).expect("few workers")
    }

    pub fn domain(&self) -> &str {
        &self.organisation.domains[0]
    }
}

impl Stream {
    pub fn new(worker: u16, facts: FlowFacts, (place, far_place): (Place, Place)) -> Stream {
        let (framer, buffer) = (Framer::default(), BytesMut::new());
        Stream {
            worker,
            facts,
            place,
            far_place,
            is_moving: false,
            is_mute: false,
            condition: Condition::Well,
            framer,
            buffer,
        }
    }
}

/// By its place in the list of listeners.
pub(crate) const UDP_LISTENER: u8 = 1;
