//! Who is heard: the loudest few, chosen so that a pause between two words or a cough does not change it.

use std::collections::BTreeMap;

/// How loud each leg was of late, and which of them talk.
#[derive(Debug, Default)]
pub struct Talkers {
    voices_by_leg: BTreeMap<u32, Voice>,
}

/// Loudness is in dB above silence: 127 less the level of RFC 6464. It rises at once and falls slowly.
#[derive(Debug, Default, Clone, Copy)]
struct Voice {
    loudness: f32,
    now: f32,
    is_talking: bool,
}

impl Talkers {
    /// The level (-dBov) of a leg's frame. A leg of which nothing is said before [`Talkers::choose`] was silent.
    pub fn hear(&mut self, leg: u32, level: u8) {
        self.voices_by_leg.entry(leg).or_default().now = f32::from(127 - level.min(127));
    }

    /// Once a frame, after all were heard.
    pub fn choose(&mut self) {
        let mut newcomers = Vec::new();
        for (leg, voice) in &mut self.voices_by_leg {
            voice.loudness = voice.now.max(voice.loudness - FALL_DB);
            voice.now = 0.0;
            voice.is_talking &= voice.loudness >= LEAVE_DB;
            if !voice.is_talking && voice.loudness >= ENTER_DB {
                newcomers.push((*leg, voice.loudness));
            }
        }
        newcomers.sort_by(|a, b| b.1.total_cmp(&a.1));
        for (leg, loudness) in newcomers.into_iter().take(TALKERS_MAX) {
            self.admit(leg, loudness);
        }
    }

    /// Lets a newcomer talk if there is room, or in the place of one who is clearly less loud.
    fn admit(&mut self, leg: u32, loudness: f32) {
        let talking = self.voices_by_leg.iter().filter(|(_, voice)| voice.is_talking);
        if talking.clone().count() >= TALKERS_MAX {
            let weakest =
                talking.min_by(|a, b| a.1.loudness.total_cmp(&b.1.loudness)).map(|(leg, voice)| (*leg, voice.loudness));
            match weakest {
                Some((weakest, its)) if its + MARGIN_DB < loudness => self.set(weakest, false),
                _ => return,
            }
        }
        self.set(leg, true);
    }

    fn set(&mut self, leg: u32, is_talking: bool) {
        if let Some(voice) = self.voices_by_leg.get_mut(&leg) {
            voice.is_talking = is_talking;
        }
    }

    pub fn talks(&self, leg: u32) -> bool {
        self.voices_by_leg.get(&leg).is_some_and(|voice| voice.is_talking)
    }

    /// The leg is gone, or is not to be heard.
    pub fn forget(&mut self, leg: u32) {
        self.voices_by_leg.remove(&leg);
    }
}

/// More voices at once nobody understands, and each is one more encoding.
pub const TALKERS_MAX: usize = 4;
/// -55 dBov: softer is no speech.
const ENTER_DB: f32 = 72.0;
const LEAVE_DB: f32 = 62.0;
/// In a frame: who spoke at -27 dBov talks for a second after his last word.
const FALL_DB: f32 = 0.75;
/// By how much a newcomer must be louder than him whose place he takes.
const MARGIN_DB: f32 = 6.0;

#[cfg(test)]
mod tests {
    use super::*;

    fn run(talkers: &mut Talkers, frames: usize, levels: &[(u32, u8)]) -> Vec<u32> {
        for _ in 0..frames {
            levels.iter().for_each(|(leg, level)| talkers.hear(*leg, *level));
            talkers.choose();
        }
        (0..20).filter(|leg| talkers.talks(*leg)).collect()
    }

    #[test]
    fn the_loudest_four_talk_and_noise_does_not() {
        let mut talkers = Talkers::default();
        assert!(run(&mut talkers, 5, &[(1, 60), (2, 70)]).is_empty());
        assert_eq!(run(&mut talkers, 1, &[(1, 60), (2, 30)]), [2]);
        let mut talkers = Talkers::default();
        let six = [(1, 50), (2, 20), (3, 30), (4, 25), (5, 40), (6, 127)];
        assert_eq!(run(&mut talkers, 1, &six), [2, 3, 4, 5]);
    }

    #[test]
    fn a_pause_between_words_changes_nothing_and_a_long_one_does() {
        let mut talkers = Talkers::default();
        run(&mut talkers, 10, &[(1, 27)]);
        assert_eq!(run(&mut talkers, 25, &[(1, 90)]), [1]);
        assert!(run(&mut talkers, 30, &[(1, 90)]).is_empty());
        run(&mut talkers, 10, &[(1, 27)]);
        assert!(run(&mut talkers, 60, &[]).is_empty(), "nothing heard is silence");
    }

    #[test]
    fn a_place_is_taken_only_by_somebody_clearly_louder() {
        let mut talkers = Talkers::default();
        let four = [(1, 30), (2, 30), (3, 30), (4, 35)];
        run(&mut talkers, 10, &four);
        let with = |level| [four.as_slice(), &[(5, level)]].concat();
        assert_eq!(run(&mut talkers, 50, &with(30)), [1, 2, 3, 4]);
        assert_eq!(run(&mut talkers, 1, &with(28)), [1, 2, 3, 5]);
        assert_eq!(run(&mut talkers, 50, &with(28)), [1, 2, 3, 5], "and does not go to and fro");
    }

    #[test]
    fn who_is_forgotten_talks_no_more() {
        let mut talkers = Talkers::default();
        run(&mut talkers, 1, &[(1, 20)]);
        talkers.forget(1);
        assert!(!talkers.talks(1));
    }
}
