//! What is asked of a server, again and again, and when it is done: one conversation a Call-ID.

use std::fmt::Write as _;
use std::time::Instant;

use clap::ValueEnum;
use serde::Serialize;
use sip::{HeaderName, Message, Method, auth};

/// One conversation after the other, each of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Work {
    /// A MESSAGE and its 200.
    Message,
    /// INVITE, 200, ACK, BYE, 200: two transactions and an ACK.
    Call,
    /// A REGISTER with digest and its 200; a nonce is used as long as it is taken.
    Register,
    /// A SUBSCRIBE to presence and its 200.
    Subscribe,
}

/// Who asks whom.
#[derive(Clone, Debug)]
pub struct Parties {
    /// The domain of those who ask; of registrations the domain of the users.
    pub from: String,
    /// The domain of those who are asked.
    pub to: String,
    /// How many there are of each: `user0`, `user1` and so on.
    pub users: usize,
    pub password: String,
}

/// Where a request leaves.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    pub transport: &'a str,
    /// `HOST:PORT`, for Via and Contact.
    pub sent_by: &'a str,
}

pub struct Conversation {
    pub wire: usize,
    /// When its present request was to go out.
    pub due: Instant,
    serial: u64,
    user: usize,
    cseq: u32,
    stage: Stage,
}

#[expect(clippy::enum_variant_names, reason = "each says what it awaits")]
enum Stage {
    ExpectFinal,
    /// The BYE goes where the 200 said.
    ExpectAnswer,
    ExpectBye,
}

/// What a final response leads to.
pub enum Next {
    /// A transaction is over, and the conversation goes on with this.
    GoOn(Vec<u8>),
    /// The challenge is answered; the time since the request was due runs on.
    Again(Vec<u8>),
    Done,
    Failed(String),
}

/// The challenges last seen, one for each user, and how often they were answered.
pub struct Proofs {
    offered: Vec<Option<(Vec<String>, u32)>>,
}

impl Proofs {
    pub fn new(users: usize) -> Proofs {
        Proofs { offered: vec![None; users] }
    }

    fn learn(&mut self, user: usize, response: &Message) {
        let name =
            if response.status() == Some(407) { HeaderName::ProxyAuthenticate } else { HeaderName::WwwAuthenticate };
        let values = response.header_all(name).map(|value| String::from_utf8_lossy(value).into_owned()).collect();
        self.offered[user] = Some((values, 0));
    }

    fn header(&mut self, user: usize, parties: &Parties, uri: &str) -> Option<String> {
        let (offered, count) = self.offered[user].as_mut()?;
        *count += 1;
        let offered: Vec<&str> = offered.iter().map(String::as_str).collect();
        let (name, cnonce) = (format!("user{user}"), "0a4f113b");
        let value = auth::answer(&offered, &name, &parties.password, &Method::Register, uri, b"", cnonce, *count)?;
        Some(format!("Authorization: {value}\r\n"))
    }
}

impl Conversation {
    /// And its first request.
    pub fn begin(
        work: Work,
        (serial, wire, due): (u64, usize, Instant),
        parties: &Parties,
        place: Place<'_>,
        proofs: &mut Proofs,
    ) -> (Conversation, Vec<u8>) {
        let user = usize::try_from(serial).unwrap_or(0) % parties.users;
        let stage = if work == Work::Call { Stage::ExpectAnswer } else { Stage::ExpectFinal };
        let conversation = Conversation { wire, due, serial, user, cseq: 1, stage };
        let bytes = conversation.first(work, parties, place, proofs);
        (conversation, bytes)
    }

    fn first(&self, work: Work, parties: &Parties, place: Place<'_>, proofs: &mut Proofs) -> Vec<u8> {
        let (user, host) = (self.user, place.sent_by);
        let to = format!("sip:user{user}@{}", parties.to);
        let contact =
            format!("Contact: <sip:user{user}@{host};transport={}>\r\n", place.transport.to_ascii_lowercase());
        let lines = match work {
            Work::Message => "Content-Type: text/plain\r\n".to_owned(),
            Work::Call => format!("{contact}Content-Type: application/sdp\r\n"),
            Work::Subscribe => format!("{contact}Event: presence\r\nExpires: 600\r\nAccept: application/pidf+xml\r\n"),
            Work::Register => {
                let uri = format!("sip:{}", parties.to);
                let proof = proofs.header(user, parties, &uri).unwrap_or_default();
                let lines = format!("{contact}Expires: 600\r\n{proof}");
                let to = format!("<sip:user{user}@{}>", parties.to);
                return self.request(Method::Register, (&uri, &to), parties, place, &lines, "");
            }
        };
        let (method, body) = match work {
            Work::Message => (Method::Message, TEXT),
            Work::Call => (Method::Invite, OFFER),
            Work::Subscribe | Work::Register => (Method::Subscribe, ""),
        };
        self.request(method, (&to, &format!("<{to}>")), parties, place, &lines, body)
    }

    fn request(
        &self,
        method: Method,
        (uri, to): (&str, &str),
        parties: &Parties,
        Place { transport, sent_by }: Place<'_>,
        lines: &str,
        body: &str,
    ) -> Vec<u8> {
        let Conversation { serial, user, cseq, .. } = self;
        let mut text = String::with_capacity(1024);
        let _ = write!(
            text,
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/{transport} {sent_by};branch=z9hG4bK{serial:x}.{cseq}{method};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:user{user}@{}>;tag={serial:x}f\r\nTo: {to}\r\nCall-ID: {serial:x}\r\n\
             CSeq: {cseq} {method}\r\n{lines}Content-Length: {}\r\n\r\n{body}",
            parties.from,
            body.len()
        );
        text.into_bytes()
    }

