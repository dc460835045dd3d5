//! The parts put together, and started in the order in which they need each other.

use std::fs::{File, TryLockError};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use acme::AcmeError;
use certificates::{LoadError, RevocationPolicy, Roots, ServedIdentity, TlsAlpn};
use conference::schedule::Meetings;
use federation::admission::Organisation;
use federation::ledger::{DiscoveredTerms, KeptSuspect};
use federation::partner::Partners;
use net::media::MediaThreads;
use net::{Accounts, Inbox, InsideTls, ListenerSetup, Mailbox, NetError, Origins, Resolver, TlsClients, WorkerSetup};
use signaling::{CallSettings, CoreConfig, Listener, WorkerId};
use sip::Transport;
use store::{Store, StoreError, StoreThread};
use tokio::sync::mpsc;

use crate::accounts::StoreAccounts;
use crate::acme_service::{AcmeService, AcmeTask};
use crate::between::{self, Between};
use crate::certificate;
use crate::certificate_service::{CertificateService, CertificateState};
use crate::config::{Config, Roles};
use crate::control::{Control, ControlSocket, FederationTerms, SocketError, meetings_of, partners_of};
use crate::discovered_report;
use crate::domain_trust;
use crate::folders;
use crate::listening::Listening;
use crate::message_expiry;
use crate::metrics::{ServerCounts, open_listeners};
use crate::record_expiry;
use crate::refusal_log::RefusalLog;
use crate::revocation_service::RevocationService;
use crate::running::{EndReport, LostThread, Running};
use crate::workers::Workers;

/// Why a server does not start; one line, with what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("cannot make the folder {}: {source}; {}", path.display(), hint(source))]
    Folder { path: PathBuf, source: io::Error },
    #[error("a server already runs in {}; to see it: comity status", path.display())]
    AlreadyRunning { path: PathBuf },
    #[error("cannot lock {}: {source}; {}", path.display(), hint(source))]
    Lock { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Certificate(#[from] LoadError),
    #[error("{0}; {advice}", advice = .0.advice())]
    Acme(#[from] AcmeError),
    #[error("the certificate cannot be used: {0}")]
    Tls(#[from] rustls::Error),
    #[error(transparent)]
    Net(#[from] NetError),
    #[error(
        "cannot listen on {address} by HTTP ([listen] metrics or health): {source}. Choose a free address of this machine"
    )]
    Http { address: SocketAddr, source: io::Error },
    #[error(
        "cannot listen on {address} for the home ([inside] control): {source}. Choose a free address of this machine"
    )]
    InnerControl { address: SocketAddr, source: io::Error },
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
    #[error("worker {0} ended while it started")]
    WorkerLost(WorkerId),
    #[error(transparent)]
    Socket(#[from] SocketError),
}

/// What to do when the server's own folder cannot be written to.
fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "this folder and all in it have to belong to the user that the server runs as"
        }
        io::ErrorKind::ReadOnlyFilesystem => {
            "a service of systemd may write there only if its ReadWritePaths say so: systemctl edit comity"
        }
        _ => "name another folder as data in comity.toml, or make room for this one",
    }
}

/// Where servers come from.
pub struct Server;

