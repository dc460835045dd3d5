//! Our certificates while the server runs: exchanged when their files change, and their expiry told in time; those of the outer
//! side, and that of the inner side where it has one of its own.
//!
//! A bad new pair changes nothing but the log and the status: the old one is served on. Which certificate proves which domain
//! of ours is looked at again with every new one.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use certificates::{Identity, IdentityWatch, LoadError, Roots, ServedIdentity};
use rustls_pki_types::UnixTime;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::acme_service::AcmeState;
use crate::certificate::{self, CertificateReport, ServedCertificate};
use crate::config::{AlsoCertificate, Config, PartnerCertificate};
use crate::moment;
use crate::workers::Workers;

/// What is served now, for whoever asks.
#[derive(Clone, Default)]
pub struct CertificateState {
    served: Arc<Mutex<ServedCertificate>>,
    roots: Roots,
    acme: AcmeState,
}

impl CertificateState {
    /// The authorities that all handshakes are judged by; without a server, none.
    pub(crate) fn roots(&self) -> Roots {
        self.roots.clone()
    }

    pub fn get(&self) -> ServedCertificate {
        let served = self.served.lock().unwrap_or_else(PoisonError::into_inner).clone();
        ServedCertificate { acme: self.acme.get(), ..served }
    }

    fn set(&self, served: ServedCertificate) {
        *self.served.lock().unwrap_or_else(PoisonError::into_inner) = served;
    }
}

/// Looks after the certificates of one server.
pub(crate) struct CertificateService {
    view: View,
    first: Kept,
    also: Vec<Kept>,
    /// `None`: there is no inner side, or it shows what the outer one does.
    inside: Option<Kept>,
    /// In the order of the configuration.
    for_partners: Vec<Kept>,
    state: CertificateState,
}

/// What a certificate is judged by.
struct View {
    config: Config,
    roots: Roots,
}

/// One certificate, and its files.
struct Kept {
    place: Place,
    watch: IdentityWatch,
    identity: Identity,
    served: Arc<ServedIdentity>,
    since_unix: i64,
    /// Why the files as they are now are not served; told once.
    refused: Option<String>,
    reminder: ExpiryReminder,
}

/// Which certificate it is.
enum Place {
    /// The one that partners are shown.
    First,
    Also(AlsoCertificate),
    /// That of the inner side, by its file.
    Inside(PathBuf),
    Partner(PartnerCertificate),
}

impl CertificateService {
    /// Loads the certificates; warns of what partners and phones will find in them.
    ///
    /// # Errors
    /// Where there is one that cannot be served.
    pub(crate) fn load(config: &Config, roots: Roots, acme: AcmeState) -> Result<CertificateService, LoadError> {
        let (now, files) = (UnixTime::now(), &config.certificate);
        let view = View { config: config.clone(), roots };
        let load = |also: &AlsoCertificate| {
            Kept::load((&also.chain(), &also.key()), Place::Also(also.clone()), Vec::new(), now)
        };
        let also = files.also.iter().map(load).collect::<Result<Vec<_>, _>>()?;
        let others = also.iter().map(|kept| kept.served.clone()).collect();
        let first = Kept::load((&files.chain, &files.key), Place::First, others, now)?;
        let inside = config.inside.as_ref().and_then(|inside| inside.certificate.as_ref());
        let load =
            |(chain, key): &(PathBuf, PathBuf)| Kept::load((chain, key), Place::Inside(chain.clone()), Vec::new(), now);
        let inside = inside.map(load).transpose()?;
        let load = |one: &PartnerCertificate| {
            let (chain, key) = (one.certificate.chain(), one.certificate.key());
            Kept::load((&chain, &key), Place::Partner(one.clone()), Vec::new(), now)
        };
        let for_partners = files.for_partners.iter().map(load).collect::<Result<Vec<_>, _>>()?;
        let state = CertificateState { roots: view.roots.clone(), acme, ..CertificateState::default() };
        let mut service = CertificateService { view, first, also, inside, for_partners, state };
        let CertificateService { view, first, also, inside, for_partners, .. } = &mut service;
        for kept in std::iter::once(first).chain(also).chain(inside).chain(for_partners) {
            kept.warn(view, now);
        }
        service.publish();
        Ok(service)
    }

    /// What TLS configurations take their certificate from.
    pub(crate) fn served(&self) -> &Arc<ServedIdentity> {
        &self.first.served
    }

    /// The same of the inner side.
    pub(crate) fn served_inside(&self) -> &Arc<ServedIdentity> {
        self.inside.as_ref().map_or(&self.first.served, |inside| &inside.served)
    }

    /// What single partners are shown, in the order of the configuration.
    pub(crate) fn served_to_partners(&self) -> Vec<Arc<ServedIdentity>> {
        self.for_partners.iter().map(|kept| kept.served.clone()).collect()
    }

    pub(crate) fn state(&self) -> CertificateState {
        self.state.clone()
    }

