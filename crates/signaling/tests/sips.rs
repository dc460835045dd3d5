//! `sips` (RFC 5630): a request for such a URI reaches a device by TLS or not at all.

use sim::{Line, World};
use sip::{HeaderName, Message};

use crate::phone;

const ALICE: &str = "alice@contoso.example";
const BOB: &str = "bob@contoso.example";

/// Alice has signed in; Bob has not.
fn everywhere(act: impl Fn(&mut World, usize, u16, Line)) {
    phone::everywhere(6, |workers, seed| {
        let mut world = World::new(seed);
        let contoso = world.organisation("contoso.example", workers, &[], false);
        world.user(contoso, ALICE);
        world.user(contoso, BOB);
        let worker = |n: u64| u16::try_from((seed + n) % u64::from(workers)).unwrap();
        let alice = phone::register(&mut world, contoso, worker(0), ALICE);
        act(&mut world, contoso, worker(1), alice);
    });
}

fn to_sips(method: &str, call_id: &str) -> String {
    phone::request(method, ALICE, BOB, call_id).replacen("sip:bob", "sips:bob", 1)
}

fn told(answer: &Message) -> (u16, String) {
    let warning = answer.header_text(HeaderName::Warning).unwrap_or_default();
    (answer.status().unwrap(), warning.split('"').nth(1).unwrap_or_default().to_owned())
}

#[test]
fn only_devices_that_registered_so_by_tls_are_asked() {
    everywhere(|world, site, worker, alice| {
        let (secure, plain) = (world.connect(site, worker, None), world.datagrams(site, worker));
        phone::register_sips(world, secure, BOB);
        phone::register_on(world, plain, BOB);
        world.send(alice, &to_sips("MESSAGE", "safe"));
        let arrived = world.only(secure);
        assert!(arrived.request_uri().unwrap().starts_with("sips:"));
        assert!(world.take(plain).is_empty());
        world.send(secure, &phone::answer(&arrived, "200 OK", "bob"));
        assert_eq!(world.only(alice).status(), Some(200));
        world.send(alice, &phone::request("MESSAGE", ALICE, BOB, "any"));
        let arrived = world.only(secure);
        assert!(arrived.request_uri().unwrap().starts_with("sip:"), "what is not asked for is not promised");
        assert_eq!(world.take(plain).len(), 1);
    });
}

#[test]
fn where_there_is_no_such_device_the_sender_hears_so_and_nothing_is_kept() {
    everywhere(|world, site, worker, alice| {
        let (plain, by_sip) = (world.datagrams(site, worker), world.connect(site, worker, None));
        phone::register_sips(world, plain, BOB);
        phone::register_on(world, by_sip, BOB);
        for method in ["MESSAGE", "INVITE"] {
            world.send(alice, &to_sips(method, method));
            assert_eq!(told(&world.only(alice)), (480, "no-secure-way".into()));
        }
        assert!(world.take(plain).is_empty() && world.take(by_sip).is_empty());
        world.hang_up(by_sip);
        assert_eq!(world.kept(site), 0);
    });
}

#[test]
fn within_a_call_too() {
    everywhere(|world, site, worker, alice| {
        let plain = world.datagrams(site, worker);
        phone::register_on(world, plain, BOB);
        world.send(alice, &phone::request("INVITE", ALICE, BOB, "call"));
        let invite = world.only(plain);
        world.send(plain, &phone::answer(&invite, "200 OK", "bob"));
        let ok = world.only(alice);
        world.send(alice, &phone::by_caller("ACK", &ok, 1));
        world.take(plain);
        world.send(alice, &phone::by_caller("INFO", &ok, 2).replacen("INFO sip:", "INFO sips:", 1));
        assert_eq!(told(&world.only(alice)), (480, "no-secure-way".into()));
        assert!(world.take(plain).is_empty());
    });
}
