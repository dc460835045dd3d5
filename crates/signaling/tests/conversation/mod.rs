//! The stage of the RFCs' examples: Atlanta, Biloxi and Chicago allow each other, and Alice, Bob and Carol are signed in there.
//!
//! Each play runs with one worker and with three, over several orders of handoffs; and both as a proxy's, with phones that know
//! REFER and Replaces, and where we stand between the phones, which know neither.

use sim::{Line, World, allowed, first_line};
use sip::{HeaderName, Message};

use crate::phone;

pub const ALICE: &str = "alice@atlanta.example.com";
pub const BOB: &str = "bob@biloxi.example.com";
pub const CAROL: &str = "carol@chicago.example.com";
const DOMAINS: [&str; 3] = ["atlanta.example.com", "biloxi.example.com", "chicago.example.com"];

/// How the calls go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Proxied,
    Between,
}

pub struct Stage {
    pub world: World,
    /// Atlanta, Biloxi, Chicago.
    pub sites: [usize; 3],
    pub alice: Line,
    pub bob: Line,
    pub carol: Line,
    pub kind: Kind,
    /// The worker that accepts whoever comes next.
    pub next_worker: u16,
}

/// A call as its two ends know it.
pub struct Call {
    pub caller: Line,
    pub callee: Line,
    /// As the callee got it.
    pub invite: Message,
    /// As the caller got it.
    pub ok: Message,
}

pub fn everywhere(play: impl Fn(Stage)) {
    for kind in [Kind::Proxied, Kind::Between] {
        of_kind(kind, &play);
    }
}

/// For flows in which nothing depends on who stands between.
pub fn proxied(play: impl Fn(Stage)) {
    of_kind(Kind::Proxied, &play);
}

fn of_kind(kind: Kind, play: &impl Fn(Stage)) {
    for workers in [1, 3] {
        for seed in 0..6 {
            println!("{kind:?}, workers {workers}, seed {seed}");
            play(Stage::new(kind, workers, seed));
        }
    }
}

impl Stage {
    fn new(kind: Kind, workers: u16, seed: u64) -> Stage {
        let mut world = World::new(seed);
        let sites = DOMAINS.map(|domain| {
            let partners: Vec<_> =
                DOMAINS.iter().filter(|other| **other != domain).map(|other| allowed(other)).collect();
            world.organisation(domain, workers, &partners, false)
        });
        let worker = |n: u64| u16::try_from((seed + n) % u64::from(workers)).unwrap();
        for (site, aor) in sites.into_iter().zip([ALICE, BOB, CAROL]) {
            world.user(site, aor);
        }
        let mut register = |site: usize, aor: &str, n: u64| match kind {
            Kind::Proxied => phone::register(&mut world, sites[site], worker(n), aor),
            Kind::Between => phone::register_simple(&mut world, sites[site], worker(n), aor),
        };
        let (alice, bob, carol) = (register(0, ALICE, 0), register(1, BOB, 1), register(2, CAROL, 2));
        Stage { world, sites, alice, bob, carol, kind, next_worker: worker(1) }
    }

    /// An INVITE with this body, none if it is empty.
    pub fn invite(&self, from: &str, to: &str, call_id: &str, body: &str) -> String {
        let invite = phone::request("INVITE", from, to, call_id);
        let invite = if self.kind == Kind::Between { phone::simple(&invite) } else { invite };
        if body.is_empty() { invite } else { sdp(&invite, body) }
    }

    /// Sent by one, received by the other.
    pub fn pass(&mut self, from: Line, to: Line, text: &str) -> Message {
        self.world.send(from, text);
        self.world.only(to)
    }

    /// The final response of `to` to what it received, as `from` gets it.
    pub fn answer(&mut self, to: Line, from: Line, received: &Message, status: &str) -> Message {
        let answer = self.pass(to, from, &phone::answer(received, status, "callee"));
        assert!(first_line(&answer).ends_with(status), "{}", first_line(&answer));
        answer
    }

    /// A request that is no INVITE, received and answered; returns what was received.
    pub fn ask(&mut self, from: Line, to: Line, text: &str, status: &str) -> Message {
        let received = self.pass(from, to, text);
        self.answer(to, from, &received, status);
        received
    }

