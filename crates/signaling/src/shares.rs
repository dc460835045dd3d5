//! How many requests of each user and of each partner wait for their final answer, so that none of them can take all room.

use std::collections::BTreeMap;

use federation::admission::{Organisation, Origin};
use sip::Aor;
use sip::transaction::ServerTransactionId;

/// The admitted requests of one worker that wait for an answer, by who sent them.
#[derive(Debug, Default)]
pub(crate) struct Shares {
    places_by_user: BTreeMap<Aor, Place>,
    places_by_domain: BTreeMap<String, Place>,
    shares: Vec<Share>,
    free: Vec<Place>,
    places_by_server: BTreeMap<ServerTransactionId, Place>,
}

type Place = u32;

#[derive(Debug)]
struct Share {
    peer: Peer,
    count: usize,
}

/// Whom something counts for: a user of ours, or a partner with all its users.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Peer {
    User(Aor),
    Domain(String),
}

impl Peer {
    pub fn of(origin: &Origin) -> Peer {
        match origin {
            Origin::User { aor } | Origin::Remote { aor } => Peer::User(aor.clone()),
            Origin::Partner { domain, .. } | Origin::Inside { domain } => Peer::Domain(domain.clone()),
        }
    }

    /// Of an address that was admitted.
    pub fn of_address(who: &Aor, organisation: &Organisation) -> Peer {
        if organisation.is_local(who.domain()) {
            Peer::User(who.clone())
        } else {
            Peer::Domain(who.domain().to_owned())
        }
    }
}

/// How many one of them may have; what belongs to a dialog may be as many again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ShareLimits {
    pub user_max: usize,
    pub partner_max: usize,
}

impl Shares {
    /// Counts a transaction to whoever sent its request.
    ///
    /// # Errors
    /// The name of the limit that he is at.
    pub fn take(
        &mut self,
        transaction: ServerTransactionId,
        origin: &Origin,
        in_dialog: bool,
        limits: ShareLimits,
    ) -> Result<(), &'static str> {
        let (found, max, name) = match origin {
            Origin::User { aor } | Origin::Remote { aor } => {
                (self.places_by_user.get(aor), limits.user_max, "requests_per_user_max")
            }
            Origin::Partner { domain, .. } | Origin::Inside { domain } => {
                (self.places_by_domain.get(domain), limits.partner_max, "requests_per_partner_max")
            }
        };
        let place = match found {
            Some(place) => *place,
            None => self.begin(origin),
        };
        let share = &mut self.shares[place as usize];
        if share.count >= if in_dialog { 2 * max } else { max } {
            return Err(name);
        }
        share.count += 1;
        self.places_by_server.insert(transaction, place);
        Ok(())
    }

    /// It was answered, or its transaction has ended.
    pub fn give_back(&mut self, transaction: ServerTransactionId) {
        let Some(place) = self.places_by_server.remove(&transaction) else { return };
        let share = &mut self.shares[place as usize];
        share.count -= 1;
        if share.count > 0 {
            return;
        }
        match &share.peer {
            Peer::User(aor) => drop(self.places_by_user.remove(aor)),
            Peer::Domain(domain) => drop(self.places_by_domain.remove(domain)),
        }
        self.free.push(place);
    }

    fn begin(&mut self, origin: &Origin) -> Place {
        let peer = Peer::of(origin);
        let share = Share { peer: peer.clone(), count: 0 };
        let place = match self.free.pop() {
            Some(place) => {
                self.shares[place as usize] = share;
                place
            }
            None => {
                self.shares.push(share);
                // There are no more of them than transactions.
                u32::try_from(self.shares.len() - 1).unwrap_or(u32::MAX)
            }
        };
        match peer {
            Peer::User(aor) => self.places_by_user.insert(aor, place),
            Peer::Domain(domain) => self.places_by_domain.insert(domain, place),
        };
        place
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: ShareLimits = ShareLimits { user_max: 2, partner_max: 3 };

    fn user(name: &str) -> Origin {
        Origin::User { aor: format!("{name}@a.example").parse().unwrap() }
    }

    #[test]
    fn one_at_the_limit_takes_nothing_from_another() {
        let mut shares = Shares::default();
        let mut take = |id, origin: &Origin, in_dialog| shares.take(ServerTransactionId(id), origin, in_dialog, LIMITS);
        assert_eq!([take(1, &user("alice"), false), take(2, &user("alice"), false)], [Ok(()), Ok(())]);
        assert_eq!(take(3, &user("alice"), false), Err("requests_per_user_max"));
        assert_eq!(take(3, &user("bob"), false), Ok(()));
        assert_eq!([take(4, &user("alice"), true), take(5, &user("alice"), true)], [Ok(()), Ok(())]);
        assert_eq!(take(6, &user("alice"), true), Err("requests_per_user_max"));
    }

    #[test]
    fn what_ended_leaves_its_place_and_nobody_behind() {
        let mut shares = Shares::default();
        for round in 0..10 {
            for id in 0..2 {
                shares.take(ServerTransactionId(id), &user(&format!("alice{round}")), false, LIMITS).unwrap();
            }
            (0..3).for_each(|id| shares.give_back(ServerTransactionId(id)));
        }
        assert_eq!((shares.shares.len(), shares.free.len()), (1, 1));
        assert!(shares.places_by_user.is_empty() && shares.places_by_server.is_empty());
    }
}
