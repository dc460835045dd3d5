//! Sessions of messages that we answer for users whose devices know only single messages.
//!
//! What such a session is, is `messaging`'s. Here it begins, where the owner of the user sees what his devices answer; and
//! every worker is told who has one open with whom, for it may accept what he writes to the other.

use std::collections::BTreeMap;
use std::time::Instant;

use federation::admission::{Admitted, Origin};
use messaging::{Gateway, GatewayOutput};
use sdp::Offer;
use sip::refusal::Word;
use sip::usage::Session;
use sip::{Aor, Message, Method, Refusal, Uri};

use crate::agent::{AgentKey, AgentRequest, AgentResponse};
use crate::core::Core;
use crate::established::{Established, EstablishedLimits};
use crate::route::Destination;
use crate::schedule::Machine;
use crate::shares::Peer;
use crate::{AdmittedRequest, Handoff, Ingress, Upstream};

/// The sessions of this worker, and whose messages to whom belong into one of any worker.
#[derive(Debug)]
pub(crate) struct Gateways {
    by_serial: BTreeMap<u64, Running>,
    agents_by_pair: BTreeMap<(Aor, Aor), AgentKey>,
    by_caller: Established,
    serial: u64,
}

#[derive(Debug)]
struct Running {
    gateway: Gateway<Upstream>,
    /// For whom it counts.
    caller: Peer,
    /// Its entry in the schedule, so that not every input adds one.
    wakes_at: Option<Instant>,
}

impl Gateways {
    /// Serials tell the lives of the server apart.
    pub(crate) fn new(incarnation: u32) -> Gateways {
        Gateways {
            by_serial: BTreeMap::new(),
            agents_by_pair: BTreeMap::new(),
            by_caller: Established::default(),
            serial: u64::from(incarnation) << 32,
        }
    }

    fn forget(&mut self, serial: u64) {
        if let Some(running) = self.by_serial.remove(&serial) {
            self.by_caller.give_back(running.caller);
        }
    }
}

impl Core {
    /// Whether there is room for one more of whoever asks.
    pub(crate) fn has_room_for_gateway(&mut self, origin: &Origin) -> bool {
        let limits = &self.limits;
        let shares = EstablishedLimits {
            of_user: (limits.gateways_per_user_max, "gateways_per_user_max"),
            of_partner: (limits.gateways_per_partner_max, "gateways_per_partner_max"),
        };
        let found = match self.gateways.by_serial.len() < limits.gateways_max {
            true => self.gateways.by_caller.check(origin, &shares),
            false => Err("gateways_max"),
        };
        found.inspect_err(|limit| self.counts.hit(limit)).is_ok()
    }

    pub(crate) fn begin_gateway(&mut self, now: Instant, request: AdmittedRequest, refused: &Message) {
        let (Destination::User(user), Some(upstream)) = (request.destination.clone(), request.upstream) else { return };
        self.gateways.serial += 1;
        let serial = self.gateways.serial;
        let agent = AgentKey::Gateway { worker: self.ownership.worker, serial };
        let limits = self.limits.gateway.clone();
        let begun = self.recorded_for(&agent, &request).and_then(|invite| {
            self.with_random(|random| Gateway::answer(now, &invite, upstream, user.clone(), limits, random))
        });
        match begun {
            Err(refusal) => self.refuse_owned(now, upstream, &request.message, &refusal),
            Ok(gateway) => {
                let status = refused.status().unwrap_or_default();
                let why =
                    format!("{NEXT_HOP}, since the user's devices know no such sessions (they answered {status})");
                self.record_routed(now, &request.message, &why);
                let (user, peer) = (gateway.user().clone(), gateway.peer().clone());
                let caller = Peer::of(request.admitted.origin());
                self.gateways.by_caller.take(caller.clone());
                self.gateways.by_serial.insert(serial, Running { gateway, caller, wakes_at: None });
                self.list_gateway_everywhere(user, peer, &agent, true);
                self.settle_gateway(now, serial);
            }
        }
    }

    /// A message of a user of ours to somebody who has a session of messages open with him goes into that.
    pub(crate) fn in_open_session(&self, request: &Message, admitted: &Admitted, routed: Destination) -> Destination {
        let is_single = request.method() == Some(Method::Message) && !request.is_within_dialog();
        let Origin::User { aor } = admitted.origin() else { return routed };
        if !is_single || self.gateways.agents_by_pair.is_empty() {
            return routed;
        }
        let target =
            request.request_uri().and_then(|uri| Uri::parse(uri).ok()).and_then(|uri| Aor::from_uri(&uri).ok());
        let agent = target.and_then(|target| self.gateways.agents_by_pair.get(&(aor.clone(), target)));
        agent.map_or(routed, |agent| Destination::Agent(agent.clone()))
    }

