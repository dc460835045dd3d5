//! From one sample rate to another, by a whole factor: polyphase filters of our own, as 2, 3 and 6 are all that is needed between
//! 8, 16 and 48 kHz.

use std::sync::LazyLock;

/// A stream's way from one rate to another. Late by [`TAPS`]` / 2` samples of the lower rate.
#[derive(Clone)]
pub struct Resampler {
    way: Way,
    /// The last samples taken, oldest first: as many as the filter still needs.
    past: Vec<i16>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Same,
    Up(usize),
    Down(usize),
}

impl Resampler {
    /// # Panics
    /// If neither rate is 1, 2, 3 or 6 times the other.
    pub fn new(from: u32, to: u32) -> Self {
        let way = match from.cmp(&to) {
            std::cmp::Ordering::Equal => Way::Same,
            std::cmp::Ordering::Less => Way::Up((to / from) as usize),
            std::cmp::Ordering::Greater => Way::Down((from / to) as usize),
        };
        let past = match way {
            Way::Same => 0,
            Way::Up(_) => TAPS - 1,
            Way::Down(factor) => TAPS * factor - factor,
        };
        Self { way, past: vec![0; past] }
    }

    /// Appends what `samples` become. Their number is a multiple of the factor, if the rate gets lower.
    pub fn run(&mut self, samples: &[i16], out: &mut Vec<i16>) {
        if self.way == Way::Same {
            return out.extend_from_slice(samples);
        }
        let kept = self.past.len();
        self.past.extend_from_slice(samples);
        match self.way {
            Way::Same => {}
            Way::Up(factor) => {
                let filter = filter(factor);
                out.reserve(samples.len() * factor);
                for window in self.past.windows(TAPS) {
                    out.extend(filter.phases.iter().map(|phase| weigh(phase, window)));
                }
            }
            Way::Down(factor) => {
                let filter = filter(factor);
                out.extend(self.past.windows(TAPS * factor).step_by(factor).map(|window| weigh(&filter.whole, window)));
            }
        }
        self.forget_all_but(kept);
    }

    /// Takes samples that nobody wants the outcome of, so that what comes later begins without a click.
    pub fn pass(&mut self, samples: &[i16]) {
        let kept = self.past.len();
        let last = &samples[samples.len().saturating_sub(kept)..];
        self.past.extend_from_slice(last);
        self.forget_all_but(kept);
    }

    fn forget_all_but(&mut self, kept: usize) {
        let old = self.past.len() - kept;
        self.past.copy_within(old.., 0);
        self.past.truncate(kept);
    }
}

fn weigh(taps: &[i16], window: &[i16]) -> i16 {
    let sum: i32 = taps.iter().zip(window).map(|(tap, sample)| i32::from(*tap) * i32::from(*sample)).sum();
    ((sum + (1 << (TAP_BITS - 1))) >> TAP_BITS).clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16
}

/// A low-pass with its middle at half the lower rate.
struct Filter {
    /// For the way down.
    whole: Vec<i16>,
    /// For the way up: the taps that meet samples and not the zeros between them, for each place between two samples.
    phases: Vec<Vec<i16>>,
}

impl Filter {
    fn new(factor: usize) -> Self {
        let len = TAPS * factor;
        let middle = (len - 1) as f64 / 2.0;
        let ideal: Vec<f64> = (0..len)
            .map(|index| {
                let place = (index as f64 - middle) / factor as f64;
                sinc(place) * kaiser((index as f64 - middle) / (middle + 0.5))
            })
            .collect();
        let sum: f64 = ideal.iter().sum();
        let scaled =
            |gain: f64| ideal.iter().map(move |tap| (tap * gain / sum * f64::from(1 << TAP_BITS)).round() as i16);
        let up: Vec<i16> = scaled(factor as f64).collect();
        // A window has its oldest sample first, which meets the last tap.
        let phases = (0..factor).map(|phase| up.iter().skip(phase).step_by(factor).rev().copied().collect()).collect();
        Self { whole: scaled(1.0).collect(), phases }
    }
}

