//! Whose word counts: public authorities for every domain, a partner's own authority for its domains.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use federation::trust::{Anchor, Fingerprint};
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use sha2::{Digest, Sha256};
use webpki::{
    CertRevocationList, EndEntityCert, Error, ExpirationPolicy, ExtendedKeyUsageValidator, OwnedCertRevocationList,
    RevocationCheckDepth, RevocationOptionsBuilder, VerifiedPath,
};
use x509_parser::prelude::{CertificateRevocationList, FromDer, X509Certificate};

use crate::facts::AnyPurpose;
use crate::load::{LoadError, read_certificates};
use crate::revocation::{RevocationLists, RevocationPolicy, Seen};

/// The trust anchors. Cheap to clone; the public ones are never changed, the partners' own are replaced under all clones
/// at once, so that the next handshake is judged by them.
#[derive(Clone, Debug, Default)]
pub struct Roots {
    public: Arc<AnchorSet>,
    partner: Arc<RwLock<Arc<AnchorSet>>>,
    looks_for_tlsa: bool,
    lists: RevocationLists,
}

/// An accepted chain: where it ends, and the key of who issued its first certificate.
pub(crate) struct Vouched {
    pub(crate) anchor: Anchor,
    pub(crate) issuer_key: Vec<u8>,
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

    /// These; and lists of revoked certificates are looked up, and wanted.
    pub fn with_revocation(self, policy: RevocationPolicy) -> Roots {
        Roots { lists: RevocationLists::new(policy), ..self }
    }

    /// These, with the lists of revoked certificates of those.
    pub fn sharing_revocations(self, other: &Roots) -> Roots {
        Roots { lists: other.lists.clone(), ..self }
    }

    /// The lists of revoked certificates, the same for all clones.
    pub fn revocations(&self) -> &RevocationLists {
        &self.lists
    }

    /// Takes a list (DER) that was fetched for this certificate, and returns until when it is in force, in seconds since
    /// 1970.
    ///
    /// # Errors
    /// For what is no list, is signed by another than who issued the certificate, is not about it, or is out of date.
    pub fn take_list(&self, seen: &Seen, der: &[u8], now: UnixTime) -> Result<u64, String> {
        self.take(seen, der, now, ExpirationPolicy::Enforce)
    }

    /// As [`Roots::take_list`], of a list that was taken before and kept: one that is out of date meanwhile still names what
    /// it named.
    ///
    /// # Errors
    /// As there, but for being out of date.
    pub fn take_kept_list(&self, seen: &Seen, der: &[u8], now: UnixTime) -> Result<u64, String> {
        self.take(seen, der, now, ExpirationPolicy::Ignore)
    }

    fn take(&self, seen: &Seen, der: &[u8], now: UnixTime, expiration: ExpirationPolicy) -> Result<u64, String> {
        let list = OwnedCertRevocationList::from_der(der).map_err(|error| format!("it is no list ({error})"))?;
        let next_update_unix = next_update_unix(der).ok_or("it does not say until when it is in force")?;
        let checked: CertRevocationList<'_> = list.clone().into();
        match self.check_list(seen, &checked, now, expiration) {
            Ok(()) | Err(Error::CertRevoked) => {
                self.lists.put(seen, list, next_update_unix);
                Ok(next_update_unix)
            }
            Err(Error::UnknownRevocationStatus) => Err("it is not about this certificate".to_owned()),
            Err(Error::InvalidCrlSignatureForPublicKey) => Err("the certificate's issuer did not sign it".to_owned()),
            Err(Error::CrlExpired { .. }) => Err("it is out of date".to_owned()),
            Err(error) => Err(format!("it cannot be used ({error})")),
        }
    }

    fn check_list(
        &self,
        seen: &Seen,
        list: &CertRevocationList<'_>,
        now: UnixTime,
        expiration: ExpirationPolicy,
    ) -> Result<(), Error> {
        let (end_entity, intermediates) = seen.chain().split_first().ok_or(Error::BadDer)?;
        let lists = [list];
        let options = RevocationOptionsBuilder::new(&lists).expect("there is one");
        let options = options.with_depth(RevocationCheckDepth::EndEntity).with_expiration_policy(expiration);
        let (options, end_entity) = (options.build(), EndEntityCert::try_from(end_entity)?);
        let verify = |set: &AnchorSet| {
            let anchors = &set.trust_anchors;
            let path = end_entity.verify_for_usage(
                webpki::ALL_VERIFICATION_ALGS,
                anchors,
                intermediates,
                now,
                AnyPurpose,
                Some(options),
                Some(&check_signers),
            );
            path.map(drop)
        };
        match verify(&self.public) {
            Err(Error::UnknownIssuer) => verify(&self.partner()),
            verdict => verdict,
        }
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
    ) -> Result<Vouched, Error> {
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
    ) -> Result<Vouched, Error> {
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
        let anchor = self.anchors[found.expect("a path ends at one of the anchors it was searched with")].clone();
        Ok(Vouched { anchor, issuer_key: path.issuer_spki().to_vec() })
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

fn next_update_unix(der: &[u8]) -> Option<u64> {
    let (_, list) = CertificateRevocationList::from_der(der).ok()?;
    u64::try_from(list.next_update()?.timestamp()).ok()
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
