//! Everything that could be otherwise is drawn from one seed.

/// A splitmix64 generator: any seed is a good one.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub fn byte(&mut self) -> u8 {
        self.draw().to_le_bytes()[0]
    }

    /// A number below `bound`, which is at least 1.
    pub fn below(&mut self, bound: usize) -> usize {
        let bound = bound.max(1) as u64;
        usize::try_from((self.draw() >> 11) % bound).expect("the remainder fits")
    }

    /// Whether something with this chance happens.
    pub fn percent(&mut self, chance: u8) -> bool {
        self.below(100) < usize::from(chance)
    }

    /// From `shortest` to `longest`, both included, in microseconds.
    pub fn duration(&mut self, shortest: std::time::Duration, longest: std::time::Duration) -> std::time::Duration {
        let spread = longest.saturating_sub(shortest).as_micros();
        let extra = self.below(usize::try_from(spread).unwrap_or(usize::MAX - 1) + 1);
        shortest + std::time::Duration::from_micros(extra as u64)
    }
}
