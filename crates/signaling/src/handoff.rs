//! The only message between workers. In one process it travels by channel, between nodes as bytes.

use std::net::IpAddr;

use bytes::Bytes;
use federation::admission::Admitted;
use federation::flow::{FlowFacts, FlowKind};
use federation::ledger::CertificateId;
use serde::{Deserialize, Serialize};
use sip::transaction::ServerTransactionId;
use sip::{Aor, FlowId, Message};

use crate::agent::AgentKey;
use crate::aliases::Alias;
use crate::calls::Engagement;
use crate::elsewhere::InviteName;
use crate::records::CallNews;
use crate::route::Destination;
use crate::{Narrowed, Reached, WorkerId};

/// What one worker asks of another.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Handoff {
    /// A request that came as a datagram, for the worker that owns its transaction.
    Datagram { facts: FlowFacts, message: Box<Message> },
    /// An admitted request for the worker that owns its target.
    Request(Box<AdmittedRequest>),
    /// The same, sent elsewhere by whoever it was for; for the worker to which its answer goes.
    Redirected(Box<AdmittedRequest>),
    /// A call for the address of a device, for the worker that keeps the one which it is to take the place of.
    Transferred(Box<AdmittedRequest>),
    /// Something was put among what is stored for this user, for the worker that owns him.
    StoredFor { aor: Aor },
    /// An admitted request of a discovered partner, for the worker that owns its ledger.
    /// `refused`: how many were refused on its connection since the last one.
    Metered {
        request: Box<AdmittedRequest>,
        in_dialog: bool,
        #[serde(default)]
        refused: u64,
    },
    /// Its ledger allows so many requests a second: those beyond it are refused on the worker that has its flow.
    TooFast { flow: FlowId, per_sec: u32, retry_after_secs: u32 },
    /// A discovered partner named a user who does not exist, for the worker that owns its ledger.
    Missed { certificate: CertificateId, user: u64 },
    /// A user of ours, by number, has turned to a partner without an entry: he may be written to and called from there.
    TurnedTo { user: u64, domain: String },
    /// The caller gave up: cancel what the request of this server transaction started, on the worker that owns its target. It
    /// goes the way of its request: `by_ledger` where that was [`Handoff::Metered`].
    Cancel {
        upstream: Upstream,
        owner: WorkerId,
        #[serde(default)]
        by_ledger: bool,
        /// As the CANCEL has it.
        #[serde(default)]
        reason: Option<String>,
    },
    /// A response for a requester of the receiving worker, its own Via already stripped.
    /// Where it came from is said to agents: sound is expected from there.
    Respond { to: Requester, status: u16, response: Bytes, source: Option<IpAddr> },
    /// A response that reached another worker than the one whose branch it carries.
    Response { from: Responder, message: Box<Message> },
    /// Bytes for a flow that the receiving worker owns, or knows the owner of.
    Transmit { flow: FlowId, bytes: Bytes },
    /// What is known of the flow that was just moved to the receiving worker.
    FlowMoved { flow: FlowId, kind: FlowKind, users: Vec<Aor> },
    /// A flow that the receiving worker accepted and gave away has ended.
    FlowEnded { flow: FlowId },
    /// A user whom the receiving worker owns is in a call or a meeting from now on, or not any more.
    Engaged { aor: Aor, engagement: Engagement, is_under_way: bool },
    /// Messages of this user to this peer go into a session of messages that the agent holds, or do not any more.
    Gateway { user: Aor, peer: Aor, agent: AgentKey, is_open: bool },
    /// The response to a user's registration was handed over before this, and goes out before it comes back to the owner:
    /// what waits for him is sent after it.
    Registered { aor: Aor, is_new_flow: bool },
    /// Of a call whose record the receiving worker keeps.
    CallRecord(CallNews),
    /// A partner has opened this connection, and proven this domain on it.
    Alias { domain: String, alias: Box<Alias> },
    /// INVITEs of the sending worker whose connection has ended: a CANCEL of them may come over another.
    Orphans { orphans: Vec<(InviteName, ServerTransactionId)>, worker: WorkerId },
    /// One of them was taken back, as a CANCEL says.
    CancelOrphan {
        server: ServerTransactionId,
        #[serde(default)]
        reason: Option<String>,
    },
    /// A response for a partner whose own connections are all gone, for the worker that owns this link to it.
    RespondOverLink { domain: String, connection: u16, bytes: Bytes },
    /// A server of this domain failed the watcher, who wants to know as soon as the partner is heard from.
    WatchPartner { domain: String, watcher: WorkerId },
    /// How far a connection of the sending worker to this partner has come, for the worker that tells of it.
    PartnerReach(Reached),
    /// A partner's name servers have ceased to answer, or answer again; for the worker that tells.
    PartnerNames { domain: String, is_stale: bool },
    /// An edge, by its place among ours, has lost a phone's connection.
    PhoneGone { edge: u16, number: u64 },
    /// This user has shown the password on that connection: for so long it needs not be asked for there. 0: not any more.
    PhoneProven { edge: u16, number: u64, user: Aor, secs: u64 },
    /// A hosting provider's terms have become narrower: what is under way with these domains behind it ends.
    Narrowed(Box<Narrowed>),
    /// The partner was heard from: what failed may work again.
    PartnerHeard { domain: String },
}

