//! Whoever found us without an entry: how much he may ask, of whom, and what he learns of who is here.

use std::time::Duration;

use federation::trust::PeerCertificate;
use sim::{Line, World, allowed, certificate, first_line};
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
}

fn shown(serial: &str) -> PeerCertificate {
    PeerCertificate { serial: serial.into(), ..certificate(&["sip.adatum.example", "adatum.example"]) }
}

fn stage(workers: u16, seed: u64) -> Stage {
    let mut world = World::new(seed);
    let contoso = world.organisation("contoso.example", workers, &[allowed("fabrikam.example")], true);
    world.user(contoso, ALICE);
    world.user(contoso, CAROL);
    let alice = phone::register(&mut world, contoso, 0, ALICE);
    let adatum = world.connect(contoso, workers - 1, Some(shown("0a")));
    Stage { world, contoso, alice, adatum }
}

/// With one worker and with three, over several orders of handoffs, and certificates that another worker counts each time.
fn everywhere(play: impl Fn(Stage)) {
    phone::everywhere(6, |workers, seed| play(stage(workers, seed)));
}

impl Stage {
    fn ask(&mut self, method: &str, to: &str, call_id: &str) -> Message {
        self.world.send(self.adatum, &phone::request(method, EVE, to, call_id));
        self.world.only(self.adatum)
    }

    /// Asks for names that nobody has, slowly enough.
    fn harvest(&mut self, count: usize) -> Vec<(u16, String)> {
        let mut told_all = Vec::new();
        for number in 0..count {
            self.world.pass(Duration::from_secs(2));
            let answer = self.ask("MESSAGE", &format!("name{number}@contoso.example"), &format!("h{number}"));
            told_all.push(told(&answer));
        }
        told_all
    }

    /// Messages as fast as can be: how many Alice hears, and how many are one too many.
    fn flood(&mut self, numbers: std::ops::Range<u32>) -> (usize, usize) {
        for number in numbers {
            self.world.send(self.adatum, &phone::request("MESSAGE", EVE, ALICE, &format!("m{number}")));
        }
        let refused = self.world.take(self.adatum).iter().filter(|answer| told(answer).0 == 503).count();
        (self.world.take(self.alice).len(), refused)
    }

    /// Alice writes to Eve, wherever that leads.
    fn turn_to_eve(&mut self) {
        self.world.send(self.alice, &phone::request("MESSAGE", ALICE, EVE, "turned"));
        self.world.take(self.alice);
        self.world.take(self.adatum);
    }

    fn questions(&self, kind: &'static str) -> u64 {
        self.world.asked.get(&(self.contoso, kind)).copied().unwrap_or(0)
    }

    /// Alice hears this, and answers.
    fn is_heard(&mut self, call_id: &str) -> bool {
        self.world.pass(Duration::from_secs(5));
        self.world.send(self.adatum, &phone::request("MESSAGE", EVE, ALICE, call_id));
        let [heard] = self.world.take(self.alice).try_into().unwrap();
        self.world.send(self.alice, &phone::answer(&heard, "200 OK", "alice"));
        self.world.only(self.adatum).status() == Some(200)
    }

    fn suspects(&self) -> usize {
        self.world.statuses(self.contoso).iter().map(|status| status.suspect_partners).sum()
    }
}

fn told(answer: &Message) -> (u16, String) {
    let warning = answer.header_text(HeaderName::Warning).unwrap_or_default();
    (answer.status().unwrap(), warning.split('"').nth(1).unwrap_or_default().to_owned())
}

/// All but what a request brings with it.
fn without_names(answer: &Message) -> Vec<String> {
    let is_ours = |line: &&str| {
        let brought = ["Via:", "From:", "To:", "Call-ID:", "CSeq:"];
        !brought.iter().any(|name| line.starts_with(name))
    };
    let text = String::from_utf8(answer.as_bytes().to_vec()).unwrap();
    text.lines().filter(is_ours).map(str::to_owned).collect()
}

