//! Bridges of phones with real codecs, and who hears what.

use std::collections::BTreeMap;

use super::*;
use crate::codec::{Decoder, Encoder};
use crate::tests::{level_of, sine, step_max};

/// A bridge whose legs each send a tone, or silence, and keep what they hear.
struct Bridge {
    mixer: Mixer,
    phones: BTreeMap<u32, Phone>,
}

struct Phone {
    encoding: Encoding,
    says: Vec<i16>,
    said: usize,
    encoder: Encoder,
    /// The server's, of what the phone sends.
    decoder: Decoder,
    /// The phone's own.
    ear: Decoder,
    heard: Vec<i16>,
}

impl Phone {
    /// The next frame that it says, as it comes out of the server's decoder.
    fn speak(&mut self) -> Vec<i16> {
        let len = frame_len(self.encoding.sample_rate());
        let mut frame: Vec<i16> = self.says.iter().cycle().skip(self.said).take(len).copied().collect();
        frame.resize(len, 0);
        self.said += len;
        let (mut payload, mut samples) = (Vec::new(), Vec::new());
        self.encoder.encode(&frame, &mut payload);
        self.decoder.decode(&payload, &mut samples).unwrap();
        samples
    }

    fn level(&self, frequency: f32) -> f32 {
        level_of(frequency, self.encoding.sample_rate(), &self.heard)
    }
}

impl Bridge {
    fn new() -> Self {
        Self { mixer: Mixer::new(BridgeKind::Conference), phones: BTreeMap::new() }
    }

    /// A phone that says a tone of that many Hz, a second of it again and again; 0 is silence.
    fn join(&mut self, leg: u32, encoding: Encoding, frequency: f32, peak: f32) {
        let rate = encoding.sample_rate();
        self.mixer.insert(leg, encoding);
        let phone = Phone {
            encoding,
            says: sine(frequency, rate, rate as usize, peak),
            said: 0,
            encoder: Encoder::new(encoding),
            decoder: Decoder::new(encoding),
            ear: Decoder::new(encoding),
            heard: Vec::new(),
        };
        self.phones.insert(leg, phone);
    }

    fn run(&mut self, frames: usize) {
        for _ in 0..frames {
            let said: Vec<(u32, Vec<i16>)> = self.phones.iter_mut().map(|(leg, phone)| (*leg, phone.speak())).collect();
            let inputs: Vec<(u32, &[i16])> = said.iter().map(|(leg, samples)| (*leg, samples.as_slice())).collect();
            self.mixer.mix(&inputs);
            for (leg, phone) in &mut self.phones {
                phone.ear.decode(self.mixer.payload(*leg), &mut phone.heard).unwrap();
            }
        }
    }

    /// What is heard from now on, after what was on its way.
    fn settle(&mut self) {
        self.run(10);
        self.phones.values_mut().for_each(|phone| phone.heard.clear());
    }
}

const TONES: [f32; 3] = [440.0, 660.0, 880.0];
const PEAK: f32 = 6_000.0;

