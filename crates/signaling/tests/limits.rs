//! What one sender may take of a server: at its limit it is told so, and nobody else notices.

use std::time::Duration;

use signaling::Limits;
use sim::{Line, World};
use sip::{HeaderName, Message, Method, auth};

use crate::phone;

const ALICE: &str = "alice@contoso.example";
const DAVE: &str = "dave@contoso.example";
const BOB: &str = "bob@fabrikam.example";

/// Contoso takes two requests of a user and three of a partner at a time; all are signed in.
struct Narrow {
    world: World,
    contoso: usize,
    alice: Line,
    dave: Line,
    bob: Line,
}

fn narrow(workers: u16, seed: u64) -> Narrow {
    let mut world = World::new(seed);
    let [contoso, fabrikam] = world.allies(["contoso.example", "fabrikam.example"], workers);
    world.configure(contoso, |config| {
        config.limits.requests_per_user_max = 2;
        config.limits.requests_per_partner_max = 3;
        config.limits.presence.subscriptions_per_user_max = 2;
        config.limits.presence.subscriptions_per_partner_max = 1;
    });
    for (site, user) in [(contoso, ALICE), (contoso, DAVE), (fabrikam, BOB)] {
        world.user(site, user);
    }
    let alice = phone::register(&mut world, contoso, 0, ALICE);
    let dave = phone::register(&mut world, contoso, workers - 1, DAVE);
    let bob = phone::register(&mut world, fabrikam, 0, BOB);
    Narrow { world, contoso, alice, dave, bob }
}

fn everywhere(play: impl Fn(Narrow)) {
    for (workers, seed) in [(1, 1), (3, 1), (3, 2), (3, 3)] {
        println!("workers {workers}, seed {seed}");
        play(narrow(workers, seed));
    }
}

impl Narrow {
    fn message(&mut self, from: Line, (sender, to): (&str, &str), call_id: &str) {
        self.world.send(from, &phone::request("MESSAGE", sender, to, call_id));
    }

    /// What a SUBSCRIBE to somebody's presence is answered; the NOTIFY, if there is one, stays unanswered.
    fn watch(&mut self, from: Line, (sender, to): (&str, &str), call_id: &str) -> Message {
        let subscribe = phone::request("SUBSCRIBE", sender, to, call_id);
        self.world.send(from, &subscribe.replacen("Max-F", "Event: presence\nExpires: 600\nMax-F", 1));
        self.world.take(from).into_iter().find(|message| message.status().is_some()).unwrap()
    }

    fn hits(&self, limit: &str) -> u64 {
        let workers = 0..self.world.workers(self.contoso);
        workers.filter_map(|worker| self.world.core(self.contoso, worker).counts().limits_hit.get(limit).copied()).sum()
    }
}

impl Narrow {
    /// Of a partner's requests, those beyond its share: of all partners, watched over or not, and of this one.
    fn over_share(&self, domain: &str) -> ([u64; 2], u64) {
        let now = self.world.now;
        let cores = (0..self.world.workers(self.contoso)).map(|worker| self.world.core(self.contoso, worker));
        cores.fold(([0, 0], 0), |([watched, others], own), core| {
            let [more_watched, more_others] = core.counts().over_share_of_partners;
            let of_partner = core.partner_status(now, domain).counts.over_share;
            ([watched + more_watched, others + more_others], own + of_partner)
        })
    }
}

fn is_told_to_wait(answer: &Message) {
    assert_eq!(answer.status(), Some(503));
    assert!(answer.header_text(HeaderName::Warning).unwrap().contains("overloaded"));
    assert_eq!(answer.header_text(HeaderName::RetryAfter), Some("5"));
}

