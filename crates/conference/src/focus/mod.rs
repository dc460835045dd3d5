//! The focus of a conference (RFC 4353): who is in it, with which devices, and what they do there.
//!
//! One machine a conference. Requests, answers, what the mixer says and commands go in; answers, requests and what is wanted of
//! the mixer come out. What is a rule is asked of `policy`; each dialog is an [`InviteUsage`].

mod adopting;
mod command;
mod delivery;
mod demands;
mod endpoint;
mod gathering;
mod inviting;
mod joining;
mod keys;
mod leaving;
mod messages;
mod participant;
mod replacing;
mod rescheduling;
mod resuming;
mod said;
mod sound;
mod tries;
mod watching;
mod wish;
mod writing;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use sdp::Capabilities;
use sip::dialog::DialogId;
use sip::notifier::SubscriptionId;
use sip::refusal::Word;
use sip::usage::{InviteUsage, Us, UsageOutput};
use sip::{Aor, HeaderName, Message, Method, ParseError, Refusal, RequestBuilder, build};

use crate::policy::Conduct;
use crate::policy::mute::Mutes;
use crate::{ConferenceId, ConferenceLimits, FocusOutput, Incoming, Outcome, SoundCommand, Turn};

pub use adopting::Adoption;
pub use command::Command;
use demands::{check_required, not_taken};
pub use endpoint::Hearing;
use endpoint::{Endpoint, EndpointId, Stage};
pub use gathering::CallOf;
use gathering::{Gathering, Reference};
use participant::Participant;
pub use participant::ParticipantSummary;
use watching::Watching;

/// What a conference begins with.
#[derive(Debug, Clone)]
pub struct FocusConfig {
    pub id: ConferenceId,
    /// The address of its URI.
    pub aor: Aor,
    pub conduct: Conduct,
    pub capabilities: Capabilities,
    pub limits: ConferenceLimits,
}

/// See the module. `S` names where a request came from, for the answers to it.
///
/// After each call [`Focus::poll_output`] is called until it gives nothing.
#[derive(Debug)]
pub struct Focus<S> {
    id: ConferenceId,
    aor: Aor,
    conduct: Conduct,
    capabilities: Capabilities,
    limits: ConferenceLimits,
    mutes: Mutes,
    participants_by_aor: BTreeMap<Aor, Participant>,
    endpoints_by_id: BTreeMap<EndpointId, Endpoint<S>>,
    endpoint_ids_by_dialog: BTreeMap<DialogId, EndpointId>,
    asked_by_number: BTreeMap<u64, Asked>,
    watching: Watching,
    /// URIs of those who left since the roster was told.
    left: Vec<String>,
    /// When it began, of a meeting without a time of its own.
    began_unix: Option<i64>,
    /// It is made of a call, and somebody has yet to come.
    gathering: Option<Gathering>,
    /// For whom a message found no room among the requests under way.
    stalled: BTreeSet<Aor>,
    /// Those whom it asked to call: two at most.
    references: Vec<Reference>,
    /// The last has left.
    is_over: bool,
    last_endpoint: u32,
    last_number: u64,
    /// When somebody last wrote, or was invited to.
    last_said: Option<Instant>,
    outputs: VecDeque<FocusOutput<S>>,
}

/// What a request of ours was for.
#[derive(Debug, Clone)]
enum Asked {
    /// The INVITE that calls this endpoint.
    Call(EndpointId),
    /// Something within the dialog of this endpoint.
    Within(EndpointId),
    /// What somebody said, within the dialog of this endpoint.
    Said(EndpointId),
    /// A message to somebody outside of any dialog.
    Page {
        who: Aor,
        /// Who is to be told what became of it.
        asked_by: Option<EndpointId>,
    },
    /// The REFER that asks him to call.
    Referred(Aor),
    /// A NOTIFY of this subscription to the roster.
    Notify(SubscriptionId),
    /// This INVITE, of an endpoint that is gone.
    Withdrawn(Box<Message>),
    /// The end of a session that nobody wanted any more.
    Farewell,
}

