//! One worker's core: takes an input, lets the machines work, and settles what they put out.
//!
//! What lives here is the dispatch and the order of things. Requests as they arrive are `acceptor`'s, what a target's
//! owner does with them is `owner`'s, connections to partners are `links`'.

mod clock;
mod config;
mod ports;
mod settling;
mod state;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use conference::schedule::Meetings;
use federation::admission::{GuessBook, Organisation};
use federation::decision::Decisions;
use federation::discovery::{DiscoveryCache, KnownHosts};
use federation::flow::{Direction, FlowFacts};
use federation::ledger::{DiscoveredTerms, Ledgers};
use federation::look_alike::TrustedNames;
use federation::partner::Partners;
use media::MediaCommand;
use messaging::{Pager, Queues, StoreAndForward};
use presence::PresenceAgent;
use registrar::{EdgeFlow, LocationService};
use sip::auth::NonceBook;
use sip::proxy::forward::response_address;
use sip::transaction::TransactionLayer;
use sip::{Aor, FlowId, Message};

pub use config::{CoreConfig, Listener};

use crate::acceptor::Acceptor;
use crate::agent::Asked;
use crate::aliases::Aliases;
use crate::b2bua::Between;
use crate::calls::Calls;
use crate::conferences::Conferences;
use crate::counts::CoreCounts;
use crate::elsewhere::{EndedFlows, Orphans};
use crate::failover::Failover;
use crate::flow_shares::FlowShares;
use crate::flow_table::FlowTable;
use crate::gateway::Gateways;
use crate::handoff::Responder;
use crate::leg_shares::LegShares;
use crate::links::Links;
use crate::metering::Metering;
use crate::owner::Owner;
use crate::partner_status::PartnerCounts;
use crate::presence::Watcher;
use crate::proven_phones::ProvenPhones;
use crate::reach::Reaches;
use crate::records::Records;
use crate::refresh::StaleTold;
use crate::remote::Remotes;
use crate::replacing::Proxied;
use crate::schedule::{Machine, Schedule};
use crate::stateless::{ProvenAddresses, Surplus};
use crate::strangers::Strangers;
use crate::token::Mint;
use crate::waiting::Waiters;
use crate::{CallSettings, Handoff, Input, Limits, Output, Ownership, WorkerId};

/// The engine of one worker. Feed it, drain it, wake it.
pub struct Core {
    pub(crate) ownership: Ownership,
    pub(crate) organisation: Arc<Organisation>,
    pub(crate) listeners: Vec<Listener>,
    pub(crate) limits: Limits,
    pub(crate) mint: Mint,
    pub(crate) partners: Arc<Partners>,
    pub(crate) meetings: Arc<Meetings>,
    pub(crate) nonces: NonceBook,
    pub(crate) guesses: GuessBook,
    pub(crate) discovery: DiscoveryCache,
    pub(crate) hosts: KnownHosts,
    pub(crate) stale_told: StaleTold,
    pub(crate) flows: FlowTable,
    pub(crate) transactions: TransactionLayer,
    pub(crate) acceptor: Acceptor,
    pub(crate) surplus: Surplus,
    pub(crate) proven_addresses: ProvenAddresses,
    pub(crate) strangers: Strangers,
    pub(crate) remotes: Remotes,
    pub(crate) proven_phones: ProvenPhones,
    pub(crate) owner: Owner,
    pub(crate) links: Links,
    pub(crate) aliases: Aliases,
    pub(crate) ended_flows: EndedFlows,
    pub(crate) orphans: Orphans,
    pub(crate) failover: Failover,
    pub(crate) reaches: Reaches,
    pub(crate) discovered: DiscoveredTerms,
    pub(crate) ledgers: Ledgers,
    /// Made when somebody comes who is not among them; forgotten when the partners change.
    pub(crate) trusted_names: Option<TrustedNames>,
    /// Those with a policy or group of their own, as tokens name them; made and forgotten likewise.
    pub(crate) users_with_terms: Option<BTreeMap<u64, Aor>>,
    pub(crate) counts: CoreCounts,
    pub(crate) counts_by_partner: BTreeMap<String, PartnerCounts>,
    pub(crate) location: LocationService,
    pub(crate) pager: Pager,
    pub(crate) store_and_forward: StoreAndForward,
    pub(crate) queues: Queues,
    pub(crate) presence: PresenceAgent<Watcher>,
    pub(crate) calls: Calls,
    pub(crate) asked: Asked,
    pub(crate) conferences: Conferences,
    pub(crate) between: Between,
    pub(crate) leg_shares: LegShares,
    pub(crate) flow_shares: FlowShares,
    pub(crate) proxied: Proxied,
    pub(crate) call_settings: CallSettings,
    pub(crate) gateways: Gateways,
    pub(crate) records: Records,
    /// Stored messages sent again because it was never recorded what became of them.
    pub(crate) stored_repeats: u64,
    pub(crate) decisions: Decisions,
    /// Refusals of what was not judged.
    pub(crate) turned_away: Decisions,
    pub(crate) schedule: Schedule,
    /// The registrar's entry in the schedule, so that not every REGISTER adds one.
    registrar_wakes_at: Option<Instant>,
    /// The presence agent's, likewise.
    presence_wakes_at: Option<Instant>,
    /// That of what the DNS said, likewise.
    discovery_wakes_at: Option<Instant>,
    /// A NOTIFY has its answer: the next one of its subscription may be due.
    pub(crate) watchers_answered: bool,
    pub(crate) waiters: Waiters,
    outputs: VecDeque<Output>,
    /// A moment, and what the clock of the machine said then.
    clock: (Instant, u64),
    random_state: u64,
    /// Counts the numbers that nobody is to guess: who sees one learns of no other.
    pub(crate) unguessable: u64,
    pub(crate) undeliverable: u64,
    /// New requests outside of dialogs are refused.
    pub(crate) is_draining: bool,
}

