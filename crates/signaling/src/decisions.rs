//! Keeps every decision, so that `comity why` and `comity partner show` can tell.

use std::sync::Arc;
use std::time::Instant;

use federation::admission::{Admitted, Origin};
use federation::decision::{Answerer, Connection, DecisionRecord, Outcome};
use federation::flow::Direction;
use federation::screen::CALL_ID_BYTES_MAX;
use sip::refusal::Word;
use sip::{Aor, Diagnostics, FlowId, HeaderName, Message, Method, Refusal, Uri};

use crate::acceptor::Arrival;
use crate::agent::AgentKey;
use crate::core::Core;
use crate::escalation::Way;
use crate::route::Destination;
use crate::{AdmittedRequest, Ingress, Output, Requester};

impl Core {
    pub(crate) fn record_admitted(&mut self, now: Instant, arrival: &Arrival, admitted: &Admitted) {
        let mut outcome = Outcome::from(admitted);
        if let Outcome::Admitted { origin: Origin::Partner { .. } | Origin::Inside { .. }, peer, .. } = &mut outcome {
            *peer = Some(self.flows.peer(&arrival.facts));
        }
        self.record_after(now, &arrival.message, arrival.came_at, outcome);
    }

    /// A challenge is no refusal yet: the answer to it is what counts.
    pub(crate) fn record_refused(&mut self, now: Instant, request: &Message, refusal: &Refusal) {
        match refusal.word {
            Word::AuthenticationRequired => self.counts.challenged += 1,
            _ => self.record(now, request, Outcome::from(refusal)),
        }
    }

    /// Refused before it was judged, at no cost to its sender: what is remembered of those pushes out nothing else.
    pub(crate) fn record_turned_away(&mut self, now: Instant, flow: FlowId, request: &Message, refusal: &Refusal) {
        let record = self.record_of(request, 0, Outcome::from(refusal));
        self.counts.refused(record.direction, refusal.word);
        self.remember_turned_away(now, flow, record);
    }

    /// The sender of a datagram is only a claim, but where users have signed in by datagrams.
    pub(crate) fn remember_turned_away(&mut self, now: Instant, flow: FlowId, record: DecisionRecord) {
        let is_somebody = match flow {
            FlowId::Datagram { remote, .. } => self.proven_addresses.has(now, remote.ip()),
            _ => true,
        };
        if is_somebody {
            self.turned_away.record(self.unix_ms(now), record);
        }
    }

    /// By its From, which may be a claim only.
    pub(crate) fn direction_of(&self, request: &Message) -> Direction {
        self.direction(&from_domain(request))
    }

    pub(crate) fn direction(&self, from_domain: &str) -> Direction {
        match self.organisation.domains.iter().any(|domain| domain == from_domain) {
            true => Direction::Outbound,
            false => Direction::Inbound,
        }
    }

    pub(crate) fn record_routed(&mut self, now: Instant, request: &Message, next_hop: &str) {
        self.record(now, request, Outcome::Routed { next_hop: next_hop.to_owned(), connection: None });
    }

    /// How a call that begins is carried, and could become a meeting.
    pub(crate) fn record_way(&mut self, now: Instant, request: &Message, way: Way) {
        let Way { stands_between, reason } = way;
        self.record(now, request, Outcome::Way { stands_between, reason });
    }

    /// Of a call whose sound goes through us.
    pub(crate) fn record_anchored(&mut self, now: Instant, request: &Message, reason: String) {
        self.record(now, request, Outcome::Anchored { reason });
    }

    /// Of a message that waits for its user's consent, or is said to.
    pub(crate) fn record_held(&mut self, now: Instant, request: &Message, reason: String) {
        self.record(now, request, Outcome::Held { reason });
    }

    /// Sent to a partner's server; `since` is when it began to wait for the connection.
    pub(crate) fn record_sent(&mut self, now: Instant, request: &Message, since: Instant, over: Arc<Connection>) {
        let outcome = Outcome::Routed { next_hop: over.host.clone(), connection: Some(over) };
        self.record_after(now, request, since, outcome);
    }

    /// A partner's server failed the request, and the next one is tried.
    pub(crate) fn record_retried(&mut self, now: Instant, request: &Message, since: Instant, reason: &str) {
        self.record_after(now, request, since, Outcome::Retried { reason: reason.to_owned() });
    }

    /// A partner's final answer. The word is another Comity's, where it says one.
    pub(crate) fn record_answered(&mut self, now: Instant, request: &Message, since: Instant, response: &Message) {
        let Some(status) = response.status() else { return };
        self.record_after(now, request, since, answered(status, response, Answerer::Partner));
    }

    /// The final answer to a request that was let in, of a user's device or of what is behind this edge. What we ask ourselves is
    /// none of anybody's, and a challenge no answer yet.
    pub(crate) fn answered_here(
        &self,
        now: Instant,
        request: &AdmittedRequest,
        response: &Message,
    ) -> Option<DecisionRecord> {
        let by = match &request.destination {
            Destination::User(_)
            | Destination::Flow { .. }
            | Destination::InDialog { .. }
            | Destination::Edge { .. } => Answerer::Device,
            Destination::Inside { .. } => Answerer::Inside,
            _ => return None,
        };
        let status = response.status().filter(|status| !matches!(status, 401 | 407) && is_of_others(request))?;
        let spent_ms = self.since_admission(now, request);
        Some(self.record_of(&request.message, spent_ms, answered(status, response, by)))
    }

