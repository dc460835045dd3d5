//! `[certificate]`, and `[certificate.acme]`: an authority that the certificate is ordered from.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use acme::AcmeFolder;
use acme::challenge::TsigAlgorithm;
use serde::Serialize;

use super::key::{self, Key};
use super::raw::Located;
use super::{Builder, CertificateFiles, Listen, list};
use crate::domain;

/// The authority, and what it is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Acme {
    pub directory: String,
    /// Mail addresses.
    pub contact: Vec<String>,
    /// In lower case; never empty.
    pub names: Vec<String>,
    pub challenge: AcmeChallenge,
    /// `None`: the system's.
    pub roots: Option<PathBuf>,
    /// `None`: a third of the certificate's life.
    pub renew_before_days: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum AcmeChallenge {
    #[serde(rename = "http-01")]
    Http01 { listen: Vec<SocketAddr> },
    #[serde(rename = "tls-alpn-01")]
    TlsAlpn01,
    #[serde(rename = "dns-01")]
    Dns01 { server: SocketAddr, key: String, algorithm: &'static str, secret_file: PathBuf, wait_secs: u64 },
}

impl AcmeChallenge {
    pub fn as_str(&self) -> &'static str {
        match self {
            AcmeChallenge::Http01 { .. } => "http-01",
            AcmeChallenge::TlsAlpn01 => "tls-alpn-01",
            AcmeChallenge::Dns01 { .. } => "dns-01",
        }
    }
}

/// What is already known of the server.
pub(super) struct Around<'a> {
    pub domains: &'a [String],
    pub edge: &'a str,
    pub listen: &'a Listen,
    pub data: &'a Path,
}

