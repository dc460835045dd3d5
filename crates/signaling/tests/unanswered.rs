//! Strangers whom nobody has answered: how much of theirs reaches people, and what they learn by it.

use federation::trust::PeerCertificate;
use sim::{Line, World, certificate, first_line};
use sip::{HeaderName, Message};

use crate::phone;

const ALICE: &str = "alice@contoso.example";
/// She has an account, and no phone is on.
const CAROL: &str = "carol@contoso.example";
const NOBODY: &str = "nobody@contoso.example";
const EVE: &str = "eve@adatum.example";

/// Contoso discovers partners, Alice is signed in there. Adatum's edge connects to the last worker.
struct Stage {
    world: World,
    contoso: usize,
    alice: Line,
    adatum: Line,
    written: usize,
}

fn stage(workers: u16, seed: u64) -> Stage {
    let mut world = World::new(seed);
    let contoso = world.organisation("contoso.example", workers, &[], true);
    world.user(contoso, ALICE);
    world.user(contoso, CAROL);
    let alice = phone::register(&mut world, contoso, 0, ALICE);
    let adatum = world.connect(contoso, workers - 1, Some(of("adatum.example")));
    Stage { world, contoso, alice, adatum, written: 0 }
}

fn of(domain: &str) -> PeerCertificate {
    PeerCertificate { serial: domain.into(), ..certificate(&[domain]) }
}

/// Over several orders of handoffs, and certificates that another worker counts each time.
fn everywhere(play: impl Fn(Stage)) {
    phone::everywhere(6, |workers, seed| play(stage(workers, seed)));
}

impl Stage {
    /// What comes back to a message, which Alice takes if it reaches her.
    fn write(&mut self, to: &str) -> Message {
        self.write_on(self.adatum, EVE, to)
    }

    fn write_on(&mut self, line: Line, from: &str, to: &str) -> Message {
        self.written += 1;
        self.say_on(line, &phone::request("MESSAGE", from, to, &format!("m{}", self.written)))
    }

    fn say_on(&mut self, line: Line, request: &str) -> Message {
        self.world.send(line, request);
        for heard in self.world.take(self.alice) {
            self.world.send(self.alice, &phone::answer(&heard, "200 OK", "alice"));
        }
        self.world.only(line)
    }

    /// Of so many messages to Alice.
    fn heard_of(&mut self, count: usize) -> usize {
        (0..count).filter(|_| self.write(ALICE).status() == Some(200)).count()
    }

    /// Alice sends something to Eve, wherever that leads.
    fn alice_sends(&mut self, request: &str) {
        self.world.send(self.alice, request);
        self.world.take(self.alice);
        self.world.take(self.adatum);
    }
}

fn told(answer: &Message) -> (u16, String) {
    let warning = answer.header_text(HeaderName::Warning).unwrap_or_default();
    (answer.status().unwrap(), warning.split('"').nth(1).unwrap_or_default().to_owned())
}

/// All but what a request brings with it.
fn without_names(answer: &Message) -> Vec<String> {
    let brought = ["Via:", "From:", "To:", "Call-ID:", "CSeq:"];
    let text = String::from_utf8(answer.as_bytes().to_vec()).unwrap();
    text.lines().filter(|line| !brought.iter().any(|name| line.starts_with(name))).map(str::to_owned).collect()
}

#[test]
fn three_messages_reach_who_has_not_answered_and_all_whoever_wrote_back() {
    everywhere(|mut stage| {
        assert_eq!(stage.heard_of(10), 3);
        assert_eq!(told(&stage.write(ALICE)), (403, "unanswered".into()));
        stage.alice_sends(&phone::request("MESSAGE", ALICE, EVE, "back"));
        assert_eq!(stage.heard_of(50), 50);
    });
}

#[test]
fn whoever_was_written_to_first_answers_freely_and_so_does_who_is_watched() {
    for method in ["MESSAGE", "INVITE", "SUBSCRIBE"] {
        everywhere(|mut stage| {
            stage.alice_sends(&phone::request(method, ALICE, EVE, "first"));
            assert_eq!(stage.heard_of(20), 20, "{method}");
        });
    }
}

