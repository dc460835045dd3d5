//! A small SIP user agent for the checks: real TLS, real digest, real dialogs, and no knowledge of the server's
//! insides. It blocks, with a limit on every wait.

mod call;
mod draft;
mod line;
mod meeting;
mod roster;
mod session;
mod sound;
mod stream;
mod tone;

use std::time::Duration;

use anyhow::{Context, bail};
use rand::RngExt;
use sip::uac::Draft;
use sip::{HeaderName, Message, Method, build};

pub use self::call::Call;
pub use self::draft::draft;
pub use self::line::Door;
use self::line::Line;
pub use self::roster::Watch;
pub use self::session::Session;
use self::sound::Sound;
pub use self::sound::Voice;
pub use self::tone::TONES;

/// A user's name and password.
#[derive(Clone, Debug)]
pub struct Account {
    /// `alice@contoso.example`
    pub aor: String,
    pub password: String,
}

pub struct Phone {
    account: Account,
    door: Door,
    voice: Voice,
    /// It shows REFER and Replaces (RFC 3515, 3891).
    can_be_moved: bool,
    line: Option<Line>,
    /// Our side of every dialog, and of the Contact.
    tag: String,
    registration: Draft,
}

/// A request on its way.
pub struct Sent {
    request: Message,
    draft: Draft,
    /// Whether a challenge was answered already, or none may come.
    is_second: bool,
    /// Of an INVITE: what it offers.
    sound: Option<Sound>,
}

impl Phone {
    /// Not connected yet.
    pub fn new(account: Account, door: Door, voice: Voice) -> Phone {
        let (_, domain) = account.aor.split_once('@').unwrap_or(("", &account.aor));
        let mut registration = draft(Method::Register, &account.aor, &account.aor);
        registration.uri = format!("sip:{domain}");
        Phone { account, door, voice, can_be_moved: true, line: None, tag: random_word(), registration }
    }

    /// A device that knows neither REFER nor Replaces.
    #[must_use]
    pub fn simple(self) -> Phone {
        Phone { can_be_moved: false, ..self }
    }

    pub fn aor(&self) -> &str {
        &self.account.aor
    }

    pub fn connect(&mut self) -> anyhow::Result<()> {
        self.line = Some(Line::open(&self.door)?);
        Ok(())
    }

    /// Connects and registers for that many seconds; 0 takes the registration back. Answers the server's last response.
    pub fn register(&mut self, expires_secs: u32) -> anyhow::Result<Message> {
        if self.line.is_none() {
            self.connect()?;
        }
        let mut draft = self
            .registration
            .clone()
            .header(HeaderName::Contact, format!("{};+sip.instance=\"{}\"", self.contact(), self.instance()))
            .header(HeaderName::Expires, expires_secs.to_string());
        draft.headers.extend(self.shown());
        let mut sent = self.send(draft)?;
        let response = self.expect_final(&mut sent)?;
        self.registration.sequence = sent.draft.sequence + 1;
        Ok(response)
    }

