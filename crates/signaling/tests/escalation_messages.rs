//! A session of messages of two that becomes a conversation of three organisations, of one and of three workers each.

use federation::decision::Outcome;
use signaling::{CoreConfig, EscalationStatus, When};
use sim::{Line, World, first_line};
use sip::{Aor, HeaderName, Message};

use crate::phone;

/// Contoso, Fabrikam and Northwind allow each other. All phones show REFER and Replaces, and Carol's knows only single messages.
struct Three {
    world: World,
    contoso: usize,
    alice: Line,
    bob: Line,
    carol: Line,
    pages: u32,
}

/// The session of Alice and Bob: what he received and what she did.
struct Session {
    invite: Message,
    ok: Message,
}

const ALICE: &str = "alice@contoso.example";
const BOB: &str = "bob@fabrikam.example";
const CAROL: &str = "carol@northwind.example";
const CALL_ID: &str = "talk";

fn three(workers: u16, seed: u64) -> Three {
    three_with(workers, seed, |_| {})
}

fn three_with(workers: u16, seed: u64, change: impl Fn(&mut CoreConfig)) -> Three {
    let mut world = World::new(seed);
    let sites = world.allies(["contoso.example", "fabrikam.example", "northwind.example"], workers);
    sites.into_iter().for_each(|site| world.configure(site, &change));
    let mut lines =
        [(sites[0], ALICE), (sites[1], BOB), (sites[2], CAROL)].into_iter().zip(0..).map(|((site, aor), n)| {
            world.user(site, aor);
            phone::register(&mut world, site, u16::try_from((seed + n) % u64::from(workers)).unwrap(), aor)
        });
    let (alice, bob, carol) = (lines.next().unwrap(), lines.next().unwrap(), lines.next().unwrap());
    drop(lines);
    Three { world, contoso: sites[0], alice, bob, carol, pages: 0 }
}

fn everywhere(play: impl Fn(Three)) {
    phone::everywhere(12, |workers, seed| play(three(workers, seed)));
}

fn sdp(request: &str, body: &str) -> String {
    phone::with_body(request, "", "application/sdp", body)
}

fn described(user: &str) -> String {
    format!(
        "v=0\no=- 1 1 IN IP4 192.0.2.1\ns=-\nc=IN IP4 192.0.2.1\nt=0 0\nm=message 5060 sip {user}\na=accept-types:text/plain\n"
    )
}

fn body(message: &Message) -> String {
    String::from_utf8_lossy(message.body()).replace('\r', "")
}

fn method(message: &Message) -> String {
    first_line(message).split(' ').next().unwrap_or_default().to_owned()
}

fn is_within(message: &Message) -> bool {
    message.to().unwrap().tag().is_some()
}

impl Three {
    fn invite(&mut self) -> Message {
        let invite = phone::request("INVITE", ALICE, BOB, CALL_ID).replace("From: <", "From: \"Alice\" <");
        self.world.send(self.alice, &sdp(&invite, &described("alice")));
        self.world.only(self.bob)
    }

    fn open(&mut self) -> Session {
        let invite = self.invite();
        self.world.send(self.bob, &sdp(&phone::answer(&invite, "200 OK", "bob"), &described("bob")));
        let ok = self.world.only(self.alice);
        self.world.send(self.alice, &phone::by_caller("ACK", &ok, 1));
        assert_eq!(method(&self.world.only(self.bob)), "ACK");
        Session { invite, ok }
    }

    fn escalate(&mut self) -> Result<(), u16> {
        let people: Vec<Aor> = vec![CAROL.parse().unwrap()];
        let answers = self.world.on_cores(self.contoso, |core, now| core.escalate_call(now, CALL_ID, &people));
        let answer = answers.into_iter().flatten().next().expect("a worker knows the session");
        answer.map(drop).map_err(|refusal| refusal.status)
    }

    fn status(&self) -> Option<EscalationStatus> {
        let workers = 0..self.world.workers(self.contoso);
        workers.filter_map(|worker| self.world.core(self.contoso, worker).escalation_status(CALL_ID)).next()
    }