impl Core {
    /// Takes one input. Drain [`Core::poll_output`] before the next one.
    pub fn handle_input(&mut self, now: Instant, input: Input) {
        match input {
            Input::FlowOpened(facts) => self.flow_opened(now, facts),
            Input::FlowBroke { flow, how } => self.links.flow_broke(flow, how),
            Input::FlowClosed(flow) => self.flow_closed(now, flow),
            Input::Message { flow, message } => {
                if let Some(facts) = self.flows.get(flow).map(|state| state.facts.clone()) {
                    self.handle_message(now, facts, message);
                }
            }
            Input::Datagram { facts, message } => self.handle_datagram(now, facts, message),
            Input::Answer { id, answer } => self.handle_answer(now, id, Some(answer)),
            Input::Media(event) => self.handle_media(now, event),
            Input::Handoff(handoff) => self.handle_handoff(now, handoff),
            Input::Partners(partners) => self.replace_partners(now, partners),
            Input::Meetings(meetings) => self.replace_meetings(now, meetings),
            Input::StoredFor(aor) => {
                if self.ownership.is_ours(self.ownership.of_aor(&aor)) {
                    self.forward_what_came(now, &aor);
                }
            }
            Input::UserRemoved(aor) => self.user_removed(now, &aor),
            // Whoever opens one is, or says to be, one of ours.
            Input::WebSocketRefused(word) => self.counts.refused(Direction::Outbound, word),
            Input::Clock { unix_ms } => self.clock = (now, unix_ms),
            Input::Drain => self.drain(now),
        }
        self.settle(now);
    }

