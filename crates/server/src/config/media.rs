//! Where the sound of meetings comes and goes.

use std::net::IpAddr;

use net::media::PortRange;
use serde::Serialize;

use super::raw::Located;
use super::{Builder, Listen, key};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Media {
    /// What phones are told to send to. `None`: the address that this machine has towards the network, whatever it is.
    pub address: Option<IpAddr>,
    pub ports: PortRange,
    pub threads: u16,
}

impl Builder<'_> {
    pub(super) fn media(&mut self, listen: &Listen) -> Media {
        Media {
            address: self.media_address().or_else(|| of_listeners(listen)),
            ports: self.media_ports(),
            threads: self.media_threads(),
        }
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
