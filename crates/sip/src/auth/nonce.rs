//! Which nonces are good: ours, young, and counted upwards (RFC 7616 section 3.3 and 5.4).
//!
//! A nonce carries its issue time and a counter, sealed by an HMAC, so that issuing one costs no memory: state exists
//! only for nonces that authenticated somebody.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

/// Issues nonces and remembers the counts seen with them. One for each worker, with a secret of its own: to the others
/// its nonces are foreign, which costs a client one more challenge.
#[derive(Clone)]
pub struct NonceBook {
    secret: [u8; 32],
    epoch: Instant,
    life: Duration,
    entries_max: usize,
    serial_next: u64,
    /// Nonces with a smaller serial may have had their count forgotten.
    serial_min: u64,
    entries_by_serial: BTreeMap<u64, Entry>,
    /// Still young, for others.
    forgotten: u64,
}

#[derive(Clone)]
struct Entry {
    issued_ms: u64,
    nc: u32,
}

#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum NonceState {
    Valid,
    /// Ours, but too old, used up or forgotten: challenge again with `stale=true`.
    Stale,
    /// Not made by this book: challenge again.
    Foreign,
}

impl NonceBook {
    /// `epoch` is where times in nonces count from; none may be asked about an earlier `now`. At most `entries_max`
    /// nonces in use are remembered; beyond it the oldest become stale.
    pub fn new(secret: [u8; 32], epoch: Instant, life: Duration, entries_max: usize) -> NonceBook {
        NonceBook {
            secret,
            epoch,
            life,
            entries_max,
            serial_next: 0,
            serial_min: 0,
            entries_by_serial: BTreeMap::new(),
            forgotten: 0,
        }
    }

    pub fn issue(&mut self, now: Instant) -> String {
        let nonce = Nonce { issued_ms: self.milliseconds(now), serial: self.serial_next };
        self.serial_next += 1;
        nonce.seal(&self.secret)
    }

    /// Whether `nonce` is worth checking credentials for. Says nothing about its count.
    pub fn check(&self, now: Instant, nonce: &str) -> NonceState {
        match Nonce::open(nonce, &self.secret) {
            None => NonceState::Foreign,
            Some(nonce) if self.is_live(now, &nonce) => NonceState::Valid,
            Some(_) => NonceState::Stale,
        }
    }

    /// Records the use of `nonce` with the count `nc`, which must rise with each use. To be called only once the
    /// credentials verified: else anybody could use up the nonces of others.
    pub fn accept(&mut self, now: Instant, nonce: &str, nc: u32) -> NonceState {
        let Some(nonce) = Nonce::open(nonce, &self.secret) else { return NonceState::Foreign };
        // Counts start at 1; a count of 0 must not leave an entry behind either.
        if nc == 0 || !self.is_live(now, &nonce) {
            return NonceState::Stale;
        }
        let entry = self.entries_by_serial.entry(nonce.serial).or_insert(Entry { issued_ms: nonce.issued_ms, nc: 0 });
        if nc <= entry.nc {
            return NonceState::Stale;
        }
        entry.nc = nc;
        self.forget_oldest(now);
        NonceState::Valid
    }

    /// How many nonces in use are remembered.
    pub fn entries(&self) -> usize {
        self.entries_by_serial.len()
    }

    /// How often a nonce that was not too old had to be forgotten for another.
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }

    fn is_live(&self, now: Instant, nonce: &Nonce) -> bool {
        nonce.serial >= self.serial_min && self.is_young(now, nonce.issued_ms)
    }

    fn is_young(&self, now: Instant, issued_ms: u64) -> bool {
        u128::from(self.milliseconds(now).saturating_sub(issued_ms)) <= self.life.as_millis()
    }

    /// Drops what expired, and the oldest beyond the limit. Serials rise with time, so the oldest come first.
    fn forget_oldest(&mut self, now: Instant) {
        while let Some((&serial, entry)) = self.entries_by_serial.first_key_value() {
            let is_young = self.is_young(now, entry.issued_ms);
            if self.entries_by_serial.len() <= self.entries_max && is_young {
                break;
            }
            self.forgotten += u64::from(is_young);
            self.entries_by_serial.remove(&serial);
            self.serial_min = serial + 1;
        }
    }

    fn milliseconds(&self, now: Instant) -> u64 {
        // 2^64 milliseconds are longer than any process runs.
        now.saturating_duration_since(self.epoch).as_millis() as u64
    }
}

/// What is inside a nonce.
struct Nonce {
    issued_ms: u64,
    serial: u64,
}

