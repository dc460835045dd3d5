//! What a phone does in a meeting: it has others called in, is called in itself, and writes (RFC 4579).

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use sip::{HeaderName, Message, Method};

use super::{Call, Phone};

impl Phone {
    /// Has somebody called in (RFC 4579 section 5.5). What becomes of it is told by [`Phone::expect_referred`].
    pub fn refer(&mut self, call: &mut Call, whom: &str) -> anyhow::Result<()> {
        let refer_to = (HeaderName::ReferTo, format!("<sip:{whom}>"));
        let headers = [refer_to, (HeaderName::Contact, self.contact())];
        let mut sent = self.request_inside(call, Method::Refer, &headers)?;
        super::check_status(&self.expect_final(&mut sent)?, 202)
    }

    /// Whoever was to be called in answered with that status; that he is asked is told first (RFC 3515 section 2.4.5).
    pub fn expect_referred(&mut self, call: &Call, status: u16) -> anyhow::Result<()> {
        let mut told = self.expect_report(call)?;
        while told.starts_with("SIP/2.0 100 ") {
            told = self.expect_report(call)?;
        }
        ensure!(told.starts_with(&format!("SIP/2.0 {status} ")), "expected {status}, was told {told:?}");
        Ok(())
    }

    fn expect_report(&mut self, call: &Call) -> anyhow::Result<String> {
        let notify = self.expect(Method::Notify, call.call_id())?;
        self.respond(&notify, 200)?;
        Ok(body_text(&notify))
    }

    /// Is called into a meeting, and answers.
    pub fn expect_called_in(&mut self, meeting: &str) -> anyhow::Result<Call> {
        let invite = self.expect_from(Method::Invite, meeting)?;
        let contact = invite.header_text(HeaderName::Contact).unwrap_or_default();
        ensure!(contact.contains(";isfocus"), "nothing in {contact:?} says that it is a meeting that calls");
        self.ring(&invite)?;
        let call = self.answer(&invite)?;
        self.expect(Method::Ack, call.call_id())?;
        Ok(call)
    }

    /// Is called into a meeting in place of a call (RFC 3891), and answers without ringing. The call is still to be ended.
    pub fn expect_replaced(&mut self, call: &Call) -> anyhow::Result<Call> {
        let expected = call.as_replaced();
        let takes_its_place = |message: &Message| {
            let replaces = message.header_text(HeaderName::Replaces);
            message.method() == Some(Method::Invite) && replaces == Some(expected.as_str())
        };
        let invite = self.expect_where("no INVITE came that takes the place of the call", takes_its_place)?;
        let call = self.answer(&invite)?;
        self.expect(Method::Ack, call.call_id())?;
        Ok(call)
    }

    /// The meeting ends our session.
    pub fn expect_sent_away(&mut self, call: &Call) -> anyhow::Result<()> {
        let bye = self.expect(Method::Bye, call.call_id())?;
        self.respond(&bye, 200)
    }

    /// Waits for a request from that address, outside of the dialogs that there are.
    pub fn expect_from(&mut self, method: Method, address: &str) -> anyhow::Result<Message> {
        let found = self.receive_from(&method, address, super::WAIT)?;
        found.with_context(|| format!("{}: no {method} of {address} arrived", self.aor()))
    }

    /// Makes sure that none comes.
    pub fn expect_none_from(&mut self, method: Method, address: &str) -> anyhow::Result<()> {
        match self.receive_from(&method, address, super::QUIET)? {
            None => Ok(()),
            Some(found) => bail!("{}: a {method} came that should not: {}", self.aor(), body_text(&found)),
        }
    }

    /// Waits for any message that fits; `missing` says what there was not.
    pub fn expect_where(&mut self, missing: &str, fits: impl Fn(&Message) -> bool) -> anyhow::Result<Message> {
        let found = self.line()?.receive(super::WAIT, fits)?;
        found.with_context(|| format!("{}: {missing}", self.aor()))
    }

    fn receive_from(&mut self, method: &Method, address: &str, within: Duration) -> anyhow::Result<Option<Message>> {
        let uri = format!("sip:{address}");
        let is_outside = |message: &Message| !message.is_within_dialog();
        let is_from = |message: &Message| message.from().is_ok_and(|from| from.uri().as_str() == uri);
        let fits =
            |message: &Message| message.method().as_ref() == Some(method) && is_outside(message) && is_from(message);
        self.line()?.receive(within, fits)
    }
}

fn body_text(message: &Message) -> String {
    String::from_utf8_lossy(message.body()).into_owned()
}
