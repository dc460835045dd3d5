//! In which ways a phone is offered sound, one after the other: some take only what is protected, some only what is plain, some
//! have only IPv4 and some only IPv6, and all say no more than 488.

use std::net::IpAddr;

use sdp::{LocalAddresses, ProtectionPolicy};

/// The way that is tried now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tries {
    pub protection: ProtectionPolicy,
    is_protected_otherwise: bool,
    is_turned: bool,
}

impl Tries {
    pub fn beginning_with(protection: ProtectionPolicy) -> Tries {
        Tries { protection, is_protected_otherwise: false, is_turned: false }
    }

    pub fn is_first(self) -> bool {
        !self.is_protected_otherwise && !self.is_turned
    }

    /// Whether the status says that what was offered will not do.
    pub fn is_refusal(status: u16) -> bool {
        matches!(status, 415 | 488 | 606)
    }

    /// Goes on to the other protection; `false`: that was tried.
    pub fn protect_otherwise(&mut self) -> bool {
        if self.is_protected_otherwise {
            return false;
        }
        self.is_protected_otherwise = true;
        self.protection = match self.protection {
            ProtectionPolicy::Required => ProtectionPolicy::Preferred,
            _ => ProtectionPolicy::Required,
        };
        true
    }

    /// Goes on to our address of the other family, and to both protections once more; `false`: there is none, or it was tried.
    fn turn(&mut self, addresses: &mut LocalAddresses) -> bool {
        if self.is_turned || addresses.other.is_none() {
            return false;
        }
        (self.is_turned, self.is_protected_otherwise) = (true, false);
        *addresses = addresses.turned_to(addresses.other);
        true
    }

    /// Goes on to the next way; `false`: all were tried. Of which family the phone is, says the address that its refusal came from.
    /// That of one of our own may be an edge's: then both are tried.
    pub fn go_on(&mut self, refusal: &PhoneRefusal, addresses: &mut LocalAddresses) -> bool {
        let is_of_other = refusal.source.is_some_and(|source| addresses.facing(source) != addresses.first);
        (is_of_other && self.turn(addresses))
            || (refusal.may_be_protected_otherwise && self.protect_otherwise())
            || (refusal.is_of_own && self.turn(addresses))
    }
}

/// What is known of a phone that refused.
#[derive(Debug, Clone, Copy)]
pub(super) struct PhoneRefusal {
    pub source: Option<IpAddr>,
    /// Of a user of ours.
    pub is_of_own: bool,
    pub may_be_protected_otherwise: bool,
}

#[cfg(test)]
mod tests {
    use ProtectionPolicy::{Preferred, Required};

    use super::*;

    const FOUR: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const SIX: IpAddr = IpAddr::V6(std::net::Ipv6Addr::LOCALHOST);
    const ANYBODY: PhoneRefusal = PhoneRefusal { source: None, is_of_own: false, may_be_protected_otherwise: true };

    /// All ways of who refuses them all.
    fn all(first: ProtectionPolicy, other: Option<IpAddr>, refusal: PhoneRefusal) -> Vec<(ProtectionPolicy, IpAddr)> {
        let mut addresses = LocalAddresses { first: FOUR, other };
        let mut tries = Tries::beginning_with(first);
        let mut ways = vec![(tries.protection, addresses.first)];
        while tries.go_on(&refusal, &mut addresses) {
            ways.push((tries.protection, addresses.first));
        }
        ways
    }

    #[test]
    fn each_way_is_tried_once() {
        let own = PhoneRefusal { is_of_own: true, ..ANYBODY };
        assert_eq!(all(Preferred, None, own), [(Preferred, FOUR), (Required, FOUR)]);
        let ways = [(Required, FOUR), (Preferred, FOUR), (Preferred, SIX), (Required, SIX)];
        assert_eq!(all(Required, Some(SIX), own), ways);
        assert_eq!(all(Preferred, Some(SIX), ANYBODY), [(Preferred, FOUR), (Required, FOUR)]);
    }

    #[test]
    fn where_the_refusal_comes_from_says_the_family() {
        let from = |source| PhoneRefusal { source: Some(source), ..ANYBODY };
        assert_eq!(all(Preferred, Some(SIX), from(SIX)), [(Preferred, FOUR), (Preferred, SIX), (Required, SIX)]);
        assert_eq!(all(Preferred, Some(SIX), from(FOUR)).len(), 2);
        let plain = PhoneRefusal { may_be_protected_otherwise: false, ..from(SIX) };
        assert_eq!(all(Preferred, Some(SIX), plain), [(Preferred, FOUR), (Preferred, SIX)]);
    }
}
