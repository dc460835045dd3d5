//! Keeps track of calls until there is a record to hand out: what one is about follows from its INVITE, how it was set up
//! from the answers that go up, and why it ended from the BYE.
//!
//! An INVITE without a final answer is watched by the worker that has its transaction. A call that was answered lies with
//! hash(Call-ID) until it is over: whoever sees the BYE knows that name, while From and To may say what they like.

mod parties;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Instant;

use bytes::Bytes;
use conference::LegOf;
use federation::admission::Origin;
use federation::flow::Direction;
use media::{LegId, LegReport};
use serde::{Deserialize, Serialize};
use sip::{Aor, Message, Method, Uri};

use self::parties::{begin, caller, ending};
use crate::agent::AgentKey;
use crate::b2bua::OF_THE_GONE;
use crate::call_record::{CallEnd, CallKind, CallRecord, Ending, LegRecord, Record, Way};
use crate::core::Core;
use crate::decisions::word_of;
use crate::escalation;
use crate::metering;
use crate::replacing::{ProxiedCall, answered_between};
use crate::shares::Peer;
use crate::token::Leg;
use crate::{AdmittedRequest, Handoff, Output, Requester};

/// The calls of one worker that are being set up or under way.
#[derive(Debug, Default)]
pub(crate) struct Records {
    /// As many as there are transactions at most.
    drafts_by_requester: BTreeMap<Requester, Draft>,
    open_by_call_id: BTreeMap<String, Vec<CallRecord>>,
    /// The oldest first; one may stand here more than once.
    call_ids_by_user: BTreeMap<Aor, VecDeque<String>>,
    open: usize,
    /// What was lost and may be heard of again, by when it was, in milliseconds, and its Call-ID.
    lost_by_time: BTreeSet<(u64, String)>,
    /// The Call-IDs of open calls that were counted as over while they were lost.
    counted_while_lost: BTreeSet<String>,
    /// Legs that are to say how they were.
    closing: BTreeMap<LegId, LegOwner>,
}

/// What has no final answer yet.
#[derive(Debug)]
enum Draft {
    Begins(Beginning),
    /// A phone that had lost its connection may be in the call again: this user's.
    GoesOn {
        call_id: String,
        user: Aor,
    },
}

/// An INVITE of a new call.
#[derive(Debug)]
struct Beginning {
    records: Vec<CallRecord>,
    begun: Instant,
    is_cancelled: bool,
}

/// Whose leg it is.
#[derive(Debug, Clone)]
struct LegOwner {
    call_id: String,
    who: String,
}

/// What whoever sees it tells the worker that keeps the call.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum CallNews {
    Answered(Box<CallRecord>),
    /// It passes through as through any proxy.
    Proxied {
        call_id: String,
        call: Box<ProxiedCall>,
    },
    Ended {
        call_id: String,
        by: HungUp,
    },
    /// What this user's phone wanted within it was agreed to.
    GoesOn {
        call_id: String,
        user: Aor,
    },
    /// None of the user's devices can be reached any more.
    Unreachable(Aor),
}

/// Who ended a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum HungUp {
    User(Aor),
    /// Somebody of a partner's domain.
    Partner(String),
    /// Their server, since one of the two phones does not answer any more.
    PartnerGone(String),
    /// The one for whom we answer.
    Callee,
    Meeting,
    /// Nobody did: the other end is gone.
    Nobody,
}

impl Core {
    /// A request is about to be given to its target's owner.
    pub(crate) fn draft_records(&mut self, now: Instant, request: &AdmittedRequest) {
        let Some(upstream) = request.upstream.filter(|upstream| self.ownership.is_ours(upstream.worker)) else {
            return;
        };
        let message = &request.message;
        let call_id = message.call_id().unwrap_or_default();
        match (message.method(), message.is_within_dialog(), request.admitted.origin()) {
            (Some(Method::Invite), false, _) => {}
            (Some(Method::Invite | Method::Update), true, Origin::User { aor }) => {
                let draft = || Draft::GoesOn { call_id: call_id.to_owned(), user: aor.clone() };
                self.records.drafts_by_requester.entry(upstream.requester).or_insert_with(draft);
                return;
            }
            _ => return,
        }
        let (Some(caller), Some(callee)) = (caller(request), self.callee(request)) else { return };
        let both = [(&caller, &callee, Direction::Outbound), (&callee, &caller, Direction::Inbound)];
        let began = self.unix_ms(now);
        let mut records: Vec<_> =
            both.into_iter().filter_map(|(us, them, direction)| begin(us, them, direction, call_id, began)).collect();
        if escalation::is_for_messages(message) {
            records.iter_mut().filter(|one| one.kind == CallKind::Call).for_each(|one| one.kind = CallKind::Messages);
        }
        if !records.is_empty() {
            let draft = || Draft::Begins(Beginning { records, begun: now, is_cancelled: false });
            self.records.drafts_by_requester.entry(upstream.requester).or_insert_with(draft);
        }
    }

