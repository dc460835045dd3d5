//! One organisation: its workers, what outlives them, and what the shell would hold for them.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use bytes::BytesMut;
use conference::ConferenceId;
use conference::schedule::{Meeting, Meetings};
use federation::admission::Organisation;
use federation::flow::FlowFacts;
use federation::partner::{Partner, Partners};
use signaling::{CallSettings, Core, CoreConfig, Limits, Listener};
use sip::auth::Ha1;
use sip::{Aor, FlowId, Framer, Transport};

use crate::identity::Identity;
use crate::message_store::MessageStore;
use crate::network::Place;
use crate::sound::Sound;

/// Servers of one domain.
pub(crate) struct Site {
    pub organisation: Arc<Organisation>,
    pub address: SocketAddr,
    pub identity: Identity,
    pub users: BTreeMap<Aor, Ha1>,
    pub messages: MessageStore,
    pub sound: Sound,
    /// What its store was given to keep of calls.
    pub records: Vec<signaling::Record>,
    pub partners: Vec<Partner>,
    pub discovery: bool,
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
}

/// A stream, as the organisation at its end holds it.
pub(crate) struct Stream {
    pub worker: u16,
    pub facts: FlowFacts,
    pub far_place: Place,
    /// On its way to another worker: nothing is read from it.
    pub is_moving: bool,
    /// What is written on it vanishes.
    pub is_mute: bool,
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
                Listener { transport: Transport::Tls, address },
                Listener { transport: Transport::Udp, address: SocketAddr::new(address.ip(), 5060) },
            ],
            secret: [number; 32],
            incarnation: 1,
            epoch: now,
            epoch_unix_ms: unix_ms,
            partners: table.clone(),
            meetings: Arc::default(),
            calls: CallSettings::default(),
            limits: Limits::default(),
            random_seed: random_seed.wrapping_add(u64::from(worker)),
        };
        let configs: Vec<CoreConfig> = (0..workers).map(config).collect();
        Site {
            organisation,
            address,
            identity: Identity::new(&[&edge]),
            users: BTreeMap::new(),
            messages: MessageStore::default(),
            sound: Sound::default(),
            meetings: BTreeMap::new(),
            records: Vec::new(),
            partners,
            discovery,
            cores: configs.iter().cloned().map(Core::new).collect(),
            configs,
            streams: BTreeMap::new(),
            ended: (0..workers).map(|_| VecDeque::new()).collect(),
            moving: (0..workers).map(|_| None).collect(),
            is_unreadable: false,
            is_draining: false,
            down_until: None,
        }
    }

    /// What the store and comity.toml say of partners.
    pub fn table(&self) -> Arc<Partners> {
        Arc::new(Partners::new(self.partners.clone(), true, self.discovery))
    }

    /// What the store says of meetings.
    pub fn meetings_table(&self) -> Arc<Meetings> {
        Arc::new(Meetings::new(self.meetings.values().cloned()))
    }

    /// In place of what was kept of it before.
    pub fn keep_meeting(&mut self, meeting: Meeting) {
        self.meetings.insert(meeting.id.clone(), meeting);
    }

    /// The server was killed and starts again: what was in memory is gone, what was stored is not.
    pub fn start_again(&mut self) {
        let (table, meetings) = (self.table(), self.meetings_table());
        for config in &mut self.configs {
            config.incarnation += 1;
            config.partners = table.clone();
            config.meetings = meetings.clone();
        }
        self.cores = self.configs.iter().cloned().map(Core::new).collect();
        self.ended.iter_mut().for_each(VecDeque::clear);
        self.moving.iter_mut().for_each(|moving| *moving = None);
    }

    /// What the store says of users.
    pub fn look_up<T>(&self, find: impl FnOnce(&BTreeMap<Aor, Ha1>) -> T) -> Result<T, String> {
        if self.is_unreadable { Err("it is broken".to_owned()) } else { Ok(find(&self.users)) }
    }

    pub fn incarnation(&self) -> u32 {
        self.configs[0].incarnation
    }

    pub fn is_up(&self, now: Instant) -> bool {
        self.down_until.is_none_or(|until| until <= now)
    }

    pub fn workers(&self) -> u16 {
        u16::try_from(self.cores.len()).expect("few workers")
    }

    pub fn domain(&self) -> &str {
        &self.organisation.domains[0]
    }
}

impl Stream {
    pub fn new(worker: u16, facts: FlowFacts, far_place: Place) -> Stream {
        let (framer, buffer) = (Framer::default(), BytesMut::new());
        Stream { worker, facts, far_place, is_moving: false, is_mute: false, framer, buffer }
    }
}

/// By its place in the list of listeners.
pub(crate) const UDP_LISTENER: u8 = 1;
