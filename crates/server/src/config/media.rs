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

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Media {
    pub at: MediaAt,
    /// What phones are told to send to: of each family, IPv4 and IPv6, one at most. An unspecified one stands for the address of
    /// its family that this machine has towards the network, whatever that is.
    pub addresses: Vec<IpAddr>,
    pub ports: PortRange,
    pub threads: u16,
}

impl Builder<'_> {
    pub(super) fn media(&mut self, listen: &Listen, roles: Roles, inside: Option<&Inside>) -> Media {
        let addresses = self.media_addresses();
        let at = match roles {
            Roles::Edge => self.media_of_home(inside),
            Roles::Home | Roles::EdgeAndHome => self.media_at(roles),
        };
        Media {
            at,
            addresses: if addresses.is_empty() { of_listeners(listen) } else { addresses },
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

    fn media_addresses(&mut self) -> Vec<IpAddr> {
        let Some(Located { value: texts, line }) = self.raw.texts(&key::MEDIA_ADDRESS) else { return Vec::new() };
        if texts.is_empty() {
            self.problems.at(line, "[media] address: the list is empty; leave it out to have the default");
        }
        let mut addresses: Vec<IpAddr> = Vec::new();
        for Located { value, line } in texts {
            let problem = match value.parse::<IpAddr>() {
                Ok(address) if address.is_unspecified() => "phones cannot send to it; write an address that they reach",
                Ok(address) if addresses.iter().any(|other| other.is_ipv4() == address.is_ipv4()) => {
                    "it is the second of its kind; there may be one of IPv4 and one of IPv6"
                }
                Ok(address) => {
                    addresses.push(address);
                    continue;
                }
                Err(_) => "it is no IP address; write one without a port, such as \"192.0.2.1\"",
            };
            self.problems.at(line, format!("[media] address: {value:?}: {problem}"));
        }
        addresses
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
        let Media { at, addresses, ports, threads } = self;
        let named: Vec<String> =
            addresses.iter().filter(|ip| !ip.is_unspecified()).map(|ip| format!("\"{ip}\"")).collect();
        let is_found = named.len() < addresses.len();
        let address = match (named.as_slice(), is_found) {
            ([one], false) => format!("address = {one}"),
            ([first, other], _) => format!("address = [{first}, {other}]"),
            ([one, ..], true) => {
                format!("# address: {one}, and of the other kind the one that this machine has towards the network")
            }
            ([], _) | (_, false) => "# address: those that this machine has towards the network".to_owned(),
        };
        writeln!(formatter, "[media]")?;
        match at {
            MediaAt::Here => writeln!(formatter, "{address}\nports = \"{ports}\"\nthreads = {threads}"),
            MediaAt::Edges => writeln!(formatter, "at = \"edges\""),
            MediaAt::Nowhere => writeln!(formatter, "# no sound goes by this edge"),
        }
    }
}

/// Of each family the first address by which others than this machine reach us; where there are only such of this machine, the
/// first of them. Which one it is, where a listener takes all of a family, is seen at the start.
fn of_listeners(listen: &Listen) -> Vec<IpAddr> {
    let addresses = || listen.tls.iter().chain(&listen.tcp).chain(&listen.udp).map(std::net::SocketAddr::ip);
    let is_inside_only = addresses().all(|address| address.is_loopback());
    let of = |is_ipv4: bool| {
        let alike = || addresses().filter(move |address| address.is_ipv4() == is_ipv4);
        let outside = alike().find(|address| !address.is_unspecified() && !address.is_loopback());
        let all = || alike().find(std::net::IpAddr::is_unspecified);
        outside.or_else(all).or_else(|| alike().next().filter(|_| is_inside_only))
    };
    [of(true), of(false)].into_iter().flatten().collect()
}

/// Room for 5000 legs.
const PORTS_DEFAULT: PortRange = PortRange { first: 20_000, last: 29_999 };
/// One core mixes for hundreds; the others are for signalling.
const THREADS_DEFAULT_MAX: u16 = 2;
const THREADS_MAX: u16 = 64;