#[test]
fn as_many_users_as_may_be_known_or_addressed_are_counted_at_their_limits() {
    let mut stage = stage(1, 1);
    stage.world.configure(stage.contoso, |config| {
        config.limits.ledgers.acquaintances_max = 2;
        config.limits.ledgers.recipients_max = 1;
    });
    stage.alice = phone::register(&mut stage.world, stage.contoso, 0, ALICE);
    stage.adatum = stage.world.connect(stage.contoso, 0, Some(of("adatum.example")));
    let hits = |stage: &Stage, limit: &str| stage.world.core(stage.contoso, 0).counts().limits_hit.get(limit).copied();
    assert_eq!(stage.write(ALICE).status(), Some(200));
    assert_eq!(hits(&stage, "recipients_max"), None);
    assert_eq!(told(&stage.write(CAROL)), (403, "unanswered".into()));
    assert_eq!(hits(&stage, "recipients_max"), Some(1));
    for (to, expected) in [("d@one.example", None), ("d@two.example", None), ("d@three.example", Some(1))] {
        stage.alice_sends(&phone::request("MESSAGE", ALICE, to, to));
        assert_eq!(hits(&stage, "acquaintances_max"), expected, "{to}");
    }
}

#[test]
fn that_a_message_was_shown_is_no_answer_of_a_person() {
    everywhere(|mut stage| {
        let notification = phone::request("MESSAGE", ALICE, EVE, "shown");
        stage.alice_sends(&phone::with_body(&notification, "", "message/imdn+xml", "<imdn/>"));
        stage.alice_sends(&phone::request("OPTIONS", ALICE, EVE, "able"));
        assert_eq!(stage.heard_of(10), 3);
    });
}

#[test]
fn three_calls_ring_and_one_that_is_taken_is_an_answer() {
    everywhere(|mut stage| {
        for number in 0..3 {
            stage.world.send(stage.adatum, &phone::request("INVITE", EVE, ALICE, &format!("c{number}")));
            let invite = stage.world.only(stage.alice);
            stage.world.send(stage.alice, &phone::answer(&invite, "486 Busy Here", "alice"));
            stage.world.take(stage.alice);
            assert_eq!(told(&stage.world.only(stage.adatum)), (480, "user-unavailable".into()));
        }
        stage.world.send(stage.adatum, &phone::request("INVITE", EVE, ALICE, "c3"));
        assert_eq!(told(&stage.world.only(stage.adatum)), (403, "unanswered".into()));
        assert!(stage.world.take(stage.alice).is_empty());
    });
    everywhere(|mut stage| {
        stage.world.send(stage.adatum, &phone::request("INVITE", EVE, ALICE, "c0"));
        let invite = stage.world.only(stage.alice);
        stage.world.send(stage.alice, &phone::answer(&invite, "200 OK", "alice"));
        assert_eq!(stage.world.only(stage.adatum).status(), Some(200));
        assert_eq!(stage.heard_of(20), 20);
    });
}

/// Many a program takes them, and so do we where devices know only single messages.
#[test]
fn a_session_of_messages_that_a_program_took_brings_no_more_than_single_ones() {
    everywhere(|mut stage| {
        let invite = phone::request("INVITE", EVE, ALICE, "s0");
        let messages = "v=0\no=- 1 1 IN IP4 192.0.2.1\ns=-\nc=IN IP4 192.0.2.1\nt=0 0\nm=message 5060 sip null\n";
        stage.world.send(stage.adatum, &phone::with_body(&invite, "", "application/sdp", messages));
        let invite = stage.world.only(stage.alice);
        stage.world.send(stage.alice, &phone::answer(&invite, "200 OK", "alice"));
        let ok = stage.world.only(stage.adatum);
        stage.world.send(stage.adatum, &phone::by_caller("ACK", &ok, 1));
        stage.world.take(stage.alice);
        let adatum = stage.adatum;
        let said = (2..12).map(|cseq| stage.say_on(adatum, &phone::by_caller("MESSAGE", &ok, cseq)));
        let said: Vec<_> = said.collect::<Vec<_>>().iter().map(told).collect();
        assert_eq!(said.iter().filter(|(status, _)| *status == 200).count(), 2, "the INVITE was one: {said:?}");
        assert_eq!(said[9], (403, "unanswered".into()));
        stage.alice_sends(&phone::by_callee("MESSAGE", &invite, 1));
        let answer = stage.say_on(adatum, &phone::by_caller("MESSAGE", &ok, 12));
        assert_eq!(answer.status(), Some(200), "{}", first_line(&answer));
    });
}

#[test]
fn what_reaches_one_user_of_many_strangers_is_bounded_and_whom_he_knows_gets_through() {
    everywhere(|mut stage| {
        stage.alice_sends(&phone::request("MESSAGE", ALICE, EVE, "first"));
        let workers = usize::from(stage.world.workers(stage.contoso));
        let mut heard = 0;
        for number in 0..60 {
            let domain = format!("stranger{number}.example");
            let line = stage.world.connect(stage.contoso, 0, Some(of(&domain)));
            let answer = stage.write_on(line, &format!("x@{domain}"), ALICE);
            heard += usize::from(answer.status() == Some(200));
        }
        assert_eq!(heard, 10_usize.div_ceil(workers) * workers);
        assert_eq!(stage.heard_of(20), 20);
    });
}

