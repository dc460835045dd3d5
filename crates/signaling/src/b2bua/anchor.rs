//! The sound of a call that goes through us: each phone agrees with us instead of with the other (RFC 3264), so that the two
//! need share neither encoding nor keys. What one offers the other is offered as ours, and so with the answer.

use std::collections::VecDeque;
use std::net::IpAddr;

use bytes::Bytes;
use conference::LegPorts;
use sdp::{
    AudioSession, Capabilities, Direction, Encoding, LocalMedia, NotAcceptable, NotOurs, Offer, Order,
    ProtectionPolicy, UnusableAnswer,
};

use super::dialogs::Side;
use crate::anchoring::{Attempt, Ways};

/// See the module. Descriptions in, descriptions out.
#[derive(Debug)]
pub(super) struct Anchor {
    caller: Leg,
    callee: Leg,
    exchange: Option<Exchange>,
    /// What is still to be tried when the one called refuses.
    pub attempts: VecDeque<Attempt>,
    protection: ProtectionPolicy,
    /// Something was agreed on since this was asked last.
    has_news: bool,
    /// Other ports are being opened for it.
    pub is_moving: bool,
}

/// Our end of the sound with one phone.
#[derive(Debug)]
struct Leg {
    local: LocalMedia,
    /// Our last description, once it was agreed on.
    told: Option<String>,
    /// A description of ours is out, agreed on or not.
    has_described: bool,
    /// It is described at our address of the other family.
    is_turned: bool,
    session: Option<AudioSession>,
}

/// The last offer, and its answers: of several devices that rang, each may give its own.
#[derive(Debug)]
struct Exchange {
    from: Side,
    received: Bytes,
    offer: Offer,
    sent: String,
    answer: Option<(Bytes, String)>,
}