#[test]
fn one_count_over_all_connections_and_workers_and_others_are_untouched() {
    everywhere(|mut stage| {
        stage.turn_to_eve();
        let workers = stage.world.workers(stage.contoso);
        let lines: Vec<Line> =
            (0..workers).map(|worker| stage.world.connect(stage.contoso, worker, Some(shown("0a")))).collect();
        for number in 0..150 {
            let line = lines[number % lines.len()];
            stage.world.send(line, &phone::request("MESSAGE", EVE, ALICE, &format!("m{number}")));
        }
        assert_eq!(stage.world.take(stage.alice).len(), 100, "five seconds' worth at once");
        let refused: Vec<Message> = lines.iter().flat_map(|line| stage.world.take(*line)).collect();
        assert_eq!(refused.len(), 50);
        for answer in &refused {
            assert_eq!(told(answer), (503, "rate-limited".into()));
            assert_eq!(answer.header_text(HeaderName::RetryAfter), Some("5"));
        }
        for (certificate, from) in
            [(shown("0b"), "x@adatum.example"), (certificate(&["fabrikam.example"]), "bob@fabrikam.example")]
        {
            let other = stage.world.connect(stage.contoso, 0, Some(certificate));
            stage.world.send(other, &phone::request("MESSAGE", from, ALICE, from));
            assert_eq!(stage.world.take(stage.alice).len(), 1, "{from}");
        }
    });
}

#[test]
fn what_is_too_fast_is_refused_where_it_arrives_and_counted_all_the_same() {
    everywhere(|mut stage| {
        stage.turn_to_eve();
        assert_eq!(stage.flood(0..101), (100, 1));
        let recorded = stage.world.decisions(stage.contoso).count();
        assert_eq!(stage.flood(101..301), (0, 200));
        assert_eq!(stage.world.decisions(stage.contoso).count(), recorded, "none went to its ledger");
        assert!(stage.world.slowed.len() >= 200, "and each time its connection waits");
        stage.world.pass(Duration::from_millis(50));
        assert_eq!(stage.flood(301..302), (1, 0), "there is room for one more after a twentieth of a second");
        let [ledger] = stage.world.ledgers(stage.contoso).try_into().unwrap();
        assert_eq!((ledger.total.passed, ledger.total.too_fast), (101, 201));
    });
}

#[test]
fn an_allowed_partner_has_no_ledger() {
    let mut stage = stage(3, 1);
    let fabrikam = stage.world.connect(stage.contoso, 0, Some(certificate(&["fabrikam.example"])));
    for number in 0..500 {
        stage.world.send(fabrikam, &phone::request("MESSAGE", "bob@fabrikam.example", ALICE, &format!("m{number}")));
    }
    assert_eq!(stage.world.take(stage.alice).len(), 500);
    assert_eq!(stage.world.statuses(stage.contoso).iter().map(|status| status.discovered_partners).sum::<usize>(), 0);
}

#[test]
fn who_tries_names_becomes_suspect_learns_nothing_and_goes_on_with_whom_he_knew() {
    everywhere(|mut stage| {
        assert!(stage.is_heard("before"));
        let unavailable = (480, "user-unavailable".to_owned());
        assert!(stage.harvest(20).iter().all(|told| *told == unavailable));
        assert_eq!(stage.suspects(), 1);
        let asked = stage.questions("user");
        assert_eq!(stage.harvest(40)[20..], vec![unavailable.clone(); 20]);
        assert_eq!(stage.questions("user"), asked + 20, "only names that it had tried are still looked for");
        assert_eq!(told(&stage.ask("MESSAGE", CAROL, "new")), unavailable);
        assert_eq!(stage.questions("user"), asked + 20, "whoever is new is not");
        assert!(stage.is_heard("after"));

        stage.world.restart(stage.contoso);
        stage.alice = phone::register(&mut stage.world, stage.contoso, 0, ALICE);
        stage.adatum = stage.world.connect(stage.contoso, 0, Some(shown("0a")));
        assert_eq!(stage.suspects(), 1, "it is one after a restart");
        assert!(stage.is_heard("restarted"));
        let forgotten = stage.world.reset_partner(stage.contoso, "adatum.example");
        assert_eq!((forgotten.ledgers, stage.suspects()), (1, 0));
    });
}

