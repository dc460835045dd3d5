//! Agents: where we are a user agent ourselves, behind our own proxy. A focus is one, and whoever stands between two dialogs.
//!
//! What an agent sends goes the way of every request: routed, through a response context, over the flows of its target. Its
//! own leg of a dialog is named in our Record-Route as a phone's is, so what comes back finds it by the same Routes.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use conference::ConferenceId;
use federation::Admitted;
use federation::admission::vouch;
use media::LegId;
use serde::{Deserialize, Serialize};
use sip::{Aor, Edits, HeaderName, Message, Method, Refusal, RequestBuilder, build};

use crate::acceptor::draining;
use crate::core::Core;
use crate::handoff::Ingress;
use crate::ownership::Ownership;
use crate::route::{Destination, OwnRoutes, route_own};
use crate::schedule::Machine;
use crate::{AdmittedRequest, Handoff, Requester, Upstream, WorkerId};

/// Names an agent of this server.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum AgentKey {
    Conference(ConferenceId),
    /// The one between two dialogs, of that worker; the serial tells the lives of the server apart.
    Call {
        worker: WorkerId,
        serial: u64,
    },
    /// The one that answers a session of messages for a user whose devices know none, of that worker; with such a serial.
    Gateway {
        worker: WorkerId,
        serial: u64,
    },
}

impl AgentKey {
    pub fn owner(&self, ownership: &Ownership) -> WorkerId {
        match self {
            AgentKey::Conference(id) => ownership.of_conference(id),
            AgentKey::Call { worker, .. } | AgentKey::Gateway { worker, .. } => *worker,
        }
    }
}

/// Whose sound a leg is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LegUser {
    Conference(ConferenceId),
    /// Of the call that this worker stands between.
    Call(u64),
}

/// The requests of the agents of one worker to which a response may come yet.
#[derive(Debug)]
pub(crate) struct Asked {
    serial: u64,
    asked_by_serial: BTreeMap<u64, Question>,
    /// What agents are to be told once they have said all that they wanted.
    heard: VecDeque<Heard>,
}

#[derive(Debug)]
enum Heard {
    Response { serial: u64, response: Bytes, source: Option<IpAddr> },
    LegRefused { user: LegUser, leg: LegId, why: String },
}

#[derive(Debug)]
struct Question {
    agent: AgentKey,
    /// As the agent counts its requests.
    number: u64,
    request: Message,
    /// Who has it.
    owner: WorkerId,
    deadline: Instant,
    /// A 2xx to INVITE came, and another may.
    is_answered: bool,
    /// The agent took it back.
    is_cancelled: bool,
}

/// A request of an agent, and who it speaks for.
pub(crate) struct AgentRequest {
    pub agent: AgentKey,
    pub aor: Aor,
    /// As the agent counts; its answer comes with it. `None` for an ACK, which has none.
    pub number: Option<u64>,
    /// Complete but for Via.
    pub request: RequestBuilder,
}

/// A request of an agent as it goes out, and who speaks in it.
pub(crate) struct AgentMessage {
    pub agent: AgentKey,
    pub admitted: Admitted,
    /// As in [`AgentRequest`].
    pub number: Option<u64>,
    pub message: Message,
}

/// What an agent hears of a request of its own.
pub(crate) struct AgentResponse {
    pub number: u64,
    pub response: Message,
    /// Where the phone or the partner's edge that answered is; `None` for an answer of our own.
    pub source: Option<IpAddr>,
}

impl Asked {
    pub(crate) fn new(incarnation: u32) -> Asked {
        Asked { serial: u64::from(incarnation) << 32, asked_by_serial: BTreeMap::new(), heard: VecDeque::new() }
    }

    pub(crate) fn responded(&mut self, serial: u64, response: Bytes, source: Option<IpAddr>) {
        self.heard.push_back(Heard::Response { serial, response, source });
    }

    pub(crate) fn leg_refused(&mut self, user: LegUser, leg: LegId, why: String) {
        self.heard.push_back(Heard::LegRefused { user, leg, why });
    }

    /// Somebody else works on it.
    pub(crate) fn set_owner(&mut self, serial: u64, owner: WorkerId) {
        if let Some(asked) = self.asked_by_serial.get_mut(&serial) {
            asked.owner = owner;
        }
    }

    /// Whether it was taken back, or nobody waits for it any more.
    pub(crate) fn is_cancelled(&self, serial: u64) -> bool {
        self.asked_by_serial.get(&serial).is_none_or(|asked| asked.is_cancelled)
    }

    /// How many have no final response.
    pub(crate) fn unanswered(&self) -> usize {
        self.asked_by_serial.values().filter(|asked| !asked.is_answered).count()
    }

    /// A number that is not given twice, in this life or another.
    pub(crate) fn next_serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }
}