    /// The caller, or an agent of ours that called, gave up.
    pub(crate) fn draft_cancelled(&mut self, requester: Requester) {
        if let Some(Draft::Begins(beginning)) = self.records.drafts_by_requester.get_mut(&requester) {
            beginning.is_cancelled = true;
        }
    }

    /// A response goes to whoever sent the INVITE.
    pub(crate) fn draft_answered(&mut self, now: Instant, requester: Requester, status: u16, response: &Bytes) {
        let beginning = match self.records.drafts_by_requester.get_mut(&requester) {
            Some(Draft::Begins(beginning)) => beginning,
            Some(Draft::GoesOn { .. }) if status >= 200 => return self.went_on(now, requester, status),
            Some(Draft::GoesOn { .. }) | None => return,
        };
        let spent_ms = u64::try_from(now.saturating_duration_since(beginning.begun).as_millis()).unwrap_or(u64::MAX);
        let is_first = beginning.records.iter().all(|record| record.ringing_ms.is_none());
        let rings = beginning.records.iter().all(|record| record.kind != CallKind::Messages);
        if (101..300).contains(&status) && is_first && rings {
            self.counts.set_up_times.add(spent_ms);
        }
        if (101..200).contains(&status) {
            beginning.records.iter_mut().for_each(|record| record.ringing_ms = record.ringing_ms.or(Some(spent_ms)));
        }
        if status < 200 {
            return;
        }
        let Some(Draft::Begins(beginning)) = self.records.drafts_by_requester.remove(&requester) else { return };
        let response = Message::parse(response.clone()).ok();
        if status >= 300 {
            let word = response.as_ref().and_then(word_of);
            return self.set_up_failed(now, beginning, requester, status, word);
        }
        let between = response.filter(|response| self.leads_to_agent(response));
        if let Some((call_id, call)) = between.as_ref().and_then(answered_between) {
            self.record_proxied(now, call_id, call);
        }
        let is_between = between.is_some();
        for mut record in beginning.records {
            record.answered_ms = Some(spent_ms);
            if is_between && record.kind != CallKind::Meeting {
                record.way = Way::Between;
            }
            self.tell_keeper(now, CallNews::Answered(Box::new(record)));
        }
    }

    /// What the phone wanted within the call has its final answer.
    fn went_on(&mut self, now: Instant, requester: Requester, status: u16) {
        if let Some(Draft::GoesOn { call_id, user }) = self.records.drafts_by_requester.remove(&requester)
            && status < 300
        {
            self.tell_keeper(now, CallNews::GoesOn { call_id, user });
        }
    }

    fn set_up_failed(&mut self, now: Instant, beginning: Beginning, to: Requester, status: u16, word: Option<String>) {
        let why = match (status, to) {
            // The same call comes again, with what was asked for.
            (401 | 407, _) => return,
            _ if metering::is_unrecorded(status, word.as_deref()) => return,
            _ if beginning.is_cancelled => Ending::Cancelled,
            (487, Requester::Agent(_)) => Ending::Cancelled,
            (487, _) => Ending::ConnectionLost,
            (408, _) => Ending::NoAnswer,
            _ => Ending::Refused { status, word },
        };
        self.never_answered(now, beginning, &why);
    }

    fn never_answered(&mut self, now: Instant, beginning: Beginning, why: &Ending) {
        self.counts.call_ended(why);
        for record in beginning.records {
            self.put_ended(now, record, why.clone());
        }
    }

    /// The transaction is over, and nobody was told anything.
    pub(crate) fn draft_abandoned(&mut self, now: Instant, requester: Requester) {
        let Some(Draft::Begins(beginning)) = self.records.drafts_by_requester.remove(&requester) else { return };
        let why = match requester {
            Requester::Agent(_) => Ending::NoAnswer,
            _ => Ending::ConnectionLost,
        };
        self.never_answered(now, beginning, &why);
    }