impl Builder<'_> {
    pub(super) fn certificate(&mut self, around: &Around<'_>) -> CertificateFiles {
        let acme = self.acme(around);
        let (chain, key) = match &acme {
            Some(_) => self.ordered(around.data),
            None => (self.readable(&key::CERTIFICATE_CHAIN), self.readable(&key::CERTIFICATE_KEY)),
        };
        CertificateFiles {
            chain: chain.unwrap_or_default(),
            key: key.unwrap_or_default(),
            roots: self.readable(&key::CERTIFICATE_ROOTS),
            also: self.also(),
            for_partners: self.for_partners(),
            acme,
        }
    }

    /// Where what is ordered will be.
    fn ordered(&mut self, data: &Path) -> (Option<PathBuf>, Option<PathBuf>) {
        for key in [&key::CERTIFICATE_CHAIN, &key::CERTIFICATE_KEY] {
            if let Some(line) = self.raw.line(key) {
                let text = format!("{}: [certificate.acme] gets certificate and key; leave it out", key.place());
                self.problems.at(line, text);
            }
        }
        let folder = folder(data);
        (Some(folder.chain()), Some(folder.key()))
    }

    fn acme(&mut self, around: &Around<'_>) -> Option<Acme> {
        let typed = key::ALL.iter().filter(|key| key.section == key::ACME_DIRECTORY.section);
        let first_line = typed.filter_map(|key| self.raw.line(key)).min()?;
        let directory = self.raw.text(&key::ACME_DIRECTORY);
        match &directory {
            None => self.problems.at(
                first_line,
                "[certificate.acme]: the authority is missing; name its directory: directory = \"https://...\"",
            ),
            Some(Located { value, line }) if !value.starts_with("https://") => self.problems.at(
                *line,
                format!("[certificate.acme] directory: expected an address that begins with https://, found {value:?}"),
            ),
            Some(_) => {}
        }
        let challenge = self.challenge(around.listen, first_line);
        Some(Acme {
            directory: directory.map(|typed| typed.value).unwrap_or_default(),
            contact: self.contact(),
            names: self.acme_names(around),
            challenge: challenge.unwrap_or(AcmeChallenge::TlsAlpn01),
            roots: self.readable(&key::ACME_ROOTS),
            renew_before_days: self.up_to(&key::ACME_RENEW_BEFORE_DAYS, DAYS_LIMIT),
        })
    }

    fn contact(&mut self) -> Vec<String> {
        let typed = self.raw.texts(&key::ACME_CONTACT).map(|typed| typed.value).unwrap_or_default();
        let mut found = Vec::new();
        for Located { value, line } in typed {
            let is_address = value.split_once('@').is_some_and(|(user, host)| !user.is_empty() && !host.is_empty());
            if !is_address || value.contains([':', ' ', ',']) {
                self.problems.at(line, format!("[certificate.acme] contact: expected a mail address, found {value:?}"));
            }
            found.push(value);
        }
        found
    }

    fn acme_names(&mut self, around: &Around<'_>) -> Vec<String> {
        let Some(typed) = self.raw.texts(&key::ACME_NAMES) else {
            let domains = around.domains.iter().filter(|domain| *domain != around.edge).cloned();
            return std::iter::once(around.edge.to_owned()).chain(domains).collect();
        };
        if typed.value.is_empty() {
            self.problems.at(typed.line, "[certificate.acme] names: the list is empty; leave it out, or name the edge");
        }
        let mut found: Vec<String> = Vec::new();
        for Located { value, line } in typed.value {
            match domain::parse(&value) {
                Ok(name) if found.contains(&name) => {
                    self.problems.at(line, format!("[certificate.acme] names: {name} is listed twice"));
                }
                Ok(name) => found.push(name),
                Err(error) => self.problems.at(line, format!("[certificate.acme] names: {error}")),
            }
        }
        found
    }

    fn challenge(&mut self, listen: &Listen, first_line: usize) -> Option<AcmeChallenge> {
        let typed = self.raw.text(&key::ACME_CHALLENGE);
        let line = typed.as_ref().map_or(first_line, |typed| typed.line);
        let challenge = match typed.as_ref().map_or("http-01", |typed| &typed.value) {
            "http-01" => Some(AcmeChallenge::Http01 { listen: self.acme_http(listen) }),
            "tls-alpn-01" => Some(AcmeChallenge::TlsAlpn01),
            "dns-01" => self.dns_updates(line),
            other => {
                let known = "\"http-01\", \"tls-alpn-01\" or \"dns-01\"";
                self.problems.at(line, format!("[certificate.acme] challenge: expected {known}, found {other:?}"));
                return None;
            }
        }?;
        let of_others: &[&Key] = match challenge {
            AcmeChallenge::Http01 { .. } => DNS_KEYS,
            AcmeChallenge::TlsAlpn01 => &[DNS_KEYS, &[&key::ACME_HTTP]].concat(),
            AcmeChallenge::Dns01 { .. } => &[&key::ACME_HTTP],
        };
        for key in of_others {
            if let Some(line) = self.raw.line(key) {
                let text = format!("{}: is not for {}; leave it out", key.place(), challenge.as_str());
                self.problems.at(line, text);
            }
        }
        Some(challenge)
    }

    fn acme_http(&mut self, listen: &Listen) -> Vec<SocketAddr> {
        if let Some(line) = self.raw.line(&key::ACME_HTTP) {
            let found: Vec<_> =
                self.addresses(&key::ACME_HTTP, HTTP_PORT).into_iter().map(|found| found.value).collect();
            if found.is_empty() {
                self.problems.at(line, "[certificate.acme] http: the list is empty; leave it out, or name an address");
            }
            return found;
        }
        let mut found: Vec<SocketAddr> = Vec::new();
        for address in listen.tls.iter().map(|address| SocketAddr::new(address.ip(), HTTP_PORT)) {
            if !found.contains(&address) {
                found.push(address);
            }
        }
        found
    }

    fn dns_updates(&mut self, line: usize) -> Option<AcmeChallenge> {
        let server = self.addresses(&key::ACME_DNS_SERVER, DNS_PORT);
        let (name, secret) = (self.raw.text(&key::ACME_TSIG_NAME), self.readable(&key::ACME_TSIG_SECRET_FILE));
        let wait_secs = self.up_to(&key::ACME_DNS_WAIT_SECS, DNS_WAIT_SECS_LIMIT).unwrap_or(DNS_WAIT_SECS_DEFAULT);
        let algorithm = self.tsig_algorithm();
        for (key, is_there) in [
            (&key::ACME_DNS_SERVER, server.len() == 1),
            (&key::ACME_TSIG_NAME, name.is_some()),
            (&key::ACME_TSIG_SECRET_FILE, secret.is_some()),
        ] {
            if !is_there {
                let text = format!("[certificate.acme]: dns-01 needs one {0}: {0} = {1}", key.name, key.example);
                self.problems.at(line, text);
            }
        }
        let Located { value, line } = name?;
        let key = domain::parse(&value).map_err(|error| {
            self.problems.at(line, format!("[certificate.acme] tsig_name: {error}"));
        });
        let server = server.first().map(|found| found.value)?;
        Some(AcmeChallenge::Dns01 { server, key: key.ok()?, algorithm, secret_file: secret?, wait_secs })
    }

    fn tsig_algorithm(&mut self) -> &'static str {
        let Some(Located { value, line }) = self.raw.text(&key::ACME_TSIG_ALGORITHM) else {
            return TsigAlgorithm::default().as_str();
        };
        TsigAlgorithm::parse(&value)
            .unwrap_or_else(|| {
                let known = TsigAlgorithm::ALL.map(|algorithm| format!("{:?}", algorithm.as_str())).join(" or ");
                self.problems.at(line, format!("[certificate.acme] tsig_algorithm: expected {known}, found {value:?}"));
                TsigAlgorithm::default()
            })
            .as_str()
    }
}

