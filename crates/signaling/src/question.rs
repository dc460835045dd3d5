//! The one way to wait: a question leaves as an output, its answer comes back as an input.

use std::net::SocketAddr;

use federation::discovery::{HostAnswer, HostFailure, SrvResult};
use federation::flow::{ConnectFailure, FlowFacts};
use media::{LegId, OpenedLeg};
use messaging::{
    Approach, Approached, ConsentAnswer, ConsentAnswered, MessageId, NewMessage, NotStored, StoredMessage,
};
use sip::auth::UserHa1;
use sip::{Aor, Transport};

/// Names a question until its answer has come. Unique within a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QuestionId(pub u64);

/// What a machine of ours can wait for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// The stored credentials of one of our users.
    Credentials(Aor),
    /// Whether one of our domains has this user.
    User(Aor),
    /// Keep this message for its user. The answer comes when it is on disk.
    Store(Box<NewMessage>),
    /// The first message stored for this user after that one and still valid, to be sent now. Questions about one
    /// user's messages are to be worked on in the order in which they were asked.
    NextStored { aor: Aor, after: MessageId, now_unix_ms: u64 },
    /// A stored message that was sent: a device has it and it goes, or no device has it and it stays.
    Settle { id: MessageId, is_delivered: bool },
    /// Somebody comes to a user who is to agree first: what he said, and what is done about it, once that is on disk.
    Approach(Box<Approach>),
    /// A user answers the question about somebody.
    ConsentAnswer(Box<ConsentAnswer>),
    /// A user of ours has turned to somebody, and so agrees to hear from him; `sender` is `user@domain` in lower case.
    Agree { aor: Aor, sender: String, now_unix_ms: u64 },
    /// The federation SRV records of a domain, by the one discovery rule: `_sipfederationtls._tcp`, else `_sips._tcp`.
    Srv { domain: String },
    /// The addresses of a host; an IP literal answers itself.
    Addresses { host: String },
    /// Two ports for a leg of sound. They are ours until [`media::MediaCommand::Close`].
    OpenLeg { leg: LegId },
    /// A TLS connection to a partner. `server_name` is the host that discovery named.
    /// The partner is shown this certificate of ours, by its number.
    Connect { remote: SocketAddr, server_name: String, certificate: u16 },
    /// A connection to a server of the inner side; the answer is a [`Answer::Connected`].
    ConnectInside { remote: SocketAddr, server_name: String, transport: Transport },
}

/// The answers, one kind for each kind of question.
#[derive(Debug, Clone)]
pub enum Answer {
    /// `None`: there is no such user. The error says why the store cannot tell.
    Credentials(Result<Option<UserHa1>, String>),
    /// The error says why the store cannot tell.
    User(Result<bool, String>),
    Stored(Result<MessageId, NotStored>),
    /// `None`: nothing is left. The error says why the store cannot tell.
    NextStored(Result<Option<StoredMessage>, String>),
    Settled(Result<(), String>),
    /// The error says why the store cannot tell.
    Approached(Result<Approached, String>),
    /// `None`: the user was asked no such question.
    ConsentAnswered(Result<Option<ConsentAnswered>, String>),
    /// How many messages of him that were held are on their way now.
    Agreed(Result<u32, String>),
    Srv(SrvResult),
    /// The error says why there is none.
    Addresses(Result<HostAnswer, HostFailure>),
    /// The error says why there is no sound.
    LegOpened(Result<OpenedLeg, String>),
    /// The flow is up and belongs to the worker that asked; nothing has been written on it.
    Connected(Result<FlowFacts, ConnectFailure>),
}