    /// Whether the dialog that this 2xx makes ends with an agent that stands between two.
    fn leads_to_agent(&self, ok: &Message) -> bool {
        let call_id = ok.call_id().unwrap_or_default();
        let leg = |uri: &Uri<'_>| self.mint.read_route(uri.user()?, call_id);
        let mut legs = ok.record_routes().filter_map(|route| leg(&route.ok()?.uri()));
        legs.any(|leg| matches!(leg, Leg::Agent(AgentKey::Call { .. })))
    }

    /// A request is with its target's owner: before a focus that it ends sees it, so that what that says comes after.
    pub(crate) fn record_bye(&mut self, now: Instant, request: &AdmittedRequest) {
        let bye = &request.message;
        if bye.method() != Some(Method::Bye) || request.ingress.flow().is_none() {
            return;
        }
        let by = match request.admitted.origin() {
            Origin::User { aor } => HungUp::User(aor.clone()),
            Origin::Partner { domain, .. } if is_of_the_gone(bye) => HungUp::PartnerGone(domain.clone()),
            Origin::Partner { domain, .. } => HungUp::Partner(domain.clone()),
            Origin::Inside { .. } | Origin::Remote { .. } => return,
        };
        self.record_end(now, bye.call_id().unwrap_or_default(), by);
    }

    /// An agent of ours sends this.
    pub(crate) fn record_agent_said(&mut self, now: Instant, agent: &AgentKey, request: &Message) {
        if request.method() != Some(Method::Bye) {
            return;
        }
        let by = match agent {
            AgentKey::Conference(_) => HungUp::Meeting,
            // What one phone said was told before it is passed on: this is our own word, since the other is gone.
            AgentKey::Call { .. } => HungUp::Nobody,
            AgentKey::Gateway { .. } => HungUp::Callee,
        };
        self.record_end(now, request.call_id().unwrap_or_default(), by);
    }

    pub(crate) fn record_proxied(&mut self, now: Instant, call_id: String, call: ProxiedCall) {
        self.tell_keeper(now, CallNews::Proxied { call_id, call: Box::new(call) });
    }

    fn record_end(&mut self, now: Instant, call_id: &str, by: HungUp) {
        self.tell_keeper(now, CallNews::Ended { call_id: call_id.to_owned(), by });
    }

    /// Nothing leads to the user any more, so that nobody would say when it is over.
    pub(crate) fn record_unreachable(&mut self, now: Instant, aor: &Aor) {
        for worker in self.ownership.others() {
            self.hand(worker, Handoff::CallRecord(CallNews::Unreachable(aor.clone())));
        }
        self.hear_of_call(now, CallNews::Unreachable(aor.clone()));
    }

    fn tell_keeper(&mut self, now: Instant, news: CallNews) {
        let call_id = match &news {
            CallNews::Answered(record) => &record.call_id,
            CallNews::Proxied { call_id, .. } | CallNews::Ended { call_id, .. } | CallNews::GoesOn { call_id, .. } => {
                call_id
            }
            CallNews::Unreachable(_) => return,
        };
        let keeper = self.ownership.of_call(call_id);
        if self.ownership.is_ours(keeper) {
            self.hear_of_call(now, news);
        } else {
            self.hand(keeper, Handoff::CallRecord(news));
        }
    }

    pub(crate) fn hear_of_call(&mut self, now: Instant, news: CallNews) {
        match news {
            CallNews::Answered(record) => self.keep_open(now, *record),
            CallNews::Proxied { call_id, call } => {
                let caller = Peer::of_address(call.caller(), &self.organisation);
                if self.proxied.remember(call_id, caller, *call, self.limits.calls_proxied_max) {
                    self.counts.hit("calls_proxied_max");
                }
            }
            CallNews::Ended { call_id, by } => {
                self.proxied.ended(&call_id, &by);
                self.close_records(now, &call_id, &by);
            }
            CallNews::GoesOn { call_id, user } => self.find_record_again(&call_id, &user),
            CallNews::Unreachable(aor) => self.user_is_gone(now, &aor),
        }
    }

    fn keep_open(&mut self, now: Instant, record: CallRecord) {
        if self.records.open >= self.limits.call_records_max && !self.records.forget_lost() {
            self.counts.hit("call_records_max");
            return self.give_up_on(now, record);
        }
        let of_user = self.records.call_ids_by_user.get(&record.user);
        if of_user.is_some_and(|calls| calls.len() >= self.limits.call_records_per_user_max) {
            self.counts.hit("call_records_per_user_max");
            if let Some(oldest) = self.records.take_oldest(&record.user) {
                self.give_up_on(now, oldest);
            }
        }
        self.put(Output::Record(Record::Call(Box::new(record.clone()))));
        self.records.add(record);
    }

