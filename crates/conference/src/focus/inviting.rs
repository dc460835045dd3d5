//! Calling somebody into the meeting (RFC 4579 section 5.6), and what a REFER asks for (section 5.5).

use sdp::{Capabilities, MessageStream, ProtectionPolicy};
use sip::dialog::Dialog;
use sip::header::refer_sub::wants_subscription;
use sip::refusal::Word;
use sip::usage::{InviteUsage, UsageOutput};
use sip::{Aor, HeaderName, Message, Method, NameAddr, Refusal, RequestBuilder, build};

use super::endpoint::{Call, Endpoint, EndpointId, Sound, Stage, Then};
use super::participant::{Participant, Place};
use super::tries::{PhoneRefusal, Tries};
use super::{Asked, Command, Focus, malformed, new_tag};
use crate::schedule::MeetingRole;
use crate::{FocusOutput, Incoming, LegNumber, Outcome, Turn};

impl<S: Copy + Ord> Focus<S> {
    /// Calls somebody, with `replaces` in place of a dialog that he is in (RFC 3891). He is invited from now on.
    ///
    /// # Errors
    /// 486 `meeting-full`.
    pub fn invite(&mut self, turn: &mut Turn<'_>, who: &Aor, replaces: Option<String>) -> Result<(), Refusal> {
        self.invite_for(turn, who, replaces, None)
    }

    pub(super) fn invite_for(
        &mut self,
        turn: &mut Turn<'_>,
        who: &Aor,
        replaces: Option<String>,
        asked_by: Option<EndpointId>,
    ) -> Result<(), Refusal> {
        self.admit_invited(turn, who)?;
        let since = turn.unix_secs;
        self.participants_by_aor.entry(who.clone()).or_insert_with(|| Participant::new(Place::Called, since));
        let tries = Tries::beginning_with(self.protection_towards(who));
        let call = Call { replaces, is_written: false, tries, sent: None, asked_by };
        let stage = Stage::Calling { call: Box::new(call) };
        let id = self.add_endpoint(turn.now, who, stage, Sound::Silent);
        self.open_leg(id, Then::Call);
        Ok(())
    }

    /// Who is invited enters as such.
    pub(super) fn admit_invited(&mut self, turn: &Turn<'_>, who: &Aor) -> Result<(), Refusal> {
        let role = self.conduct.roles.get(who).copied();
        self.conduct.give_role(who, role.unwrap_or(MeetingRole::Attendee))?;
        let admitted = self.admit(turn, who);
        if admitted.is_err() && role.is_none() {
            self.conduct.roles.remove(who);
        }
        admitted?;
        self.keep(turn);
        Ok(())
    }

    /// At home plain sound is better than none. Of another organisation's phones it would not be taken: it does not come from
    /// where their signalling does.
    pub(super) fn protection_towards(&self, who: &Aor) -> ProtectionPolicy {
        match self.capabilities.protection {
            ProtectionPolicy::Preferred if !self.conduct.is_own(who) => ProtectionPolicy::Required,
            policy => policy,
        }
    }

    /// Somebody was invited by a message, and his devices take none outside of a session: he is offered one.
    pub(super) fn invite_to_session(&mut self, turn: &mut Turn<'_>, who: &Aor, asked_by: Option<EndpointId>) {
        let tries = Tries::beginning_with(self.protection_towards(who));
        let call = Call { replaces: None, is_written: true, tries, sent: None, asked_by };
        let id = self.add_endpoint(turn.now, who, Stage::Calling { call: Box::new(call) }, Sound::Silent);
        if let Some(endpoint) = self.endpoints_by_id.get_mut(&id) {
            endpoint.messages = Some(MessageStream::default());
        }
        self.call(turn, id);
    }

