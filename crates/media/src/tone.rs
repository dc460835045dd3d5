//! The short tones that tell of comings and goings, made and not stored.

use std::collections::VecDeque;
use std::f32::consts::TAU;

use crate::codec::FRAME_MS;
use crate::command::Announcement;

/// Tones that wait and the one that sounds.
#[derive(Debug, Default)]
pub struct Tones {
    notes: VecDeque<Note>,
    /// Frames of the first note that have sounded.
    played: u32,
}

/// A sine with soft edges, or a rest.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Note {
    frequency: f32,
    frames: u32,
    peak: f32,
}

impl Tones {
    /// Plays it after what waits already. If too much waits, it is left out: where many come at once, a few tones say so.
    pub fn announce(&mut self, announcement: Announcement) {
        let notes: Vec<Note> = match announcement {
            Announcement::Joined => vec![note(660.0, 5), note(880.0, 7), rest(3)],
            Announcement::Left => vec![note(880.0, 5), note(660.0, 7), rest(3)],
            Announcement::Muted => vec![note(440.0, 5), rest(2), note(440.0, 5), rest(3)],
            Announcement::Unmuted => vec![note(880.0, 8), rest(3)],
            Announcement::Count(participants) => {
                [note(660.0, 6), rest(6)].repeat(usize::from(participants.min(COUNT_MAX)))
            }
        };
        if self.notes.len() + notes.len() <= NOTES_MAX {
            self.notes.extend(notes);
        }
    }

    /// Two soft tones for somebody who is alone, so that he knows the line from a dead one.
    pub fn tell_alone(&mut self) {
        let soft = Note { peak: PEAK / 4.0, ..note(440.0, 8) };
        if self.notes.is_empty() {
            self.notes.extend([soft, rest(6), soft, rest(1)]);
        }
    }

    pub fn is_silent(&self) -> bool {
        self.notes.is_empty()
    }

    /// Adds the next frame to `mix`.
    pub fn run(&mut self, sample_rate: u32, mix: &mut [i32]) {
        let Some(note) = self.notes.front().copied() else { return };
        let start = self.played as usize * mix.len();
        let whole = note.frames as usize * mix.len();
        let edge = sample_rate as f32 * EDGE_MS / 1000.0;
        for (index, sample) in mix.iter_mut().enumerate() {
            let place = start + index;
            let envelope = ((place.min(whole - place)) as f32 / edge).min(1.0);
            let wave = (TAU * note.frequency * place as f32 / sample_rate as f32).sin();
            *sample += (wave * envelope * note.peak) as i32;
        }
        self.played += 1;
        if self.played == note.frames {
            self.played = 0;
            self.notes.pop_front();
        }
    }
}

fn note(frequency: f32, frames: u32) -> Note {
    Note { frequency, frames, peak: PEAK }
}

fn rest(frames: u32) -> Note {
    Note { frequency: 0.0, frames, peak: 0.0 }
}

/// -21 dBov: about as loud as speech.
const PEAK: f32 = 4_000.0;
const EDGE_MS: f32 = 5.0;
const COUNT_MAX: u8 = 10;
/// Notes and rests that may wait.
const NOTES_MAX: usize = 24;
/// How often [`Tones::tell_alone`] is due, frames.
pub const ALONE_FRAMES: u32 = 10_000 / FRAME_MS;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{level_of, step_max};

    fn played(announcement: Announcement, sample_rate: u32) -> Vec<i16> {
        let mut tones = Tones::default();
        tones.announce(announcement);
        let mut sound = Vec::new();
        while !tones.is_silent() {
            let mut frame = vec![0; (sample_rate / 50) as usize];
            tones.run(sample_rate, &mut frame);
            sound.extend(frame.iter().map(|sample| *sample as i16));
        }
        sound
    }

    #[test]
    fn who_joins_rises_and_who_leaves_falls() {
        for rate in [8_000, 16_000, 48_000] {
            let frame = (rate / 50) as usize;
            let rises = |sound: &[i16]| {
                let (first, second) = (&sound[..5 * frame], &sound[5 * frame..12 * frame]);
                (level_of(660.0, rate, first) > 3_000.0, level_of(880.0, rate, second) > 3_000.0)
            };
            assert_eq!(rises(&played(Announcement::Joined, rate)), (true, true));
            assert_eq!(rises(&played(Announcement::Left, rate)), (false, false));
        }
    }

    #[test]
    fn tones_begin_and_end_softly() {
        for announcement in [Announcement::Joined, Announcement::Muted, Announcement::Unmuted, Announcement::Count(2)] {
            assert!(step_max(&played(announcement, 48_000)) < 480, "{announcement:?}");
        }
    }

    #[test]
    fn a_count_is_counted_up_to_ten() {
        let count = |participants| {
            let sound = played(Announcement::Count(participants), 8_000);
            sound.chunks(12 * 160).filter(|one| level_of(660.0, 8_000, &one[..960]) > 3_000.0).count()
        };
        assert_eq!((count(0), count(3), count(200)), (0, 3, 10));
    }

    #[test]
    fn a_crowd_makes_a_few_tones_only() {
        let mut tones = Tones::default();
        (0..100).for_each(|_| tones.announce(Announcement::Joined));
        assert_eq!(tones.notes.len(), NOTES_MAX);
    }
}
