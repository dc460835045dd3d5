//! The sound of a phone's call: real offers and answers (RFC 3264), and ports that tell whose leg is whose.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use sdp::{Capabilities, Direction, Encoding, Keys, LocalMedia, Offer, ProtectionPolicy};

/// Its end of the one audio stream of a call.
pub(super) struct Session {
    capabilities: Capabilities,
    local: LocalMedia,
    /// What it said last, an offer or an answer.
    described: String,
    /// Where the other side hears, as it said last.
    remote: Option<SocketAddr>,
    /// What it said last was an offer that nobody has answered.
    is_offered: bool,
}

impl Session {
    pub fn new(address: IpAddr, port: u16, protection: ProtectionPolicy, encodings: &[Encoding]) -> Session {
        let byte = port.to_be_bytes()[1];
        let local = LocalMedia {
            addresses: address.into(),
            rtp_port: port,
            rtcp_port: port + 1,
            session_id: u64::from(port),
            version: 0,
            direction: Direction::SendRecv,
            keys: Keys::cut(&[byte; Keys::BYTES]),
        };
        let encodings = encodings.to_vec();
        let capabilities = Capabilities { encodings, protection, ..Capabilities::default() };
        Session { capabilities, local, described: String::new(), remote: None, is_offered: false }
    }

    pub fn turn(&mut self, direction: Direction) {
        self.local.direction = direction;
    }

    /// The first offer, or the next in the same lines.
    pub fn offer(&mut self) -> String {
        self.local.version += 1;
        self.is_offered = true;
        self.described = match self.described.as_str() {
            "" => sdp::offer(&self.capabilities, &self.local),
            last => sdp::reoffer(last, &self.local).expect("it is our own description"),
        };
        self.described.clone()
    }

    /// `None`: the offer is not to be understood, or nothing in it can be used.
    pub fn answer(&mut self, offer: &[u8]) -> Option<String> {
        self.local.version += 1;
        let (agreed, answer) = sdp::answer(&Offer::parse(offer).ok()?, &self.capabilities, &self.local).ok()?;
        self.remote = Some(agreed.remote);
        (self.described, self.is_offered) = (answer.clone(), false);
        Some(answer)
    }

    /// What the other side says in a 2xx or an ACK; says whether it fits.
    pub fn accept(&mut self, body: &[u8]) -> bool {
        if !std::mem::take(&mut self.is_offered) {
            return true;
        }
        let agreed = sdp::accept(&self.described, body);
        self.remote = agreed.as_ref().ok().map(|agreed| agreed.remote).or(self.remote);
        agreed.is_ok()
    }

    pub fn remote(&self) -> Option<SocketAddr> {
        self.remote
    }

    pub fn is_offered(&self) -> bool {
        self.is_offered
    }
}

/// Where all phones hear: the port tells which.
pub const FOUR: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 1));
/// Those that have IPv6 alone.
pub const SIX: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1));