impl<S: Copy + Ord> Focus<S> {
    pub fn new(config: FocusConfig) -> Focus<S> {
        let FocusConfig { id, aor, conduct, capabilities, limits } = config;
        let watching = Watching::new(aor.uri(), &conduct.subject, limits.participants_max);
        Focus {
            id,
            aor,
            conduct,
            capabilities,
            limits,
            mutes: Mutes::default(),
            participants_by_aor: BTreeMap::new(),
            endpoints_by_id: BTreeMap::new(),
            endpoint_ids_by_dialog: BTreeMap::new(),
            asked_by_number: BTreeMap::new(),
            watching,
            left: Vec::new(),
            began_unix: None,
            gathering: None,
            stalled: BTreeSet::new(),
            references: Vec::new(),
            is_over: false,
            last_endpoint: 0,
            last_number: 0,
            last_said: None,
            outputs: VecDeque::new(),
        }
    }

    pub fn id(&self) -> &ConferenceId {
        &self.id
    }

    pub fn aor(&self) -> &Aor {
        &self.aor
    }

    pub fn conduct(&self) -> &Conduct {
        &self.conduct
    }

    /// Nobody is in it, and nobody watches it.
    pub fn is_unused(&self) -> bool {
        self.participants_by_aor.is_empty() && !self.watching.is_watched()
    }

    /// Takes a request for the conference, within a dialog of it or outside.
    ///
    /// # Errors
    /// What the request is to be answered with.
    pub fn handle_request(&mut self, turn: &mut Turn<'_>, incoming: Incoming<'_, S>) -> Result<(), Refusal> {
        let request = incoming.request;
        check_required(request)?;
        let local_tag = request.to().map_err(malformed)?.tag();
        match (local_tag, request.method().unwrap_or(Method::Options)) {
            (_, Method::Subscribe) => self.handle_subscribe(turn, &incoming),
            (Some(tag), Method::Notify) if self.reference_told(turn, &incoming, tag) => Ok(()),
            (Some(tag), _) => self.handle_within(turn, &incoming, tag),
            (None, Method::Invite) => self.join(turn, &incoming),
            (None, Method::Message) => self.handle_page(turn, &incoming),
            (None, Method::Options) => self.tell_options(&incoming),
            (None, Method::Refer) => self.handle_reference(turn, &incoming, None),
            (None, method) => Err(not_taken(&method, "outside of a session with it")),
        }
    }

    /// The caller gave up the INVITE that came from there.
    pub fn handle_cancel(&mut self, turn: &mut Turn<'_>, from: S) {
        let is_meant = |endpoint: &Endpoint<S>| endpoint.waits_for == Some(from);
        let found = self.endpoints_by_id.iter().find(|(_, endpoint)| is_meant(endpoint)).map(|(id, _)| *id);
        let Some(id) = found else { return };
        if let Some(usage) = self.usage(id) {
            usage.cancelled();
        }
        self.drain_usage(turn, id);
    }

    /// What became of a request of ours, provisional responses included.
    pub fn handle_response(&mut self, turn: &mut Turn<'_>, number: u64, outcome: &Outcome<'_>) {
        let Some(asked) = self.asked_by_number.get(&number).cloned() else { return };
        let status = outcome.response.status().unwrap_or_default();
        let may_repeat = status < 300 && is_invite(outcome.response);
        if status >= 200 && !may_repeat {
            self.asked_by_number.remove(&number);
        }
        match asked {
            Asked::Call(id) => self.call_answered(turn, id, outcome),
            Asked::Within(id) => self.answered_within(turn, id, outcome),
            Asked::Said(id) => {
                self.said_answered(id, status);
                self.answered_within(turn, id, outcome);
            }
            Asked::Page { who, asked_by } => self.page_answered(turn, &who, asked_by, status),
            Asked::Referred(who) => self.reference_answered(turn, &who, status),
            Asked::Notify(id) => self.notified(turn, id, outcome),
            Asked::Withdrawn(invite) if (200..300).contains(&status) => self.answered_too_late(turn, &invite, outcome),
            Asked::Withdrawn(_) | Asked::Farewell => {}
        }
        self.send_stalled_pages();
    }

    fn answered_within(&mut self, turn: &mut Turn<'_>, id: EndpointId, outcome: &Outcome<'_>) {
        let jitter = (turn.random)();
        if let Some(usage) = self.usage(id) {
            usage.handle_response(turn.now, outcome.response, jitter);
        }
        self.drain_usage(turn, id);
    }

