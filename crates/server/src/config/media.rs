//! Where the sound of meetings comes and goes.

use std::fmt;
use std::net::IpAddr;

use net::media::PortRange;
use serde::Serialize;

use super::raw::Located;
use super::{Builder, Inside, Listen, Roles, key};

/// Where bridges are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum MediaAt {
    /// On this server; at an edge alone, those of its home.
    Here,
    /// Of a home alone: on its edges.
    Edges,
    /// An edge alone that takes no sound.
    Nowhere,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Media {
    pub at: MediaAt,
    /// What phones are told to send to. `None`: the address that this machine has towards the network, whatever it is.
    pub address: Option<IpAddr>,
    pub ports: PortRange,
    pub threads: u16,
}

impl Builder<'_> {
    pub(super) fn media(&mut self, listen: &Listen, roles: Roles, inside: Option<&Inside>) -> Media {
        let address = self.media_address();
        let at = match roles {
            Roles::Edge => self.media_of_home(inside),
            Roles::Home | Roles::EdgeAndHome => self.media_at(roles),
        };
        Media {
            at,
            address: address.or_else(|| of_listeners(listen)),
            ports: self.media_ports(),
            threads: self.media_threads(),
        }
    }

    fn media_at(&mut self, roles: Roles) -> MediaAt {
        let Some(Located { value, line }) = self.raw.text(&key::MEDIA_AT) else { return MediaAt::Here };
        match (value.as_str(), roles) {
            ("here", _) => return MediaAt::Here,
            ("edges", Roles::Home) => self.forbid_own_media(),
            ("edges", _) => self.problems.at(
                line,
                "[media] at: \"edges\" is for a home alone (roles = [\"home\"]): here edge and home are one server",
            ),
            _ => {
                self.problems.at(line, format!("[media] at: expected \"here\" or \"edges\", found {value:?}"));
                return MediaAt::Here;
            }
        }
        MediaAt::Edges
    }

    /// What would do nothing at a home whose sound is at its edges.
    fn forbid_own_media(&mut self) {
        for key in [&key::MEDIA_ADDRESS, &key::MEDIA_PORTS, &key::MEDIA_THREADS] {
            if let Some(line) = self.raw.line(key) {
                let text = format!(
                    "{}: is of the server where sound is; set it at the edges, and leave it out here",
                    key.place()
                );
                self.problems.at(line, text);
            }
        }
    }

    /// An edge takes its home's sound where it is told by which address.
    fn media_of_home(&mut self, inside: Option<&Inside>) -> MediaAt {
        if let Some(line) = self.raw.line(&key::MEDIA_AT) {
            self.problems
                .at(line, "[media] at: is for a home; an edge takes its home's sound where [media] address is set");
        }
        let Some(line) = self.raw.line(&key::MEDIA_ADDRESS) else {
            for key in [&key::MEDIA_PORTS, &key::MEDIA_THREADS] {
                if let Some(line) = self.raw.line(key) {
                    let text = format!(
                        "{}: does nothing without [media] address; set that, too, or leave it out",
                        key.place()
                    );
                    self.problems.at(line, text);
                }
            }
            return MediaAt::Nowhere;
        };
        if inside.is_some_and(|inside| inside.control.is_empty()) {
            let text = "[media] address: the home says by [inside] control what sound is wanted at this edge; set that, too, or \
                leave the address out";
            self.problems.at(line, text);
        }
        MediaAt::Here
    }

    fn media_address(&mut self) -> Option<IpAddr> {
        let Located { value, line } = self.raw.text(&key::MEDIA_ADDRESS)?;
        let problem = match value.parse::<IpAddr>() {
            Ok(address) if !address.is_unspecified() => return Some(address),
            Ok(_) => "phones cannot send to it; write an address that they reach",
            Err(_) => "it is no IP address; write one without a port, such as \"192.0.2.1\"",
        };
        self.problems.at(line, format!("[media] address: {value:?}: {problem}"));
        None
    }

    fn media_ports(&mut self) -> PortRange {
        let Some(Located { value, line }) = self.raw.text(&key::MEDIA_PORTS) else { return PORTS_DEFAULT };
        value.parse().unwrap_or_else(|error| {
            self.problems.at(line, format!("[media] ports: {error}"));
            PORTS_DEFAULT
        })
    }

    fn media_threads(&mut self) -> u16 {
        let Some(Located { value, line }) = self.raw.count(&key::MEDIA_THREADS) else {
            let cores = std::thread::available_parallelism().map_or(1, usize::from);
            return u16::try_from(cores).map_or(THREADS_DEFAULT_MAX, |cores| cores.min(THREADS_DEFAULT_MAX));
        };
        match u16::try_from(value) {
            Ok(threads) if (1..=THREADS_MAX).contains(&threads) => threads,
            _ => {
                let text = format!("[media] threads: expected a number from 1 to {THREADS_MAX}, found {value}");
                self.problems.at(line, text);
                1
            }
        }
    }
}

/// The part of the effective configuration.
impl fmt::Display for Media {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Media { at, address, ports, threads } = self;
        let address = match address {
            Some(address) => format!("address = \"{address}\""),
            None => "# address: the one that this machine has towards the network".to_owned(),
        };
        writeln!(formatter, "[media]")?;
        match at {
            MediaAt::Here => writeln!(formatter, "{address}\nports = \"{ports}\"\nthreads = {threads}"),
            MediaAt::Edges => writeln!(formatter, "at = \"edges\""),
            MediaAt::Nowhere => writeln!(formatter, "# no sound goes by this edge"),
        }
    }
}

/// The first address by which others than this machine reach us; where there are only such of this machine, the first of them.
fn of_listeners(listen: &Listen) -> Option<IpAddr> {
    let addresses = || listen.tls.iter().chain(&listen.tcp).chain(&listen.udp).map(std::net::SocketAddr::ip);
    let outside = addresses().find(|address| !address.is_unspecified() && !address.is_loopback());
    let is_inside_only = addresses().all(|address| address.is_loopback());
    outside.or_else(|| addresses().next().filter(|_| is_inside_only))
}

/// Room for 5000 legs.
const PORTS_DEFAULT: PortRange = PortRange { first: 20_000, last: 29_999 };
/// One core mixes for hundreds; the others are for signalling.
const THREADS_DEFAULT_MAX: u16 = 2;
const THREADS_MAX: u16 = 64;
