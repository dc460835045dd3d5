//! Our certificate, ordered from an authority and ordered again in time.
//!
//! What was ordered lies in the data folder, and is served by `certificate_service` as any other certificate is: from the
//! next handshake on. An order that fails changes nothing but the log, the status and the metrics.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use acme::challenge::{DnsUpdates, TsigAlgorithm, TsigKey};
use acme::folder::{Live, Origin};
use acme::{AcmeError, AcmeFolder, Issued, Proof, Settings, renewal};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use certificates::TlsAlpn;
use rustls_pki_types::UnixTime;
use serde::{Deserialize, Serialize};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use crate::config::{Acme, AcmeChallenge, Config, acme_folder};
use crate::moment;

/// How far it is, for status and metrics.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcmeStatus {
    pub directory: String,
    pub challenge: String,
    pub names: Vec<String>,
    /// No authority has issued one yet: what is served vouches for itself.
    pub is_self_made: bool,
    pub is_ordering: bool,
    /// When the next order is made.
    pub next_unix: i64,
    pub last_error: Option<AcmeFault>,
    /// Since the server started.
    pub issued: u64,
    pub failed: u64,
}

/// Why the last order came to nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcmeFault {
    pub at_unix: i64,
    pub what: String,
    pub next: String,
}

/// Shared with whoever asks.
#[derive(Clone, Default)]
pub(crate) struct AcmeState(Arc<Mutex<Option<AcmeStatus>>>);

impl AcmeState {
    pub(crate) fn get(&self) -> Option<AcmeStatus> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn change(&self, change: impl FnOnce(&mut AcmeStatus)) {
        change(self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_default());
    }
}

/// Looks after the certificate of one server.
pub(crate) struct AcmeService {
    acme: Acme,
    folder: AcmeFolder,
    challenges: TlsAlpn,
    state: AcmeState,
    /// In a row.
    failures: u32,
    /// No order before this moment.
    not_before_unix: i64,
    /// What the authority suggested of the certificate that counts, and when to ask again.
    suggested_unix: Option<i64>,
    ask_again_unix: i64,
}

impl AcmeService {
    /// `None` where nothing is ordered. Where there is no certificate yet, one that vouches for itself is made, so that the
    /// listeners can listen, and answer challenges.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn prepare(config: &Config, challenges: TlsAlpn) -> Result<Option<AcmeService>, AcmeError> {
        let Some(acme) = config.certificate.acme.clone() else { return Ok(None) };
        let folder = acme_folder(&config.data);
        if folder.live().is_none() {
            folder.keep(&acme::self_made(&acme.names)?, &origin(String::new(), &acme.names))?;
        }
        let state = AcmeState::default();
        state.change(|status| {
            status.directory = acme.directory.clone();
            status.challenge = acme.challenge.as_str().to_owned();
            status.names = acme.names.clone();
        });
        let service = AcmeService {
            acme,
            folder,
            challenges,
            state,
            failures: 0,
            not_before_unix: 0,
            suggested_unix: None,
            ask_again_unix: 0,
        };
        service.publish(service.folder.live().as_ref());
        Ok(Some(service))
    }

    pub(crate) fn state(&self) -> AcmeState {
        self.state.clone()
    }

    pub(crate) fn start(mut self) -> AcmeTask {
        let (stop, mut stopped) = oneshot::channel();
        let (tell, issued) = watch::channel(self.has_issued());
        let task = tokio::spawn(async move {
            loop {
                let pause = self.step(&tell);
                tokio::select! {
                    // An order that is given up halfway is made anew.
                    () = async { tokio::time::sleep(pause.await).await } => {}
                    _ = &mut stopped => return,
                }
            }
        });
        AcmeTask { stop, task, issued }
    }

    /// Does what is due, and says for how long nothing is.
    async fn step(&mut self, tell: &watch::Sender<bool>) -> Duration {
        let live = self.folder.live();
        self.ask_for_window(live.as_ref()).await;
        let due = self.due_unix(live.as_ref());
        if due <= now_unix() {
            self.attempt().await;
            tell.send_replace(self.has_issued());
        }
        let live = self.folder.live();
        self.publish(live.as_ref());
        let due = self.due_unix(live.as_ref());
        let left = if self.ask_again_unix > 0 { due.min(self.ask_again_unix) } else { due } - now_unix();
        // Clocks are set, and machines sleep.
        Duration::from_secs(u64::try_from(left).unwrap_or_default()).clamp(PAUSE_MIN, PAUSE_MAX)
    }

    fn has_issued(&self) -> bool {
        self.folder.live().is_some_and(|live| !live.is_self_made())
    }

    /// At once where there is none of this authority with these names.
    fn due_unix(&self, live: Option<&Live>) -> i64 {
        let wanted = match live.filter(|live| self.is_wanted(live)) {
            None => 0,
            Some(live) => {
                let lead = self.acme.renew_before_days.and_then(|days| i64::try_from(days * DAY_SECS).ok());
                let own = live.life.renewal_unix(lead, live.origin.spread);
                self.suggested_unix.map_or(own, |suggested| suggested.min(own))
            }
        };
        wanted.max(self.not_before_unix)
    }

    fn is_wanted(&self, live: &Live) -> bool {
        live.origin.directory == self.acme.directory && live.origin.names == self.acme.names
    }

    /// When the authority would have it replaced; a revocation on its side is told this way.
    async fn ask_for_window(&mut self, live: Option<&Live>) {
        let Some(live) = live.filter(|live| self.is_wanted(live)) else { return };
        if now_unix() < self.ask_again_unix {
            return;
        }
        let Ok(settings) = self.settings() else { return };
        let asked = acme::suggested_window(&settings, &self.folder, live).await;
        let again = asked.map_or(ASK_AGAIN, |(_, again)| again.clamp(ASK_AGAIN_MIN, ASK_AGAIN));
        self.ask_again_unix = now_unix() + i64::try_from(again.as_secs()).unwrap_or(i64::MAX);
        self.suggested_unix = asked.map(|(window, _)| renewal::within(window, live.origin.spread));
    }

    async fn attempt(&mut self) {
        let Acme { directory, names, challenge, .. } = &self.acme;
        tracing::info!(directory, ?names, challenge = challenge.as_str(), "a certificate is ordered");
        self.state.change(|status| status.is_ordering = true);
        match self.order().await {
            Ok(()) => self.succeeded(),
            Err(error) => self.failed(&error),
        }
        self.state.change(|status| status.is_ordering = false);
    }

    async fn order(&self) -> Result<(), AcmeError> {
        let issued = acme::order(&self.settings()?, &self.folder).await?;
        check_life(&issued)?;
        self.folder.keep(&issued, &origin(self.acme.directory.clone(), &self.acme.names))
    }

    fn succeeded(&mut self) {
        (self.failures, self.not_before_unix) = (0, now_unix() + ORDER_PAUSE_SECS);
        (self.suggested_unix, self.ask_again_unix) = (None, 0);
        self.state.change(|status| {
            status.issued += 1;
            status.last_error = None;
        });
        let next = moment::date_and_time(self.due_unix(self.folder.live().as_ref()));
        tracing::info!(next_order = next, "the authority issued a certificate");
    }

    fn failed(&mut self, error: &AcmeError) {
        self.failures = self.failures.saturating_add(1);
        let pause = error.pause(self.failures).mul_f64(1.0 + rand::random::<f64>() / 10.0);
        self.not_before_unix = now_unix() + i64::try_from(pause.as_secs()).unwrap_or(i64::MAX);
        let (what, next) = (error.to_string(), error.advice().to_owned());
        let next_order = moment::date_and_time(self.not_before_unix);
        tracing::warn!(next_order, "no certificate was issued, what is there is served on: {what}; next: {next}");
        self.state.change(|status| {
            status.failed += 1;
            status.last_error = Some(AcmeFault { at_unix: now_unix(), what, next });
        });
    }

    fn publish(&self, live: Option<&Live>) {
        let (is_self_made, next_unix) = (live.is_none_or(Live::is_self_made), self.due_unix(live));
        self.state.change(|status| (status.is_self_made, status.next_unix) = (is_self_made, next_unix));
    }

    fn settings(&self) -> Result<Settings, AcmeError> {
        let Acme { directory, contact, names, challenge, roots, .. } = self.acme.clone();
        let proof = match challenge {
            AcmeChallenge::Http01 { listen } => Proof::Http01(listen),
            AcmeChallenge::TlsAlpn01 => Proof::TlsAlpn01(self.challenges.clone()),
            AcmeChallenge::Dns01 { server, key, algorithm, secret_file, wait_secs } => Proof::Dns01(DnsUpdates {
                server,
                key: TsigKey {
                    name: key,
                    algorithm: TsigAlgorithm::parse(algorithm).unwrap_or_default(),
                    secret: secret(&secret_file)?,
                },
                wait: Duration::from_secs(wait_secs),
            }),
        };
        let contact = contact.iter().map(|address| format!("mailto:{address}")).collect();
        Ok(Settings { directory, contact, roots, names, proof })
    }
}