/// The home alone knows who exists, the edge alone whose certificate it was.
#[test]
fn who_tries_names_at_an_edge_is_suspect_there_by_the_verdict_of_its_home() {
    for (workers, seed) in [(1, 1), (3, 1), (3, 2)] {
        let mut stage = stage(workers, seed);
        stage.world.put_edges_before(stage.contoso, 1);
        // The edge is the last that was made.
        let edge = stage.contoso + 1;
        stage.alice = phone::register(&mut stage.world, stage.contoso, 0, ALICE);
        stage.adatum = stage.world.connect(edge, workers - 1, Some(shown("0a")));
        assert!(stage.is_heard("before"));
        let away = stage.ask("MESSAGE", CAROL, "away");
        let nobody = stage.ask("MESSAGE", NOBODY, "nobody");
        assert_eq!(without_names(&away), without_names(&nobody), "the partner sees no verdict");
        let unavailable = (480, "user-unavailable".to_owned());
        assert!(stage.harvest(18).iter().all(|told| *told == unavailable));
        assert_eq!(stage.suspects(), 0, "nineteen");
        stage.harvest(19);
        assert_eq!(stage.suspects(), 1, "a name that is tried again counts once");
        let asked = stage.questions("user");
        assert_eq!(told(&stage.ask("MESSAGE", CAROL, "known")), unavailable);
        assert_eq!(stage.questions("user"), asked + 1, "whom it had asked for before");
        assert_eq!(told(&stage.ask("MESSAGE", "new@contoso.example", "new")), unavailable);
        assert_eq!(stage.questions("user"), asked + 1, "whoever is new is not looked for");
        assert!(stage.is_heard("after"));
        let [ledger] = stage.world.ledgers(stage.contoso).try_into().unwrap();
        assert_eq!((ledger.total.users, ledger.total.missed, ledger.total.users_refused), (22, 20, 1));
    }
}

#[test]
fn tries_are_not_hidden_among_what_finds_nobody() {
    everywhere(|mut stage| {
        for number in 0..40 {
            stage.world.pass(Duration::from_secs(1));
            stage.ask("OPTIONS", &format!("other{number}@contoso.example"), &format!("o{number}"));
        }
        assert_eq!(stage.suspects(), 0);
        stage.harvest(20);
        assert_eq!(stage.suspects(), 1);
    });
}

#[test]
fn a_user_who_is_away_and_one_who_does_not_exist_are_told_apart_by_nothing() {
    everywhere(|mut stage| {
        for method in ["MESSAGE", "INVITE", "SUBSCRIBE", "OPTIONS", "INFO", "REFER", "PUBLISH", "X-NEW"] {
            let mut seen = Vec::new();
            for to in [CAROL, NOBODY] {
                let before = stage.world.asked.clone();
                let answer = stage.ask(method, to, &format!("{method}{}", to.len()));
                let mut asked = stage.world.asked.clone();
                asked.iter_mut().for_each(|(kind, count)| *count -= before.get(kind).copied().unwrap_or(0));
                asked.retain(|_, count| *count > 0);
                seen.push((told(&answer), without_names(&answer), asked));
            }
            assert_eq!(seen[0], seen[1], "{method}");
            assert_eq!(seen[0].0, (480, "user-unavailable".into()), "{method}");
        }
        assert_eq!(stage.world.kept(stage.contoso), 0, "what is kept would say that there is somebody");
    });
}

#[test]
fn who_is_there_cannot_be_found_out_without_being_noticed() {
    everywhere(|mut stage| {
        for method in ["SUBSCRIBE", "OPTIONS", "INFO", "PUBLISH", "X-NEW"] {
            let answer = stage.ask(method, ALICE, method);
            assert_eq!(told(&answer), (480, "user-unavailable".into()), "{method}");
        }
        assert!(stage.world.take(stage.alice).is_empty());
        assert!(stage.is_heard("noticed"));
    });
}

#[test]
fn where_users_are_not_hidden_a_stranger_is_told_as_others_are() {
    let mut stage = stage(3, 2);
    stage.world.configure(stage.contoso, |config| config.discovered.hide_users = false);
    stage.alice = phone::register(&mut stage.world, stage.contoso, 0, ALICE);
    stage.adatum = stage.world.connect(stage.contoso, 1, Some(shown("0a")));
    assert_eq!(told(&stage.ask("INVITE", NOBODY, "i1")), (404, "user-unknown".into()));
    assert_eq!(told(&stage.ask("INVITE", CAROL, "i2")), (480, "user-offline".into()));
    assert_eq!(stage.ask("MESSAGE", CAROL, "m1").status(), Some(202));
    assert_eq!(stage.harvest(19).last().unwrap().0, 404);
    assert_eq!(stage.suspects(), 1, "twenty with the first");
    assert_eq!(told(&stage.ask("MESSAGE", "other@contoso.example", "m2")), (404, "user-unknown".into()));
}