#[test]
fn a_user_with_too_much_under_way_waits_and_others_do_not() {
    everywhere(|mut narrow| {
        let (alice, dave) = (narrow.alice, narrow.dave);
        for call_id in ["m1", "m2"] {
            narrow.message(alice, (ALICE, DAVE), call_id);
        }
        let waiting = narrow.world.take(dave);
        assert_eq!(waiting.len(), 2);
        narrow.message(alice, (ALICE, DAVE), "m3");
        is_told_to_wait(&narrow.world.only(alice));
        narrow.message(dave, (DAVE, ALICE), "d1");
        let to_alice = narrow.world.only(alice);
        narrow.world.send(alice, &phone::answer(&to_alice, "200 OK", "alice"));
        assert_eq!(narrow.world.only(dave).status(), Some(200));
        assert_eq!(narrow.hits("requests_per_user_max"), 1);

        narrow.world.send(dave, &phone::answer(&waiting[0], "200 OK", "dave"));
        assert_eq!(narrow.world.only(alice).status(), Some(200));
        narrow.message(alice, (ALICE, DAVE), "m4");
        let again = narrow.world.only(dave);
        for request in [&waiting[1], &again] {
            narrow.world.send(dave, &phone::answer(request, "200 OK", "dave"));
            assert_eq!(narrow.world.only(alice).status(), Some(200));
        }
        narrow.world.assert_quiet();
    });
}

/// Who never acknowledges a refusal could have as many as anybody else together.
#[test]
fn a_refusal_that_nobody_acknowledges_is_under_way_and_one_for_too_much_leaves_nothing() {
    everywhere(|mut narrow| {
        let alice = narrow.alice;
        let invite = |call_id: &str| phone::request("INVITE", ALICE, "nobody@contoso.example", call_id);
        let refused: Vec<Message> = ["c1", "c2"]
            .map(|call_id| {
                narrow.world.send(alice, &invite(call_id));
                narrow.world.only(alice)
            })
            .into();
        assert!(refused.iter().all(|response| response.status() == Some(404)));
        let transactions = |narrow: &Narrow| {
            let statuses = narrow.world.statuses(narrow.contoso);
            statuses.iter().map(|status| status.server_transactions).sum::<usize>()
        };
        let before = transactions(&narrow);
        let third = phone::request("INVITE", ALICE, DAVE, "c3");
        narrow.world.send(alice, &third);
        let told = narrow.world.only(alice);
        is_told_to_wait(&told);
        assert_eq!(transactions(&narrow), before);
        narrow.world.send(alice, &phone::acknowledge(&third, &told));
        assert!(narrow.world.take(narrow.dave).is_empty(), "he was not called");
        narrow.world.send(alice, &phone::acknowledge(&invite("c1"), &refused[0]));
        assert_eq!(transactions(&narrow), before - 1);
        narrow.world.send(alice, &invite("c4"));
        assert_eq!(narrow.world.only(alice).status(), Some(404));
    });
}

#[test]
fn what_belongs_to_a_dialog_goes_on_beyond_the_limit() {
    everywhere(|mut narrow| {
        let (alice, dave) = (narrow.alice, narrow.dave);
        narrow.world.send(alice, &phone::request("INVITE", ALICE, DAVE, "c1"));
        let invite = narrow.world.only(dave);
        narrow.world.send(dave, &phone::answer(&invite, "200 OK", "dave"));
        let ok = narrow.world.only(alice);
        narrow.world.send(alice, &phone::by_caller("ACK", &ok, 1));
        narrow.world.only(dave);
        for call_id in ["m1", "m2"] {
            narrow.message(alice, (ALICE, DAVE), call_id);
            narrow.world.only(dave);
        }
        narrow.world.send(alice, &phone::by_caller("BYE", &ok, 2));
        let bye = narrow.world.only(dave);
        narrow.world.send(dave, &phone::answer(&bye, "200 OK", "dave"));
        assert_eq!(narrow.world.only(alice).status(), Some(200));
    });
}

#[test]
fn a_partner_with_too_much_under_way_is_told_and_our_own_users_are_not() {
    everywhere(|mut narrow| {
        let (bob, alice, dave) = (narrow.bob, narrow.alice, narrow.dave);
        // Over one connection, so that one worker counts them.
        for _ in 0..3 {
            narrow.message(bob, (BOB, ALICE), "one");
            narrow.world.take(bob);
        }
        let mut seen = narrow.world.take(alice).len();
        let mut refused = 0;
        for number in 0..20 {
            narrow.message(bob, (BOB, ALICE), &format!("n{number}"));
            seen += narrow.world.take(alice).len();
            refused += narrow.world.take(bob).iter().filter(|answer| answer.status() >= Some(500)).count();
        }
        assert!(refused > 0 && seen <= 3 * usize::from(narrow.world.workers(narrow.contoso)), "{seen} {refused}");
        // The partner takes the Retry-After to heart: what it refuses by itself we never see.
        let hits = narrow.hits("requests_per_partner_max");
        assert!((1..refused as u64).contains(&hits), "{hits} {refused}");
        assert_eq!(narrow.over_share("fabrikam.example"), ([0, hits], hits));
        narrow.message(dave, (DAVE, ALICE), "d1");
        let to_alice = narrow.world.only(alice);
        narrow.world.send(alice, &phone::answer(&to_alice, "200 OK", "alice"));
        assert_eq!(narrow.world.only(dave).status(), Some(200));
    });
}

