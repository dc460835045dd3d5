//! Bodies that cross the border, and that may not: refused in requests of both sides, left out of responses.

use sim::{Line, World};
use sip::{HeaderName, Message};

use crate::phone;

const ALICE: &str = "alice@contoso.example";
const CAROL: &str = "carol@contoso.example";
const BOB: &str = "bob@fabrikam.example";
const SDP: &str = "v=0\no=- 1 1 IN IP4 192.0.2.1\ns=-\nc=IN IP4 192.0.2.1\nt=0 0\nm=audio 40000 RTP/AVP 0\n";
const CODED: &str = "Content-Encoding: gzip\n";

struct Stage {
    world: World,
    alice: Line,
    carol: Line,
    bob: Line,
}

/// Phones that a server of theirs stands between as well, in every second play.
fn everywhere(play: impl Fn(Stage)) {
    phone::everywhere(6, |workers, seed| {
        let mut world = World::new(seed);
        let [contoso, fabrikam] = world.allies(["contoso.example", "fabrikam.example"], workers);
        for (site, aor) in [(contoso, ALICE), (contoso, CAROL), (fabrikam, BOB)] {
            world.user(site, aor);
        }
        let register = if seed % 2 == 0 { phone::register } else { phone::register_simple };
        let alice = register(&mut world, contoso, 0, ALICE);
        let carol = register(&mut world, contoso, workers - 1, CAROL);
        let bob = register(&mut world, fabrikam, 0, BOB);
        play(Stage { world, alice, carol, bob });
    });
}

fn status(message: &Message) -> (u16, Option<&str>) {
    (message.status().unwrap(), message.header_text(HeaderName::AcceptEncoding))
}

#[test]
fn a_request_whose_body_cannot_be_read_goes_to_no_partner_and_comes_from_none() {
    everywhere(|Stage { mut world, alice, bob, .. }| {
        for (line, from, to) in [(alice, ALICE, BOB), (bob, BOB, ALICE)] {
            let offer = phone::request("INVITE", from, to, &format!("offer-{from}"));
            world.send(line, &phone::with_body(&offer, CODED, "application/sdp", SDP));
            let refused = world.take_response(line);
            assert_eq!(status(&refused), (415, Some("identity")));
            world.send(line, &phone::acknowledge(&offer, &refused));
            let text = phone::request("MESSAGE", from, to, &format!("text-{from}"));
            world.send(line, &phone::with_body(&text, "", "application/isup", "x"));
            let refused = world.take_response(line);
            assert_eq!((refused.status(), refused.header_text(HeaderName::Accept)), (Some(415), Some("*/*")));
            world.send(line, &phone::with_body(&text.replace("text-", "long-"), "", "text/plain", &"x".repeat(33_000)));
            assert_eq!(world.take_response(line).status(), Some(413));
        }
        world.assert_quiet();
    });
}

#[test]
fn it_passes_between_our_own() {
    everywhere(|Stage { mut world, alice, carol, .. }| {
        let text = phone::request("MESSAGE", ALICE, CAROL, "own");
        world.send(alice, &phone::with_body(&text, CODED, "text/plain", "x"));
        let received = world.only(carol);
        assert_eq!(received.header_text(HeaderName::ContentEncoding), Some("gzip"));
        world.send(carol, &phone::answer(&received, "200 OK", "carol"));
        assert_eq!(world.take_response(alice).status(), Some(200));
    });
}

#[test]
fn a_response_passes_without_it() {
    everywhere(|Stage { mut world, alice, carol: _, bob }| {
        for ((line, from), (other, to)) in [((alice, ALICE), (bob, BOB)), ((bob, BOB), (alice, ALICE))] {
            let ask = phone::request("OPTIONS", from, to, &format!("ask-{from}"));
            world.send(line, &ask);
            let received = world.only(other);
            let answer = phone::answer(&received, "200 OK", "phone");
            world.send(other, &phone::with_body(&answer, CODED, "application/sdp", SDP));
            let heard = world.take_response(line);
            assert_eq!((heard.status(), heard.body().len()), (Some(200), 0));
            assert!(
                heard.header(HeaderName::ContentType).is_none() && heard.header(HeaderName::ContentEncoding).is_none()
            );
        }
        world.assert_quiet();
    });
}
