//! A phone that sends its datagrams from one port and listens at another, which it names in its Via (RFC 3261 section 18.2.2).

use sim::{Line, World, allowed, certificate};

use crate::phone;

const ALICE: &str = "alice@contoso.example";
const BOB: &str = "bob@fabrikam.example";

struct Stage {
    world: World,
    /// Alice's: where she speaks, and where she listens.
    alice: [Line; 2],
    partner: Line,
}

fn everywhere(play: impl Fn(Stage)) {
    phone::everywhere(4, |workers, seed| {
        let mut world = World::new(seed);
        let contoso = world.organisation("contoso.example", workers, &[allowed("fabrikam.example")], false);
        world.user(contoso, ALICE);
        let alice = [(); 2].map(|()| world.datagrams(contoso, None));
        let partner = world.connect(contoso, workers - 1, Some(certificate(&["fabrikam.example"])));
        play(Stage { world, alice, partner });
    });
}

#[test]
fn is_answered_and_asked_where_it_listens() {
    everywhere(|Stage { mut world, alice: [speaks, listens], partner }| {
        phone::register_between(&mut world, [speaks, listens], ALICE);
        world.send(partner, &phone::request("MESSAGE", BOB, ALICE, "m1"));
        let message = world.only(listens);
        assert_eq!(message.method().unwrap().as_str(), "MESSAGE");
        world.send(speaks, &phone::answer(&message, "200 OK", "alice"));
        assert_eq!(world.take_response(partner).status(), Some(200));
        assert!(world.take(speaks).is_empty());
    });
}

#[test]
fn who_asks_for_it_is_answered_where_he_sent_from() {
    everywhere(|Stage { mut world, alice: [speaks, listens], .. }| {
        let via = format!("SIP/2.0/UDP {};", world.line_address(listens).unwrap());
        let asked = phone::request("OPTIONS", ALICE, ALICE, "o1").replace("SIP/2.0/TLS phone.invalid;", &via);
        assert!(asked.contains(";rport"), "{asked}");
        world.send(speaks, &asked);
        assert_eq!(world.take_response(speaks).status(), Some(407));
        world.send(
            speaks,
            &asked.replace(&via, "SIP/2.0/UDP 10.0.0.1:5060;").replacen(";rport", "", 1).replace("o1", "o2"),
        );
        assert_eq!(world.take_response(speaks).status(), Some(407), "behind a NAT");
        assert!(world.take(listens).is_empty());
    });
}
