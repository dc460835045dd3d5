//! Tokens that name their owner: everything of ours that comes back from outside starts with node and worker.
//!
//! Three places carry them: the branch of our Via, our tags, and the user part of our Record-Route. A branch and a
//! route token end with a MAC, so that nobody can answer for, or send into, a dialog that he has not seen. A route
//! token's MAC covers the Call-ID as well: what a partner learns in one dialog opens no other.

mod seal;

use std::net::{IpAddr, SocketAddr};

use conference::ConferenceId;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use sip::proxy::loop_detection::RoutingMark;
use sip::{Aor, FlowId};

use crate::WorkerId;
use crate::agent::AgentKey;

/// The keys and the position from which this worker makes its tokens.
#[derive(Clone)]
pub struct Mint {
    keyed: Hmac<Sha256>,
    /// What the edges of one home share, the one in use first: a partner may send the rest of a dialog to another of them.
    /// It signs names of sides alone. What names a transaction or a connection is of one server, and has to differ.
    pool: Vec<Hmac<Sha256>>,
    worker: WorkerId,
    incarnation: u32,
}

/// What a branch of ours says (RFC 3261 section 8.1.1.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Branch {
    pub worker: WorkerId,
    pub serial: u64,
}

/// The leg by which a request leaves that carries our signed Route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Leg {
    /// A client's own connection (RFC 5626 section 5.3), owned by this worker when the token was made; the user who
    /// speaks there in this dialog ([`Mint::user`]), and the incarnation in which the connection lives.
    Flow { worker: WorkerId, flow: FlowId, user: u64, incarnation: u32 },
    /// A partner, by its SIP domain: any connection to it will do.
    Partner { domain: String },
    /// What is behind this edge: any connection to it will do.
    Inside,
    /// An agent of ours.
    Agent(AgentKey),
    /// Of a home: a user outside, whom this edge reaches over a connection that it calls by a name which we keep as a number.
    Remote { edge: String, flow: u64, user: u64 },
}

impl Mint {
    pub fn new(secret: &[u8; 32], worker: WorkerId, incarnation: u32) -> Mint {
        Mint { keyed: keyed_by(secret), pool: Vec::new(), worker, incarnation }
    }

    /// Signs with the secret of the pool from now on; what was signed before goes on to count.
    pub fn use_pool_secret(&mut self, secret: &[u8; 32]) {
        self.pool.insert(0, keyed_by(secret));
        self.pool.truncate(POOL_SECRETS_MAX);
    }

    /// The branch of a client transaction of this worker.
    pub fn branch(&self, serial: u64) -> String {
        let text = format!("{NODE:04x}{:04x}{serial:016x}", self.worker);
        let mac = self.mac(&[b"branch", &self.incarnation.to_be_bytes(), text.as_bytes()]);
        format!("{MAGIC_COOKIE}{text}{mac:016x}")
    }

    /// Reads a branch made by any worker in this life of the server.
    pub fn read_branch(&self, branch: &str) -> Option<Branch> {
        let (first, _) = RoutingMark::split(branch);
        let rest = first.strip_prefix(MAGIC_COOKIE)?;
        if rest.len() != 40 || !rest.is_ascii() {
            return None;
        }
        let (text, mac) = rest.split_at(24);
        let mac = u64::from_str_radix(mac, 16).ok()?;
        if mac != self.mac(&[b"branch", &self.incarnation.to_be_bytes(), text.as_bytes()]) {
            return None;
        }
        let worker = u16::from_str_radix(&text[4..8], 16).ok()?;
        let serial = u64::from_str_radix(&text[8..], 16).ok()?;
        Some(Branch { worker, serial })
    }

    /// The tag of a response that this worker makes itself.
    pub fn tag(&self, serial: u64) -> String {
        let text = format!("{NODE:04x}{:04x}{serial:x}", self.worker);
        let mac = self.mac(&[b"tag", &self.incarnation.to_be_bytes(), text.as_bytes()]);
        format!("{text}.{mac:016x}")
    }

