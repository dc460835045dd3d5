//! What the benches let phones say: something with the pitch, the formants and the pauses of speech.

use std::f64::consts::TAU;

/// As many samples as asked for; each voice has a pitch of its own.
pub fn speech(voice: u32, sample_rate: u32, len: usize) -> Vec<i16> {
    let pitch = 110.0 + 17.0 * f64::from(voice % 8);
    let mut breath = noise(voice);
    let one = |index: usize| {
        let time = index as f64 / f64::from(sample_rate);
        let syllable = (0.5 - 0.5 * (TAU * 3.0 * time).cos()).powi(2);
        let swing = pitch * time + 3.0 * (TAU * 0.7 * time).sin();
        let formants = |harmonic: u32| {
            let distance = (f64::from(harmonic) * pitch - 600.0) / 400.0;
            (TAU * f64::from(harmonic) * swing).sin() / (1.0 + distance * distance)
        };
        let voiced: f64 = (1..25).map(formants).sum();
        ((voiced * 0.5 + breath() * 0.2) * syllable * 9_000.0) as i16
    };
    (0..len).map(one).collect()
}

/// What comes of a phone whose user listens: the noise of his room.
#[allow(dead_code, reason = "the codecs' bench has only talkers")]
pub fn room(voice: u32, len: usize) -> Vec<i16> {
    let mut noise = noise(voice);
    (0..len).map(|_| (noise() * 20.0) as i16).collect()
}

/// From -0.5 to 0.5, the same each time.
fn noise(seed: u32) -> impl FnMut() -> f64 {
    let mut state = seed;
    move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(state >> 16) / 65_536.0 - 0.5
    }
}