impl Core {
    /// Sends what an agent of this worker says. What cannot be sent is answered by ourselves.
    pub(crate) fn send_for_agent(&mut self, now: Instant, said: AgentRequest) {
        let AgentRequest { agent, aor, number, request } = said;
        // It was built from a dialog that was read, or from addresses that were: it reads back.
        let Ok(message) = request.message() else { return };
        self.send_message_for_agent(now, AgentMessage { agent, admitted: vouch(&aor), number, message });
    }

    /// The same, of a message that need not be built.
    pub(crate) fn send_message_for_agent(&mut self, now: Instant, said: AgentMessage) {
        let AgentMessage { agent, admitted, number, message } = said;
        let unspecified = IpAddr::from([0, 0, 0, 0]);
        self.record_agent_said(now, &agent, &message);
        let own = OwnRoutes::of(&message, &self.organisation, unspecified, &self.mint);
        let routed = route_own(&message, &admitted, &own, &self.organisation, self.limits.partner_connections);
        let routed = match (&agent, routed) {
            (AgentKey::Conference(id), Ok(to)) => self.check_meeting_invites(id, &message, &to).map(|()| to),
            // One phone says to the other: here both dialogs are known.
            (AgentKey::Call { .. }, Ok(to)) if own.exit().is_some() => {
                self.check_external_access(&message, &admitted, &to, own.exit()).map(|()| to)
            }
            (_, routed) => routed,
        };
        let declined = match (&agent, &routed) {
            (AgentKey::Conference(id), Ok(to)) => self.declined_in_meeting(id, &message, to),
            _ => None,
        };
        let message = declined.unwrap_or(message);
        let routed = if self.is_draining && begins_call(&message) { Err(draining()) } else { routed };
        self.send_routed(now, AgentMessage { agent, admitted, number, message }, routed, own.count);
    }

    /// Answers a request of an agent of this worker in place of sending it.
    pub(crate) fn refuse_for_agent(&mut self, now: Instant, said: AgentRequest, refusal: Refusal) {
        let AgentRequest { agent, aor, number, request } = said;
        let Ok(message) = request.message() else { return };
        self.send_routed(now, AgentMessage { agent, admitted: vouch(&aor), number, message }, Err(refusal), 0);
    }

    fn send_routed(
        &mut self,
        now: Instant,
        said: AgentMessage,
        routed: Result<Destination, Refusal>,
        own_routes: usize,
    ) {
        let AgentMessage { agent, admitted, number, message } = said;
        let made_unix_ms = self.unix_ms(now);
        let own_request = |message, destination, upstream| AdmittedRequest {
            message,
            admitted,
            ingress: Ingress::Agent(agent.clone()),
            destination,
            routes_taken: own_routes,
            sent_on_by: Vec::new(),
            upstream,
            admitted_unix_ms: made_unix_ms,
        };
        let Some(number) = number else {
            if let Ok(destination) = routed {
                self.give_to_owner(now, own_request(message, destination, None));
            }
            return;
        };
        let serial = self.asked.next_serial();
        let upstream = Upstream { worker: self.ownership.worker, requester: Requester::Agent(serial) };
        let owner = routed.as_ref().ok().and_then(|destination| destination.owner(&self.ownership));
        let owner = owner.unwrap_or(self.ownership.worker);
        let deadline = now + patience(&message);
        let asked = Question {
            agent: agent.clone(),
            number,
            request: message.clone(),
            owner,
            deadline,
            is_answered: false,
            is_cancelled: false,
        };
        self.asked.asked_by_serial.insert(serial, asked);
        self.schedule.push(deadline, Machine::Asked(serial));
        match routed {
            Ok(destination) => {
                self.give_to_owner(now, own_request(message, destination, Some(upstream)));
            }
            Err(refusal) => self.refuse_owned(now, upstream, &message, &refusal),
        }
    }

    /// Takes back an INVITE of an agent, for this reason (RFC 3326).
    pub(crate) fn cancel_for_agent(&mut self, now: Instant, agent: &AgentKey, number: u64, reason: Option<String>) {
        let is_meant = |asked: &&Question| asked.agent == *agent && asked.number == number;
        let found = self.asked.asked_by_serial.iter().find(|(_, asked)| is_meant(asked));
        let Some((serial, owner)) = found.map(|(serial, asked)| (*serial, asked.owner)) else { return };
        let upstream = Upstream { worker: self.ownership.worker, requester: Requester::Agent(serial) };
        self.draft_cancelled(upstream.requester);
        if let Some(asked) = self.asked.asked_by_serial.get_mut(&serial) {
            asked.is_cancelled = true;
        }
        if self.ownership.is_ours(owner) {
            self.cancel_owned(now, upstream, reason);
        } else {
            self.hand(owner, Handoff::Cancel { upstream, owner, by_ledger: false, reason });
        }
    }