impl Server {
    /// Starts everything and returns when all of it is ready: every worker listens, and the control socket answers.
    ///
    /// # Errors
    /// In words for the administrator; nothing runs then.
    pub async fn start(config: Config) -> Result<Running, StartError> {
        let lock = lock_folder(&config)?;
        let roots = certificate::roots(&config)?;
        let challenges = TlsAlpn::default();
        let acme = AcmeService::prepare(&config, challenges.clone())?;
        let acme_state = acme.as_ref().map(AcmeService::state).unwrap_or_default();
        let certificate = CertificateService::load(&config, roots.clone(), acme_state)?;
        for (transport, address) in config.sockets() {
            net::check_free(transport, address)?;
        }
        let start = Start::from_store(&config, &certificate, (roots, challenges))?;
        let store = StoreThread::start(&config.store_path())?;
        let counts = ServerCounts::default();
        let accounts: Arc<dyn Accounts> =
            Arc::new(StoreAccounts::new(store.handle(), counts.clone(), config.keep_days > 0));

        let Threads { workers, threads, media, media_threads, ended } =
            start_threads(&start, &config, &accounts).await?;
        let api = Control::new(config.clone(), store.handle(), workers.clone(), certificate.state(), counts.clone());
        if let (Roles::Edge, Some(inside), Some(tls)) = (config.roles, &config.inside, &start.inside) {
            tokio::spawn(api.inner_side().watch(inside.rules.clone(), tls.clone(), start.resolver.clone()));
        }
        let revocation = (config.federation.crl != RevocationPolicy::Off).then(|| {
            RevocationService::new(
                certificate.state().roots(),
                start.resolver.clone(),
                api.clone(),
                config.data.join("crl"),
            )
        });
        let opened = open_control(&config, api.clone()).await;
        let (control, metrics) = opened.inspect_err(|_| workers.stop())?;
        // A command that found no control socket yet worked on the database directly, after the workers' tables were read.
        api.publish_partners().await.inspect_err(|_| workers.stop())?;
        api.publish_meetings().await.inspect_err(|_| workers.stop())?;
        let between = Between::open(&config, &start, &api).await.inspect_err(|_| workers.stop())?;
        tokio::spawn(api.partner_watch().clone().run(workers.clone(), store.handle()));
        tokio::spawn(message_expiry::run(store.handle(), counts.clone()));
        tokio::spawn(record_expiry::run(store.handle(), counts.clone(), config.keep_days));
        tokio::spawn(discovered_report::run(workers.clone()));
        revocation.map(|service| tokio::spawn(service.run()));
        let refusals = RefusalLog::new(workers.clone(), store.handle(), counts).start();
        let served = certificate.state();
        let certificate = certificate.start(workers.clone());
        let acme = first_certificate(acme, &served).await;
        tracing::info!(edge = config.edge, workers = config.workers, "serving");
        Ok(Running {
            control,
            metrics,
            between,
            workers,
            threads,
            media,
            media_threads,
            ended,
            refusals,
            certificate,
            acme,
            store,
            config,
            _lock: lock,
        })
    }
}

/// The addresses that somebody else listens on already, or that cannot be listened on at all; one sentence each.
pub fn taken_addresses(config: &Config) -> Vec<String> {
    let taken = |(transport, address)| net::check_free(transport, address).err();
    let taken = config.sockets().filter_map(taken).map(|error| error.to_string());
    taken.chain(crate::media::problems(config)).collect()
}

/// What an administrator is to know of the addresses: whom they let see what.
pub fn listen_warnings(config: &Config) -> Vec<String> {
    let open = config.listen.metrics.iter().filter(|address| !address.ip().is_loopback());
    let warning = |address| {
        format!(
            "[listen] metrics {address} tells anybody who reaches it how busy this server is, without encryption. Open it \
             to your monitoring alone, or listen on 127.0.0.1"
        )
    };
    open.map(warning).collect()
}

/// Orders begin. Nobody is told that all is ready before what is served is a certificate of an authority; but a server that
/// gets none goes on asking, with pauses, where one that ended would be started and ask again and again.
async fn first_certificate(service: Option<AcmeService>, served: &CertificateState) -> Option<AcmeTask> {
    let mut task = service?.start();
    let before = served.get().report;
    let is_self_made = served.get().acme.is_some_and(|acme| acme.is_self_made);
    if !is_self_made {
        return Some(task);
    }
    if !task.first(FIRST_CERTIFICATE_TIME).await {
        tracing::warn!(
            "there is no certificate of an authority yet: partners and phones refuse the one that is served"
        );
        return Some(task);
    }
    let is_served = async {
        while served.get().report == before {
            tokio::time::sleep(SERVED_PAUSE).await;
        }
    };
    let _ = tokio::time::timeout(SERVED_TIME, is_served).await;
    Some(task)
}

/// The control API on its socket, and the metrics where the configuration wants them on the network.
async fn open_control(config: &Config, api: Control) -> Result<(ControlSocket, Listening), StartError> {
    for warning in listen_warnings(config) {
        tracing::warn!("{warning}");
    }
    let metrics = open_listeners(&config.listen, &api).await;
    let metrics = metrics.map_err(|(address, source)| StartError::Http { address, source })?;
    Ok((ControlSocket::open(&config.control_path(), api)?, metrics))
}

/// The folder of the store and the control socket, for the server's user alone where it is new.
pub(crate) fn create_folder(path: &Path) -> io::Result<()> {
    folders::create(path, 0o700)
}

/// Takes the data folder, made where it is absent, for one process alone, until the file is closed.
///
/// # Errors
/// [`StartError::AlreadyRunning`], and where the folder cannot be written.
pub fn lock_folder(config: &Config) -> Result<File, StartError> {
    create_folder(&config.data).map_err(|source| StartError::Folder { path: config.data.clone(), source })?;
    let path = config.lock_path();
    let opened = File::options().write(true).create(true).truncate(false).open(&path);
    let file = opened.map_err(|source| StartError::Lock { path: path.clone(), source })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StartError::AlreadyRunning { path: config.data.clone() }),
        Err(TryLockError::Error(source)) => Err(StartError::Lock { path, source }),
    }
}

