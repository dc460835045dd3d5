//! Phones that go from inside to an edge, from there to another, or back, while a call goes on.

use sim::{Line, World, allowed, first_line};
use sip::{HeaderName, Message};

use crate::phone;

const ALICE: &str = "alice@contoso.example";
const BOB: &str = "bob@fabrikam.example";
const HOME: usize = 0;
const EDGE: usize = 1;
const OTHER_EDGE: usize = 2;

/// Alice, whose organisation has two edges, has called Bob, and signed in once more.
struct Call {
    world: World,
    contoso: usize,
    bob: Line,
    /// As it came to Bob.
    invite: Message,
    /// As Alice got it.
    ok: Message,
    alice: Line,
    moved: Line,
}

impl Call {
    fn new((workers, seed): (u16, u64), from: usize, to: usize) -> Call {
        let mut world = World::new(seed);
        let contoso = world.organisation("contoso.example", workers, &[allowed("fabrikam.example")], false);
        world.put_edges_before(contoso, 2);
        let fabrikam = world.organisation("fabrikam.example", workers, &[allowed("contoso.example")], false);
        world.user(contoso, ALICE);
        world.user(fabrikam, BOB);
        let edges = world.fronts(contoso).to_vec();
        let places = [contoso, edges[0], edges[1]];
        let alice = phone::register(&mut world, places[from], 0, ALICE);
        let bob = phone::register(&mut world, fabrikam, 0, BOB);
        let invite = phone::request("INVITE", ALICE, BOB, "c1");
        world.send(alice, &invite.replace("alice@phone.invalid", &format!("alice@phone{}.invalid", alice.0)));
        let invite = world.only(bob);
        world.send(bob, &phone::answer(&invite, "200 OK", "bob"));
        let ok = world.only(alice);
        world.send(alice, &phone::by_caller("ACK", &ok, 1));
        world.only(bob);
        let moved = phone::register(&mut world, places[to], 0, ALICE);
        Call { world, contoso, bob, invite, ok, alice, moved }
    }

    /// What Bob says to the phone where it is now.
    fn says(&mut self, method: &str, cseq: u32) {
        let (old, new) = (format!("phone{}.", self.alice.0), format!("phone{}.", self.moved.0));
        self.world.send(self.bob, &phone::by_callee(method, &self.invite, cseq).replace(&old, &new));
    }

    /// It came there, and to nobody else.
    fn comes(&mut self, method: &str) -> Message {
        let came = self.world.only(self.moved);
        assert!(first_line(&came).starts_with(method), "{}", first_line(&came));
        assert!(self.world.take(self.alice).is_empty());
        came
    }

    fn answers(&mut self, came: &Message, status: &str) {
        self.world.send(self.moved, &phone::answer(came, status, "alice"));
    }
}

const WAYS: [(usize, usize); 5] = [(HOME, EDGE), (EDGE, HOME), (EDGE, OTHER_EDGE), (EDGE, EDGE), (OTHER_EDGE, EDGE)];

fn everywhere(play: impl Fn(Call)) {
    phone::everywhere(6, |workers, seed| {
        WAYS.into_iter().for_each(|(from, to)| play(Call::new((workers, seed), from, to)));
    });
}

#[test]
fn one_is_asked_where_it_is_and_without_the_routes_of_where_it_was() {
    everywhere(|mut call| {
        let (alice, bob) = (call.alice, call.bob);
        call.world.send(bob, &phone::by_callee("INFO", &call.invite, 1));
        let came = call.world.only(alice);
        assert!(first_line(&came).starts_with("INFO"), "it has not moved yet: {}", first_line(&came));
        call.world.send(alice, &phone::answer(&came, "200 OK", "alice"));
        assert_eq!(call.world.only(bob).status(), Some(200));
        call.says("BYE", 2);
        let came = call.comes("BYE");
        assert!(came.header(HeaderName::Route).is_none(), "{:?}", came.header_text(HeaderName::Route));
        call.answers(&came, "200 OK");
        assert_eq!(call.world.only(bob).status(), Some(200));
    });
}

/// Its Routes are those of where the call began (RFC 3261 section 12.2.1.1).
#[test]
fn what_it_says_itself_comes_to_the_other_side() {
    everywhere(|mut call| {
        for (cseq, method) in [(2, "INFO"), (3, "BYE")] {
            call.world.send(call.moved, &phone::by_caller(method, &call.ok, cseq));
            let came = call.world.only(call.bob);
            assert!(first_line(&came).starts_with(method), "{}", first_line(&came));
            assert!(came.header(HeaderName::Route).is_none());
            call.world.send(call.bob, &phone::answer(&came, "200 OK", "bob"));
            assert_eq!(call.world.only(call.moved).status(), Some(200));
        }
    });
}

#[test]
fn what_it_refuses_is_not_sent_to_where_it_was() {
    everywhere(|mut call| {
        for (cseq, method) in [(1, "INFO"), (2, "INVITE")] {
            call.says(method, cseq);
            let came = call.comes(method);
            call.answers(&came, "503 Service Unavailable");
            assert!(call.world.take(call.alice).is_empty());
            let status = call.world.take_response(call.bob).status();
            assert!(matches!(status, Some(500 | 503)), "{method}: {status:?}");
            call.world.take(call.moved);
            call.world.take(call.bob);
        }
    });
}

#[test]
fn what_it_took_is_acknowledged_and_what_is_taken_back_is_taken_back_there() {
    everywhere(|mut call| {
        let bob = call.bob;
        call.says("INVITE", 1);
        let came = call.comes("INVITE");
        call.answers(&came, "180 Ringing");
        assert_eq!(call.world.take_response(bob).status(), Some(180));
        let (old, new) = (format!("phone{}.", call.alice.0), format!("phone{}.", call.moved.0));
        let again = phone::by_callee("INVITE", &call.invite, 1).replace(&old, &new);
        let cancel = again.replacen("INVITE", "CANCEL", 1).replace("CSeq: 1 INVITE", "CSeq: 1 CANCEL");
        call.world.send(bob, &cancel);
        assert_eq!(call.world.take_response(bob).status(), Some(200));
        let cancelled = call.comes("CANCEL");
        call.answers(&cancelled, "200 OK");
        call.answers(&came, "487 Request Terminated");
        assert_eq!(call.world.take_response(bob).status(), Some(487));
        call.comes("ACK");
        call.says("INVITE", 2);
        let came = call.comes("INVITE");
        call.answers(&came, "200 OK");
        assert_eq!(call.world.take_response(bob).status(), Some(200));
        // Between edge and home connections come up when there is something to say.
        call.world.cut_inside(call.contoso);
        call.says("ACK", 2);
        call.comes("ACK");
    });
}
