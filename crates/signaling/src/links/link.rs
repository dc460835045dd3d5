//! One connection to a partner: how far it has come, what is left to try, and who waits for it.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use federation::decision::Connection;
use federation::flow::FlowFacts;
use federation::route::NextHopTarget;
use sip::transaction::ClientTransactionId;
use sip::{FlowId, Method, Refusal};

use super::LinkKey;
use crate::owner::ContextId;
use crate::{AdmittedRequest, Breakage, LinkStatus};

pub(super) struct Link {
    pub(super) stage: Stage,
    pub(super) waiting: VecDeque<Waiter>,
    pub(super) last_failure: Option<Refusal>,
    /// Where it was up last.
    pub(super) last_place: Option<(FlowId, NextHopTarget, IpAddr)>,
    /// How long the DNS took, in milliseconds, where it was asked for this attempt.
    pub(super) srv_ms: Option<u64>,
    /// What came over its flow that cannot be taken.
    pub(super) breakage: Option<(FlowId, Breakage)>,
}

/// How far a connection has come; each stage but the last two waits for one answer.
pub(super) enum Stage {
    Idle,
    ExpectSrv {
        since: Instant,
    },
    ExpectAddresses {
        attempt: Attempt,
    },
    ExpectConnect {
        attempt: Attempt,
    },
    /// Up, but the ladder needs the domain's SRV answer to judge the certificate.
    ExpectVerdict {
        attempt: Attempt,
        facts: Box<FlowFacts>,
    },
    Up {
        flow: FlowId,
        connection: Arc<Connection>,
        /// `None`: the partner has opened it.
        place: Option<(NextHopTarget, IpAddr)>,
        /// No other server could be tried instead.
        is_only: bool,
        /// Its name is that of several servers, by their addresses.
        shares_name: bool,
        since: Instant,
        /// A response came over it.
        is_heard: bool,
    },
}

/// The target that is tried, what is left of its addresses, and the targets after it.
pub(super) struct Attempt {
    pub(super) target: NextHopTarget,
    /// The one that is tried.
    pub(super) address: Option<IpAddr>,
    pub(super) addresses: VecDeque<IpAddr>,
    pub(super) rest: VecDeque<NextHopTarget>,
    /// Those that are dialled by now, at most one of each address family.
    pub(super) dialled: Vec<IpAddr>,
    /// Tells this attempt's dialling from that of others.
    pub(super) serial: u64,
    /// There is one target, with one address.
    pub(super) is_only: bool,
    /// The target has several.
    pub(super) shares_name: bool,
    /// Some addresses are not tried: all who wait were sent there in vain.
    pub(super) left_out: bool,
    /// When to stop trying: whoever waits must still get an answer.
    pub(super) deadline: Instant,
}

/// A request that goes out once the connection is up.
pub(super) enum Waiter {
    Context(ContextId),
    Ack(Box<AdmittedRequest>),
    /// A response whose own connection has ended, or an ACK for a phone outside: nothing answers it.
    OneWay(Bytes),
    /// A request that was sent over a connection which has ended: what answers it may come over this one.
    Sent(ClientTransactionId),
    /// A branch to a phone outside, whose transaction has not begun.
    Branch {
        id: ClientTransactionId,
        method: Method,
        bytes: Bytes,
    },
    /// Nothing but whether this edge is there.
    Edge(u16),
}

/// The targets that are still to be tried.
pub(super) struct Rest {
    pub(super) targets: VecDeque<NextHopTarget>,
    pub(super) is_only: bool,
    /// Some addresses of those before were not tried.
    pub(super) left_out: bool,
    pub(super) deadline: Instant,
}

impl Attempt {
    pub(super) fn into_rest(self) -> Rest {
        Rest { targets: self.rest, is_only: self.is_only, left_out: self.left_out, deadline: self.deadline }
    }
}

impl Link {
    pub(super) fn new() -> Link {
        Link {
            stage: Stage::Idle,
            waiting: VecDeque::new(),
            last_failure: None,
            last_place: None,
            srv_ms: None,
            breakage: None,
        }
    }

    pub(super) fn status(&self, key: &LinkKey) -> LinkStatus {
        let (state, host, rung) = match &self.stage {
            Stage::Idle => ("idle", None, None),
            Stage::ExpectSrv { .. } => ("resolving", None, None),
            Stage::ExpectAddresses { attempt } => ("resolving", Some(attempt.target.to_string()), None),
            Stage::ExpectConnect { attempt } | Stage::ExpectVerdict { attempt, .. } => {
                ("connecting", Some(attempt.target.to_string()), None)
            }
            Stage::Up { connection, .. } => {
                ("up", Some(connection.host.clone()), Some(connection.rung.as_str().to_owned()))
            }
        };
        LinkStatus {
            domain: key.domain.clone(),
            connection: key.connection,
            state: state.to_owned(),
            rung,
            host,
            last_failure: self.last_failure.as_ref().map(|refusal| format!("{}: {}", refusal.word, refusal.reason)),
        }
    }
}

/// Why a connection that had just come up ended, for the operator.
pub(super) fn hung_up(host: &str, how: Option<&Breakage>) -> String {
    match how {
        Some(Breakage::NoSip(beginning)) => {
            format!("{host} answers with what is no SIP; it begins with \"{beginning}\"")
        }
        Some(Breakage::Tls(alert)) => format!(
            "{host} ended the connection as soon as it was up ({alert}): its side does not accept our certificate, and its \
             log says why"
        ),
        None => format!(
            "{host} ended the connection as soon as it was up: its side most likely does not accept our certificate \
             (the purpose clientAuth is often asked for), and its log says why"
        ),
    }
}
