//! One order from its beginning to its certificate (RFC 8555 section 7.4).

use std::time::Duration;

use instant_acme::{
    Account, AuthorizationStatus, CertificateIdentifier, Error, Identifier, NewOrder, Order, OrderStatus, RetryPolicy,
};
use rcgen::{CertificateParams, DistinguishedName, KeyPair};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use crate::challenge::Answers;
use crate::error::{AcmeError, words};
use crate::folder::{AcmeFolder, Live};
use crate::https::Https;
use crate::renewal::Life;
use crate::{Settings, account};

/// A certificate with its intermediates, and its key; both in PEM.
pub struct Issued {
    pub chain: String,
    pub key: String,
}

impl Issued {
    /// `false` also for what cannot be read.
    pub fn is_valid_at(&self, now_unix: i64) -> bool {
        let certificate = CertificateDer::from_pem_slice(self.chain.as_bytes());
        let life = certificate.ok().and_then(|certificate| Life::of(&certificate));
        life.is_some_and(|life| (life.not_before_unix..=life.not_after_unix).contains(&now_unix))
    }
}

/// Orders a certificate for the names, with a key of its own, in place of the one that counts now.
///
/// # Errors
/// One sentence each, with what to do next. Whatever was put up for the proof is taken away.
pub async fn order(settings: &Settings, folder: &AcmeFolder) -> Result<Issued, AcmeError> {
    let https = Https::new(settings.roots.as_deref())?;
    let mut answers = Answers::open(&settings.proof, &settings.names).await?;
    let run = Run { https, settings, folder };
    let mut issued = run.run(&mut answers).await;
    for _ in 0..NONCE_REPEATS {
        if !issued.as_ref().is_err_and(AcmeError::is_bad_nonce) {
            break;
        }
        // The library has tried it three times; an authority of many servers may take longer to agree with itself.
        issued = run.run(&mut answers).await;
    }
    answers.withdraw().await;
    issued
}

/// When the authority suggests that the certificate be replaced, in seconds since 1970, and how soon to ask again (ARI, RFC 9773).
/// `None`: this authority suggests nothing, or cannot be asked now.
pub async fn suggested_window(settings: &Settings, folder: &AcmeFolder, live: &Live) -> Option<((i64, i64), Duration)> {
    let https = Https::new(settings.roots.as_deref()).ok()?;
    let account = account::open(settings, folder, &https).await.ok()?;
    let identifier = CertificateIdentifier::try_from(&live.certificate).ok()?;
    let asked = account.renewal_info(&identifier).await;
    let (info, again) = asked.inspect_err(|error| tracing::debug!(%error, "no suggested window")).ok()?;
    let window = info.suggested_window;
    Some(((window.start.unix_timestamp(), window.end.unix_timestamp()), again))
}

/// A certificate that vouches for itself, for as long as there is no other: so that listeners can listen.
///
/// # Errors
/// For names that no certificate can have.
pub fn self_made(names: &[String]) -> Result<Issued, AcmeError> {
    let make = || {
        let key = KeyPair::generate()?;
        let chain = CertificateParams::new(names.to_vec())?.self_signed(&key)?.pem();
        Ok::<_, rcgen::Error>(Issued { chain, key: key.serialize_pem() })
    };
    make().map_err(|error| unusable(&error))
}

struct Run<'a> {
    https: Https,
    settings: &'a Settings,
    folder: &'a AcmeFolder,
}