/// Anybody gets a nonce at his own address, and may then use it at another's.
#[test]
fn a_wrong_password_by_datagram_gets_one_answer_and_leaves_nothing() {
    let Narrow { mut world, contoso, .. } = narrow(1, 1);
    let spoofer = world.datagrams(contoso, 0);
    let invite = phone::request("INVITE", ALICE, DAVE, "spoofed");
    world.send(spoofer, &invite);
    let challenge = world.only(spoofer);
    let offered: Vec<_> = challenge.header_all(HeaderName::ProxyAuthenticate).collect();
    let offered: Vec<_> = offered.iter().map(|value| std::str::from_utf8(value).unwrap()).collect();
    let uri = format!("sip:{DAVE}");
    let proof = auth::answer(&offered, "alice", "guessed", &Method::Invite, &uri, b"", "c", 1).unwrap();
    let guessed = invite.replacen("Max-Forwards", &format!("Proxy-Authorization: {proof}\nMax-Forwards"), 1);
    let before = world.core(contoso, 0).status().server_transactions;
    world.send(spoofer, &guessed);
    assert_eq!(world.only(spoofer).status(), Some(407));
    assert_eq!(world.core(contoso, 0).status().server_transactions, before);
    world.pass(Duration::from_secs(40));
    assert!(world.take(spoofer).is_empty(), "it is not repeated to whoever lives there");
}

#[test]
fn a_cancel_of_nothing_leaves_nothing() {
    let Narrow { mut world, contoso, .. } = narrow(1, 1);
    let spoofer = world.datagrams(contoso, 0);
    let before = world.core(contoso, 0).status().server_transactions;
    for number in 0..20 {
        world.send(spoofer, &phone::request("CANCEL", ALICE, DAVE, &format!("none{number}")));
        assert_eq!(world.only(spoofer).status(), Some(481));
    }
    assert_eq!(world.core(contoso, 0).status().server_transactions, before);
}

#[test]
fn no_more_goes_out_by_datagrams_than_came_in_and_a_little() {
    let mut world = World::new(1);
    let contoso = world.organisation("contoso.example", 1, &[], false);
    world.configure(contoso, |config| config.limits.datagram_surplus_bytes_per_sec_max = SURPLUS_BYTES);
    let spoofer = world.datagrams(contoso, 0);
    let (mut sent, mut back, mut answers) = (0, 0, 0);
    for number in 0..50 {
        let request = phone::request("MESSAGE", ALICE, DAVE, &format!("short{number}"));
        sent += request.replace('\n', "\r\n").len();
        world.send(spoofer, &request);
        for answer in world.take(spoofer) {
            (back, answers) = (back + answer.as_bytes().len(), answers + 1);
        }
    }
    assert!((1..25).contains(&answers), "{answers}");
    assert!(back <= sent + SURPLUS_BYTES, "{back} for {sent}");
    let hits = |world: &World| world.core(contoso, 0).counts().limits_hit["datagram_surplus_bytes_per_sec_max"];
    assert_eq!(hits(&world), 50 - answers);

    // Who is longer than the answer is answered, and after a second a few others.
    let long =
        phone::request("MESSAGE", ALICE, DAVE, "long").replace("Max-F", &format!("X-Long: {}\nMax-F", "x".repeat(900)));
    world.send(spoofer, &long);
    assert_eq!(world.only(spoofer).status(), Some(407));
    world.pass(Duration::from_secs(1));
    world.send(spoofer, &phone::request("MESSAGE", ALICE, DAVE, "later"));
    assert_eq!(world.only(spoofer).status(), Some(407));
}

