//! An INVITE dialog usage (RFC 5057): the session of two user agents in one dialog, from its first 2xx to its BYE.
//!
//! For the places where we are one of the two. The usage keeps offers and answers apart (RFC 3264, RFC 6337), repeats a 2xx
//! until its ACK comes (RFC 3261 section 13.3.1.4), acknowledges what it is answered, and knows when the session is over.
//! What is offered is not its business: bodies pass as they are.

mod incoming;
mod outgoing;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::build::{self, RequestBuilder, ResponseBuilder};
use crate::dialog::{Dialog, DialogError};
use crate::refusal::Word;
use crate::{HeaderName, Message, Method, ParseError, Refusal};

use incoming::{Repeat, Theirs};
use outgoing::Ours;

/// How we show ourselves in a dialog: the value of Contact, and further headers of each INVITE and 2xx.
#[derive(Clone, Debug)]
pub struct Us {
    pub contact: String,
    pub headers: Vec<(HeaderName, String)>,
}

/// One session. `S` names where a request of the peer came from, for the answers to it.
///
/// After each call [`InviteUsage::poll_output`] is called until it gives nothing.
#[derive(Debug)]
pub struct InviteUsage<S> {
    dialog: Dialog,
    us: Us,
    ours: Ours,
    theirs: Theirs<S>,
    /// What our last INVITE offered, in case it has to be offered again.
    last_offer: Option<Session>,
    /// The dialog began with an INVITE of ours.
    owns_call_id: bool,
    /// What we mean to offer as soon as nothing else is being offered.
    due: Option<Due>,
    /// Ended with the next moment at which a BYE may go.
    hangs_up: bool,
    /// Of our BYE.
    reason: Option<String>,
    is_over: bool,
    outputs: VecDeque<UsageOutput<S>>,
}

/// What a usage wants done, and what it has to tell.
#[derive(Debug, Clone)]
pub enum UsageOutput<S> {
    /// Send this within the dialog, complete but for Via. Its responses are told by [`InviteUsage::handle_response`].
    Request {
        method: Method,
        request: RequestBuilder,
    },
    /// Send this ACK, complete but for Via.
    Ack(RequestBuilder),
    Respond {
        to: S,
        status: u16,
        response: Bytes,
    },
    /// The peer offers; `None`: it asks us to. To be answered by [`InviteUsage::accept`] or [`InviteUsage::refuse`].
    Offered {
        offer: Option<Bytes>,
    },
    /// The peer answered what we offered.
    Answered {
        answer: Bytes,
    },
    /// The peer refused what we offered: the session goes on as it was.
    OfferRefused {
        status: u16,
    },
    /// The last of it.
    Ended {
        cause: UsageEnd,
    },
}

/// Why a session is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UsageEnd {
    /// The peer sent a BYE.
    PeerLeft,
    /// We sent one.
    HungUp,
    /// We refused it before it began.
    Refused,
    /// Nobody acknowledged our 2xx.
    Unacknowledged,
    /// The peer said, or its silence says, that there is no such dialog any more; 408 for silence.
    Lost { status: u16 },
}

/// A body, and what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    pub content_type: String,
    pub body: Bytes,
}

#[derive(Debug, Clone)]
struct Due {
    session: Option<Session>,
    /// After a 491, not before (RFC 3261 section 14.1).
    not_before: Option<Instant>,
}

impl Session {
    pub fn sdp(text: impl Into<Bytes>) -> Session {
        Session { content_type: SDP.to_owned(), body: text.into() }
    }

    /// The session that a message carries; `None` for a message without a body.
    pub fn of(message: &Message) -> Option<Bytes> {
        Some(message.body_bytes()).filter(|body| !body.is_empty())
    }
}