    /// The tag of a response made without a transaction: the same for each repeat of the request.
    pub fn stateless_tag(&self, branch: &str) -> String {
        format!("{NODE:04x}{:04x}.{:016x}", self.worker, self.mac(&[b"stateless", branch.as_bytes()]))
    }

    /// How a route token names a user: whoever holds the token must not be able to put in another. Edges of a pool name
    /// one alike, by which each finds that another of them has had a request before.
    pub fn user(&self, aor: &Aor) -> u64 {
        let keyed = self.pool.first().unwrap_or(&self.keyed);
        mac(keyed, &[b"user", aor.user().as_bytes(), b"@", aor.domain().as_bytes()])
    }

    /// The user part of our Record-Route for this leg of the dialog.
    pub fn route(&self, leg: &Leg, call_id: &str) -> String {
        let text = match leg {
            Leg::Flow { .. } => flow_leg_text(leg).unwrap_or_default(),
            Leg::Partner { domain } => format!("p.{NODE:x}.{domain}"),
            Leg::Inside => format!("i.{NODE:x}.0"),
            Leg::Remote { edge, flow, user } => format!("r.{NODE:x}.{flow:x}.{user:x}.{edge}"),
            Leg::Agent(AgentKey::Conference(id)) => format!("a.{NODE:x}.c.{id}"),
            Leg::Agent(AgentKey::Call { worker, serial }) => format!("a.{NODE:x}.k.{worker:x}.{serial:x}"),
            Leg::Agent(AgentKey::Gateway { worker, serial }) => format!("a.{NODE:x}.g.{worker:x}.{serial:x}"),
        };
        let keyed = self.pool.first().filter(|_| names_side(&text)).unwrap_or(&self.keyed);
        format!("{text}.{:016x}", route_mac(keyed, &text, call_id))
    }

    /// The leg of a client's flow, in this life of the server.
    pub fn flow_leg(&self, worker: WorkerId, flow: FlowId, aor: &Aor) -> Leg {
        self.leg_of(worker, flow, self.user(aor))
    }

    /// The same of a user whose name another token has.
    pub fn leg_of(&self, worker: WorkerId, flow: FlowId, user: u64) -> Leg {
        Leg::Flow { worker, flow, user, incarnation: self.incarnation }
    }

    /// Whether the leg's connection can still be there.
    pub fn is_of_this_life(&self, leg: &Leg) -> bool {
        match leg {
            Leg::Flow { incarnation, .. } => *incarnation == self.incarnation,
            Leg::Agent(AgentKey::Call { serial, .. } | AgentKey::Gateway { serial, .. }) => {
                serial >> 32 == u64::from(self.incarnation)
            }
            // Of a conference that is known no more its focus says so.
            Leg::Partner { .. } | Leg::Inside | Leg::Remote { .. } | Leg::Agent(AgentKey::Conference(_)) => true,
        }
    }

    /// A number that nobody else can know, for a name that is not to be guessed.
    pub fn unguessable(&self, serial: u64) -> u64 {
        self.mac(&[b"name", &self.worker.to_be_bytes(), &serial.to_be_bytes()])
    }

    /// Reads the user part of a Route that names us; `None` where it is not ours, or of another dialog.
    pub fn read_route(&self, user: &str, call_id: &str) -> Option<Leg> {
        let (text, mac) = user.rsplit_once('.')?;
        let mac = u64::from_str_radix(mac, 16).ok()?;
        let shared = self.pool.iter().filter(|_| names_side(text));
        let is_ours = shared.chain([&self.keyed]).any(|keyed| mac == route_mac(keyed, text, call_id));
        if is_ours { read_leg(text) } else { None }
    }

