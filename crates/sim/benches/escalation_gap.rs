//! How long two who talk do not hear each other while their call becomes a meeting, over many simulated networks.
//!
//! Signalling runs as it is, between phones on UDP that lose datagrams and two organisations. Sound is reckoned: a phone hears
//! the other directly until one of them has answered our offer, and through the mixer once both have, both legs run, and
//! the sound has come all the way.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a bench")]

use std::net::IpAddr;
use std::time::Duration;

use sim::{Place, Weather, World, allowed};
use sip::Aor;

fn main() {
    let runs: u64 = std::env::args().skip(1).find_map(|text| text.parse().ok()).unwrap_or(1000);
    for loss_percent in [0, 5] {
        let mut gaps = Vec::new();
        let mut failed = 0;
        for seed in 0..runs {
            match Run::new(seed, loss_percent).and_then(|mut run| run.escalate()) {
                Some(both) => gaps.extend(both),
                None => failed += 1,
            }
        }
        gaps.sort_unstable();
        let at = |share: f64| gaps.get((share * gaps.len() as f64) as usize).copied().unwrap_or_default();
        println!(
            "{runs} runs, {loss_percent} % of datagrams lost: {} gaps, p50 {} ms, p90 {} ms, p99 {} ms; {failed} calls stayed as they were",
            gaps.len(),
            at(0.5).as_millis(),
            at(0.9).as_millis(),
            at(0.99).as_millis(),
        );
    }
}

/// A call of Alice and Bob, on its way.
struct Run {
    world: World,
    contoso: usize,
    phones: [usize; 2],
}

/// When a phone, and the leg that it is offered, went over to the mixer.
#[derive(Default, Clone, Copy)]
struct Moved {
    phone: Option<Duration>,
    leg: Option<Duration>,
}

impl Run {
    /// `None`: the network let no call come to be.
    fn new(seed: u64, loss_percent: u8) -> Option<Run> {
        let mut world = World::with_weather(seed, Weather::fair());
        let names = ["contoso.example", "fabrikam.example"];
        let sites = [0, 1].map(|one: usize| world.organisation(names[one], 2, &[allowed(names[1 - one])], false));
        let people = ["alice@contoso.example", "bob@fabrikam.example"];
        let phones = [0, 1].map(|one| {
            world.user(sites[one], people[one]);
            let phone = world.phone(sites[one], people[one], true);
            world.use_phone(phone, |phone, now| {
                phone.connect();
                phone.register(now);
            });
            phone
        });
        let mut run = Run { world, contoso: sites[0], phones };
        run.wait(|run| run.world.phones().iter().all(sim::Phone::is_registered))?;
        run.world.use_phone(phones[0], |phone, now| phone.call(now, people[1], true));
        run.wait(|run| run.world.use_phone(phones[1], |phone, now| phone.answer(now)))?;
        run.wait(|run| phones.iter().all(|phone| run.world.phones()[*phone].call_id().is_some()))?;
        for phone in phones {
            let (place, site) = (run.world.place_of(phone)?, Place::Site(usize::from(phone == phones[1])));
            run.world.network.lose(place, site, loss_percent);
            run.world.network.lose(site, place, loss_percent);
        }
        Some(run)
    }

    /// How long each did not hear the other; `None`: the call stayed as it was.
    fn escalate(&mut self) -> Option<[Duration; 2]> {
        let call_id = self.world.phones()[self.phones[0]].call_id()?;
        let none: Vec<Aor> = Vec::new();
        let begun = self.world.on_cores(self.contoso, |core, now| core.escalate_call(now, &call_id, &none));
        begun.into_iter().flatten().next()?.ok()?;
        let mut moved = [Moved::default(); 2];
        for elapsed in (0..PATIENCE_MS).map(Duration::from_millis) {
            for (one, moved) in self.phones.into_iter().zip(&mut moved) {
                self.look(one, moved, elapsed);
            }
            if let [Some(first), Some(second)] = moved.map(Moved::both) {
                return Some(gaps(moved, first.max(second)));
            }
            self.world.pass(Duration::from_millis(1));
        }
        None
    }

    fn look(&mut self, phone: usize, moved: &mut Moved, elapsed: Duration) {
        let port = self.world.phones()[phone].media_port();
        let speaks_to = self.world.phone_mut(phone).speaks_to().map(|address| address.ip());
        let mixer: IpAddr = self.world.address_of(self.contoso).ip();
        if speaks_to == Some(mixer) {
            moved.phone.get_or_insert(elapsed);
        }
        let runs = |leg: &sim::Leg| leg.session.as_ref().is_some_and(|session| session.remote.port() == port);
        if self.world.sound(self.contoso).legs().any(|(_, leg)| runs(leg)) {
            moved.leg.get_or_insert(elapsed);
        }
    }

    fn wait(&mut self, is_so: impl Fn(&mut Run) -> bool) -> Option<()> {
        for _ in 0..PATIENCE_MS / 10 {
            if is_so(self) {
                return Some(());
            }
            self.world.pass(Duration::from_millis(10));
        }
        None
    }
}

impl Moved {
    fn both(self) -> Option<Duration> {
        Some(self.phone?.max(self.leg?))
    }
}

/// From the last that came directly to the first that comes through the mixer, for each of the two.
fn gaps(moved: [Moved; 2], all_moved: Duration) -> [Duration; 2] {
    let [first, second] = moved.map(|moved| moved.phone.unwrap_or_default());
    let mixed = |speaker: Duration| (speaker + SOUND_TRAVEL).max(all_moved) + MIXER + SOUND_TRAVEL;
    // Its own answer ends what it hears directly, or the other's does, once what was under way has come.
    let direct = |hearer: Duration, speaker: Duration| hearer.min(speaker + SOUND_TRAVEL);
    [mixed(second).saturating_sub(direct(first, second)), mixed(first).saturating_sub(direct(second, first))]
}

/// As the weather's, on the average.
const SOUND_TRAVEL: Duration = Duration::from_millis(21);
/// A jitter buffer of two packets, and a frame.
const MIXER: Duration = Duration::from_millis(60);
const PATIENCE_MS: u64 = 40_000;
