//! `roles` and `[inside]`: whether edge and home are one server, and what is between them where they are two.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use federation::inside::{Hop, Inside as InsideRules, Split};
use net::Networks;
use serde::Serialize;
use sip::Transport;

use super::key::{self, Key};
use super::listen::address;
use super::raw::Located;
use super::{Builder, Listen};
use crate::domain;

/// Which parts of the work this server does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Roles {
    #[default]
    EdgeAndHome,
    Edge,
    Home,
}

impl Roles {
    fn names(self) -> &'static [&'static str] {
        match self {
            Roles::EdgeAndHome => &["edge", "home"],
            Roles::Edge => &["edge"],
            Roles::Home => &["home"],
        }
    }
}

impl fmt::Display for Roles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.names())
    }
}

/// The inner side of an edge or of a home.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Inside {
    pub rules: InsideRules,
    /// Where the other side connects to us.
    pub listen: Vec<(Transport, SocketAddr)>,
    /// The load balancers before the addresses for TLS among these.
    pub proxy_from: Networks,
    /// Of an edge: where its home tells it what it decided. Empty: its partners are its own.
    pub control: Vec<SocketAddr>,
    /// Of a home: where it tells each of its edges, where that is not the names in `edges`.
    pub control_hops: Vec<Hop>,
    /// Of a home: the port at which its edges listen for that, where nothing else is said.
    pub control_port: u16,
    /// `None`: the same certificate as outside.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// `None`: the same authorities as outside.
    pub roots: Option<PathBuf>,
}

/// What was typed about the servers of the other side.
struct Hops {
    hops: Vec<Hop>,
    transport: Transport,
    is_comity: bool,
    line: usize,
}