    /// What names this device for good (RFC 5626 section 4.1); a UUID in form.
    pub fn instance(&self) -> String {
        let digits: String = self.tag.bytes().map(|byte| format!("{byte:02x}")).collect();
        let [a, b, c, d] = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20]];
        format!("<urn:uuid:{a}-{b}-{c}-{d}-{}>", &digits[20..])
    }

    pub fn send_message(&mut self, to: &str, text: &str) -> anyhow::Result<Sent> {
        let draft = draft(Method::Message, &self.account.aor, to).body("text/plain;charset=UTF-8", text);
        self.send(draft)
    }

    /// Sends a request of any kind.
    pub fn send(&mut self, draft: Draft) -> anyhow::Result<Sent> {
        let line = self.line()?;
        let request = draft.message(&draft::via(line.local()))?;
        line.send(request.as_bytes())?;
        Ok(Sent { request, draft, is_second: false, sound: None })
    }

    /// Sends a request and waits for the final response, answering one challenge.
    pub fn transact(&mut self, draft: Draft) -> anyhow::Result<Message> {
        let mut sent = self.send(draft)?;
        self.expect_final(&mut sent)
    }

    /// Waits for the final response, answering one challenge. An INVITE that fails is acknowledged.
    pub fn expect_final(&mut self, sent: &mut Sent) -> anyhow::Result<Message> {
        loop {
            let response = self.expect_response(sent, |status| status >= 200)?;
            if sent.draft.method == Method::Invite && response.status() >= Some(300) {
                self.acknowledge_failure(sent, &response)?;
            }
            let (user, _) = self.account.aor.split_once('@').unwrap_or_default();
            match sent.draft.answering(&response, user, &self.account.password, &random_word()) {
                Some(again) if !sent.is_second => {
                    *sent = Sent { is_second: true, sound: sent.sound.take(), ..self.send(again)? };
                }
                _ => return Ok(response),
            }
        }
    }

    /// Waits for a response with such a status.
    pub fn expect_response(&mut self, sent: &Sent, fits: impl Fn(u16) -> bool) -> anyhow::Result<Message> {
        let received = self.receive_response(sent, WAIT, fits)?;
        received.with_context(|| format!("{}: no answer to its {}", self.account.aor, sent.draft.method))
    }

    fn receive_response(
        &mut self,
        sent: &Sent,
        within: Duration,
        fits: impl Fn(u16) -> bool,
    ) -> anyhow::Result<Option<Message>> {
        let Draft { method, call_id, sequence, .. } = &sent.draft;
        let of_ours = |message: &Message| {
            message.status().is_some_and(&fits)
                && message.call_id() == Ok(call_id)
                && message.cseq().is_ok_and(|cseq| cseq.number == *sequence && cseq.method == *method)
        };
        self.line()?.receive(within, of_ours)
    }

    /// Waits for a request of that method and Call-ID.
    pub fn expect(&mut self, method: Method, call_id: &str) -> anyhow::Result<Message> {
        let received = self.receive(&method, call_id, WAIT)?;
        received.with_context(|| format!("{}: no {method} arrived", self.account.aor))
    }

    /// Adds to why something did not arrive what its sender was told.
    pub fn explain(&mut self, sent: &Sent, error: anyhow::Error) -> anyhow::Error {
        match self.receive_response(sent, QUIET, |status| status > 100) {
            Ok(Some(response)) => error.context(format!("{} was told {}", self.account.aor, status_text(&response))),
            _ => error,
        }
    }

    /// Makes sure that none comes.
    pub fn expect_no(&mut self, method: Method, call_id: &str) -> anyhow::Result<()> {
        match self.receive(&method, call_id, QUIET)? {
            None => Ok(()),
            Some(_) => bail!("{}: a {method} arrived that should not", self.account.aor),
        }
    }

    /// Answers a request with a status alone.
    pub fn respond(&mut self, request: &Message, status: u16) -> anyhow::Result<()> {
        let response = build::response(request, status, None, Some(&self.tag)).build();
        self.line()?.send(&response)
    }

    pub fn ping(&mut self) -> anyhow::Result<()> {
        self.line()?.ping(WAIT)
    }

    fn receive(&mut self, method: &Method, call_id: &str, within: Duration) -> anyhow::Result<Option<Message>> {
        let wanted = |message: &Message| message.method().as_ref() == Some(method) && message.call_id() == Ok(call_id);
        self.line()?.receive(within, wanted)
    }

    /// RFC 3261 section 17.1.1.3: the same branch, and the callee's To.
    fn acknowledge_failure(&mut self, sent: &Sent, response: &Message) -> anyhow::Result<()> {
        let text = |message: &Message, name| message.header_text(name).unwrap_or_default().to_owned();
        let acknowledgement = sip::RequestBuilder::new(&Method::Ack, &sent.draft.uri)
            .header(HeaderName::Via, text(&sent.request, HeaderName::Via))
            .header(HeaderName::MaxForwards, 70)
            .header(HeaderName::From, &sent.draft.from)
            .header(HeaderName::To, text(response, HeaderName::To))
            .header(HeaderName::CallId, &sent.draft.call_id)
            .header(HeaderName::CSeq, format_args!("{} ACK", sent.draft.sequence));
        self.line()?.send(&acknowledgement.build())
    }

    fn line(&mut self) -> anyhow::Result<&mut Line> {
        self.line.as_mut().with_context(|| format!("{} is not connected", self.account.aor))
    }
}

impl Sent {
    pub fn call_id(&self) -> &str {
        &self.draft.call_id
    }

    pub fn body(&self) -> &[u8] {
        self.request.body()
    }
}

/// Fails unless the response has that status; says what it has instead.
pub fn check_status(response: &Message, expected: u16) -> anyhow::Result<()> {
    match response.status() {
        Some(status) if status == expected => Ok(()),
        _ => bail!("expected {expected}, received {}", status_text(response)),
    }
}

/// The status, and the word of a refusal of ours.
fn status_text(response: &Message) -> String {
    let status = response.status().map_or_else(|| "no response".to_owned(), |status| status.to_string());
    refusal_word(response).map_or(status.clone(), |word| format!("{status} ({word})"))
}

/// Fails unless the response refuses with that status and public word.
pub fn check_refused(response: &Message, status: u16, word: &str) -> anyhow::Result<()> {
    check_status(response, status)?;
    match refusal_word(response) {
        Some(found) if found == word => Ok(()),
        Some(found) => bail!("expected the word {word}, received {found}"),
        None => bail!("the {status} says no word; expected {word}"),
    }
}

/// Of `Warning: 399 edge "word"`.
fn refusal_word(response: &Message) -> Option<&str> {
    let warning = response.header_text(HeaderName::Warning)?.strip_prefix("399 ")?;
    warning.split('"').nth(1)
}

/// Eighty random bits as a token.
pub fn random_word() -> String {
    let alphabet = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut random = rand::rng();
    (0..16).map(|_| char::from(alphabet[random.random_range(0..alphabet.len())])).collect()
}

/// Nothing on one machine takes as long; DNS and TLS of a first message are in it.
const WAIT: Duration = Duration::from_secs(5);
/// Long enough for what should not come to come.
const QUIET: Duration = Duration::from_millis(150);