    /// Rings; returns the INVITE as the callee has it.
    pub fn ring(&mut self, caller: Line, callee: Line, invite: &str) -> Message {
        let received = self.pass(caller, callee, invite);
        self.answer(callee, caller, &received, "180 Ringing");
        received
    }

    /// Rings, is answered with this body and acknowledged.
    pub fn establish(&mut self, caller: Line, callee: Line, invite: &str, body: &str) -> Call {
        let received = self.ring(caller, callee, invite);
        self.accept(caller, callee, received, body)
    }

    pub fn accept(&mut self, caller: Line, callee: Line, invite: Message, body: &str) -> Call {
        let ok = self.pass(callee, caller, &sdp(&phone::answer(&invite, "200 OK", "callee"), body));
        assert_eq!((ok.status(), text(&ok)), (Some(200), body.to_owned()));
        let ack = self.pass(caller, callee, &phone::by_caller("ACK", &ok, ok.cseq().unwrap().number));
        assert_eq!(method(&ack), "ACK");
        Call { caller, callee, invite, ok }
    }

    /// A new offer within a call, by its caller or its callee: received, answered and acknowledged.
    pub fn offer_again(&mut self, call: &Call, by_caller: bool, cseq: u32, offer: &str, answer: &str) {
        let (from, to) = if by_caller { (call.caller, call.callee) } else { (call.callee, call.caller) };
        let invite = with_contact(&call.request("INVITE", by_caller, cseq));
        let received = self.pass(from, to, &if offer.is_empty() { invite } else { sdp(&invite, offer) });
        assert_eq!((method(&received).as_str(), text(&received)), ("INVITE", offer.to_owned()));
        let ok = self.pass(to, from, &sdp(&phone::answer(&received, "200 OK", "x"), answer));
        assert_eq!((ok.status(), text(&ok)), (Some(200), answer.to_owned()));
        let ack = self.pass(from, to, &call.request("ACK", by_caller, cseq));
        assert_eq!(method(&ack), "ACK");
    }

    /// One of the two hangs up.
    pub fn hang_up(&mut self, call: &Call, by_caller: bool, cseq: u32) {
        let (from, to) = if by_caller { (call.caller, call.callee) } else { (call.callee, call.caller) };
        let bye = self.ask(from, to, &call.request("BYE", by_caller, cseq), "200 OK");
        assert_eq!(bye.routes().count(), 0, "every Route was one of ours and is popped");
    }
}

impl Call {
    /// A request within it.
    pub fn request(&self, method: &str, by_caller: bool, cseq: u32) -> String {
        match by_caller {
            true => phone::by_caller(method, &self.ok, cseq),
            false => phone::by_callee(method, &self.invite, cseq),
        }
    }

    pub fn call_id(&self) -> &str {
        self.ok.call_id().unwrap()
    }
}

pub fn sdp(message: &str, body: &str) -> String {
    phone::with_body(message, "", "application/sdp", body)
}

/// With these header lines.
pub fn with_headers(message: &str, headers: &str) -> String {
    message.replacen("Content-Length", &format!("{headers}\nContent-Length"), 1)
}

pub fn with_contact(request: &str) -> String {
    with_headers(request, "Contact: <sip:again@phone.invalid>")
}

pub fn text(message: &Message) -> String {
    String::from_utf8_lossy(message.body()).replace('\r', "")
}

pub fn method(message: &Message) -> String {
    first_line(message).split(' ').next().unwrap_or_default().to_owned()
}

/// A status, and the public word of a refusal.
pub fn told(answer: &Message) -> (u16, String) {
    let warning = answer.header_text(HeaderName::Warning).unwrap_or_default();
    (answer.status().unwrap(), warning.split('"').nth(1).unwrap_or_default().to_owned())
}

pub const OFFER: &str =
    "v=0\no=alice 1 1 IN IP4 192.0.2.101\ns=-\nc=IN IP4 192.0.2.101\nt=0 0\nm=audio 49172 RTP/AVP 0\n";
pub const ANSWER: &str =
    "v=0\no=bob 2 2 IN IP4 192.0.2.201\ns=-\nc=IN IP4 192.0.2.201\nt=0 0\nm=audio 3456 RTP/AVP 0\n";
