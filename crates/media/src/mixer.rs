//! A bridge's mixer: each participant hears everybody but himself (RFC 7667 section 3.6).
//!
//! Those who talk get a mix each; all who only listen share one, encoded once for each encoding. The mix is as wide as the
//! widest encoding on the bridge: telephones among themselves are mixed at 8 kHz.
//!
//! Where nobody talks, and for who is held, there is true silence, whose payload is encoded once and then repeated; who is
//! alone in a conference hears two soft tones every ten seconds.

use std::collections::BTreeMap;

use sdp::Encoding;

use crate::codec::frame_len;
use crate::command::{Announcement, BridgeKind};
use crate::level::level;
use crate::outlet::{Outlet, Workspace};
use crate::participant::{Heard, Participant};
use crate::talkers::Talkers;
use crate::tone::{ALONE_FRAMES, Tones};

pub struct Mixer {
    kind: BridgeKind,
    mix_rate: u32,
    participants_by_leg: BTreeMap<u32, Participant>,
    talkers: Talkers,
    shared_by_encoding: BTreeMap<(Encoding, Heard), Outlet>,
    /// Tones for all.
    tones: Tones,
    frames_alone: u32,
    mix: Vec<i32>,
    own_mix: Vec<i32>,
    workspace: Workspace,
    encodings: u64,
}

impl Mixer {
    pub fn new(kind: BridgeKind) -> Self {
        Self {
            kind,
            mix_rate: MIX_RATE_MIN,
            participants_by_leg: BTreeMap::new(),
            talkers: Talkers::default(),
            shared_by_encoding: BTreeMap::new(),
            tones: Tones::default(),
            frames_alone: 0,
            mix: Vec::new(),
            own_mix: Vec::new(),
            workspace: Workspace::default(),
            encodings: 0,
        }
    }

    /// A leg comes, or speaks another encoding from now on; it stays muted and held if it was.
    pub fn insert(&mut self, leg: u32, encoding: Encoding) {
        let before = self.participants_by_leg.get(&leg);
        if before.is_some_and(|before| before.encoding == encoding) {
            return;
        }
        let mut participant = Participant::new(encoding, self.mix_rate.max(encoding.sample_rate()));
        if let Some(before) = before {
            participant.is_muted = before.is_muted;
            participant.is_held = before.is_held;
            participant.hearing = before.hearing;
        }
        self.participants_by_leg.insert(leg, participant);
        self.retune();
    }

    pub fn remove(&mut self, leg: u32) {
        self.talkers.forget(leg);
        self.participants_by_leg.remove(&leg);
        self.retune();
    }

    pub fn set_muted(&mut self, leg: u32, is_muted: bool) {
        if let Some(participant) = self.participants_by_leg.get_mut(&leg)
            && participant.is_muted != is_muted
        {
            participant.is_muted = is_muted;
            self.talkers.forget(leg);
        }
    }

    /// Who is held says and hears nothing, but for tones of his own.
    pub fn set_held(&mut self, leg: u32, is_held: bool) {
        if let Some(participant) = self.participants_by_leg.get_mut(&leg)
            && participant.is_held != is_held
        {
            participant.is_held = is_held;
            participant.hearing.aim(!is_held);
            self.talkers.forget(leg);
        }
    }

    /// To one leg, or to all that are not held.
    pub fn announce(&mut self, to: Option<u32>, announcement: Announcement) {
        match to {
            None => self.tones.announce(announcement),
            Some(leg) => {
                if let Some(participant) = self.participants_by_leg.get_mut(&leg) {
                    participant.tones.announce(announcement);
                }
            }
        }
    }

    /// Goes on by one frame ([`crate::codec::FRAME_MS`]): of each leg from which something came, so many samples at the sample
    /// rate of its encoding. Afterwards [`Mixer::payload`] gives what is to be sent to each.
    pub fn mix(&mut self, inputs: &[(u32, &[i16])]) {
        self.choose_talkers(inputs);
        let is_silent = !self.sum(inputs) && self.tones.is_silent();
        self.tones.run(self.mix_rate, &mut self.mix);
        self.tell_who_is_alone();
        self.encode_own();
        self.encode_shared(is_silent);
    }

    /// What is to be sent to a leg for the last frame that was mixed; empty: nothing.
    pub fn payload(&self, leg: u32) -> &[u8] {
        let Some(participant) = self.participants_by_leg.get(&leg) else { return &[] };
        match &participant.own {
            Some(own) => own.payload(),
            None => {
                self.shared_by_encoding.get(&(participant.encoding, participant.heard())).map_or(&[], Outlet::payload)
            }
        }
    }

    /// Whether the leg is one of those who are heard.
    pub fn talks(&self, leg: u32) -> bool {
        self.talkers.talks(leg)
    }

