//! Whose word counts: public authorities for every domain, a partner's own authority for its domains.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use federation::trust::{Anchor, Fingerprint};
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use sha2::{Digest, Sha256};
use webpki::{EndEntityCert, Error, ExtendedKeyUsageValidator, VerifiedPath};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::load::{LoadError, read_certificates};

/// The trust anchors. Cheap to clone; the public ones are never changed, the partners' own are replaced under all clones
/// at once, so that the next handshake is judged by them.
#[derive(Clone, Debug, Default)]
pub struct Roots {
    public: Arc<AnchorSet>,
    partner: Arc<RwLock<Arc<AnchorSet>>>,
    looks_for_tlsa: bool,
}

/// The anchors as webpki wants them, and beside each what it stands for.
#[derive(Clone, Debug, Default)]
struct AnchorSet {
    trust_anchors: Vec<TrustAnchor<'static>>,
    anchors: Vec<Anchor>,
}

impl Roots {
    /// Trusts nobody.
    pub fn empty() -> Roots {
        Roots::default()
    }

    /// The authorities that the operating system trusts. What of its store cannot be read is passed over,
    /// as other programs do; a store without any authority is an error.
    pub fn system() -> Result<Roots, LoadError> {
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            tracing::debug!(%error, "part of the system's trust store cannot be read");
        }
        let mut set = AnchorSet::default();
        for certificate in &found.certs {
            // Old stores hold an authority or two in an encoding of their own.
            if let Err(error) = set.add(certificate, public) {
                tracing::debug!(%error, "an authority of the system's trust store is passed over");
            }
        }
        match set.anchors.is_empty() {
            true => Err(LoadError::NoSystemRoots),
            false => Ok(Roots { public: Arc::new(set), ..Roots::default() }),
        }
    }

    /// The authorities in these PEM files, every one of which must be readable.
    pub fn from_pem_files(files: &[PathBuf]) -> Result<Roots, LoadError> {
        let mut roots = Roots::empty();
        for file in files {
            roots = roots.with_pem_file(file)?;
        }
        Ok(roots)
    }

    /// These and the authorities in one more PEM file.
    pub fn with_pem_file(self, file: &Path) -> Result<Roots, LoadError> {
        self.with_certificates(&read_certificates(file)?).map_err(|what| malformed(file, what))
    }

    /// These and more authorities; an error says what is wrong with one.
    pub fn with_certificates(mut self, authorities: &[CertificateDer<'_>]) -> Result<Roots, String> {
        let set = Arc::make_mut(&mut self.public);
        for authority in authorities {
            set.add(authority, public)?;
        }
        Ok(self)
    }

    /// These; and whatever TLSA records can be about is a fact, too, since the DNS is validated.
    pub fn with_tlsa(self) -> Roots {
        Roots { looks_for_tlsa: true, ..self }
    }

    pub(crate) fn looks_for_tlsa(&self) -> bool {
        self.looks_for_tlsa
    }

    /// From now on these are the partners' own authorities, here and in all clones. For which domains each of them may
    /// vouch is not known here: the ladder looks that up.
    ///
    /// # Errors
    /// What is wrong with one of them; nothing has changed then.
    pub fn replace_partner_authorities(&self, authorities: &[CertificateDer<'_>]) -> Result<(), String> {
        let mut set = AnchorSet::default();
        for authority in authorities {
            set.add(authority, |name| Anchor::Partner { name, fingerprint: fingerprint(authority) })?;
        }
        *self.partner.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(set);
        Ok(())
    }

    fn partner(&self) -> Arc<AnchorSet> {
        self.partner.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many authorities there are, partners' own included.
    pub fn len(&self) -> usize {
        self.public.anchors.len() + self.partner().anchors.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The anchor a chain ends at: a public one if there is any, else a partner's.
    pub(crate) fn verify(
        &self,
        end_entity: &EndEntityCert<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
        usage: impl ExtendedKeyUsageValidator,
    ) -> Result<Anchor, Error> {
        let partner = self.partner();
        match self.public.verify(end_entity, intermediates, now, &usage) {
            Err(error) if !partner.anchors.is_empty() => {
                partner.verify(end_entity, intermediates, now, &usage).map_err(|other| match error {
                    Error::UnknownIssuer => other,
                    error => error,
                })
            }
            verdict => verdict,
        }
    }
}

impl AnchorSet {
    /// Adds an authority, once.
    fn add(&mut self, certificate: &CertificateDer<'_>, anchor: impl FnOnce(String) -> Anchor) -> Result<(), String> {
        let trust_anchor = webpki::anchor_from_trusted_cert(certificate)
            .map_err(|error| format!("one certificate cannot be an authority ({error})"))?
            .to_owned();
        let anchor = anchor(name_of(certificate));
        if !self.trust_anchors.contains(&trust_anchor) {
            self.trust_anchors.push(trust_anchor);
            self.anchors.push(anchor);
        }
        Ok(())
    }

    fn verify(
        &self,
        end_entity: &EndEntityCert<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
        usage: &impl ExtendedKeyUsageValidator,
    ) -> Result<Anchor, Error> {
        let path = end_entity.verify_for_usage(
            webpki::ALL_VERIFICATION_ALGS,
            &self.trust_anchors,
            intermediates,
            now,
            usage,
            None,
            Some(&check_signers),
        )?;
        let found = self.trust_anchors.iter().position(|known| known == path.anchor());
        Ok(self.anchors[found.expect("a path ends at one of the anchors it was searched with")].clone())
    }
}

/// Whoever signs certificates needs a key for that, where its certificate says what the key is for (RFC 5280 4.2.1.3 and
/// 6.1.4 n); webpki leaves this to us.
fn check_signers(path: &VerifiedPath<'_>) -> Result<(), Error> {
    let may_sign = |der: CertificateDer<'_>| match X509Certificate::from_der(&der) {
        Ok((_, certificate)) => match certificate.key_usage() {
            Ok(usage) => usage.is_none_or(|usage| usage.value.key_cert_sign()),
            Err(_) => false,
        },
        Err(_) => false,
    };
    match path.intermediate_certificates().all(|authority| may_sign(authority.der())) {
        true => Ok(()),
        false => Err(Error::EndEntityUsedAsCa),
    }
}

fn public(name: String) -> Anchor {
    Anchor::Public { name }
}

/// SHA-256 of the certificate's DER.
pub fn fingerprint(certificate: &CertificateDer<'_>) -> Fingerprint {
    Sha256::digest(certificate).into()
}

/// Whether its basic constraints say so (RFC 5280 4.2.1.9); one without that extension, of X.509 version 1, may be one.
pub fn is_authority(certificate: &CertificateDer<'_>) -> bool {
    X509Certificate::from_der(certificate).is_ok_and(|(_, certificate)| match certificate.basic_constraints() {
        Ok(Some(constraints)) => constraints.value.ca,
        Ok(None) => certificate.version().0 == 0,
        Err(_) => false,
    })
}

fn name_of(certificate: &CertificateDer<'_>) -> String {
    match X509Certificate::from_der(certificate) {
        Ok((_, certificate)) => certificate.subject().to_string(),
        Err(_) => "an authority without a readable name".to_owned(),
    }
}

fn malformed(file: &Path, what: String) -> LoadError {
    LoadError::Malformed { file: file.to_owned(), what }
}
