//! What the tests of sound measure with.

use std::f32::consts::TAU;

/// A sine with the given peak.
pub fn sine(frequency: f32, sample_rate: u32, len: usize, peak: f32) -> Vec<i16> {
    (0..len).map(|index| ((TAU * frequency * index as f32 / sample_rate as f32).sin() * peak).round() as i16).collect()
}

/// The peak of the sine of that frequency within the samples (Goertzel), under a Hann window so that others do not leak in.
pub fn level_of(frequency: f32, sample_rate: u32, samples: &[i16]) -> f32 {
    let len = samples.len() as f64;
    let angle = std::f64::consts::TAU * f64::from(frequency) / f64::from(sample_rate);
    let (mut last, mut before) = (0.0, 0.0);
    for (index, sample) in samples.iter().enumerate() {
        let window = 0.5 - 0.5 * (std::f64::consts::TAU * index as f64 / len).cos();
        let now = f64::from(*sample) * window + 2.0 * angle.cos() * last - before;
        (before, last) = (last, now);
    }
    let power = last * last + before * before - 2.0 * angle.cos() * last * before;
    (power.max(0.0).sqrt() * 4.0 / len) as f32
}

/// By how many dB `other` is weaker than `wanted`.
pub fn attenuation_db(wanted: f32, other: f32, sample_rate: u32, samples: &[i16]) -> f32 {
    20.0 * (level_of(wanted, sample_rate, samples) / level_of(other, sample_rate, samples).max(0.01)).log10()
}

/// The biggest step between two samples that follow each other.
pub fn step_max(samples: &[i16]) -> i32 {
    samples.windows(2).map(|pair| (i32::from(pair[1]) - i32::from(pair[0])).abs()).max().unwrap_or(0)
}

/// Numbers that look like chance, the same each time.
pub fn noise(seed: u32) -> impl FnMut() -> u32 {
    let mut state = seed;
    move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state >> 8
    }
}

#[test]
fn the_measure_knows_a_tone_from_its_neighbours() {
    let tone = sine(440.0, 8_000, 4_000, 10_000.0);
    assert!((level_of(440.0, 8_000, &tone) - 10_000.0).abs() < 50.0);
    assert!(attenuation_db(440.0, 660.0, 8_000, &tone) > 70.0);
}

/// Some instant to count from.
#[expect(clippy::disallowed_methods, reason = "a test starts somewhere in time")]
pub fn begin() -> std::time::Instant {
    std::time::Instant::now()
}
