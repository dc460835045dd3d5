//! `comity.toml`: what was typed is read by [`raw`], what it means is a [`Config`].
//!
//! All problems of a file are reported together, each with its line. Paths in the file are relative to its folder.

mod acme;
mod discovered;
mod inside;
mod inside_control;
mod key;
mod listen;
mod mail;
mod media;
mod nearest;
mod problem;
mod raw;
mod switches;
mod topology;

use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use acme::Around;
pub(crate) use acme::folder as acme_folder;
pub use acme::{Acme, AcmeChallenge};
use federation::admission::Organisation;
use federation::ledger::DiscoveredTerms;
pub use inside::{Inside, Roles};
pub use key::{ALL as KEYS, Key, Kind, Need, reference};
pub use mail::{MailSecurity, MailServer};
pub use media::Media;
use net::{DnsSettings, Networks, Origins};
use problem::Problems;
pub use problem::{ConfigError, Problem};
use raw::{Located, RawConfig};
use serde::{Serialize, Serializer};
use signaling::{CallSettings, When};
use sip::Transport;
use sip::auth::Algorithm;
pub use switches::FederationSwitches;

use crate::domain;

/// A checked configuration: every name is canonical, every path absolute or relative to the working directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Config {
    /// The file it was read from.
    pub file: PathBuf,
    /// The SIP domains served here, in lower case, without repetition.
    pub domains: Vec<String>,
    /// The certified name of this server, in lower case.
    pub edge: String,
    pub roles: Roles,
    /// Where edge and home are two.
    pub inside: Option<Inside>,
    /// The folder of the store and the control socket.
    pub data: PathBuf,
    pub workers: u16,
    /// How long a server that is to end waits for what is under way.
    pub drain_secs_max: u64,
    pub certificate: CertificateFiles,
    pub listen: Listen,
    /// Of the web pages that may open a WebSocket.
    #[serde(serialize_with = "as_texts")]
    pub origins: Origins,
    pub media: Media,
    pub federation: FederationSwitches,
    /// "host:port" of the one next hop for whoever's entry names no edge.
    pub default_route: Option<String>,
    /// What partners without an entry may do, where discovery is on.
    pub discovered: DiscoveredTerms,
    pub calls: CallSettings,
    /// Algorithms that users may sign in with, most wanted first; never empty.
    pub digest: Vec<Algorithm>,
    /// Empty: the system's.
    pub dns: DnsSettings,
    /// `None`: no mail is sent.
    pub mail: Option<MailServer>,
    /// How long records of calls are kept after their end; 0 keeps none.
    pub keep_days: u64,
}

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
pub struct AlsoCertificate(PathBuf);

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

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Listen {
    pub tls: Vec<SocketAddr>,
    pub tcp: Vec<SocketAddr>,
    pub udp: Vec<SocketAddr>,
    /// WebSockets over TLS.
    pub wss: Vec<SocketAddr>,
    /// WebSockets without.
    pub ws: Vec<SocketAddr>,
    /// Not SIP: where scrapers get the metrics.
    pub metrics: Vec<SocketAddr>,
    /// Not SIP: where load balancers ask whether we can do the work.
    pub health: Vec<SocketAddr>,
    /// The load balancers before the addresses in `tls`.
    pub proxy_from: Networks,
}

impl Listen {
    fn has(&self, transport: Transport, address: SocketAddr) -> bool {
        let streams = [&self.tls, &self.tcp, &self.wss, &self.ws, &self.metrics, &self.health];
        match transport {
            Transport::Udp => self.udp.contains(&address),
            _ => streams.iter().any(|addresses| addresses.contains(&address)),
        }
    }
}

impl Config {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// Everything that is wrong with it, a certificate file that is not there included.
    pub fn load(file: &Path) -> Result<Config, ConfigError> {
        Config::parse(file, &read(file)?, &|path| std::fs::File::open(path).map(drop))
    }

    /// As [`Config::load`], without looking at the files that it names: a user can be added before there is a certificate.
    ///
    /// # Errors
    /// Everything that is wrong with the file itself.
    pub fn load_settings(file: &Path) -> Result<Config, ConfigError> {
        Config::parse(file, &read(file)?, &|_| Ok(()))
    }