impl Nonce {
    fn seal(&self, secret: &[u8; 32]) -> String {
        let mut bytes = [0; SEALED_LEN];
        let (plain, tag) = bytes.split_at_mut(PLAIN_LEN);
        plain[..8].copy_from_slice(&self.issued_ms.to_be_bytes());
        plain[8..].copy_from_slice(&self.serial.to_be_bytes());
        tag.copy_from_slice(&authentication_tag(secret, plain));
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// None unless sealed with the same secret.
    fn open(text: &str, secret: &[u8; 32]) -> Option<Nonce> {
        let mut bytes = [0; SEALED_LEN];
        let len = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()?;
        let (plain, tag) = bytes.split_at(PLAIN_LEN);
        if len != SEALED_LEN || !bool::from(authentication_tag(secret, plain).ct_eq(tag)) {
            return None;
        }
        let (issued_ms, serial) = plain.split_first_chunk::<8>()?;
        Some(Nonce { issued_ms: u64::from_be_bytes(*issued_ms), serial: u64::from_be_bytes(serial.try_into().ok()?) })
    }
}

fn authentication_tag(secret: &[u8; 32], plain: &[u8]) -> [u8; TAG_LEN] {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes keys of any length");
    mac.update(plain);
    let full = mac.finalize().into_bytes();
    *full.first_chunk().expect("SHA-256 is longer than the truncated tag")
}

const PLAIN_LEN: usize = 16;
const TAG_LEN: usize = 16;
const SEALED_LEN: usize = PLAIN_LEN + TAG_LEN;

#[cfg(test)]
mod tests {
    use super::NonceState::{Foreign, Stale, Valid};
    use super::*;

    const LIFE: Duration = Duration::from_secs(300);

    #[expect(clippy::disallowed_methods, reason = "a test starts somewhere in time")]
    fn book() -> (NonceBook, Instant) {
        let epoch = Instant::now();
        (NonceBook::new([7; 32], epoch, LIFE, 3), epoch)
    }

    #[test]
    fn nonces_differ_and_age() {
        let (mut book, now) = book();
        let (first, second) = (book.issue(now), book.issue(now));
        assert_ne!(first, second);
        assert_eq!(book.check(now, &first), Valid);
        assert_eq!(book.check(now + LIFE, &first), Valid);
        assert_eq!(book.check(now + LIFE + Duration::from_millis(1), &first), Stale);
        assert_eq!(book.accept(now + LIFE + Duration::from_millis(1), &first, 1), Stale);
    }

    #[test]
    fn what_we_did_not_make_is_foreign() {
        let (mut book, now) = book();
        let nonce = book.issue(now);
        let mut other = NonceBook::new([8; 32], now, LIFE, 3);
        assert_eq!(other.accept(now, &nonce, 1), Foreign);
        let changed =
            if nonce.starts_with('A') { nonce.replacen('A', "B", 1) } else { nonce.replacen(&nonce[..1], "A", 1) };
        for text in ["", "abc", "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", &changed, &(nonce.clone() + "AAAA")] {
            assert_eq!(book.check(now, text), Foreign, "{text}");
            assert_eq!(book.accept(now, text, 1), Foreign, "{text}");
        }
    }

    #[test]
    fn counts_must_rise() {
        let (mut book, now) = book();
        let nonce = book.issue(now);
        assert_eq!((book.accept(now, &nonce, 0), book.entries()), (Stale, 0));
        let states = [0, 1, 1, 3, 2, 4].map(|nc| book.accept(now, &nonce, nc));
        assert_eq!(states, [Stale, Valid, Stale, Valid, Stale, Valid]);
    }

    #[test]
    fn a_forgotten_count_cannot_be_replayed() {
        let (mut book, now) = book();
        let nonces: Vec<String> = (0..5).map(|_| book.issue(now)).collect();
        for nonce in &nonces[1..] {
            assert_eq!(book.accept(now, nonce, 1), Valid);
        }
        assert_eq!(book.entries(), 3);
        assert_eq!(book.accept(now, &nonces[1], 2), Stale, "its entry made room for a newer one");
        assert_eq!(book.check(now, &nonces[0]), Stale, "older than what was evicted");
        assert_eq!(book.accept(now, &nonces[4], 2), Valid);
        assert_eq!(book.forgotten(), 1);
    }

    #[test]
    fn expired_entries_leave() {
        let (mut book, now) = book();
        let old = book.issue(now);
        assert_eq!(book.accept(now, &old, 1), Valid);
        let later = now + LIFE * 2;
        let new = book.issue(later);
        assert_eq!(book.accept(later, &new, 1), Valid);
        assert_eq!((book.entries(), book.forgotten()), (1, 0));
    }
}