#[test]
fn where_a_user_has_signed_in_by_datagrams_many_may_ask_at_once() {
    for (addresses_max, surplus_max, expected) in [(10, 1 << 20, 50), (10, SURPLUS_BYTES, 10), (0, 1 << 20, 10)] {
        let mut world = World::new(1);
        let contoso = world.organisation("contoso.example", 1, &[], false);
        world.configure(contoso, |config| {
            config.limits.datagram_surplus_bytes_per_sec_max = SURPLUS_BYTES;
            config.limits.datagram_surplus_proven_bytes_per_sec_max = surplus_max;
            config.limits.proven_addresses_max = addresses_max;
        });
        world.user(contoso, ALICE);
        // Another port of the same address is another phone of the same office.
        let (alice, office) = (world.datagrams(contoso, 0), world.datagrams(contoso, 0));
        phone::register_on(&mut world, alice, ALICE);
        world.pass(Duration::from_secs(1));
        let mut answers = 0;
        for number in 0..50 {
            world.send(office, &phone::request("MESSAGE", ALICE, DAVE, &format!("short{number}")));
            answers += world.take(office).len();
        }
        assert!(if expected == 50 { answers == 50 } else { (1..25).contains(&answers) }, "{answers}");
        let hits = world.core(contoso, 0).counts().limits_hit.get("proven_addresses_max").copied();
        assert_eq!(hits.is_some(), addresses_max == 0, "{hits:?}");
    }
}

#[test]
fn what_waits_for_an_answer_is_bounded_for_each_flow_and_for_all() {
    assert_eq!(guess(&mut guessing(|_| {})).status(), Some(401));
    let mut narrow = guessing(|limits| limits.waiting_per_flow_max = 0);
    is_told_to_wait(&guess(&mut narrow));
    assert_eq!(narrow.world.core(0, 0).counts().limits_hit["waiting_per_flow_max"], 1);
    let mut full = guessing(|limits| limits.waiting_max = 0);
    is_told_to_wait(&guess(&mut full));
    assert_eq!(full.world.core(0, 0).counts().limits_hit["waiting_max"], 1);
}

struct Guessing {
    world: World,
    line: Line,
}

fn guessing(narrow: impl Fn(&mut Limits)) -> Guessing {
    let mut world = World::new(1);
    let site = world.organisation("contoso.example", 1, &[], false);
    world.configure(site, |config| narrow(&mut config.limits));
    let line = world.connect(site, 0, None);
    Guessing { world, line }
}

/// The answer to a REGISTER with a wrong password: for it, the store is asked.
fn guess(Guessing { world, line }: &mut Guessing) -> Message {
    let register = phone::request("REGISTER", ALICE, ALICE, "guess");
    world.send(*line, &register);
    let challenge = world.only(*line);
    let offered: Vec<_> = challenge.header_all(HeaderName::WwwAuthenticate).collect();
    let offered: Vec<_> = offered.iter().map(|value| std::str::from_utf8(value).unwrap()).collect();
    let uri = format!("sip:{ALICE}");
    let proof = auth::answer(&offered, "alice", "guessed", &Method::Register, &uri, b"", "c", 1).unwrap();
    let guess = register.replacen("Max-Forwards", &format!("Authorization: {proof}\nMax-Forwards"), 1);
    world.send(*line, &guess.replace("CSeq: 1", "CSeq: 2").replace("branch=z9hG4bK", "branch=z9hG4bKagain"));
    world.only(*line)
}

const SURPLUS_BYTES: usize = 2_000;

#[test]
fn who_watches_as_many_as_one_may_is_told_and_others_watch() {
    let mut narrow = narrow(1, 1);
    let (alice, dave, bob) = (narrow.alice, narrow.dave, narrow.bob);
    let warns = |answer: &Message| answer.header_text(HeaderName::Warning).unwrap_or_default().contains("too-many-sub");
    for (to, call_id, status) in [(ALICE, "w1", 200), (DAVE, "w2", 200), (ALICE, "w3", 480)] {
        let answer = narrow.watch(dave, (DAVE, to), call_id);
        assert_eq!((answer.status(), warns(&answer)), (Some(status), status == 480));
    }
    for (to, call_id, status) in [(ALICE, "b1", 200), (DAVE, "b2", 480)] {
        let answer = narrow.watch(bob, (BOB, to), call_id);
        assert_eq!((answer.status(), warns(&answer)), (Some(status), status == 480));
    }
    assert_eq!(narrow.watch(alice, (ALICE, DAVE), "a1").status(), Some(200));
    let hits = ["subscriptions_per_user_max", "subscriptions_per_partner_max"].map(|limit| narrow.hits(limit));
    assert_eq!(hits, [1, 1]);
}