    /// Tells agents what came back. Says whether there was anything.
    pub(crate) fn settle_agents(&mut self, now: Instant) -> bool {
        let Some(heard) = self.asked.heard.pop_front() else { return false };
        match heard {
            Heard::Response { serial, response, source } => self.agent_answered(now, serial, response, source),
            Heard::LegRefused { user, leg, why } => {
                self.resume_leg(now, &user, leg, Some(crate::Answer::LegOpened(Err(why))))
            }
        }
        true
    }

    /// A response for an agent of ours. The last one but for a 2xx to INVITE, of which each may stand for another phone.
    fn agent_answered(&mut self, now: Instant, serial: u64, response: Bytes, source: Option<IpAddr>) {
        let Ok(response) = Message::parse(response) else { return };
        let Some(asked) = self.asked.asked_by_serial.get_mut(&serial) else { return };
        let status = response.status().unwrap_or_default();
        let is_last = status >= 300 || (status >= 200 && asked.request.method() != Some(Method::Invite));
        asked.is_answered |= (200..300).contains(&status);
        let (agent, number) = (asked.agent.clone(), asked.number);
        if is_last {
            self.asked.asked_by_serial.remove(&serial);
        }
        self.tell_agent(now, &agent, AgentResponse { number, response, source });
    }

    /// Nobody answered, though somebody always does: what was handed over was lost. Or an INVITE was answered, and no further
    /// answer to it can come.
    pub(crate) fn give_up_asking(&mut self, now: Instant, serial: u64) {
        if self.asked.asked_by_serial.get(&serial).is_none_or(|asked| now < asked.deadline) {
            return;
        }
        let Some(asked) = self.asked.asked_by_serial.remove(&serial) else { return };
        if asked.is_answered {
            return self.tell_agent_of_end(now, &asked.agent, asked.number);
        }
        self.draft_abandoned(now, Requester::Agent(serial));
        let response = build::response(&asked.request, 408, None, Some(&self.mint.tag(serial))).message();
        if let Ok(response) = response {
            self.tell_agent(now, &asked.agent, AgentResponse { number: asked.number, response, source: None });
        }
    }

    fn tell_agent(&mut self, now: Instant, agent: &AgentKey, response: AgentResponse) {
        match agent {
            AgentKey::Conference(id) => self.conference_answered(now, id, &response),
            AgentKey::Call { serial, .. } => self.call_answered(now, *serial, &response),
            AgentKey::Gateway { serial, .. } => self.gateway_answered(now, *serial, &response),
        }
    }

    /// No further answer to an INVITE comes.
    fn tell_agent_of_end(&mut self, now: Instant, agent: &AgentKey, number: u64) {
        match agent {
            AgentKey::Conference(id) => drop(self.with_focus(now, id, |focus, _| focus.forget_request(number))),
            // A gateway sends no INVITE that could have several answers.
            AgentKey::Call { .. } | AgentKey::Gateway { .. } => {}
        }
    }

    /// A request for an agent of this worker.
    pub(crate) fn serve_agent(&mut self, now: Instant, agent: &AgentKey, request: AdmittedRequest) {
        let recorded = match self.recorded_for(agent, &request) {
            Ok(message) => message,
            Err(refusal) => {
                if let Some(upstream) = request.upstream {
                    self.refuse_owned(now, upstream, &request.message, &refusal);
                }
                return;
            }
        };
        let request = AdmittedRequest { message: recorded, ..request };
        match agent {
            AgentKey::Conference(id) => self.serve_conference(now, id, request),
            AgentKey::Call { serial, .. } => self.serve_call(now, *serial, request),
            AgentKey::Gateway { serial, .. } => self.serve_gateway(now, *serial, request),
        }
    }

    /// The request as our proxy hands it on to the agent: with our two Record-Routes where it may begin a dialog.
    pub(crate) fn recorded_for(&self, agent: &AgentKey, request: &AdmittedRequest) -> Result<Message, Refusal> {
        let recorded = self.record_routes_to_agent(agent, request);
        if recorded.is_empty() {
            return Ok(request.message.clone());
        }
        let mut edits = Edits::new();
        for value in &recorded {
            edits.prepend(HeaderName::RecordRoute, value);
        }
        Message::parse(edits.apply(&request.message)).map_err(|error| crate::outgoing::too_large(&error))
    }
}

fn begins_call(request: &Message) -> bool {
    request.method() == Some(Method::Invite) && !request.is_within_dialog()
}

/// Longer than whoever has the request may take to answer it: an INVITE rings until timer C (RFC 3261 section 16.6).
fn patience(request: &Message) -> Duration {
    match request.method() {
        Some(Method::Invite) => Duration::from_secs(240),
        _ => Duration::from_secs(70),
    }
}
