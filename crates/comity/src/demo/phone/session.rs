//! Sessions of messages: MESSAGE within the dialog of an INVITE that offers nothing else, as Lync and gateways to it speak.

use anyhow::ensure;
use sip::dialog::Dialog;
use sip::{HeaderName, Message, Method, build};

use super::draft::{draft, via};
use super::{Phone, Sent};

/// A session that both sides have agreed on.
pub struct Session {
    dialog: Dialog,
}

impl Session {
    pub fn call_id(&self) -> &str {
        &self.dialog.id().call_id
    }
}

impl Phone {
    /// Offers a session to somebody; what becomes of it is told by [`Phone::expect_session`].
    pub fn offer_session(&mut self, to: &str) -> anyhow::Result<Sent> {
        let contact = self.contact();
        let mut draft = draft(Method::Invite, self.aor(), to).header(HeaderName::Contact, contact).body(SDP, MESSAGES);
        draft.headers.extend(self.shown());
        self.send(draft)
    }

    /// Waits for the 200 and acknowledges it.
    pub fn expect_session(&mut self, sent: &mut Sent) -> anyhow::Result<Session> {
        let answer = self.expect_final(sent)?;
        super::check_status(&answer, 200)?;
        check_offer(&answer)?;
        let dialog = Dialog::uac(&sent.request, &answer)?;
        let acknowledgement = dialog.ack(sent.draft.sequence).header(HeaderName::Via, via(self.line()?.local()));
        self.line()?.send(&acknowledgement.build())?;
        Ok(Session { dialog })
    }

    /// Takes the session that this INVITE offers.
    pub fn take_session(&mut self, invite: &Message) -> anyhow::Result<Session> {
        self.agree(invite)?;
        let mut dialog = Dialog::uas(invite, &self.tag)?;
        dialog.confirm();
        Ok(Session { dialog })
    }

    /// Others are offered in it, such as a conversation's that takes its place: the phone takes them.
    pub fn expect_session_moved(&mut self, session: &mut Session) -> anyhow::Result<()> {
        let invite = self.expect(Method::Invite, session.call_id())?;
        session.dialog.handle_request(&invite)?;
        self.agree(&invite)?;
        self.expect(Method::Ack, session.call_id())?;
        Ok(())
    }

    /// Says something in the session, and hears that it is taken.
    pub fn say(&mut self, session: &mut Session, text: &str) -> anyhow::Result<()> {
        let mut sent = self.begin_in(session, Method::Message, Some(text))?;
        super::check_status(&self.expect_final(&mut sent)?, 200)
    }

    /// The same between two, where the other has to hear it first.
    pub fn say_to(
        &mut self,
        session: &mut Session,
        other: &mut Phone,
        of_other: &Session,
        text: &str,
    ) -> anyhow::Result<()> {
        let mut sent = self.begin_in(session, Method::Message, Some(text))?;
        let heard = other.hear(of_other)?;
        ensure!(heard == text, "expected {text:?}, heard {heard:?}");
        super::check_status(&self.expect_final(&mut sent)?, 200)
    }

    /// The next that is said in the session.
    pub fn hear(&mut self, session: &Session) -> anyhow::Result<String> {
        let message = self.expect(Method::Message, session.call_id())?;
        self.respond(&message, 200)?;
        Ok(String::from_utf8_lossy(message.body()).into_owned())
    }

    pub fn expect_silence(&mut self, session: &Session) -> anyhow::Result<()> {
        self.expect_no(Method::Message, session.call_id())
    }

    pub fn end_session(&mut self, session: &mut Session) -> anyhow::Result<()> {
        let mut sent = self.begin_in(session, Method::Bye, None)?;
        super::check_status(&self.expect_final(&mut sent)?, 200)
    }

    fn begin_in(&mut self, session: &mut Session, method: Method, text: Option<&str>) -> anyhow::Result<Sent> {
        let local = self.line()?.local();
        let mut request = session.dialog.request(&method).header(HeaderName::Via, via(local));
        if let Some(text) = text {
            request = request.body("text/plain;charset=UTF-8", text);
        }
        let request = request.message()?;
        self.line()?.send(request.as_bytes())?;
        let mut draft = draft(method, self.aor(), self.aor());
        draft.call_id = session.call_id().to_owned();
        draft.sequence = session.dialog.local_sequence();
        Ok(Sent { request, draft, is_second: true, sound: None })
    }

    fn agree(&mut self, invite: &Message) -> anyhow::Result<()> {
        check_offer(invite)?;
        let response = build::response(invite, 200, None, Some(&self.tag));
        let response = response.header(HeaderName::Contact, self.contact()).body(SDP, MESSAGES);
        self.line()?.send(&response.build())
    }
}

fn check_offer(message: &Message) -> anyhow::Result<()> {
    let described = String::from_utf8_lossy(message.body());
    let media: Vec<&str> = described.lines().filter(|line| line.starts_with("m=")).collect();
    ensure!(media.len() == 1 && media[0].starts_with("m=message "), "expected a session of messages, not {media:?}");
    Ok(())
}

const SDP: &str = "application/sdp";
const MESSAGES: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=message 5060 sip null\r\n\
    a=accept-types:text/plain\r\n";
