//! What all workers of a server are started with: read from the configuration, the certificates and the store, once.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use certificates::{Roots, ServedIdentity, TlsAlpn};
use conference::schedule::Meetings;
use federation::admission::Organisation;
use federation::ledger::{DiscoveredTerms, KeptAnswer, KeptSuspect};
use federation::partner::Partners;
use net::media::MediaThreads;
use net::{
    Accounts, DatagramPlaces, Inbox, InsideTls, ListenerSetup, Mailbox, Origins, Resolver, TlsClients, WorkerSetup,
};
use signaling::{CallSettings, CoreConfig, Listener, WorkerId};
use sip::Transport;
use store::{Store, StoreError};

use crate::between;
use crate::certificate;
use crate::certificate_service::CertificateService;
use crate::config::{Config, MediaAt};
use crate::control::{FederationTerms, meetings_of, partners_of};
use crate::domain_trust;
use crate::start_error::StartError;

/// What all workers are started with.
pub(crate) struct Start {
    organisation: Arc<Organisation>,
    partners: Arc<Partners>,
    meetings: Arc<Meetings>,
    calls: CallSettings,
    connections_per_partner: u16,
    /// How many legs of sound there are; `None`: edges have them.
    legs: Option<usize>,
    discovered: DiscoveredTerms,
    suspects: Arc<Vec<KeptSuspect>>,
    answers: Arc<Vec<KeptAnswer>>,
    listeners: Vec<ListenerSetup>,
    datagram_places: Arc<DatagramPlaces>,
    origins: Arc<Origins>,
    challenges: TlsAlpn,
    tls_clients: TlsClients,
    roots: Roots,
    pub(crate) inside: Option<InsideTls>,
    inner_identity: Arc<ServedIdentity>,
    pub(crate) resolver: Resolver,
    secret: [u8; 32],
    pool_secret: Option<[u8; 32]>,
    incarnation: u32,
    pub(crate) epoch: Instant,
    pub(crate) epoch_unix_ms: u64,
}

impl Start {
    pub(crate) fn from_store(
        config: &Config,
        certificate: &CertificateService,
        (roots, challenges): (Roots, TlsAlpn),
    ) -> Result<Start, StartError> {
        let store = Store::open(&config.store_path())?;
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let (identity, inner_identity) = (certificate.served(), certificate.served_inside());
        let inside = certificate::inside(config, inner_identity, &roots)?;
        let told = between::prepare(&store, config)?;
        Ok(Start {
            organisation: Arc::new(Organisation {
                certificates_by_domain: certificate::by_domain(config, identity, &roots),
                certificates_by_partner: certificate::by_partner(config),
                ..config.organisation()
            }),
            roots: {
                domain_trust::enforce(&roots, &domain_trust::authorities(&store)?);
                roots
            },
            partners: Arc::new(partners_of(&store, &FederationTerms::of(config))?),
            meetings: Arc::new(meetings_of(&store)?),
            calls: config.calls,
            connections_per_partner: config.federation.connections_per_partner,
            legs: (config.media.at == MediaAt::Here).then(|| usize::from(config.media.ports.pairs())),
            discovered: told.as_ref().map_or(config.discovered, |told| told.rules.discovered),
            suspects: Arc::new(store.suspects(since_1970.as_millis().try_into().unwrap_or(i64::MAX))?),
            answers: Arc::new(store.answers(since_1970.as_millis().try_into().unwrap_or(i64::MAX))?),
            listeners: listeners(config, identity, inner_identity)?,
            datagram_places: Arc::default(),
            origins: Arc::new(config.origins.clone()),
            challenges,
            tls_clients: certificate::clients(identity, &certificate.served_to_partners())?,
            inside,
            inner_identity: inner_identity.clone(),
            resolver: Resolver::new(&config.dns)?,
            secret: store.secret(rand::random())?,
            pool_secret: told.map(|told| told.pool_secret.0),
            incarnation: next_incarnation(&store, since_1970)?,
            epoch: Instant::now(),
            epoch_unix_ms: u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX),
        })
    }

    /// What the inner side has to show, and whom it believes.
    pub(crate) fn inner(&self) -> (&Arc<ServedIdentity>, Option<&InsideTls>, &Resolver) {
        (&self.inner_identity, self.inside.as_ref(), &self.resolver)
    }

    pub(crate) fn core(&self, worker: WorkerId, workers: u16) -> CoreConfig {
        let listener = |setup: &ListenerSetup| {
            let ListenerSetup { transport, address, is_inner, .. } = *setup;
            Listener { transport, address, is_inner }
        };
        CoreConfig {
            worker,
            workers,
            organisation: self.organisation.clone(),
            listeners: self.listeners.iter().map(listener).collect(),
            secret: self.secret,
            pool_secret: self.pool_secret,
            incarnation: self.incarnation,
            epoch: self.epoch,
            epoch_unix_ms: self.epoch_unix_ms,
            partners: self.partners.clone(),
            meetings: self.meetings.clone(),
            calls: self.calls,
            discovered: self.discovered,
            suspects: self.suspects.clone(),
            answers: self.answers.clone(),
            limits: signaling::Limits {
                partner_connections: self.connections_per_partner,
                ..self.legs.map_or_else(signaling::Limits::default, |legs| {
                    signaling::Limits::default().with_legs(legs, workers)
                })
            },
            random_seed: rand::random(),
        }
    }

    pub(crate) fn worker(
        &self,
        core: CoreConfig,
        (accounts, media): (&Arc<dyn Accounts>, &MediaThreads),
        mailboxes: &[Mailbox],
        inbox: Inbox,
    ) -> WorkerSetup {
        WorkerSetup {
            core,
            listeners: self.listeners.clone(),
            datagram_places: self.datagram_places.clone(),
            origins: self.origins.clone(),
            challenges: self.challenges.clone(),
            tls_clients: self.tls_clients.clone(),
            roots: self.roots.clone(),
            inside: self.inside.clone(),
            resolver: self.resolver.clone(),
            accounts: accounts.clone(),
            media: media.clone(),
            mailboxes: mailboxes.to_vec(),
            inbox,
            limits: net::Limits::default(),
        }
    }
}

/// A new life begins: of calls of the one before nobody will say any more when they were over.
fn next_incarnation(store: &Store, since_1970: Duration) -> Result<u32, StoreError> {
    store.close_open_calls(u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX))?;
    store.next_incarnation()
}

/// Each TLS listener has a configuration of its own, so that no session crosses between listeners.
fn listeners(
    config: &Config,
    outer: &Arc<ServedIdentity>,
    inner: &Arc<ServedIdentity>,
) -> Result<Vec<ListenerSetup>, StartError> {
    let outer_balancers = Arc::new(config.listen.proxy_from.clone());
    let inner_balancers = Arc::new(config.inside.as_ref().map(|inside| inside.proxy_from.clone()).unwrap_or_default());
    let setup = |(transport, address, is_inner)| {
        let identity = if is_inner { inner } else { outer };
        let tls = match transport {
            Transport::Tls => Some(Arc::new(certificates::tls::recording_server_config(identity)?)),
            Transport::Wss => Some(Arc::new(certificates::tls::web_server_config(identity)?)),
            Transport::Tcp | Transport::Udp | Transport::Ws => None,
        };
        let balancers = match (transport, is_inner) {
            (Transport::Tls, false) => outer_balancers.clone(),
            (Transport::Tls, true) => inner_balancers.clone(),
            _ => Arc::default(),
        };
        Ok(ListenerSetup { transport, address, tls, is_inner, balancers })
    };
    config.sides().map(setup).collect()
}
