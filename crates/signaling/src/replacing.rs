//! Calls that pass through us as through any proxy, known well enough to ask each of the two phones into a meeting in place of
//! them (RFC 3891).
//!
//! What is kept is a hint, no more: a phone that is in the call no longer says so itself.

use std::collections::BTreeMap;
use std::time::Instant;

use conference::{Conduct, ConferenceId, Focus, Turn};
use sip::refusal::Word;
use sip::{Aor, Message, Method, Refusal, TransferSupport};

use crate::core::Core;
use crate::{AdmittedRequest, Ingress, Upstream};

/// The calls that were answered through this worker, the oldest forgotten first.
#[derive(Debug, Default)]
pub(crate) struct Proxied {
    calls_by_id: BTreeMap<String, (u64, ProxiedCall)>,
    ids_by_age: BTreeMap<u64, String>,
    last_age: u64,
}

#[derive(Debug, Clone)]
pub(crate) struct ProxiedCall {
    caller: Party,
    callee: Party,
}

#[derive(Debug, Clone)]
struct Party {
    who: Aor,
    tag: String,
    support: TransferSupport,
}

impl Proxied {
    pub(crate) fn remember(&mut self, (call_id, call): (String, ProxiedCall), max: usize) {
        self.forget(&call_id);
        self.last_age += 1;
        self.ids_by_age.insert(self.last_age, call_id.clone());
        self.calls_by_id.insert(call_id, (self.last_age, call));
        while self.calls_by_id.len() > max
            && let Some((_, oldest)) = self.ids_by_age.pop_first()
        {
            self.calls_by_id.remove(&oldest);
        }
    }

    pub(crate) fn forget(&mut self, call_id: &str) {
        if let Some((age, _)) = self.calls_by_id.remove(call_id) {
            self.ids_by_age.remove(&age);
        }
    }
}

impl Core {
    /// Makes a meeting of a call that was answered through this worker: both phones are called into it in place of the call,
    /// and so are these people. `None`: it knows no such call.
    ///
    /// # Errors
    /// 488 `media-unacceptable` where a phone does not show Replaces, 503 `overloaded`, and those of [`Focus::invite`].
    pub(crate) fn replace_call(
        &mut self,
        now: Instant,
        call_id: &str,
        people: &[Aor],
    ) -> Option<Result<ConferenceId, Refusal>> {
        let (_, call) = self.proxied.calls_by_id.get(call_id)?.clone();
        let begun = self.begin_replacing(now, call_id, &call, people);
        if begun.is_ok() {
            self.proxied.forget(call_id);
        }
        self.settle(now);
        Some(begun)
    }

    fn begin_replacing(
        &mut self,
        now: Instant,
        call_id: &str,
        call: &ProxiedCall,
        people: &[Aor],
    ) -> Result<ConferenceId, Refusal> {
        let parties = [&call.caller, &call.callee];
        if let Some(party) = parties.iter().find(|party| !party.support.replaces) {
            let reason = format!("the phone of {} does not show Replaces (RFC 3891)", party.who);
            return Err(Refusal::new(488, Word::MediaUnacceptable, reason));
        }
        let organiser = parties.iter().map(|party| &party.who).find(|who| self.organisation.is_local(who.domain()));
        let organiser = organiser
            .cloned()
            .ok_or_else(|| Refusal::new(481, Word::DialogUnknown, "nobody of ours is in the call"))?;
        let id = self.new_conference_here();
        let conduct = Conduct::ad_hoc(organiser.clone(), self.organisation.domains.clone());
        self.begin_conference(&id, organiser.domain(), conduct)?;
        let replaces = |one: &Party, other: &Party| format!("{call_id};to-tag={};from-tag={}", one.tag, other.tag);
        let invite = |focus: &mut Focus<Upstream>, turn: &mut Turn<'_>| {
            focus.invite(turn, &call.caller.who, Some(replaces(&call.caller, &call.callee)))?;
            focus.invite(turn, &call.callee.who, Some(replaces(&call.callee, &call.caller)))?;
            people.iter().try_for_each(|who| focus.invite(turn, who, None))
        };
        self.with_focus(now, &id, invite).unwrap_or(Ok(()))?;
        Ok(id)
    }
}

/// The call that this answer begins, with its Call-ID; none unless it is a 2xx to a new INVITE of a phone.
pub(crate) fn answered(request: &AdmittedRequest, response: &Message) -> Option<(String, ProxiedCall)> {
    let invite = &request.message;
    let is_new = invite.to().is_ok_and(|to| to.tag().is_none()) && invite.method() == Some(Method::Invite);
    if !is_new || !matches!(response.status(), Some(200..=299)) || !matches!(request.ingress, Ingress::Flow(_)) {
        return None;
    }
    let (from, to) = (invite.from().ok()?, response.to().ok()?);
    let party = |address: &sip::NameAddr<'_>, shown: &Message| {
        Some(Party {
            who: Aor::from_uri(&address.uri()).ok()?,
            tag: address.tag()?.to_owned(),
            support: TransferSupport::shown_in(shown),
        })
    };
    let call = ProxiedCall { caller: party(&from, invite)?, callee: party(&to, response)? };
    Some((invite.call_id().ok()?.to_owned(), call))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_are_forgotten_and_what_ended_takes_nobodys_place() {
        let party =
            |who: &str| Party { who: who.parse().unwrap(), tag: "t".into(), support: TransferSupport::default() };
        let call = || ProxiedCall { caller: party("alice@contoso.example"), callee: party("bob@fabrikam.example") };
        let mut proxied = Proxied::default();
        for call_id in ["one", "two", "one"] {
            proxied.remember((call_id.to_owned(), call()), 2);
        }
        proxied.forget("two");
        for call_id in ["three", "four"] {
            proxied.remember((call_id.to_owned(), call()), 2);
        }
        assert_eq!(proxied.calls_by_id.keys().collect::<Vec<_>>(), ["four", "three"]);
        assert_eq!(proxied.ids_by_age.values().collect::<Vec<_>>(), ["three", "four"]);
    }
}