    /// Wakes every machine whose time has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.handle_timeouts(now, usize::MAX);
    }

    /// Wakes so many of them: what thousands began at the same time ends at the same time, too, and others are not to wait for
    /// all of it. [`Core::poll_timeout`] says when the rest is due.
    pub fn handle_timeouts(&mut self, now: Instant, count_max: usize) {
        for _ in 0..count_max {
            let Some(machine) = self.schedule.pop_due(now) else { return };
            match machine {
                Machine::Transaction(key) => self.transactions.handle_timeout(now, key),
                Machine::Context(id) => self.wake_context(now, id),
                Machine::Waiting(id) => self.give_up_waiting(now, id),
                Machine::Asked(serial) => self.give_up_asking(now, serial),
                Machine::Conference(serial) => self.wake_conference(now, serial),
                Machine::Call(serial) => self.wake_call(now, serial),
                Machine::Gateway(serial) => self.wake_gateway(now, serial),
                Machine::Undecided(flow) => self.close_undecided(now, flow),
                Machine::Discovery => self.refresh_discovery(now),
                Machine::Dial(serial) => self.dial_beside(now, serial),
                Machine::Registrar => self.location.expire(now),
                Machine::Presence => self.presence.handle_timeout(now),
                Machine::Settlement(settlement) => self.record_settled(now, settlement),
                Machine::Queues => self.wake_queues(now),
                Machine::Draining => self.let_go_of_idle_flows(now),
            }
            self.settle(now);
        }
    }

    /// When to call [`Core::handle_timeout`] at the latest.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.schedule.next()
    }

    /// The next thing for the shell to do, in order.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// A message from outside, on whichever flow and worker it came.
    fn handle_message(&mut self, now: Instant, facts: FlowFacts, message: Message) {
        if message.is_request() {
            self.accept(now, &facts, message);
        } else {
            self.target_answered(now, facts.id, &message);
            let is_certified = facts.secure_certificate().is_some();
            let from = Responder { flow: facts.id, is_certified, is_inner: facts.is_inner };
            self.handle_response(now, from, message);
        }
    }

    /// Whoever sends from one port and listens at another is reached where he listens, by requests of ours as well.
    /// A datagram may have reached any worker; responses find their owner by their branch.
    fn handle_datagram(&mut self, now: Instant, mut facts: FlowFacts, message: Message) {
        if let FlowId::Datagram { remote, .. } = &mut facts.id
            && message.is_request()
        {
            *remote = response_address(&message, *remote);
            facts.remote = *remote;
        }
        let owner = message.call_id().map(|call_id| self.ownership.of_datagrams(call_id));
        match owner {
            Ok(owner) if message.is_request() && !self.ownership.is_ours(owner) => {
                self.hand(owner, Handoff::Datagram { facts, message: Box::new(message) });
            }
            _ => self.handle_message(now, facts, message),
        }
    }

    fn handle_handoff(&mut self, now: Instant, handoff: Handoff) {
        match handoff {
            Handoff::Datagram { facts, message } => self.handle_message(now, facts, *message),
            Handoff::Request(request) => self.own(now, *request),
            Handoff::Redirected(request) => self.redirected(now, *request),
            Handoff::Transferred(request) => self.find_replaced(now, *request),
            Handoff::StoredFor { aor } => self.forward_what_came(now, &aor),
            Handoff::Metered { request, in_dialog, refused } => {
                self.meter_handed(now, *request, Metering { in_dialog, refused });
            }
            Handoff::TooFast { flow, per_sec, retry_after_secs } => {
                self.note_pace(now, flow, per_sec, retry_after_secs);
            }
            Handoff::Missed { certificate, user } => self.count_missed(now, &certificate, user),
            Handoff::TurnedTo { user, domain } => drop(self.ledgers.turned_to(user, &domain)),
            // On the way that its request took.
            Handoff::Cancel { upstream, owner, reason, .. } if !self.ownership.is_ours(owner) => {
                self.hand(owner, Handoff::Cancel { upstream, owner, by_ledger: false, reason });
            }
            Handoff::Cancel { upstream, reason, .. } => self.cancel_owned(now, upstream, reason),
            Handoff::Respond { to, status, response, source } => self.respond_here(now, to, status, response, source),
            Handoff::Response { from, message } => self.handle_response(now, from, *message),
            Handoff::Transmit { flow, bytes } => self.transmit_handed(now, flow, bytes),
            Handoff::FlowMoved { flow, kind, users } => {
                if let Some(state) = self.flows.get_mut(flow) {
                    state.kind = kind;
                    state.users = users;
                }
            }
            Handoff::FlowEnded { flow } => self.flow_ended_elsewhere(now, flow),
            Handoff::Alias { domain, alias } => self.aliases.insert(&domain, *alias),
            Handoff::Orphans { orphans, worker } => self.hear_of_orphans(now, orphans, worker),
            Handoff::CancelOrphan { server, reason } => self.cancel(now, server, reason),
            Handoff::RespondOverLink { domain, connection, bytes } => {
                self.transmit_over_link(now, self.partner_link(&domain, connection), bytes);
            }
            Handoff::Engaged { aor, engagement, is_under_way } => {
                self.change_engagement(now, &aor, engagement, is_under_way);
            }
            Handoff::Gateway { user, peer, agent, is_open } => self.list_gateway(user, peer, agent, is_open),
            Handoff::Registered { aor, is_new_flow } => self.registration_answered(now, aor, is_new_flow),
            Handoff::CallRecord(news) => self.hear_of_call(now, news),
            Handoff::WatchPartner { domain, watcher } => self.failover.watch(domain, watcher),
            Handoff::PartnerReach(change) => self.tell_reach(now, change),
            Handoff::PartnerNames { domain, is_stale } => self.tell_names(domain, is_stale),
            Handoff::PhoneGone { edge, number } => self.phone_lost(EdgeFlow { edge, number }),
            Handoff::PhoneProven { edge, number, user, secs } => {
                self.phone_proven(now, EdgeFlow { edge, number }, (user, secs));
            }
            Handoff::Narrowed(narrowed) => self.end_behind(now, &narrowed),
            Handoff::PartnerHeard { domain } => {
                self.failover.health.forget(&domain);
            }
        }
    }

    pub(crate) fn put(&mut self, output: Output) {
        if let Output::Media(MediaCommand::Close { leg }) = &output {
            self.leg_shares.give_back(*leg);
        }
        self.outputs.push_back(output);
    }

    pub(crate) fn hand(&mut self, to: WorkerId, handoff: Handoff) {
        self.put(Output::Handoff { to, handoff });
    }
}
