//! One device of one user (RFC 3261 section 10.3, RFC 5626 section 6).

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use sip::{FlowId, TransferSupport, Transport, Uri};

/// The flow between a client and us: the only way back to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientFlow {
    pub id: FlowId,
    pub transport: Transport,
    /// The port of ours that the client speaks to.
    pub local_port: u16,
    /// The client is outside: it speaks to this edge of ours, and `id` is the edge's connection to us.
    pub edge: Option<EdgeFlow>,
}

/// A phone's connection to an edge before this home: what we know it by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct EdgeFlow {
    /// Which of our edges, by its place in the configuration.
    pub edge: u16,
    /// Of the name that the edge gives to the connection and its user.
    pub number: u64,
}

/// What a binding lives by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Way {
    Own(FlowId),
    Edge(EdgeFlow),
}

impl ClientFlow {
    /// Over a connection of an edge's many phones are reached.
    pub(crate) fn way(&self) -> Way {
        self.edge.map_or(Way::Own(self.id), Way::Edge)
    }

    /// Whether both lead to the same client.
    pub fn is_same(&self, other: &ClientFlow) -> bool {
        self.way() == other.way()
    }
}

/// A contact of an address-of-record, with the flow over which it is reached.
#[derive(Debug, Clone, PartialEq)]
pub struct Binding {
    /// The Contact's URI as the client wrote it.
    pub contact: String,
    /// Those of the Contact header's parameters that the 200 repeats, as the client wrote them, each with its semicolon.
    pub parameters: String,
    /// The flow the registration came in on. Everything for this device goes out over it.
    pub flow: ClientFlow,
    /// The device, where it names itself (`+sip.instance`, RFC 5626 section 4.1).
    pub instance: Option<String>,
    pub reg_id: Option<u32>,
    /// The client itself sent the REGISTER over the flow: there is no proxy between, behind which there may be others.
    pub is_direct: bool,
    /// Route values towards the device (RFC 3327), top first.
    pub path: Vec<String>,
    /// As its REGISTER shows.
    pub transfer: TransferSupport,
    /// Preference in thousandths: 1000 is most wanted (RFC 3261 section 20.10).
    pub q: u16,
    pub call_id: String,
    pub cseq: u32,
    /// For the last time.
    pub registered_at: Instant,
    pub expires_at: Instant,
}

impl Binding {
    /// Of what we send to the device. Headers in a URI are for who dials it by hand (RFC 3261 section 19.1.1): they are told
    /// to whoever asks for the bindings, and a Request-URI has none.
    pub fn request_uri(&self) -> &str {
        Uri::parse(&self.contact).map_or(&*self.contact, |uri| uri.without_headers())
    }

    /// Whole seconds until the binding ends, rounded up, so that a live binding never shows 0.
    pub fn remaining_secs(&self, now: Instant) -> u64 {
        let left = self.expires_at.saturating_duration_since(now);
        left.as_secs() + u64::from(left > Duration::from_secs(left.as_secs()))
    }

    /// Whether it names its device and its flow, as RFC 5626 section 4.2 wants both.
    pub(crate) fn is_outbound(&self) -> bool {
        self.instance.is_some() && self.reg_id.is_some()
    }

    /// Two flows of one device.
    pub fn is_same_instance(&self, other: &Binding) -> bool {
        self.is_outbound() && other.is_outbound() && self.instance == other.instance
    }

    /// Whether one client made both and says of neither what device it is. Over its flow it is reached, by whatever name: a phone
    /// that was started anew on its port has another user part in its Contact, and the old one stays until it expires.
    pub(crate) fn is_same_client(&self, other: &Binding) -> bool {
        let is_sips = |binding: &Binding| Uri::parse(&binding.contact).is_ok_and(|uri| uri.is_sips());
        self.flow.is_same(&other.flow)
            && (self.is_direct && other.is_direct)
            && !(self.is_outbound() || other.is_outbound())
            && self.instance == other.instance
            && is_sips(self) == is_sips(other)
    }

    /// RFC 5626 section 6: the same instance and reg-id is the same flow of the same device, whatever its address.
    pub(crate) fn is_same_device(&self, other: &Binding) -> bool {
        match (&self.instance, &other.instance) {
            (Some(ours), Some(theirs)) if self.reg_id.is_some() || other.reg_id.is_some() => {
                ours == theirs && self.reg_id == other.reg_id
            }
            _ => self.contact == other.contact,
        }
    }
}

/// What an operator sees of a binding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BindingSummary {
    pub aor: String,
    pub contact: String,
    pub flow: FlowId,
    pub expires_secs: u64,
}
