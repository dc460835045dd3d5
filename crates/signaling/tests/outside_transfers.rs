//! Users outside, who sign in by an edge: addresses of their devices (RFC 5627), and transfers to and from them.

use sim::{Line, World, first_line};
use sip::{HeaderName, Message};

use crate::phone;

const ALICE: &str = "alice@contoso.example";
const DAVE: &str = "dave@contoso.example";
const ERIN: &str = "erin@contoso.example";
const GRUU: &str = "alice@contoso.example;gr=urn:uuid:1";

/// Contoso has one edge before its home; Dave and Erin are inside, and Alice, whose phone knows of GRUUs, is not.
struct Stage {
    world: World,
    alice: Line,
    dave: Line,
    erin: Line,
}

fn at_each_size(play: impl Fn(Stage)) {
    for workers in [1, 3] {
        let mut world = World::new(u64::from(workers));
        let home = world.organisation("contoso.example", workers, &[], false);
        world.put_edges_before(home, 1);
        let edge = world.fronts(home)[0];
        [ALICE, DAVE, ERIN].into_iter().for_each(|user| world.user(home, user));
        let dave = phone::register(&mut world, home, 0, DAVE);
        let erin = phone::register(&mut world, home, workers - 1, ERIN);
        let alice = world.connect(edge, 0, None);
        let registered = phone::register_flow_with(&mut world, alice, ALICE, 1, "Supported: gruu\n");
        let contact = registered.header_text(HeaderName::Contact).unwrap();
        assert!(contact.contains(&format!(";pub-gruu=\"sip:{GRUU}\"")), "{contact}");
        play(Stage { world, alice, dave, erin });
    }
}

impl Stage {
    /// A call that stands, from Dave; the answer as he got it.
    fn call(&mut self, to: Line, uri: &str, contact: &str) -> Message {
        let invite = phone::request("INVITE", DAVE, ALICE, "consulted");
        let invite = invite.replacen(&format!("INVITE sip:{ALICE} "), &format!("INVITE sip:{uri} "), 1);
        self.world.send(self.dave, &invite);
        let received = self.world.only(to);
        assert!(first_line(&received).ends_with("invalid;transport=tls SIP/2.0"), "{}", first_line(&received));
        let ok = phone::answer(&received, "200 OK", "callee");
        let own = ok.replace("Contact: <sip:callee@phone.invalid;transport=tls>", &format!("Contact: <sip:{contact}>"));
        self.world.send(to, &own);
        let ok = self.world.only(self.dave);
        self.world.send(self.dave, &phone::by_caller("ACK", &ok, 1));
        assert!(first_line(&self.world.only(to)).starts_with("ACK"));
        ok
    }

    /// To this address, in the place of that call.
    fn transferred(&self, from: &str, to: &str) -> String {
        let invite = phone::request("INVITE", from, to, "transferred");
        let replaces = "Replaces: consulted;to-tag=callee;from-tag=caller\nMax-Forwards";
        invite.replacen("Max-Forwards", replaces, 1)
    }
}

#[test]
fn a_phone_outside_is_called_by_its_gruu() {
    at_each_size(|mut stage| {
        let ok = stage.call(stage.alice, GRUU, GRUU);
        stage.world.send(stage.dave, &phone::by_caller("BYE", &ok, 2));
        let bye = stage.world.only(stage.alice);
        assert_eq!(first_line(&bye), format!("BYE sip:{GRUU} SIP/2.0"));
        stage.world.send(stage.alice, &phone::answer(&bye, "200 OK", "callee"));
        assert_eq!(stage.world.only(stage.dave).status(), Some(200));
        stage.world.assert_quiet();
    });
}

#[test]
fn a_call_is_transferred_to_a_phone_outside_by_its_contact() {
    at_each_size(|mut stage| {
        let contact = format!("alice@phone{}.invalid;transport=tls", stage.alice.0);
        stage.call(stage.alice, ALICE, &contact);
        stage.world.send(stage.erin, &stage.transferred(ERIN, &contact));
        let invite = stage.world.only(stage.alice);
        assert_eq!(first_line(&invite), format!("INVITE sip:{contact} SIP/2.0"));
        assert!(invite.header(HeaderName::Replaces).is_some());
    });
}

#[test]
fn who_is_outside_is_transferred_to_a_phone_inside() {
    at_each_size(|mut stage| {
        let contact = format!("erin@phone{}.invalid;transport=tls", stage.erin.0);
        let invite = phone::request("INVITE", DAVE, ERIN, "consulted");
        stage.world.send(stage.dave, &invite);
        let received = stage.world.only(stage.erin);
        stage.world.send(stage.erin, &phone::answer(&received, "200 OK", "callee"));
        assert_eq!(stage.world.only(stage.dave).status(), Some(200));
        stage.world.send(stage.alice, &stage.transferred(ALICE, &contact));
        let came = stage.world.take(stage.erin);
        let invite = came.iter().find(|message| message.header(HeaderName::Replaces).is_some());
        assert_eq!(invite.map(first_line), Some(format!("INVITE sip:{contact} SIP/2.0")), "{came:?}");
    });
}
