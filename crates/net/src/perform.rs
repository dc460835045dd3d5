//! Doing what the core asks for, one output at a time and in order.

use std::time::Duration;

use bytes::Bytes;
use federation::discovery::{HostFailure, SrvFailure};
use federation::look_alike::LookAlike;
use messaging::NotStored;
use signaling::{Answer, Handoff, Input, Output, Question, QuestionId, Reach, ReachedProvider, WorkerId};
use sip::{FlowId, Transport};
use tokio::task::spawn_local;

use crate::accounts::{broken, reply};
use crate::connect::Called;
use crate::flow::{Fate, MovedFlow};
use crate::wire_log::{self, Way};
use crate::worker::Worker;
use crate::{WorkerMessage, connect};

impl Worker {
    pub(crate) fn perform(&mut self, output: Output) {
        match output {
            Output::Transmit { flow: FlowId::Datagram { listener, remote }, bytes } => {
                self.send_datagram(listener, remote, &bytes);
            }
            Output::Transmit { flow, bytes } => self.transmit(flow, bytes),
            Output::CloseFlow { flow } => self.close(flow),
            Output::SlowFlow { flow } => self.slow(flow),
            Output::MoveFlow { flow, .. } => self.move_flow(flow),
            Output::Handoff { to, handoff } => self.hand_off(to, handoff),
            Output::Ask { id, question } => self.ask(id, question),
            Output::KeepMeeting(meeting) => self.accounts.keep_meeting(*meeting),
            Output::Media(command) => self.media.command(command),
            Output::Record(record) => self.accounts.record(record),
            Output::LookAlike(LookAlike { domain, of, likeness }) => {
                tracing::warn!(domain, of, ?likeness, "a domain without an entry looks like one that is trusted here");
            }
            Output::PartnerReach { domain, provider: None, reach, is_monitored } => {
                warn_of_reach(&domain, reach, is_monitored);
            }
            Output::PartnerReach { provider: Some(provider), reach, is_monitored, .. } => {
                warn_of_provider(&provider, reach, is_monitored);
            }
            Output::PartnerNames { domain, is_stale: true } => tracing::warn!(
                domain,
                "the name servers do not answer for a partner; what they said last is believed for a day at most"
            ),
            Output::PartnerNames { domain, is_stale: false } => {
                tracing::warn!(domain, "the name servers answer for a partner again");
            }
            Output::KeepSuspect(suspect) => {
                let domains = suspect.domains.join(" ");
                tracing::warn!(
                    domains,
                    issuer = suspect.certificate.issuer,
                    serial = suspect.certificate.serial,
                    "a discovered partner is suspect: it asks for users who do not exist"
                );
                self.accounts.keep_suspect(*suspect);
            }
            Output::KeepAnswer(answer) => self.accounts.keep_answer(answer),
            // The core keeps it; here it is only told to whoever watches the log.
            Output::Decided(record) => tracing::debug!(?record, "decided"),
        }
    }

    /// Queues a message; the queue is written when the entry in hand ends, so that messages share a system call.
    pub(crate) fn transmit(&mut self, id: FlowId, bytes: Bytes) {
        self.counters.messages_sent += 1;
        self.queue(id, bytes);
    }

    pub(crate) fn queue(&mut self, id: FlowId, bytes: Bytes) {
        let Some(flow) = self.flows.get_mut(&id).filter(|flow| !flow.is_closing()) else {
            self.counters.transmits_without_flow += 1;
            return;
        };
        wire_log::message(Way::Out, flow.facts(), &bytes);
        flow.queue(self.now, bytes);
        if flow.queued_bytes() > self.limits.output_bytes_max {
            self.relieve(id);
        }
        self.mark_dirty(id);
    }

    /// The queue is over its limit: write now, or give up on a peer that does not read.
    pub(crate) fn relieve(&mut self, id: FlowId) {
        let Some(flow) = self.flows.get_mut(&id) else { return };
        let output_bytes_max = self.limits.output_bytes_max;
        if flow.flush().is_ok() && flow.queued_bytes() <= output_bytes_max {
            return;
        }
        self.counters.slow_readers_ended += 1;
        self.alarms.output.ring(self.now, "output_bytes_max", output_bytes_max);
        tracing::debug!(flow = ?id, "the peer does not read");
        self.end(id, Fate::Ended);
    }