    /// There is no room to wait for its end.
    fn give_up_on(&mut self, now: Instant, record: CallRecord) {
        if record.end.is_none() {
            self.counts.call_ended(&Ending::NeverSeen);
            self.put_ended(now, record, Ending::NeverSeen);
        }
    }

    fn close_records(&mut self, now: Instant, call_id: &str, by: &HungUp) {
        if *by == HungUp::Nobody {
            return self.lose_records(now, call_id, |_| true);
        }
        let was_counted = self.records.counted_while_lost.contains(call_id);
        let ended = self.records.take(call_id, |record| ending(record, by).is_some());
        if let Some(first) = ended.first().filter(|first| first.end.is_none() && !was_counted)
            && let Some(why) = ending(first, by)
        {
            self.counts.call_ended(&why);
        }
        for record in ended {
            // A BYE may name nobody of ours, where To is the address of a device.
            self.call_changed(now, record.user.clone(), call_id, false);
            if let Some(why) = ending(&record, by) {
                self.put_ended(now, record, why);
            }
        }
    }

    fn user_is_gone(&mut self, now: Instant, aor: &Aor) {
        for call_id in self.records.call_ids_by_user.get(aor).cloned().unwrap_or_default() {
            self.lose_records(now, &call_id, |record| record.user == *aor);
        }
    }

    /// The records stay for the BYE that a phone may send once it has found its way back.
    fn lose_records(&mut self, now: Instant, call_id: &str, is_meant: impl Fn(&CallRecord) -> bool) {
        let end = CallEnd { at_unix_ms: self.unix_ms(now), why: Ending::ConnectionLost };
        let Records { open_by_call_id, lost_by_time, .. } = &mut self.records;
        let Some(of_call) = open_by_call_id.get_mut(call_id) else { return };
        let mut lost = Vec::new();
        for record in of_call.iter_mut().filter(|record| record.end.is_none() && is_meant(record)) {
            record.end = Some(end.clone());
            lost_by_time.insert((end.at_unix_ms, call_id.to_owned()));
            lost.push(record.clone());
        }
        if !lost.is_empty() && !self.records.counted_while_lost.contains(call_id) {
            self.counts.call_ended(&end.why);
        }
        for record in lost {
            self.put(Output::Record(Record::Call(Box::new(record))));
        }
    }

    /// What was lost is under way again.
    fn find_record_again(&mut self, call_id: &str, user: &Aor) {
        let Records { open_by_call_id, lost_by_time, counted_while_lost, .. } = &mut self.records;
        let mut found = Vec::new();
        for record in open_by_call_id.get_mut(call_id).into_iter().flatten().filter(|record| record.user == *user) {
            if let Some(end) = record.end.take() {
                lost_by_time.remove(&(end.at_unix_ms, call_id.to_owned()));
                counted_while_lost.insert(call_id.to_owned());
                found.push(record.clone());
            }
        }
        found.into_iter().for_each(|record| self.put(Output::Record(Record::Call(Box::new(record)))));
    }

    fn put_ended(&mut self, now: Instant, record: CallRecord, why: Ending) {
        let end = Some(CallEnd { at_unix_ms: self.unix_ms(now), why });
        self.put(Output::Record(Record::Call(Box::new(CallRecord { end, ..record }))));
    }

    /// The records of calls that are under way, with the word that the server ended: for one that is about to.
    pub fn take_open_records(&mut self, now: Instant) -> Vec<CallRecord> {
        let at_unix_ms = self.unix_ms(now);
        let open = std::mem::take(&mut self.records);
        let under_way = open.open_by_call_id.into_values().flatten().filter(|record| record.end.is_none());
        let end = CallEnd { at_unix_ms, why: Ending::Drained };
        let drained: Vec<_> = under_way.map(|record| CallRecord { end: Some(end.clone()), ..record }).collect();
        drained.iter().for_each(|_| self.counts.call_ended(&end.why));
        drained
    }

    /// A leg is being closed, and its report is wanted. Whoever left by BYE has said so before.
    pub(crate) fn leg_closes(&mut self, now: Instant, leg: LegId, of: LegOf) {
        if of.is_over {
            self.record_end(now, &of.call_id, HungUp::Nobody);
        }
        let owner = LegOwner { call_id: of.call_id, who: of.who.to_string() };
        match self.records.closing.len() < self.limits.call_records_max {
            true => drop(self.records.closing.insert(leg, owner)),
            false => self.counts.hit("call_records_max"),
        }
    }

