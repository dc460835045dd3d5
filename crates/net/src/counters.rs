//! What one worker's sockets have seen since it started.

use serde::Serialize;

/// Counts only ever rise, but for `flows`, which is now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Counters {
    pub worker: u16,
    /// Stream flows open now.
    pub flows: usize,
    pub flows_accepted: u64,
    pub flows_connected: u64,
    pub flows_adopted: u64,
    pub flows_given_away: u64,
    pub flows_ended: u64,
    pub flows_idle_ended: u64,
    /// Those of which a message took too long to come.
    pub slow_writers_ended: u64,
    pub connects_failed: u64,
    /// Questions to the DNS that a worker asked: SRV records, or addresses.
    pub dns_questions: u64,
    /// Of these, those without an answer, and names that an SRV record or a partner entry gave and that have no address.
    pub dns_failures: u64,
    pub handshakes_completed: u64,
    pub handshakes_resumed: u64,
    pub handshakes_failed: u64,
    /// Handshakes that waited because of `handshakes_max`.
    pub handshakes_full: u64,
    /// Connections of load balancers for which `introductions_max` left no room.
    pub introductions_full: u64,
    /// Those without a PROXY header that can be read; and connections of others that came with one.
    pub introductions_refused: u64,
    /// Connections that had sent nothing and made room for a newcomer.
    pub unfinished_displaced: u64,
    /// Newcomers for whom nobody could make room.
    pub unfinished_refused: u64,
    /// WebSockets whose opening handshake succeeded.
    pub web_sockets_opened: u64,
    /// Those that were answered with a refusal: a page from elsewhere, no SIP, or no WebSocket at all.
    pub web_sockets_refused: u64,
    /// Those whose peer was gone without a word.
    pub web_sockets_silent_ended: u64,
    pub connections_refused: u64,
    pub connections_per_ip_refused: u64,
    pub accepts_failed: u64,
    pub messages_received: u64,
    pub messages_sent: u64,
    pub datagrams_received: u64,
    pub datagrams_sent: u64,
    /// STUN Binding requests, by which clients keep their way through a NAT open.
    pub stun_answered: u64,
    /// Keep-alives and whatever else is too short to be a message.
    pub datagrams_ignored: u64,
    pub datagrams_oversized: u64,
    pub datagrams_unsent: u64,
    pub framing_errors: u64,
    /// Of a stream or a datagram, with sound borders.
    pub parse_errors: u64,
    /// Of the former, those that were answered with 400.
    pub parse_errors_answered: u64,
    /// Flows ended because of `parse_errors_per_flow_max`.
    pub parse_errors_ended: u64,
    pub tls_errors: u64,
    pub slow_readers_ended: u64,
    /// Messages for a stream flow that was no longer here.
    pub transmits_without_flow: u64,
    pub handoffs_dropped: u64,
}