    /// Whoever is offered messages alone on this line takes them; returns the INVITE.
    fn take(&mut self, line: Line, user: &str) -> Message {
        let invite = self.world.only(line);
        self.accept(line, &invite, user);
        invite
    }

    fn accept(&mut self, line: Line, invite: &Message, user: &str) {
        assert_eq!(method(invite), "INVITE", "{}", first_line(invite));
        let offered = body(invite);
        let media: Vec<&str> = offered.lines().filter(|line| line.starts_with("m=")).collect();
        assert!(media.len() == 1 && media[0].starts_with("m=message 5060 sip "), "{offered}");
        self.world.send(line, &sdp(&phone::answer(invite, "200 OK", "x"), &described(user)));
        assert_eq!(method(&self.world.only(line)), "ACK");
    }

    /// Says something within the session; `request` is what it is said in.
    fn say(&mut self, line: Line, request: &str, words: &str) {
        self.world.send(line, &phone::with_body(request, "", "text/plain", words));
    }

    fn page(&mut self, line: Line, from: &str, to: &str, words: &str) {
        self.pages += 1;
        let request = phone::request("MESSAGE", from, to, &format!("page{}", self.pages));
        self.world.send(line, &phone::with_body(&request, "", "text/plain", words));
        assert_eq!(self.world.take_response(line).status(), Some(200));
    }

    /// The one message on this line, answered, after its answers to what was said there.
    fn hear(&mut self, line: Line) -> Message {
        let mut heard: Vec<_> = self.world.take(line).into_iter().filter(|one| one.status() != Some(200)).collect();
        assert_eq!(heard.len(), 1, "{:?}", heard.iter().map(first_line).collect::<Vec<_>>());
        let message = heard.remove(0);
        assert_eq!(method(&message), "MESSAGE", "{}", first_line(&message));
        self.world.send(line, &phone::answer(&message, "200 OK", "listener"));
        message
    }

    fn said_to(&mut self, line: Line) {
        assert_eq!(self.world.only(line).status(), Some(200));
    }

    /// All three are in one conversation; returns its address.
    fn grow(&mut self) -> String {
        assert_eq!((self.escalate(), self.status()), (Ok(()), Some(EscalationStatus::UnderWay)));
        let to_alice = self.take(self.alice, "alice");
        let contact = to_alice.contacts().next().unwrap().unwrap().address().unwrap().as_str().to_owned();
        assert!(contact.contains("sip:meet-") && contact.ends_with(";isfocus"), "{contact}");
        assert_eq!(to_alice.call_id().unwrap(), CALL_ID);
        assert!(self.world.take(self.carol).is_empty(), "nobody is called before both are there");
        let to_bob = self.take(self.bob, "bob");
        assert_eq!(to_bob.call_id().unwrap(), CALL_ID);
        let invited = self.hear(self.carol);
        assert_eq!(
            body(&invited),
            format!("Alice invites you to write with {BOB}: answer to take part, /leave ends it for you.")
        );
        assert!(matches!(self.status(), Some(EscalationStatus::Done { .. })));
        invited.from().unwrap().uri().as_str().strip_prefix("sip:").unwrap().to_owned()
    }

    /// Ends the session and the conversation.
    fn leave(&mut self, session: &Session, address: &str) {
        self.world.send(self.bob, &phone::by_callee("BYE", &session.invite, 9));
        self.said_to(self.bob);
        self.page(self.carol, CAROL, address, "/leave");
        assert_eq!(body(&self.hear(self.carol)), "You have left the conversation.");
        self.world.send(self.alice, &phone::by_caller("BYE", &session.ok, 9));
        self.said_to(self.alice);
        self.world.assert_quiet();
    }
}

