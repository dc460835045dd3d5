//! Metrics for Prometheus: each defined once, in [`ALL`], from which the text for a scraper and the reference page come.
//!
//! The number of series is fixed by the number of workers: every label has a closed set of values, and no name, address or
//! Call-ID of anybody is ever one. What is to be known of one partner is told by `comity partner show`.

mod definition;
mod listener;
mod resources;
mod snapshot;
mod table;
mod text;

pub use definition::{Kind, Label, Metric, Values};
pub(crate) use listener::open as open_listeners;
pub(crate) use resources::Resources;
pub(crate) use snapshot::{EdgeCounts, LastAnswers, ServerCounts, ServerSnapshot, Snapshot, StoredSnapshot};
use table::{calls, consents, inside, media, partners, requests, resources as used, server, transport};
pub use text::CONTENT_TYPE;
pub(crate) use text::render;

/// All metrics, in the order of the text and of the reference.
pub static ALL: &[&Metric] = &[
    &server::BUILD_INFO,
    &server::UPTIME,
    &server::WORKER_UP,
    &server::DRAINING,
    &used::OPEN_FILES,
    &used::OPEN_FILES_MAX,
    &used::RESIDENT_MEMORY,
    &used::CPU,
    &server::CERTIFICATE_NOT_AFTER,
    &server::CERTIFICATE_WARNINGS,
    &server::CERTIFICATE_REFUSED,
    &server::ACME_ORDERS,
    &server::ACME_NEXT_ORDER,
    &server::USERS,
    &requests::REGISTRATIONS,
    &requests::CONFERENCES,
    &requests::AGENT_REQUESTS,
    &requests::WATCHERS,
    &requests::PUBLICATIONS,
    &server::STORE_FAILURES,
    &server::STORED_MESSAGES,
    &server::STORED_OLDEST_AGE,
    &server::MESSAGES_STORED,
    &server::MESSAGES_DELIVERED,
    &server::MESSAGES_REPEATED,
    &server::MESSAGES_EXPIRED,
    &consents::HELD,
    &consents::OPEN,
    &consents::ASKED,
    &consents::MESSAGES_HELD,
    &consents::MESSAGES_RELEASED,
    &consents::MESSAGES_DISCARDED,
    &server::CALLS_BETWEEN,
    &server::QUEUES_DRAINING,
    &requests::ADMITTED,
    &requests::REFUSED,
    &requests::CHALLENGED,
    &requests::TRANSACTIONS,
    &requests::RESPONSE_CONTEXTS,
    &requests::WAITING,
    &requests::TIMERS,
    &calls::UNDER_WAY,
    &calls::ENDED,
    &calls::SET_UP_SECONDS,
    &calls::LEGS,
    &calls::LEG_PACKETS,
    &calls::RECORDS_DROPPED,
    &partners::ENTRIES,
    &partners::AWAY,
    &partners::CERTIFICATES_END,
    &partners::CERTIFICATES_SOON,
    &partners::DISCOVERED,
    &partners::OVER_SHARE,
    &partners::LOOK_ALIKES,
    &partners::CONNECTIONS,
    &partners::CONNECTS_FAILED,
    &partners::SERVERS_FAILED,
    &partners::PINS_CHANGED,
    &partners::REQUESTS_SENT,
    &partners::REQUESTS_RETRIED,
    &partners::RESPONSES_ELSEWHERE,
    &partners::RESPONSES,
    &partners::ANSWER_SECONDS,
    &partners::DNS_QUESTIONS,
    &partners::DNS_FAILURES,
    &inside::EDGES,
    &inside::SOUND_EDGES,
    &inside::TOLD,
    &inside::HOME_HEARD,
    &transport::FLOWS,
    &transport::FLOWS_OPENED,
    &transport::WEB_SOCKETS,
    &transport::FLOWS_ENDED,
    &transport::FLOWS_MOVED,
    &transport::HANDSHAKES,
    &transport::HANDSHAKES_RESUMED,
    &transport::ACCEPTS_FAILED,
    &transport::MESSAGES_RECEIVED,
    &transport::MESSAGES_SENT,
    &transport::MESSAGES_UNREADABLE,
    &transport::MESSAGES_UNREADABLE_ANSWERED,
    &transport::DATAGRAMS_IGNORED,
    &transport::STUN_ANSWERED,
    &transport::MESSAGES_LOST,
    &transport::LIMIT_HITS,
    &media::BRIDGES,
    &media::LEGS,
    &media::LEGS_MAX,
    &media::LEGS_OPENED,
    &media::LEGS_REFUSED,
    &media::LEGS_EXPIRED,
    &media::LEGS_LOST,
    &media::PACKETS_RECEIVED,
    &media::PACKETS_SENT,
    &media::PACKETS_DROPPED,
    &media::FRAMES_SKIPPED,
];

#[cfg(test)]
mod tests;
