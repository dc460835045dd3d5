//! An organisation of two domains with a certificate for each: partners are shown the one that proves whoever writes.

use sim::{Line, World, allowed};
use sip::{HeaderName, Message, Method};

use crate::phone;

const ALICE: &str = "alice@contoso.example";
const ADELE: &str = "adele@litware.example";
const BOB: &str = "bob@fabrikam.example";

/// Alice and Adele are at one organisation, Bob is at another.
struct Play {
    world: World,
    fabrikam: usize,
    workers: u16,
    alice: Line,
    adele: Line,
    bob: Line,
}

fn play(workers: u16, seed: u64, certify: bool) -> Play {
    let mut world = World::new(seed);
    let contoso = world.organisation("contoso.example", workers, &[allowed("fabrikam.example")], false);
    world.serve(contoso, "litware.example");
    if certify {
        world.certify(contoso, "litware.example", &["litware.example"]);
    }
    let partners = [allowed("contoso.example"), allowed("litware.example")];
    let fabrikam = world.organisation("fabrikam.example", workers, &partners, false);
    for (site, aor) in [(contoso, ALICE), (contoso, ADELE), (fabrikam, BOB)] {
        world.user(site, aor);
    }
    let by_seed = |n: u64| u16::try_from((seed + n) % u64::from(workers)).unwrap();
    let alice = phone::register(&mut world, contoso, by_seed(0), ALICE);
    let adele = phone::register(&mut world, contoso, by_seed(2), ADELE);
    let bob = phone::register(&mut world, fabrikam, by_seed(1), BOB);
    Play { world, fabrikam, workers, alice, adele, bob }
}

fn told(answer: &Message) -> (u16, String) {
    let warning = answer.header_text(HeaderName::Warning).unwrap_or_default();
    (answer.status().unwrap(), warning.split('"').nth(1).unwrap_or_default().to_owned())
}

impl Play {
    fn write(&mut self, line: Line, from: &str, call_id: &str) {
        self.world.send(line, &phone::request("MESSAGE", from, BOB, call_id));
        let arrived = self.world.only(self.bob);
        self.world.send(self.bob, &phone::answer(&arrived, "200 OK", "bob"));
        assert_eq!(self.world.only(line).status(), Some(200));
    }

    /// What Fabrikam has seen of this domain: one of the names of each certificate.
    fn seen_of(&self, domain: &str) -> Vec<String> {
        let cores = (0..self.workers).map(|worker| self.world.core(self.fabrikam, worker));
        let seen = cores.flat_map(|core| core.partner_status(self.world.now, domain).certificates);
        seen.map(|seen| seen.certificate.names.dns[0].clone()).collect()
    }
}

#[test]
fn each_domain_is_proven_by_its_own_certificate_on_connections_of_its_own() {
    phone::everywhere(6, |workers, seed| {
        let mut play = play(workers, seed, true);
        for number in 0..12 {
            play.write(play.alice, ALICE, &format!("alice{number}"));
            play.write(play.adele, ADELE, &format!("adele{number}"));
        }
        let (contoso, litware) = (play.seen_of("contoso.example"), play.seen_of("litware.example"));
        assert!(!contoso.is_empty() && contoso.iter().all(|name| name == "sip.contoso.example"), "{contoso:?}");
        assert!(!litware.is_empty() && litware.iter().all(|name| name == "litware.example"), "{litware:?}");
        // Four with each.
        assert!(play.world.dialled.len() <= 8, "{:?}", play.world.dialled);
    });
}

#[test]
fn the_certificate_of_one_domain_does_not_speak_for_another() {
    phone::everywhere(6, |workers, seed| {
        let mut play = play(workers, seed, false);
        play.write(play.alice, ALICE, "alice");
        play.world.send(play.adele, &phone::request("MESSAGE", ADELE, BOB, "adele"));
        assert_eq!(told(&play.world.only(play.adele)).0, 403);
        assert!(play.seen_of("litware.example").is_empty());
    });
}

#[test]
fn a_call_of_the_second_domain_goes_both_ways() {
    phone::everywhere(6, |workers, seed| {
        let mut play = play(workers, seed, true);
        play.write(play.alice, ALICE, "alice");
        play.world.send(play.adele, &phone::request("INVITE", ADELE, BOB, "call"));
        let invite = play.world.only(play.bob);
        play.world.send(play.bob, &phone::answer(&invite, "200 OK", "bob"));
        let ok = play.world.only(play.adele);
        assert_eq!(ok.status(), Some(200));
        play.world.send(play.adele, &phone::by_caller("ACK", &ok, 1));
        assert_eq!(play.world.only(play.bob).method(), Some(Method::Ack));
        play.world.send(play.bob, &phone::by_callee("BYE", &invite, 1));
        let bye = play.world.only(play.adele);
        play.world.send(play.adele, &phone::answer(&bye, "200 OK", "x"));
        assert_eq!(play.world.only(play.bob).status(), Some(200));
    });
}