#[test]
fn three_talk_and_each_hears_the_two_others_and_not_himself() {
    let all = [Encoding::Pcma, Encoding::Pcmu, Encoding::G722, Encoding::Opus];
    for first in all {
        for second in all {
            let mut bridge = Bridge::new();
            let encodings = [first, second, first];
            (0..3).for_each(|leg| bridge.join(leg as u32, encodings[leg], TONES[leg], PEAK));
            bridge.join(9, second, 0.0, 0.0);
            bridge.settle();
            bridge.run(50);
            for (leg, phone) in &bridge.phones {
                for (index, tone) in TONES.iter().enumerate() {
                    let level = phone.level(*tone);
                    if index as u32 == *leg {
                        assert!(level < PEAK / 100.0, "{first:?} {second:?}: {leg} hears himself, {level}");
                    } else {
                        assert!(
                            (PEAK * 0.7..PEAK * 1.2).contains(&level),
                            "{first:?} {second:?}: {leg} hears {tone} at {level}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn the_mix_is_as_wide_as_the_widest_encoding() {
    let mut mixer = Mixer::new(BridgeKind::Conference);
    let mut rates = vec![mixer.mix_rate()];
    for (leg, encoding) in [(1, Encoding::Pcma), (2, Encoding::G722), (3, Encoding::Opus)] {
        mixer.insert(leg, encoding);
        rates.push(mixer.mix_rate());
    }
    mixer.remove(3);
    mixer.insert(2, Encoding::Pcmu);
    rates.push(mixer.mix_rate());
    assert_eq!(rates, [8_000, 8_000, 16_000, 48_000, 8_000]);
}

#[test]
fn who_is_muted_is_heard_by_nobody_and_hears() {
    let mut bridge = Bridge::new();
    bridge.join(1, Encoding::Pcma, 440.0, PEAK);
    bridge.join(2, Encoding::G722, 660.0, PEAK);
    bridge.run(20);
    bridge.mixer.set_muted(1, true);
    bridge.settle();
    bridge.run(50);
    assert!(bridge.phones[&2].level(440.0) < 5.0);
    assert!(bridge.phones[&1].level(660.0) > PEAK * 0.7);
    assert!(!bridge.mixer.talks(1));
    bridge.mixer.set_muted(1, false);
    bridge.settle();
    bridge.run(50);
    assert!(bridge.phones[&2].level(440.0) > PEAK * 0.7);
    bridge.mixer.set_muted(1, false);
    assert!(bridge.mixer.talks(1), "to say so again changes nothing");
}

#[test]
fn who_is_held_says_and_hears_nothing_but_his_own_tones() {
    let mut bridge = Bridge::new();
    bridge.join(1, Encoding::Pcma, 440.0, PEAK);
    bridge.join(2, Encoding::Pcma, 660.0, PEAK);
    bridge.join(3, Encoding::Pcma, 0.0, 0.0);
    bridge.mixer.set_held(1, true);
    bridge.settle();
    bridge.mixer.announce(None, Announcement::Joined);
    bridge.run(50);
    assert!(bridge.phones[&2].level(440.0) < 5.0);
    assert!(bridge.phones[&3].level(880.0) > 100.0, "the others hear who joins");
    assert_eq!(bridge.phones[&1].heard.iter().map(|sample| sample.abs()).max(), Some(8), "the soft end of A-law");
    bridge.mixer.announce(Some(1), Announcement::Unmuted);
    bridge.phones.values_mut().for_each(|phone| phone.heard.clear());
    bridge.run(20);
    assert!(bridge.phones[&1].level(880.0) > 500.0);
    assert!(bridge.phones[&3].level(880.0) < 5.0);
}

#[test]
fn nothing_clicks_when_a_voice_comes_or_goes() {
    let mut bridge = Bridge::new();
    bridge.join(1, Encoding::Pcmu, 330.0, 10_000.0);
    bridge.join(2, Encoding::Pcmu, 0.0, 0.0);
    let step = step_max(&sine(330.0, 8_000, 800, 10_000.0));
    for _ in 0..7 {
        bridge.run(7);
        bridge.mixer.set_muted(1, true);
        bridge.run(3);
        bridge.mixer.set_muted(1, false);
        bridge.run(2);
        bridge.mixer.set_held(2, true);
        bridge.run(2);
        bridge.mixer.set_held(2, false);
    }
    let heard = &bridge.phones[&2].heard;
    assert!(step_max(heard) < step * 5 / 4, "{} where the tone has {step}", step_max(heard));
    assert!(heard.iter().any(|sample| *sample > 9_000));
}

#[test]
fn fifty_listeners_share_one_encoding() {
    for encoding in [Encoding::Pcma, Encoding::G722, Encoding::Opus] {
        let mut bridge = Bridge::new();
        bridge.join(0, encoding, 440.0, PEAK);
        bridge.join(1, encoding, 660.0, PEAK);
        bridge.settle();
        (10..60).for_each(|leg| bridge.mixer.insert(leg, encoding));
        let before = bridge.mixer.encodings();
        bridge.run(20);
        assert_eq!(bridge.mixer.encodings() - before, 20 * 3, "{encoding:?}: two talkers and one for all who listen");
        assert_eq!(bridge.mixer.payload(10), bridge.mixer.payload(59));
        assert_ne!(bridge.mixer.payload(10), bridge.mixer.payload(0));
    }
}

#[test]
fn silence_is_encoded_once_and_repeated() {
    for encoding in [Encoding::Pcma, Encoding::G722, Encoding::Opus] {
        let mut bridge = Bridge::new();
        (0..3).for_each(|leg| bridge.join(leg, encoding, 0.0, 0.0));
        bridge.join(3, encoding, 440.0, PEAK);
        bridge.run(20);
        bridge.mixer.set_muted(3, true);
        bridge.run(20);
        let before = bridge.mixer.encodings();
        bridge.phones.values_mut().for_each(|phone| phone.heard.clear());
        bridge.run(100);
        assert_eq!(bridge.mixer.encodings(), before, "{encoding:?}");
        let loudest = bridge.phones[&0].heard.iter().map(|sample| sample.unsigned_abs()).max();
        assert!(loudest <= Some(12), "{encoding:?}: silence is heard as {loudest:?}");
        bridge.mixer.set_muted(3, false);
        bridge.run(50);
        assert!(bridge.phones[&0].level(440.0) > 500.0, "{encoding:?}: and it ends");
    }
}

#[test]
fn who_talks_alone_costs_one_encoding_for_the_others_only() {
    let mut bridge = Bridge::new();
    bridge.join(1, Encoding::Pcma, 440.0, PEAK);
    bridge.join(2, Encoding::Pcma, 0.0, 0.0);
    bridge.run(20);
    let before = bridge.mixer.encodings();
    bridge.run(20);
    assert_eq!(bridge.mixer.encodings() - before, 20);
}

#[test]
fn only_the_loudest_four_of_eight_are_heard() {
    let mut bridge = Bridge::new();
    let frequency = |leg: u32| 300.0 + 100.0 * leg as f32;
    (0..8).for_each(|leg| bridge.join(leg, Encoding::Pcmu, frequency(leg), 500.0 + 500.0 * leg as f32));
    bridge.join(8, Encoding::Pcmu, 0.0, 0.0);
    bridge.settle();
    bridge.run(50);
    let heard: Vec<u32> = (0..8).filter(|leg| bridge.phones[&8].level(frequency(*leg)) > 300.0).collect();
    assert_eq!(heard, [4, 5, 6, 7]);
}

#[test]
fn who_is_alone_hears_a_soft_tone_now_and_then() {
    let mut bridge = Bridge::new();
    bridge.join(1, Encoding::Pcma, 0.0, 0.0);
    bridge.run(450);
    assert!(bridge.phones[&1].level(440.0) < 5.0, "not at once");
    bridge.phones.values_mut().for_each(|phone| phone.heard.clear());
    bridge.run(80);
    assert!(bridge.phones[&1].level(440.0) > 100.0);
    bridge.join(2, Encoding::Pcma, 0.0, 0.0);
    bridge.settle();
    bridge.run(600);
    assert!(bridge.phones[&1].level(440.0) < 5.0, "nor in company");
}

#[test]
fn an_anchored_call_hears_also_what_is_soft() {
    let mut bridge = Bridge { mixer: Mixer::new(BridgeKind::Anchor), ..Bridge::new() };
    bridge.join(1, Encoding::Opus, 440.0, 40.0);
    bridge.join(2, Encoding::G722, 0.0, 0.0);
    bridge.settle();
    bridge.run(50);
    assert!(bridge.phones[&2].level(440.0) > 10.0);
    bridge.mixer.set_muted(1, true);
    bridge.settle();
    bridge.run(50);
    assert!(bridge.phones[&2].level(440.0) < 1.0, "unless it is muted");
}

#[test]
fn a_wider_encoding_may_come_and_go_in_between() {
    let mut bridge = Bridge::new();
    bridge.join(1, Encoding::Pcma, 440.0, PEAK);
    bridge.join(2, Encoding::Pcmu, 660.0, PEAK);
    bridge.run(20);
    bridge.join(3, Encoding::Opus, 880.0, PEAK);
    bridge.settle();
    bridge.run(50);
    assert!(bridge.phones[&1].level(660.0) > PEAK * 0.7 && bridge.phones[&1].level(880.0) > PEAK * 0.7);
    assert!(bridge.phones[&3].level(440.0) > PEAK * 0.7);
    bridge.mixer.remove(3);
    bridge.phones.remove(&3);
    bridge.settle();
    bridge.run(50);
    assert!(bridge.phones[&1].level(660.0) > PEAK * 0.7 && bridge.phones[&1].level(880.0) < 20.0);
}

#[test]
fn what_fits_no_frame_does_no_harm() {
    let mut mixer = Mixer::new(BridgeKind::Conference);
    mixer.mix(&[(7, &[1; 160])]);
    mixer.insert(1, Encoding::Pcma);
    mixer.insert(2, Encoding::Opus);
    for len in [0, 1, 159, 161, 5_000] {
        let long = vec![20_000; len];
        mixer.mix(&[(1, &long), (2, &long), (3, &long)]);
        assert_eq!(mixer.payload(1).len(), 160);
    }
    assert!(mixer.payload(3).is_empty());
}

#[test]
fn who_begins_to_talk_and_ends_hears_no_seam() {
    for encoding in [Encoding::Pcma, Encoding::G722, Encoding::Opus] {
        let rate = encoding.sample_rate();
        let mut bridge = Bridge::new();
        bridge.join(1, encoding, 440.0, PEAK);
        (2..4).for_each(|leg| bridge.join(leg, encoding, 0.0, 0.0));
        bridge.run(50);
        let mut talked = Vec::new();
        for says in [sine(660.0, rate, rate as usize, PEAK), vec![0; 10]] {
            bridge.phones.get_mut(&2).unwrap().says = says;
            bridge.run(80);
            talked.push(bridge.mixer.talks(2));
        }
        assert_eq!(talked, [true, false]);
        let heard = &bridge.phones[&2].heard[rate as usize / 2..];
        let two_periods = rate as usize / 220;
        for piece in heard.chunks_exact(two_periods) {
            let power = piece.iter().map(|sample| f32::from(*sample).powi(2)).sum::<f32>() / two_periods as f32;
            let part = power.sqrt() * 2.0_f32.sqrt() / PEAK;
            assert!((0.85..1.15).contains(&part), "{encoding:?}: a dip or a bump to {part}");
        }
        assert!(step_max(heard) < step_max(&sine(440.0, rate, 1_000, PEAK)) * 5 / 4, "{encoding:?}");
    }
}
