//! One speaks in a session of messages, the other's devices know only single messages: between two organisations of one and of
//! three workers each.

use std::time::Duration;

use federation::decision::Outcome;
use sim::{Line, World, allowed, first_line};
use sip::{HeaderName, Message};

use crate::phone;

/// Alice of contoso speaks in sessions, and Dave beside her; Bob of fabrikam and Erin of contoso do not.
struct Pair {
    world: World,
    contoso: usize,
    fabrikam: usize,
    alice: Line,
    bob: Line,
    erin: Line,
    requests: u32,
}

const ALICE: &str = "alice@contoso.example";
const ERIN: &str = "erin@contoso.example";
const BOB: &str = "bob@fabrikam.example";
const OFFER: &str = "v=0\no=- 1 1 IN IP4 192.0.2.1\ns=-\nc=IN IP4 192.0.2.1\nt=0 0\nm=message 5060 sip null\n\
    a=accept-types:text/plain\n";

fn everywhere(play: impl Fn(Pair)) {
    phone::everywhere(6, |workers, seed| play(Pair::new(workers, seed)));
}

impl Pair {
    fn new(workers: u16, seed: u64) -> Pair {
        let mut world = World::new(seed);
        let contoso = world.organisation("contoso.example", workers, &[allowed("fabrikam.example")], false);
        let fabrikam = world.organisation("fabrikam.example", workers, &[allowed("contoso.example")], false);
        let mut phone = |site: usize, aor: &str, n: u64| {
            world.user(site, aor);
            phone::register(&mut world, site, u16::try_from((seed + n) % u64::from(workers)).unwrap(), aor)
        };
        let (alice, erin) = (phone(contoso, ALICE, 0), phone(contoso, ERIN, 1));
        let bob = phone(fabrikam, BOB, 2);
        Pair { world, contoso, fabrikam, alice, bob, erin, requests: 0 }
    }

    fn invite(&mut self, to: &str) {
        self.requests += 1;
        let invite = phone::request("INVITE", ALICE, to, &format!("session{}", self.requests));
        let invite = invite.replace("From: <", "From: \"Alice\" <");
        self.world.send(self.alice, &phone::with_body(&invite, "", "application/sdp", OFFER));
    }

    /// Alice asks for a session, the device on this line refuses it, and it is answered all the same.
    fn open(&mut self, line: Line, to: &str, refusal: &str) -> Message {
        self.invite(to);
        let refused = self.world.only(line);
        self.world.send(line, &phone::answer(&refused, refusal, "listener"));
        let ack = self.world.only(line);
        assert!(first_line(&ack).starts_with("ACK"), "{}", first_line(&ack));
        let ok = self.world.take_response(self.alice);
        assert_eq!(ok.status(), Some(200), "{}", first_line(&ok));
        assert!(text(&ok).contains("m=message 5060 sip null\r\n"), "{}", text(&ok));
        self.world.send(self.alice, &phone::by_caller("ACK", &ok, 1));
        ok
    }

    fn say_as(&mut self, ok: &Message, cseq: u32, content_type: &str, body: &str) {
        let message = phone::by_caller("MESSAGE", ok, cseq);
        self.world.send(self.alice, &phone::with_body(&message, "", content_type, body));
    }

    fn page_as(&mut self, line: Line, from: &str, content_type: &str, body: &str) {
        self.requests += 1;
        let request = phone::request("MESSAGE", from, ALICE, &format!("page{}", self.requests));
        self.world.send(line, &phone::with_body(&request, "", content_type, body));
    }

    /// The one message on this line, answered.
    fn hear(&mut self, line: Line, status: &str) -> Message {
        let message = self.world.only(line);
        assert!(first_line(&message).starts_with("MESSAGE"), "{}", first_line(&message));
        self.world.send(line, &phone::answer(&message, status, "listener"));
        message
    }

    fn end(&mut self, ok: &Message, cseq: u32) {
        self.world.send(self.alice, &phone::by_caller("BYE", ok, cseq));
        assert_eq!(self.world.only(self.alice).status(), Some(200));
    }
}

fn text(message: &Message) -> String {
    String::from_utf8_lossy(message.body()).into_owned()
}

#[test]
fn what_is_said_in_the_session_comes_as_single_messages_and_back() {
    everywhere(|mut pair| {
        for (line, address) in [(pair.bob, BOB), (pair.erin, ERIN)] {
            let ok = pair.open(line, address, "488 Not Acceptable Here");
            pair.say_as(&ok, 2, "text/plain", "hello");
            assert_eq!(pair.world.take(pair.alice).len(), 0, "not before his device has it");
            let heard = pair.hear(line, "200 OK");
            let from = heard.from().unwrap();
            assert_eq!((text(&heard), from.uri().as_str()), ("hello".to_owned(), "sip:alice@contoso.example"));
            assert_eq!(from.display_name().as_deref(), Some("Alice"));
            assert!(heard.to().unwrap().tag().is_none(), "outside of any dialog");
            assert_eq!(pair.world.only(pair.alice).status(), Some(200));
            pair.page_as(line, address, "text/plain", "and to you");
            let back = pair.hear(pair.alice, "200 OK");
            assert_eq!((text(&back), back.call_id().unwrap()), ("and to you".to_owned(), ok.call_id().unwrap()));
            assert_eq!(pair.world.only(line).status(), Some(200));
            pair.end(&ok, 3);
            pair.page_as(line, address, "text/plain", "are you there?");
            let single = pair.hear(pair.alice, "200 OK");
            assert!(single.to().unwrap().tag().is_none(), "the session is over");
            assert_eq!(pair.world.only(line).status(), Some(200));
        }
        pair.world.assert_quiet();
    });
}

