//! Calls that pass through us as through any proxy, known well enough to ask each of the two phones into a meeting: by an INVITE
//! in place of the call (RFC 3891), or by REFER where it knows no more than that (RFC 3515).
//!
//! A call lies with hash(Call-ID), as its record does: whoever sees the BYE knows that name. What is kept is a hint, no more: a
//! phone that is in the call no longer says so itself.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use conference::focus::CallOf;
use conference::{Conduct, ConferenceId, Focus, Turn};
use serde::{Deserialize, Serialize};
use sip::dialog::DialogId;
use sip::refusal::Word;
use sip::{Aor, Message, Method, Refusal, TransferSupport, Uri};

use crate::b2bua::EscalationStatus;
use crate::core::Core;
use crate::escalation;
use crate::records::HungUp;
use crate::route::Destination;
use crate::shares::Peer;
use crate::{AdmittedRequest, Ingress, Upstream};

/// The calls whose keeper is this worker. Where there are too many, the oldest of whoever has called most is forgotten first.
#[derive(Debug, Default)]
pub(crate) struct Proxied {
    calls_by_id: BTreeMap<String, Kept>,
    /// By their numbers, which count up.
    ids_by_caller: BTreeMap<Peer, BTreeMap<u64, String>>,
    callers_by_count: BTreeSet<(usize, Peer)>,
    last_number: u64,
}

#[derive(Debug)]
struct Kept {
    number: u64,
    caller: Peer,
    call: ProxiedCall,
    stage: Stage,
}

/// How a proxied call stands.
#[derive(Debug, Clone)]
enum Stage {
    UnderWay,
    Meeting(ConferenceId),
    /// It goes on as a call of two, for this reason.
    Refused(String),
    Over,
}

/// A call that was answered, with the two ends of its dialog.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ProxiedCall {
    caller: Party,
    callee: Party,
    is_written: bool,
    /// We stand between the two.
    #[serde(default)]
    is_between: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Party {
    who: Aor,
    tag: String,
    support: TransferSupport,
}

impl Proxied {
    /// Says whether another had to make room.
    pub(crate) fn remember(&mut self, call_id: String, caller: Peer, call: ProxiedCall, max: usize) -> bool {
        self.forget(&call_id);
        self.last_number += 1;
        let number = self.last_number;
        self.change_of(&caller, |ids| ids.insert(number, call_id.clone()));
        self.calls_by_id.insert(call_id, Kept { number, caller, call, stage: Stage::UnderWay });
        let is_full = self.calls_by_id.len() > max;
        while self.calls_by_id.len() > max
            && let Some(oldest) = self.oldest_of_most()
        {
            self.forget(&oldest);
        }
        is_full
    }

    fn oldest_of_most(&self) -> Option<String> {
        let (_, caller) = self.callers_by_count.last()?;
        self.ids_by_caller.get(caller)?.values().next().cloned()
    }

    fn change_of(&mut self, caller: &Peer, change: impl FnOnce(&mut BTreeMap<u64, String>) -> Option<String>) {
        let mut ids = self.ids_by_caller.remove(caller).unwrap_or_default();
        self.callers_by_count.remove(&(ids.len(), caller.clone()));
        change(&mut ids);
        if !ids.is_empty() {
            self.callers_by_count.insert((ids.len(), caller.clone()));
            self.ids_by_caller.insert(caller.clone(), ids);
        }
    }

    /// Whoever is at the near end of this dialog.
    pub(crate) fn party(&self, dialog: &DialogId) -> Option<&Aor> {
        let ProxiedCall { caller, callee, .. } = &self.calls_by_id.get(&dialog.call_id)?.call;
        let is_near = |near: &Party, far: &Party| near.tag == dialog.local_tag && far.tag == dialog.remote_tag;
        match () {
            () if is_near(callee, caller) => Some(&callee.who),
            () if is_near(caller, callee) => Some(&caller.who),
            () => None,
        }
    }

