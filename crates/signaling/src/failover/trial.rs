//! How a request for a partner has fared so far: over which connections it was sent, and where else it may go.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use federation::decision::Connection;
use federation::discovery::SRV_TARGETS_MAX;
use federation::route::NextHopTarget;
use sip::FlowId;
use sip::transaction::Failure;

#[derive(Debug, Clone)]
pub(crate) struct Trial {
    pub opened_at: Instant,
    pub sent_on: Option<FlowId>,
    /// Of what goes to a partner, or between edge and home.
    pub sent_over: Option<Arc<Connection>>,
    /// The caller took it back.
    pub is_given_up: bool,
    /// The connection that it was last sent on has ended.
    pub lost_connection: bool,
    /// It found no client transaction free.
    pub was_full: bool,
    /// The last response.
    pub(super) heard: Option<u16>,
    tried: Tried,
}

/// The servers that a request was sent to in vain, each by the connection that led there.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tried {
    over: Vec<Arc<Connection>>,
    last_trouble: Option<Trouble>,
    /// Since then it was left behind once where others were served.
    was_passed_by: bool,
}

/// Why another server may do better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The connection ended before anything came.
    ConnectionLost,
    /// Not even a 100 to an INVITE. Of other requests silence says nothing: who is slow may be a phone behind the
    /// server (RFC 4320 section 4.2).
    Silence,
    /// 503: that server, not the partner.
    Overloaded,
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Trouble {
        match failure {
            Failure::Timeout => Trouble::Silence,
            Failure::TransportFailed => Trouble::ConnectionLost,
        }
    }
}

impl Trouble {
    pub(super) fn reason(self) -> &'static str {
        match self {
            Trouble::ConnectionLost => "the connection ended before an answer came",
            Trouble::Silence => "no answer came in time",
            Trouble::Overloaded => "the server says that it is overloaded (503)",
        }
    }
}

impl Trial {
    pub(crate) fn new(now: Instant) -> Trial {
        Trial {
            opened_at: now,
            sent_on: None,
            sent_over: None,
            is_given_up: false,
            lost_connection: false,
            was_full: false,
            heard: None,
            tried: Tried::default(),
        }
    }

    pub(crate) fn tried(&self) -> &Tried {
        &self.tried
    }

    /// Whether the request may go to another server, if there is one: with nothing heard, and while its sender still waits.
    pub(super) fn may_move(&self, now: Instant, trouble: Trouble, is_invite: bool) -> bool {
        let time = if is_invite { INVITE_TIME } else { NON_INVITE_TIME };
        let unheard = match trouble {
            Trouble::ConnectionLost => self.heard.is_none(),
            Trouble::Silence => self.heard.is_none() && is_invite,
            // A 100 on the way to it says only that the server read the request.
            Trouble::Overloaded => self.heard.is_none_or(|status| status == 100),
        };
        let is_left = self.tried.over.len() + 1 < TRIES_MAX && (self.sent_over.is_some() || self.tried.is_none());
        unheard && is_left && !self.is_given_up && now.saturating_duration_since(self.opened_at) < time
    }

    /// Its connection came up for others, to a server where it has been; `false`: for the second time. Those who come after it
    /// are not to wait for ever for servers that cannot be reached.
    pub(crate) fn passes_by(&mut self) -> bool {
        !std::mem::replace(&mut self.tried.was_passed_by, true)
    }

    /// What has been tried once this trouble ends the present try.
    pub(super) fn tried_after(&self, trouble: Trouble) -> Tried {
        let over = self.tried.over.iter().chain(&self.sent_over).cloned().collect();
        Tried { over, last_trouble: Some(trouble), was_passed_by: false }
    }

    pub(super) fn failed(&mut self, trouble: Trouble) {
        self.tried.over.extend(self.sent_over.take());
        self.tried.last_trouble = Some(trouble);
        self.tried.was_passed_by = false;
        self.heard = None;
    }
}

impl Tried {
    fn is_none(&self) -> bool {
        self.last_trouble.is_none()
    }

    pub(super) fn last_trouble(&self) -> Option<Trouble> {
        self.last_trouble
    }

    /// A connection that ended may have been about to, and says little of its server: that one may have the request by a new
    /// connection, where no other takes it. This holds for the first connection alone.
    pub(super) fn may_return(&self) -> bool {
        self.last_trouble == Some(Trouble::ConnectionLost) && self.over.len() <= 1
    }

    /// Whether the request may go to this server, `host:port`, by this address of its.
    pub(crate) fn may_use(&self, host: &str, address: IpAddr) -> bool {
        self.may_return() || !self.over.iter().any(|over| over.address == address && over.host == host)
    }

    /// Whether it was there, by whichever address.
    pub(crate) fn has(&self, target: &NextHopTarget) -> bool {
        let host = target.to_string();
        self.over.iter().any(|over| over.host == host)
    }

    /// The servers, `host:port`, with the address of each.
    pub(crate) fn places(&self) -> impl Iterator<Item = (&str, IpAddr)> {
        self.over.iter().map(|over| (over.host.as_str(), over.address))
    }
}

/// Timer F at the sender ends after 32 seconds; the answer must be there before.
const NON_INVITE_TIME: Duration = Duration::from_secs(24);
/// An INVITE got its 100 from us, so that timer C is what ends it.
const INVITE_TIME: Duration = Duration::from_secs(120);
/// A request is sent so often, each time to another server: as many as are remembered of a domain.
const TRIES_MAX: usize = SRV_TARGETS_MAX;
