//! From where a leg takes packets.
//!
//! SRTP counts from wherever it authenticates first. Plain RTP says nothing of who sends it: it counts from the address of the
//! leg's signalling only, and there from one port. Either way the first that counts is the source from then on, until it has
//! been silent for a while: a phone may come back behind another port of its NAT.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

#[derive(Debug, Clone, Default)]
pub struct SourceLock {
    locked: Option<Locked>,
}

#[derive(Debug, Clone)]
struct Locked {
    source: SocketAddr,
    ssrc: u32,
    heard_at: Instant,
}

/// Whether a packet from there may be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    Locked,
    /// May become the source.
    Candidate,
    Stranger,
}

impl SourceLock {
    /// Where packets are sent to, too (symmetric RTP, RFC 4961).
    pub fn source(&self) -> Option<SocketAddr> {
        self.locked.as_ref().map(|locked| locked.source)
    }

    /// Begins anew: the phone may be elsewhere from now on.
    pub fn release(&mut self) {
        self.locked = None;
    }

    /// Of plain RTP. `trusted`: the address of the signalling.
    pub fn plain(&self, now: Instant, source: SocketAddr, ssrc: u32, trusted: Option<IpAddr>) -> Standing {
        if trusted != Some(source.ip()) {
            return Standing::Stranger;
        }
        match &self.locked {
            Some(locked) if locked.source != source => locked.standing_of_another(now, SILENT_TIME),
            // A stranger who forges the address does not know the source's number.
            Some(locked) if locked.ssrc != ssrc => locked.standing_of_another(now, SSRC_SILENT_TIME),
            Some(_) => Standing::Locked,
            None => Standing::Candidate,
        }
    }

    /// Of SRTP, before it has proved to be genuine.
    pub fn protected(&self, now: Instant, source: SocketAddr) -> Standing {
        match &self.locked {
            Some(locked) if locked.source != source => locked.standing_of_another(now, SILENT_TIME),
            Some(_) => Standing::Locked,
            None => Standing::Candidate,
        }
    }

    /// A packet counts.
    pub fn accept(&mut self, now: Instant, source: SocketAddr, ssrc: u32) {
        self.locked = Some(Locked { source, ssrc, heard_at: now });
    }
}

impl Locked {
    fn standing_of_another(&self, now: Instant, silent: Duration) -> Standing {
        if now.duration_since(self.heard_at) >= silent { Standing::Candidate } else { Standing::Stranger }
    }
}

const SILENT_TIME: Duration = Duration::from_secs(2);
/// A phone that changes what it plays stops the old before the new.
const SSRC_SILENT_TIME: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::begin;

    fn address(last: u8, port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, last], port))
    }

    #[test]
    fn plain_packets_count_from_the_address_of_signalling_and_there_from_one_port() {
        let (now, mut lock) = (begin(), SourceLock::default());
        let trusted = Some(IpAddr::from([192, 0, 2, 1]));
        assert_eq!(lock.plain(now, address(2, 4000), 7, trusted), Standing::Stranger);
        assert_eq!(lock.plain(now, address(1, 4000), 7, None), Standing::Stranger, "nothing is known of the phone");
        assert_eq!(lock.plain(now, address(1, 4000), 7, trusted), Standing::Candidate);
        lock.accept(now, address(1, 4000), 7);
        assert_eq!(lock.source(), Some(address(1, 4000)));
        assert_eq!(lock.plain(now, address(1, 4000), 7, trusted), Standing::Locked);
        assert_eq!(lock.plain(now, address(1, 4002), 7, trusted), Standing::Stranger);
        assert_eq!(lock.plain(now, address(1, 4000), 8, trusted), Standing::Stranger);
        let later = now + SSRC_SILENT_TIME;
        assert_eq!(lock.plain(later, address(1, 4000), 8, trusted), Standing::Candidate);
        assert_eq!(lock.plain(later, address(1, 4002), 7, trusted), Standing::Stranger);
        assert_eq!(lock.plain(now + SILENT_TIME, address(1, 4002), 9, trusted), Standing::Candidate);
        assert_eq!(lock.plain(now + SILENT_TIME, address(3, 4002), 9, trusted), Standing::Stranger);
    }

    #[test]
    fn protected_packets_may_come_from_anywhere_until_one_has_proved_itself() {
        let (now, mut lock) = (begin(), SourceLock::default());
        assert_eq!(lock.protected(now, address(9, 1)), Standing::Candidate);
        lock.accept(now, address(9, 1), 7);
        assert_eq!(lock.protected(now, address(9, 1)), Standing::Locked);
        assert_eq!(lock.protected(now, address(8, 1)), Standing::Stranger);
        assert_eq!(lock.protected(now + SILENT_TIME, address(8, 1)), Standing::Candidate);
        lock.release();
        assert_eq!(lock.protected(now, address(8, 1)), Standing::Candidate);
    }
}
