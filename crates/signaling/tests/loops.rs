//! Requests that come back, and how many copies become of one (RFC 5393); organisations of one and of three workers.

use sim::{Line, World, allowed, certificate, first_line};
use sip::{HeaderName, Message};

use crate::phone;

const ALICE: &str = "alice@contoso.example";
const DAVE: &str = "dave@contoso.example";
const BOB: &str = "bob@fabrikam.example";

/// Alice and Dave are at Contoso, Bob at Fabrikam.
struct Play {
    world: World,
    contoso: usize,
    alice: Line,
    dave: Line,
    bob: Line,
}

fn everywhere(play: impl Fn(Play)) {
    phone::everywhere(6, |workers, seed| {
        let mut world = World::new(seed);
        let contoso = world.organisation("contoso.example", workers, &[allowed("fabrikam.example")], false);
        let fabrikam = world.organisation("fabrikam.example", workers, &[allowed("contoso.example")], false);
        let by_seed = |n: u64| u16::try_from((seed + n) % u64::from(workers)).unwrap();
        let mut user = |site, aor, n| {
            world.user(site, aor);
            phone::register(&mut world, site, by_seed(n), aor)
        };
        let (alice, dave, bob) = (user(contoso, ALICE, 0), user(contoso, DAVE, 1), user(fabrikam, BOB, 2));
        play(Play { world, contoso, alice, dave, bob });
    });
}

fn refusal(response: &Message) -> (u16, String) {
    let warning = response.header_text(HeaderName::Warning).unwrap_or_default();
    (response.status().unwrap(), warning.rsplit_once(' ').map(|(_, word)| word.to_owned()).unwrap_or_default())
}

fn loop_detected() -> (u16, String) {
    (482, "\"loop-detected\"".to_owned())
}

#[test]
fn what_a_partner_sends_back_as_it_was_is_a_loop() {
    everywhere(|mut play| {
        play.world.send(play.alice, &phone::request("MESSAGE", ALICE, BOB, "m1"));
        let received = play.world.only(play.bob);
        let fabrikam = play.world.connect(play.contoso, 0, Some(certificate(&["fabrikam.example"])));
        play.world.send(fabrikam, &phone::passed_on(&received, &format!("sip:{BOB};transport=tls"), 0));
        assert_eq!(refusal(&play.world.only(fabrikam)), loop_detected());
        // For somebody else it is no loop, and is judged as all others are.
        play.world.send(fabrikam, &phone::passed_on(&received, "sip:carol@fabrikam.example", 0));
        let (status, word) = refusal(&play.world.only(fabrikam));
        assert!(status == 403 || status == 407, "{status} {word}");
    });
}

/// The mark in the branch of our Via says it alone: nothing else of ours is left in the request.
#[test]
fn a_loop_is_known_by_the_branch_of_our_via_without_any_route() {
    everywhere(|mut play| {
        play.world.send(play.alice, &phone::request("MESSAGE", ALICE, BOB, "m1"));
        let received = play.world.only(play.bob);
        let back = phone::passed_on(&received, &format!("sip:{BOB};transport=tls"), 0);
        let is_route = |line: &&str| line.starts_with("Route:") || line.starts_with("Record-Route:");
        let bare: String = back.split_inclusive('\n').filter(|line| !is_route(line)).collect();
        let is_ours = |line: &&str| line.starts_with("Via:") && line.contains("contoso.example");
        let ours = bare.lines().find(is_ours).expect("our Via").to_owned();
        let fabrikam = play.world.connect(play.contoso, 0, Some(certificate(&["fabrikam.example"])));
        play.world.send(fabrikam, &bare);
        assert_eq!(refusal(&play.world.only(fabrikam)), loop_detected());
        let branch = ours.split("branch=").nth(1).unwrap().split(';').next().unwrap();
        let (changed, others) = (branch[..branch.len() - 1].to_owned(), ours.replace("contoso.example", "x.example"));
        for (number, via) in [ours.replace(branch, &changed), others, String::new()].into_iter().enumerate() {
            let line = if via.is_empty() { format!("{ours}\n") } else { ours.clone() };
            let other = bare.replace(&line, &via).replace("round0", &format!("round{}", number + 1));
            play.world.send(fabrikam, &other);
            let (status, word) = refusal(&play.world.only(fabrikam));
            assert!(status == 403 || status == 407, "{via}: {status} {word}");
        }
    });
}

#[test]
fn a_device_that_sends_back_what_its_user_wrote_to_himself_does_not_make_it_more() {
    everywhere(|mut play| {
        let other = phone::register(&mut play.world, play.contoso, 0, ALICE);
        play.world.send(other, &phone::request("MESSAGE", ALICE, ALICE, "m1"));
        let received = play.world.only(play.alice);
        play.world.take(other);
        play.world.send(play.alice, &phone::passed_on(&received, &format!("sip:{ALICE}"), 0));
        assert_eq!(refusal(&play.world.only(play.alice)), loop_detected());
        assert!(play.world.take(other).is_empty());
        // To another user it goes on: that is a spiral, and allowed.
        play.world.send(play.alice, &phone::passed_on(&received, &format!("sip:{DAVE}"), 0));
        assert!(first_line(&play.world.only(play.dave)).starts_with("MESSAGE"));
    });
}

