//! Which certificates this server shows, and where their files are.

use std::path::PathBuf;

use serde::Serialize;

use super::acme::Acme;
use super::builder::Builder;
use super::key::{self, Key};
use super::raw::Located;
use crate::domain;

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CertificateFiles {
    pub chain: PathBuf,
    pub key: PathBuf,
    /// `None`: the system's.
    pub roots: Option<PathBuf>,
    /// For names that the first one has not.
    pub also: Vec<AlsoCertificate>,
    /// For single partners.
    pub for_partners: Vec<PartnerCertificate>,
    /// Where it is ordered; chain and key are then ours to write.
    pub acme: Option<Acme>,
}

impl CertificateFiles {
    /// Whether it is ordered, and none has come yet, nor one been made in its place.
    pub fn is_awaited(&self) -> bool {
        self.acme.is_some() && !self.chain.exists()
    }
}

/// A further certificate, by the place of its files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct AlsoCertificate(pub(super) PathBuf);

impl AlsoCertificate {
    /// Of a folder, `fullchain.pem` in it.
    pub fn chain(&self) -> PathBuf {
        if self.is_file() { self.0.clone() } else { self.0.join("fullchain.pem") }
    }

    /// Beside the certificate, or `privkey.pem` in the folder.
    pub fn key(&self) -> PathBuf {
        if self.is_file() { self.0.with_extension("key") } else { self.0.join("privkey.pem") }
    }

    /// By its name, so that a configuration means the same before the files are there.
    fn is_file(&self) -> bool {
        self.0.extension().is_some_and(|extension| extension == "pem" || extension == "crt")
    }
}

/// What one partner is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PartnerCertificate {
    /// Of the partner; lower case.
    pub domain: String,
    pub certificate: AlsoCertificate,
}

impl Builder<'_> {
    pub(super) fn also(&mut self) -> Vec<AlsoCertificate> {
        let typed = self.raw.texts(&key::CERTIFICATE_ALSO).map(|typed| typed.value).unwrap_or_default();
        typed.into_iter().map(|Located { value, line }| self.files(&key::CERTIFICATE_ALSO, &value, line)).collect()
    }

    fn files(&mut self, key: &Key, place: &str, line: usize) -> AlsoCertificate {
        let files = AlsoCertificate(self.folder.join(place));
        for file in [files.chain(), files.key()] {
            self.check_readable(key, &file, line);
        }
        files
    }

    /// Each `DOMAIN = PLACE`.
    pub(super) fn for_partners(&mut self) -> Vec<PartnerCertificate> {
        let key = &key::CERTIFICATE_FOR_PARTNERS;
        let typed = self.raw.texts(key).map(|typed| typed.value).unwrap_or_default();
        let mut found: Vec<PartnerCertificate> = Vec::new();
        for Located { value, line } in typed {
            let Some((domain, place)) = value.split_once('=').map(|(domain, place)| (domain.trim(), place.trim()))
            else {
                let text = format!("{}: {value:?} is not DOMAIN = FILE, such as {}", key.place(), key.example);
                self.problems.at(line, text);
                continue;
            };
            match domain::parse(domain) {
                Ok(domain) if found.iter().any(|known| known.domain == domain) => {
                    self.problems.at(line, format!("{}: {domain} is listed twice", key.place()));
                }
                Ok(domain) => {
                    let certificate = self.files(key, place, line);
                    found.push(PartnerCertificate { domain, certificate });
                }
                Err(error) => self.problems.at(line, format!("{}: {error}", key.place())),
            }
        }
        found
    }
}