    /// No further response to that request of ours comes.
    pub fn forget_request(&mut self, number: u64) {
        self.asked_by_number.remove(&number);
        self.send_stalled_pages();
    }

    pub fn next_timeout(&self) -> Option<Instant> {
        let silence = self.session_check_time();
        let times = |endpoint: &Endpoint<S>| endpoint.next_timeout().into_iter().chain(endpoint.check_at(silence));
        let endpoints = self.endpoints_by_id.values().flat_map(times);
        let others = [self.watching.next_timeout(), self.falls_silent_at(), self.gathering_ends_at()];
        endpoints.chain(others.into_iter().flatten()).min()
    }

    /// Nobody has a session, so nobody will hang up: what is only written ends when nothing more is.
    fn falls_silent_at(&self) -> Option<Instant> {
        let is_only_paged = self.endpoints_by_id.is_empty() && !self.participants_by_aor.is_empty();
        self.last_said.filter(|_| is_only_paged).map(|last| last + Duration::from_secs(self.limits.silent_secs_max))
    }

    pub fn handle_timeout(&mut self, turn: &mut Turn<'_>) {
        self.watching.handle_timeout(turn.now);
        let is_due = |endpoint: &Endpoint<S>| endpoint.next_timeout().is_some_and(|at| at <= turn.now);
        let due: Vec<_> = self.endpoints_by_id.iter().filter(|(_, one)| is_due(one)).map(|(id, _)| *id).collect();
        for id in due {
            if let Some(usage) = self.usage(id) {
                usage.handle_timeout(turn.now);
            }
            self.drain_usage(turn, id);
        }
        self.check_sessions(turn);
        if self.gathering_ends_at().is_some_and(|at| at <= turn.now) {
            self.gathering_too_late(turn);
        }
        if self.falls_silent_at().is_some_and(|at| at <= turn.now) {
            self.remove_all(turn);
        }
    }

    /// The next thing to do. What watchers of the roster are told comes last, so that they are told once of all that an input
    /// changed.
    pub fn poll_output(&mut self, now: Instant) -> Option<FocusOutput<S>> {
        let output = self.outputs.pop_front().or_else(|| self.tell_watchers(now));
        if output.is_none() && std::mem::take(&mut self.is_over) {
            return Some(FocusOutput::Ended);
        }
        output
    }

    /// The addresses of all of them.
    pub fn addresses(&self) -> impl Iterator<Item = &Aor> {
        self.participants_by_aor.keys()
    }

    /// Who is in the meeting, in the lobby, or being called; by address.
    pub fn participants(&self) -> Vec<ParticipantSummary> {
        self.participants_by_aor.iter().map(|(aor, participant)| self.summary(aor, participant)).collect()
    }

    /// Requests within a dialog: of the session itself, or what somebody says or wants in it.
    fn handle_within(&mut self, turn: &mut Turn<'_>, incoming: &Incoming<'_, S>, tag: &str) -> Result<(), Refusal> {
        let request = incoming.request;
        let dialog = DialogId {
            call_id: request.call_id().map_err(malformed)?.to_owned(),
            local_tag: tag.to_owned(),
            remote_tag: request.from().map_err(malformed)?.tag().unwrap_or_default().to_owned(),
        };
        let unknown = || Refusal::new(481, Word::DialogUnknown, "the conference has no such dialog");
        let id = self.endpoint_ids_by_dialog.get(&dialog).copied().ok_or_else(unknown)?;
        self.shown(turn, id);
        let Some(usage) = self.usage(id) else { return Err(unknown()) };
        let is_taken = usage.handle_request(turn.now, incoming.to, request)?;
        if request.method() == Some(Method::Invite)
            && let Some(endpoint) = self.endpoints_by_id.get_mut(&id)
        {
            (endpoint.waits_for, endpoint.source) = (incoming.to, incoming.source);
        }
        self.drain_usage(turn, id);
        match request.method() {
            _ if is_taken => Ok(()),
            Some(Method::Message) => self.handle_said(turn, incoming, id),
            Some(Method::Refer) => self.handle_reference(turn, incoming, Some(id)),
            Some(Method::Options | Method::Info) => self.tell_options(incoming),
            method => Err(not_taken(&method.unwrap_or(Method::Options), "within a session with it")),
        }
    }