fn origin(directory: String, names: &[String]) -> Origin {
    Origin { directory, names: names.to_vec(), spread: rand::random() }
}

/// Where our clock is far off, or the authority's is, what it issues is not valid now; what is served is better then.
fn check_life(issued: &Issued) -> Result<(), AcmeError> {
    let now = UnixTime::now();
    match issued.is_valid_at(i64::try_from(now.as_secs()).unwrap_or(i64::MAX)) {
        true => Ok(()),
        false => Err(AcmeError::Here {
            what: "the authority issued a certificate that is not valid now by this machine's clock".to_owned(),
            advice: "set the clock of this machine by NTP",
        }),
    }
}

/// The secret of a TSIG key, read anew for each order: it may have been exchanged.
fn secret(file: &Path) -> Result<Vec<u8>, AcmeError> {
    let failed = |why: String| AcmeError::Here {
        what: format!("[certificate.acme] tsig_secret_file: {}: {why}", file.display()),
        advice: "write the secret there as the name server's configuration has it, in base64, and nothing else",
    };
    let text = std::fs::read_to_string(file).map_err(|error| failed(error.to_string()))?;
    BASE64_STANDARD.decode(text.trim()).map_err(|error| failed(error.to_string()))
}

/// The service at work.
pub(crate) struct AcmeTask {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
    issued: watch::Receiver<bool>,
}

impl AcmeTask {
    /// Waits until an authority has issued a certificate, but not for longer than `time`.
    pub(crate) async fn first(&mut self, time: Duration) -> bool {
        tokio::time::timeout(time, self.issued.wait_for(|issued| *issued)).await.is_ok_and(|waited| waited.is_ok())
    }

    pub(crate) async fn finish(self) {
        let _ = self.stop.send(());
        let _ = self.task.await;
    }
}

fn now_unix() -> i64 {
    i64::try_from(UnixTime::now().as_secs()).unwrap_or(i64::MAX)
}

const DAY_SECS: u64 = 86_400;
/// Whatever the life of what is issued: nobody orders without end.
const ORDER_PAUSE_SECS: i64 = 5;
const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(600);
const ASK_AGAIN: Duration = Duration::from_secs(86_400);
const ASK_AGAIN_MIN: Duration = Duration::from_secs(3600);
