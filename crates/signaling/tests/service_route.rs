//! The way that a phone without an outbound proxy is told (RFC 3608), in an organisation of one and of three workers.

use sim::{World, allowed, first_line};
use sip::HeaderName;

use crate::phone;

const ALICE: &str = "alice@contoso.example";
const BOB: &str = "bob@fabrikam.example";

#[test]
fn a_phone_goes_to_others_by_the_way_that_it_was_told() {
    for workers in [1, 3] {
        let mut world = World::new(u64::from(workers));
        let contoso = world.organisation("contoso.example", workers, &[allowed("fabrikam.example")], false);
        let fabrikam = world.organisation("fabrikam.example", workers, &[allowed("contoso.example")], false);
        world.user(contoso, ALICE);
        world.user(fabrikam, BOB);
        let bob = phone::register(&mut world, fabrikam, 0, BOB);
        let alice = world.connect(contoso, workers - 1, None);
        let registered = phone::register_flow(&mut world, alice, ALICE, 1);
        let route = registered.header_text(HeaderName::ServiceRoute).unwrap().to_owned();
        assert_eq!(route, "<sip:sip.contoso.example:5061;transport=tls;lr>");

        let invite = phone::request("INVITE", ALICE, BOB, "c1");
        world.send(alice, &invite.replacen("Max-Forwards", &format!("Route: {route}\nMax-Forwards"), 1));
        let received = world.only(bob);
        assert!(first_line(&received).starts_with("INVITE"), "{}", first_line(&received));
        assert_eq!(received.routes().count(), 0);
        world.send(bob, &phone::answer(&received, "486 Busy Here", "bob"));
        world.take(bob);
        assert_eq!(world.only(alice).status(), Some(486));
    }
}