fn filter(factor: usize) -> &'static Filter {
    match factor {
        2 => &FILTERS[0],
        3 => &FILTERS[1],
        6 => &FILTERS[2],
        _ => panic!("the rates are 8, 16 and 48 kHz"),
    }
}

fn sinc(x: f64) -> f64 {
    let angle = x * std::f64::consts::PI;
    if angle == 0.0 { 1.0 } else { angle.sin() / angle }
}

/// The Kaiser window: 60 dB between what is to pass and what is not.
fn kaiser(x: f64) -> f64 {
    bessel(KAISER_BETA * (1.0 - x * x).max(0.0).sqrt()) / bessel(KAISER_BETA)
}

/// The modified Bessel function of the first kind and order 0, by its series.
fn bessel(x: f64) -> f64 {
    let mut term = 1.0;
    let mut sum = 1.0;
    for index in 1..32 {
        term *= (x / (2.0 * f64::from(index))).powi(2);
        sum += term;
    }
    sum
}

/// Taps for each sample of the lower rate: 3.4 kHz pass and 4.6 kHz do not, where the lower rate is 8 kHz.
pub const TAPS: usize = 32;
const KAISER_BETA: f64 = 5.65;
/// So that no sum of 16 bit products leaves 32 bits.
const TAP_BITS: u32 = 14;

static FILTERS: LazyLock<[Filter; 3]> = LazyLock::new(|| [Filter::new(2), Filter::new(3), Filter::new(6)]);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{attenuation_db, level_of, sine};

    fn resampled(from: u32, to: u32, frequency: f32) -> Vec<i16> {
        let mut resampler = Resampler::new(from, to);
        let mut out = Vec::new();
        for frame in sine(frequency, from, from as usize, 10_000.0).chunks((from / 50) as usize) {
            resampler.run(frame, &mut out);
        }
        out
    }

    #[test]
    fn what_fits_passes_unchanged_up_and_down() {
        for (from, to) in
            [(8_000, 16_000), (8_000, 48_000), (16_000, 48_000), (48_000, 8_000), (48_000, 16_000), (16_000, 8_000)]
        {
            for frequency in [200.0, 1000.0, 3300.0] {
                let out = resampled(from, to, frequency);
                assert_eq!(out.len(), to as usize, "{from} to {to}");
                let level = level_of(frequency, to, &out[to as usize / 10..]);
                assert!((level / 10_000.0 - 1.0).abs() < 0.02, "{from} to {to}, {frequency} Hz: {level}");
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_gone() {
        // Up: the mirror image of 1 kHz about 8 kHz. Down: 7 kHz would fold to 1 kHz.
        let up = resampled(8_000, 48_000, 1000.0);
        assert!(attenuation_db(1000.0, 7000.0, 48_000, &up[4800..]) > 55.0);
        let down = resampled(48_000, 8_000, 7000.0);
        assert!(level_of(1000.0, 8_000, &down[800..]) < 20.0);
    }

    #[test]
    fn full_scale_does_not_wrap() {
        let square: Vec<i16> = (0..960).map(|index| if index / 60 % 2 == 0 { i16::MAX } else { i16::MIN }).collect();
        let mut out = Vec::new();
        Resampler::new(48_000, 8_000).run(&square, &mut out);
        assert!(out[20..].chunks(10).all(|half| half.iter().filter(|s| **s > 0).count() % 10 <= 10));
        let mut loud = Vec::new();
        Resampler::new(8_000, 48_000).run(&[i16::MIN; 160], &mut loud);
        assert!(loud[400..].iter().all(|sample| *sample < -32_000));
    }

    #[test]
    fn samples_passed_by_leave_no_click() {
        let tone = sine(300.0, 8_000, 320, 10_000.0);
        let (mut whole, mut half) = (Vec::new(), Vec::new());
        Resampler::new(8_000, 48_000).run(&tone, &mut whole);
        let mut resampler = Resampler::new(8_000, 48_000);
        resampler.pass(&tone[..160]);
        resampler.run(&tone[160..], &mut half);
        assert_eq!(whole[960..], half);
    }
}
