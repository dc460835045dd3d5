//! Our certificate while the server runs: exchanged when its files change, and its expiry told in time.
//!
//! A bad new pair changes nothing but the log and the status: the old one is served on.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use certificates::{Identity, IdentityWatch, LoadError, Roots, ServedIdentity};
use rustls_pki_types::UnixTime;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::certificate::{self, ServedCertificate};
use crate::config::Config;
use crate::moment;

/// What is served now, for whoever asks.
#[derive(Clone, Default)]
pub struct CertificateState(Arc<Mutex<ServedCertificate>>);

impl CertificateState {
    pub fn get(&self) -> ServedCertificate {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, served: ServedCertificate) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = served;
    }
}

/// Looks after the certificate of one server.
pub(crate) struct CertificateService {
    config: Config,
    roots: Roots,
    watch: IdentityWatch,
    identity: Identity,
    served: Arc<ServedIdentity>,
    state: CertificateState,
    since_unix: i64,
    /// Why the files as they are now are not served; told once.
    refused: Option<String>,
    reminder: ExpiryReminder,
}

impl CertificateService {
    /// Loads the certificate; warns of what partners will find in it.
    ///
    /// # Errors
    /// Where there is none to serve.
    pub(crate) fn load(config: &Config, roots: Roots) -> Result<CertificateService, LoadError> {
        let (now, files) = (UnixTime::now(), &config.certificate);
        let (identity, watch) = IdentityWatch::load(&files.chain, &files.key, now)?;
        let served = ServedIdentity::new(&identity)
            .map_err(|error| LoadError::UnsupportedKey { file: files.key.clone(), what: error.to_string() })?;
        let mut service = CertificateService {
            config: config.clone(),
            roots,
            watch,
            identity,
            served,
            state: CertificateState::default(),
            since_unix: seconds(now),
            refused: None,
            reminder: ExpiryReminder::default(),
        };
        service.warn(now);
        Ok(service)
    }

    /// What TLS configurations take their certificate from.
    pub(crate) fn served(&self) -> &Arc<ServedIdentity> {
        &self.served
    }

    pub(crate) fn state(&self) -> CertificateState {
        self.state.clone()
    }

    /// Looks at the files now and then until told to stop; the files may be on a disk that makes it wait.
    pub(crate) fn start(mut self) -> CertificateTask {
        let (stop, mut stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            while tokio::time::timeout(LOOK_PAUSE, &mut stopped).await.is_err() {
                let looked = tokio::task::spawn_blocking(move || {
                    self.look(UnixTime::now());
                    self
                });
                match looked.await {
                    Ok(service) => self = service,
                    // It panicked, which was reported; the certificate in service stays.
                    Err(_) => return,
                }
            }
        });
        CertificateTask { stop, task }
    }

    fn look(&mut self, now: UnixTime) {
        match self.watch.look(now) {
            Some(Ok(identity)) => self.take(identity, now),
            Some(Err(error)) => self.refuse(error.to_string()),
            None => {}
        }
        self.remind(now);
    }

    fn take(&mut self, identity: Identity, now: UnixTime) {
        if let Err(error) = self.served.replace(&identity) {
            return self.refuse(error.to_string());
        }
        self.identity = identity;
        self.since_unix = seconds(now);
        self.refused = None;
        let report = self.warn(now);
        tracing::info!(expires = moment::date(report.not_after_unix), "a new certificate is served");
    }

    fn refuse(&mut self, why: String) {
        if self.refused.as_ref() != Some(&why) {
            tracing::warn!("the new certificate is refused, the old one is served on: {why}");
            self.refused = Some(why);
            self.publish();
        }
    }

    /// Says in the log what partners will find wrong, an end that is near included.
    fn warn(&mut self, now: UnixTime) -> certificate::CertificateReport {
        let report = self.publish();
        self.reminder = ExpiryReminder { told_at_unix: Some(seconds(now)) };
        for warning in &report.warnings {
            tracing::warn!("{warning}");
        }
        report
    }

    fn remind(&mut self, now: UnixTime) {
        let not_after_unix = self.state.get().report.not_after_unix;
        if let Some(warning) = certificate::expiry_warning(not_after_unix, seconds(now))
            && self.reminder.is_due(not_after_unix, seconds(now))
        {
            self.publish();
            tracing::warn!("{warning}");
        }
    }

    fn publish(&self) -> certificate::CertificateReport {
        let report = certificate::report(&self.identity, &self.roots, &self.config);
        let (since_unix, refused) = (self.since_unix, self.refused.clone());
        self.state.set(ServedCertificate { report: report.clone(), since_unix, refused });
        report
    }
}

/// The service at work.
pub(crate) struct CertificateTask {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl CertificateTask {
    pub(crate) async fn finish(self) {
        let _ = self.stop.send(());
        let _ = self.task.await;
    }
}

/// When to tell that the end is near: as each step is passed, and daily.
#[derive(Debug, Default)]
struct ExpiryReminder {
    told_at_unix: Option<i64>,
}

impl ExpiryReminder {
    fn is_due(&mut self, not_after_unix: i64, now_unix: i64) -> bool {
        let steps =
            |at_unix| EXPIRY_STEPS_DAYS.iter().filter(|days| not_after_unix - at_unix < **days * DAY_SECS).count();
        let due = match self.told_at_unix {
            None => true,
            Some(told) => now_unix - told >= DAY_SECS || steps(now_unix) > steps(told),
        };
        if due {
            self.told_at_unix = Some(now_unix);
        }
        due
    }
}

fn seconds(now: UnixTime) -> i64 {
    i64::try_from(now.as_secs()).unwrap_or(i64::MAX)
}

/// A file is acted on after the second look at which it is the same.
const LOOK_PAUSE: Duration = Duration::from_secs(2);
const EXPIRY_STEPS_DAYS: [i64; 5] = [certificate::EXPIRY_WARNING_DAYS, 14, 7, 1, 0];
const DAY_SECS: i64 = 86_400;

#[cfg(test)]
mod tests {
    use super::*;

    const END: i64 = 1_800_000_000;

    fn days_left(days: f64) -> i64 {
        END - (days * 86_400.0) as i64
    }

    #[test]
    fn the_end_is_told_daily_and_as_each_step_is_passed() {
        let mut reminder = ExpiryReminder::default();
        let due = [29.9, 29.5, 28.9, 14.2, 13.9, 13.5, 7.1, 6.9, 1.01, 0.99, 0.5, -0.001, -0.5, -1.2];
        let told: Vec<f64> = due.into_iter().filter(|days| reminder.is_due(END, days_left(*days))).collect();
        assert_eq!(told, [29.9, 28.9, 14.2, 13.9, 7.1, 6.9, 1.01, 0.99, -0.001, -1.2]);
    }
}
