//! The sound of a call: one stream of G.711, plain or protected (RFC 3550, 4568), described by offer and answer.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use anyhow::Context;
use rand::RngExt;
use sdp::{AudioSession, Capabilities, Direction, Encoding, Keys, LocalMedia, Offer, ProtectionPolicy};

use super::stream::Stream;

/// What a phone says, and how it protects it.
#[derive(Copy, Clone, Debug)]
pub struct Voice {
    /// Of the tone that it sends; 0: silence.
    pub hz: u32,
    pub protection: ProtectionPolicy,
}

pub struct Sound {
    hz: u32,
    socket: UdpSocket,
    capabilities: Capabilities,
    local: LocalMedia,
    /// Our last description.
    described: String,
    running: Option<(AudioSession, Stream)>,
}

impl Sound {
    /// Takes a port; nothing is sent yet.
    pub fn open(voice: Voice, address: IpAddr) -> anyhow::Result<Sound> {
        let socket = UdpSocket::bind(SocketAddr::new(address, 0)).context("no port for sound")?;
        let port = socket.local_addr()?.port();
        let mut random = rand::rng();
        let mut keys = [0; Keys::BYTES];
        random.fill(&mut keys);
        let local = LocalMedia {
            addresses: address.into(),
            rtp_port: port,
            rtcp_port: port,
            session_id: random.random::<u32>().into(),
            version: 0,
            direction: Direction::SendRecv,
            keys: Keys::cut(&keys),
        };
        let capabilities =
            Capabilities { encodings: vec![Encoding::Pcmu], protection: voice.protection, ..Capabilities::default() };
        Ok(Sound { hz: voice.hz, socket, capabilities, local, described: String::new(), running: None })
    }

    pub fn offer(&mut self) -> String {
        self.local.version += 1;
        self.described = sdp::offer(&self.capabilities, &self.local);
        self.described.clone()
    }

    /// The other side has answered our offer: sound goes.
    pub fn accept(&mut self, answer: &[u8]) -> anyhow::Result<()> {
        let session = sdp::accept(&self.described, answer).context("the answer is none to our offer")?;
        self.run(session)
    }

    /// Answers an offer: sound goes.
    pub fn answer(&mut self, offer: &[u8]) -> anyhow::Result<String> {
        self.local.version += 1;
        let offer = Offer::parse(offer)?;
        let (session, described) = sdp::answer(&offer, &self.capabilities, &self.local)?;
        self.described.clone_from(&described);
        self.run(session)?;
        Ok(described)
    }

    /// The sound of the next moments.
    pub fn listen(&self, time: Duration) -> anyhow::Result<Vec<i16>> {
        let (_, stream) = self.running.as_ref().context("nothing was agreed on")?;
        Ok(stream.listen(time))
    }

    pub fn is_protected(&self) -> bool {
        self.running.as_ref().is_some_and(|(session, _)| session.protection.is_some())
    }

    fn run(&mut self, session: AudioSession) -> anyhow::Result<()> {
        if self.running.as_ref().is_some_and(|(running, _)| *running == session) {
            return Ok(());
        }
        // Before the next one listens at the same socket.
        self.running = None;
        let stream = Stream::start(self.socket.try_clone()?, &session, self.hz)?;
        self.running = Some((session, stream));
        Ok(())
    }
}
