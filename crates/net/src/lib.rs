//! The shell around [`signaling::Core`]: sockets, TLS, name resolution and the mailboxes between workers. No policy.
//!
//! One worker is one thread ([`run`]) with its own sockets and its own `Core`; nothing is locked on the way of a
//! message. What the core asks for is done here in order, what it waits for comes back as an answer.

mod accounts;
mod balancers;
mod connect;
mod counters;
pub mod dns;
mod flow;
mod framing;
mod handshakes;
mod limits;
mod mailbox;
pub mod media;
mod networks;
mod occupancy;
mod perform;
mod probe;
pub mod proxy_protocol;
mod resolver;
mod setup;
mod strangers;
mod tcp;
mod tls;
mod turn;
mod turns;
mod udp;
pub mod web_socket;
mod wire;
mod wire_log;
pub mod worker;

pub use accounts::{Accounts, Reply};
pub use counters::Counters;
pub use flow::MovedFlow;
pub use limits::Limits;
pub use mailbox::{Inbox, Mailbox, WorkerMessage, mailbox};
pub use networks::{NetworkError, Networks};
pub use probe::{Probe, Question, ask, probe, reach};
pub use resolver::{DnsSettings, Resolver};
pub use setup::{InsideTls, ListenerSetup, NetError, TlsClients, WorkerSetup, check_free};
pub use udp::DatagramPlaces;
pub use web_socket::{Origin, OriginError, Origins};
pub use worker::run;

#[cfg(test)]
mod testing;