impl Handoff {
    /// Whether it may come after others that were sent later: what domains without an entry ask for, who can be as many as they
    /// like, waits for what is asked by everybody else. Those that may keep their order among themselves.
    pub fn may_wait(&self) -> bool {
        matches!(self, Handoff::Metered { .. } | Handoff::Cancel { by_ledger: true, .. })
    }
}

/// Where a response came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Responder {
    pub flow: FlowId,
    /// Whether the peer showed a certificate: a partner's edge may answer on another connection than it was asked on.
    pub is_certified: bool,
    /// Of the inner side.
    #[serde(default)]
    pub is_inner: bool,
}

/// Where the response to a request handed over belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Upstream {
    pub worker: WorkerId,
    pub requester: Requester,
}

/// Who made a request, and waits for its response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Requester {
    /// Somebody outside, in this server transaction.
    Outside(ServerTransactionId),
    /// Our own presence agent: a NOTIFY of this subscription.
    Notifier(u64),
    /// An agent of ours, which knows its requests by number.
    Agent(u64),
}

impl Requester {
    /// Tells it from all others of its worker and kind.
    pub(crate) fn serial(self) -> u64 {
        match self {
            Requester::Outside(transaction) => transaction.0,
            Requester::Notifier(serial) | Requester::Agent(serial) => serial,
        }
    }
}

/// Where a request came in.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Ingress {
    Flow(FlowFacts),
    /// An agent of ours made it.
    Agent(AgentKey),
    /// Our presence agent made it.
    Notifier,
}

impl Ingress {
    pub fn flow(&self) -> Option<&FlowFacts> {
        match self {
            Ingress::Flow(facts) => Some(facts),
            Ingress::Agent(_) | Ingress::Notifier => None,
        }
    }
}

/// A request after admission, on its way to its target's owner.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AdmittedRequest {
    pub message: Message,
    pub admitted: Admitted,
    pub ingress: Ingress,
    pub destination: Destination,
    /// How many of the topmost Routes name this server, to be taken off.
    pub routes_taken: usize,
    /// For whom it was before, each time that it was sent elsewhere.
    pub sent_on_by: Vec<String>,
    /// `None` for an ACK, which has no transaction (RFC 3261 section 13.2.2.4).
    pub upstream: Option<Upstream>,
    /// When it was admitted, or, of one of our own, made, in milliseconds since the Unix epoch; 0: nobody is told.
    #[serde(default)]
    pub admitted_unix_ms: u64,
}
