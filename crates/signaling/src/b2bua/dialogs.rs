//! The two dialogs of a call, one with each phone. An INVITE that rings at several devices has a pair for each that answers.

use std::net::IpAddr;

use sip::dialog::Dialog;
use sip::usage::Session;
use sip::{Aor, HeaderName, Message, Method, ParseError};

use super::rewrite::Way;

/// Which of the two phones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Caller,
    Callee,
}

impl Side {
    pub fn other(self) -> Side {
        match self {
            Side::Caller => Side::Callee,
            Side::Callee => Side::Caller,
        }
    }
}

/// Our dialog with one phone.
#[derive(Debug)]
pub(super) struct End {
    pub dialog: Dialog,
    /// Who is there.
    pub party: Option<Aor>,
    /// The other end of its signalling.
    pub source: Option<IpAddr>,
    /// The CSeq number of the last INVITE towards it: as it came from the other phone, and as it was passed on.
    invite_passed: Option<(u32, u32)>,
    /// As its INVITE or answer names whoever is there.
    pub display: Option<String>,
    /// Its session as it described it last, and what it offers while that is not answered.
    pub described: Option<Session>,
    offered: Option<Session>,
}

#[derive(Debug)]
pub(super) struct Pair {
    caller: End,
    callee: End,
    /// A 2xx has been sent for it.
    pub is_confirmed: bool,
    /// A 2xx to an INVITE waits for its ACK.
    pub expects_ack: bool,
    /// Subscriptions by REFER that have not ended.
    pub references: u8,
}

impl Pair {
    /// What this response, 101 to 299, to the INVITE makes: `received` as the caller sent it, with our Record-Routes, `sent` as
    /// we did.
    ///
    /// # Errors
    /// A header that a dialog consists of is absent or malformed.
    pub fn new(received: &Message, sent: &Message, response: &Message) -> Result<Pair, ParseError> {
        let tag = response.to()?.tag().unwrap_or_default().to_owned();
        let numbers = (received.cseq()?.number, sent.cseq()?.number);
        let end = |dialog, address: &sip::NameAddr<'_>, invite_passed| End {
            dialog,
            party: Aor::from_uri(&address.uri()).ok(),
            source: None,
            invite_passed,
            display: address.display_name().map(|name| name.to_string()).filter(|name| !name.is_empty()),
            described: None,
            offered: None,
        };
        let mut pair = Pair {
            caller: end(Dialog::uas(received, &tag)?, &received.from()?, None),
            callee: end(Dialog::uac(sent, response)?, &received.to()?, Some(numbers)),
            is_confirmed: false,
            expects_ack: false,
            references: 0,
        };
        pair.caller.offers(received);
        Ok(pair)
    }

    /// A final answer to an INVITE or UPDATE of that side passes: what is agreed on is what both described last.
    pub fn answered(&mut self, side: Side, request: &Message, response: &Message) {
        if !matches!(request.method(), Some(Method::Invite | Method::Update)) || response.status() < Some(200) {
            return;
        }
        let offered = self.end_mut(side).offered.take();
        if response.status() >= Some(300) {
            return;
        }
        self.expects_ack |= request.method() == Some(Method::Invite);
        if let Some(offered) = offered {
            self.end_mut(side).described = Some(offered);
        }
        if let Some(session) = session_of(response) {
            self.end_mut(side.other()).described = Some(session);
        }
    }

    /// The callee's tag, which names the pair.
    pub fn tag(&self) -> &str {
        &self.callee.dialog.id().remote_tag
    }

    /// The phone that sent this request.
    pub fn sender(&self, request: &Message) -> Option<Side> {
        let (from, to) = (request.from().ok()?, request.to().ok()?);
        let (from, to) = (from.tag().unwrap_or_default(), to.tag().unwrap_or_default());
        let id = self.caller.dialog.id();
        match (from, to) {
            _ if from == id.remote_tag && to == id.local_tag => Some(Side::Caller),
            _ if from == id.local_tag && to == id.remote_tag => Some(Side::Callee),
            _ => None,
        }
    }

    pub fn end(&self, side: Side) -> &End {
        match side {
            Side::Caller => &self.caller,
            Side::Callee => &self.callee,
        }
    }

    pub fn end_mut(&mut self, side: Side) -> &mut End {
        match side {
            Side::Caller => &mut self.caller,
            Side::Callee => &mut self.callee,
        }
    }

    /// A 2xx to the INVITE goes to the caller.
    pub fn confirm(&mut self, response: &Message) -> Result<(), ParseError> {
        self.is_confirmed = true;
        self.caller.dialog.confirm();
        self.callee.dialog.handle_response(response)
    }
}

impl End {
    /// A request of this phone passes.
    pub fn offers(&mut self, request: &Message) {
        match request.method() {
            Some(Method::Invite | Method::Update) => self.offered = session_of(request),
            // The answer to an offer that came in the 2xx.
            Some(Method::Ack) => self.described = session_of(request).or(self.described.take()),
            _ => {}
        }
    }

    /// How a request of the other phone goes on to this one.
    pub fn pass(&mut self, method: &Method, number: u32) -> Way {
        let sequence = match method {
            Method::Ack => match self.invite_passed {
                Some((theirs, ours)) if theirs == number => ours,
                _ => number,
            },
            _ => self.dialog.pass(number),
        };
        if *method == Method::Invite {
            self.invite_passed = Some((number, sequence));
        }
        let (request_uri, routes) = self.dialog.way();
        Way { request_uri, routes, sequence, invite: self.invite_passed }
    }
}

fn session_of(message: &Message) -> Option<Session> {
    let content_type = message.header_text(HeaderName::ContentType)?.trim().to_owned();
    Session::of(message).map(|body| Session { content_type, body })
}