    /// There are ports, or none are needed: the INVITE can go.
    pub(super) fn call(&mut self, turn: &mut Turn<'_>, id: EndpointId) {
        let Some(Endpoint { stage: Stage::Calling { call }, .. }) = self.endpoints_by_id.get(&id) else { return };
        let capabilities = Capabilities { protection: call.tries.protection, ..self.capabilities.clone() };
        let described = match call.is_written {
            true => self.describe_messages(turn, id),
            false => self.describe_with(id, &capabilities),
        };
        let Some(description) = described else { return };
        let (from_tag, call_id) = (new_tag(turn), format!("{:016x}@{}", (turn.random)(), self.aor.domain()));
        let us = self.us();
        let Some(endpoint) = self.endpoints_by_id.get_mut(&id) else { return };
        let Stage::Calling { call } = &mut endpoint.stage else { return };
        let uri = endpoint.participant.uri();
        let mut request = outside(&Method::Invite, &uri, &self.aor, &self.conduct.subject, &from_tag)
            .header(HeaderName::CallId, call_id)
            .header(HeaderName::CSeq, "1 INVITE")
            .header(HeaderName::Contact, us.contact);
        for (name, value) in us.headers {
            request = request.header(name, value);
        }
        if let Some(replaces) = &call.replaces {
            request = request.header(HeaderName::Replaces, replaces).header(HeaderName::Require, "replaces");
        }
        let request = request.body("application/sdp", description);
        let Ok(invite) = request.clone().message() else { return };
        call.sent = Some((self.last_number + 1, invite));
        self.ask(Asked::Call(id), request);
    }

    /// An answer to an INVITE of ours. Each 2xx beyond the first is another device, which is told that it came too late.
    pub(super) fn call_answered(&mut self, turn: &mut Turn<'_>, id: EndpointId, outcome: &Outcome<'_>) {
        let status = outcome.response.status().unwrap_or_default();
        let Some(endpoint) = self.endpoints_by_id.get_mut(&id) else { return };
        let (Stage::Calling { call }, 200..300) = (&endpoint.stage, status) else {
            let is_late = matches!(endpoint.stage, Stage::Session(_));
            if is_late && (200..300).contains(&status) {
                return self.answered_again(turn, id, outcome);
            }
            if status >= 300 && !is_late && !self.call_otherwise(turn, id, outcome) {
                self.call_failed(turn, id, status);
            }
            return;
        };
        let (Some((_, invite)), asked_by) = (call.sent.clone(), call.asked_by) else { return };
        match InviteUsage::outgoing(&invite, outcome.response, self.us()) {
            Ok(usage) => {
                self.endpoint_ids_by_dialog.insert(usage.dialog().id().clone(), id);
                self.touch();
                let Some(endpoint) = self.endpoints_by_id.get_mut(&id) else { return };
                endpoint.stage = Stage::Session(Box::new(usage));
                (endpoint.invite, endpoint.source) = (Some(invite), outcome.source);
                endpoint.allows_messages = allows_messages(outcome.response);
                let who = endpoint.participant.clone();
                let entry = crate::policy::admission::Entry::Inside;
                self.place(turn, &who, None, entry);
                self.reference_progress(asked_by, status);
                self.drain_usage(turn, id);
                self.arrived(turn, &who);
            }
            Err(_) => self.call_failed(turn, id, 502),
        }
    }

    /// A repeat of the 2xx is acknowledged again; the 2xx of another device is acknowledged, and that device let go.
    fn answered_again(&mut self, turn: &mut Turn<'_>, id: EndpointId, outcome: &Outcome<'_>) {
        let tag = outcome.response.to().ok().and_then(|to| to.tag().map(str::to_owned)).unwrap_or_default();
        let invite = self.endpoints_by_id.get(&id).and_then(|endpoint| endpoint.invite.clone());
        let (Some(usage), Some(invite)) = (self.usage(id), invite) else { return };
        if usage.dialog().id().remote_tag == tag {
            usage.handle_response(turn.now, outcome.response, 0);
            return self.drain_usage(turn, id);
        }
        self.answered_too_late(turn, &invite, outcome);
    }

