//! Calls: the phone as caller and as callee, over the route set alone (RFC 3261 sections 12 and 13).

use std::time::{Duration, Instant};

use anyhow::Context;
use sip::dialog::{Dialog, DialogId};
use sip::{HeaderName, Message, Method, RequestBuilder, build};

use super::draft::{draft, via};
use super::sound::Sound;
use super::{Phone, Sent, tone};

/// A call that both sides have agreed on.
pub struct Call {
    dialog: Dialog,
    sound: Sound,
}

impl Call {
    /// The peer's URI, as its Contact says.
    pub fn remote_target(&self) -> &str {
        self.dialog.remote_target()
    }

    pub fn call_id(&self) -> &str {
        &self.dialog.id().call_id
    }

    /// As a Replaces to this phone names it (RFC 3891 section 3).
    pub(super) fn as_replaced(&self) -> String {
        let DialogId { call_id, local_tag, remote_tag } = self.dialog.id();
        format!("{call_id};to-tag={local_tag};from-tag={remote_tag}")
    }

    pub fn is_protected(&self) -> bool {
        self.sound.is_protected()
    }

    /// Listens for a while: no tones but these are there.
    ///
    /// # Errors
    /// With those that are.
    pub fn expect_no_more_tones_than(&self, users: &[&str]) -> anyhow::Result<()> {
        let heard = tone::names(&self.sound.listen(LISTEN * 2)?);
        anyhow::ensure!(heard.iter().all(|user| users.contains(user)), "expected {users:?} at most, heard {heard:?}");
        Ok(())
    }

    /// Listens until exactly the tones of these users are there.
    ///
    /// # Errors
    /// With what was heard last, when it comes to no more than that.
    pub fn expect_tones(&self, users: &[&str]) -> anyhow::Result<()> {
        let deadline = Instant::now() + HEARD_WITHIN;
        loop {
            let heard = tone::names(&self.sound.listen(LISTEN)?);
            if heard.len() == users.len() && users.iter().all(|user| heard.contains(user)) {
                return Ok(());
            }
            anyhow::ensure!(Instant::now() < deadline, "expected to hear {users:?}, heard {heard:?}");
        }
    }
}

impl Phone {
    /// Sends an INVITE with an offer.
    pub fn invite(&mut self, to: &str) -> anyhow::Result<Sent> {
        let mut sound = self.open_sound()?;
        let mut draft = draft(Method::Invite, &self.account.aor, to)
            .header(HeaderName::Contact, self.contact())
            .body(SDP, sound.offer());
        draft.headers.extend(self.shown());
        Ok(Sent { sound: Some(sound), ..self.send(draft)? })
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
        Ok(Sent { request, draft, is_second: true, sound: None })
    }

    /// Waits for the callee's 200 and acknowledges it.
    pub fn expect_answered(&mut self, sent: &mut Sent) -> anyhow::Result<Call> {
        let answer = self.expect_final(sent)?;
        super::check_status(&answer, 200)?;
        anyhow::ensure!(!answer.body().is_empty(), "the 200 carries no session description");
        let mut sound = sent.sound.take().context("the INVITE was no offer")?;
        sound.accept(answer.body())?;
        let dialog = Dialog::uac(&sent.request, &answer)?;
        let acknowledgement = dialog.ack(sent.draft.sequence).header(HeaderName::Via, via(self.line()?.local()));
        self.line()?.send(&acknowledgement.build())?;
        Ok(Call { dialog, sound })
    }

    /// Tells the caller that the phone rings.
    pub fn ring(&mut self, invite: &Message) -> anyhow::Result<()> {
        let response = build::response(invite, 180, None, Some(&self.tag)).header(HeaderName::Contact, self.contact());
        self.line()?.send(&response.build())
    }

    /// Takes the call.
    pub fn answer(&mut self, invite: &Message) -> anyhow::Result<Call> {
        anyhow::ensure!(!invite.body().is_empty(), "the INVITE carries no session description");
        let mut sound = self.open_sound()?;
        self.accept(invite, &mut sound)?;
        let mut dialog = Dialog::uas(invite, &self.tag)?;
        dialog.confirm();
        Ok(Call { dialog, sound })
    }

    /// The other side offers other sound within the call, such as a meeting's that takes its place: the phone takes it.
    pub fn expect_moved(&mut self, call: &mut Call) -> anyhow::Result<()> {
        let invite = self.expect(Method::Invite, call.call_id())?;
        call.dialog.handle_request(&invite)?;
        self.accept(&invite, &mut call.sound)?;
        self.expect(Method::Ack, call.call_id())?;
        Ok(())
    }

    /// Answers an INVITE with 200 and the answer to its offer.
    fn accept(&mut self, invite: &Message, sound: &mut Sound) -> anyhow::Result<()> {
        let mut response = build::response(invite, 200, None, Some(&self.tag));
        for (name, value) in self.shown() {
            response = response.header(name, value);
        }
        let response = response.header(HeaderName::Contact, self.contact()).body(SDP, sound.answer(invite.body())?);
        self.line()?.send(&response.build())
    }

    /// Sends BYE, whichever side set up the call.
    pub fn hang_up(&mut self, call: &mut Call) -> anyhow::Result<Sent> {
        self.send_inside(call, Method::Bye)
    }

    /// Sends any request without a body in the dialog.
    pub fn send_inside(&mut self, call: &mut Call, method: Method) -> anyhow::Result<Sent> {
        self.request_inside(call, method, &[])
    }

    pub(super) fn request_inside(
        &mut self,
        call: &mut Call,
        method: Method,
        headers: &[(HeaderName, String)],
    ) -> anyhow::Result<Sent> {
        let local = self.line()?.local();
        let mut builder = call.dialog.request(&method).header(HeaderName::Via, via(local));
        for (name, value) in headers {
            builder = builder.header(*name, value);
        }
        let request = builder.message()?;
        self.line()?.send(request.as_bytes())?;
        let mut draft = draft(method, &self.account.aor, &self.account.aor);
        draft.call_id = call.dialog.id().call_id.clone();
        draft.sequence = call.dialog.local_sequence();
        Ok(Sent { request, draft, is_second: true, sound: None })
    }

    /// Where the phone would be reached if anybody dialled a Contact: nowhere.
    pub(super) fn contact(&self) -> String {
        let (user, _) = self.account.aor.split_once('@').unwrap_or((&self.account.aor, ""));
        format!("<sip:{user}@{}.invalid;transport=tls>", self.tag)
    }

    /// What the phone shows of what it can do.
    pub(super) fn shown(&self) -> Vec<(HeaderName, String)> {
        match self.can_be_moved {
            true => {
                vec![(HeaderName::Allow, format!("{ALLOW}, REFER")), (HeaderName::Supported, "replaces".to_owned())]
            }
            false => vec![(HeaderName::Allow, ALLOW.to_owned())],
        }
    }

    /// Beside the phone's signalling: plain sound counts only from there.
    fn open_sound(&mut self) -> anyhow::Result<Sound> {
        let address = self.line()?.local().ip();
        Sound::open(self.voice, address)
    }
}

const SDP: &str = "application/sdp";
const ALLOW: &str = "INVITE, ACK, BYE, CANCEL, OPTIONS, MESSAGE, NOTIFY, INFO";
/// Long enough to tell tones by, and that a busy machine changes little.
const LISTEN: Duration = Duration::from_millis(400);
/// Jitter buffers and the machine's other work are in it.
const HEARD_WITHIN: Duration = Duration::from_secs(6);
