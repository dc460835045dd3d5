//! What single values mean that were typed; whole sections have files of their own.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use net::DnsSettings;
use signaling::{CallSettings, When};
use sip::auth::Algorithm;

use super::key::{self, Key};
use super::problem::Problems;
use super::raw::{Located, RawConfig};
use crate::domain;

/// Turns what was typed into what it means. A value with a problem becomes an empty one, which nobody sees.
pub(super) struct Builder<'a> {
    pub folder: &'a Path,
    pub raw: RawConfig,
    pub problems: Problems,
    pub open: &'a dyn Fn(&Path) -> std::io::Result<()>,
}

impl Builder<'_> {
    pub(super) fn domains(&mut self) -> Vec<String> {
        let Some(typed) = self.raw.texts(&key::DOMAINS) else {
            return Vec::new();
        };
        if typed.value.is_empty() {
            self.problems.at(typed.line, "domains: the list is empty; name at least one domain");
        }
        let mut seen = BTreeSet::new();
        let mut domains = Vec::new();
        for Located { value, line } in typed.value {
            match domain::parse(&value) {
                Ok(domain) if !seen.insert(domain.clone()) => {
                    self.problems.at(line, format!("domains: {domain} is listed twice"));
                }
                Ok(domain) => domains.push(domain),
                Err(error) => self.problems.at(line, format!("domains: {error}")),
            }
        }
        domains
    }

    pub(super) fn edge(&mut self) -> String {
        let Some(Located { value, line }) = self.raw.text(&key::EDGE) else {
            return String::new();
        };
        domain::parse(&value).unwrap_or_else(|error| {
            self.problems.at(line, format!("edge: {error}"));
            String::new()
        })
    }

    pub(super) fn calls(&mut self) -> CallSettings {
        CallSettings {
            between: self.when(&key::CALLS_BETWEEN),
            anchor: self.when(&key::CALLS_ANCHOR),
            redirects: self.raw.switch(&key::CALLS_REDIRECTS).unwrap_or(false),
        }
    }

    fn when(&mut self, key: &key::Key) -> When {
        let Some(Located { value, line }) = self.raw.text(key) else { return When::default() };
        When::parse(&value).unwrap_or_else(|| {
            let known = When::ALL.map(|setting| format!("{:?}", setting.as_str())).join(" or ");
            self.problems.at(line, format!("[{}] {}: expected {known}, found {value:?}", key.section, key.name));
            When::default()
        })
    }

    pub(super) fn digest(&mut self) -> Vec<Algorithm> {
        let Some(typed) = self.raw.texts(&key::USERS_DIGEST) else {
            return Algorithm::ALL.to_vec();
        };
        let known = Algorithm::ALL.map(|algorithm| format!("{:?}", algorithm.as_str())).join(" or ");
        if typed.value.is_empty() {
            self.problems.at(typed.line, format!("[users] digest: the list is empty; name {known}, or both"));
        }
        let mut digest = Vec::new();
        for Located { value, line } in typed.value {
            match Algorithm::parse(&value) {
                Some(algorithm) if digest.contains(&algorithm) => {
                    self.problems.at(line, format!("[users] digest: {value} is listed twice"));
                }
                Some(algorithm) => digest.push(algorithm),
                None => self.problems.at(line, format!("[users] digest: expected {known}, found {value:?}")),
            }
        }
        digest
    }

    pub(super) fn workers(&mut self) -> u16 {
        let Some(Located { value, line }) = self.raw.count(&key::WORKERS) else {
            let cores = std::thread::available_parallelism().map_or(2, usize::from);
            return u16::try_from(cores).unwrap_or(WORKERS_MAX).clamp(2, WORKERS_MAX);
        };
        match u16::try_from(value) {
            Ok(workers) if (1..=WORKERS_MAX).contains(&workers) => workers,
            _ => {
                self.problems.at(line, format!("workers: expected a number from 1 to {WORKERS_MAX}, found {value}"));
                1
            }
        }
    }

    /// A number that may not be larger than this.
    pub(super) fn up_to(&mut self, key: &Key, limit: u64) -> Option<u64> {
        let Located { value, line } = self.raw.count(key)?;
        if value > limit {
            let place = key.place();
            self.problems.at(line, format!("{place}: expected a number from 0 to {limit}, found {value}"));
        }
        Some(value)
    }

    pub(super) fn path(&mut self, key: &Key) -> Option<Located<PathBuf>> {
        let Located { value, line } = self.raw.text(key)?;
        if value.is_empty() {
            self.problems.at(line, format!("{}: the path is empty", key.place()));
        }
        Some(Located { value: self.folder.join(value), line })
    }

    pub(super) fn readable(&mut self, key: &Key) -> Option<PathBuf> {
        let Located { value: path, line } = self.path(key)?;
        self.check_readable(key, &path, line);
        Some(path)
    }

    pub(super) fn check_readable(&mut self, key: &Key, path: &Path, line: usize) {
        if let Err(error) = (self.open)(path) {
            self.problems.at(line, format!("{}: cannot read {}: {error}", key.place(), path.display()));
        }
    }

    pub(super) fn dns(&mut self) -> DnsSettings {
        DnsSettings {
            servers: self.addresses(&key::DNS_SERVERS, 53).into_iter().map(|found| found.value).collect(),
            validates: self.raw.switch(&key::DNS_DNSSEC).unwrap_or(false),
            trust_anchor: self.readable(&key::DNS_TRUST_ANCHOR),
        }
    }
}

const WORKERS_MAX: u16 = 256;
