//! The world of one test message: the server that it is for, whoever sends it, and whoever it is to reach.

use bytes::Bytes;
use sim::{Line, PASSWORD, World, allowed, certificate, first_line};
use sip::{Aor, Header, HeaderName, Message, Uri, auth, framing};

use crate::manifest::Vector;
use crate::phone;

/// How the message comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Stream,
    Datagram,
}

pub struct Stage {
    pub world: World,
    home: usize,
    pub sender: Line,
    /// Who sends it, if it is a user of ours.
    user: Option<Aor>,
    /// The phone of the user in the Request-URI, here or at the partner's.
    target: Option<Line>,
    at_target: Option<Message>,
    way: Way,
    /// The phone that it is for knows neither REFER nor Replaces: a call to it is stood between.
    is_between: bool,
    last: Option<Message>,
}

impl Stage {
    pub fn new(vector: &Vector, workers: u16, seed: u64, way: Way) -> Stage {
        Stage::of_kind(vector, workers, seed, way, false)
    }

    pub fn of_kind(vector: &Vector, workers: u16, seed: u64, way: Way, is_between: bool) -> Stage {
        let mut world = World::new(seed);
        let partners: Vec<_> =
            Some(&*vector.partner).filter(|partner| !partner.is_empty()).map(allowed).into_iter().collect();
        let home = world.organisation(&vector.home, workers, &partners, false);
        let message =
            framing::check_datagram(vector.bytes.clone().into()).ok().and_then(|bytes| Message::parse(bytes).ok());
        let from = message.as_ref().and_then(|message| address(message.from().ok()?.uri()));
        let to = message.as_ref().and_then(|message| address(Uri::parse(message.request_uri()?).ok()?));
        let user = from.clone().filter(|from| from.domain() == vector.home);
        let worker = u16::try_from(seed % u64::from(workers)).unwrap();
        let proof = from.filter(|_| user.is_none()).map(|from| certificate(&[from.domain()]));
        let mut stage =
            Stage { world, home, sender: Line(0), user, target: None, at_target: None, way, is_between, last: None };
        stage.target = to.and_then(|to| stage.callee(vector, workers, &to));
        stage.sender = match way {
            Way::Stream => stage.world.connect(home, worker, proof),
            Way::Datagram => stage.world.datagrams(home, worker),
        };
        let registers = vector.bytes.starts_with(b"REGISTER");
        if let Some(user) = stage.user.clone().filter(|_| !registers) {
            stage.world.user(home, &user.to_string());
            if way == Way::Stream {
                phone::register_on(&mut stage.world, stage.sender, &user.to_string());
            }
        } else if let Some(user) = stage.user.clone() {
            stage.world.user(home, &user.to_string());
        }
        stage
    }

    /// The phone of whom the message is for, where there can be one.
    fn callee(&mut self, vector: &Vector, workers: u16, to: &Aor) -> Option<Line> {
        let site = match to.domain() {
            domain if domain == vector.home => self.home,
            domain if domain == vector.partner => {
                self.world.organisation(domain, workers, &[allowed(&vector.home)], false)
            }
            _ => return None,
        };
        self.world.user(site, &to.to_string());
        let register = if self.is_between { phone::register_simple } else { phone::register };
        Some(register(&mut self.world, site, 0, &to.to_string()))
    }

    /// Sends it, and once more with credentials if they are asked for and the challenge is not what was expected.
    pub fn send(&mut self, bytes: &[u8], expected: &str) -> String {
        self.world.send_bytes(self.sender, bytes.to_vec());
        let answers = self.world.take(self.sender);
        let is_challenge = |answer: &Message| expected != "401" && matches!(answer.status(), Some(401 | 407));
        match (answers.first().cloned(), self.user.clone()) {
            (Some(challenge), Some(user)) if is_challenge(&challenge) => {
                let proven = self.proven(bytes, &challenge, &user);
                self.world.send_bytes(self.sender, proven);
                let answers = self.world.take(self.sender);
                self.outcome(&answers)
            }
            _ => self.outcome(&answers),
        }
    }

    /// The final response to it, after the challenge if there was one.
    pub fn answer(&mut self, bytes: &[u8]) -> Message {
        self.send(bytes, "");
        self.last.take().unwrap()
    }