impl<S: Copy> InviteUsage<S> {
    /// The session that this received INVITE asks for, with `local_tag` in the To of our answers. It waits for
    /// [`InviteUsage::accept`] or [`InviteUsage::refuse`].
    ///
    /// # Errors
    /// A header that the dialog consists of is absent or malformed.
    pub fn incoming(request: &Message, to: S, local_tag: &str, us: Us) -> Result<InviteUsage<S>, ParseError> {
        let dialog = Dialog::uas(request, local_tag)?;
        let theirs = Theirs::ExpectAnswer { to, request: Box::new(request.clone()) };
        Ok(InviteUsage::new(dialog, us, Ours::Idle, theirs))
    }

    /// The session that a 2xx to an INVITE of ours made. Whether the INVITE had a body decides what the body of the
    /// 2xx is: the answer, or an offer that waits for [`InviteUsage::accept`].
    ///
    /// # Errors
    /// A header that the dialog consists of is absent or malformed.
    pub fn outgoing(invite: &Message, response: &Message, us: Us) -> Result<InviteUsage<S>, ParseError> {
        let dialog = Dialog::uac(invite, response)?;
        let ours = Ours::ExpectFinal { sequence: invite.cseq()?.number, has_offered: !invite.body().is_empty() };
        let mut usage = InviteUsage::new(dialog, us, ours, Theirs::Idle);
        usage.owns_call_id = true;
        usage.answered(response);
        Ok(usage)
    }

    /// The session of a dialog that was confirmed while others spoke in it. Whoever sent its first INVITE owns its Call-ID.
    pub fn resumed(dialog: Dialog, us: Us, owns_call_id: bool) -> InviteUsage<S> {
        let mut usage = InviteUsage::new(dialog, us, Ours::Idle, Theirs::Idle);
        usage.owns_call_id = owns_call_id;
        usage
    }

    /// The dialog, for others to speak in again.
    pub fn into_dialog(self) -> Dialog {
        self.dialog
    }

    fn new(dialog: Dialog, us: Us, ours: Ours, theirs: Theirs<S>) -> InviteUsage<S> {
        InviteUsage {
            dialog,
            us,
            ours,
            theirs,
            last_offer: None,
            owns_call_id: false,
            due: None,
            hangs_up: false,
            reason: None,
            is_over: false,
            outputs: VecDeque::new(),
        }
    }

    pub fn dialog(&self) -> &Dialog {
        &self.dialog
    }

    /// Whom the requests of the peer now reach, in the next that we send.
    pub fn set_us(&mut self, us: Us) {
        self.us = us;
    }