#[test]
fn more_users_than_it_may_address_are_not_there_for_it() {
    let mut stage = stage(3, 3);
    stage.world.configure(stage.contoso, |config| config.discovered.users_max = 2);
    stage.alice = phone::register(&mut stage.world, stage.contoso, 0, ALICE);
    stage.adatum = stage.world.connect(stage.contoso, 1, Some(shown("0a")));
    for to in [CAROL, NOBODY, "third@contoso.example"] {
        assert_eq!(told(&stage.ask("MESSAGE", to, to)), (480, "user-unavailable".into()));
    }
    assert_eq!(stage.questions("user"), 2);
}

#[test]
fn a_call_is_cancelled_by_the_way_that_it_went_and_its_dialog_goes_on_beyond_the_rate() {
    everywhere(|mut stage| {
        stage.world.send(stage.adatum, &phone::request("INVITE", EVE, ALICE, "gone"));
        let ringing = stage.world.only(stage.alice);
        stage.world.send(stage.alice, &phone::answer(&ringing, "180 Ringing", "alice"));
        let cancel = phone::request("INVITE", EVE, ALICE, "gone")
            .replace("INVITE sip", "CANCEL sip")
            .replace("1 INVITE", "1 CANCEL");
        stage.world.send(stage.adatum, &cancel);
        let cancelled = stage.world.only(stage.alice);
        assert!(first_line(&cancelled).starts_with("CANCEL"));
        stage.world.send(stage.alice, &phone::answer(&cancelled, "200 OK", "alice"));
        stage.world.send(stage.alice, &phone::answer(&ringing, "487 Request Terminated", "alice"));
        let statuses: Vec<_> = stage.world.take(stage.adatum).iter().filter_map(Message::status).collect();
        assert!(statuses.ends_with(&[487]), "{statuses:?}");
        stage.world.take(stage.alice);

        stage.world.send(stage.adatum, &phone::request("INVITE", EVE, ALICE, "c1"));
        let invite = stage.world.only(stage.alice);
        stage.world.send(stage.alice, &phone::answer(&invite, "200 OK", "alice"));
        let ok = stage.world.only(stage.adatum);
        for number in 0..150 {
            stage.world.send(stage.adatum, &phone::request("MESSAGE", EVE, ALICE, &format!("m{number}")));
        }
        stage.world.take(stage.alice);
        stage.world.take(stage.adatum);
        stage.world.send(stage.adatum, &phone::by_caller("ACK", &ok, 1));
        assert!(first_line(&stage.world.only(stage.alice)).starts_with("ACK"));
        stage.world.send(stage.adatum, &phone::by_caller("BYE", &ok, 2));
        let bye = stage.world.only(stage.alice);
        assert!(first_line(&bye).starts_with("BYE"));
    });
}

#[test]
fn what_looks_the_same_is_refused_and_what_is_a_letter_away_is_shown() {
    everywhere(|mut stage| {
        for (domain, status) in [("c0ntoso.example", 403), ("fabrlkam.example", 200), ("litware.example", 200)] {
            let line = stage.world.connect(
                stage.contoso,
                0,
                Some(PeerCertificate { serial: domain.into(), ..certificate(&[domain]) }),
            );
            for number in 0..2 {
                let from = format!("x@{domain}");
                stage.world.send(line, &phone::request("MESSAGE", &from, ALICE, &format!("{domain}{number}")));
                for heard in stage.world.take(stage.alice) {
                    stage.world.send(stage.alice, &phone::answer(&heard, "200 OK", "alice"));
                }
                let answer = stage.world.only(line);
                assert_eq!(answer.status(), Some(status), "{domain}");
                assert_eq!(told(&answer).1 == "look-alike", status == 403);
            }
        }
        let workers = 0..stage.world.workers(stage.contoso);
        let flagged: u64 = workers.map(|worker| stage.world.core(stage.contoso, worker).counts().look_alikes).sum();
        assert_eq!(flagged, 2, "each once");
    });
}
