//! Which address of this machine a datagram came to, where one socket has them all.

use std::net::IpAddr;
use std::sync::{PoisonError, RwLock};

/// Each address at which a datagram came to a socket of all addresses is a listener of its own, by a number of its own: what
/// goes to whoever sent there leaves from there. A phone takes nothing from another address, nor does the NAT before it.
///
/// One for all workers: whoever answers may be another than who received.
#[derive(Debug, Default)]
pub struct DatagramPlaces(RwLock<Vec<Place>>);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Place {
    /// The number of the socket's listener.
    pub listener: u8,
    pub local: IpAddr,
}

impl DatagramPlaces {
    /// The number of a place; that of the listener itself where there is no room for a further one.
    pub(super) fn number(&self, place: Place) -> u8 {
        let find = |places: &[Place]| places.iter().position(|known| *known == place);
        let known = find(&self.0.read().unwrap_or_else(PoisonError::into_inner));
        let found = known.or_else(|| {
            let mut places = self.0.write().unwrap_or_else(PoisonError::into_inner);
            // Another worker may have been faster.
            find(&places).or_else(|| {
                let has_room = places.len() < PLACES_MAX;
                has_room.then(|| {
                    places.push(place);
                    places.len() - 1
                })
            })
        });
        found.and_then(|index| u8::try_from(PLACES_MAX + index).ok()).unwrap_or(place.listener)
    }

    /// The place of this number; None: it is the number of a listener itself.
    pub(super) fn get(&self, number: u8) -> Option<Place> {
        let index = usize::from(number).checked_sub(PLACES_MAX)?;
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(index).copied()
    }
}

/// Half of all numbers; the others are those of listeners.
pub(crate) const PLACES_MAX: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    fn place(listener: u8, last: u8) -> Place {
        Place { listener, local: IpAddr::from([192, 0, 2, last]) }
    }

    #[test]
    fn a_place_keeps_its_number_which_no_listener_has() {
        let places = DatagramPlaces::default();
        let numbers = [place(0, 1), place(1, 1), place(0, 2), place(0, 1)].map(|place| places.number(place));
        assert_eq!(numbers, [128, 129, 130, 128]);
        assert_eq!([128, 129, 130].map(|number| places.get(number)), [place(0, 1), place(1, 1), place(0, 2)].map(Some));
        assert_eq!([0, 1, 127, 131, 255].map(|number| places.get(number)), [None; 5]);
    }

    #[test]
    fn beyond_so_many_places_the_system_picks_the_address() {
        let places = DatagramPlaces::default();
        let numbers: Vec<u8> = (0..PLACES_MAX).map(|last| places.number(place(3, last as u8))).collect();
        assert_eq!((numbers[0], numbers[PLACES_MAX - 1]), (128, 255));
        assert_eq!(places.number(place(3, 200)), 3);
        assert_eq!(places.number(place(3, 5)), 133);
    }
}