    /// Whether both have agreed to it, and nobody has ended it.
    pub fn is_established(&self) -> bool {
        !self.is_over && !matches!(&self.theirs, Theirs::ExpectAnswer { request, .. } if is_initial(request))
    }

    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// Takes a request of the peer in this dialog. What is not the usage's own (MESSAGE, INFO, REFER, NOTIFY ...) comes
    /// back as `false`, to be answered by the caller.
    ///
    /// # Errors
    /// What the request is to be answered with: 400, 500 for an old CSeq, 481 once it is over, 491 and 500 where offers
    /// cross (RFC 3261 section 14.2).
    pub fn handle_request(&mut self, now: Instant, to: Option<S>, request: &Message) -> Result<bool, Refusal> {
        let method = request.method().unwrap_or(Method::Options);
        if method == Method::Ack {
            self.acknowledged(now, request);
            return Ok(true);
        }
        if self.is_over {
            return Err(Refusal::new(481, Word::DialogUnknown, "the session is over"));
        }
        self.dialog.handle_request(request).map_err(out_of_order)?;
        let Some(to) = to else { return Ok(true) };
        match method {
            Method::Bye => self.peer_left(to, request),
            Method::Invite | Method::Update => return self.offered(to, request).map(|()| true),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Leaves: a BYE, as soon as there may be one. Before our answer it is a refusal.
    pub fn hang_up(&mut self, now: Instant) {
        if self.is_over || self.hangs_up {
            return;
        }
        self.due = None;
        match &self.theirs {
            Theirs::ExpectAnswer { request, .. } if is_initial(request) => self.refuse(480),
            // RFC 3261 section 15: not before the ACK of our 2xx.
            Theirs::ExpectAck { .. } => self.hangs_up = true,
            _ => self.send_bye(UsageEnd::HungUp),
        }
        self.go_on(now);
    }

    /// The Reason of the BYE that we shall send (RFC 3326).
    pub fn give_reason(&mut self, reason: String) {
        self.reason = Some(reason);
    }

    /// The next time at which [`InviteUsage::handle_timeout`] is to be called.
    pub fn next_timeout(&self) -> Option<Instant> {
        if self.is_over {
            return None;
        }
        let due = self.due.as_ref().and_then(|due| due.not_before).filter(|_| self.may_offer());
        [self.theirs.next_timeout(), due].into_iter().flatten().min()
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        match self.theirs.handle_timeout(now) {
            Some(Repeat::Again { to, status, response }) => {
                self.outputs.push_back(UsageOutput::Respond { to, status, response });
            }
            // RFC 3261 section 13.3.1.4: the dialog is confirmed, but the session is to be ended.
            Some(Repeat::GiveUp) => {
                self.theirs = Theirs::Idle;
                self.send_bye(UsageEnd::Unacknowledged);
            }
            None => {}
        }
        self.go_on(now);
    }

    pub fn poll_output(&mut self) -> Option<UsageOutput<S>> {
        self.outputs.pop_front()
    }

    /// A request of this dialog that is no INVITE, BYE, ACK or CANCEL, complete but for Via and body. Its responses are
    /// told by [`InviteUsage::handle_response`] too: one that says that the dialog is gone ends the session.
    pub fn request(&mut self, method: &Method) -> RequestBuilder {
        self.dialog.request(method)
    }

    /// Sends what is due, now that something has changed.
    fn go_on(&mut self, now: Instant) {
        if self.is_over {
            return;
        }
        if self.hangs_up && !matches!(self.theirs, Theirs::ExpectAck { .. }) {
            return self.send_bye(UsageEnd::HungUp);
        }
        let is_time = |due: &mut Due| due.not_before.is_none_or(|at| at <= now);
        if self.may_offer()
            && let Some(due) = self.due.take_if(is_time)
        {
            self.send_invite(due.session);
        }
    }

    fn peer_left(&mut self, to: S, request: &Message) {
        let response = build::response(request, 200, None, None).build();
        self.outputs.push_back(UsageOutput::Respond { to, status: 200, response });
        self.end(UsageEnd::PeerLeft);
    }

    fn send_bye(&mut self, cause: UsageEnd) {
        let bye = self.dialog.request(&Method::Bye);
        let request = match self.reason.take() {
            Some(reason) => bye.header(HeaderName::Reason, reason),
            None => bye,
        };
        self.outputs.push_back(UsageOutput::Request { method: Method::Bye, request });
        self.end(cause);
    }

    fn end(&mut self, cause: UsageEnd) {
        // An INVITE of the peer that still waits is answered with it (RFC 3261 section 15.1.2).
        if let Theirs::ExpectAnswer { to, request } = std::mem::replace(&mut self.theirs, Theirs::Idle) {
            let response = self.response(&request, 487).build();
            self.outputs.push_back(UsageOutput::Respond { to, status: 487, response });
        }
        self.is_over = true;
        self.outputs.push_back(UsageOutput::Ended { cause });
    }

    fn response(&self, request: &Message, status: u16) -> ResponseBuilder {
        build::response(request, status, None, Some(&self.dialog.id().local_tag))
    }
}

/// Whether the INVITE is the one that the dialog began with.
fn is_initial(request: &Message) -> bool {
    !request.is_within_dialog()
}

fn out_of_order(error: DialogError) -> Refusal {
    match error {
        DialogError::OutOfOrder { .. } => Refusal::new(500, Word::OutOfOrder, error.to_string()),
        DialogError::Parse(error) => Refusal::new(400, Word::MalformedRequest, error.to_string()),
    }
}

const SDP: &str = "application/sdp";
/// RFC 3261 section 17.1.1.1.
const T1: Duration = Duration::from_millis(500);
const T2: Duration = Duration::from_secs(4);

#[cfg(test)]
mod tests;