    /// Checks the text of a file; `open` says whether a file that it names can be read.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse(file: &Path, text: &str, open: &dyn Fn(&Path) -> std::io::Result<()>) -> Result<Config, ConfigError> {
        let mut problems = Problems::default();
        let raw = RawConfig::read(text, &mut problems);
        let mut builder = Builder { folder: file.parent().unwrap_or(Path::new("")), raw, problems, open };
        let listen = builder.listen();
        let domains = builder.domains();
        let (edge, roles) = (builder.edge(), builder.roles());
        let inside = builder.inside(roles, &edge, &listen);
        let data = builder.path(&key::DATA).map_or_else(|| builder.folder.join("data"), |path| path.value);
        let config = Config {
            certificate: builder.certificate(&Around { domains: &domains, edge: &edge, listen: &listen, data: &data }),
            data,
            file: file.to_owned(),
            origins: builder.origins(&domains),
            domains,
            edge,
            roles,
            default_route: builder.default_route(is_told(roles, inside.as_ref())),
            inside,
            workers: builder.workers(),
            drain_secs_max: builder.up_to(&key::DRAIN_SECS_MAX, DRAIN_SECS_LIMIT).unwrap_or(DRAIN_SECS_DEFAULT),
            media: builder.media(&listen),
            listen,
            federation: builder.federation(),
            discovered: builder.discovered(),
            calls: builder.calls(),
            digest: builder.digest(),
            mail: builder.mail(),
            dns: builder.dns(),
            keep_days: builder.up_to(&key::RECORDS_KEEP_DAYS, KEEP_DAYS_LIMIT).unwrap_or(KEEP_DAYS_DEFAULT),
        };
        if builder.problems.is_empty() {
            Ok(config)
        } else {
            Err(ConfigError { file: file.to_owned(), problems: builder.problems.into_sorted() })
        }
    }

    /// Every socket of the outer side to listen on.
    pub fn listeners(&self) -> impl Iterator<Item = (Transport, SocketAddr)> {
        let with = |transport| move |address: &SocketAddr| (transport, *address);
        let Listen { tls, tcp, udp, wss, ws, .. } = &self.listen;
        let streams = tls.iter().map(with(Transport::Tls)).chain(tcp.iter().map(with(Transport::Tcp)));
        let web_sockets = wss.iter().map(with(Transport::Wss)).chain(ws.iter().map(with(Transport::Ws)));
        streams.chain(udp.iter().map(with(Transport::Udp))).chain(web_sockets)
    }

    /// Every socket to listen on with the side it is on; the order is the one in which the workers count them.
    pub fn sides(&self) -> impl Iterator<Item = (Transport, SocketAddr, bool)> {
        let inner = self.inside.iter().flat_map(|inside| inside.listen.iter().copied());
        let outer = self.listeners().map(|(transport, address)| (transport, address, false));
        outer.chain(inner.map(|(transport, address)| (transport, address, true)))
    }

    /// Every socket on the network, those that speak no SIP included.
    pub fn sockets(&self) -> impl Iterator<Item = (Transport, SocketAddr)> {
        let sides = self.sides().map(|(transport, address, _)| (transport, address));
        let control = self.inside.iter().flat_map(|inside| &inside.control);
        let http = self.listen.metrics.iter().chain(&self.listen.health);
        sides.chain(http.chain(control).map(|address| (Transport::Tcp, *address)))
    }

    /// Whether this is an edge whose home decides about partners.
    pub fn is_told(&self) -> bool {
        is_told(self.roles, self.inside.as_ref())
    }

    /// What the workers need to know of us.
    pub fn organisation(&self) -> Organisation {
        let split = Inside::split(self.roles, self.inside.as_ref());
        let (domains, edge) = (self.domains.clone(), self.edge.clone());
        Organisation { digest: self.digest.clone(), split, ..Organisation::new(domains, edge) }
    }

    /// Where the store is.
    pub fn store_path(&self) -> PathBuf {
        self.data.join("comity.db")
    }

    /// Where a running server is reached by commands.
    pub fn control_path(&self) -> PathBuf {
        self.data.join("control.sock")
    }

    /// Held locked by whoever works in the folder: a server, or a command while none runs.
    pub fn lock_path(&self) -> PathBuf {
        self.data.join("comity.lock")
    }
}

fn is_told(roles: Roles, inside: Option<&Inside>) -> bool {
    roles == Roles::Edge && inside.is_some_and(|inside| !inside.control.is_empty())
}

