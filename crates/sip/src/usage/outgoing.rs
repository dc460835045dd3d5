//! What we offer, and the ACKs that we owe.

use std::time::{Duration, Instant};

use super::incoming::Theirs;
use super::{Due, InviteUsage, Session, UsageEnd, UsageOutput};
use crate::build::RequestBuilder;
use crate::{HeaderName, Message, Method};

/// Our INVITE.
#[derive(Debug)]
pub(super) enum Ours {
    Idle,
    ExpectFinal {
        sequence: u32,
        has_offered: bool,
    },
    /// The 2xx brought an offer: the ACK has to wait for our answer to it.
    ExpectAcknowledgement {
        sequence: u32,
    },
    /// The ACK, for each time that the 2xx is repeated.
    Acknowledged {
        sequence: u32,
        ack: RequestBuilder,
    },
}

impl<S: Copy> InviteUsage<S> {
    /// Offers this in an INVITE, or with `None` asks the peer to offer, as soon as nothing else is being offered. What was
    /// meant to be offered and has not gone yet is forgotten.
    pub fn offer(&mut self, now: Instant, session: Option<Session>) {
        self.due = Some(Due { session, not_before: None });
        self.go_on(now);
    }

    /// What became of a request of ours. `jitter`: any number, for how long to wait after a 491.
    pub fn handle_response(&mut self, now: Instant, response: &Message, jitter: u64) {
        let Ok(cseq) = response.cseq() else { return };
        let status = response.status().unwrap_or_default();
        if self.dialog.handle_response(response).is_err() || status < 200 {
            return;
        }
        let ours = match self.ours {
            Ours::ExpectFinal { sequence, .. } | Ours::Acknowledged { sequence, .. } => Some(sequence),
            Ours::Idle | Ours::ExpectAcknowledgement { .. } => None,
        };
        if cseq.method == Method::Invite && ours == Some(cseq.number) {
            match status {
                ..300 => self.answered(response),
                _ => self.invite_refused(now, status, jitter),
            }
        }
        if speaks_of_dialog(&cseq.method, status) && !self.is_over {
            match status {
                // Nobody may be there to hear it; a BYE is sent all the same, for one who only could not answer.
                408 | 430 | 480 => self.send_bye(UsageEnd::Lost { status }),
                _ => self.end(UsageEnd::Lost { status }),
            }
        }
        self.go_on(now);
    }

    /// Neither side may offer while the other does, and we one at a time.
    pub(super) fn may_offer(&self) -> bool {
        matches!(self.ours, Ours::Idle | Ours::Acknowledged { .. }) && matches!(self.theirs, Theirs::Idle)
    }

    /// Whether an INVITE of ours is under way.
    pub(super) fn expects_answer(&self) -> bool {
        matches!(self.ours, Ours::ExpectFinal { .. } | Ours::ExpectAcknowledgement { .. })
    }

    pub(super) fn send_invite(&mut self, session: Option<Session>) {
        let mut request = self.dialog.request(&Method::Invite).header(HeaderName::Contact, &self.us.contact);
        for (name, value) in &self.us.headers {
            request = request.header(*name, value);
        }
        if let Some(session) = &session {
            request = request.body(&session.content_type, &session.body);
        }
        self.ours = Ours::ExpectFinal { sequence: self.dialog.local_sequence(), has_offered: session.is_some() };
        self.last_offer = session;
        self.outputs.push_back(UsageOutput::Request { method: Method::Invite, request });
    }

    /// A 2xx, the first or a repeat of it.
    pub(super) fn answered(&mut self, response: &Message) {
        match &self.ours {
            Ours::ExpectFinal { sequence, has_offered: true } => {
                let sequence = *sequence;
                self.send_ack(sequence, None);
                match Session::of(response) {
                    Some(answer) => self.outputs.push_back(UsageOutput::Answered { answer }),
                    None => self.send_bye(UsageEnd::HungUp),
                }
            }
            Ours::ExpectFinal { sequence, has_offered: false } => {
                self.ours = Ours::ExpectAcknowledgement { sequence: *sequence };
                self.outputs.push_back(UsageOutput::Offered { offer: Session::of(response) });
            }
            Ours::Acknowledged { ack, .. } => self.outputs.push_back(UsageOutput::Ack(ack.clone())),
            Ours::Idle | Ours::ExpectAcknowledgement { .. } => {}
        }
    }

    /// Says whether an ACK was what was owed.
    pub(super) fn acknowledge_with(&mut self, session: Option<&Session>) -> bool {
        let Ours::ExpectAcknowledgement { sequence } = self.ours else { return false };
        self.send_ack(sequence, session);
        true
    }

    fn send_ack(&mut self, sequence: u32, session: Option<&Session>) {
        let mut ack = self.dialog.ack(sequence);
        if let Some(session) = session {
            ack = ack.body(&session.content_type, &session.body);
        }
        self.outputs.push_back(UsageOutput::Ack(ack.clone()));
        self.ours = Ours::Acknowledged { sequence, ack };
    }

    fn invite_refused(&mut self, now: Instant, status: u16, jitter: u64) {
        let session = self.last_offer.take();
        self.ours = Ours::Idle;
        if status == 491 {
            // RFC 3261 section 14.1: whoever owns the Call-ID lets the other go first.
            let wait_ms = if self.owns_call_id { 2100 + 10 * (jitter % 190) } else { 10 * (jitter % 200) };
            let wait = Duration::from_millis(wait_ms);
            self.due.get_or_insert(Due { session, not_before: None }).not_before = Some(now + wait);
        } else {
            self.outputs.push_back(UsageOutput::OfferRefused { status });
        }
    }
}

/// RFC 5057 section 5.1: whether a response says that nothing is left of the dialog. Silence about a request that is no part
/// of the session says nothing about the session.
fn speaks_of_dialog(method: &Method, status: u16) -> bool {
    let is_of_session = matches!(method, Method::Invite | Method::Update | Method::Bye);
    match status {
        404 | 410 | 416 | 481..=485 | 604 => true,
        408 | 430 | 480 => is_of_session,
        _ => false,
    }
}