/// All places of one user are not for one watcher, nor for the users of one partner.
#[test]
fn who_watches_one_user_as_often_as_one_may_is_told_and_others_watch_that_user() {
    let mut narrow = narrow(1, 1);
    narrow.world.configure(narrow.contoso, |config| {
        config.limits.presence.watchers_per_user_of_one_max = 1;
        config.limits.presence.watchers_per_user_of_partner_max = 2;
        config.limits.presence.subscriptions_per_partner_max = 9;
    });
    let dave = phone::register(&mut narrow.world, narrow.contoso, 0, DAVE);
    let alice = phone::register(&mut narrow.world, narrow.contoso, 0, ALICE);
    let bob = narrow.bob;
    for (to, call_id, status) in [(ALICE, "w1", 200), (ALICE, "w2", 480), (DAVE, "w3", 200)] {
        assert_eq!(narrow.watch(dave, (DAVE, to), call_id).status(), Some(status), "{call_id}");
    }
    for (to, call_id, status) in [(ALICE, "b1", 200), (ALICE, "b2", 200), (ALICE, "b3", 480), (DAVE, "b4", 200)] {
        assert_eq!(narrow.watch(bob, (BOB, to), call_id).status(), Some(status), "{call_id}");
    }
    assert_eq!(narrow.watch(alice, (ALICE, ALICE), "a1").status(), Some(200));
    let hits = ["subscriptions_per_user_max", "subscriptions_per_partner_max"].map(|limit| narrow.hits(limit));
    assert_eq!(hits, [1, 1]);
}

/// What a partner's users begin here lasts for as long as they like.
#[test]
fn a_partner_with_enough_calls_and_sessions_that_go_through_us_has_them_go_on_without() {
    for (max, hits, status) in [(0, 1, 488), (1, 0, 200)] {
        let mut narrow = narrow(1, 1);
        narrow.world.configure(narrow.contoso, |config| {
            config.limits.calls_between_per_partner_max = max;
            config.limits.gateways_per_partner_max = max;
        });
        let alice = phone::register(&mut narrow.world, narrow.contoso, 0, ALICE);
        let invite = phone::request("INVITE", BOB, ALICE, "session");
        narrow.world.send(narrow.bob, &phone::with_body(&invite, "", "application/sdp", WRITTEN));
        let came = narrow.world.only(alice);
        narrow.world.send(alice, &phone::answer(&came, "488 Not Acceptable Here", "alice"));
        assert_eq!(narrow.world.take_response(narrow.bob).status(), Some(status));
        assert_eq!(narrow.hits("calls_between_per_partner_max"), hits);
        assert_eq!(narrow.hits("gateways_per_partner_max"), hits);
    }
}

const WRITTEN: &str = "v=0\no=- 1 1 IN IP4 192.0.2.1\ns=-\nc=IN IP4 192.0.2.1\nt=0 0\nm=message 5060 sip null\n\
    a=accept-types:text/plain\n";

/// What would be refused in the end costs neither a challenge nor a question to the store.
#[test]
fn a_registration_of_more_contacts_than_can_be_is_refused_before_anything_is_asked() {
    let Narrow { mut world, contoso, .. } = narrow(1, 1);
    for (contacts, status, word) in [(32, 401, "authentication-required"), (33, 503, "too-many-bindings")] {
        let stranger = world.connect(contoso, 0, None);
        let lines: String = (1..contacts).map(|number| format!("Contact: <sip:n{number}@phone.invalid>\n")).collect();
        let register = phone::request("REGISTER", ALICE, ALICE, "many");
        world.send(stranger, &register.replacen("Max-F", &format!("{lines}Max-F"), 1));
        let answer = world.only(stranger);
        let warning = answer.header_text(HeaderName::Warning).unwrap_or_default();
        assert_eq!((answer.status(), warning.contains(word)), (Some(status), true), "{warning}");
    }
    assert_eq!(world.core(contoso, 0).load().waiting, 0);
}
