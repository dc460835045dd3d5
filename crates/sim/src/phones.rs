//! The phones of a world: switched on, connected, woken.

use std::time::Instant;

use crate::network::Place;
use crate::phone::{Phone, PhoneOutput};
use crate::world::{Line, World};

impl World {
    /// A phone of one of an organisation's users; its name may end in `/device`.
    pub fn phone(&mut self, site: usize, name: &str, is_datagram: bool) -> usize {
        let phone = self.phones.len();
        let media_port = MEDIA_PORT_FIRST + 2 * u16::try_from(phone).expect("few phones");
        self.phones.push(Phone::new(name, site, is_datagram, media_port));
        phone
    }

    pub fn phones(&self) -> &[Phone] {
        &self.phones
    }

    pub fn phone_mut(&mut self, phone: usize) -> &mut Phone {
        &mut self.phones[phone]
    }

    /// Its user does something.
    pub fn use_phone<T>(&mut self, phone: usize, act: impl FnOnce(&mut Phone, Instant) -> T) -> T {
        let now = self.now;
        let outcome = act(&mut self.phones[phone], now);
        self.drain_phone(phone);
        outcome
    }

    /// From now on the kernel gives each datagram of a phone to any worker.
    pub fn scatter(&mut self, phone: usize) {
        if let Some(line) = self.phones[phone].line() {
            self.lines[line.0].worker = None;
        }
    }

    pub(crate) fn wake_phones(&mut self) {
        for phone in 0..self.phones.len() {
            let now = self.now;
            if self.phones[phone].poll_timeout().is_some_and(|due| due <= now) {
                self.phones[phone].handle_timeout(now);
                self.drain_phone(phone);
            }
        }
    }

    pub(crate) fn drain_phone(&mut self, phone: usize) {
        while let Some(output) = self.phones[phone].poll_output() {
            match output {
                PhoneOutput::Connect => self.connect_phone(phone),
                PhoneOutput::Disconnect(line) => self.end_line(line),
                PhoneOutput::Send(line, bytes) => self.send_on(line, bytes),
            }
        }
    }

    /// A datagram needs no connection; a stream needs a server that is there and a network that leads there.
    fn connect_phone(&mut self, phone: usize) {
        let (site, is_datagram) = (self.phones[phone].site, self.phones[phone].is_datagram);
        let workers = self.workers(site);
        let worker = self.draw_worker(workers);
        let now = self.now;
        let line = if is_datagram {
            self.datagrams(site, worker)
        } else if self.can_reach(site, phone) {
            let now_unix = self.unix_secs();
            let shown = self.phones[phone].shows.as_ref().map(|identity| identity.seen_at(now_unix));
            self.connect(site, worker, shown)
        } else {
            return self.phones[phone].handle_refused(now);
        };
        self.lines[line.0].phone = Some(phone);
        let flow = self.lines[line.0].flow;
        self.note(format!("{} connects to worker {worker}", self.phones[phone].name()));
        self.phones[phone].handle_opened(now, line, flow);
    }

    /// Where it is on the network is told by the line that it had last.
    fn can_reach(&self, site: usize, phone: usize) -> bool {
        let last = self.lines.iter().rposition(|line| line.phone == Some(phone));
        let is_cut = last.is_some_and(|last| {
            let (here, there) = (Place::Line(last), Place::Site(site));
            self.network.is_cut(here, there) || self.network.is_cut(there, here)
        });
        self.sites[site].is_up(self.now) && !is_cut
    }

    /// Where a phone is on the network, once it has connected.
    pub fn place_of(&self, phone: usize) -> Option<Place> {
        self.phones[phone].line().map(|Line(line)| Place::Line(line))
    }
}

/// Each phone hears at a port of its own.
const MEDIA_PORT_FIRST: u16 = 40_000;
