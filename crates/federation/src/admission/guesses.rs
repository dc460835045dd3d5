//! How many wrong passwords somebody may try for one user, whether or not there is such a user.
//!
//! Counted for each place that they come from, so that nobody else can keep a user out: an address, with the transport, since a
//! datagram may say any; or the connection to an edge of ours.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use sip::Transport;
use sip::aor::Aor;

use crate::flow::{FlowFacts, network_of};
use crate::inside::RemoteFlow;

/// Where a password comes from.
#[derive(Clone, Debug)]
pub(super) enum Guesser {
    Address(Transport, IpAddr),
    /// Outside: what the edge calls the connection.
    Outside(String),
}

/// The wrong passwords of this period and of the one before; older ones are forgotten. One for each worker.
#[derive(Clone, Debug)]
pub struct GuessBook {
    period_began: Instant,
    now: BTreeMap<Key, u32>,
    before: BTreeMap<Key, u32>,
    /// How often a period ended early, so that there was room.
    full: u64,
}

/// A place and a user, as a digest: whoever guesses makes names as long as a line may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key([u8; 32]);

impl Key {
    fn of(guesser: &Guesser, aor: &Aor) -> Key {
        let place = match guesser {
            Guesser::Address(transport, ip) => format!("{transport:?} {ip}"),
            Guesser::Outside(token) => format!("outside {token}"),
        };
        let parts = [place.as_str(), aor.user(), aor.domain()];
        let hashed = parts.into_iter().fold(Sha256::new(), |hashed, part| {
            hashed.chain_update((part.len() as u64).to_be_bytes()).chain_update(part)
        });
        Key(hashed.finalize().into())
    }
}

impl Guesser {
    pub(super) fn of(facts: &FlowFacts) -> Guesser {
        Guesser::Address(facts.transport, network_of(facts.remote.ip()))
    }

    pub(super) fn outside(remote: &RemoteFlow) -> Guesser {
        Guesser::Outside(remote.token.clone())
    }
}

impl GuessBook {
    pub fn new(now: Instant) -> GuessBook {
        GuessBook { period_began: now, now: BTreeMap::new(), before: BTreeMap::new(), full: 0 }
    }

    /// Whether a password may be tried; if not, after how many seconds.
    pub(super) fn check(&mut self, now: Instant, guesser: &Guesser, aor: &Aor) -> Result<(), u32> {
        let age = now.saturating_duration_since(self.period_began);
        if age >= PERIOD || self.now.len() >= GUESSERS_MAX {
            self.full += u64::from(age < PERIOD);
            self.before = if age >= PERIOD * 2 { BTreeMap::new() } else { std::mem::take(&mut self.now) };
            self.now.clear();
            self.period_began = now;
        }
        if self.is_empty() {
            return Ok(());
        }
        let key = Key::of(guesser, aor);
        let count = [&self.now, &self.before].into_iter().filter_map(|counts| counts.get(&key)).sum::<u32>();
        if count < GUESSES_MAX {
            return Ok(());
        }
        let left = (self.period_began + PERIOD).saturating_duration_since(now);
        // At most the seconds of a period.
        Err(left.as_secs() as u32 + 1)
    }

    pub(super) fn wrong(&mut self, guesser: &Guesser, aor: &Aor) {
        *self.now.entry(Key::of(guesser, aor)).or_default() += 1;
    }

    /// Whoever knows the password does not guess.
    pub(super) fn right(&mut self, guesser: &Guesser, aor: &Aor) {
        if self.is_empty() {
            return;
        }
        let key = Key::of(guesser, aor);
        self.now.remove(&key);
        self.before.remove(&key);
    }

    /// How often the older half of those who guess was forgotten for others.
    pub fn full(&self) -> u64 {
        self.full
    }

    fn is_empty(&self) -> bool {
        self.now.is_empty() && self.before.is_empty()
    }
}

/// Of one place for one user, in two periods.
const GUESSES_MAX: u32 = 30;
/// Places and users that are counted in a period; beyond it the next one begins.
const GUESSERS_MAX: usize = 50_000;
const PERIOD: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests {
    use super::*;

    fn place(number: usize) -> Guesser {
        Guesser::Outside(number.to_string())
    }

    #[test]
    #[allow(clippy::disallowed_methods, reason = "a test needs some instant to count from")]
    fn who_guesses_from_many_places_is_counted_in_so_many() {
        let began = Instant::now();
        let (mut book, alice) = (GuessBook::new(began), Aor::new("alice", "contoso.com").expect("an AOR"));
        for number in 0..GUESSERS_MAX * 3 {
            assert_eq!(book.check(began, &place(number), &alice), Ok(()));
            book.wrong(&place(number), &alice);
        }
        assert!(book.now.len() <= GUESSERS_MAX && book.before.len() <= GUESSERS_MAX);
    }

    /// What is counted has nothing behind a pointer.
    fn bytes_of<Counted: Copy>(counts: &BTreeMap<Counted, u32>) -> usize {
        counts.len() * size_of::<(Counted, u32)>()
    }

    #[test]
    #[allow(clippy::disallowed_methods, reason = "a test needs some instant to count from")]
    fn names_of_any_length_take_the_same_room_and_are_told_apart() {
        let began = Instant::now();
        let mut book = GuessBook::new(began);
        let long = |number: usize| Aor::new(&format!("{}{number}", "x".repeat(8_000)), "contoso.com").expect("an AOR");
        for number in 0..1_000 {
            book.wrong(&place(1), &long(number));
        }
        assert_eq!((book.now.len(), bytes_of(&book.now)), (1_000, 36_000));
        (1..GUESSES_MAX).for_each(|_| book.wrong(&place(1), &long(7)));
        assert!(book.check(began, &place(1), &long(7)).is_err());
        assert_eq!((book.check(began, &place(1), &long(8)), book.check(began, &place(2), &long(7))), (Ok(()), Ok(())));
        book.right(&place(1), &long(7));
        assert_eq!(book.check(began, &place(1), &long(7)), Ok(()));
    }
}
