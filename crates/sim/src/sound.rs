//! The media threads of an organisation, as far as signalling sees them: ports given out, and what each leg was told last.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use media::{LegId, LegReport, MediaCommand, MediaEvent, OpenedLeg};
use sdp::{AudioSession, Keys};

/// The legs of one organisation.
#[derive(Debug, Default)]
pub struct Sound {
    legs: BTreeMap<LegId, Leg>,
    opened: u16,
    /// How long opening takes.
    pub late: Duration,
    /// Nothing more can be opened.
    pub is_used_up: bool,
}

/// What a leg does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Leg {
    /// `None`: its ports are open, and nothing runs.
    pub session: Option<AudioSession>,
    pub is_muted: bool,
    pub is_held: bool,
}

impl Leg {
    /// What comes from its phone is for the others.
    pub fn is_let_speak(&self) -> bool {
        !self.is_muted && !self.is_held && self.session.as_ref().is_some_and(|session| session.direction.receives())
    }

    /// What the others say goes to its phone.
    pub fn is_let_hear(&self) -> bool {
        !self.is_held && self.session.as_ref().is_some_and(|session| session.direction.sends())
    }
}

impl Sound {
    /// Phones are told `address`, or [`ADDRESS_SIX`].
    pub fn open(&mut self, leg: LegId, address: IpAddr, keys: Keys) -> Result<OpenedLeg, String> {
        if self.is_used_up {
            return Err("all ports are in use".to_owned());
        }
        let port = PORT_FIRST + 2 * self.opened % PORTS;
        self.opened = self.opened.wrapping_add(1);
        self.legs.insert(leg, Leg::default());
        let at = |port| SocketAddr::new(address, port);
        Ok(OpenedLeg { rtp: at(port), rtcp: at(port + 1), other_address: Some(ADDRESS_SIX), keys })
    }

    /// Answers what closes a leg with how it was: numbers made up from the leg's own.
    pub fn handle(&mut self, command: MediaCommand) -> Option<MediaEvent> {
        match command {
            MediaCommand::Run { leg, session, .. } => {
                self.legs.entry(leg).or_default().session = Some(session);
            }
            MediaCommand::Mute { leg, is_muted } => {
                self.legs.entry(leg).or_default().is_muted = is_muted;
            }
            MediaCommand::Hold { leg, is_held } => {
                self.legs.entry(leg).or_default().is_held = is_held;
            }
            MediaCommand::Announce { .. } => {}
            MediaCommand::Close { leg } => {
                let report = self.legs.remove(&leg).map(|_| report_of(leg)).unwrap_or_default();
                return Some(MediaEvent::Closed { leg, report });
            }
        }
        None
    }

    /// Nothing survives the process.
    pub fn crash(&mut self) {
        self.legs.clear();
    }

    /// The media node that had them is gone. Gives what there was.
    pub fn lose(&mut self) -> Vec<LegId> {
        std::mem::take(&mut self.legs).into_keys().collect()
    }

    /// All legs whose ports are open.
    pub fn legs(&self) -> impl Iterator<Item = (&LegId, &Leg)> {
        self.legs.iter()
    }
}

/// A tenth of what each phone sent is lost.
pub fn report_of(leg: LegId) -> LegReport {
    let packets_received = 90 * (u64::from(leg.serial) + 1);
    LegReport { packets_received, packets_lost: packets_received / 9, jitter_ms: 3.5, ..LegReport::default() }
}

const ADDRESS_SIX: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, 1));
const PORT_FIRST: u16 = 20_000;
const PORTS: u16 = 20_000;
