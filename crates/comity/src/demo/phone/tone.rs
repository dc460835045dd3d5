//! Tones: how a phone of the demo sounds, and how it tells of what it hears which tones are there (Goertzel).

use std::f32::consts::TAU;

/// Each user's own, in Hz: no multiple of another's, and none that a meeting announces something with.
pub const TONES: [(&str, u32); 5] = [("alice", 540), ("bob", 770), ("carol", 1010), ("erin", 1240), ("dave", 1420)];

/// What a phone says: its tone without end, at 8 kHz.
#[derive(Debug)]
pub struct Tone {
    hz: f32,
    played: u64,
}

impl Tone {
    /// 0 Hz is silence.
    pub fn new(hz: u32) -> Tone {
        Tone { hz: hz as f32, played: 0 }
    }

    /// The next samples.
    pub fn play(&mut self, samples: usize) -> Vec<i16> {
        let first = self.played;
        self.played += samples as u64;
        // A whole second is a whole number of periods.
        let place = |sample: u64| ((first + sample) % u64::from(SAMPLE_RATE)) as f32 / SAMPLE_RATE as f32;
        (0..samples as u64).map(|sample| ((TAU * self.hz * place(sample)).sin() * PEAK) as i16).collect()
    }
}

/// The users whose tones are in the sound.
pub fn names(sound: &[i16]) -> Vec<&'static str> {
    TONES.iter().filter(|(_, hz)| amplitude(sound, *hz) > PEAK / 5.0).map(|(user, _)| *user).collect()
}

/// Of one tone, the mean over short pieces: a packet that is lost or late shifts the phase, which a long piece would not bear.
fn amplitude(sound: &[i16], hz: u32) -> f32 {
    let pieces = sound.chunks_exact(PIECE);
    let count = pieces.len().max(1) as f32;
    pieces.map(|piece| amplitude_in_piece(piece, hz)).sum::<f32>() / count
}

/// Goertzel's algorithm behind a Hann window, which keeps loud neighbours out.
fn amplitude_in_piece(piece: &[i16], hz: u32) -> f32 {
    let angle = TAU * hz as f32 / SAMPLE_RATE as f32;
    let factor = 2.0 * angle.cos();
    let (mut last, mut one_before) = (0.0_f32, 0.0_f32);
    for (index, sample) in piece.iter().enumerate() {
        let window = 0.5 - 0.5 * (TAU * index as f32 / PIECE as f32).cos();
        let next = window * f32::from(*sample) + factor * last - one_before;
        (one_before, last) = (last, next);
    }
    let power = last * last + one_before * one_before - factor * last * one_before;
    // The window halves what there is, and a sine is half of its spectrum.
    power.max(0.0).sqrt() * 4.0 / PIECE as f32
}

pub const SAMPLE_RATE: u32 = 8_000;
/// -18 dBov: as loud as somebody who speaks up.
const PEAK: f32 = 4_000.0;
/// 80 ms: tones 25 Hz apart are told apart.
const PIECE: usize = 640;

#[cfg(test)]
mod tests {
    use super::*;

    fn mixed(users: &[&str]) -> Vec<i16> {
        let mut sound = vec![0_i16; 4_000];
        for (_, hz) in TONES.iter().filter(|(user, _)| users.contains(user)) {
            let tone = Tone::new(*hz).play(sound.len());
            sound.iter_mut().zip(tone).for_each(|(sum, sample)| *sum += sample);
        }
        sound
    }

    #[test]
    fn the_tones_that_are_there_are_told_from_those_that_are_not() {
        for users in [&[][..], &["bob"], &["alice", "bob"], &["bob", "carol", "dave"], &["alice", "carol", "erin"]] {
            let mut sound = mixed(users);
            let heard = names(&sound);
            assert!(
                users.iter().all(|user| heard.contains(user)) && heard.len() == users.len(),
                "{users:?}: {heard:?}"
            );
            sound.drain(1_000..1_160);
            assert_eq!(names(&sound), heard, "without one packet");
        }
    }

    #[test]
    fn what_a_meeting_announces_is_nobodys_tone() {
        for hz in [440, 660, 880] {
            let sound = Tone::new(hz).play(4_000);
            assert_eq!(names(&sound), [""; 0], "{hz}");
        }
        assert_eq!(names(&[0; 4_000]), [""; 0]);
    }

    #[test]
    fn a_tone_goes_on_without_a_seam() {
        let whole = Tone::new(540).play(320);
        let mut tone = Tone::new(540);
        assert_eq!([tone.play(160), tone.play(160)].concat(), whole);
    }
}