    /// For a final response; provisional ones lead nowhere.
    pub fn handle_final(
        &mut self,
        response: &Message,
        parties: &Parties,
        place: Place<'_>,
        proofs: &mut Proofs,
    ) -> Next {
        match (&self.stage, response.status().unwrap_or(0)) {
            (Stage::ExpectFinal, 401 | 407) if self.cseq == 1 => {
                proofs.learn(self.user, response);
                self.cseq = 2;
                Next::Again(self.first(Work::Register, parties, place, proofs))
            }
            (Stage::ExpectAnswer, 200) => match self.ack_and_bye(response, parties, place) {
                Some(bytes) => Next::GoOn(bytes),
                None => Next::Failed("a 200 without Contact".to_owned()),
            },
            (Stage::ExpectFinal | Stage::ExpectBye, 200) => Next::Done,
            (_, status) => Next::Failed(format!("{status}")),
        }
    }

    fn ack_and_bye(&mut self, answer: &Message, parties: &Parties, place: Place<'_>) -> Option<Vec<u8>> {
        let contact = answer.header_text(HeaderName::Contact)?;
        let uri = contact.split_once('<').map_or(contact, |(_, rest)| rest).split('>').next()?.to_owned();
        let to = answer.header_text(HeaderName::To)?.to_owned();
        let mut recorded: Vec<_> = answer.header_all(HeaderName::RecordRoute).collect();
        recorded.reverse();
        let mut routes = String::new();
        for value in recorded {
            let _ = write!(routes, "Route: {}\r\n", String::from_utf8_lossy(value));
        }
        let mut bytes = self.request(Method::Ack, (&uri, &to), parties, place, &routes, "");
        (self.cseq, self.stage) = (2, Stage::ExpectBye);
        bytes.extend(self.request(Method::Bye, (&uri, &to), parties, place, &routes, ""));
        Some(bytes)
    }
}

/// The Call-ID's number, of a conversation of ours.
pub fn serial(message: &Message) -> Option<u64> {
    u64::from_str_radix(message.header_text(HeaderName::CallId)?, 16).ok()
}

const TEXT: &str = "The quarterly figures are in; shall we talk about them at three?";
const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0 8 101\r\n\
                     a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n";

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use bytes::Bytes;
    use sip::build;

    use super::*;

    fn parties() -> Parties {
        let (from, to) = ("fabrikam.example".to_owned(), "contoso.example".to_owned());
        Parties { from, to, users: 4, password: "word".to_owned() }
    }

    const PLACE: Place<'static> = Place { transport: "TLS", sent_by: "127.0.0.1:4000" };

    fn read(bytes: &[u8]) -> Message {
        Message::parse(Bytes::copy_from_slice(bytes)).expect("a message of ours")
    }

    #[test]
    fn a_call_is_invite_ack_and_bye_by_the_recorded_route() {
        let mut proofs = Proofs::new(4);
        let (mut call, invite) =
            Conversation::begin(Work::Call, (7, 0, Instant::now()), &parties(), PLACE, &mut proofs);
        let invite = read(&invite);
        assert_eq!((invite.method(), serial(&invite)), (Some(Method::Invite), Some(7)));
        let answer = build::response(&invite, 200, None, Some("t"))
            .header(HeaderName::RecordRoute, "<sip:a.example;lr>")
            .header(HeaderName::RecordRoute, "<sip:b.example;lr>")
            .header(HeaderName::Contact, "<sip:user3@127.0.0.1:5070>");
        let Next::GoOn(bytes) = call.handle_final(&read(&answer.build()), &parties(), PLACE, &mut proofs) else {
            panic!("the call goes on");
        };
        let text = String::from_utf8(bytes).expect("text");
        assert_eq!(text.matches("Route: <sip:b.example;lr>\r\nRoute: <sip:a.example;lr>").count(), 2);
        assert!(text.starts_with("ACK sip:user3@127.0.0.1:5070 SIP/2.0\r\n") && text.contains("CSeq: 2 BYE\r\n"));
        let done = build::response(&invite, 200, None, None).message().expect("a response");
        assert!(matches!(call.handle_final(&done, &parties(), PLACE, &mut proofs), Next::Done));
    }

    #[test]
    fn a_challenge_is_answered_once_and_then_used_again() {
        let mut proofs = Proofs::new(4);
        let begin = |serial, proofs: &mut Proofs| {
            Conversation::begin(Work::Register, (serial, 0, Instant::now()), &parties(), PLACE, proofs)
        };
        let (mut first, request) = begin(1, &mut proofs);
        let challenge = build::response(&read(&request), 401, None, Some("t"))
            .header(
                HeaderName::WwwAuthenticate,
                "Digest realm=\"contoso.example\", nonce=\"n\", qop=\"auth\", algorithm=MD5",
            )
            .message()
            .expect("a response");
        assert!(matches!(first.handle_final(&challenge, &parties(), PLACE, &mut proofs), Next::Again(_)));
        assert!(matches!(first.handle_final(&challenge, &parties(), PLACE, &mut proofs), Next::Failed(_)));
        let (_, request) = begin(5, &mut proofs);
        assert!(
            read(&request).header_text(HeaderName::Authorization).is_some_and(|value| value.contains("nc=00000002"))
        );
    }
}
