//! What one worker has done since it started, counted without anybody's name: by words and limits of our own alone, so that
//! no peer can make it grow.

use std::collections::BTreeMap;

use federation::admission::{Origin, Tier};
use federation::decision::{Answerer, DecisionRecord, Outcome};
use federation::flow::Direction;
use media::LegReport;
use sip::Method;
use sip::refusal::Word;

use crate::Ending;

/// The limits that are counted here.
pub const COUNTED_LIMITS: [&str; 53] = [
    "acquaintances_max",
    "aliases_max",
    "branches_max",
    "call_records_max",
    "call_records_per_user_max",
    "calls_between_max",
    "calls_between_per_partner_max",
    "calls_between_per_user_max",
    "calls_proxied_max",
    "client_transactions_max",
    "conferences_max",
    "datagram_surplus_bytes_per_sec_max",
    "dns_answers_max",
    "dns_hosts_max",
    "flows_per_partner_max",
    "flows_per_user_max",
    "gateways_max",
    "gateways_per_partner_max",
    "gateways_per_user_max",
    "guessers_max",
    "held_max",
    "held_per_sender",
    "held_per_user",
    "ledgers_max",
    "legs_per_partner_max",
    "legs_per_user_max",
    "lingering_transactions_max",
    "links_remembered_max",
    "meetings_per_organiser_max",
    "message_bytes_max",
    "messages_per_sec_max",
    "nonces_max",
    "orphans_max",
    "pages_waiting_max",
    "proven_addresses_max",
    "proven_phones_max",
    "recipients_max",
    "requests_max",
    "requests_per_call_max",
    "requests_per_partner_max",
    "requests_per_user_max",
    "server_transactions_max",
    "server_transactions_unproven_max",
    "servers_failed_max",
    "servers_resting_max",
    "subscriptions_per_partner_max",
    "subscriptions_per_user_max",
    "undecided_secs_max",
    "unproven_per_address_max",
    "users_per_flow_max",
    "waiting_max",
    "waiting_per_flow_max",
    "waiting_per_link_max",
];

/// Counts of one worker. They only ever rise.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CoreCounts {
    pub admitted_of_users: u64,
    pub admitted_of_allowed_partners: u64,
    pub admitted_of_discovered_partners: u64,
    /// Requests that were asked for a password; most of them come again with it.
    pub challenged: u64,
    pub refused: BTreeMap<(Direction, Word), u64>,
    /// Discovered domains that look like one that is trusted here, each at its first contact.
    pub look_alikes: u64,
    /// Over a connection to a partner.
    pub sent_to_partners: u64,
    /// Of partners with an entry, refused since as much of the partner was under way as one may have; the first number is of
    /// those whom somebody watches over.
    pub over_share_of_partners: [u64; 2],
    /// A partner's server failed them, and the next one was tried.
    pub retried: u64,
    /// Responses of ours to partners that went over another connection than their requests, which had ended.
    pub responses_elsewhere: u64,
    /// Final answers of partners, by the first digit of their status: 2 to 6.
    pub answered_by_class: BTreeMap<u16, u64>,
    /// How long those answers took, but for those to INVITE, which waits for a person.
    pub answer_times: AnswerTimes,
    /// Messages that were stored for users who were away.
    pub stored: u64,
    /// Stored messages that a device took.
    pub stored_delivered: u64,
    /// Users who were asked about a first contact.
    pub consents_asked: u64,
    /// Messages that were held until a user agrees.
    pub held: u64,
    /// Of them, those that he then got by an answer of his.
    pub held_released: u64,
    /// Calls and legs of meetings that are over, by [`Ending::cause`].
    pub calls_ended: BTreeMap<&'static str, u64>,
    /// From an INVITE to its first answer that says that somebody is being called, or to the 2xx.
    pub set_up_times: AnswerTimes,
    /// Legs of sound that have said how they were, and all their packets together.
    pub legs: LegCounts,
    /// How often each of [`COUNTED_LIMITS`] was hit, by its name in [`Limits`](crate::Limits) or in those of a machine.
    pub limits_hit: BTreeMap<&'static str, u64>,
}