    pub(crate) fn mark_dirty(&mut self, id: FlowId) {
        if self.flows.get_mut(&id).is_some_and(|flow| flow.mark_dirty()) {
            self.dirty.push(id);
        }
    }

    /// Ends the flow once its queue is written.
    pub(crate) fn close(&mut self, id: FlowId) {
        if let Some(flow) = self.flows.get_mut(&id) {
            flow.close(self.now);
            self.mark_dirty(id);
        }
    }

    /// What was read of the flow already waits as well.
    fn slow(&mut self, id: FlowId) {
        if let Some(flow) = self.flows.get_mut(&id) {
            flow.pause(self.now + PAUSE_TIME);
        }
    }

    /// Takes the flow from its task. It goes with what the core says of it, which is the next output.
    fn move_flow(&mut self, id: FlowId) {
        let moved = self.flows.remove(&id).map(|flow| flow.into_moved());
        self.counters.flows = self.flows.len();
        match moved {
            Some(Ok(moved)) => self.moving = Some(moved),
            failed => {
                let error = failed.and_then(Result::err);
                tracing::debug!(flow = ?id, ?error, "a flow that was to move is gone");
                self.not_moved(id);
            }
        }
    }

    /// The core believes the flow with the other worker, which will never say that it has ended.
    fn not_moved(&mut self, id: FlowId) {
        self.ended.push_back(id);
        self.core.handle_input(self.now, Input::Handoff(Handoff::FlowEnded { flow: id }));
    }

    fn give_away(&mut self, moved: MovedFlow, to: WorkerId, known: Handoff) {
        let id = moved.facts().id;
        let mailbox = self.mailboxes.get(usize::from(to)).filter(|_| to != self.id);
        if mailbox.is_some_and(|mailbox| mailbox.send(WorkerMessage::Adopt { moved: Box::new(moved), known })) {
            self.counters.flows_given_away += 1;
        } else {
            tracing::debug!(flow = ?id, to, "a flow cannot move there");
            self.not_moved(id);
        }
    }

    fn hand_off(&mut self, to: WorkerId, handoff: Handoff) {
        if let Handoff::FlowMoved { flow, .. } = &handoff
            && let Some(moved) = self.moving.take_if(|moving| moving.facts().id == *flow)
        {
            return self.give_away(moved, to, handoff);
        }
        let Some(mailbox) = self.mailboxes.get(usize::from(to)) else {
            tracing::debug!(to, "there is no such worker");
            return;
        };
        // One that has ended before this one, as the server ends, takes nothing.
        if !mailbox.send(WorkerMessage::Handoff(handoff)) && !mailbox.is_closed() {
            self.alarms.handoffs.ring(self.now, "mailbox", mailbox.capacity());
        }
    }

    fn name_looked_up(&mut self, has_failed: bool) {
        self.counters.dns_questions += 1;
        self.counters.dns_failures += u64::from(has_failed);
    }

