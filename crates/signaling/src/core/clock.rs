//! What a Core is given in place of a clock and of chance.

use std::time::Instant;

use super::Core;

impl Core {
    /// Milliseconds since 1970, by the clock as it was read last.
    pub fn unix_ms(&self, now: Instant) -> u64 {
        let (read_at, unix_ms) = self.clock;
        let elapsed = now.saturating_duration_since(read_at).as_millis();
        unix_ms.saturating_add(u64::try_from(elapsed).unwrap_or(u64::MAX))
    }

    /// Draws numbers below a bound that it is given, for the weights of RFC 2782: even spread matters here, not secrecy.
    pub(crate) fn draw(&mut self) -> impl FnMut(u32) -> u32 + use<> {
        self.random_state = step(self.random_state);
        let mut state = self.random_state;
        move |bound| {
            state = step(state);
            u32::try_from((state >> 11) % u64::from(bound.max(1))).expect("the remainder of a u32 fits")
        }
    }

    /// With numbers that nobody can guess, each another.
    pub(crate) fn with_random<T>(&mut self, act: impl FnOnce(&mut dyn FnMut() -> u64) -> T) -> T {
        let (mint, serial) = (&self.mint, &mut self.unguessable);
        act(&mut || {
            *serial += 1;
            mint.unguessable(*serial)
        })
    }
}

/// Xorshift64.
fn step(mut state: u64) -> u64 {
    state ^= state << 13;
    state ^= state >> 7;
    state ^ (state << 17)
}