impl Builder<'_> {
    pub(super) fn roles(&mut self) -> Roles {
        let Some(Located { value, line }) = self.raw.texts(&key::ROLES) else { return Roles::default() };
        let has = |name| value.iter().any(|role| role.value == name);
        if let Some(unknown) = value.iter().find(|role| !["edge", "home"].contains(&role.value.as_str())) {
            let text = format!("roles: there is no role {:?}; the roles are \"edge\" and \"home\"", unknown.value);
            self.problems.at(unknown.line, text);
        }
        match (has("edge"), has("home")) {
            (true, false) => Roles::Edge,
            (false, true) => Roles::Home,
            (true, true) => Roles::EdgeAndHome,
            (false, false) => {
                self.problems.at(line, "roles: name \"edge\", \"home\" or both");
                Roles::default()
            }
        }
    }

    pub(super) fn inside(&mut self, roles: Roles, edge: &str, outer: &Listen) -> Option<Inside> {
        if roles == Roles::EdgeAndHome {
            self.forbid_inside();
            return None;
        }
        let takes_remote_users = self.raw.switch(&key::INSIDE_REMOTE_USERS).unwrap_or(false);
        self.check_outer(roles, outer, takes_remote_users);
        let hops = if roles == Roles::Edge { self.next_hop() } else { self.edges() };
        let (transport, is_comity) =
            hops.as_ref().map_or((Transport::Tls, true), |hops| (hops.transport, hops.is_comity));
        let listen = self.inner_listen(transport, outer);
        let (control, control_hops) = match roles {
            Roles::Home => (Vec::new(), self.control_hops()),
            _ => (self.inner_control(is_comity, outer, &listen), Vec::new()),
        };
        let (peer_names, peer_addresses) = self.peers(hops.as_ref(), &listen);
        let hops = hops.map(|hops| hops.hops).unwrap_or_default();
        let name = self.name(&key::INSIDE_NAME).unwrap_or_else(|| edge.to_owned());
        let assert = self.raw.switch(&key::INSIDE_ASSERT).unwrap_or(false);
        Some(Inside {
            rules: InsideRules {
                name,
                hops,
                transport,
                is_comity,
                peer_names,
                peer_addresses,
                assert,
                takes_remote_users,
            },
            proxy_from: self.inner_balancers(&listen),
            listen,
            control,
            control_hops,
            control_port: self.control_port(),
            certificate: self.inner_certificate(),
            roots: self.readable(&key::INSIDE_ROOTS),
        })
    }

    /// Edge and home in one have nothing between them.
    fn forbid_inside(&mut self) {
        for key in key::ALL.iter().filter(|key| key.section == "inside") {
            if let Some(line) = self.raw.line(key) {
                let text = format!(
                    "{}: is for an edge or a home alone; say which at the top of the file: roles = [\"edge\"]",
                    key.place()
                );
                self.problems.at(line, text);
            }
        }
    }

    fn check_outer(&mut self, roles: Roles, outer: &Listen, takes_remote_users: bool) {
        let for_phones = [
            (&key::LISTEN_TCP, &outer.tcp),
            (&key::LISTEN_UDP, &outer.udp),
            (&key::LISTEN_WSS, &outer.wss),
            (&key::LISTEN_WS, &outer.ws),
        ];
        let used = for_phones.into_iter().filter(|(_, addresses)| !addresses.is_empty());
        for (key, _) in used.filter(|_| roles == Roles::Edge && !takes_remote_users) {
            if let Some(line) = self.raw.line(key) {
                let text = format!(
                    "{}: is for phones, and this edge lets none in; leave it out, or say remote_users = true under [inside]",
                    key.place()
                );
                self.problems.at(line, text);
            }
        }
        let others = match roles {
            Roles::Edge => &[&key::INSIDE_EDGES, &key::INSIDE_CONTROL_PORT][..],
            _ => &[&key::INSIDE_NEXT_HOP, &key::INSIDE_ASSERT, &key::INSIDE_REMOTE_USERS],
        };
        for key in others {
            if let Some(line) = self.raw.line(key) {
                let text = format!("{}: is not for roles = {roles}; leave it out", key.place());
                self.problems.at(line, text);
            }
        }
    }

    /// `HOST[:PORT]` is a Comity; `sip:HOST[:PORT];transport=T` is any other server.
    fn next_hop(&mut self) -> Option<Hops> {
        let Some(Located { value, line }) = self.raw.text(&key::INSIDE_NEXT_HOP) else {
            self.problems.absent(format!(
                "missing key \"next_hop\" in [inside]: an edge needs to know {}; for example: next_hop = {}",
                key::INSIDE_NEXT_HOP.doc,
                key::INSIDE_NEXT_HOP.example
            ));
            return None;
        };
        let read = match value.strip_prefix("sip:") {
            None => host_and_port(&value).map(|hop| (hop, Transport::Tls, true)),
            Some(rest) => foreign(rest).map(|(hop, transport)| (hop, transport, false)),
        };
        match read {
            Ok((hop, Transport::Tls, true)) if hop.host.parse::<IpAddr>().is_ok() => {
                self.problems.at(
                    line,
                    format!(
                        "[inside] next_hop: {value:?} is an address, which no certificate names; write the home's name"
                    ),
                );
                None
            }
            Ok((hop, transport, is_comity)) => Some(Hops { hops: vec![hop], transport, is_comity, line }),
            Err(why) => {
                self.problems.at(line, format!("[inside] next_hop: {why}"));
                None
            }
        }
    }

    fn edges(&mut self) -> Option<Hops> {
        let Some(Located { value, line }) = self.raw.texts(&key::INSIDE_EDGES).filter(|edges| !edges.value.is_empty())
        else {
            let Key { doc, example, .. } = &key::INSIDE_EDGES;
            self.problems.absent(format!("missing key \"edges\" in [inside]: {doc}; for example: edges = {example}"));
            return None;
        };
        let mut hops = Vec::new();
        for edge in value {
            match host_and_port(&edge.value) {
                Ok(hop) if hop.host.parse::<IpAddr>().is_ok() => {
                    self.problems.at(
                        edge.line,
                        format!(
                            "[inside] edges: {:?} is an address, which no certificate names; write the edge's name",
                            edge.value
                        ),
                    );
                }
                Ok(hop) => hops.push(hop),
                Err(why) => self.problems.at(edge.line, format!("[inside] edges: {why}")),
            }
        }
        Some(Hops { hops, transport: Transport::Tls, is_comity: true, line })
    }

    fn inner_listen(&mut self, transport: Transport, outer: &Listen) -> Vec<(Transport, SocketAddr)> {
        let Some(Located { value, line }) = self.raw.texts(&key::INSIDE_LISTEN) else {
            let Key { doc, example, .. } = &key::INSIDE_LISTEN;
            self.problems.absent(format!("missing key \"listen\" in [inside]: {doc}; for example: listen = {example}"));
            return Vec::new();
        };
        let mut listen: Vec<(Transport, SocketAddr)> = Vec::new();
        for Located { value, line } in value {
            let read = split_transport(&value, transport);
            match read.and_then(|(text, transport)| Ok((transport, address(text, transport.default_port())?))) {
                Ok(one) if listen.contains(&one) => {
                    self.problems.at(line, format!("[inside] listen: {value} is listed twice"));
                }
                Ok((transport, inner)) if outer.has(transport, inner) => {
                    self.problems.at(
                        line,
                        format!(
                            "[inside] listen: {inner} is in [listen] already; the inner side has an address of its own"
                        ),
                    );
                }
                Ok(one) => listen.push(one),
                Err(why) => self.problems.at(line, format!("[inside] listen: {why}")),
            }
        }
        if transport == Transport::Udp && !listen.iter().any(|(transport, _)| *transport == Transport::Udp) {
            self.problems
                .at(line, "[inside] listen: the next hop is reached by UDP, which needs an inner address for UDP");
        }
        listen
    }

    /// Names count by certificate, addresses where there is none.
    fn peers(&mut self, hops: Option<&Hops>, listen: &[(Transport, SocketAddr)]) -> (Vec<String>, Vec<IpAddr>) {
        let (mut names, mut addresses) = (Vec::new(), Vec::new());
        for hop in hops.into_iter().flat_map(|hops| &hops.hops) {
            match hop.host.parse() {
                Ok(address) => addresses.push(address),
                Err(_) => names.push(hop.host.clone()),
            }
        }
        let is_plain = listen.iter().any(|(transport, _)| *transport != Transport::Tls);
        for Located { value, line } in self.raw.texts(&key::INSIDE_PEERS).map(|typed| typed.value).unwrap_or_default() {
            match (value.parse::<IpAddr>(), domain::parse(&value)) {
                (Ok(_), _) if !is_plain => {
                    self.problems.at(line, format!("[inside] peers: {value} is an address, and everything in [inside] listen is TLS, where a certificate has to name its owner; write a name"));
                }
                (Ok(address), _) => addresses.push(address),
                (_, Ok(name)) => names.push(name),
                (_, Err(error)) => self.problems.at(line, format!("[inside] peers: {error}")),
            }
        }
        if let Some(hops) = hops.filter(|hops| hops.transport != Transport::Tls && addresses.is_empty()) {
            self.problems.at(
                hops.line,
                "[inside] next_hop: without TLS only its address says who it is; add it: peers = [\"10.0.0.5\"]",
            );
        }
        (names, addresses)
    }

    fn inner_balancers(&mut self, listen: &[(Transport, SocketAddr)]) -> Networks {
        if let Some(line) = self.raw.line(&key::INSIDE_PROXY_FROM)
            && !listen.iter().any(|(transport, _)| *transport == Transport::Tls)
        {
            self.problems.at(
                line,
                "[inside] proxy_from: only connections by TLS come with a PROXY header, and nothing in [inside] listen is TLS; \
                 leave it out",
            );
        }
        self.networks(&key::INSIDE_PROXY_FROM)
    }

    fn inner_certificate(&mut self) -> Option<(PathBuf, PathBuf)> {
        let (chain, key) = (self.readable(&key::INSIDE_CHAIN), self.readable(&key::INSIDE_KEY));
        for (has, lacks, missing) in [(&chain, &key, &key::INSIDE_KEY), (&key, &chain, &key::INSIDE_CHAIN)] {
            if let (Some(_), None) = (has, lacks) {
                self.problems.absent(format!("missing key {:?} in [inside]: {}", missing.name, missing.doc));
            }
        }
        Some((chain?, key?))
    }

    fn name(&mut self, key: &Key) -> Option<String> {
        let Located { value, line } = self.raw.text(key)?;
        domain::parse(&value).map_err(|error| self.problems.at(line, format!("{}: {error}", key.place()))).ok()
    }
}