    pub(crate) fn serve_gateway(&mut self, now: Instant, serial: u64, request: AdmittedRequest) {
        let AdmittedRequest { message, upstream, .. } = &request;
        let taken =
            self.with_gateway(now, serial, |gateway, random| gateway.handle_request(now, *upstream, message, random));
        let unknown = || Err(Refusal::new(481, Word::DialogUnknown, "the session of messages is over"));
        if let (Err(refusal), Some(upstream)) = (taken.unwrap_or_else(unknown), request.upstream) {
            self.refuse_owned(now, upstream, &request.message, &refusal);
        }
    }

    pub(crate) fn gateway_answered(&mut self, now: Instant, serial: u64, answered: &AgentResponse) {
        self.with_gateway(now, serial, |gateway, random| {
            gateway.handle_response(now, answered.number, &answered.response, random());
        });
    }

    pub(crate) fn wake_gateway(&mut self, now: Instant, serial: u64) {
        self.with_gateway(now, serial, |gateway, _| gateway.handle_timeout(now));
    }

    /// Another worker, or this one, has such a session, or has it no more.
    pub(crate) fn list_gateway(&mut self, user: Aor, peer: Aor, agent: AgentKey, is_open: bool) {
        let pair = (user, peer);
        if is_open {
            self.gateways.agents_by_pair.insert(pair, agent);
        } else if self.gateways.agents_by_pair.get(&pair) == Some(&agent) {
            self.gateways.agents_by_pair.remove(&pair);
        }
    }

    fn list_gateway_everywhere(&mut self, user: Aor, peer: Aor, agent: &AgentKey, is_open: bool) {
        for worker in self.ownership.others() {
            let (user, peer, agent) = (user.clone(), peer.clone(), agent.clone());
            self.hand(worker, Handoff::Gateway { user, peer, agent, is_open });
        }
        self.list_gateway(user, peer, agent.clone(), is_open);
    }

    fn with_gateway<T>(
        &mut self,
        now: Instant,
        serial: u64,
        act: impl FnOnce(&mut Gateway<Upstream>, &mut dyn FnMut() -> u64) -> T,
    ) -> Option<T> {
        let mut running = self.gateways.by_serial.remove(&serial)?;
        let done = self.with_random(|random| act(&mut running.gateway, random));
        self.gateways.by_serial.insert(serial, running);
        self.settle_gateway(now, serial);
        Some(done)
    }

    fn settle_gateway(&mut self, now: Instant, serial: u64) {
        while let Some(running) = self.gateways.by_serial.get_mut(&serial) {
            let Some(output) = running.gateway.poll_output() else {
                let next = running.gateway.next_timeout();
                if let Some(at) = next.filter(|at| running.wakes_at.is_none_or(|set| *at < set || set <= now)) {
                    running.wakes_at = Some(at);
                    self.schedule.push(at, Machine::Gateway(serial));
                }
                return;
            };
            let (user, peer) = (running.gateway.user().clone(), running.gateway.peer().clone());
            let agent = AgentKey::Gateway { worker: self.ownership.worker, serial };
            match output {
                GatewayOutput::Respond { to, status, response } => self.respond(now, to, status, response),
                GatewayOutput::Request { number, speaker: aor, request } => {
                    self.send_for_agent(now, AgentRequest { agent, aor, number: Some(number), request });
                }
                GatewayOutput::Ack(request) => {
                    self.send_for_agent(now, AgentRequest { agent, aor: user, number: None, request });
                }
                GatewayOutput::Closed => self.list_gateway_everywhere(user, peer, &agent, false),
                GatewayOutput::Ended => self.gateways.forget(serial),
            }
        }
    }
}

/// Whether this INVITE is one that we answer, since the devices of its target refuse what it offers: messages within the dialog.
pub(crate) fn is_refused_session(request: &AdmittedRequest, response: &Message) -> bool {
    let is_refused = response.status().is_some_and(|status| REFUSED.contains(&status));
    let is_new_invite = request.message.method() == Some(Method::Invite)
        && !request.message.is_within_dialog()
        && matches!(request.destination, Destination::User(_))
        // A conference offers a session to those who have refused single messages.
        && !matches!(request.ingress, Ingress::Agent(AgentKey::Conference(_)));
    let offer = || Session::of(&request.message).and_then(|body| Offer::parse(&body).ok());
    is_refused && is_new_invite && offer().is_some_and(|offer| Gateway::<Upstream>::is_for(&offer))
}

/// What devices answer that know no session of messages (RFC 3261 sections 21.4.6, 21.4.7, 21.4.13, 21.4.26, 21.5.2, 21.6.4).
const REFUSED: [u16; 6] = [405, 406, 415, 488, 501, 606];
const NEXT_HOP: &str = "the gateway from a session of messages to single messages";
