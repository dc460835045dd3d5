//! What a peer can make one worker hold. Beyond a limit there is a stated answer, never growth.

use std::time::Duration;

use conference::ConferenceLimits;
use federation::ledger::LedgerLimits;
use messaging::{GatewayLimits, PagerLimits, StoreAndForwardLimits};
use presence::PresenceLimits;
use registrar::RegistrarLimits;

/// The limits of one worker.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Server transactions; beyond it 503 with Retry-After, for what belongs to no dialog of ours a tenth before it.
    pub server_transactions_max: usize,
    /// Server transactions at which those who have proven nothing yet, and datagrams, get 503: the rest is for others.
    pub server_transactions_unproven_max: usize,
    /// Bytes of answers to senders of datagrams who have proven nothing, beyond what came from them, in a second of one worker;
    /// beyond it what would be longer than what it answers is not sent.
    pub datagram_surplus_bytes_per_sec_max: usize,
    /// The same to addresses from which users of ours have signed in by datagrams, which a whole office may share.
    pub datagram_surplus_proven_bytes_per_sec_max: usize,
    /// How many such addresses are remembered; beyond it others are as those who have proven nothing.
    pub proven_addresses_max: usize,
    /// Connections of phones to edges on which a password was shown; beyond it it is asked for with each request.
    pub proven_phones_max: usize,
    /// At an edge that lets users in from outside, requests from one address (IPv6: one network of 64 bits) in ten seconds
    /// that prove nobody; beyond it 503 with Retry-After, and their home is not asked.
    pub unproven_per_address_max: u32,
    /// Requests of one user of ours, and of one partner, that wait for their final answer; beyond it 503 with Retry-After. What
    /// belongs to a dialog may be as many again.
    pub requests_per_user_max: usize,
    pub requests_per_partner_max: usize,
    /// Client transactions; beyond it 503.
    pub client_transactions_max: usize,
    /// Of each side, beyond those, what went well and is there only for retransmissions: with more, the oldest ends early.
    pub lingering_transactions_max: usize,
    /// Requests that wait for an answer; beyond it 503.
    pub waiting_max: usize,
    /// Of them, requests of one flow that wait for what their admission needs; beyond it 503 with Retry-After.
    pub waiting_per_flow_max: usize,
    /// How long a request waits for one answer.
    pub answer_secs_max: u64,
    /// How long a user's devices may take to answer a MESSAGE before it is kept for him.
    pub message_answer_secs_max: u64,
    /// Requests that wait for one partner connection to come up; beyond it 503.
    pub waiting_per_link_max: usize,
    /// How long all ways to a partner together may be tried before those that wait are told.
    pub link_secs_max: u64,
    /// Connections to one partner, over all workers.
    pub partner_connections: u16,
    /// How long a new connection may take to show what it is.
    pub undecided_secs_max: u64,
    /// Connections that one user of ours, and one partner, opened to one worker; beyond it the oldest that is not needed ends.
    pub flows_per_user_max: usize,
    pub flows_per_partner_max: usize,
    /// Users proven on one flow.
    pub users_per_flow_max: usize,
    /// How long the most wanted devices of a user ring before the next are called; which have a lower q.
    pub ring_secs: u64,
    /// Devices that one request is forked to.
    pub branches_max: usize,
    /// Nonces whose counts are kept.
    pub nonces_max: usize,
    /// How long a nonce is taken; then a new challenge, stale.
    pub nonce_secs: u64,
    /// Decisions kept in memory.
    pub decisions_max: usize,
    /// Refusals kept in memory of what was not judged: malformed, too large, too much at once.
    pub turned_away_max: usize,
    pub registrar: RegistrarLimits,
    pub pager: PagerLimits,
    pub store_and_forward: StoreAndForwardLimits,
    pub presence: PresenceLimits,
    /// Conferences of one worker; beyond it 503.
    pub conferences_max: usize,
    /// Of them, those that one user of ours began and that are not scheduled; beyond it 480 `too-many-meetings` with Retry-After.
    pub meetings_per_organiser_max: usize,
    pub conference: ConferenceLimits,
    /// Calls of one worker that we stand between; beyond it calls are proxied.
    pub calls_between_max: usize,
    /// Of them, those that one user of ours began, and all users of one partner; beyond it likewise.
    pub calls_between_per_user_max: usize,
    pub calls_between_per_partner_max: usize,
    /// Legs of sound of one worker that are open or asked for, in meetings of one user of ours and in calls of his or of one
    /// partner; beyond it 503 `no-media`.
    pub legs_per_user_max: usize,
    pub legs_per_partner_max: usize,
    /// Answered calls of one worker that are remembered so that they can become meetings; beyond it the oldest of
    /// whoever began most of them is forgotten.
    pub calls_proxied_max: usize,
    /// Requests within such a call that wait for an answer; beyond it 503.
    pub requests_per_call_max: usize,
    /// What is remembered of discovered partners.
    pub ledgers: LedgerLimits,
    /// How long nothing may be heard of such a call before both phones are asked whether they are still in it.
    pub call_check_secs: u64,
    /// Sessions of messages that one worker answers for users whose devices know none; beyond it what the devices answered
    /// is the answer.
    pub gateways_max: usize,
    /// Of them, those that one user of ours began, and all users of one partner; beyond it likewise.
    pub gateways_per_user_max: usize,
    pub gateways_per_partner_max: usize,
    pub gateway: GatewayLimits,
    /// Records of calls that are under way, and of such whose phones are gone, for the BYE that may come still. Beyond it one of
    /// those makes room; else a call is recorded at once, its end as never seen.
    pub call_records_max: usize,
    /// Of one user or meeting; beyond it the oldest is recorded as never seen to end.
    pub call_records_per_user_max: usize,
}

