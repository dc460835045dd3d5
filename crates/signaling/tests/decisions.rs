//! What is on record of a partner's request: who was there, and what our own devices said.

use std::sync::Arc;
use std::time::Duration;

use federation::decision::{Answerer, DecisionRecord, Outcome, Peer};
use signaling::PartnerCounts;
use sim::{Line, World};

use crate::phone;

const ALICE: &str = "alice@contoso.example";
const BOB: &str = "bob@fabrikam.example";

/// Bob of Fabrikam writes to Alice of Contoso.
struct Play {
    world: World,
    workers: u16,
    contoso: usize,
    fabrikam: usize,
    alice: Line,
    bob: Line,
}

fn everywhere(act: impl Fn(Play)) {
    phone::everywhere(6, |workers, seed| {
        let mut world = World::new(seed);
        let [contoso, fabrikam] = world.allies(["contoso.example", "fabrikam.example"], workers);
        world.user(contoso, ALICE);
        world.user(fabrikam, BOB);
        let alice = phone::register(&mut world, contoso, 0, ALICE);
        let bob = phone::register(&mut world, fabrikam, 0, BOB);
        act(Play { world, workers, contoso, fabrikam, alice, bob });
    });
}

impl Play {
    fn send(&mut self, method: &str, call_id: &str) {
        self.world.send(self.bob, &phone::request(method, BOB, ALICE, call_id));
    }

    fn records(&self, site: usize, call_id: &str) -> Vec<DecisionRecord> {
        let all = self.world.decisions(site).filter(|record| record.call_id == call_id);
        all.cloned().collect()
    }

    /// What Contoso has on record of the answer, with the time that it took.
    fn answers(&self, call_id: &str) -> Vec<(u16, Answerer, u64)> {
        let answer = |record: &DecisionRecord| match record.outcome {
            Outcome::Answered { status, by, .. } => Some((status, by, record.spent_ms)),
            _ => None,
        };
        self.records(self.contoso, call_id).iter().filter_map(answer).collect()
    }

    fn peer(&self, call_id: &str) -> Arc<Peer> {
        let peer = |record: &DecisionRecord| match &record.outcome {
            Outcome::Admitted { peer, .. } => peer.clone(),
            _ => None,
        };
        self.records(self.contoso, call_id).iter().find_map(peer).unwrap()
    }
}

#[test]
fn what_the_phone_refuses_is_on_record_with_its_time_and_is_no_answer_of_a_partner() {
    everywhere(|mut play| {
        play.send("MESSAGE", "refused");
        play.world.pass(Duration::from_millis(700));
        let message = play.world.only(play.alice);
        play.world.send(play.alice, &phone::answer(&message, "486 Busy Here", "alice"));
        assert_eq!(play.answers("refused"), [(486, Answerer::Device, 700)]);
        assert!((0..play.workers).all(|it| play.world.core(play.contoso, it).counts().answered_by_class.is_empty()));
        let theirs = play.records(play.fabrikam, "refused");
        assert!(
            theirs.iter().any(|record| {
                matches!(record.outcome, Outcome::Answered { status: 486, by: Answerer::Partner, .. })
            })
        );
    });
}

#[test]
fn what_our_own_devices_take_is_counted_of_nobody() {
    everywhere(|mut play| {
        play.world.send(play.alice, &phone::request("OPTIONS", ALICE, ALICE, "herself"));
        let options = play.world.only(play.alice);
        play.world.send(play.alice, &phone::answer(&options, "200 OK", "alice"));
        assert_eq!(play.answers("herself"), [(200, Answerer::Device, 0)]);
        let mut counts = PartnerCounts::default();
        for worker in 0..play.workers {
            counts += play.world.core(play.contoso, worker).partner_status(play.world.now, "contoso.example").counts;
        }
        assert_eq!((counts.sent, counts.succeeded), (0, 0));
    });
}

#[test]
fn a_call_that_is_taken_is_on_record_once_however_often_the_phone_says_so() {
    everywhere(|mut play| {
        play.send("INVITE", "taken");
        let invite = play.world.only(play.alice);
        for status in ["180 Ringing", "200 OK", "200 OK"] {
            play.world.send(play.alice, &phone::answer(&invite, status, "alice"));
        }
        let answers = play.answers("taken");
        assert_eq!(answers.iter().map(|(status, by, _)| (*status, *by)).collect::<Vec<_>>(), [(200, Answerer::Device)]);
    });
}

#[test]
fn who_was_there_is_kept_once_for_all_requests_of_a_connection() {
    everywhere(|mut play| {
        for _ in 0..2 {
            play.send("MESSAGE", "x");
            let message = play.world.only(play.alice);
            play.world.send(play.alice, &phone::answer(&message, "200 OK", "alice"));
            play.world.take(play.bob);
        }
        let peers: Vec<Arc<Peer>> = play
            .records(play.contoso, "x")
            .into_iter()
            .filter_map(|record| match record.outcome {
                Outcome::Admitted { peer, .. } => peer,
                _ => None,
            })
            .collect();
        assert_eq!(peers.len(), 2);
        assert!(Arc::ptr_eq(&peers[0], &peers[1]));
        let peer = play.peer("x");
        assert_eq!((peer.is_dialled, peer.is_inner), (false, false));
        assert_eq!(peer.certificate.as_ref().map(|shown| shown.subject.contains("fabrikam.example")), Some(true));
    });
}

#[test]
fn what_the_dns_had_answered_is_told_with_each_connection() {
    everywhere(|mut play| {
        play.send("MESSAGE", "x");
        play.world.cut(play.fabrikam);
        play.send("MESSAGE", "x");
        let dns = |record: &DecisionRecord| match &record.outcome {
            Outcome::Routed { connection: Some(connection), .. } => connection.dns.clone(),
            _ => None,
        };
        let seen: Vec<_> = play.records(play.fabrikam, "x").iter().filter_map(dns).collect();
        assert_eq!(seen.first().map(|first| (first.targets.len(), first.asked_ms)), Some((1, Some(0))), "{seen:?}");
        assert_eq!(seen.last().and_then(|last| last.asked_ms), None, "{seen:?}");
        assert!(seen[0].targets[0].ends_with(":5061"), "{seen:?}");
    });
}
