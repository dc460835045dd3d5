//! Presence (RFC 3856): PUBLISH and SUBSCRIBE for users of ours, and the NOTIFYs that tell their watchers.
//!
//! What is published, who watches and what he is told is `presence`'s. Here policy is asked, and NOTIFYs go out: along the
//! flow of a watcher of our own, or to the partner whose user he is.

use std::time::Instant;

use bytes::Bytes;
use federation::admission::{Admitted, Origin, Tier, vouch};
use federation::external_access::check_goes_on;
use federation::flow::FlowFacts;
use federation::modality::Modality;
use federation::partner::Partners;
use presence::{Notify, Subscribe, SubscriptionId};
use sip::refusal::Word;
use sip::{Aor, FlowId, HeaderName, Message, Method, Refusal, TerminationReason, build};

use crate::core::Core;
use crate::ownership::partner_connection_of;
use crate::route::Destination;
use crate::waiting::Asker;
use crate::{AdmittedRequest, Ingress, Question, Requester, Upstream, WorkerId};

/// Whom somebody watches, and how he is reached.
#[derive(Debug, Clone)]
pub(crate) struct Watcher {
    presentity: Aor,
    /// What his SUBSCRIBE came on.
    flow: FlowFacts,
    /// The partner whose user he is; `None`: he is ours.
    domain: Option<String>,
    /// He is outside, connected to this edge of ours.
    edge: Option<String>,
}

impl Core {
    /// Whether a request for a user is for his presence agent, and not for his devices. What asks for messages that wait (RFC 3842),
    /// as many phones do by themselves, for registrations, watchers or documents is answered by it too, with a no: phones would be
    /// asked what none of them knows. So is what asks for nothing at all (RFC 6665 section 8.2.1).
    pub(crate) fn is_for_presence(request: &Message) -> bool {
        let package = request.header_text(HeaderName::Event).unwrap_or_default();
        let package = package.split(';').next().unwrap_or_default().trim();
        match request.method() {
            Some(Method::Publish) => true,
            Some(Method::Subscribe) => OF_SERVERS.iter().any(|ours| package.eq_ignore_ascii_case(ours)),
            _ => false,
        }
    }

    /// A PUBLISH or SUBSCRIBE about a user of ours who may not exist.
    pub(crate) fn handle_presence(&mut self, now: Instant, aor: &Aor, request: AdmittedRequest) {
        let Some(upstream) = request.upstream else { return };
        let is_within = request.message.is_within_dialog();
        let is_known = is_within || !self.location.lookup(now, aor).is_empty();
        if is_known || request.message.method() == Some(Method::Publish) {
            return self.serve_presence(now, aor, &request);
        }
        let asker = Asker::Recipient(Box::new(request));
        if let Err(Asker::Recipient(request)) = self.ask(now, Question::User(aor.clone()), asker) {
            let refusal = crate::acceptor::overloaded("too many requests wait for an answer");
            self.refuse_owned(now, upstream, &request.message, &refusal);
        }
    }

    pub(crate) fn serve_presence(&mut self, now: Instant, aor: &Aor, request: &AdmittedRequest) {
        let Some(upstream) = request.upstream else { return };
        let served = match request.message.method() {
            Some(Method::Publish) => self.publish(now, aor, request),
            _ => self.subscribe(now, aor, request, upstream),
        };
        match served {
            Ok(response) => {
                self.respond(now, upstream, 200, response);
                self.notify_watchers(now);
            }
            Err(refusal) => self.refuse_owned(now, upstream, &request.message, &refusal),
        }
    }

    fn publish(&mut self, now: Instant, aor: &Aor, request: &AdmittedRequest) -> Result<Bytes, Refusal> {
        let published = self.presence.handle_publish(now, aor, &request.message, &request.admitted)?;
        let response = build::response(&request.message, 200, None, Some(&self.mint.tag(0)))
            .header(HeaderName::SipETag, published.etag)
            .header(HeaderName::Expires, published.expires_secs);
        Ok(response.build())
    }

    fn subscribe(
        &mut self,
        now: Instant,
        aor: &Aor,
        request: &AdmittedRequest,
        upstream: Upstream,
    ) -> Result<Bytes, Refusal> {
        let tag = self.mint.tag(upstream.requester.serial());
        let domain = match request.admitted.origin() {
            Origin::Partner { domain, .. } => Some(domain.clone()),
            Origin::User { .. } | Origin::Remote { .. } | Origin::Inside { .. } => None,
        };
        let message = &request.message;
        // Agents of ours subscribe to nobody.
        let Some(flow) = request.ingress.flow() else { return Err(crate::route::relay_denied("an agent's SUBSCRIBE")) };
        let subscribe = Subscribe {
            aor,
            request: message,
            admitted: &request.admitted,
            is_allowed: may_watch(&request.admitted),
            local_tag: &tag,
            way: Watcher { presentity: aor.clone(), flow: flow.clone(), domain, edge: self.edge_asked_by(request) },
        };
        let counts = &mut self.counts;
        let subscribed = self.presence.handle_subscribe(now, subscribe).inspect_err(|refusal| {
            if refusal.word == Word::TooManySubscriptions {
                counts.hit(subscriptions_limit(&request.admitted));
            }
        })?;
        // Whoever refreshes the subscription asks for the user again, and finds the same agent.
        let response = build::response(message, 200, None, Some(&tag))
            .header(HeaderName::Contact, format_args!("<{}>", aor.uri()))
            .header(HeaderName::Expires, subscribed.expires_secs);
        Ok(response.build())
    }

