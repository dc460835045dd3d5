//! What lies between two places: delay, loss, reordering, and being cut off in one or both directions.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::random::Random;

/// Somewhere on the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// An organisation's servers, by number.
    Site(usize),
    /// A phone, or whatever speaks on a line.
    Line(usize),
}

/// How long things take, drawn anew for each.
#[derive(Debug, Clone)]
pub struct Weather {
    /// One way, over the network. Datagrams overtake each other within it; streams keep their order.
    pub travel: (Duration, Duration),
    /// From one worker to another.
    pub handoff: (Duration, Duration),
    /// Now and then, in percent of handoffs, the receiving worker is busy for this long.
    pub stall: (u8, Duration),
    /// For an answer of the DNS.
    pub lookup: (Duration, Duration),
    /// For an answer of the store.
    pub commit: (Duration, Duration),
    /// Streams arrive in pieces of at most this many bytes; 0 leaves them whole.
    pub piece_bytes_max: usize,
}

impl Weather {
    /// Nothing takes any time: order alone is drawn.
    pub fn still() -> Weather {
        let none = (Duration::ZERO, Duration::ZERO);
        let stall = (0, Duration::ZERO);
        Weather { travel: none, handoff: none, stall, lookup: none, commit: none, piece_bytes_max: 0 }
    }

    /// As on a working day between two cities.
    pub fn fair() -> Weather {
        Weather {
            travel: (Duration::from_millis(2), Duration::from_millis(40)),
            handoff: (Duration::ZERO, Duration::from_millis(2)),
            stall: (2, Duration::from_millis(120)),
            lookup: (Duration::from_millis(1), Duration::from_millis(60)),
            commit: (Duration::from_micros(200), Duration::from_millis(8)),
            piece_bytes_max: 700,
        }
    }
}

/// Everything that is not as the weather has it, for each direction by itself.
#[derive(Debug, Default)]
pub struct Network {
    paths: BTreeMap<(Place, Place), Path>,
}

#[derive(Debug, Clone, Default)]
struct Path {
    is_cut: bool,
    loss_percent: u8,
    /// So many of the next datagrams are lost.
    drops: u32,
    late: Duration,
}

impl Network {
    pub fn cut(&mut self, from: Place, to: Place) {
        self.path(from, to).is_cut = true;
    }

    pub fn join(&mut self, from: Place, to: Place) {
        self.path(from, to).is_cut = false;
    }

    pub fn lose(&mut self, from: Place, to: Place, percent: u8) {
        self.path(from, to).loss_percent = percent;
    }

    /// The next `count` datagrams are lost.
    pub fn drop_next(&mut self, from: Place, to: Place, count: u32) {
        self.path(from, to).drops += count;
    }

    pub fn delay(&mut self, from: Place, to: Place, late: Duration) {
        self.path(from, to).late = late;
    }

    /// Everything is as the weather has it again.
    pub fn mend(&mut self) {
        self.paths.clear();
    }

    pub fn is_cut(&self, from: Place, to: Place) -> bool {
        self.paths.get(&(from, to)).is_some_and(|path| path.is_cut)
    }

    /// How long a datagram travels; `None`: it is lost.
    pub fn datagram(&mut self, random: &mut Random, weather: &Weather, way: (Place, Place)) -> Option<Duration> {
        let travel = random.duration(weather.travel.0, weather.travel.1);
        let Some(path) = self.paths.get_mut(&way) else { return Some(travel) };
        if path.drops > 0 {
            path.drops -= 1;
            return None;
        }
        let is_lost = path.is_cut || random.percent(path.loss_percent);
        (!is_lost).then_some(travel + path.late)
    }

    /// How long a piece of a stream travels: what is lost comes after a retransmission. What is sent into a path that is
    /// cut waits until it is joined again.
    pub fn piece(&self, random: &mut Random, weather: &Weather, way: (Place, Place)) -> Duration {
        let mut travel = random.duration(weather.travel.0, weather.travel.1);
        let Some(path) = self.paths.get(&way) else { return travel };
        let mut timeout = RETRANSMISSION;
        while random.percent(path.loss_percent.min(LOSS_PERCENT_MAX)) {
            travel += timeout;
            timeout *= 2;
        }
        travel + path.late
    }

    fn path(&mut self, from: Place, to: Place) -> &mut Path {
        self.paths.entry((from, to)).or_default()
    }
}

/// The shortest retransmission timeout of a usual TCP.
const RETRANSMISSION: Duration = Duration::from_millis(200);
/// Beyond it a stream would never arrive; to that end a path is cut.
const LOSS_PERCENT_MAX: u8 = 80;

#[cfg(test)]
mod tests {
    use super::*;

    const WAY: (Place, Place) = (Place::Site(0), Place::Line(0));

    #[test]
    fn each_direction_is_lost_by_itself() {
        let (mut network, mut random) = (Network::default(), Random::new(1));
        network.lose(WAY.0, WAY.1, 50);
        let weather = Weather::fair();
        let lost = (0..1000).filter(|_| network.datagram(&mut random, &weather, WAY).is_none()).count();
        assert!((400..600).contains(&lost), "{lost}");
        let back = (WAY.1, WAY.0);
        assert!((0..1000).all(|_| network.datagram(&mut random, &weather, back).is_some()));
    }

    #[test]
    fn a_named_number_of_datagrams_is_dropped() {
        let (mut network, mut random) = (Network::default(), Random::new(1));
        network.drop_next(WAY.0, WAY.1, 2);
        let arrived: Vec<bool> =
            (0..3).map(|_| network.datagram(&mut random, &Weather::still(), WAY).is_some()).collect();
        assert_eq!(arrived, [false, false, true]);
    }

    #[test]
    fn loss_makes_a_stream_late() {
        let (mut network, mut random) = (Network::default(), Random::new(1));
        network.lose(WAY.0, WAY.1, 70);
        let late = (0..100).map(|_| network.piece(&mut random, &Weather::still(), WAY)).max();
        assert!(late > Some(RETRANSMISSION));
    }
}