    fn forget(&mut self, call_id: &str) {
        if let Some(kept) = self.calls_by_id.remove(call_id) {
            self.change_of(&kept.caller, |ids| ids.remove(&kept.number));
        }
    }

    /// Somebody says that the call is over: one of the two, or it is not heard.
    pub(crate) fn ended(&mut self, call_id: &str, by: &HungUp) {
        let Some(kept) = self.calls_by_id.get_mut(call_id) else { return };
        let is_his = |party: &Party| match by {
            HungUp::User(aor) => party.who == *aor,
            HungUp::Partner(domain) | HungUp::PartnerGone(domain) => party.who.domain() == domain,
            HungUp::Callee | HungUp::Meeting | HungUp::Nobody => false,
        };
        if [&kept.call.caller, &kept.call.callee].into_iter().any(is_his) && !matches!(kept.stage, Stage::Meeting(_)) {
            kept.stage = Stage::Over;
        }
    }

    fn conference_failed(&mut self, id: &ConferenceId, reason: String) {
        let is_meant = |kept: &&mut Kept| matches!(&kept.stage, Stage::Meeting(meeting) if meeting == id);
        if let Some(kept) = self.calls_by_id.values_mut().find(is_meant) {
            kept.stage = Stage::Refused(reason);
        }
    }
}

impl Core {
    /// Makes a meeting of a call that was proxied, if this worker keeps it: both phones are called or asked into it, and then
    /// these people are called.
    ///
    /// # Errors
    /// See [`Core::escalate_call`].
    pub(crate) fn replace_call(
        &mut self,
        now: Instant,
        call_id: &str,
        people: &[Aor],
    ) -> Option<Result<ConferenceId, Refusal>> {
        let Kept { call, stage, .. } = self.proxied.calls_by_id.get(call_id).filter(|kept| !kept.call.is_between)?;
        let (call, stage) = (call.clone(), stage.clone());
        let begun = self.check_stage(&stage).and_then(|()| self.begin_replacing(now, call_id, &call, people));
        if let (Ok(id), Some(kept)) = (&begun, self.proxied.calls_by_id.get_mut(call_id)) {
            kept.stage = Stage::Meeting(id.clone());
        }
        self.settle(now);
        Some(begun)
    }

    /// What came of it.
    pub(crate) fn replacing_status(&self, call_id: &str) -> Option<EscalationStatus> {
        match &self.proxied.calls_by_id.get(call_id)?.stage {
            Stage::Meeting(id) if self.conferences.is_gathering(id) => Some(EscalationStatus::UnderWay),
            Stage::Meeting(id) => Some(EscalationStatus::Done { conference: id.clone() }),
            Stage::Refused(reason) => Some(EscalationStatus::Refused { reason: reason.clone() }),
            Stage::UnderWay | Stage::Over => None,
        }
    }

    pub(crate) fn nobody_came(&mut self, id: &ConferenceId, reason: String) {
        self.proxied.conference_failed(id, reason);
    }

    fn check_stage(&self, stage: &Stage) -> Result<(), Refusal> {
        match stage {
            Stage::Over => Err(Refusal::new(481, Word::DialogUnknown, "the call is over: one of the two has hung up")),
            Stage::Meeting(id) if self.conferences.is_known(id) => {
                Err(Refusal::new(491, Word::OffersCross, format!("the call is the meeting {id} already")))
            }
            Stage::Meeting(_) => {
                Err(Refusal::new(481, Word::DialogUnknown, "the meeting that the call became is over"))
            }
            Stage::UnderWay | Stage::Refused(_) => Ok(()),
        }
    }