/// Where an account and what was ordered are kept.
pub(crate) fn folder(data: &Path) -> AcmeFolder {
    AcmeFolder::new(data.join("acme"))
}

/// The section as it could stand in a file.
impl fmt::Display for Acme {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Acme { directory, contact, names, challenge, roots, renew_before_days } = self;
        writeln!(formatter, "[certificate.acme]\ndirectory = {directory:?}\ncontact = {contact:?}\nnames = {names:?}")?;
        write!(formatter, "challenge = {:?}", challenge.as_str())?;
        match challenge {
            AcmeChallenge::Http01 { listen } => write!(formatter, "\nhttp = {}", list(listen))?,
            AcmeChallenge::TlsAlpn01 => {}
            AcmeChallenge::Dns01 { server, key, algorithm, secret_file, wait_secs } => write!(
                formatter,
                "\ndns_server = [\"{server}\"]\ntsig_name = {key:?}\ntsig_algorithm = {algorithm:?}\n\
                 tsig_secret_file = {:?}\ndns_wait_secs = {wait_secs}",
                secret_file.display().to_string()
            )?,
        }
        if let Some(roots) = roots {
            write!(formatter, "\nroots = {:?}", roots.display().to_string())?;
        }
        renew_before_days.map_or(Ok(()), |days| write!(formatter, "\nrenew_before_days = {days}"))
    }
}

const DNS_KEYS: &[&Key] = &[
    &key::ACME_DNS_SERVER,
    &key::ACME_TSIG_NAME,
    &key::ACME_TSIG_ALGORITHM,
    &key::ACME_TSIG_SECRET_FILE,
    &key::ACME_DNS_WAIT_SECS,
];
const HTTP_PORT: u16 = 80;
const DNS_PORT: u16 = 53;
const DNS_WAIT_SECS_DEFAULT: u64 = 10;
const DNS_WAIT_SECS_LIMIT: u64 = 600;
/// No public authority issues for longer.
const DAYS_LIMIT: u64 = 398;
