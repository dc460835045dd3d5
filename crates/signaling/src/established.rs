//! How much of what lasts each user and each partner has, so that none of them can take all room: calls that we stand between,
//! sessions of messages that we answer, meetings, legs of sound.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use federation::admission::Origin;

use crate::shares::Peer;

/// Of one kind, of one worker: how many there are, by who began them.
#[derive(Debug, Default)]
pub(crate) struct Established {
    counts_by_peer: BTreeMap<Peer, usize>,
}

/// How many one of them may have, and the name of that limit.
pub(crate) struct EstablishedLimits {
    pub of_user: (usize, &'static str),
    pub of_partner: (usize, &'static str),
}

impl Established {
    /// Whether whoever sends this may have one more.
    ///
    /// # Errors
    /// The name of the limit that he is at.
    pub fn check(&self, origin: &Origin, limits: &EstablishedLimits) -> Result<(), &'static str> {
        self.check_peer(&Peer::of(origin), limits)
    }

    /// # Errors
    /// As [`Established::check`].
    pub fn check_peer(&self, peer: &Peer, limits: &EstablishedLimits) -> Result<(), &'static str> {
        let (max, name) = match peer {
            Peer::User(_) => limits.of_user,
            Peer::Domain(_) => limits.of_partner,
        };
        if self.of(peer) < max { Ok(()) } else { Err(name) }
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

    const LIMITS: EstablishedLimits = EstablishedLimits { of_user: (2, "user"), of_partner: (1, "partner") };

    #[test]
    fn one_at_the_limit_takes_nothing_from_another_and_what_ended_leaves_nobody_behind() {
        let user = |name: &str| Origin::User { aor: format!("{name}@contoso.example").parse().expect("an address") };
        let inside = Origin::Inside { domain: "contoso.example".to_owned() };
        let mut established = Established::default();
        for (origin, max, name) in [(&user("alice"), 2, "user"), (&inside, 1, "partner")] {
            for _ in 0..max {
                assert_eq!(established.check(origin, &LIMITS), Ok(()));
                established.take(Peer::of(origin));
            }
            assert_eq!(established.check(origin, &LIMITS), Err(name));
        }
        assert_eq!(established.check(&user("bob"), &LIMITS), Ok(()));
        established.give_back(Peer::of(&user("alice")));
        assert_eq!(established.check(&user("alice"), &LIMITS), Ok(()));
        assert_eq!(established.check(&inside, &LIMITS), Err("partner"));
        established.give_back(Peer::of(&user("alice")));
        established.give_back(Peer::of(&inside));
        assert!(established.counts_by_peer.is_empty());
    }
}
