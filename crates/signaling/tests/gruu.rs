//! Addresses of single devices (RFC 5627), in two organisations of one and of three workers.

use sim::{Line, World, first_line};
use sip::{HeaderName, Message};

use crate::phone;

/// Bob has a phone that knows of GRUUs, and another one. Alice is of his organisation, Carol is not.
struct Play {
    world: World,
    site: usize,
    alice: Line,
    carol: Line,
    named: Line,
    other: Line,
}

fn everywhere(play: impl Fn(Play)) {
    phone::everywhere(9, |workers, seed| play(opening(workers, seed)));
}

fn opening(workers: u16, seed: u64) -> Play {
    let mut world = World::new(seed);
    let [site, partner] = world.allies(["contoso.example", "fabrikam.example"], workers);
    [ALICE, BOB].into_iter().for_each(|user| world.user(site, user));
    world.user(partner, CAROL);
    let by_seed = |n: u64| u16::try_from((seed + n) % u64::from(workers)).unwrap();
    let alice = phone::register(&mut world, site, by_seed(0), ALICE);
    let carol = phone::register(&mut world, partner, by_seed(1), CAROL);
    let other = phone::register(&mut world, site, by_seed(2), BOB);
    let named = world.connect(site, by_seed(1), None);
    let registered = phone::register_flow_with(&mut world, named, BOB, 1, "Supported: gruu\n");
    let contacts: Vec<String> =
        registered.header_all(HeaderName::Contact).map(|value| String::from_utf8_lossy(value).into_owned()).collect();
    let told = |contact: &&String| contact.contains(&format!(";pub-gruu=\"sip:{GRUU}\""));
    assert_eq!(contacts.iter().filter(told).count(), 1, "{contacts:?}");
    assert!(!registered.has_option_tag(HeaderName::Supported, "gruu"), "the address itself says so");
    assert!(world.take(named).is_empty());
    Play { world, site, alice, carol, named, other }
}

const ALICE: &str = "alice@contoso.example";
const BOB: &str = "bob@contoso.example";
const CAROL: &str = "carol@fabrikam.example";
const GRUU: &str = "bob@contoso.example;gr=urn:uuid:1";

/// To Bob, for this URI of his.
fn for_uri(method: &str, from: &str, uri: &str, call_id: &str) -> String {
    let to_bob = phone::request(method, from, BOB, call_id);
    to_bob.replacen(&format!("{method} sip:{BOB} "), &format!("{method} sip:{uri} "), 1)
}

impl Play {
    /// What arrived at Bob's named phone alone, for its Contact.
    fn at_named(&mut self, method: &str) -> Message {
        let request = self.world.only(self.named);
        let contact = format!("{method} sip:bob@phone{}.invalid;transport=tls SIP/2.0", self.named.0);
        assert_eq!(first_line(&request), contact);
        assert!(self.world.take(self.other).is_empty(), "it is not for the other device");
        request
    }

    fn answer(&mut self, request: &Message, status: &str) {
        let ok = phone::answer(request, status, "bob");
        let contact = "Contact: <sip:bob@phone.invalid;transport=tls>";
        self.world.send(self.named, &ok.replace(contact, &format!("Contact: <sip:{GRUU}>")));
    }
}

#[test]
fn what_is_for_a_gruu_goes_to_its_device_alone() {
    everywhere(|mut play| {
        for (line, from) in [(play.alice, ALICE), (play.carol, CAROL)] {
            play.world.send(line, &for_uri("MESSAGE", from, GRUU, &format!("m{from}")));
            let message = play.at_named("MESSAGE");
            play.answer(&message, "200 OK");
            assert_eq!(play.world.only(line).status(), Some(200));
        }
        play.world.assert_quiet();
        assert!(play.world.is_idle(play.site));
    });
}

/// Bob's phone shows its GRUU as Contact, and all that follows is for that.
#[test]
fn a_dialog_goes_on_by_its_routes_and_without_them() {
    everywhere(|mut play| {
        for (line, from) in [(play.alice, ALICE), (play.carol, CAROL)] {
            play.world.send(line, &for_uri("INVITE", from, GRUU, &format!("c{from}")));
            let invite = play.at_named("INVITE");
            play.answer(&invite, "200 OK");
            let ok = play.world.only(line);
            play.world.send(line, &phone::by_caller("ACK", &ok, 1));
            play.at_named("ACK");
            play.world.send(line, &phone::by_caller("INFO", &ok, 2));
            let info = play.at_named("INFO");
            play.answer(&info, "200 OK");
            assert_eq!(play.world.only(line).status(), Some(200));
            play.world.send(play.named, &phone::by_callee("BYE", &invite, 1));
            let bye = play.world.only(line);
            assert!(first_line(&bye).starts_with("BYE"), "{}", first_line(&bye));
            play.world.send(line, &phone::answer(&bye, "200 OK", "caller"));
            assert_eq!(play.world.only(play.named).status(), Some(200));
        }
        play.world.send(
            play.alice,
            &for_uri("INFO", ALICE, GRUU, "elsewhere")
                .replace(&format!("To: <sip:{BOB}>"), &format!("To: <sip:{BOB}>;tag=callee")),
        );
        let info = play.at_named("INFO");
        play.answer(&info, "200 OK");
        assert_eq!(play.world.only(play.alice).status(), Some(200));
        play.world.assert_quiet();
        assert!(play.world.is_idle(play.site));
    });
}

/// Nor does a message wait for another device of his.
#[test]
fn where_the_device_is_not_there_no_other_is_asked() {
    everywhere(|mut play| {
        play.world.hang_up(play.named);
        for (n, (method, uri, status)) in [
            ("OPTIONS", GRUU, 480),
            ("MESSAGE", GRUU, 480),
            ("OPTIONS", "bob@contoso.example;gr=urn:uuid:2", 480),
            ("OPTIONS", "bob@contoso.example;gr", 480),
            ("OPTIONS", "nobody@contoso.example;gr=urn:uuid:1", 404),
        ]
        .into_iter()
        .enumerate()
        {
            play.world.send(play.alice, &for_uri(method, ALICE, uri, &format!("c{n}")));
            assert_eq!(play.world.only(play.alice).status(), Some(status), "{method} {uri}");
            assert!(play.world.take(play.other).is_empty(), "{method} {uri}");
        }
        play.world.assert_quiet();
        assert!(play.world.is_idle(play.site));
    });
}

/// What a partner says is the address of one of its devices passes as it is.
#[test]
fn a_partners_gruu_goes_to_the_partner() {
    everywhere(|mut play| {
        let invite = phone::request("INVITE", ALICE, CAROL, "c1");
        let named = invite.replacen(&format!("sip:{CAROL} "), &format!("sip:{CAROL};gr=urn:uuid:7 "), 1);
        play.world.send(play.alice, &named);
        let refused = play.world.only(play.alice);
        assert_eq!(refused.status(), Some(480), "{}", first_line(&refused));
        let registered = play.world.take(play.carol);
        assert!(registered.is_empty(), "Carol has a phone, but not that one");
    });
}