    fn begin_replacing(
        &mut self,
        now: Instant,
        call_id: &str,
        call: &ProxiedCall,
        people: &[Aor],
    ) -> Result<ConferenceId, Refusal> {
        call.check_movable()?;
        let parties = [&call.caller, &call.callee];
        let organiser = parties.iter().map(|party| &party.who).find(|who| self.organisation.is_local(who.domain()));
        let organiser = organiser
            .cloned()
            .ok_or_else(|| Refusal::new(481, Word::DialogUnknown, "nobody of ours is in the call"))?;
        let id = self.new_conference_here();
        let conduct = Conduct::ad_hoc(organiser.clone(), self.organisation.domains.clone());
        self.begin_conference(&id, organiser.domain(), conduct)?;
        let calls = call.ends(call_id);
        let gather = |focus: &mut Focus<Upstream>, turn: &mut Turn<'_>| focus.gather(turn, calls, people);
        let gathered = self.with_focus(now, &id, gather).unwrap_or(Ok(()));
        if gathered.is_err() {
            self.end_conference(&id);
        }
        gathered.map(|()| id)
    }
}

impl ProxiedCall {
    /// Who began it.
    pub(crate) fn caller(&self) -> &Aor {
        &self.caller.who
    }

    /// # Errors
    /// 488 `media-unacceptable`.
    fn check_movable(&self) -> Result<(), Refusal> {
        let refused = |reason: String| Err(Refusal::new(488, Word::MediaUnacceptable, reason));
        if self.is_written {
            return refused("it is a session of messages, which we do not stand between".to_owned());
        }
        match [&self.caller, &self.callee].into_iter().find(|party| !party.support.replaces && !party.support.refer) {
            Some(party) => {
                refused(format!("the phone of {} shows neither Replaces (RFC 3891) nor REFER (RFC 3515)", party.who))
            }
            None => Ok(()),
        }
    }

    fn ends(&self, call_id: &str) -> [CallOf; 2] {
        let end = |one: &Party, other: &Party| CallOf {
            who: one.who.clone(),
            call_id: call_id.to_owned(),
            local_tag: one.tag.clone(),
            remote_tag: other.tag.clone(),
            knows_replaces: one.support.replaces,
        };
        [end(&self.caller, &self.callee), end(&self.callee, &self.caller)]
    }
}

/// The call that this answer begins, with its Call-ID; none unless it is a 2xx to a new INVITE of a phone.
pub(crate) fn answered(request: &AdmittedRequest, response: &Message) -> Option<(String, ProxiedCall)> {
    let invite = &request.message;
    let is_new = !invite.is_within_dialog() && invite.method() == Some(Method::Invite);
    if !is_new || !matches!(response.status(), Some(200..=299)) || !matches!(request.ingress, Ingress::Flow(_)) {
        return None;
    }
    // To may name a device, or somebody who sent the call on.
    let callee = match &request.destination {
        Destination::User(aor) => Some(aor.clone()),
        Destination::Partner { .. } => Uri::parse(invite.request_uri()?).ok().and_then(|uri| Aor::from_uri(&uri).ok()),
        _ => None,
    };
    let mut call = call(invite, response)?;
    call.is_written = escalation::is_for_messages(invite);
    call.callee.who = callee.unwrap_or(call.callee.who);
    Some((invite.call_id().ok()?.to_owned(), call))
}

/// The same of a call between whose two ends we stand, by the answer alone.
pub(crate) fn answered_between(ok: &Message) -> Option<(String, ProxiedCall)> {
    let call = ProxiedCall { is_between: true, ..call(ok, ok)? };
    Some((ok.call_id().ok()?.to_owned(), call))
}