/// Why a description cannot be passed on as one of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoAnchor {
    #[error(transparent)]
    Unreadable(#[from] sdp::ParseError),
    #[error(transparent)]
    Offer(#[from] NotAcceptable),
    #[error(transparent)]
    Answer(#[from] UnusableAnswer),
    #[error(transparent)]
    NotOurs(#[from] NotOurs),
    #[error("an answer came, and nothing was offered")]
    NothingOffered,
}

impl Anchor {
    /// `session_ids`: names for the two sessions that we describe.
    pub fn new(ports: [LegPorts; 2], session_ids: [u64; 2], ways: Ways) -> Anchor {
        let ([caller, mut callee], [caller_id, callee_id]) = (ports, session_ids);
        callee.addresses = callee.addresses.turned_to(ways.callee_address);
        Anchor {
            caller: Leg::new(caller, caller_id),
            callee: Leg::new(callee, callee_id),
            exchange: None,
            attempts: ways.attempts,
            protection: ProtectionPolicy::Preferred,
            has_news: false,
            is_moving: false,
        }
    }

    /// In which way the one called is offered sound now, and from now on.
    pub fn next_attempt(&mut self) -> Option<Attempt> {
        loop {
            let attempt = self.attempts.pop_front()?;
            let is_possible = !matches!(attempt, Attempt::Turned(_)) || self.callee.turn();
            if is_possible {
                return Some(attempt);
            }
        }
    }

    /// The first offer to the one called, or another one after he refused it.
    ///
    /// # Errors
    /// What the caller offers cannot be read or answered.
    pub fn begin(&mut self, offer: &Bytes, protection: ProtectionPolicy) -> Result<String, NoAnchor> {
        (self.protection, self.exchange) = (protection, None);
        self.offer(Side::Caller, offer)
    }

    /// One phone offers this; gives what the other is offered.
    ///
    /// # Errors
    /// It cannot be read, or we could not answer it.
    pub fn offer(&mut self, from: Side, body: &Bytes) -> Result<String, NoAnchor> {
        if let Some(last) = self.exchange.as_ref().filter(|last| last.from == from && last.received == *body) {
            return Ok(last.sent.clone());
        }
        let offer = Offer::parse(body)?;
        self.leg_mut(from).turn_to(offer.address());
        let wanted = offer.encodings();
        sdp::answer(&offer, &capabilities(&wanted, ProtectionPolicy::Preferred), &self.leg(from).local)?;
        let capabilities = capabilities(&wanted, self.protection);
        let leg = self.leg_mut(from.other());
        leg.describe_next(offer.direction().unwrap_or(Direction::SendRecv));
        let sent = match &leg.told {
            None => sdp::offer(&capabilities, &leg.local),
            Some(told) => sdp::reoffer(told, &leg.local)?,
        };
        self.exchange = Some(Exchange { from, received: body.clone(), offer, sent: sent.clone(), answer: None });
        Ok(sent)
    }

    /// One phone answers what it was offered; gives the answer for the other.
    ///
    /// # Errors
    /// It is no answer to that.
    pub fn answer(&mut self, from: Side, body: &Bytes) -> Result<String, NoAnchor> {
        let exchange = self.exchange.as_ref().filter(|exchange| exchange.from != from);
        let exchange = exchange.ok_or(NoAnchor::NothingOffered)?;
        if let Some((_, passed)) = exchange.answer.as_ref().filter(|(answer, _)| answer == body) {
            return Ok(passed.clone());
        }
        let (offer, sent) = (exchange.offer.clone(), exchange.sent.clone());
        let session = sdp::accept(&sent, body)?;
        let capabilities = capabilities(&[session.format.encoding], ProtectionPolicy::Preferred);
        let offerer = self.leg_mut(from.other());
        offerer.describe_next(session.direction.reversed());
        let (offerer_session, answer) = sdp::answer(&offer, &capabilities, &offerer.local)?;
        (offerer.told, offerer.session) = (Some(answer.clone()), Some(offerer_session));
        let answerer = self.leg_mut(from);
        (answerer.told, answerer.session) = (Some(sent), Some(session));
        if let Some(exchange) = &mut self.exchange {
            exchange.answer = Some((body.clone(), answer.clone()));
        }
        self.has_news = true;
        Ok(answer)
    }

    /// Whether what this phone says next of its session answers the other's offer.
    pub fn is_owed_by(&self, side: Side) -> bool {
        self.exchange.as_ref().is_some_and(|exchange| exchange.from != side && exchange.answer.is_none())
    }

    /// What was offered last is refused: both go on as before.
    pub fn refused(&mut self) {
        self.exchange = None;
    }

    /// The phone answers the description that it has of us, which it was offered again.
    ///
    /// # Errors
    /// As [`Anchor::answer`].
    pub fn restored(&mut self, side: Side, body: &[u8]) -> Result<(), NoAnchor> {
        let leg = self.leg_mut(side);
        let told = leg.told.as_deref().ok_or(NoAnchor::NothingOffered)?;
        leg.session = Some(sdp::accept(told, body)?);
        self.has_news = true;
        Ok(())
    }

    /// Our ends have other ports: what each phone is to be told of them is [`Anchor::told`], and its answer
    /// [`Anchor::restored`].
    ///
    /// # Errors
    /// Nothing was agreed on before.
    pub fn move_to(&mut self, ports: [LegPorts; 2]) -> Result<(), NoAnchor> {
        self.exchange = None;
        for (leg, ports) in [&mut self.caller, &mut self.callee].into_iter().zip(ports) {
            let told = leg.told.as_deref().ok_or(NoAnchor::NothingOffered)?;
            let LegPorts { addresses, rtp_port, rtcp_port, keys } = ports;
            let version = leg.local.version + 1;
            leg.local = LocalMedia { addresses, rtp_port, rtcp_port, keys, version, ..leg.local.clone() };
            (leg.told, leg.session) = (Some(sdp::reoffer(told, &leg.local)?), None);
        }
        Ok(())
    }

    /// As this phone was told last of the session that it is in.
    pub fn told(&self, side: Side) -> Option<&str> {
        self.leg(side).told.as_deref()
    }

    /// Whether the sessions have changed since this was asked last.
    pub fn take_news(&mut self) -> bool {
        std::mem::take(&mut self.has_news)
    }

    pub fn session(&self, side: Side) -> Option<&AudioSession> {
        self.leg(side).session.as_ref()
    }

    fn leg(&self, side: Side) -> &Leg {
        match side {
            Side::Caller => &self.caller,
            Side::Callee => &self.callee,
        }
    }

    fn leg_mut(&mut self, side: Side) -> &mut Leg {
        match side {
            Side::Caller => &mut self.caller,
            Side::Callee => &mut self.callee,
        }
    }
}

impl Leg {
    fn new(ports: LegPorts, session_id: u64) -> Leg {
        let LegPorts { addresses, rtp_port, rtcp_port, keys } = ports;
        let direction = Direction::SendRecv;
        // RFC 8866 section 5.2: the number in o= is to fit into what others count with.
        let local =
            LocalMedia { addresses, rtp_port, rtcp_port, session_id: session_id >> 2, version: 0, direction, keys };
        Leg { local, told: None, has_described: false, is_turned: false, session: None }
    }

    /// To our address of the other family; `false`: we have none.
    fn turn(&mut self) -> bool {
        let other = self.local.addresses.other;
        if !std::mem::replace(&mut self.is_turned, other.is_some()) {
            self.local.addresses = self.local.addresses.turned_to(other);
        }
        other.is_some()
    }

    /// The first time: later descriptions of a session name the same origin (RFC 8866 section 5.2).
    fn turn_to(&mut self, peer: Option<IpAddr>) {
        if !self.has_described {
            self.local.addresses = self.local.addresses.turned_to(peer);
        }
    }

    /// Sound goes which way the other phone says.
    fn describe_next(&mut self, direction: Direction) {
        self.local.version += u64::from(std::mem::replace(&mut self.has_described, true));
        self.local.direction = direction;
    }
}

/// All that we speak, with that first which needs no other words.
fn capabilities(wanted: &[Encoding], protection: ProtectionPolicy) -> Capabilities {
    let rest = Encoding::ALL.into_iter().filter(|encoding| !wanted.contains(encoding));
    Capabilities {
        encodings: wanted.iter().copied().chain(rest).collect(),
        order: Order::Ours,
        protection,
        ..Capabilities::default()
    }
}