    fn usage(&mut self, id: EndpointId) -> Option<&mut InviteUsage<S>> {
        match &mut self.endpoints_by_id.get_mut(&id)?.stage {
            Stage::Session(usage) => Some(usage),
            Stage::Calling { .. } => None,
        }
    }

    /// Does what the session of an endpoint wants done.
    fn drain_usage(&mut self, turn: &mut Turn<'_>, id: EndpointId) {
        while let Some(output) = self.usage(id).and_then(InviteUsage::poll_output) {
            match output {
                UsageOutput::Request { request, .. } => self.ask(Asked::Within(id), request),
                UsageOutput::Ack(ack) => self.outputs.push_back(FocusOutput::Ack(ack)),
                UsageOutput::Respond { to, status, response } => {
                    self.outputs.push_back(FocusOutput::Respond { to, status, response });
                }
                UsageOutput::Offered { offer } => self.offered(turn, id, offer),
                UsageOutput::Answered { answer } => self.answered(turn, id, &answer),
                UsageOutput::OfferRefused { status } => self.offer_refused(turn, id, status),
                UsageOutput::Ended { .. } => return self.endpoint_ended(turn, id),
            }
        }
    }

    /// Sends a request of ours. One too many is answered before it goes, so that whatever waits for its answer goes on.
    fn ask(&mut self, asked: Asked, request: RequestBuilder) {
        let has_room = self.has_room_to_ask();
        self.last_number += 1;
        let number = self.last_number;
        self.asked_by_number.insert(number, asked);
        self.outputs.push_back(if has_room {
            FocusOutput::Request { number, request }
        } else {
            FocusOutput::TooMany { number, request }
        });
    }

    fn has_room_to_ask(&self) -> bool {
        self.asked_by_number.len() < self.limits.requests_max
    }

    fn sound(&mut self, command: SoundCommand) {
        self.outputs.push_back(FocusOutput::Sound(command));
    }

    fn respond(&mut self, incoming: &Incoming<'_, S>, status: u16, local_tag: &str) {
        let response = build::response(incoming.request, status, None, Some(local_tag)).build();
        if let Some(to) = incoming.to {
            self.outputs.push_back(FocusOutput::Respond { to, status, response });
        }
    }

    fn tell_options(&mut self, incoming: &Incoming<'_, S>) -> Result<(), Refusal> {
        let mut response = build::response(incoming.request, 200, None, Some(OPTIONS_TAG));
        for (name, value) in self.us().headers {
            response = response.header(name, value);
        }
        let response = response
            .header(HeaderName::Contact, self.us().contact)
            .header(HeaderName::Accept, format!("application/sdp, {}", sound::ACCEPT_TYPES.join(", ")))
            .build();
        if let Some(to) = incoming.to {
            self.outputs.push_back(FocusOutput::Respond { to, status: 200, response });
        }
        Ok(())
    }

    /// RFC 4579 section 5.2: the Contact of a focus says that it is one.
    fn us(&self) -> Us {
        let headers = vec![
            (HeaderName::Allow, ALLOW.to_owned()),
            (HeaderName::AllowEvents, "conference".to_owned()),
            (HeaderName::Supported, "replaces".to_owned()),
        ];
        Us { contact: format!("<{}>;isfocus", self.aor.uri()), headers }
    }
}

fn is_invite(response: &Message) -> bool {
    response.cseq().is_ok_and(|cseq| cseq.method == Method::Invite)
}

fn malformed(error: ParseError) -> Refusal {
    Refusal::new(400, Word::MalformedRequest, error.to_string())
}

/// For the To and From of ours: whoever does not see the dialog cannot guess it.
fn new_tag(turn: &mut Turn<'_>) -> String {
    format!("{:016x}", (turn.random)())
}

const ALLOW: &str = "INVITE, ACK, BYE, CANCEL, OPTIONS, MESSAGE, REFER, SUBSCRIBE, NOTIFY, INFO, UPDATE";
const OPTIONS_TAG: &str = "focus";