/// The effective configuration, in the form of a file.
impl fmt::Display for Config {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = |path: &Path| format!("{:?}", path.display().to_string());
        let roots = match &self.certificate.roots {
            Some(roots) => format!("roots = {}", path(roots)),
            None => "# roots: the system's".to_owned(),
        };
        let servers = match self.dns.servers.as_slice() {
            [] => "# servers: the system's".to_owned(),
            servers => format!("servers = {}", list(servers)),
        };
        writeln!(formatter, "domains = {:?}\nedge = {:?}", self.domains, self.edge)?;
        writeln!(formatter, "roles = {}", self.roles)?;
        writeln!(formatter, "data = {}\nworkers = {}", path(&self.data), self.workers)?;
        writeln!(formatter, "drain_secs_max = {}\n", self.drain_secs_max)?;
        let CertificateFiles { chain, key, also, for_partners, acme, .. } = &self.certificate;
        match acme {
            None => writeln!(formatter, "[certificate]\nchain = {}\nkey = {}\n{roots}", path(chain), path(key))?,
            Some(_) => writeln!(formatter, "[certificate]\n{roots}")?,
        }
        let also: Vec<String> = also.iter().map(|also| also.0.display().to_string()).collect();
        let written = |one: &PartnerCertificate| format!("{} = {}", one.domain, one.certificate.0.display());
        let for_partners: Vec<String> = for_partners.iter().map(written).collect();
        writeln!(formatter, "also = {also:?}\nfor_partners = {for_partners:?}\n")?;
        if let Some(acme) = acme {
            writeln!(formatter, "{acme}\n")?;
        }
        let Listen { tls, tcp, udp, wss, ws, metrics, health, proxy_from } = &self.listen;
        writeln!(formatter, "[listen]\ntls = {}\ntcp = {}\nudp = {}", list(tls), list(tcp), list(udp))?;
        writeln!(formatter, "wss = {}\nws = {}\nmetrics = {}", list(wss), list(ws), list(metrics))?;
        writeln!(formatter, "health = {}\nproxy_from = {:?}\n", list(health), proxy_from.written())?;
        writeln!(formatter, "[web]\norigins = {:?}\n", texts(&self.origins))?;
        if let Some(inside) = &self.inside {
            writeln!(formatter, "{inside}")?;
        }
        let Media { address, ports, threads } = self.media;
        let address = match address {
            Some(address) => format!("address = \"{address}\""),
            None => "# address: the one that this machine has towards the network".to_owned(),
        };
        writeln!(formatter, "[media]\n{address}\nports = \"{ports}\"\nthreads = {threads}\n")?;
        let FederationSwitches { enabled, discovery, mark_source_verifiable, .. } = self.federation;
        let FederationSwitches { diagnostics_to_partners, hide_topology, crl, .. } = self.federation;
        let connections_per_partner = self.federation.connections_per_partner;
        writeln!(formatter, "[federation]\nenabled = {enabled}\ndiscovery = {discovery}")?;
        match &self.default_route {
            Some(edge) => writeln!(formatter, "default_route = \"sip:{edge};transport=tls\"")?,
            None => writeln!(formatter, "# default_route: every domain is reached by its entry or the DNS")?,
        }
        writeln!(formatter, "mark_source_verifiable = {mark_source_verifiable}")?;
        writeln!(formatter, "diagnostics_to_partners = {diagnostics_to_partners}\nhide_topology = {hide_topology}")?;
        writeln!(formatter, "crl = {:?}", crl.as_str())?;
        writeln!(formatter, "connections_per_partner = {connections_per_partner}\n")?;
        let DiscoveredTerms { rate, suspect_rate, users_max, hide_users, look_alikes, .. } = self.discovered;
        let DiscoveredTerms { unanswered_per_user, unanswered_users, unanswered_per_hour, .. } = self.discovered;
        writeln!(formatter, "[federation.discovered]\nrate = {rate}\nsuspect_rate = {suspect_rate}")?;
        writeln!(formatter, "users_max = {users_max}\nunanswered_per_user = {unanswered_per_user}")?;
        writeln!(formatter, "unanswered_users = {unanswered_users}\nunanswered_per_hour = {unanswered_per_hour}")?;
        writeln!(formatter, "look_alikes = {:?}\nhide_users = {hide_users}\n", look_alikes.as_str())?;
        let CallSettings { between, anchor, redirects } = self.calls;
        writeln!(formatter, "[calls]\nbetween = {:?}\nanchor = {:?}", between.as_str(), anchor.as_str())?;
        writeln!(formatter, "redirects = {redirects}\n")?;
        let digest: Vec<&str> = self.digest.iter().map(|algorithm| algorithm.as_str()).collect();
        writeln!(formatter, "[users]\ndigest = {digest:?}\n")?;
        let anchor = match &self.dns.trust_anchor {
            Some(file) => format!("trust_anchor = {}", path(file)),
            None => "# trust_anchor: the root's".to_owned(),
        };
        write!(formatter, "[dns]\n{servers}\ndnssec = {}\n{anchor}\n\n", self.dns.validates)?;
        write!(formatter, "[records]\nkeep_days = {}", self.keep_days)?;
        self.mail.as_ref().map_or(Ok(()), |mail| write!(formatter, "\n\n{mail}"))
    }
}