impl Limits {
    /// With shares of so many legs that a server of so many workers has: half of them for any one user or partner. A worker
    /// has whole meetings, so that a user may have one of usual size on it whatever is his part of the half.
    #[must_use]
    pub fn with_legs(mut self, legs: usize, workers: u16) -> Limits {
        let (half, of_worker) = (legs / 2, legs / 2 / usize::from(workers.max(1)));
        self.legs_per_user_max = of_worker.max(half.min(MEETING_LEGS));
        self.legs_per_partner_max = of_worker.max(PARTNER_LEGS_MIN);
        self
    }

    pub(crate) fn answer_time(&self) -> Duration {
        Duration::from_secs(self.answer_secs_max)
    }

    pub(crate) fn message_answer_time(&self) -> Duration {
        Duration::from_secs(self.message_answer_secs_max)
    }

    pub(crate) fn link_time(&self) -> Duration {
        Duration::from_secs(self.link_secs_max)
    }

    pub(crate) fn ring_time(&self) -> Duration {
        Duration::from_secs(self.ring_secs)
    }

    pub(crate) fn undecided_time(&self) -> Duration {
        Duration::from_secs(self.undecided_secs_max)
    }
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            server_transactions_max: 100_000,
            server_transactions_unproven_max: 50_000,
            datagram_surplus_bytes_per_sec_max: 32 << 10,
            datagram_surplus_proven_bytes_per_sec_max: 4 << 20,
            proven_addresses_max: 65_536,
            proven_phones_max: 262_144,
            unproven_per_address_max: 500,
            requests_per_user_max: 2_000,
            requests_per_partner_max: 25_000,
            client_transactions_max: 100_000,
            lingering_transactions_max: 100_000,
            waiting_max: 20_000,
            waiting_per_flow_max: 256,
            answer_secs_max: 20,
            message_answer_secs_max: 20,
            waiting_per_link_max: 1_000,
            link_secs_max: 25,
            partner_connections: 4,
            undecided_secs_max: 10,
            flows_per_user_max: 1_000,
            flows_per_partner_max: 5_000,
            users_per_flow_max: 64,
            ring_secs: 20,
            branches_max: 16,
            nonces_max: 100_000,
            nonce_secs: 300,
            decisions_max: 4096,
            turned_away_max: 256,
            registrar: RegistrarLimits::default(),
            pager: PagerLimits::default(),
            store_and_forward: StoreAndForwardLimits::default(),
            presence: PresenceLimits::default(),
            conferences_max: 10_000,
            meetings_per_organiser_max: 100,
            conference: ConferenceLimits::default(),
            calls_between_max: 20_000,
            calls_between_per_user_max: 500,
            calls_between_per_partner_max: 10_000,
            legs_per_user_max: 1_250,
            legs_per_partner_max: 1_250,
            calls_proxied_max: 20_000,
            requests_per_call_max: 32,
            ledgers: LedgerLimits::default(),
            call_check_secs: 900,
            gateways_max: 10_000,
            gateways_per_user_max: 500,
            gateways_per_partner_max: 5_000,
            gateway: GatewayLimits::default(),
            call_records_max: 50_000,
            call_records_per_user_max: 2_000,
        }
    }
}

/// As many as a meeting has people (`participants_max`).
const MEETING_LEGS: usize = 250;
/// Four calls.
const PARTNER_LEGS_MIN: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_legs_are_for_any_one() {
        let shares = |legs, workers| {
            let limits = Limits::default().with_legs(legs, workers);
            (limits.legs_per_user_max, limits.legs_per_partner_max)
        };
        assert_eq!(shares(5_000, 1), (2_500, 2_500));
        assert_eq!(shares(5_000, 2), (1_250, 1_250));
        assert_eq!(shares(5_000, 64), (250, 39));
        assert_eq!(shares(100, 4), (50, 12));
        assert_eq!(shares(10, 4), (5, 8));
        assert_eq!(shares(0, 0), (0, 8));
        assert_eq!(MEETING_LEGS, Limits::default().conference.participants_max);
    }
}