    /// The user part of our Path (RFC 3327), and the name of a phone's connection to its home: it is good in every dialog.
    pub fn path(&self, leg: &Leg) -> Option<String> {
        let text = flow_leg_text(leg)?;
        Some(format!("{text}.{:016x}", path_mac(&self.keyed, &text)))
    }

    /// Reads [`Mint::path`].
    pub fn read_path(&self, user: &str) -> Option<Leg> {
        let (text, mac) = user.rsplit_once('.')?;
        let mac = u64::from_str_radix(mac, 16).ok()?;
        if mac == path_mac(&self.keyed, text) { read_leg(text) } else { None }
    }

    /// What we keep of the name that an edge gives a phone's connection.
    pub fn remote_flow(&self, edge: &str, token: &str) -> u64 {
        self.mac(&[b"remote flow", edge.as_bytes(), b"\0", token.as_bytes()])
    }

    /// What this worker signs nonces with: its own in each life, since it alone keeps their counts, and only in memory.
    pub fn nonce_secret(&self) -> [u8; 32] {
        self.hash(&[b"nonce", &self.worker.to_be_bytes(), &self.incarnation.to_be_bytes()])
    }

    fn mac(&self, parts: &[&[u8]]) -> u64 {
        mac(&self.keyed, parts)
    }

    fn hash(&self, parts: &[&[u8]]) -> [u8; 32] {
        hash(&self.keyed, parts)
    }
}

fn keyed_by(secret: &[u8; 32]) -> Hmac<Sha256> {
    Hmac::new_from_slice(secret).expect("HMAC takes keys of any length")
}

fn route_mac(keyed: &Hmac<Sha256>, text: &str, call_id: &str) -> u64 {
    mac(keyed, &[b"route", call_id.as_bytes(), b"\0", text.as_bytes()])
}

fn path_mac(keyed: &Hmac<Sha256>, text: &str) -> u64 {
    mac(keyed, &[b"path", text.as_bytes()])
}

fn mac(keyed: &Hmac<Sha256>, parts: &[&[u8]]) -> u64 {
    u64::from_be_bytes(hash(keyed, parts)[..8].try_into().expect("SHA-256 has 32 bytes"))
}

fn hash(keyed: &Hmac<Sha256>, parts: &[&[u8]]) -> [u8; 32] {
    let mut keyed = keyed.clone();
    for part in parts {
        keyed.update(part);
    }
    keyed.finalize().into_bytes().into()
}

/// Whether a route token names a partner or what is behind us, which any edge of a pool reaches.
fn names_side(text: &str) -> bool {
    text.starts_with("p.") || text.starts_with("i.")
}

/// The text is ours, since its MAC held.
fn read_leg(text: &str) -> Option<Leg> {
    let mut parts = text.splitn(3, '.');
    let (kind, _node, rest) = (parts.next()?, parts.next()?, parts.next()?);
    match kind {
        "p" => return Some(Leg::Partner { domain: rest.to_owned() }),
        "i" => return Some(Leg::Inside),
        "r" => return read_remote(rest),
        "a" => return read_agent(rest).map(Leg::Agent),
        _ => {}
    }
    let mut parts = rest.splitn(4, '.');
    let worker = u16::from_str_radix(parts.next()?, 16).ok()?;
    let incarnation = u32::from_str_radix(parts.next()?, 16).ok()?;
    let user = u64::from_str_radix(parts.next()?, 16).ok()?;
    Some(Leg::Flow { worker, flow: read_flow(parts.next()?)?, user, incarnation })
}

fn flow_leg_text(leg: &Leg) -> Option<String> {
    let Leg::Flow { worker, flow, user, incarnation } = leg else { return None };
    Some(format!("f.{NODE:x}.{worker:x}.{incarnation:x}.{user:x}.{}", flow_text(*flow)))
}

fn read_remote(text: &str) -> Option<Leg> {
    let mut parts = text.splitn(3, '.');
    let flow = u64::from_str_radix(parts.next()?, 16).ok()?;
    let user = u64::from_str_radix(parts.next()?, 16).ok()?;
    Some(Leg::Remote { edge: parts.next()?.to_owned(), flow, user })
}