impl Run<'_> {
    async fn run(&self, answers: &mut Answers) -> Result<Issued, AcmeError> {
        let account = account::open(self.settings, self.folder, &self.https).await?;
        let mut begun = self.begin(&account).await;
        if begun.as_ref().is_err_and(AcmeError::is_account_gone) {
            tracing::info!("the authority does not know our account any more");
            std::fs::remove_file(self.folder.account()).ok();
            let account = account::open(self.settings, self.folder, &self.https).await?;
            begun = self.begin(&account).await;
        }
        let mut order = begun.map_err(|error| self.failed(error))?;
        self.answer(&mut order, answers).await?;
        self.expect_ready(&mut order).await?;
        let (request, key) = request(&self.settings.names)?;
        order.finalize_csr(&request).await.map_err(|error| self.failed(error))?;
        let chain = order.poll_certificate(&polling()).await.map_err(|error| self.failed(error))?;
        Ok(Issued { chain, key })
    }

    async fn begin(&self, account: &Account) -> Result<Order, Error> {
        let identifiers: Vec<Identifier> = self.settings.names.iter().cloned().map(Identifier::Dns).collect();
        let live = self.folder.live().filter(|live| live.origin.directory == self.settings.directory);
        let replaces = live.as_ref().and_then(|live| CertificateIdentifier::try_from(&live.certificate).ok());
        if let Some(replaces) = replaces {
            // Authorities are kinder to what replaces (RFC 9773 section 5); one that knows of no such thing, or has
            // heard it already, is asked without.
            match account.new_order(&NewOrder::new(&identifiers).replaces(replaces)).await {
                Err(Error::Unsupported(_)) => {}
                Err(Error::Api(problem)) if problem.r#type.as_deref() == Some(ALREADY_REPLACED) => {}
                answered => return answered,
            }
        }
        account.new_order(&NewOrder::new(&identifiers)).await
    }

    /// Puts up an answer to each challenge, and when all can be seen says so.
    async fn answer(&self, order: &mut Order, answers: &mut Answers) -> Result<(), AcmeError> {
        for is_up in [false, true] {
            let mut authorizations = order.authorizations();
            while let Some(authorization) = authorizations.next().await {
                let mut authorization = authorization.map_err(|error| self.failed(error))?;
                if authorization.status != AuthorizationStatus::Pending {
                    continue;
                }
                let name = authorization.identifier().to_string();
                let challenge = authorization.challenge(answers.kind());
                let mut challenge = challenge.ok_or_else(|| not_offered(&name, answers))?;
                if is_up {
                    challenge.set_ready().await.map_err(|error| self.failed(error))?;
                } else {
                    answers.show(&name, &challenge.token, &challenge.key_authorization()).await?;
                }
            }
            if !is_up {
                answers.settle().await;
            }
        }
        Ok(())
    }

    async fn expect_ready(&self, order: &mut Order) -> Result<(), AcmeError> {
        match order.poll_ready(&polling()).await {
            Ok(OrderStatus::Ready) => Ok(()),
            Err(error @ (Error::Timeout(_) | Error::Other(_))) => Err(self.failed(error)),
            answered => {
                let found = self.faults(order).await;
                let what = match (found.as_slice(), answered) {
                    ([], Err(error)) => return Err(self.failed(error)),
                    ([], Ok(status)) => format!("the order is {status:?}"),
                    (found, _) => found.join("; "),
                };
                Err(AcmeError::Refused { what, retry_after: self.https.retry_after() })
            }
        }
    }

    /// What the authority found when it looked, name by name.
    async fn faults(&self, order: &mut Order) -> Vec<String> {
        let mut faults = Vec::new();
        let mut authorizations = order.authorizations();
        while let Some(Ok(mut authorization)) = authorizations.next().await {
            let name = authorization.identifier().to_string();
            let Ok(state) = authorization.refresh().await else { continue };
            let found = state.challenges.iter().filter_map(|challenge| challenge.error.as_ref());
            faults.extend(found.map(|problem| format!("{name}: {}", words(problem))));
        }
        faults
    }

    fn failed(&self, error: Error) -> AcmeError {
        AcmeError::of(error, &self.settings.directory, self.https.retry_after())
    }
}

/// A request for a certificate, in DER, and the key that it is for, in PEM.
fn request(names: &[String]) -> Result<(Vec<u8>, String), AcmeError> {
    let make = || {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(names.to_vec())?;
        params.distinguished_name = DistinguishedName::new();
        Ok::<_, rcgen::Error>((params.serialize_request(&key)?.der().to_vec(), key.serialize_pem()))
    };
    make().map_err(|error| unusable(&error))
}

fn unusable(error: &rcgen::Error) -> AcmeError {
    AcmeError::here(format!("no certificate can be made for the names: {error}"), "correct names in [certificate.acme]")
}

fn not_offered(name: &str, answers: &Answers) -> AcmeError {
    let what = format!("it does not offer the challenge {:?} for {name}", answers.kind());
    AcmeError::Refused { what, retry_after: None }
}

fn polling() -> RetryPolicy {
    RetryPolicy::new().initial_delay(Duration::from_millis(500)).backoff(1.5).timeout(POLL_TIME)
}

/// How long an authority may look, and how long it may issue.
pub(crate) const POLL_TIME: Duration = Duration::from_secs(90);
const NONCE_REPEATS: usize = 2;
/// RFC 9773 section 7.4.
const ALREADY_REPLACED: &str = "urn:ietf:params:acme:error:alreadyReplaced";
