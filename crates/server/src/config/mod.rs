//! `comity.toml`: what was typed is read by [`raw`], what it means is a [`Config`].
//!
//! All problems of a file are reported together, each with its line. Paths in the file are relative to its folder.

mod acme;
mod builder;
mod certificate_files;
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
mod written;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use acme::Around;
pub(crate) use acme::folder as acme_folder;
pub use acme::{Acme, AcmeChallenge};
use builder::Builder;
pub use certificate_files::{AlsoCertificate, CertificateFiles, PartnerCertificate};
use federation::admission::Organisation;
use federation::bodies::BodyTypes;
use federation::ledger::DiscoveredTerms;
pub use inside::{Inside, Roles};
pub use key::{ALL as KEYS, Key, Kind, Need, reference};
pub use mail::{MailSecurity, MailServer};
pub use media::{Media, MediaAt};
use net::{DnsSettings, Networks, Origins};
use problem::Problems;
pub use problem::{ConfigError, Problem};
use raw::RawConfig;
use serde::{Serialize, Serializer};
use signaling::CallSettings;
use sip::Transport;
use sip::auth::Algorithm;
pub use switches::FederationSwitches;
use written::list;

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
    pub body_types: BodyTypes,
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
        let default_route = builder.default_route((&edge, &listen), is_told(roles, inside.as_ref()));
        let data = builder.path(&key::DATA).map_or_else(|| builder.folder.join("data"), |path| path.value);
        let config = Config {
            certificate: builder.certificate(&Around { domains: &domains, edge: &edge, listen: &listen, data: &data }),
            data,
            file: file.to_owned(),
            origins: builder.origins(&domains),
            domains,
            edge,
            roles,
            default_route,
            media: builder.media(&listen, roles, inside.as_ref()),
            inside,
            workers: builder.workers(),
            drain_secs_max: builder.up_to(&key::DRAIN_SECS_MAX, DRAIN_SECS_LIMIT).unwrap_or(DRAIN_SECS_DEFAULT),
            listen,
            federation: builder.federation(),
            body_types: builder.body_types(),
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

const DRAIN_SECS_DEFAULT: u64 = 10;
/// Nobody means to wait for longer than an hour.
const DRAIN_SECS_LIMIT: u64 = 3600;
const KEEP_DAYS_DEFAULT: u64 = 30;
/// Ten years.
const KEEP_DAYS_LIMIT: u64 = 3650;