    /// Sends what the presence agent has to tell.
    pub(crate) fn notify_watchers(&mut self, now: Instant) {
        self.watchers_answered = false;
        while let Some(notify) = self.presence.poll_output(now) {
            self.notify(now, notify);
        }
    }

    fn notify(&mut self, now: Instant, notify: Notify<Watcher>) {
        let Notify { id, way, request } = notify;
        let contact = format!("<{}>", way.presentity.uri());
        let Ok(message) = request.header(HeaderName::Contact, contact).message() else {
            return self.presence.handle_notified(now, id, None, None);
        };
        let destination = match way.domain {
            Some(domain) => {
                let connection = partner_connection_of(&message, &self.organisation, self.limits.partner_connections);
                Destination::to_partner(&domain, connection)
            }
            None => match way.edge {
                Some(edge) => Destination::Edge { edge, phone: None },
                None => {
                    let (worker, flow) = (self.worker_of(way.flow.id), way.flow.id);
                    Destination::Flow { worker, flow, user: None, by_path: false }
                }
            },
        };
        let upstream = Upstream { worker: self.ownership.worker, requester: Requester::Notifier(id.0) };
        let admitted = vouch(&way.presentity);
        let (ingress, upstream) = (Ingress::Notifier, Some(upstream));
        self.give_to_owner(
            now,
            AdmittedRequest {
                message,
                admitted,
                ingress,
                destination,
                routes_taken: 0,
                sent_on_by: Vec::new(),
                upstream,
                admitted_unix_ms: 0,
            },
        );
    }

    /// Ends the subscriptions of partners' users who may not watch any more (RFC 6665 section 4.2.2), now that the list of
    /// partners or a policy is another one than `old`.
    pub(crate) fn end_watching(&mut self, old: &Partners) {
        let (partners, organisation) = (&self.partners, &self.organisation);
        let presence = [Modality::Presence].into_iter().collect();
        self.presence.end_subscriptions(&TerminationReason::Rejected, |presentity, subscriber| {
            let domain = subscriber.domain.as_str();
            let has_left = old.standing(domain).entry().is_some() && partners.standing(domain).entry().is_none();
            !organisation.is_local(domain)
                && (has_left || check_goes_on(partners, Some(presentity), domain, presence).is_err())
        });
    }

    /// A stream is found by way of the worker that accepted it; a datagram goes out from any.
    fn worker_of(&self, flow: FlowId) -> WorkerId {
        match flow {
            FlowId::Stream { worker, .. } => worker,
            FlowId::Datagram { .. } => self.ownership.worker,
        }
    }

    /// An answer to a NOTIFY, from the watcher or of our own where none came.
    pub(crate) fn notified(&mut self, now: Instant, subscription: u64, status: u16, response: Bytes) {
        if status < 200 {
            return;
        }
        let response = Message::parse(response).ok();
        let retry_after = response.and_then(|response| response.seconds(HeaderName::RetryAfter).ok().flatten());
        let status = Some(status).filter(|status| !NO_ANSWER.contains(status));
        self.presence.handle_notified(now, SubscriptionId(subscription), status, retry_after);
        // Not told from here: where many watchers are gone with their connection, each of them would be told from within
        // the one before.
        self.watchers_answered = true;
    }

    /// Tells the agent who can be reached and who cannot any more.
    pub(crate) fn settle_presence(&mut self, now: Instant) {
        while let Some((aor, is_reachable)) = self.location.poll_change() {
            if !is_reachable {
                self.calls.forget(&aor);
                self.record_unreachable(now, &aor);
            }
            self.presence.set_registered(&aor, is_reachable);
        }
        self.notify_watchers(now);
    }
}

/// Our own users see each other, and partners who have an entry see our users. Whoever else found us does not.
fn may_watch(admitted: &Admitted) -> bool {
    !matches!(admitted.origin(), Origin::Partner { standing: Tier::Discovered, .. })
}

fn subscriptions_limit(admitted: &Admitted) -> &'static str {
    match admitted.origin() {
        Origin::User { .. } | Origin::Remote { .. } => "subscriptions_per_user_max",
        Origin::Partner { .. } | Origin::Inside { .. } => "subscriptions_per_partner_max",
    }
}

/// What our side says for a watcher who said nothing, or who could not be reached.
const NO_ANSWER: [u16; 3] = [408, 480, 504];
/// Event packages that are for us to answer: the presence agent and the registrar are here, whether they tell of it or not.
const OF_SERVERS: [&str; 6] = ["presence", "message-summary", "presence.winfo", "reg", "xcap-diff", ""];
