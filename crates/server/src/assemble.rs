//! The parts put together, and started in the order in which they need each other.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use certificates::{RevocationPolicy, TlsAlpn};
use net::media::MediaThreads;
use net::{Accounts, WorkerSetup};
use store::StoreThread;
use tokio::sync::mpsc;

use crate::accounts::StoreAccounts;
use crate::acme_service::{AcmeService, AcmeTask};
use crate::between::Between;
use crate::certificate;
use crate::certificate_service::{CertificateService, CertificateState};
use crate::config::{Config, MediaAt, Roles};
use crate::control::{Control, ControlSocket};
use crate::discovered_report;
use crate::edges::FarSound;
use crate::folder_lock::{FolderLock, SERVER};
use crate::from_home::HomeSound;
use crate::listening::Listening;
use crate::message_expiry;
use crate::metrics::{ServerCounts, open_listeners};
use crate::record_expiry;
use crate::refusal_log::RefusalLog;
use crate::revocation_service::RevocationService;
use crate::running::{EndReport, LostThread, Running};
use crate::start::Start;
use crate::start_error::StartError;
use crate::workers::Workers;

/// Where servers come from.
pub struct Server;

impl Server {
    /// Starts everything and returns when all of it is ready: every worker listens, and the control socket answers.
    ///
    /// # Errors
    /// In words for the administrator; nothing runs then.
    pub async fn start(config: Config) -> Result<Running, StartError> {
        let lock = FolderLock::wait(&config, SERVER).await?;
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

        let Threads { workers, threads, media, media_threads, sound, ended } =
            start_threads(&start, &config, &accounts).await?;
        let api = Control::new(config.clone(), store.handle(), workers.clone(), certificate.state(), counts.clone());
        let far_sound = match sound {
            Sound::Ours => None,
            Sound::OfHome(sound) => {
                api.home_word().take_sound(sound);
                None
            }
            Sound::AtEdges(sound) => Some(sound),
        };
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
        let between = Between::open(&config, &start, &api, far_sound).await.inspect_err(|_| workers.stop())?;
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

/// What an administrator is to know of the addresses: whom they let see what, and which want the same port.
pub fn listen_warnings(config: &Config) -> Vec<String> {
    let open = config.listen.metrics.iter().filter(|address| !address.ip().is_loopback());
    let warning = |address| {
        format!(
            "[listen] metrics {address} tells anybody who reaches it how busy this server is, without encryption. Open it \
             to your monitoring alone, or listen on 127.0.0.1"
        )
    };
    open.map(warning).chain(shared_with_sound(config)).collect()
}

/// The ports of phones that the sound of calls would want, too; one sentence each.
fn shared_with_sound(config: &Config) -> Vec<String> {
    if config.media.at != MediaAt::Here {
        return Vec::new();
    }
    let range = config.media.ports;
    let is_at = |udp: &SocketAddr, sound: &IpAddr| {
        sound.is_ipv4() == udp.is_ipv4() && (*sound == udp.ip() || sound.is_unspecified() || udp.ip().is_unspecified())
    };
    let has_sound = |udp: &SocketAddr| config.media.addresses.iter().any(|sound| is_at(udp, sound));
    let is_within = |udp: &SocketAddr| (range.first..=range.last).contains(&udp.port());
    let shared = config.listen.udp.iter().filter(|udp| is_within(udp) && has_sound(udp));
    let told = |udp| {
        format!(
            "[media] ports {range} has the port of [listen] udp {udp}: the sound of a call would want it too. Move one of the two"
        )
    };
    shared.map(told).collect()
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

/// All threads that serve.
struct Threads {
    workers: Workers,
    threads: Vec<JoinHandle<()>>,
    media: MediaThreads,
    media_threads: Vec<JoinHandle<()>>,
    sound: Sound,
    ended: mpsc::UnboundedReceiver<LostThread>,
}

/// Whose bridges are where.
enum Sound {
    /// The workers', here; or there are none.
    Ours,
    /// The home's, here.
    OfHome(HomeSound),
    /// The workers', at the edges.
    AtEdges(FarSound),
}

async fn start_threads(start: &Start, config: &Config, accounts: &Arc<dyn Accounts>) -> Result<Threads, StartError> {
    let (mailboxes, inboxes): (Vec<_>, Vec<_>) =
        (0..config.workers).map(|_| net::mailbox(MAILBOX_HANDOFFS_MAX)).unzip();
    let (media, mut media_inboxes) = net::media::media_threads(match config.media.at {
        MediaAt::Edges => 1,
        MediaAt::Here | MediaAt::Nowhere => config.media.threads,
    });
    let (end, ended) = mpsc::unbounded_channel();
    let setup =
        |(worker, inbox)| start.worker(start.core(worker, config.workers), (accounts, &media), &mailboxes, inbox);
    let setups: Vec<WorkerSetup> = (0..).zip(inboxes).map(setup).collect();
    let workers = Workers::new(mailboxes.clone(), media.clone());
    let threads = start_workers(setups, &workers, &end).await.inspect_err(|_| workers.stop())?;
    let clock = ::media::Clock { epoch: start.epoch, epoch_unix_ms: start.epoch_unix_ms };
    let deliver = net::media::to_workers(mailboxes);
    let (deliver, sound) = match (config.media.at, config.roles) {
        (MediaAt::Edges, _) => {
            let sound = media_inboxes.pop().map(|inbox| FarSound { inbox, deliver: deliver.clone() });
            (deliver, sound.map_or(Sound::Ours, Sound::AtEdges))
        }
        (MediaAt::Here, Roles::Edge) => {
            let sound = HomeSound::new(media.clone());
            (sound.deliver(), Sound::OfHome(sound))
        }
        _ => (deliver, Sound::Ours),
    };
    let media_threads = crate::media::start(config, media_inboxes, clock, &deliver, &end);
    let media_threads = media_threads.inspect_err(|_| workers.stop())?;
    Ok(Threads { workers, threads, media, media_threads, sound, ended })
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