    /// No device answered, and the sender is told so.
    pub(crate) fn record_unanswered(&mut self, now: Instant, request: &AdmittedRequest, status: u16) {
        if is_of_others(request)
            && matches!(
                request.destination,
                Destination::User(_) | Destination::Flow { .. } | Destination::InDialog { .. }
            )
        {
            let outcome = Outcome::Answered { status, word: None, by: Answerer::Nobody, diagnostics: None };
            let record = self.record_of(&request.message, self.since_admission(now, request), outcome);
            self.keep_record(now, record);
        }
    }

    /// In milliseconds.
    fn since_admission(&self, now: Instant, request: &AdmittedRequest) -> u64 {
        self.unix_ms(now).saturating_sub(request.admitted_unix_ms)
    }

    /// Somebody was removed from a meeting here, because he may not be spoken to any more.
    pub(crate) fn record_removed(&mut self, now: Instant, call_id: &str, who: &Aor, refusal: &Refusal) {
        self.record_ended(now, call_id, who.domain(), "removed from a meeting", refusal);
    }

    /// We ended a call or a session ourselves; `domain` is of whom we ended it with.
    pub(crate) fn record_ended(&mut self, now: Instant, call_id: &str, domain: &str, what: &str, refusal: &Refusal) {
        let reason = format!("{what}: {}", refusal.reason);
        let own = self.organisation.domains.first().cloned().unwrap_or_default();
        self.record_unsent(now, Method::Bye, call_id, [&own, domain], &Refusal { reason, ..refusal.clone() });
    }

    /// There are no ports for the sound of somebody in a meeting of this address. Without a Call-ID we were about to call him.
    pub(crate) fn record_soundless(
        &mut self,
        now: Instant,
        meeting: &Aor,
        who: &Aor,
        call_id: Option<String>,
        why: &str,
    ) {
        let ends = match call_id {
            Some(_) => [who.domain(), meeting.domain()],
            None => [meeting.domain(), who.domain()],
        };
        let reason = format!("there are no ports for sound in the meeting: {why}");
        let refusal = Refusal::new(503, Word::NoMedia, reason);
        self.record_unsent(now, Method::Invite, &call_id.unwrap_or_default(), ends, &refusal);
    }

    /// Of no request that came or went.
    fn record_unsent(&mut self, now: Instant, method: Method, call_id: &str, [from, to]: [&str; 2], refusal: &Refusal) {
        self.keep_record(
            now,
            DecisionRecord {
                call_id: call_id.to_owned(),
                method: method.as_str().to_owned(),
                direction: self.direction(from),
                from_domain: from.to_owned(),
                to_domain: to.to_owned(),
                outcome: Outcome::from(refusal),
                spent_ms: 0,
            },
        );
    }

    fn record(&mut self, now: Instant, request: &Message, outcome: Outcome) {
        self.record_after(now, request, now, outcome);
    }

    fn record_after(&mut self, now: Instant, request: &Message, since: Instant, outcome: Outcome) {
        let spent = now.saturating_duration_since(since).as_millis();
        let record = self.record_of(request, u64::try_from(spent).unwrap_or(u64::MAX), outcome);
        self.keep_record(now, record);
    }

    pub(crate) fn record_of(&self, request: &Message, spent_ms: u64, outcome: Outcome) -> DecisionRecord {
        let from_domain = from_domain(request);
        let to_domain = to_domain(request).unwrap_or_default();
        DecisionRecord {
            call_id: request.call_id().map(cut_word).unwrap_or_default(),
            method: request.method().map(|method| cut_word(method.as_str())).unwrap_or_default(),
            direction: self.direction(&from_domain),
            from_domain,
            to_domain,
            outcome,
            spent_ms,
        }
    }

    pub(crate) fn keep_record(&mut self, now: Instant, record: DecisionRecord) {
        self.counts.decided(&record);
        self.count(now, &record);
        let record = Arc::new(record);
        self.decisions.record(self.unix_ms(now), record.clone());
        self.put(Output::Decided(record));
    }
}

fn answered(status: u16, response: &Message, by: Answerer) -> Outcome {
    let diagnostics = Diagnostics::of_message(response).filter(|_| status >= 300);
    Outcome::Answered { status, word: word_of(response), by, diagnostics }
}

/// A Call-ID, or another word of a request, as it is remembered: of what is too long, and refused, the beginning.
pub fn cut_word(word: &str) -> String {
    word.chars().take(CALL_ID_BYTES_MAX).collect()
}

/// Whether somebody else asks. What we pass on between the two dialogs of a call is of theirs; what keeps it alive is our own
/// question.
fn is_of_others(request: &AdmittedRequest) -> bool {
    let is_passed = matches!(request.ingress, Ingress::Agent(AgentKey::Call { .. }))
        && request.message.method() != Some(Method::Options);
    request.upstream.is_some_and(|upstream| is_passed || matches!(upstream.requester, Requester::Outside(_)))
}

fn from_domain(request: &Message) -> String {
    request.from().map(|from| cut_word(&from.uri().host_lowercase())).unwrap_or_default()
}

/// Within a dialog the Request-URI is a phone's address, which says nothing to people.
fn to_domain(request: &Message) -> Option<String> {
    let to = request.to().ok()?;
    if to.tag().is_some() {
        return Some(cut_word(&to.uri().host_lowercase()));
    }
    let uri = request.request_uri().and_then(|uri| Uri::parse(uri).ok())?;
    Some(cut_word(&uri.host_lowercase()))
}

/// The public word of a refusal, ours or another Comity's.
pub fn word_of(response: &Message) -> Option<String> {
    let warning = response.header_text(HeaderName::Warning).unwrap_or_default();
    warning.split('"').nth(1).filter(|word| is_word(word)).map(str::to_owned)
}

/// As our own refusals are worded: what a stranger writes there is not repeated.
fn is_word(text: &str) -> bool {
    (1..=WORD_CHARS_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
}

const WORD_CHARS_MAX: usize = 40;
