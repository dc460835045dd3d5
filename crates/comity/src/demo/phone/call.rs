//! Calls: the phone as caller and as callee, over the route set alone (RFC 3261 sections 12 and 13).

use anyhow::Context;
use sip::dialog::Dialog;
use sip::{HeaderName, Message, Method, RequestBuilder, build};

use super::draft::{draft, via};
use super::{Phone, Sent, random_word};

/// A call that both sides have agreed on.
pub struct Call {
    dialog: Dialog,
}

impl Phone {
    /// Sends an INVITE with an offer.
    pub fn invite(&mut self, to: &str) -> anyhow::Result<Sent> {
        let draft = draft(Method::Invite, &self.account.aor, to)
            .header(HeaderName::Contact, self.contact())
            .body(SDP, self.session("0"));
        self.send(draft)
    }

    /// Gives up a call that was not answered (RFC 3261 section 9.1).
    pub fn cancel(&mut self, sent: &Sent) -> anyhow::Result<Sent> {
        let invite = &sent.request;
        let mut draft = sent.draft.clone();
        draft.method = Method::Cancel;
        draft.body = None;
        draft.headers.clear();
        let via = invite.header_text(HeaderName::Via).context("no Via")?;
        let request = RequestBuilder::new(&Method::Cancel, &draft.uri)
            .header(HeaderName::Via, via)
            .header(HeaderName::MaxForwards, 70)
            .header(HeaderName::From, &draft.from)
            .header(HeaderName::To, &draft.to)
            .header(HeaderName::CallId, &draft.call_id)
            .header(HeaderName::CSeq, format_args!("{} CANCEL", draft.sequence))
            .message()?;
        self.line()?.send(request.as_bytes())?;
        Ok(Sent { request, draft, is_second: true })
    }

    /// Waits for the callee's 200 and acknowledges it.
    pub fn expect_answered(&mut self, sent: &mut Sent) -> anyhow::Result<Call> {
        let answer = self.expect_final(sent)?;
        super::check_status(&answer, 200)?;
        anyhow::ensure!(!answer.body().is_empty(), "the 200 carries no session description");
        let dialog = Dialog::uac(&sent.request, &answer)?;
        let acknowledgement = dialog.ack(sent.draft.sequence).header(HeaderName::Via, via(self.line()?.local()));
        self.line()?.send(&acknowledgement.build())?;
        Ok(Call { dialog })
    }

    /// Tells the caller that the phone rings.
    pub fn ring(&mut self, invite: &Message) -> anyhow::Result<()> {
        let response = build::response(invite, 180, None, Some(&self.tag)).header(HeaderName::Contact, self.contact());
        self.line()?.send(&response.build())
    }

    /// Takes the call.
    pub fn answer(&mut self, invite: &Message) -> anyhow::Result<Call> {
        anyhow::ensure!(!invite.body().is_empty(), "the INVITE carries no session description");
        let response = build::response(invite, 200, None, Some(&self.tag))
            .header(HeaderName::Contact, self.contact())
            .body(SDP, self.session("1"));
        self.line()?.send(&response.build())?;
        let mut dialog = Dialog::uas(invite, &self.tag)?;
        dialog.confirm();
        Ok(Call { dialog })
    }

    /// Sends BYE, whichever side set up the call.
    pub fn hang_up(&mut self, call: &mut Call) -> anyhow::Result<Sent> {
        self.send_inside(call, Method::Bye)
    }

    /// Sends any request without a body in the dialog.
    pub fn send_inside(&mut self, call: &mut Call, method: Method) -> anyhow::Result<Sent> {
        let local = self.line()?.local();
        let request = call.dialog.request(&method).header(HeaderName::Via, via(local)).message()?;
        self.line()?.send(request.as_bytes())?;
        let mut draft = draft(method, &self.account.aor, &self.account.aor);
        draft.call_id = call.dialog.id().call_id.clone();
        draft.sequence = call.dialog.local_sequence();
        Ok(Sent { request, draft, is_second: true })
    }

    /// Where the phone would be reached if anybody dialled a Contact: nowhere.
    pub(super) fn contact(&self) -> String {
        let (user, _) = self.account.aor.split_once('@').unwrap_or((&self.account.aor, ""));
        format!("<sip:{user}@{}.invalid;transport=tls>", self.tag)
    }

    /// A description that no phone would refuse: one audio stream, G.711.
    fn session(&self, version: &str) -> String {
        let id = random_word().bytes().fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
        format!(
            "v=0\r\no=- {id} {version} IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
             m=audio 40000 RTP/AVP 0 8\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n"
        )
    }
}

const SDP: &str = "application/sdp";
