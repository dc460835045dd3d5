//! Addresses: where to listen, and whom to ask; and which web pages may come.

use std::net::SocketAddr;

use net::{Networks, Origin, Origins};

use super::key::{self, Key};
use super::raw::Located;
use super::{Builder, Listen};

impl Builder<'_> {
    pub(super) fn listen(&mut self) -> Listen {
        let [tls, tcp, udp, wss, ws, metrics, health] = [
            (&key::LISTEN_TLS, 5061),
            (&key::LISTEN_TCP, 5060),
            (&key::LISTEN_UDP, 5060),
            (&key::LISTEN_WSS, 7443),
            (&key::LISTEN_WS, 7080),
            (&key::LISTEN_METRICS, 9464),
            (&key::LISTEN_HEALTH, 8061),
        ]
        .map(|(key, port)| self.addresses(key, port));
        if let Some(Located { value, line }) = self.raw.texts(&key::LISTEN_TLS)
            && value.is_empty()
        {
            self.problems.at(line, "[listen] tls: the list is empty; federation needs at least one TLS address");
        }
        let over_tcp =
            [("tls", &tls), ("tcp", &tcp), ("wss", &wss), ("ws", &ws), ("metrics", &metrics), ("health", &health)];
        for (index, (name, addresses)) in over_tcp.into_iter().enumerate() {
            let before = over_tcp.iter().take(index);
            let earlier = |address: &Located<SocketAddr>| {
                before.clone().find(|(_, others)| others.iter().any(|other| other.value == address.value))
            };
            for (address, (other, _)) in addresses.iter().filter_map(|address| Some((address, earlier(address)?))) {
                let text = format!("[listen] {name}: {} is in {other} already; give each its own port", address.value);
                self.problems.at(address.line, text);
            }
        }
        let addresses = |located: Vec<Located<SocketAddr>>| located.into_iter().map(|found| found.value).collect();
        Listen {
            tls: addresses(tls),
            tcp: addresses(tcp),
            udp: addresses(udp),
            wss: addresses(wss),
            ws: addresses(ws),
            metrics: addresses(metrics),
            health: addresses(health),
            proxy_from: self.networks(&key::LISTEN_PROXY_FROM),
        }
    }

    pub(super) fn networks(&mut self, key: &Key) -> Networks {
        let mut networks = Networks::default();
        for Located { value, line } in self.raw.texts(key).map(|typed| typed.value).unwrap_or_default() {
            if let Err(error) = networks.add(&value) {
                self.problems.at(line, format!("{}: {error}", key.place()));
            }
        }
        networks
    }

    /// Whose pages may open WebSockets; pages of the domains themselves, where nothing is said.
    pub(super) fn origins(&mut self, domains: &[String]) -> Origins {
        let Some(typed) = self.raw.texts(&key::WEB_ORIGINS) else {
            return Origins::of_domains(domains.iter().map(String::as_str));
        };
        let mut origins = Vec::new();
        for Located { value, line } in typed.value {
            match Origin::parse(&value) {
                Ok(origin) => origins.push(origin),
                Err(error) => self.problems.at(line, format!("{}: {error}", key::WEB_ORIGINS.place())),
            }
        }
        Origins::new(origins)
    }

    pub(super) fn addresses(&mut self, key: &Key, port: u16) -> Vec<Located<SocketAddr>> {
        let typed = self.raw.texts(key).map(|typed| typed.value).unwrap_or_default();
        if typed.len() > LISTENERS_MAX
            && let Some(beyond) = typed.get(LISTENERS_MAX)
        {
            self.problems.at(beyond.line, format!("{}: more than {LISTENERS_MAX} addresses", key.place()));
        }
        let mut found: Vec<Located<SocketAddr>> = Vec::new();
        for Located { value, line } in typed {
            match address(&value, port) {
                Ok(address) if found.iter().any(|other| other.value == address) => {
                    self.problems.at(line, format!("{}: {address} is listed twice", key.place()));
                }
                Ok(value) => found.push(Located { value, line }),
                Err(why) => self.problems.at(line, format!("{}: {why}", key.place())),
            }
        }
        found
    }
}

/// Reads `ADDRESS:PORT`; `port` is what an example shows.
pub(super) fn address(text: &str, port: u16) -> Result<SocketAddr, String> {
    if let Ok(address) = text.parse::<SocketAddr>() {
        return if address.port() == 0 { Err(format!("{text:?} has port 0; write a real one")) } else { Ok(address) };
    }
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    if let Ok(ip) = bare.parse() {
        return Err(format!("{text:?} has no port; write {:?}", SocketAddr::new(ip, port).to_string()));
    }
    Err(format!("{text:?} is no address; expected an IP address and a port, such as \"192.0.2.1:{port}\""))
}

/// Of one kind. A datagram flow names its listener by one byte, so that all kinds together have to stay below 256.
const LISTENERS_MAX: usize = 48;
