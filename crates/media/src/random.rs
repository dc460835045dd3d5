//! Numbers that nobody can foretell who has seen others of them, and that a seed repeats: sources, first sequence numbers, names.

use aws_lc_rs::hmac;

pub struct Random {
    key: hmac::Key,
    drawn: u64,
}

impl Random {
    pub fn new(seed: [u8; 32]) -> Random {
        Random { key: hmac::Key::new(hmac::HMAC_SHA256, &seed), drawn: 0 }
    }

    pub fn draw(&mut self) -> u64 {
        self.drawn += 1;
        let tag = hmac::sign(&self.key, &self.drawn.to_be_bytes());
        tag.as_ref().first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
    }

    /// From 0 up to 1, which it does not reach.
    pub fn draw_part(&mut self) -> f64 {
        (self.draw() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_and_another_does_not() {
        let drawn = |seed| {
            let mut random = Random::new([seed; 32]);
            (random.draw(), random.draw(), random.draw_part())
        };
        assert_eq!(drawn(1), drawn(1));
        assert_ne!(drawn(1).0, drawn(2).0);
        assert_ne!(drawn(1).0, drawn(1).1);
        assert!((0.0..1.0).contains(&drawn(1).2));
    }
}