#[test]
fn a_look_alike_that_is_refused_takes_nobodys_place() {
    everywhere(|mut stage| {
        for number in 0..20 {
            let domain = "c0ntoso.example";
            let shown = PeerCertificate { serial: format!("{number}"), ..certificate(&[domain]) };
            let line = stage.world.connect(stage.contoso, 0, Some(shown));
            assert_eq!(told(&stage.write_on(line, "x@c0ntoso.example", ALICE)), (403, "look-alike".into()));
        }
        assert_eq!(stage.heard_of(10), 3);
    });
}

#[test]
fn nothing_says_whether_who_does_not_answer_exists() {
    everywhere(|mut stage| {
        for number in 0..8 {
            let (away, nobody) = (stage.write(CAROL), stage.write(NOBODY));
            assert_eq!(without_names(&away), without_names(&nobody), "{number}");
            let expected = if number < 3 { (480, "user-unavailable".into()) } else { (403, "unanswered".into()) };
            assert_eq!(told(&away), expected, "{number}");
        }
    });
}

#[test]
fn what_a_device_refuses_by_itself_is_told_as_of_nobody() {
    let offer = |media: &str| format!("v=0\no=- 1 1 IN IP4 192.0.2.1\ns=-\nc=IN IP4 192.0.2.1\nt=0 0\nm={media}\n");
    let strange = [
        ("MESSAGE", String::new()),
        ("INVITE", offer("video 4000 RTP/AVP 96")),
        ("INVITE", offer("message 1 sip null")),
    ];
    for (method, body) in strange {
        for status in
            ["415 Unsupported Media Type", "488 Not Acceptable Here", "486 Busy Here", "603 Decline", "302 Moved"]
        {
            everywhere(|mut stage| {
                let said = |to: &str| match body.as_str() {
                    "" => phone::request(method, EVE, to, to),
                    body => phone::with_body(&phone::request(method, EVE, to, to), "", "application/sdp", body),
                };
                let mut answers = Vec::new();
                for to in [ALICE, NOBODY] {
                    stage.world.send(stage.adatum, &said(to));
                    for request in stage.world.take(stage.alice) {
                        stage.world.send(stage.alice, &phone::answer(&request, status, "alice"));
                    }
                    answers.push(stage.world.only(stage.adatum));
                }
                if method == "INVITE" && body.contains("video") && status.starts_with("488") {
                    // The caller's organisation may stand between.
                    return assert_eq!(answers[0].status(), Some(488));
                }
                assert_eq!(told(&answers[0]), (480, "user-unavailable".into()), "{method} {status}");
                assert_eq!(without_names(&answers[0]), without_names(&answers[1]), "{method} {status}");
            });
        }
    }
}

#[test]
fn who_was_heard_to_ring_or_turned_to_whoever_asks_may_refuse_in_his_own_words() {
    everywhere(|mut stage| {
        stage.world.send(stage.adatum, &phone::request("INVITE", EVE, ALICE, "rings"));
        let invite = stage.world.only(stage.alice);
        stage.world.send(stage.alice, &phone::answer(&invite, "180 Ringing", "alice"));
        stage.world.send(stage.alice, &phone::answer(&invite, "603 Decline", "alice"));
        let statuses: Vec<_> = stage.world.take(stage.adatum).iter().filter_map(Message::status).collect();
        assert_eq!(statuses, [180, 603]);
        stage.world.take(stage.alice);
        stage.alice_sends(&phone::request("MESSAGE", ALICE, EVE, "first"));
        stage.world.send(stage.adatum, &phone::request("INVITE", EVE, ALICE, "known"));
        let invite = stage.world.only(stage.alice);
        stage.world.send(stage.alice, &phone::answer(&invite, "486 Busy Here", "alice"));
        assert_eq!(stage.world.only(stage.adatum).status(), Some(486));
    });
}

