//! What goes silent while an INVITE is under way: a phone that has acknowledged a refusal, and a partner that is gone.

use std::time::Duration;

use sim::{Line, PASSWORD, World};
use sip::{HeaderName, Message, Method, auth};

use crate::phone;

const ALICE: &str = "alice@contoso.example";
const BOB: &str = "bob@fabrikam.example";
const BETH: &str = "beth@fabrikam.example";
const NOBODY: &str = "nobody@fabrikam.example";

/// Contoso and Fabrikam allow each other; Alice and Bob are on TLS, Beth on UDP, each of whose packets any worker may get.
struct Stage {
    world: World,
    fabrikam: usize,
    contoso: usize,
    alice: Line,
    bob: Line,
    beth: Line,
}

fn stage(workers: u16, seed: u64) -> Stage {
    let mut world = World::new(seed);
    let [contoso, fabrikam] = world.allies(["contoso.example", "fabrikam.example"], workers);
    for (site, aor) in [(contoso, ALICE), (fabrikam, BOB), (fabrikam, BETH)] {
        world.user(site, aor);
    }
    let alice = phone::register(&mut world, contoso, 0, ALICE);
    let bob = phone::register(&mut world, fabrikam, workers - 1, BOB);
    let beth = world.datagrams(fabrikam, None);
    phone::register_on(&mut world, beth, BETH);
    Stage { world, fabrikam, contoso, alice, bob, beth }
}

fn everywhere(play: impl Fn(Stage)) {
    phone::everywhere(6, |workers, seed| play(stage(workers, seed)));
}

fn with_proof(request: &str, challenge: &Message) -> String {
    let values: Vec<&str> =
        challenge.header_all(HeaderName::ProxyAuthenticate).map(|value| std::str::from_utf8(value).unwrap()).collect();
    let uri = format!("sip:{NOBODY}");
    let value = auth::answer(&values, "beth", PASSWORD, &Method::Invite, &uri, b"", "cnonce", 1).unwrap();
    let again = request.replace("1 INVITE", "2 INVITE").replace("branch=z9hG4bK", "branch=z9hG4bKagain");
    again.replace("Max-Forwards", &format!("Proxy-Authorization: {value}\nMax-Forwards"))
}

/// Of the transaction of the INVITE (RFC 3261 section 17.1.1.3).
fn ack(invite: &str, refusal: &Message) -> String {
    let to = format!("To: {}\n", refusal.header_text(HeaderName::To).unwrap());
    let lines = invite.replace("INVITE", "ACK");
    let kept =
        |line: &&str| ["ACK", "Via", "From", "Call-ID", "CSeq", "Max-F"].iter().any(|name| line.starts_with(name));
    let lines: String = lines.lines().filter(kept).map(|line| format!("{line}\n")).collect();
    lines
        .replace("branch=z9hG4bKACK", "branch=z9hG4bKINVITE")
        .replace("branch=z9hG4bKagainACK", "branch=z9hG4bKagainINVITE")
        + &format!("{to}Content-Length: 0\n\n")
}

/// What comes on Beth's line in the longest time that a refusal is repeated.
fn repeats(stage: &mut Stage) -> usize {
    stage.world.pass(Duration::from_secs(40));
    stage.world.take(stage.beth).len()
}

fn refused(stage: &mut Stage, call_id: &str) -> (String, Message) {
    let invite = phone::request("INVITE", BETH, NOBODY, call_id);
    stage.world.send(stage.beth, &invite);
    let challenge = stage.world.take_response(stage.beth);
    assert_eq!(challenge.status(), Some(407));
    stage.world.send(stage.beth, &ack(&invite, &challenge));
    let proven = with_proof(&invite, &challenge);
    stage.world.send(stage.beth, &proven);
    let refusal = stage.world.take_response(stage.beth);
    assert_eq!(refusal.status(), Some(404));
    (proven, refusal)
}

#[test]
fn a_refusal_is_repeated_until_its_ack_whichever_worker_gets_that() {
    everywhere(|mut stage| {
        refused(&mut stage, "never");
        assert!(repeats(&mut stage) >= 5, "nobody has acknowledged it");
        for number in 0..4 {
            let (invite, refusal) = refused(&mut stage, &format!("at-once-{number}"));
            stage.world.send(stage.beth, &ack(&invite, &refusal));
            assert_eq!(repeats(&mut stage), 0);
        }
    });
}

/// Timer C (RFC 3261 section 16.6), and 64 T1 for the answer to our CANCEL.
#[test]
fn a_call_that_rings_at_a_partner_who_is_gone_ends_by_timer_c() {
    for is_between in [false, true] {
        everywhere(|mut stage| {
            let invite = phone::request("INVITE", ALICE, BOB, "gone");
            let invite = if is_between { phone::simple(&invite) } else { invite };
            stage.world.send(stage.alice, &invite);
            let ringing = stage.world.only(stage.bob);
            stage.world.send(stage.bob, &phone::answer(&ringing, "180 Ringing", "bob"));
            assert_eq!(stage.world.only(stage.alice).status(), Some(180));
            stage.world.restart(stage.fabrikam);
            stage.world.pass(Duration::from_secs(175));
            assert!(stage.world.take(stage.alice).is_empty(), "as long as somebody may ring");
            stage.world.pass(Duration::from_secs(45));
            let refusal = stage.world.only(stage.alice);
            assert_eq!(refusal.status(), Some(504), "as of a partner that is silent");
            stage.world.send(stage.alice, &ack(&invite, &refusal));
            stage.world.pass(Duration::from_secs(400));
            let left = |status: &signaling::CoreStatus| {
                status.response_contexts
                    + status.server_transactions
                    + status.client_transactions
                    + status.calls_between
            };
            assert_eq!(stage.world.statuses(stage.contoso).iter().map(left).sum::<usize>(), 0);
        });
    }
}