impl Inside {
    /// What the workers know of it.
    pub fn split(roles: Roles, inside: Option<&Inside>) -> Split {
        match (roles, inside) {
            (Roles::Edge, Some(inside)) => Split::Edge(inside.rules.clone()),
            (Roles::Home, Some(inside)) => Split::Home(inside.rules.clone()),
            _ => Split::Whole,
        }
    }
}

/// The part of the effective configuration.
impl fmt::Display for Inside {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let InsideRules { name, hops, transport, is_comity, peer_names, peer_addresses, assert, takes_remote_users } =
            &self.rules;
        let other_side: Vec<String> = hops.iter().map(|hop| written(hop, *transport, *is_comity)).collect();
        writeln!(formatter, "[inside]\nname = {name:?}\n# the other side: {other_side:?}\nassert = {assert}")?;
        writeln!(formatter, "remote_users = {takes_remote_users}")?;
        let listen: Vec<String> = self
            .listen
            .iter()
            .map(|(transport, address)| format!("{address};transport={}", transport.param()))
            .collect();
        writeln!(formatter, "listen = {listen:?}\nproxy_from = {:?}", self.proxy_from.written())?;
        let peers: Vec<String> =
            peer_names.iter().cloned().chain(peer_addresses.iter().map(ToString::to_string)).collect();
        writeln!(formatter, "peers = {peers:?}")?;
        let named = self.control_hops.iter().map(|hop| written(hop, Transport::Tls, true));
        let control: Vec<String> = self.control.iter().map(SocketAddr::to_string).chain(named).collect();
        writeln!(formatter, "control = {control:?}\ncontrol_port = {}", self.control_port)?;
        match &self.certificate {
            Some((chain, key)) => {
                writeln!(formatter, "chain = {:?}\nkey = {:?}", chain.display().to_string(), key.display().to_string())?
            }
            None => writeln!(formatter, "# chain, key: those of [certificate]")?,
        }
        match &self.roots {
            Some(roots) => writeln!(formatter, "roots = {:?}", roots.display().to_string()),
            None => writeln!(formatter, "# roots: those of [certificate]"),
        }
    }
}

