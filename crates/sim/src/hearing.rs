//! Who hears whom, as the mixers were told; and what the mixers say of their legs.

use std::collections::BTreeSet;
use std::time::Duration;

use media::{LegId, MediaEvent};
use signaling::Input;

use crate::sound::Leg;
use crate::world::World;

impl World {
    /// The phones that hear what this one says: those whose legs are in one bridge with a leg of its.
    pub fn heard_by(&self, speaker: usize) -> BTreeSet<usize> {
        let mut listeners = BTreeSet::new();
        for (site, id, _) in self.legs_of(speaker).filter(|(.., leg)| leg.is_let_speak()) {
            let others = self.sound(site).legs().filter(|(other, _)| other.bridge == id.bridge && **other != id);
            listeners.extend(others.filter(|(_, leg)| leg.is_let_hear()).filter_map(|(_, leg)| self.phone_of(leg)));
        }
        listeners
    }

    /// It presses a key (RFC 4733); `false`: no mixer has a leg of it.
    pub fn press(&mut self, phone: usize, key: char) -> bool {
        self.say_of(phone, |leg| MediaEvent::Dtmf { leg, key })
    }

    /// No packet comes from it any more; `false`: no mixer has a leg of it.
    pub fn fall_silent(&mut self, phone: usize) -> bool {
        self.say_of(phone, |leg| MediaEvent::Silent { leg })
    }

    /// No packet comes to any mixer any more.
    pub fn fall_silent_everywhere(&mut self) {
        for site in 0..self.sites.len() {
            let legs: Vec<LegId> = self.sound(site).legs().map(|(id, _)| *id).collect();
            for leg in legs {
                self.input(site, leg.bridge.worker, Input::Media(MediaEvent::Silent { leg }));
            }
        }
    }

    /// The media node of a home is gone, and another takes its place.
    pub fn lose_sound(&mut self, site: usize) {
        for leg in self.sites[site].sound.lose() {
            self.input(site, leg.bridge.worker, Input::Media(MediaEvent::Lost { leg }));
        }
        self.settle();
    }

    /// Legs of all mixers.
    pub fn open_legs(&self) -> usize {
        self.sites.iter().map(|home| home.sound.legs().count()).sum()
    }

    /// Its media threads take so long to open ports.
    pub fn delay_ports(&mut self, site: usize, late: Duration) {
        self.sites[site].sound.late = late;
    }

    pub fn use_up_ports(&mut self, site: usize) {
        self.sites[site].sound.is_used_up = true;
    }

    fn say_of(&mut self, phone: usize, event: impl Fn(LegId) -> MediaEvent) -> bool {
        let found: Vec<(usize, LegId)> = self.legs_of(phone).map(|(site, id, _)| (site, id)).collect();
        for (site, leg) in &found {
            self.input(*site, leg.bridge.worker, Input::Media(event(*leg)));
        }
        !found.is_empty()
    }

    fn legs_of(&self, phone: usize) -> impl Iterator<Item = (usize, LegId, &Leg)> {
        let all = self.sites.iter().enumerate();
        let legs = all.flat_map(|(site, home)| home.sound.legs().map(move |(id, leg)| (site, *id, leg)));
        legs.filter(move |(.., leg)| self.phone_of(leg) == Some(phone))
    }

    /// Each phone hears at a port of its own.
    fn phone_of(&self, leg: &Leg) -> Option<usize> {
        let port = leg.session.as_ref()?.remote.port();
        self.phones.iter().position(|phone| phone.media_port() == port)
    }
}
