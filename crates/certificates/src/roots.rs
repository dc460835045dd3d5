//! Whose word counts: public authorities for every domain, a partner's own authority for its domains.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use federation::trust::Anchor;
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, Error, ExtendedKeyUsageValidator};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::load::{LoadError, read_certificates};

/// The trust anchors. Cheap to clone; never changed, only replaced.
#[derive(Clone, Debug, Default)]
pub struct Roots {
    sets: Arc<Sets>,
}

#[derive(Clone, Debug, Default)]
struct Sets {
    public: AnchorSet,
    partner: AnchorSet,
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
        let mut sets = Sets::default();
        for certificate in &found.certs {
            // Old stores hold an authority or two in an encoding of their own.
            if let Err(error) = sets.public.add(certificate, public) {
                tracing::debug!(%error, "an authority of the system's trust store is passed over");
            }
        }
        match sets.public.anchors.is_empty() {
            true => Err(LoadError::NoSystemRoots),
            false => Ok(Roots { sets: Arc::new(sets) }),
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
        let sets = Arc::make_mut(&mut self.sets);
        for authority in authorities {
            sets.public.add(authority, public)?;
        }
        Ok(self)
    }

    /// These and a partner's own authorities, which vouch for its domains only.
    pub fn with_partner_pem_file(self, file: &Path, domains: &[String]) -> Result<Roots, LoadError> {
        self.with_partner_certificates(&read_certificates(file)?, domains).map_err(|what| malformed(file, what))
    }

    /// As [`Roots::with_partner_pem_file`], from memory.
    pub fn with_partner_certificates(
        mut self,
        authorities: &[CertificateDer<'_>],
        domains: &[String],
    ) -> Result<Roots, String> {
        let domains: Vec<String> = domains.iter().map(|domain| domain.to_ascii_lowercase()).collect();
        let sets = Arc::make_mut(&mut self.sets);
        for authority in authorities {
            sets.partner.add(authority, |name| Anchor::Partner { name, domains: domains.clone() })?;
        }
        Ok(self)
    }

    /// How many authorities there are, partners' own included.
    pub fn len(&self) -> usize {
        self.sets.public.anchors.len() + self.sets.partner.anchors.len()
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
        let Sets { public, partner } = &*self.sets;
        match public.verify(end_entity, intermediates, now, &usage) {
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
    /// Adds an authority. One that is there already for other domains of partners vouches for both.
    fn add(&mut self, certificate: &CertificateDer<'_>, anchor: impl FnOnce(String) -> Anchor) -> Result<(), String> {
        let trust_anchor = webpki::anchor_from_trusted_cert(certificate)
            .map_err(|error| format!("one certificate cannot be an authority ({error})"))?
            .to_owned();
        let anchor = anchor(name_of(certificate));
        let Some(known) = self.trust_anchors.iter().position(|known| *known == trust_anchor) else {
            self.trust_anchors.push(trust_anchor);
            self.anchors.push(anchor);
            return Ok(());
        };
        if let (Anchor::Partner { domains, .. }, Anchor::Partner { domains: more, .. }) =
            (&mut self.anchors[known], anchor)
        {
            domains.extend(more);
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
            None,
        )?;
        let found = self.trust_anchors.iter().position(|known| known == path.anchor());
        Ok(self.anchors[found.expect("a path ends at one of the anchors it was searched with")].clone())
    }
}

fn public(name: String) -> Anchor {
    Anchor::Public { name }
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