#[test]
fn a_session_of_two_becomes_a_conversation_of_three_and_nobody_redials() {
    everywhere(|mut three| {
        let session = three.open();
        let (alice, bob, carol) = (three.alice, three.bob, three.carol);
        three.say(alice, &phone::by_caller("MESSAGE", &session.ok, 2), "hello");
        assert_eq!(body(&three.hear(bob)), "hello");
        three.said_to(alice);
        let address = three.grow();
        three.page(carol, CAROL, &address, "I am here");
        for line in [alice, bob] {
            let heard = three.hear(line);
            assert_eq!((body(&heard), heard.call_id().unwrap()), (format!("{CAROL}: I am here"), CALL_ID));
        }
        three.say(alice, &phone::by_caller("MESSAGE", &session.ok, 3), "one");
        three.said_to(alice);
        let (to_bob, to_carol) = (three.hear(bob), three.hear(carol));
        assert_eq!((body(&to_bob), is_within(&to_bob)), ("Alice: one".to_owned(), true));
        assert_eq!((body(&to_carol), is_within(&to_carol)), ("Alice: one".to_owned(), false));
        three.say(bob, &phone::by_callee("MESSAGE", &session.invite, 1), "two");
        three.said_to(bob);
        assert_eq!(body(&three.hear(alice)), format!("{BOB}: two"));
        assert_eq!(body(&three.hear(carol)), format!("{BOB}: two"));
        three.leave(&session, &address);
    });
}

#[test]
fn what_is_written_while_the_session_moves_is_heard_once() {
    everywhere(|mut three| {
        let session = three.open();
        let (alice, bob) = (three.alice, three.bob);
        three.escalate().unwrap();
        let to_alice = three.world.only(alice);
        let to_bob = three.world.only(bob);
        three.say(alice, &phone::by_caller("MESSAGE", &session.ok, 2), "on the way");
        three.said_to(alice);
        assert_eq!(body(&three.hear(bob)), "Alice: on the way");
        three.accept(alice, &to_alice, "alice");
        three.say(bob, &phone::by_callee("MESSAGE", &session.invite, 1), "almost");
        three.said_to(bob);
        assert_eq!(body(&three.hear(alice)), format!("{BOB}: almost"));
        three.accept(bob, &to_bob, "bob");
        assert!(matches!(three.status(), Some(EscalationStatus::Done { .. })));
    });
}

#[test]
fn where_one_phone_refuses_both_write_on_as_two() {
    everywhere(|mut three| {
        let session = three.open();
        let (alice, bob) = (three.alice, three.bob);
        three.escalate().unwrap();
        three.take(alice, "alice");
        let offered = three.world.only(bob);
        three.world.send(bob, &phone::answer(&offered, "488 Not Acceptable Here", "bob"));
        assert_eq!(method(&three.world.only(bob)), "ACK", "there is no second kind to be offered");
        // Alice has agreed to the conversation: she gets Bob's session back.
        let restored = three.take(alice, "alice");
        assert_eq!(body(&restored), described("bob"));
        let reason = format!("the phone of {BOB} answers 488");
        assert_eq!(three.status(), Some(EscalationStatus::Refused { reason }));
        assert!(three.world.take(three.carol).is_empty());
        three.say(alice, &phone::by_caller("MESSAGE", &session.ok, 2), "as before");
        assert_eq!(body(&three.hear(bob)), "as before");
        three.said_to(alice);
        three.say(bob, &phone::by_callee("MESSAGE", &session.invite, 1), "so it is");
        assert_eq!(body(&three.hear(alice)), "so it is");
        three.said_to(bob);
        three.world.send(bob, &phone::by_callee("BYE", &session.invite, 2));
        let bye = three.world.only(alice);
        assert_eq!(method(&bye), "BYE");
        three.world.send(alice, &phone::answer(&bye, "200 OK", "alice"));
        three.said_to(bob);
        three.world.assert_quiet();
    });
}