    /// Looks at the files now and then until told to stop; the files may be on a disk that makes it wait.
    pub(crate) fn start(mut self, workers: Workers) -> CertificateTask {
        let (stop, mut stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            while tokio::time::timeout(LOOK_PAUSE, &mut stopped).await.is_err() {
                let looked = tokio::task::spawn_blocking(move || {
                    let is_changed = self.look(UnixTime::now());
                    (self, is_changed)
                });
                match looked.await {
                    Ok((service, is_changed)) => {
                        self = service;
                        if is_changed {
                            self.prove_domains_anew(&workers).await;
                        }
                    }
                    // It panicked, which was reported; the certificates in service stay.
                    Err(_) => return,
                }
            }
        });
        CertificateTask { stop, task }
    }

    /// Whether there is anything new.
    fn look(&mut self, now: UnixTime) -> bool {
        let mut is_changed = false;
        let CertificateService { view, first, also, inside, for_partners, .. } = self;
        for kept in std::iter::once(first).chain(also).chain(inside).chain(for_partners) {
            is_changed |= kept.look(view, now);
        }
        if is_changed {
            self.publish();
        }
        is_changed
    }

    /// A new certificate may have names that the old one had not.
    async fn prove_domains_anew(&self, workers: &Workers) {
        let by_domain = certificate::by_domain(&self.view.config, &self.first.served, &self.view.roots);
        workers.ask(move |core, _| core.change_certificates(&by_domain)).await;
    }

    fn publish(&self) {
        let also =
            self.also.iter().chain(&self.inside).chain(&self.for_partners).map(|kept| kept.shown(&self.view)).collect();
        self.state.set(ServedCertificate { also, ..self.first.shown(&self.view) });
    }
}

impl Kept {
    fn load(
        (chain, key): (&Path, &Path),
        place: Place,
        others: Vec<Arc<ServedIdentity>>,
        now: UnixTime,
    ) -> Result<Kept, LoadError> {
        let (identity, watch) = IdentityWatch::load(chain, key, now)?;
        let served = ServedIdentity::with_others(&identity, others)
            .map_err(|error| LoadError::UnsupportedKey { file: key.to_owned(), what: error.to_string() })?;
        Ok(Kept {
            place,
            watch,
            identity,
            served,
            since_unix: seconds(now),
            refused: None,
            reminder: ExpiryReminder::default(),
        })
    }

    /// `true`: there is something new to be shown.
    fn look(&mut self, view: &View, now: UnixTime) -> bool {
        let is_changed = match self.watch.look(now) {
            Some(Ok(identity)) => self.take(identity, view, now),
            Some(Err(error)) => self.refuse(error.to_string()),
            None => false,
        };
        self.remind(now) || is_changed
    }

    fn take(&mut self, identity: Identity, view: &View, now: UnixTime) -> bool {
        if let Err(error) = self.served.replace(&identity) {
            return self.refuse(error.to_string());
        }
        self.identity = identity;
        self.since_unix = seconds(now);
        self.refused = None;
        let report = self.warn(view, now);
        tracing::info!(expires = moment::date(report.not_after_unix), "{}a new certificate is served", self.place());
        true
    }

    fn refuse(&mut self, why: String) -> bool {
        let is_news = self.refused.as_ref() != Some(&why);
        if is_news {
            tracing::warn!("{}the new certificate is refused, the old one is served on: {why}", self.place());
            self.refused = Some(why);
        }
        is_news
    }

    /// Says in the log what partners or phones will find wrong, an end that is near included.
    fn warn(&mut self, view: &View, now: UnixTime) -> CertificateReport {
        let report = self.report(view);
        self.reminder = ExpiryReminder { told_at_unix: Some(seconds(now)) };
        for warning in &report.warnings {
            tracing::warn!("{warning}");
        }
        report
    }

    fn remind(&mut self, now: UnixTime) -> bool {
        let not_after_unix = certificate::not_after_unix(&self.identity);
        let Some(warning) = certificate::expiry_warning(not_after_unix, seconds(now)) else { return false };
        let is_due = self.reminder.is_due(not_after_unix, seconds(now));
        if is_due {
            tracing::warn!("{}{warning}", self.place());
        }
        is_due
    }

    fn report(&self, view: &View) -> CertificateReport {
        match &self.place {
            Place::First => certificate::report(&self.identity, &view.roots, &view.config),
            Place::Also(also) => certificate::report_also(&self.identity, &view.roots, also),
            Place::Inside(file) => certificate::report_apart(&self.identity, file),
            Place::Partner(one) => certificate::report_apart(&self.identity, &one.certificate.chain()),
        }
    }

    fn shown(&self, view: &View) -> ServedCertificate {
        let (since_unix, refused) = (self.since_unix, self.refused.clone());
        let for_partner = match &self.place {
            Place::Partner(one) => Some(one.domain.clone()),
            _ => None,
        };
        ServedCertificate {
            report: self.report(view),
            since_unix,
            refused,
            for_partner,
            ..ServedCertificate::default()
        }
    }

    /// Which one it is, where it is not the first.
    fn place(&self) -> String {
        match &self.place {
            Place::First => String::new(),
            Place::Also(also) => format!("{}: ", also.chain().display()),
            Place::Inside(file) => format!("{}: ", file.display()),
            Place::Partner(one) => format!("{}: ", one.certificate.chain().display()),
        }
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
pub(crate) struct ExpiryReminder {
    told_at_unix: Option<i64>,
}

impl ExpiryReminder {
    pub(crate) fn is_due(&mut self, not_after_unix: i64, now_unix: i64) -> bool {
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
