//! What a partner hears of the inside where topology is hidden: of refusals, redirections and requests, by one server and by an
//! edge before a home.

use federation::partner::{EntrySwitch, Partner};
use sim::{Line, World};
use sip::{HeaderName, Message, Method};

use crate::phone;

const ALICE: &str = "alice@contoso.example";
const BOB: &str = "bob@fabrikam.example";
/// What a server or phone inside may say of itself.
const TOLD: &str = "Server: pbx7 (10.0.0.7)\nUser-Agent: pbx7 (10.0.0.7)\n\
    Warning: 392 10.0.0.7:5060 \"Noisy feedback tells: req_src_ip=10.0.0.1 for pbx7.inside\"\n\
    Reason: Q.850;cause=17;text=\"busy at pbx7.inside\"\nError-Info: <http://10.0.0.7/busy.wav>\n";

struct Pair {
    world: World,
    alice: Line,
    bob: Line,
}

impl Pair {
    /// What Contoso's configuration says, and its entry for Fabrikam.
    fn new(workers: u16, seed: u64, edges: usize, (is_hidden, entry): (bool, EntrySwitch)) -> Pair {
        let mut world = World::new(seed);
        let fabrikam = Partner { hide_topology: entry, ..Partner::allowed("fabrikam.example") };
        let contoso = world.organisation("contoso.example", workers, &[fabrikam], false);
        let fabrikam = world.organisation("fabrikam.example", workers, &[Partner::allowed("contoso.example")], false);
        if edges > 0 {
            world.put_edges_before(contoso, edges);
        }
        if is_hidden {
            world.hide_topology(contoso);
        }
        world.user(contoso, ALICE);
        world.user(fabrikam, BOB);
        let worker = |n: u64| u16::try_from((seed + n) % u64::from(workers)).unwrap();
        let alice = phone::register(&mut world, contoso, worker(0), ALICE);
        let bob = phone::register(&mut world, fabrikam, worker(1), BOB);
        Pair { world, alice, bob }
    }

    /// Bob asks, Alice's side answers; what he hears.
    fn answered(&mut self, method: &str, status: &str, headers: &str) -> Message {
        self.world.send(self.bob, &phone::request(method, BOB, ALICE, &format!("of-{method}")));
        let request = self.world.only(self.alice);
        let answer = phone::answer(&request, status, "alice");
        self.world.send(self.alice, &answer.replacen("Contact: <sip:alice@phone.invalid;transport=tls>\n", headers, 1));
        let heard = self.world.only(self.bob);
        // The ACK to the refusal of an INVITE.
        self.world.take(self.alice);
        heard
    }
}

fn everywhere(play: impl Fn(Pair)) {
    phone::everywhere(6, |workers, seed| {
        for edges in [0, 1] {
            for said in [(true, EntrySwitch::ByDefault), (false, EntrySwitch::Always)] {
                play(Pair::new(workers, seed, edges, said));
            }
        }
    });
}

fn check_silent(message: &Message) {
    let text = String::from_utf8_lossy(message.as_bytes());
    for told in ["pbx7", "10.0.0.", "inside", "Noisy"] {
        assert!(!text.contains(told), "{told} in {text}");
    }
}

#[test]
fn a_refusal_of_whatever_is_inside_tells_nothing_of_it() {
    everywhere(|mut pair| {
        for method in ["INVITE", "MESSAGE"] {
            let refused = pair.answered(method, "486 Busy at pbx7.inside", TOLD);
            check_silent(&refused);
            assert_eq!((refused.status(), refused.reason_phrase()), (Some(486), Some(&b"Busy Here"[..])));
            assert_eq!(refused.header_text(HeaderName::Reason), Some("Q.850;cause=17"));
            assert_eq!(refused.header_text(HeaderName::Warning), Some("392 sip.contoso.example \"\""));
        }
    });
}

#[test]
fn a_partner_whose_entry_says_so_sees_what_others_do_not() {
    phone::everywhere(2, |workers, seed| {
        let mut pair = Pair::new(workers, seed, 1, (true, EntrySwitch::Never));
        let refused = pair.answered("INVITE", "486 Busy at pbx7.inside", TOLD);
        assert_eq!(refused.header_text(HeaderName::Server), Some("pbx7 (10.0.0.7)"));
        assert_eq!(refused.header_text(HeaderName::Reason), Some("Q.850;cause=17;text=\"busy at pbx7.inside\""));
    });
}

#[test]
fn a_redirection_names_no_place_inside() {
    everywhere(|mut pair| {
        let places = "Contact: <sip:alice@10.0.0.8:5060>, <sip:alice@[fd00::8]>, <sip:alice@litware.example>;q=0.5\n";
        let moved = pair.answered("INVITE", "302 Gone to pbx7.inside", places);
        check_silent(&moved);
        let contacts: Vec<_> = moved.header_all(HeaderName::Contact).collect();
        assert_eq!(contacts, [b"<sip:alice@litware.example>;q=0.5"]);
    });
}

#[test]
fn a_word_of_ours_passes() {
    everywhere(|mut pair| {
        pair.world.send(pair.bob, &phone::request("MESSAGE", BOB, "nobody@contoso.example", "m1"));
        let refused = pair.world.only(pair.bob);
        assert_eq!(refused.header_text(HeaderName::Warning), Some("399 sip.contoso.example \"user-unknown\""));
    });
}

#[test]
fn why_a_call_was_given_up_is_told_without_words() {
    everywhere(|mut pair| {
        pair.world.send(pair.alice, &phone::request("INVITE", ALICE, BOB, "c1"));
        let invite = pair.world.only(pair.bob);
        pair.world.send(pair.bob, &phone::answer(&invite, "180 Ringing", "bob"));
        pair.world.take(pair.alice);
        let cancel = phone::request("CANCEL", ALICE, BOB, "c1").replace("z9hG4bKCANCEL", "z9hG4bKINVITE");
        pair.world.send(pair.alice, &cancel.replace("Max-Forwards", &format!("{TOLD}Max-Forwards")));
        let cancelled = pair.world.only(pair.bob);
        check_silent(&cancelled);
        assert_eq!(cancelled.cseq().unwrap().method, Method::Cancel);
        assert_eq!(cancelled.header_text(HeaderName::Reason), Some("Q.850;cause=17"));
    });
}

#[test]
fn what_our_own_phone_sends_tells_as_little() {
    everywhere(|mut pair| {
        let request = phone::request("MESSAGE", ALICE, BOB, "m1");
        pair.world.send(pair.alice, &request.replace("Max-Forwards", &format!("{TOLD}Max-Forwards")));
        let received = pair.world.only(pair.bob);
        check_silent(&received);
        assert_eq!(received.header_text(HeaderName::Reason), Some("Q.850;cause=17"));
    });
}
