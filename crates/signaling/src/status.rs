//! What an operator sees of one worker.

use serde::{Deserialize, Serialize};

/// Counts of one worker, now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoreStatus {
    pub worker: u16,
    pub flows: usize,
    pub client_flows: usize,
    pub partner_flows: usize,
    pub server_transactions: usize,
    pub client_transactions: usize,
    pub response_contexts: usize,
    pub waiting: usize,
    pub bindings: usize,
    /// Subscriptions to the presence of users owned here.
    pub watchers: usize,
    /// What devices have published of them.
    pub publications: usize,
    /// Meetings that somebody is in, is called into, or waits to be let into.
    #[serde(default)]
    pub conferences: usize,
    /// Requests of conferences, and of others of our own, that have no final answer yet.
    #[serde(default)]
    pub agent_requests: usize,
    /// Calls whose records are kept here: answered, and not over.
    #[serde(default)]
    pub calls_under_way: usize,
    /// The same of sessions of messages.
    #[serde(default)]
    pub message_sessions_under_way: usize,
    /// The same of people in meetings.
    #[serde(default)]
    pub meeting_calls_under_way: usize,
    /// Users whose stored messages are going out.
    pub queues_draining: usize,
    /// Stored messages sent again because it was never recorded what became of them.
    pub stored_repeats: u64,
    /// Calls that we stand between.
    #[serde(default)]
    pub calls_between: usize,
    /// Legs of sound that are open or asked for.
    #[serde(default)]
    pub legs: usize,
    pub timers: usize,
    /// Bytes for a flow that had gone.
    pub undeliverable: u64,
    /// Connections to partners that are up, coming up, or remembered for why they are down.
    #[serde(default)]
    pub links_by_state: LinkCounts,
    /// Servers of partners, and addresses of theirs, that failed lately.
    #[serde(default)]
    pub partner_servers_failed: usize,
    /// Partners that were told of here as out of reach, and are still.
    #[serde(default)]
    pub partners_away: usize,
    /// Of them, those that somebody watches over.
    #[serde(default)]
    pub monitored_partners_away: usize,
    /// Certificates of discovered partners that are counted here.
    #[serde(default)]
    pub discovered_partners: usize,
    /// Of them, those that are suspect.
    #[serde(default)]
    pub suspect_partners: usize,
    #[serde(default)]
    pub is_draining: bool,
    pub links: Vec<LinkStatus>,
}

/// How many connections to partners are in which state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkCounts {
    pub idle: usize,
    pub resolving: usize,
    pub connecting: usize,
    pub up: usize,
}

/// One connection to a partner, as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkStatus {
    pub domain: String,
    pub connection: u16,
    /// `idle`, `resolving`, `connecting` or `up`.
    pub state: String,
    /// The rung of the ladder by which the partner's certificate held.
    pub rung: Option<String>,
    /// The host that discovery named.
    pub host: Option<String>,
    /// Why the last attempt failed.
    pub last_failure: Option<String>,
}

/// What an administrator made a worker forget about a partner.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forgotten {
    /// Answers of the DNS.
    pub discovery: usize,
    /// Servers and addresses that failed.
    pub failures: usize,
    /// Connections that were down, with the reasons.
    pub connections: usize,
    /// Certificates whose requests were counted.
    #[serde(default)]
    pub ledgers: usize,
}

impl std::ops::Add for Forgotten {
    type Output = Forgotten;

    fn add(self, other: Forgotten) -> Forgotten {
        Forgotten {
            discovery: self.discovery + other.discovery,
            failures: self.failures + other.failures,
            connections: self.connections + other.connections,
            ledgers: self.ledgers + other.ledgers,
        }
    }
}