    /// Frames encoded since the mixer began: what it costs.
    pub fn encodings(&self) -> u64 {
        self.encodings
    }

    /// Samples in a second of the mix.
    pub fn mix_rate(&self) -> u32 {
        self.mix_rate
    }

    fn retune(&mut self) {
        let rates = self.participants_by_leg.values().map(|participant| participant.encoding.sample_rate());
        let mix_rate = rates.max().unwrap_or(MIX_RATE_MIN);
        if mix_rate != self.mix_rate {
            self.mix_rate = mix_rate;
            self.participants_by_leg.values_mut().for_each(|participant| participant.retune(mix_rate));
            self.shared_by_encoding.values_mut().for_each(|outlet| outlet.retune(mix_rate));
        }
    }

    fn choose_talkers(&mut self, inputs: &[(u32, &[i16])]) {
        for (leg, samples) in inputs {
            if self.participants_by_leg.get(leg).is_some_and(Participant::may_speak) {
                self.talkers.hear(*leg, level(samples));
            }
        }
        self.talkers.choose();
    }

    /// An anchored call has no choice to make: background noise is part of it.
    fn is_chosen(kind: BridgeKind, talkers: &Talkers, leg: u32) -> bool {
        kind == BridgeKind::Anchor || talkers.talks(leg)
    }

    /// Adds up the voices; whether there is any.
    fn sum(&mut self, inputs: &[(u32, &[i16])]) -> bool {
        self.mix.clear();
        self.mix.resize(frame_len(self.mix_rate), 0);
        self.participants_by_leg.values_mut().for_each(|participant| participant.voice.clear());
        for (leg, samples) in inputs {
            if let Some(participant) = self.participants_by_leg.get_mut(leg) {
                let samples = &samples[..samples.len().min(frame_len(participant.encoding.sample_rate()))];
                let is_chosen = Self::is_chosen(self.kind, &self.talkers, *leg);
                participant.speak(self.mix_rate, samples, is_chosen, &mut self.mix);
            }
        }
        let mut is_any = false;
        for participant in self.participants_by_leg.values_mut() {
            match participant.voice.is_empty() {
                true => participant.fall_silent(),
                false => is_any = true,
            }
        }
        is_any
    }

    fn tell_who_is_alone(&mut self) {
        let mut present = self.participants_by_leg.values_mut().filter(|participant| !participant.is_held);
        let (Some(first), None, BridgeKind::Conference) = (present.next(), present.next(), self.kind) else {
            self.frames_alone = 0;
            return;
        };
        self.frames_alone += 1;
        if self.frames_alone.is_multiple_of(ALONE_FRAMES) {
            first.tones.tell_alone();
        }
    }

    fn encode_own(&mut self) {
        for (leg, participant) in &mut self.participants_by_leg {
            let shared = (participant.encoding, participant.heard());
            if !participant.is_apart(Self::is_chosen(self.kind, &self.talkers, *leg)) {
                // If nobody has this mix yet, his stream is the one that the others will share.
                if let Some(own) = participant.own.take() {
                    self.shared_by_encoding.entry(shared).or_insert(*own);
                }
                continue;
            }
            participant.listen(self.mix_rate, &self.mix, &mut self.own_mix);
            let own = participant.own.get_or_insert_with(|| {
                let forked = self.shared_by_encoding.get(&shared).map(Outlet::fork);
                Box::new(forked.unwrap_or_else(|| Outlet::new(participant.encoding, self.mix_rate)))
            });
            // Silence for him who talks alone, too.
            let mix = self.own_mix.iter().any(|sample| *sample != 0).then_some(self.own_mix.as_slice());
            self.encodings += u64::from(own.run(self.mix_rate, mix, &mut self.workspace));
        }
    }

    fn encode_shared(&mut self, is_silent: bool) {
        let mut listeners: BTreeMap<(Encoding, Heard), usize> = BTreeMap::new();
        for participant in self.participants_by_leg.values().filter(|participant| participant.own.is_none()) {
            *listeners.entry((participant.encoding, participant.heard())).or_default() += 1;
        }
        self.shared_by_encoding.retain(|shared, _| listeners.contains_key(shared));
        for shared in listeners.into_keys() {
            let outlet = self.shared_by_encoding.entry(shared).or_insert_with(|| Outlet::new(shared.0, self.mix_rate));
            let mix = (!is_silent && shared.1 == Heard::Everybody).then_some(self.mix.as_slice());
            self.encodings += u64::from(outlet.run(self.mix_rate, mix, &mut self.workspace));
        }
    }
}

/// Samples in a second of the mix of telephones.
const MIX_RATE_MIN: u32 = 8_000;

#[cfg(test)]
mod tests;