#[test]
fn a_request_within_a_dialog_passes_each_time() {
    everywhere(|mut play| {
        play.world.send(play.alice, &phone::request("INVITE", ALICE, BOB, "c1"));
        let invite = play.world.only(play.bob);
        play.world.send(play.bob, &phone::answer(&invite, "200 OK", "bob"));
        let ok = play.world.take_response(play.alice);
        play.world.send(play.alice, &phone::by_caller("ACK", &ok, 1));
        assert!(first_line(&play.world.only(play.bob)).starts_with("ACK"));
        for cseq in [2, 3] {
            play.world.send(play.alice, &phone::by_caller("INFO", &ok, cseq));
            let info = play.world.only(play.bob);
            play.world.send(play.bob, &phone::answer(&info, "200 OK", "bob"));
            assert_eq!(play.world.only(play.alice).status(), Some(200));
        }
    });
}

/// To Dave, who has a second phone; with this Max-Breadth, if it has one.
fn to_two(play: &mut Play, method: &str, max_breadth: Option<u32>) -> Line {
    let second = phone::register(&mut play.world, play.contoso, 0, DAVE);
    let request = phone::simple(&phone::request(method, ALICE, DAVE, "c1"));
    let header = max_breadth.map(|breadth| format!("Max-Breadth: {breadth}\n")).unwrap_or_default();
    play.world.send(play.alice, &request.replacen("Max-Forwards", &format!("{header}Max-Forwards"), 1));
    second
}

#[test]
fn two_devices_share_what_a_request_may_be_on() {
    everywhere(|mut play| {
        let second = to_two(&mut play, "MESSAGE", None);
        let mut shares = [play.dave, second].map(|line| phone::breadth(&play.world.only(line)));
        assert_eq!(shares, [30, 30], "sixty where nothing is said");
        let third = phone::register(&mut play.world, play.contoso, 0, DAVE);
        let request = phone::request("MESSAGE", ALICE, DAVE, "m2");
        play.world.send(play.alice, &request.replacen("Max-Forwards", "Max-Breadth: 7\nMax-Forwards", 1));
        let of_three = [play.dave, second, third].map(|line| phone::breadth(&play.world.only(line)));
        shares = [of_three.iter().sum(), *of_three.iter().max().unwrap()];
        assert_eq!(shares, [7, 3], "{of_three:?}");
    });
}

#[test]
fn who_may_not_be_asked_at_once_is_asked_one_after_the_other() {
    everywhere(|mut play| {
        let second = to_two(&mut play, "MESSAGE", Some(1));
        let (mut first, mut other) = (play.dave, second);
        let mut came = play.world.take(first);
        if came.is_empty() {
            (first, other) = (second, play.dave);
            came = play.world.take(first);
        }
        assert_eq!((came.len(), phone::breadth(&came[0])), (1, 1));
        assert!(play.world.take(other).is_empty());
        play.world.send(first, &phone::answer(&came[0], "200 OK", "dave"));
        assert_eq!(play.world.take_response(play.alice).status(), Some(200));
        let copy = play.world.only(other);
        assert_eq!(phone::breadth(&copy), 1, "each device gets its copy all the same");
        play.world.send(other, &phone::answer(&copy, "200 OK", "dave"));
        assert!(play.world.is_idle(play.contoso), "nothing is left of it");
    });
}

#[test]
fn what_may_be_on_no_branch_more_is_refused() {
    everywhere(|mut play| {
        to_two(&mut play, "MESSAGE", Some(0));
        assert_eq!(refusal(&play.world.take_response(play.alice)), (440, "\"breadth-used-up\"".to_owned()));
        assert!(play.world.take(play.dave).is_empty());
        let request = phone::request("MESSAGE", ALICE, BOB, "m2");
        for (header, status) in [("Max-Breadth: 0", 440), ("Max-Breadth: none", 400)] {
            play.world.send(
                play.alice,
                &request
                    .replacen("Max-Forwards", &format!("{header}\nMax-Forwards"), 1)
                    .replace("m2", header.rsplit(' ').next().unwrap()),
            );
            assert_eq!(play.world.take_response(play.alice).status(), Some(status));
        }
        assert!(play.world.take(play.bob).is_empty());
    });
}

#[test]
fn on_one_way_it_stays_as_it_came() {
    everywhere(|mut play| {
        let request = phone::request("MESSAGE", ALICE, BOB, "m1");
        play.world.send(play.alice, &request.replacen("Max-Forwards", "Max-Breadth: 9\nMax-Forwards", 1));
        assert_eq!(phone::breadth(&play.world.only(play.bob)), 9, "two servers were on the way");
    });
}