    fn outcome(&mut self, answers: &[Message]) -> String {
        self.at_target = self.target.and_then(|target| self.world.take(target).into_iter().next());
        self.last = answers.last().cloned();
        let finals: Vec<u16> = answers.iter().filter_map(Message::status).filter(|status| *status >= 200).collect();
        match (&self.at_target, &finals[..]) {
            (Some(_), []) => "passed".to_owned(),
            (None, [status]) => status.to_string(),
            (None, []) if !self.world.is_line_open(self.sender) => "closed".to_owned(),
            (None, []) => "nothing".to_owned(),
            (at_target, finals) => format!("{finals:?} and {:?}", at_target.as_ref().map(first_line)),
        }
    }

    /// The same message with credentials, and on a stream as another transaction.
    fn proven(&self, bytes: &[u8], challenge: &Message, user: &Aor) -> Vec<u8> {
        let (asked, given) = match challenge.status() {
            Some(401) => (HeaderName::WwwAuthenticate, "Authorization"),
            _ => (HeaderName::ProxyAuthenticate, "Proxy-Authorization"),
        };
        let values: Vec<&str> = challenge.header_all(asked).map(|value| std::str::from_utf8(value).unwrap()).collect();
        let message = Message::parse(framing::check_datagram(Bytes::copy_from_slice(bytes)).unwrap()).unwrap();
        let (method, uri) = (message.method().unwrap(), message.request_uri().unwrap());
        let value = auth::answer(&values, user.user(), PASSWORD, &method, uri, message.body(), "cnonce", 1).unwrap();
        let end = bytes.windows(2).position(|pair| pair == b"\r\n").unwrap() + 2;
        let header = format!("{given}: {value}\r\n").into_bytes();
        let proven = [&bytes[..end], &header, &bytes[end..]].concat();
        match self.way {
            Way::Stream => replaced(&proven, b"=z9hG4bK", b"=z9hG4bKagain"),
            Way::Datagram => proven,
        }
    }

    /// Whether a server stands between the two phones.
    pub fn stands_between(&self) -> bool {
        self.world.statuses(self.home).iter().any(|status| status.calls_between > 0)
    }

    /// What nobody on the way had to touch came as it was sent.
    pub fn expect_unchanged(&self, vector: &Vector) {
        let sent = Message::parse(framing::check_datagram(vector.bytes.clone().into()).unwrap()).unwrap();
        let came = self.at_target.as_ref().unwrap();
        assert_eq!(came.body(), sent.body(), "{}", vector.name);
        assert_eq!(came.method(), sent.method(), "{}", vector.name);
        for header in sent.headers().filter(|header| !TOUCHED.contains(&header.name)) {
            let found = came
                .headers()
                .any(|other| is_named_alike(&other, &header) && unfolded(other.value) == unfolded(header.value));
            assert!(found, "{}: {}", vector.name, String::from_utf8_lossy(header.raw_name));
        }
    }

    /// What he answers, as the sender gets it; and no other.
    pub fn pass_answer(&mut self, status: &str) -> Message {
        let answer = phone::answer(self.at_target.as_ref().unwrap(), status, "target");
        self.world.send(self.target.unwrap(), &answer);
        self.world.only(self.sender)
    }

    /// He sends this in place of his answer.
    pub fn answer_with(&mut self, change: impl Fn(&str) -> String) {
        let answer = phone::answer(self.at_target.as_ref().unwrap(), "200 OK", "target");
        let changed = change(&answer);
        assert_ne!(changed, answer);
        self.world.send(self.target.unwrap(), &changed);
    }

    /// He answers, and the sender gets that answer and no other.
    pub fn expect_answered(&mut self) {
        let answer = self.pass_answer("200 OK");
        assert_eq!(answer.status(), Some(200), "{answer:?}");
    }
}

fn address(uri: Uri<'_>) -> Option<Aor> {
    Aor::from_uri(&uri).ok()
}

/// At the border a name is written out: `t` becomes `To`.
fn is_named_alike(one: &Header<'_>, other: &Header<'_>) -> bool {
    match one.name {
        HeaderName::Other => one.raw_name == other.raw_name,
        known => known == other.name,
    }
}

/// A fold is a space (RFC 3261 7.3.1).
fn unfolded(value: &[u8]) -> Vec<u8> {
    value.split(u8::is_ascii_whitespace).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(&b' ')
}

fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    match bytes.windows(from.len()).position(|part| part == from) {
        Some(at) => [&bytes[..at], to, &bytes[at + from.len()..]].concat(),
        None => bytes.to_vec(),
    }
}

/// What each hop changes (RFC 3261 16.6).
const TOUCHED: [HeaderName; 5] =
    [HeaderName::Via, HeaderName::MaxForwards, HeaderName::Route, HeaderName::RecordRoute, HeaderName::ContentLength];
