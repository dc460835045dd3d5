//! Transactions: RFC 3261 section 17, with RFC 6026 (the Accepted states) and RFC 4320 (non-INVITE).
//!
//! `layer` maps messages to transactions and owns their ids; each kind of transaction is a state machine of its own
//! that knows nothing of the others. A transaction's next time is told by [`TransactionOutput::Schedule`].

mod client_invite;
mod client_non_invite;
mod layer;
mod machine;
mod matching;
mod server_invite;
mod server_non_invite;
mod timers;

#[cfg(test)]
mod tests;

use std::time::Instant;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::error::ParseError;
use crate::flow::FlowId;

pub use client_invite::build_cancel;
pub use layer::TransactionLayer;
pub use timers::Timers;

/// Names a server transaction within its layer, never reused.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct ServerTransactionId(pub u64);

/// Names a client transaction within its layer. The caller chooses `serial` and writes it into the branch of the Via
/// that it adds; a CANCEL has the serial, as it has the branch, of the INVITE that it cancels.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct ClientTransactionId {
    pub serial: u64,
    pub cancel: bool,
}

#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum TransactionKey {
    Server(ServerTransactionId),
    Client(ClientTransactionId),
}

/// How many transactions of each side may be under way.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct TransactionLimits {
    pub server_max: usize,
    pub client_max: usize,
    /// Of each side, beyond those: what was answered with a 2xx, until timers J and K, or L and M. With more, the first to
    /// begin ends early, and a retransmission of its request or of its 2xx is not known any more.
    pub lingering_max: usize,
}

/// What a received request is.
#[derive(Clone, PartialEq, Eq, Debug)]
#[must_use]
pub enum RequestOutcome {
    /// The first of its transaction: to be responded to with [`TransactionLayer::respond`].
    New(ServerTransactionId),
    /// A retransmission, or an ACK that ends one: nothing is left to do.
    Absorbed,
    /// An ACK of its own, end to end (RFC 3261 section 13.2.2.4): no transaction; route it as one does without state.
    AckFor2xx,
    /// A CANCEL, which is answered already. `cancelled` is the INVITE that it matches, while that has no final
    /// response.
    Cancel { cancelled: Option<ServerTransactionId> },
    /// A CANCEL of nothing that is known here: answer 481 without a transaction, also its retransmissions.
    CancelOfNothing,
    /// What transactions are matched by does not parse.
    Malformed(ParseError),
    /// `server_max` transactions are under way: answer 503 without one.
    Full,
}

/// What a received response is.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
#[must_use]
pub enum ResponseOutcome {
    /// New to the transaction user: provisional, final, or any 2xx to INVITE, be it a retransmission (RFC 6026).
    Deliver,
    Absorbed,
    /// There is no such transaction: drop it.
    Stray,
}

/// Why a client transaction had no final response.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Failure {
    /// Timer B or F, or no final response after a CANCEL (RFC 3261 section 9.1).
    Timeout,
    /// The flow that it was sent on is closed.
    TransportFailed,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TransactionOutput {
    Transmit {
        flow: FlowId,
        bytes: Bytes,
    },
    /// Call [`TransactionLayer::handle_timeout`] at `at`. An earlier time asked for the same key remains asked for.
    Schedule {
        at: Instant,
        key: TransactionKey,
    },
    /// No final response will come. [`TransactionOutput::ClientEnded`] follows.
    ClientFailed {
        id: ClientTransactionId,
        failure: Failure,
    },
    /// The last of a server transaction. `acked` is false when a final response other than 2xx to INVITE was never
    /// acknowledged, or when no final response was sent in time.
    ServerEnded {
        id: ServerTransactionId,
        acked: bool,
    },
    /// The last of a client transaction.
    ClientEnded {
        id: ClientTransactionId,
    },
}

/// The transaction has ended: the response goes nowhere (RFC 4320 section 4.2 forbids to send it without).
#[derive(Copy, Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the server transaction has ended")]
pub struct NoTransaction;

/// `client_max` transactions are under way.
#[derive(Copy, Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("too many client transactions")]
pub struct Full;