#[test]
fn whoever_asks_why_is_told_of_the_gateway() {
    everywhere(|mut pair| {
        let ok = pair.open(pair.bob, BOB, "415 Unsupported Media Type");
        let sentences: Vec<String> = pair
            .world
            .decisions(pair.fabrikam)
            .filter(|record| record.call_id == ok.call_id().unwrap())
            .filter_map(|record| match &record.outcome {
                Outcome::Routed { next_hop, .. } => Some(next_hop.clone()),
                _ => None,
            })
            .collect();
        let expected = "the gateway from a session of messages to single messages, since the user's devices know no such \
            sessions (they answered 415)";
        assert!(sentences.iter().any(|sentence| sentence == expected), "{sentences:?}");
    });
}

#[test]
fn what_is_acknowledged_is_stored_when_the_device_is_gone() {
    everywhere(|mut pair| {
        let ok = pair.open(pair.erin, ERIN, "488 No");
        pair.world.hang_up(pair.erin);
        pair.say_as(&ok, 2, "text/plain", "for later");
        assert_eq!(pair.world.take_response(pair.alice).status(), Some(202));
        assert_eq!(pair.world.kept(pair.contoso), 1);
        let erin = pair.world.connect(pair.contoso, 0, None);
        phone::register_and_listen(&mut pair.world, erin, ERIN);
        assert_eq!(text(&pair.hear(erin, "200 OK")), "for later");
        pair.end(&ok, 3);
    });
}

#[test]
fn a_text_with_its_sender_beside_it_and_who_is_typing_are_carried_over() {
    everywhere(|mut pair| {
        let ok = pair.open(pair.bob, BOB, "606 Not Acceptable");
        let cpim = "From: <sip:alice@contoso.example>\n\nContent-Type: text/plain\n\nplain";
        pair.say_as(&ok, 2, "message/cpim", cpim);
        let heard = pair.hear(pair.bob, "200 OK");
        assert_eq!((heard.header_text(HeaderName::ContentType), text(&heard).as_str()), (Some("text/plain"), "plain"));
        assert_eq!(pair.world.only(pair.alice).status(), Some(200));
        let typing = "application/im-iscomposing+xml";
        pair.say_as(&ok, 3, typing, "<isComposing/>");
        pair.hear(pair.bob, "415 No");
        assert_eq!(pair.world.only(pair.alice).status(), Some(415), "so that she says no more of it");
        pair.page_as(pair.bob, BOB, typing, "<isComposing/>");
        assert_eq!(pair.world.only(pair.bob).status(), Some(415), "her session takes plain text only");
        pair.end(&ok, 4);
        pair.world.assert_quiet();
    });
}

#[test]
fn the_peers_lost_session_is_not_acknowledged_and_the_next_goes_its_own_way() {
    everywhere(|mut pair| {
        let ok = pair.open(pair.bob, BOB, "488 No");
        pair.page_as(pair.bob, BOB, "text/plain", "one");
        pair.hear(pair.alice, "481 Call Does Not Exist");
        let answer = pair.world.only(pair.bob);
        assert_eq!(answer.status(), Some(480));
        pair.page_as(pair.bob, BOB, "text/plain", "two");
        let single = pair.hear(pair.alice, "200 OK");
        assert!(single.to().unwrap().tag().is_none() && single.call_id().unwrap() != ok.call_id().unwrap());
        assert_eq!(pair.world.only(pair.bob).status(), Some(200));
        pair.world.assert_quiet();
    });
}

#[test]
fn what_is_no_session_of_messages_stays_refused() {
    everywhere(|mut pair| {
        for (offer, status) in [
            (format!("{OFFER}m=audio 40000 RTP/AVP 0\n"), "488 No"),
            (OFFER.replace("sip null", "TCP/MSRP *"), "488 No"),
            (OFFER.to_owned(), "486 Busy Here"),
        ] {
            pair.requests += 1;
            let invite = phone::request("INVITE", ALICE, BOB, &format!("other{}", pair.requests));
            pair.world.send(pair.alice, &phone::with_body(&invite, "", "application/sdp", &offer));
            let invite = pair.world.only(pair.bob);
            pair.world.send(pair.bob, &phone::answer(&invite, status, "bob"));
            pair.world.take(pair.bob);
            assert_eq!(pair.world.take_response(pair.alice).status(), status[..3].parse().ok());
        }
    });
}

/// An hour in which Alice's phone says that it is still there whenever it is asked; `true`: the session was ended.
fn an_hour_passes(pair: &mut Pair, ok: &Message) -> bool {
    for _ in 0..180 {
        pair.world.pass(Duration::from_secs(20));
        for asked in pair.world.take(pair.alice) {
            assert_eq!(asked.call_id().unwrap(), ok.call_id().unwrap());
            if first_line(&asked).starts_with("BYE") {
                return true;
            }
            assert!(first_line(&asked).starts_with("OPTIONS"), "{}", first_line(&asked));
            pair.world.send(pair.alice, &phone::answer(&asked, "200 OK", "alice"));
        }
    }
    false
}

#[test]
fn a_session_in_which_nothing_is_said_for_a_day_is_ended() {
    for workers in [1, 3] {
        let mut pair = Pair::new(workers, 1);
        let ok = pair.open(pair.bob, BOB, "488 No");
        let hour = (1..=30).find(|hour| {
            let is_over = an_hour_passes(&mut pair, &ok);
            phone::refresh(&mut pair.world, pair.bob, BOB, 100 + 2 * hour);
            phone::refresh(&mut pair.world, pair.alice, ALICE, 100 + 2 * hour);
            is_over
        });
        assert_eq!(hour, Some(24));
    }
}