    /// A 2xx that nobody wants any more: acknowledged, and its session ended (RFC 3261 section 13.2.2.4).
    pub(super) fn answered_too_late(&mut self, turn: &Turn<'_>, invite: &Message, outcome: &Outcome<'_>) {
        let Ok(mut late) = InviteUsage::<S>::outgoing(invite, outcome.response, self.us()) else { return };
        late.hang_up(turn.now);
        while let Some(output) = late.poll_output() {
            match output {
                UsageOutput::Ack(ack) => self.outputs.push_back(FocusOutput::Ack(ack)),
                UsageOutput::Request { request, .. } => self.ask(Asked::Farewell, request),
                _ => {}
            }
        }
    }

    /// It does not want what it was offered: offers it in the next way, if there is one.
    fn call_otherwise(&mut self, turn: &mut Turn<'_>, id: EndpointId, outcome: &Outcome<'_>) -> bool {
        let may_be_protected_otherwise = self.capabilities.protection == ProtectionPolicy::Preferred;
        let Some(Endpoint { participant, stage: Stage::Calling { call }, sound: Sound::Open(open), described, .. }) =
            self.endpoints_by_id.get_mut(&id)
        else {
            return false;
        };
        let is_of_own = self.conduct.is_own(participant);
        let refusal = PhoneRefusal { source: outcome.source, is_of_own, may_be_protected_otherwise };
        let is_refusal = outcome.response.status().is_some_and(Tries::is_refusal);
        if !is_refusal || !call.tries.go_on(&refusal, &mut open.local.addresses) {
            return false;
        }
        described.clear();
        self.call(turn, id);
        true
    }

    /// Nobody came.
    pub(super) fn call_failed(&mut self, turn: &mut Turn<'_>, id: EndpointId, status: u16) {
        if let Some(Endpoint { stage: Stage::Calling { call }, .. }) = self.endpoints_by_id.get(&id) {
            self.reference_progress(call.asked_by, status);
        }
        self.gathering_call_failed(turn, id, status);
        self.endpoint_ended(turn, id);
    }

    /// Somebody in the meeting, or who may lead it, asks by REFER that another be called, or removed
    /// (RFC 4579 sections 5.5 and 5.11).
    pub(super) fn handle_reference(
        &mut self,
        turn: &mut Turn<'_>,
        incoming: &Incoming<'_, S>,
        id: Option<EndpointId>,
    ) -> Result<(), Refusal> {
        let (by, _) = super::joining::sender(incoming.request)?;
        let target = incoming.request.address(HeaderName::ReferTo).map_err(malformed)?;
        let (whom, is_removal) = referred(&target)?;
        let tag = new_tag(turn);
        let command = if is_removal { Command::Remove(whom) } else { Command::Add(whom) };
        let is_told = wants_subscription(incoming.request);
        let asked_by = id.filter(|_| is_told);
        // Outside of a session the dialog is of the REFER itself.
        let mut alone =
            (id.is_none() && is_told).then(|| Dialog::uas(incoming.request, &tag)).transpose().map_err(malformed)?;
        self.command_from(turn, Some(&by), &command, asked_by)?;
        let mut response =
            build::response(incoming.request, 202, None, Some(&tag)).header(HeaderName::Contact, self.us().contact);
        if !is_told {
            response = response.header(HeaderName::ReferSub, "false");
        }
        if let Some(to) = incoming.to {
            self.outputs.push_back(FocusOutput::Respond { to, status: 202, response: response.build() });
        }
        // A subscription begins with a NOTIFY at once (RFC 3515 section 2.4.4); a removal is done by then.
        let status = if is_removal { 200 } else { 100 };
        self.reference_progress(asked_by, status);
        if let Some(dialog) = &mut alone {
            let notify = self.notify_once(dialog.request(&Method::Notify), status);
            self.ask(Asked::Farewell, notify);
        }
        Ok(())
    }

    /// Whoever asked within his session hears of what he asked for once, and no more (RFC 3515 section 2.4.5 allows it).
    pub fn tell_of_reference(&mut self, leg: LegNumber) {
        let Some(usage) = self.usage(leg) else { return };
        let request = usage.request(&Method::Notify);
        let notify = self.notify_once(request, 100);
        self.ask(Asked::Within(leg), notify);
    }