    /// Every question gets exactly one answer: the tasks below end by answering, whatever happens to them.
    fn ask(&mut self, id: QuestionId, question: Question) {
        let worker = self.shared();
        let resolver = self.resolver.clone();
        let resolve_time = self.limits.resolve_time();
        let asker = (id, self.mailbox());
        match question {
            Question::Credentials(aor) => {
                self.accounts.credentials(aor, reply(asker, Err(broken()), Answer::Credentials));
            }
            Question::User(aor) => self.accounts.exists(aor, reply(asker, Err(broken()), Answer::User)),
            Question::Store(new) => {
                self.accounts.store(*new, reply(asker, Err(NotStored::Failed(broken())), Answer::Stored));
            }
            Question::NextStored { aor, after, now_unix_ms } => {
                let reply = reply(asker, Err(broken()), Answer::NextStored);
                self.accounts.next_stored(aor, after, now_unix_ms, reply);
            }
            Question::Settle { id: message, is_delivered } => {
                self.accounts.settle(message, is_delivered, reply(asker, Err(broken()), Answer::Settled));
            }
            Question::Approach(approach) => {
                self.accounts.approach(*approach, reply(asker, Err(broken()), Answer::Approached));
            }
            Question::ConsentAnswer(answer) => {
                self.accounts.answer_consent(*answer, reply(asker, Err(broken()), Answer::ConsentAnswered));
            }
            Question::Agree { aor, sender, now_unix_ms } => {
                self.accounts.agree(aor, sender, now_unix_ms, reply(asker, Err(broken()), Answer::Agreed));
            }
            Question::Srv { domain } => {
                spawn_local(async move {
                    let result = tokio::time::timeout(resolve_time, resolver.srv_anew(&domain)).await;
                    let result = result.unwrap_or(Err(SrvFailure::Timeout));
                    let mut worker = worker.borrow_mut();
                    worker.name_looked_up(result.as_ref().is_err_and(SrvFailure::is_temporary));
                    worker.answer(id, Answer::Srv(result));
                });
            }
            Question::Addresses { host } => {
                spawn_local(async move {
                    let result = tokio::time::timeout(resolve_time, resolver.addresses_anew(&host)).await;
                    let result = result
                        .unwrap_or_else(|_| Err(HostFailure::Unanswered(format!("the lookup of {host} timed out"))));
                    let mut worker = worker.borrow_mut();
                    worker.name_looked_up(result.is_err());
                    worker.answer(id, Answer::Addresses(result));
                });
            }
            Question::OpenLeg { leg } => {
                let no_thread = Err("no media thread takes it".to_owned());
                self.media.open_leg(leg, reply(asker, no_thread, Answer::LegOpened));
            }
            Question::Connect { remote, server_name, certificate } => {
                let called = Called { remote, server_name, transport: Transport::Tls, is_inner: false, certificate };
                spawn_local(connect::connect(worker, id, called));
            }
            Question::ConnectInside { remote, server_name, transport } => {
                let called = Called { remote, server_name, transport, is_inner: true, certificate: 0 };
                spawn_local(connect::connect(worker, id, called));
            }
        }
    }
}

/// Names and addresses of servers are for `comity partner show`.
fn warn_of_reach(domain: &str, reach: Reach, monitored: bool) {
    match reach {
        Reach::Reachable => tracing::warn!(domain, monitored, "a partner can be reached again"),
        Reach::OutOfReach => {
            tracing::warn!(domain, monitored, "a partner is out of reach; comity partner show says why")
        }
        Reach::HangsUp => tracing::warn!(
            domain,
            monitored,
            "a partner ends connections as soon as they are up, most likely for our certificate; its own log says why"
        ),
        Reach::CertificateRefused => {
            tracing::warn!(domain, monitored, "a partner's certificate is refused; comity partner show says why");
        }
    }
}

/// Once for all domains behind it.
fn warn_of_provider(ReachedProvider { name, domains }: &ReachedProvider, reach: Reach, monitored: bool) {
    match reach {
        Reach::Reachable => tracing::warn!(
            provider = name,
            domains,
            monitored,
            "a hosting provider can be reached again, and the domains behind it"
        ),
        Reach::OutOfReach => tracing::warn!(
            provider = name,
            domains,
            monitored,
            "a hosting provider is out of reach, and the domains behind it; comity provider show says why"
        ),
        Reach::HangsUp => tracing::warn!(
            provider = name,
            domains,
            monitored,
            "a hosting provider ends connections as soon as they are up, most likely for our certificate, for all domains behind \
             it; its own log says why"
        ),
        Reach::CertificateRefused => tracing::warn!(
            provider = name,
            domains,
            monitored,
            "the certificate of a hosting provider is refused, for all domains behind it; comity provider show says why"
        ),
    }
}

/// Fifty refusals a second are enough for whoever reads them.
const PAUSE_TIME: Duration = Duration::from_millis(20);
