//! How much of what lasts each user and each partner has, so that none of them can take all room: calls that we stand between,
//! sessions of messages that we answer, meetings.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use federation::admission::Origin;

use crate::shares::{Peer, ShareLimits};

/// Of one kind, of one worker: how many there are, by who began them.
#[derive(Debug, Default)]
pub(crate) struct Established {
    counts_by_peer: BTreeMap<Peer, usize>,
}

impl Established {
    /// Whether whoever sends this may have one more.
    pub fn has_room(&self, origin: &Origin, limits: ShareLimits) -> bool {
        let peer = Peer::of(origin);
        let max = match &peer {
            Peer::User(_) => limits.user_max,
            Peer::Domain(_) => limits.partner_max,
        };
        self.of(&peer) < max
    }

    pub fn of(&self, peer: &Peer) -> usize {
        self.counts_by_peer.get(peer).copied().unwrap_or(0)
    }

    pub fn take(&mut self, peer: Peer) {
        *self.counts_by_peer.entry(peer).or_default() += 1;
    }

    /// One of his is over.
    pub fn give_back(&mut self, peer: Peer) {
        let Entry::Occupied(mut count) = self.counts_by_peer.entry(peer) else { return };
        *count.get_mut() -= 1;
        if *count.get() == 0 {
            count.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: ShareLimits = ShareLimits { user_max: 2, partner_max: 1 };

    #[test]
    fn one_at_the_limit_takes_nothing_from_another_and_what_ended_leaves_nobody_behind() {
        let user = |name: &str| Origin::User { aor: format!("{name}@contoso.example").parse().expect("an address") };
        let inside = Origin::Inside { domain: "contoso.example".to_owned() };
        let mut established = Established::default();
        for (origin, rooms) in [(&user("alice"), [true, true, false]), (&inside, [true, false, false])] {
            for has_room in rooms {
                assert_eq!(established.has_room(origin, LIMITS), has_room);
                if has_room {
                    established.take(Peer::of(origin));
                }
            }
        }
        assert!(established.has_room(&user("bob"), LIMITS));
        established.give_back(Peer::of(&user("alice")));
        assert!(established.has_room(&user("alice"), LIMITS) && !established.has_room(&inside, LIMITS));
        established.give_back(Peer::of(&user("alice")));
        established.give_back(Peer::of(&inside));
        assert!(established.counts_by_peer.is_empty());
    }
}
