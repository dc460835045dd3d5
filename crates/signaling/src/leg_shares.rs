//! Whose the legs of sound are, so that no user and no partner can take all ports: of a call it is who called, of a meeting who
//! organises it.

use std::collections::BTreeMap;

use media::LegId;

use crate::agent::LegUser;
use crate::core::Core;
use crate::established::{Established, EstablishedLimits};
use crate::shares::Peer;

/// The legs that one worker has asked for, until they are closed.
#[derive(Debug, Default)]
pub(crate) struct LegShares {
    peers_by_leg: BTreeMap<LegId, Peer>,
    by_peer: Established,
}

impl LegShares {
    /// # Errors
    /// The name of the limit that this one is at.
    fn take(&mut self, leg: LegId, peer: Peer, limits: &EstablishedLimits) -> Result<(), &'static str> {
        self.by_peer.check_peer(&peer, limits)?;
        self.give_back(leg);
        self.by_peer.take(peer.clone());
        self.peers_by_leg.insert(leg, peer);
        Ok(())
    }

    /// It is closed, or never came to be. A leg that nobody took is nobody's.
    pub(crate) fn give_back(&mut self, leg: LegId) {
        if let Some(peer) = self.peers_by_leg.remove(&leg) {
            self.by_peer.give_back(peer);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.peers_by_leg.len()
    }
}

impl Core {
    /// Counts a leg that is about to be asked for.
    ///
    /// # Errors
    /// Why he for whom it is may have no more.
    pub(crate) fn take_leg(&mut self, user: &LegUser, leg: LegId) -> Result<(), String> {
        let peer = match user {
            LegUser::Call(serial) => self.between.caller_of(*serial).cloned(),
            LegUser::Conference(id) => self.organiser_of(id).cloned().map(Peer::User),
        };
        let limits = EstablishedLimits {
            of_user: (self.limits.legs_per_user_max, "legs_per_user_max"),
            of_partner: (self.limits.legs_per_partner_max, "legs_per_partner_max"),
        };
        let Some(peer) = peer else { return Ok(()) };
        let who = match &peer {
            Peer::User(aor) => aor.to_string(),
            Peer::Domain(domain) => domain.clone(),
        };
        self.leg_shares.take(leg, peer, &limits).map_err(|limit| {
            self.counts.hit(limit);
            format!("{who} has as many legs of sound as one may ({limit})")
        })
    }
}

#[cfg(test)]
mod tests {
    use media::BridgeId;

    use super::*;

    #[test]
    fn one_at_his_limit_takes_nothing_from_another_and_what_is_closed_is_free_again() {
        let limits = EstablishedLimits { of_user: (2, "user"), of_partner: (1, "partner") };
        let leg = |serial| LegId { bridge: BridgeId { worker: 0, serial: 1 }, serial };
        let alice = || Peer::User("alice@contoso.example".parse().expect("an AOR"));
        let partner = || Peer::Domain("fabrikam.example".to_owned());
        let mut shares = LegShares::default();
        assert_eq!(shares.take(leg(1), alice(), &limits), Ok(()));
        assert_eq!(shares.take(leg(2), alice(), &limits), Ok(()));
        assert_eq!(shares.take(leg(3), alice(), &limits), Err("user"));
        assert_eq!(shares.take(leg(4), partner(), &limits), Ok(()));
        assert_eq!(shares.take(leg(5), partner(), &limits), Err("partner"));
        shares.give_back(leg(3));
        assert_eq!(shares.take(leg(3), alice(), &limits), Err("user"), "it was never taken");
        shares.give_back(leg(1));
        shares.give_back(leg(1));
        assert_eq!(shares.take(leg(3), alice(), &limits), Ok(()));
        for serial in 1..=5 {
            shares.give_back(leg(serial));
        }
        assert_eq!((shares.len(), shares.by_peer.of(&alice())), (0, 0));
    }
}