    /// The first NOTIFY about a REFER, which is the last.
    fn notify_once(&mut self, request: RequestBuilder, status: u16) -> RequestBuilder {
        notify_of_reference(request, self.us().contact, ENDED.to_owned(), status)
    }

    /// Whoever asked within his session hears what became of it (RFC 3515 section 2.4.5).
    pub(super) fn reference_progress(&mut self, asked_by: Option<EndpointId>, status: u16) {
        let Some(id) = asked_by else { return };
        let contact = self.us().contact;
        let state = match status {
            ..200 => format!("active;expires={REFERENCE_SECS}"),
            _ => ENDED.to_owned(),
        };
        let Some(usage) = self.usage(id) else { return };
        let notify = notify_of_reference(usage.request(&Method::Notify), contact, state, status);
        self.ask(Asked::Within(id), notify);
    }
}

fn notify_of_reference(request: RequestBuilder, contact: String, state: String, status: u16) -> RequestBuilder {
    request
        .header(HeaderName::Contact, contact)
        .header(HeaderName::Event, "refer")
        .header(HeaderName::SubscriptionState, state)
        .body("message/sipfrag;version=2.0", format!("SIP/2.0 {status} {}\r\n", sip::reason_phrase(status)))
}

/// The state of a subscription of which nothing more is told.
const ENDED: &str = "terminated;reason=noresource";

/// How long whoever is called may ring.
const REFERENCE_SECS: u32 = 180;

/// A request of the conference outside of any dialog, complete but for Via, Call-ID and CSeq.
pub(super) fn outside(method: &Method, uri: &str, from: &Aor, subject: &str, tag: &str) -> RequestBuilder {
    let name = subject.replace(['"', '\\'], "'");
    let from = match name.is_empty() {
        true => format!("<{}>;tag={tag}", from.uri()),
        false => format!("\"{name}\" <{}>;tag={tag}", from.uri()),
    };
    RequestBuilder::new(method, uri)
        .header(HeaderName::MaxForwards, "70")
        .header(HeaderName::From, from)
        .header(HeaderName::To, format!("<{uri}>"))
}

/// Whether the device that sent this takes MESSAGE.
pub(super) fn allows_messages(message: &Message) -> bool {
    message.elements(HeaderName::Allow).any(|method| method.trim_ascii() == b"MESSAGE")
}

/// Whom a Refer-To names, and whether he is to be removed.
fn referred(target: &NameAddr<'_>) -> Result<(Aor, bool), Refusal> {
    let uri = target.uri();
    let aor =
        Aor::from_uri(&uri).map_err(|error| Refusal::new(400, Word::MalformedRequest, format!("Refer-To: {error}")))?;
    match uri.param("method").flatten().unwrap_or("INVITE") {
        "INVITE" => Ok((aor, false)),
        "BYE" => Ok((aor, true)),
        other => Err(Refusal::new(400, Word::MalformedRequest, format!("Refer-To: with method {other}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_read_by_its_parts() {
        for (refer_to, expected) in [
            ("<sip:bob@b.example>", Some(("bob", false))),
            ("<sip:bob@b.example;method=INVITE?Replaces=1%3Bto-tag%3D2>", Some(("bob", false))),
            ("<sip:bob@b.example;METHOD=BYE>", Some(("bob", true))),
            // Of the user part, where a semicolon and a question mark are letters.
            ("<sip:bob;method=BYE@b.example>", Some(("bob;method=bye", false))),
            ("<sip:bob?x@b.example;method=BYE>", Some(("bob?x", true))),
            ("<sip:bob@b.example;method=MESSAGE>", None),
        ] {
            let read = referred(&NameAddr::parse(refer_to).expect("an address")).ok();
            let read = read.as_ref().map(|(aor, is_removed)| (aor.user(), *is_removed));
            assert_eq!(read, expected, "{refer_to}");
        }
    }
}