    pub(crate) fn record_leg(&mut self, now: Instant, leg: LegId, report: LegReport) {
        let Some(LegOwner { call_id, who }) = self.records.closing.remove(&leg) else { return };
        self.counts.leg_closed(&report);
        let record = LegRecord { call_id, who, closed_unix_ms: self.unix_ms(now), report };
        self.put(Output::Record(Record::Leg(Box::new(record))));
    }
}

impl Records {
    /// How many calls of this kind are under way.
    pub(crate) fn under_way(&self, kind: CallKind) -> usize {
        let is_under_way =
            |records: &&Vec<CallRecord>| records.iter().any(|record| record.kind == kind && record.end.is_none());
        self.open_by_call_id.values().filter(is_under_way).count()
    }

    fn add(&mut self, record: CallRecord) {
        self.open += 1;
        self.call_ids_by_user.entry(record.user.clone()).or_default().push_back(record.call_id.clone());
        self.open_by_call_id.entry(record.call_id.clone()).or_default().push(record);
    }

    fn take(&mut self, call_id: &str, wanted: impl Fn(&CallRecord) -> bool) -> Vec<CallRecord> {
        let Some(records) = self.open_by_call_id.get_mut(call_id) else { return Vec::new() };
        let (taken, left) = std::mem::take(records).into_iter().partition(wanted);
        *records = left;
        if records.is_empty() {
            self.open_by_call_id.remove(call_id);
        }
        self.taken(&taken);
        taken
    }

    /// Of calls that were lost, the one that is so for the longest makes room: hardly will somebody hang up there.
    fn forget_lost(&mut self) -> bool {
        let Some((since, call_id)) = self.lost_by_time.pop_first() else { return false };
        let is_it = |record: &CallRecord| record.end.as_ref().is_some_and(|end| end.at_unix_ms == since);
        !self.take(&call_id, is_it).is_empty()
    }

    fn take_oldest(&mut self, user: &Aor) -> Option<CallRecord> {
        let call_id = self.call_ids_by_user.get(user)?.front()?.clone();
        let records = self.open_by_call_id.get_mut(&call_id)?;
        let oldest = records.remove(records.iter().position(|record| record.user == *user)?);
        if records.is_empty() {
            self.open_by_call_id.remove(&call_id);
        }
        self.taken(std::slice::from_ref(&oldest));
        Some(oldest)
    }

    fn taken(&mut self, records: &[CallRecord]) {
        self.open = self.open.saturating_sub(records.len());
        for record in records {
            if let Some(end) = &record.end {
                self.lost_by_time.remove(&(end.at_unix_ms, record.call_id.clone()));
            }
            if !self.open_by_call_id.contains_key(&record.call_id) {
                self.counted_while_lost.remove(&record.call_id);
            }
            let Some(of_user) = self.call_ids_by_user.get_mut(&record.user) else { continue };
            if let Some(place) = of_user.iter().position(|call_id| *call_id == record.call_id) {
                of_user.remove(place);
            }
            if of_user.is_empty() {
                self.call_ids_by_user.remove(&record.user);
            }
        }
    }
}

/// The Reason of a BYE (RFC 3326) that a server sends in the place of a phone that does not answer any more.
fn is_of_the_gone(bye: &Message) -> bool {
    bye.reasons().filter_map(|reason| reason.status()).any(|status| OF_THE_GONE.contains(&status))
}

#[cfg(test)]
mod tests {
    use super::parties::Party;
    use super::*;

    fn record(user: &str, call_id: &str) -> CallRecord {
        let party = |aor: &str| Party::User(aor.parse().unwrap());
        begin(&party(user), &party("bob@a.example"), Direction::Outbound, call_id, 1).unwrap()
    }

    #[test]
    fn of_a_user_the_oldest_goes_first_and_nothing_is_left_behind() {
        let mut records = Records::default();
        for call_id in ["1", "2", "1"] {
            records.add(record("alice@a.example", call_id));
        }
        records.add(record("dave@a.example", "1"));
        let alice = "alice@a.example".parse().unwrap();
        assert_eq!(records.take_oldest(&alice).unwrap().call_id, "1");
        assert_eq!((records.under_way(CallKind::Call), records.under_way(CallKind::Meeting)), (2, 0));
        assert_eq!(records.take("1", |record| record.user == alice).len(), 1);
        assert_eq!(records.take_oldest(&alice).unwrap().call_id, "2");
        assert_eq!(records.take("1", |_| true).len(), 1);
        assert!(records.open == 0 && records.call_ids_by_user.is_empty() && records.open_by_call_id.is_empty());
    }
}