impl CoreCounts {
    /// Counts a decision that is kept.
    pub(crate) fn decided(&mut self, record: &DecisionRecord) {
        match &record.outcome {
            Outcome::Admitted {
                origin: Origin::User { .. } | Origin::Remote { .. } | Origin::Inside { .. }, ..
            } => self.admitted_of_users += 1,
            Outcome::Admitted { origin: Origin::Partner { standing, .. }, .. } => match standing {
                Tier::Allowed => self.admitted_of_allowed_partners += 1,
                Tier::Discovered => self.admitted_of_discovered_partners += 1,
            },
            Outcome::Refused { word, .. } => {
                if let Some(word) = Word::named(word) {
                    self.refused(record.direction, word);
                }
            }
            Outcome::Routed { connection: Some(_), .. } => self.sent_to_partners += 1,
            Outcome::Routed { connection: None, .. } | Outcome::Way { .. } | Outcome::Anchored { .. } => {}
            Outcome::Held { .. } => {}
            Outcome::Retried { .. } => self.retried += 1,
            Outcome::Answered { status, by: Answerer::Partner, .. } => self.answered(*status, record),
            Outcome::Answered { .. } => {}
        }
    }

    fn answered(&mut self, status: u16, record: &DecisionRecord) {
        *self.answered_by_class.entry((status / 100).clamp(2, 6)).or_default() += 1;
        if record.method != Method::Invite.as_str() {
            self.answer_times.add(record.spent_ms);
        }
    }

    pub(crate) fn refused(&mut self, direction: Direction, word: Word) {
        *self.refused.entry((direction, word)).or_default() += 1;
    }

    pub(crate) fn call_ended(&mut self, why: &Ending) {
        *self.calls_ended.entry(why.cause()).or_default() += 1;
    }

    pub(crate) fn leg_closed(&mut self, report: &LegReport) {
        self.legs.closed += 1;
        self.legs.packets_received += report.packets_received;
        self.legs.packets_lost += report.packets_lost;
        self.legs.packets_late += report.packets_late;
    }

    pub(crate) fn hit(&mut self, limit: &'static str) {
        debug_assert!(COUNTED_LIMITS.contains(&limit), "{limit} is in no list");
        *self.limits_hit.entry(limit).or_default() += 1;
    }

    /// How often in all a machine has met a limit of its own.
    pub(crate) fn met(&mut self, limit: &'static str, times: u64) {
        debug_assert!(COUNTED_LIMITS.contains(&limit), "{limit} is in no list");
        if times > 0 {
            self.limits_hit.insert(limit, times);
        }
    }
}

/// What the legs of sound that are over have received.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LegCounts {
    pub closed: u64,
    pub packets_received: u64,
    pub packets_lost: u64,
    pub packets_late: u64,
}

/// How often something took how long: a histogram.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AnswerTimes {
    /// By the first of [`ANSWER_MS_STEPS`] that it did not exceed; the last is for what exceeded all.
    pub counts: [u64; ANSWER_MS_STEPS.len() + 1],
    pub sum_ms: u64,
}

impl AnswerTimes {
    pub(crate) fn add(&mut self, spent_ms: u64) {
        let step = ANSWER_MS_STEPS.partition_point(|step| *step < spent_ms);
        if let Some(count) = self.counts.get_mut(step) {
            *count += 1;
        }
        self.sum_ms = self.sum_ms.saturating_add(spent_ms);
    }
}

pub const ANSWER_MS_STEPS: [u64; 8] = [20, 50, 100, 250, 1_000, 2_500, 10_000, 30_000];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_counted_at_the_first_step_that_it_does_not_exceed() {
        let mut times = AnswerTimes::default();
        for spent_ms in [0, 20, 21, 30_000, 30_001] {
            times.add(spent_ms);
        }
        assert_eq!(times.counts, [2, 1, 0, 0, 0, 0, 0, 1, 1]);
        assert_eq!(times.sum_ms, 60_042);
    }
}