fn read_agent(text: &str) -> Option<AgentKey> {
    match text.split_once('.')? {
        ("c", id) => ConferenceId::parse(id).map(AgentKey::Conference),
        (kind, numbers) => {
            let (worker, serial) = numbers.split_once('.')?;
            let (worker, serial) = (u16::from_str_radix(worker, 16).ok()?, u64::from_str_radix(serial, 16).ok()?);
            match kind {
                "g" => Some(AgentKey::Gateway { worker, serial }),
                _ => Some(AgentKey::Call { worker, serial }),
            }
        }
    }
}

fn flow_text(flow: FlowId) -> String {
    match flow {
        FlowId::Stream { worker, serial } => format!("s.{worker:x}.{serial:x}"),
        FlowId::Datagram { listener, remote } => {
            let address = match remote.ip() {
                IpAddr::V4(ip) => format!("4{:08x}", ip.to_bits()),
                IpAddr::V6(ip) => format!("6{:032x}", ip.to_bits()),
            };
            format!("d.{listener:x}.{address}.{:x}", remote.port())
        }
    }
}

fn read_flow(text: &str) -> Option<FlowId> {
    let parts: Vec<&str> = text.split('.').collect();
    match parts[..] {
        ["s", worker, serial] => Some(FlowId::Stream {
            worker: u16::from_str_radix(worker, 16).ok()?,
            serial: u64::from_str_radix(serial, 16).ok()?,
        }),
        ["d", listener, address, port] => {
            let listener = u8::from_str_radix(listener, 16).ok()?;
            let (family, digits) = address.split_at_checked(1)?;
            let ip = match family {
                "4" => IpAddr::from(u32::from_str_radix(digits, 16).ok()?.to_be_bytes()),
                _ => IpAddr::from(u128::from_str_radix(digits, 16).ok()?.to_be_bytes()),
            };
            let port = u16::from_str_radix(port, 16).ok()?;
            Some(FlowId::Datagram { listener, remote: SocketAddr::new(ip, port) })
        }
        _ => None,
    }
}

const MAGIC_COOKIE: &str = "z9hG4bK";

/// The one in use, and the one before it.
const POOL_SECRETS_MAX: usize = 2;

/// One node today; the place is kept so that a pool changes no token's shape.
const NODE: u16 = 0;

#[cfg(test)]
mod tests {
    use super::*;

    fn mint(worker: WorkerId, incarnation: u32) -> Mint {
        Mint::new(&[7; 32], worker, incarnation)
    }

    fn legs() -> Vec<Leg> {
        let flow = FlowId::Stream { worker: 2, serial: 41 };
        let v4 = FlowId::Datagram { listener: 1, remote: "192.0.2.7:5060".parse().unwrap() };
        let v6 = FlowId::Datagram { listener: 0, remote: "[2001:db8::1]:5061".parse().unwrap() };
        vec![
            Leg::Flow { worker: 1, flow, user: 7, incarnation: 5 },
            Leg::Flow { worker: 0, flow: v4, user: u64::MAX, incarnation: 5 },
            Leg::Flow { worker: 3, flow: v6, user: 0, incarnation: 5 },
            Leg::Partner { domain: "fabrikam.example".into() },
            Leg::Agent(AgentKey::Conference(ConferenceId::new(7))),
            Leg::Agent(AgentKey::Call { worker: 2, serial: (5 << 32) + 1 }),
            Leg::Agent(AgentKey::Gateway { worker: 1, serial: (5 << 32) + 2 }),
            Leg::Inside,
            Leg::Remote { edge: "edge1.corp.example".into(), flow: 7, user: 9 },
        ]
    }

