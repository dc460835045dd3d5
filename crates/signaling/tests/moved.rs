//! A phone that speaks by datagrams, within a call that it made: it is asked there by whichever worker knows where it is, and may
//! come back from another address.

use sim::{Line, World, first_line};
use sip::Message;

use crate::phone;

const ALICE: &str = "alice@contoso.example";
const BOB: &str = "bob@fabrikam.example";
const SDP: &str = "v=0\no=- 1 1 IN IP4 192.0.2.1\ns=-\nc=IN IP4 192.0.2.1\nt=0 0\nm=audio 40000 RTP/AVP 0\n";

/// Alice has called Bob.
struct Call {
    world: World,
    contoso: usize,
    alice: Line,
    bob: Line,
    /// As it came to Bob.
    invite: Message,
    ok: Message,
}

fn everywhere(play: impl Fn(Call)) {
    phone::everywhere(12, |workers, seed| {
        let mut world = World::new(seed);
        let [contoso, fabrikam] = world.allies(["contoso.example", "fabrikam.example"], workers);
        world.user(contoso, ALICE);
        world.user(fabrikam, BOB);
        let alice = world.datagrams(contoso, None);
        phone::register_on(&mut world, alice, ALICE);
        let bob = phone::register(&mut world, fabrikam, 0, BOB);
        let asked = at(&phone::request("INVITE", ALICE, BOB, &format!("c{seed}")), alice);
        let (invite, ok) = with_password(&mut world, (alice, bob), &asked, None);
        play(Call { world, contoso, alice, bob, invite, ok });
    });
}

/// With the Contact that is registered for this line.
fn at(request: &str, line: Line) -> String {
    request.replace("alice@phone.invalid", &format!("alice@phone{}.invalid", line.0))
}

/// Sent once, and once more with the password; Bob answers, and Alice acknowledges by the way of that dialog, with the same
/// credentials. Returns what came to Bob, and her 200.
fn with_password(
    world: &mut World,
    (alice, bob): (Line, Line),
    invite: &str,
    dialog: Option<&Message>,
) -> (Message, Message) {
    let invite = phone::with_body(invite, "", "application/sdp", SDP);
    world.send(alice, &invite);
    let challenge = world.take_response(alice);
    assert_eq!(challenge.status(), Some(407), "{}", first_line(&challenge));
    world.send(alice, &phone::acknowledge(&invite, &challenge));
    let again = phone::answered(&invite, &challenge, ALICE);
    world.send(alice, &again);
    let came = world.only(bob);
    assert!(first_line(&came).starts_with("INVITE"), "{}", first_line(&came));
    let answer = phone::with_body(&phone::answer(&came, "200 OK", "bob"), "", "application/sdp", SDP);
    world.send(bob, &answer);
    let ok = world.take_response(alice);
    assert_eq!(ok.status(), Some(200), "{}", first_line(&ok));
    let credentials = again.lines().find(|line| line.starts_with("Proxy-Authorization")).unwrap();
    world.send(alice, &with_header(&phone::by_caller("ACK", dialog.unwrap_or(&ok), 2), credentials));
    assert!(first_line(&world.only(bob)).starts_with("ACK"));
    (came, ok)
}

fn with_header(request: &str, line: &str) -> String {
    request.replacen("Max-Forwards", &format!("{line}\nMax-Forwards"), 1)
}

#[test]
fn what_the_other_side_takes_back_is_taken_back_at_the_phone() {
    everywhere(|Call { mut world, alice, bob, invite, .. }| {
        let again = at(&phone::by_callee("INVITE", &invite, 1), alice);
        world.send(bob, &phone::with_body(&again, "", "application/sdp", SDP));
        let came = world.only(alice);
        assert!(first_line(&came).starts_with("INVITE"), "{}", first_line(&came));
        world.send(alice, &phone::answer(&came, "180 Ringing", "alice"));
        assert_eq!(world.take_response(bob).status(), Some(180));
        let cancel = again.replacen("INVITE", "CANCEL", 1).replace("CSeq: 1 INVITE", "CSeq: 1 CANCEL");
        world.send(bob, &cancel);
        let cancelled = world.only(alice);
        assert!(first_line(&cancelled).starts_with("CANCEL"), "{}", first_line(&cancelled));
    });
}

/// The ACK from there is proven by the credentials of its INVITE, and what the other side says goes there.
#[test]
fn one_that_comes_back_from_another_address_stays_in_the_call() {
    everywhere(|Call { mut world, contoso, alice, bob, invite, ok }| {
        let moved = world.datagrams(contoso, None);
        phone::register_on(&mut world, moved, ALICE);
        let again = phone::by_caller("INVITE", &ok, 1);
        let again = with_header(&again, &format!("Contact: <sip:alice@phone{}.invalid;transport=tls>", moved.0));
        with_password(&mut world, (moved, bob), &again, Some(&ok));
        let bye =
            phone::by_callee("BYE", &invite, 2).replace(&format!("phone{}.", alice.0), &format!("phone{}.", moved.0));
        world.send(bob, &bye);
        let came = world.only(moved);
        assert!(first_line(&came).starts_with("BYE"), "{}", first_line(&came));
        assert!(world.take(alice).is_empty(), "nobody listens there any more");
    });
}

/// As a phone does that goes to another network: the server has not noticed yet that nobody is at the end of the old connection.
#[test]
fn one_that_has_left_its_connection_standing_is_asked_over_the_new_one() {
    phone::everywhere(12, |workers, seed| {
        let mut world = World::new(seed);
        let [contoso, fabrikam] = world.allies(["contoso.example", "fabrikam.example"], workers);
        world.user(contoso, ALICE);
        world.user(fabrikam, BOB);
        let worker = |n: u64| u16::try_from((seed + n) % u64::from(workers)).unwrap();
        let alice = phone::register(&mut world, contoso, worker(0), ALICE);
        let bob = phone::register(&mut world, fabrikam, 0, BOB);
        world.send(alice, &at(&phone::request("INVITE", ALICE, BOB, "c1"), alice));
        let invite = world.only(bob);
        world.send(bob, &phone::answer(&invite, "200 OK", "bob"));
        let ok = world.only(alice);
        world.send(alice, &phone::by_caller("ACK", &ok, 1));
        world.only(bob);
        let moved = phone::register(&mut world, contoso, worker(1), ALICE);
        let said = phone::by_callee("INFO", &invite, 1);
        world.send(bob, &said);
        let came = world.only(alice);
        world.send(alice, &phone::answer(&came, "200 OK", "alice"));
        assert_eq!(world.only(bob).status(), Some(200), "it has not moved yet");
        let bye =
            phone::by_callee("BYE", &invite, 2).replace(&format!("phone{}.", alice.0), &format!("phone{}.", moved.0));
        world.send(bob, &bye);
        assert!(first_line(&world.only(moved)).starts_with("BYE"));
        assert!(world.take(alice).is_empty());
    });
}