#[test]
fn who_has_the_session_by_a_gateway_takes_part_by_single_messages() {
    everywhere(|mut three| {
        let (alice, bob, carol) = (three.alice, three.bob, three.carol);
        let refused = three.invite();
        three.world.send(bob, &phone::answer(&refused, "488 Not Acceptable Here", "bob"));
        assert_eq!(method(&three.world.only(bob)), "ACK");
        let ok = three.world.take_response(alice);
        three.world.send(alice, &phone::by_caller("ACK", &ok, 1));
        three.escalate().unwrap();
        three.take(alice, "alice");
        let address = three.hear(carol).from().unwrap().uri().as_str()["sip:".len()..].to_owned();
        three.page(carol, CAROL, &address, "one");
        assert_eq!(body(&three.hear(alice)), format!("{CAROL}: one"));
        let heard = three.hear(bob);
        assert_eq!((body(&heard), is_within(&heard)), (format!("{CAROL}: one"), false));
        assert_eq!(heard.from().unwrap().uri().as_str(), format!("sip:{ALICE}"), "with whom he has it");
        three.page(bob, BOB, ALICE, "two");
        assert_eq!(body(&three.hear(alice)), format!("{BOB}: two"));
        assert_eq!(body(&three.hear(carol)), format!("{BOB}: two"));
    });
}

#[test]
fn a_phone_of_ours_asks_by_refer_to_the_factory() {
    everywhere(|mut three| {
        let session = three.open();
        let refer = phone::by_caller("REFER", &session.ok, 2);
        let to = "Refer-To: <sip:meet@contoso.example>\nRefer-Sub: false\nContent-Length: 0\n";
        three.world.send(three.alice, &refer.replace("Content-Length: 0\n", to));
        assert_eq!(three.world.take_response(three.alice).status(), Some(202));
        three.take(three.alice, "alice");
        three.take(three.bob, "bob");
        let refer = phone::by_caller("REFER", &session.ok, 3);
        let to = format!("Refer-To: <sip:{CAROL}>\nContent-Length: 0\n");
        three.world.send(three.alice, &refer.replace("Content-Length: 0\n", &to));
        assert_eq!(three.world.take_response(three.alice).status(), Some(202));
        let invited = three.hear(three.carol);
        assert!(body(&invited).starts_with("Alice invites you to write with"), "{}", body(&invited));
    });
}

#[test]
fn where_we_never_stand_between_a_session_is_not_moved() {
    for workers in [1, 3] {
        let mut three = three_with(workers, 1, |config| config.calls.between = When::Never);
        let session = three.open();
        assert_eq!((three.escalate(), three.status()), (Err(488), None));
        assert_eq!(three.world.meetings(three.contoso), 0);
        three.say(three.alice, &phone::by_caller("MESSAGE", &session.ok, 2), "as before");
        assert_eq!(body(&three.hear(three.bob)), "as before");
    }
}

#[test]
fn whoever_asks_why_is_told_that_we_stand_between() {
    let mut three = three(3, 1);
    three.open();
    let ways: Vec<_> = three
        .world
        .decisions(three.contoso)
        .filter(|record| record.call_id == CALL_ID)
        .filter_map(|record| match &record.outcome {
            Outcome::Way { stands_between, reason } => Some((*stands_between, reason.as_str())),
            _ => None,
        })
        .collect();
    assert_eq!(ways, [(true, "it is a session of messages, and no device is asked to replace one")]);
}

#[test]
fn who_writes_is_not_in_a_call() {
    let mut three = three(1, 1);
    let subscribe = phone::request("SUBSCRIBE", ALICE, BOB, "watch")
        .replace("Content-Length", "Event: presence\nExpires: 600\nAccept: application/pidf+xml\nContent-Length");
    three.world.send(three.alice, &subscribe);
    for told in three.world.take(three.alice) {
        if method(&told) == "NOTIFY" {
            three.world.send(three.alice, &phone::answer(&told, "200 OK", "alice"));
        }
    }
    let session = three.open();
    assert!(three.world.take(three.alice).is_empty(), "nothing is new of Bob");
    assert_eq!(session.ok.header_text(HeaderName::CallId), Some(CALL_ID));
}