    #[test]
    fn a_branch_is_read_by_any_worker_and_forged_by_nobody() {
        let branch = mint(3, 1).branch(99);
        assert_eq!(mint(0, 1).read_branch(&branch), Some(Branch { worker: 3, serial: 99 }));
        let mut forged = branch.clone().into_bytes();
        forged[20] ^= 1;
        assert_eq!(mint(0, 1).read_branch(std::str::from_utf8(&forged).unwrap()), None);
        assert_eq!(Mint::new(&[8; 32], 0, 1).read_branch(&branch), None);
        assert_eq!(mint(0, 1).read_branch("z9hG4bKé"), None);
        assert_eq!(mint(3, 2).read_branch(&branch), None, "in the next life nobody waits for it");
    }

    #[test]
    fn a_route_token_survives_the_round_trip_for_each_kind_of_leg() {
        for leg in legs() {
            let user = mint(1, 5).route(&leg, "call-1");
            assert!(user.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'-'), "{user}");
            assert_eq!(mint(2, 5).read_route(&user, "call-1"), Some(leg));
        }
    }

    #[test]
    fn a_route_token_opens_no_other_dialog() {
        let user = mint(1, 5).route(&legs()[0], "call-1");
        assert_eq!(mint(1, 5).read_route(&user, "call-2"), None);
    }

    #[test]
    fn edges_of_a_pool_read_each_others_names_of_sides_and_nothing_else() {
        let edge = |own: u8, pool: u8| {
            let mut mint = Mint::new(&[own; 32], 1, 5);
            mint.use_pool_secret(&[pool; 32]);
            mint
        };
        for leg in legs() {
            let token = edge(1, 9).route(&leg, "call-1");
            let read = edge(2, 9).read_route(&token, "call-1");
            let is_of_all = matches!(leg, Leg::Partner { .. } | Leg::Inside);
            assert_eq!(read, Some(leg.clone()).filter(|_| is_of_all), "{token}");
            assert_eq!(edge(1, 9).read_route(&token, "call-1"), Some(leg));
            assert_eq!(edge(2, 8).read_route(&token, "call-1"), None, "of another pool");
        }
        let alice = "alice@contoso.example".parse().unwrap();
        assert_eq!(edge(1, 9).user(&alice), edge(2, 9).user(&alice));
        assert_eq!(edge(2, 9).read_branch(&edge(1, 9).branch(7)), None, "branches stay apart");
    }

    #[test]
    fn a_dialog_outlives_one_change_of_the_pools_secret() {
        let mut mint = Mint::new(&[1; 32], 1, 5);
        let of_its_own = mint.route(&Leg::Inside, "call-1");
        mint.use_pool_secret(&[8; 32]);
        let before = mint.route(&Leg::Inside, "call-1");
        mint.use_pool_secret(&[9; 32]);
        for token in [&of_its_own, &before, &mint.route(&Leg::Inside, "call-1")] {
            assert_eq!(mint.read_route(token, "call-1"), Some(Leg::Inside));
        }
        mint.use_pool_secret(&[10; 32]);
        assert_eq!(mint.read_route(&before, "call-1"), None);
    }

    #[test]
    fn nonces_are_of_one_worker_and_one_life() {
        let secrets = [mint(0, 1), mint(1, 1), mint(0, 2)].map(|mint| mint.nonce_secret());
        assert!(secrets[0] != secrets[1] && secrets[0] != secrets[2] && secrets[1] != secrets[2]);
    }

    #[test]
    fn after_a_restart_a_flow_is_stale_and_a_partner_is_not() {
        for (number, still_there) in [(0, false), (3, true), (4, true), (5, false), (6, false)] {
            let user = mint(1, 5).route(&legs()[number], "call-1");
            let leg = mint(1, 6).read_route(&user, "call-1").expect("it is ours all the same");
            assert_eq!((mint(1, 6).is_of_this_life(&leg), mint(1, 5).is_of_this_life(&leg)), (still_there, true));
        }
    }
}