fn call(asked: &Message, answered: &Message) -> Option<ProxiedCall> {
    let party = |address: sip::NameAddr<'_>, shown: &Message| {
        Some(Party {
            who: Aor::from_uri(&address.uri()).ok()?,
            tag: address.tag()?.to_owned(),
            support: TransferSupport::shown_in(shown),
        })
    };
    let (caller, callee) = (party(asked.from().ok()?, asked)?, party(answered.to().ok()?, answered)?);
    Some(ProxiedCall { caller, callee, is_written: false, is_between: false })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call() -> ProxiedCall {
        let party =
            |who: &str| Party { who: who.parse().unwrap(), tag: "t".into(), support: TransferSupport::default() };
        let (caller, callee) = (party("alice@contoso.example"), party("bob@fabrikam.example"));
        ProxiedCall { caller, callee, is_written: false, is_between: false }
    }

    fn remember(proxied: &mut Proxied, call_id: &str, call: ProxiedCall, max: usize) -> bool {
        let caller = Peer::User(call.caller.who.clone());
        proxied.remember(call_id.to_owned(), caller, call, max)
    }

    #[test]
    fn the_oldest_are_forgotten_and_what_comes_again_takes_nobodys_place() {
        let mut proxied = Proxied::default();
        for (call_id, makes_room) in [("one", false), ("two", false), ("one", false), ("three", true)] {
            assert_eq!(remember(&mut proxied, call_id, call(), 2), makes_room, "{call_id}");
        }
        assert_eq!(proxied.calls_by_id.keys().collect::<Vec<_>>(), ["one", "three"]);
        let caller = Peer::User(call().caller.who);
        assert_eq!(proxied.ids_by_caller[&caller].values().collect::<Vec<_>>(), ["one", "three"]);
        proxied.forget("one");
        proxied.forget("three");
        assert!(proxied.ids_by_caller.is_empty() && proxied.callers_by_count.is_empty());
    }

    #[test]
    fn who_calls_much_takes_the_place_of_his_own_calls() {
        let mut proxied = Proxied::default();
        let of = |who: &str| ProxiedCall { caller: Party { who: who.parse().unwrap(), ..call().caller }, ..call() };
        remember(&mut proxied, "alice's", of("alice@contoso.example"), 3);
        for number in 0..9 {
            remember(&mut proxied, &format!("{number}"), of("mallory@contoso.example"), 3);
        }
        remember(&mut proxied, "dave's", of("dave@contoso.example"), 3);
        assert_eq!(proxied.calls_by_id.keys().collect::<Vec<_>>(), ["8", "alice's", "dave's"]);
    }

    #[test]
    fn who_is_at_the_near_end_of_a_dialog_is_told_by_its_tags() {
        let mut call = call();
        (call.caller.tag, call.callee.tag) = ("a".to_owned(), "b".to_owned());
        let mut proxied = Proxied::default();
        remember(&mut proxied, "one", call, 2);
        let near = |call_id: &str, local: &str, remote: &str| {
            let (call_id, local_tag, remote_tag) = (call_id.to_owned(), local.to_owned(), remote.to_owned());
            proxied.party(&DialogId { call_id, local_tag, remote_tag }).map(ToString::to_string)
        };
        assert_eq!(near("one", "a", "b").as_deref(), Some("alice@contoso.example"));
        assert_eq!(near("one", "b", "a").as_deref(), Some("bob@fabrikam.example"));
        for (call_id, local, remote) in [("two", "a", "b"), ("one", "a", "a"), ("one", "b", "x"), ("one", "", "")] {
            assert_eq!(near(call_id, local, remote), None, "{call_id} {local} {remote}");
        }
    }

    #[test]
    fn a_call_is_over_when_one_of_the_two_says_so() {
        let mut proxied = Proxied::default();
        remember(&mut proxied, "one", call(), 2);
        let is_over = |proxied: &Proxied| matches!(proxied.calls_by_id["one"].stage, Stage::Over);
        for by in [HungUp::User("mallory@contoso.example".parse().unwrap()), HungUp::Partner("a.example".to_owned())] {
            proxied.ended("one", &by);
            assert!(!is_over(&proxied), "{by:?}");
        }
        proxied.ended("one", &HungUp::Partner("fabrikam.example".to_owned()));
        assert!(is_over(&proxied));
    }
}