#[test]
fn nobody_counts_what_is_said_in_a_meeting() {
    everywhere(|mut stage| {
        let sdp = "v=0\no=- 1 1 IN IP4 192.0.2.1\ns=-\nc=IN IP4 192.0.2.1\nt=0 0\nm=message 5060 sip null\n";
        let begin = phone::request("INVITE", ALICE, "meet@contoso.example", "begin");
        stage.world.send(stage.alice, &phone::with_body(&begin, "", "application/sdp", sdp));
        let ok = stage.world.take_response(stage.alice);
        let meeting = ok.address(HeaderName::Contact).unwrap().uri().as_str().to_owned();
        stage.world.send(stage.alice, &phone::by_caller("ACK", &ok, 1));
        let adatum = stage.adatum;
        for number in 0..20 {
            let request = phone::request("INVITE", EVE, meeting.trim_start_matches("sip:"), &format!("j{number}"));
            let request = phone::with_body(&request, "", "application/sdp", sdp);
            let answer = stage.say_on(adatum, &request);
            assert_ne!(told(&answer).1, "unanswered", "{number}");
            stage.world.take(adatum);
        }
    });
}

impl Stage {
    /// All servers of Contoso are killed and start again; both are back on their way.
    fn restart(&mut self, edge: usize) {
        self.world.restart(self.contoso);
        self.alice = phone::register(&mut self.world, self.contoso, 0, ALICE);
        self.adatum = self.world.connect(edge, 0, Some(of("adatum.example")));
    }
}

#[test]
fn a_restart_cuts_nobody_off_and_gives_nobody_a_new_day() {
    everywhere(|mut stage| {
        stage.alice_sends(&phone::request("MESSAGE", ALICE, EVE, "first"));
        let contoso = stage.contoso;
        stage.restart(contoso);
        assert_eq!(stage.heard_of(20), 20);
    });
    everywhere(|mut stage| {
        assert_eq!(stage.heard_of(2), 2);
        let contoso = stage.contoso;
        stage.restart(contoso);
        assert_eq!(stage.heard_of(5), 1);
        stage.restart(contoso);
        assert_eq!(stage.heard_of(5), 0);
        stage.world.pass(std::time::Duration::from_secs(24 * 3600));
        stage.restart(contoso);
        assert_eq!(stage.heard_of(5), 3);
    });
}

/// Two edges before one home, over several orders of handoffs.
fn before_two_edges(play: impl Fn(Stage, [usize; 2])) {
    for (workers, seed) in [(1, 1), (3, 1), (3, 2)] {
        let mut stage = stage(workers, seed);
        stage.world.put_edges_before(stage.contoso, 2);
        stage.alice = phone::register(&mut stage.world, stage.contoso, 0, ALICE);
        // The edges were made after it.
        let edges = [stage.contoso + 1, stage.contoso + 2];
        play(stage, edges);
    }
}

impl Stage {
    /// Eve writes to Alice by that edge so often; how many arrive.
    fn heard_by(&mut self, edge: usize, count: usize) -> usize {
        self.adatum = self.world.connect(edge, 0, Some(of("adatum.example")));
        self.heard_of(count)
    }
}

#[test]
fn the_home_counts_for_all_its_edges_who_is_not_answered() {
    before_two_edges(|mut stage, edges| {
        assert_eq!(edges.map(|edge| stage.heard_by(edge, 2)), [2, 1]);
        assert_eq!(told(&stage.write(ALICE)), (403, "unanswered".into()));
        stage.restart(edges[0]);
        assert_eq!(edges.map(|edge| stage.heard_by(edge, 2)), [0, 0], "nor does a restart forget");
    });
}

#[test]
fn an_answer_by_one_edge_counts_at_the_other() {
    before_two_edges(|mut stage, edges| {
        assert_eq!(stage.heard_by(edges[0], 3), 3);
        stage.alice_sends(&phone::request("MESSAGE", ALICE, EVE, "back"));
        assert_eq!(edges.map(|edge| stage.heard_by(edge, 20)), [20, 20]);
        stage.restart(edges[0]);
        assert_eq!(edges.map(|edge| stage.heard_by(edge, 20)), [20, 20]);
        let ledgers = stage.world.ledgers(stage.contoso);
        assert!(
            ledgers
                .iter()
                .all(|ledger| ledger.certificate.serial == "adatum.example" && !ledger.certificate.issuer.is_empty()),
            "{ledgers:?}"
        );
    });
}

#[test]
fn what_reaches_one_user_by_all_edges_is_bounded_together() {
    before_two_edges(|mut stage, edges| {
        let workers = usize::from(stage.world.workers(stage.contoso));
        let mut heard = 0;
        for number in 0..60 {
            let domain = format!("stranger{number}.example");
            let line = stage.world.connect(edges[number % 2], 0, Some(of(&domain)));
            heard += usize::from(stage.write_on(line, &format!("x@{domain}"), ALICE).status() == Some(200));
        }
        assert_eq!(heard, 10_usize.div_ceil(workers) * workers);
    });
}