/// What all workers are started with.
pub(crate) struct Start {
    organisation: Arc<Organisation>,
    partners: Arc<Partners>,
    meetings: Arc<Meetings>,
    calls: CallSettings,
    connections_per_partner: u16,
    discovered: DiscoveredTerms,
    suspects: Arc<Vec<KeptSuspect>>,
    listeners: Vec<ListenerSetup>,
    origins: Arc<Origins>,
    challenges: TlsAlpn,
    tls_clients: TlsClients,
    roots: Roots,
    inside: Option<InsideTls>,
    inner_identity: Arc<ServedIdentity>,
    resolver: Resolver,
    secret: [u8; 32],
    pool_secret: Option<[u8; 32]>,
    incarnation: u32,
    epoch: Instant,
    epoch_unix_ms: u64,
}

impl Start {
    fn from_store(
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
            discovered: told.as_ref().map_or(config.discovered, |told| told.rules.discovered),
            suspects: Arc::new(store.suspects(since_1970.as_millis().try_into().unwrap_or(i64::MAX))?),
            listeners: listeners(config, identity, inner_identity)?,
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

    fn core(&self, worker: WorkerId, workers: u16) -> CoreConfig {
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
            limits: signaling::Limits {
                partner_connections: self.connections_per_partner,
                ..signaling::Limits::default()
            },
            random_seed: rand::random(),
        }
    }

    fn worker(
        &self,
        core: CoreConfig,
        (accounts, media): (&Arc<dyn Accounts>, &MediaThreads),
        mailboxes: &[Mailbox],
        inbox: Inbox,
    ) -> WorkerSetup {
        WorkerSetup {
            core,
            listeners: self.listeners.clone(),
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

/// All threads that serve.
struct Threads {
    workers: Workers,
    threads: Vec<JoinHandle<()>>,
    media: MediaThreads,
    media_threads: Vec<JoinHandle<()>>,
    ended: mpsc::UnboundedReceiver<LostThread>,
}

async fn start_threads(start: &Start, config: &Config, accounts: &Arc<dyn Accounts>) -> Result<Threads, StartError> {
    let (mailboxes, inboxes): (Vec<_>, Vec<_>) =
        (0..config.workers).map(|_| net::mailbox(MAILBOX_HANDOFFS_MAX)).unzip();
    let (media, media_inboxes) = net::media::media_threads(config.media.threads);
    let (end, ended) = mpsc::unbounded_channel();
    let setup =
        |(worker, inbox)| start.worker(start.core(worker, config.workers), (accounts, &media), &mailboxes, inbox);
    let setups: Vec<WorkerSetup> = (0..).zip(inboxes).map(setup).collect();
    let workers = Workers::new(mailboxes.clone(), media.clone());
    let threads = start_workers(setups, &workers, &end).await.inspect_err(|_| workers.stop())?;
    let clock = ::media::Clock { epoch: start.epoch, epoch_unix_ms: start.epoch_unix_ms };
    let deliver = net::media::to_workers(mailboxes);
    let media_threads = crate::media::start(config, media_inboxes, clock, &deliver, &end);
    let media_threads = media_threads.inspect_err(|_| workers.stop())?;
    Ok(Threads { workers, threads, media, media_threads, ended })
}

async fn start_workers(
    setups: Vec<WorkerSetup>,
    workers: &Workers,
    end: &mpsc::UnboundedSender<LostThread>,
) -> Result<Vec<JoinHandle<()>>, StartError> {
    let (report, mut reports) = mpsc::unbounded_channel();
    let mut threads = Vec::new();
    for (worker, setup) in (0..).zip(setups) {
        let (end, report) = (EndReport { thread: LostThread::Worker(worker), end: end.clone() }, report.clone());
        let body = move || {
            let _end = end;
            // The error comes back through the report.
            let _ = net::run(setup, |ready| drop(report.send(ready.map(|_| ()))));
        };
        let thread = std::thread::Builder::new().name(format!("worker-{worker}")).spawn(body);
        threads.push(thread.map_err(StartError::Thread)?);
    }
    drop(report);
    for worker in 0..workers.count() {
        reports.recv().await.ok_or(StartError::WorkerLost(worker))??;
    }
    Ok(threads)
}

/// Within the minute and a half that systemd grants a start.
const FIRST_CERTIFICATE_TIME: Duration = Duration::from_secs(60);
/// Files are acted on when they have been the same for some seconds.
const SERVED_TIME: Duration = Duration::from_secs(10);
const SERVED_PAUSE: Duration = Duration::from_millis(100);
/// Handoffs that may wait for one worker.
const MAILBOX_HANDOFFS_MAX: usize = 65_536;
