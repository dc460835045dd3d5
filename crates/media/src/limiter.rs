//! Keeps the sum of several voices within 16 bits by turning it down as a whole, not by cutting its peaks off.

/// The gain, moved along straight lines from one millisecond to the next: down at once, and up again within [`RELEASE_MS`].
#[derive(Debug, Clone)]
pub struct Limiter {
    gain: f32,
}

impl Limiter {
    pub fn new() -> Self {
        Self { gain: 1.0 }
    }

    /// Appends the frame with every sample within 16 bits.
    pub fn run(&mut self, sample_rate: u32, frame: &[i32], out: &mut Vec<i16>) {
        if self.gain == 1.0 && needed(frame) == 1.0 {
            return out.extend(frame.iter().map(|sample| *sample as i16));
        }
        let mut blocks = frame.chunks((sample_rate / 1000) as usize).peekable();
        while let Some(block) = blocks.next() {
            // A line that ends below what both neighbours need exceeds neither. Only the very first millisecond of an
            // outburst begins too high, and is cut.
            let after = blocks.peek().map_or(1.0, |next| needed(next));
            let end = (self.gain + 1.0 / RELEASE_MS).min(1.0).min(needed(block)).min(after);
            let step = (end - self.gain) / block.len() as f32;
            for sample in block {
                self.gain += step;
                out.push((*sample as f32 * self.gain) as i16);
            }
            self.gain = end;
        }
    }
}

/// The gain with which the loudest sample just fits.
fn needed(frame: &[i32]) -> f32 {
    let peak = frame.iter().map(|sample| sample.unsigned_abs()).max().unwrap_or(0);
    (PEAK / peak.max(1) as f32).min(1.0)
}

const RELEASE_MS: f32 = 200.0;
const PEAK: f32 = 32_767.0;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{level_of, sine};

    fn limited(frame: &[i32], sample_rate: u32) -> Vec<i16> {
        let mut limiter = Limiter::new();
        let mut out = Vec::new();
        frame.chunks((sample_rate / 50) as usize).for_each(|frame| limiter.run(sample_rate, frame, &mut out));
        out
    }

    #[test]
    fn what_fits_is_left_alone() {
        let tone = sine(440.0, 8_000, 800, 32_767.0);
        let frame: Vec<i32> = tone.iter().map(|sample| i32::from(*sample)).collect();
        assert_eq!(limited(&frame, 8_000), tone);
    }

    #[test]
    fn three_full_voices_stay_three_tones() {
        for rate in [8_000, 16_000, 48_000] {
            let tones = [440.0, 660.0, 1_050.0];
            let voices = tones.map(|frequency| sine(frequency, rate, rate as usize, 32_767.0));
            let sum: Vec<i32> =
                (0..rate as usize).map(|i| voices.iter().map(|voice| i32::from(voice[i])).sum()).collect();
            let out = limited(&sum, rate);
            assert!(
                sum.iter().zip(&out).all(|(sum, out)| (*sum < 0) == (*out < 0) || out.abs() < 2),
                "no sample wraps"
            );
            let settled = &out[rate as usize / 2..];
            let power = settled.iter().map(|s| f32::from(*s).powi(2)).sum::<f32>() / settled.len() as f32;
            let wanted: f32 = tones.iter().map(|tone| level_of(*tone, rate, settled).powi(2) / 2.0).sum();
            let distortion = 10.0 * (wanted / (power - wanted).max(1.0)).log10();
            assert!(distortion > 25.0, "{rate}: the rest is only {distortion} dB below the tones");
        }
    }

    #[test]
    fn after_an_outburst_the_gain_comes_back() {
        let mut limiter = Limiter::new();
        let mut out = Vec::new();
        limiter.run(8_000, &[90_000; 160], &mut out);
        assert_eq!(out[159], 32_767);
        for _ in 0..10 {
            limiter.run(8_000, &[1_000; 160], &mut out);
        }
        assert!(
            out[160] < 400 && out.windows(2).skip(10).all(|pair| pair[1] - pair[0] < 2 || pair[0] > 1_000),
            "no step up"
        );
        assert_eq!(out.last(), Some(&1_000));
    }
}