fn read(file: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(file).map_err(|error| ConfigError {
        file: file.to_owned(),
        problems: vec![Problem { line: None, text: format!("cannot be read: {error}") }],
    })
}

fn texts(origins: &Origins) -> Vec<String> {
    origins.iter().map(|origin| origin.to_string()).collect()
}

fn as_texts<S: Serializer>(origins: &Origins, serializer: S) -> Result<S::Ok, S::Error> {
    texts(origins).serialize(serializer)
}

fn list(addresses: &[SocketAddr]) -> String {
    format!("{:?}", addresses.iter().map(SocketAddr::to_string).collect::<Vec<_>>())
}

/// Turns what was typed into what it means. A value with a problem becomes an empty one, which nobody sees.
struct Builder<'a> {
    folder: &'a Path,
    raw: RawConfig,
    problems: Problems,
    open: &'a dyn Fn(&Path) -> std::io::Result<()>,
}

impl Builder<'_> {
    fn domains(&mut self) -> Vec<String> {
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

    fn edge(&mut self) -> String {
        let Some(Located { value, line }) = self.raw.text(&key::EDGE) else {
            return String::new();
        };
        domain::parse(&value).unwrap_or_else(|error| {
            self.problems.at(line, format!("edge: {error}"));
            String::new()
        })
    }

    fn calls(&mut self) -> CallSettings {
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

    fn digest(&mut self) -> Vec<Algorithm> {
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

    fn workers(&mut self) -> u16 {
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
    fn up_to(&mut self, key: &Key, limit: u64) -> Option<u64> {
        let Located { value, line } = self.raw.count(key)?;
        if value > limit {
            let place = key.place();
            self.problems.at(line, format!("{place}: expected a number from 0 to {limit}, found {value}"));
        }
        Some(value)
    }

    fn dns(&mut self) -> DnsSettings {
        DnsSettings {
            servers: self.addresses(&key::DNS_SERVERS, 53).into_iter().map(|found| found.value).collect(),
            validates: self.raw.switch(&key::DNS_DNSSEC).unwrap_or(false),
            trust_anchor: self.readable(&key::DNS_TRUST_ANCHOR),
        }
    }

    fn path(&mut self, key: &Key) -> Option<Located<PathBuf>> {
        let Located { value, line } = self.raw.text(key)?;
        if value.is_empty() {
            self.problems.at(line, format!("{}: the path is empty", key.place()));
        }
        Some(Located { value: self.folder.join(value), line })
    }

    fn readable(&mut self, key: &Key) -> Option<PathBuf> {
        let Located { value: path, line } = self.path(key)?;
        self.check_readable(key, &path, line);
        Some(path)
    }

    fn check_readable(&mut self, key: &Key, path: &Path, line: usize) {
        if let Err(error) = (self.open)(path) {
            self.problems.at(line, format!("{}: cannot read {}: {error}", key.place(), path.display()));
        }
    }

    fn also(&mut self) -> Vec<AlsoCertificate> {
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
    fn for_partners(&mut self) -> Vec<PartnerCertificate> {
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

const WORKERS_MAX: u16 = 256;
const DRAIN_SECS_DEFAULT: u64 = 10;
/// Nobody means to wait for longer than an hour.
const DRAIN_SECS_LIMIT: u64 = 3600;
const KEEP_DAYS_DEFAULT: u64 = 30;
/// Ten years.
const KEEP_DAYS_LIMIT: u64 = 3650;