fn written(hop: &Hop, transport: Transport, is_comity: bool) -> String {
    let port = hop.port.map(|port| format!(":{port}")).unwrap_or_default();
    match is_comity {
        true => format!("{}{port}", hop.host),
        false => format!("sip:{}{port};transport={}", hop.host, transport.param()),
    }
}

/// What follows `sip:` in the next hop.
fn foreign(rest: &str) -> Result<(Hop, Transport), String> {
    let (place, transport) = split_transport(rest, Transport::Tls)?;
    if place.contains('@') {
        return Err(format!("{place:?} names a user; write the server alone"));
    }
    let hop = host_and_port(place)?;
    if transport == Transport::Tls && hop.host.parse::<IpAddr>().is_ok() {
        return Err(format!(
            "{place:?} is an address, which no certificate names; write a name, or say ;transport=tcp"
        ));
    }
    Ok((hop, transport))
}

/// `TEXT;transport=T`
fn split_transport(text: &str, default: Transport) -> Result<(&str, Transport), String> {
    match text.split_once(';') {
        None => Ok((text, default)),
        Some((place, "transport=tls")) => Ok((place, Transport::Tls)),
        Some((place, "transport=tcp")) => Ok((place, Transport::Tcp)),
        Some((place, "transport=udp")) => Ok((place, Transport::Udp)),
        Some((_, other)) => Err(format!("expected ;transport=tls, ;transport=tcp or ;transport=udp, found {other:?}")),
    }
}

pub(super) fn host_and_port(text: &str) -> Result<Hop, String> {
    if let Ok(socket) = text.parse::<SocketAddr>() {
        return Ok(Hop { host: socket.ip().to_string(), port: Some(socket.port()) });
    }
    if let Ok(address) = text.trim_matches(['[', ']']).parse::<IpAddr>() {
        return Ok(Hop { host: address.to_string(), port: None });
    }
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => (
            host,
            Some(
                port.parse::<u16>()
                    .ok()
                    .filter(|port| *port != 0)
                    .ok_or_else(|| format!("{text:?} has no port that could be one"))?,
            ),
        ),
        None => (text, None),
    };
    domain::parse(host).map(|host| Hop { host, port }).map_err(|error| error.to_string())
}
