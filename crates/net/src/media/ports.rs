//! The ports of legs: pairs out of a range, the even one for RTP and the odd one after it for RTCP (RFC 3550 section 11).

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use serde::Serialize;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::UdpSocket;

/// Ports from the first to the last, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortRange {
    pub first: u16,
    pub last: u16,
}

impl PortRange {
    /// How many pairs there are.
    pub fn pairs(self) -> u16 {
        let first = self.first.next_multiple_of(2);
        self.last.checked_sub(first).map_or(0, |more| more.saturating_add(1) / 2)
    }

    /// Those of one thread: each thread has every so manieth, so that none has to ask another.
    fn pairs_of(self, thread: u16, threads: u16) -> impl Iterator<Item = u16> {
        let first = self.first.next_multiple_of(2);
        (thread..self.pairs()).step_by(usize::from(threads.max(1))).map(move |pair| first + 2 * pair)
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

impl Serialize for PortRange {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The text is no range of ports.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no range of ports such as 20000-29999, of two or more and from 1024 up")]
pub struct PortRangeError(String);

impl FromStr for PortRange {
    type Err = PortRangeError;

    fn from_str(text: &str) -> Result<PortRange, PortRangeError> {
        let ends = text
            .split_once('-')
            .and_then(|(first, last)| Some((first.trim().parse().ok()?, last.trim().parse().ok()?)));
        let range = ends.map(|(first, last)| PortRange { first, last });
        range.filter(|range| range.first >= 1024 && range.pairs() > 0).ok_or_else(|| PortRangeError(text.to_owned()))
    }
}

/// One thread's part of the range.
pub(super) struct PortPool {
    /// A leg has the same ports at each.
    addresses: Vec<IpAddr>,
    pairs: Vec<u16>,
    /// The next to be tried: a port rests as long as possible before it is another leg's.
    next: usize,
    used: BTreeSet<u16>,
}

/// A leg's sockets, ready for their tasks.
pub(super) struct Ports {
    /// One for each address.
    pub(super) pairs: Vec<Pair>,
    pub(super) port: u16,
}

pub(super) struct Pair {
    pub(super) is_ipv4: bool,
    pub(super) rtp: UdpSocket,
    pub(super) rtcp: UdpSocket,
}

impl PortPool {
    /// `drawn`: any number; where it begins.
    pub(super) fn new(
        addresses: Vec<IpAddr>,
        range: PortRange,
        (thread, threads): (u16, u16),
        drawn: usize,
    ) -> PortPool {
        let pairs: Vec<u16> = range.pairs_of(thread, threads).collect();
        let next = drawn.checked_rem(pairs.len()).unwrap_or(0);
        PortPool { addresses, pairs, next, used: BTreeSet::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.pairs.len()
    }

    /// # Errors
    /// In words: where all are in use, by us or by others.
    pub(super) fn open(&mut self) -> Result<Ports, String> {
        let mut failure = None;
        let mut attempts = 0;
        for _ in 0..self.pairs.len() {
            let port = self.pairs[self.next];
            self.next = (self.next + 1) % self.pairs.len();
            if self.used.contains(&port) {
                continue;
            }
            match self.addresses.iter().map(|address| bind_pair(*address, port)).collect() {
                Ok(pairs) => {
                    self.used.insert(port);
                    return Ok(Ports { pairs, port });
                }
                Err(error) => failure = Some(error),
            }
            attempts += 1;
            if attempts >= ATTEMPTS_MAX {
                break;
            }
        }
        let reason = failure.map(|error| format!(": {error}")).unwrap_or_default();
        Err(format!("no free media port{reason}"))
    }

    pub(super) fn give_back(&mut self, port: u16) {
        self.used.remove(&port);
    }
}

fn bind_pair(address: IpAddr, port: u16) -> io::Result<Pair> {
    let rtp = bind(SocketAddr::new(address, port))?;
    let rtcp = bind(SocketAddr::new(address, port + 1))?;
    Ok(Pair { is_ipv4: address.is_ipv4(), rtp, rtcp })
}

fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    mark(&socket, address);
    UdpSocket::from_std(socket.into())
}

/// Asks routers to be quick (RFC 4594 section 4.1: expedited forwarding). Where that is not allowed, it is as it was.
fn mark(socket: &Socket, address: SocketAddr) {
    let marked = match address {
        SocketAddr::V4(_) => SockRef::from(socket).set_tos_v4(EXPEDITED_FORWARDING),
        SocketAddr::V6(_) => SockRef::from(socket).set_tclass_v6(EXPEDITED_FORWARDING),
    };
    if let Err(error) = marked {
        tracing::debug!(%error, "sound cannot be marked as urgent");
    }
}

/// Whether legs could have ports of the range at this address; the error is one sentence.
///
/// # Errors
/// Where not even one pair can be had.
pub fn check_ports(address: IpAddr, range: PortRange) -> Result<(), String> {
    let mut pairs = range.pairs_of(0, 1).take(ATTEMPTS_MAX);
    let free = |port| {
        let taken = |port| std::net::UdpSocket::bind(SocketAddr::new(address, port)).err();
        taken(port).or_else(|| taken(port + 1))
    };
    let mut failure = None;
    let has_one = pairs.any(|port| {
        failure = free(port);
        failure.is_none()
    });
    match failure.filter(|_| !has_one) {
        Some(error) => Err(format!("no port of [media] ports {range} can be had on {address}: {error}")),
        None => Ok(()),
    }
}

/// Ports in a row that other programs may hold. Each attempt takes the thread some microseconds.
const ATTEMPTS_MAX: usize = 64;
/// As the upper six of eight bits.
const EXPEDITED_FORWARDING: u32 = 46 << 2;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::tests::free_range;

    #[test]
    fn ranges_are_read() {
        let range: PortRange = "20000-29999".parse().unwrap();
        assert_eq!((range.pairs(), range.to_string().as_str()), (5000, "20000-29999"));
        assert_eq!(PortRange { first: 20_001, last: 20_004 }.pairs(), 1);
        assert_eq!(PortRange { first: 65_534, last: 65_535 }.pairs(), 1);
        for none in ["", "20000", "20000-", "20000-20000", "20001-20002", "20010-20000", "80-90", "20000-70000"] {
            let error = none.parse::<PortRange>().unwrap_err().to_string();
            assert!(error.contains("is no range of ports such as 20000-29999"), "{none}: {error}");
        }
    }

    #[test]
    fn threads_share_the_range_without_a_rest() {
        let range = PortRange { first: 20_000, last: 20_010 };
        let of = |thread| range.pairs_of(thread, 2).collect::<Vec<_>>();
        assert_eq!((of(0), of(1)), (vec![20_000, 20_004, 20_008], vec![20_002, 20_006]));
        assert_eq!(range.pairs_of(9, 10).count(), 0);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn ports_in_use_are_skipped_and_the_end_is_said() {
        let address = IpAddr::from([127, 0, 0, 1]);
        let range = free_range(3);
        let taken = std::net::UdpSocket::bind((address, range.first + 3)).unwrap();
        let mut pool = PortPool::new(vec![address], range, (0, 1), 0);
        let first = pool.open().unwrap();
        let second = pool.open().unwrap();
        assert_eq!((first.port, second.port), (range.first, range.first + 4));
        assert_eq!(second.pairs[0].rtcp.local_addr().unwrap().port(), second.port + 1);
        let error = pool.open().err().unwrap();
        assert!(error.starts_with("no free media port: "), "{error}");
        drop(taken);
        assert_eq!(pool.open().unwrap().port, range.first + 2);
        assert_eq!(pool.open().err().unwrap(), "no free media port");
        pool.give_back(first.port);
        drop(first);
        assert_eq!(pool.open().unwrap().port, range.first);
    }

    #[test]
    fn a_range_that_cannot_be_had_is_explained() {
        let range = free_range(1);
        let address = IpAddr::from([127, 0, 0, 1]);
        assert_eq!(check_ports(address, range), Ok(()));
        let _taken = std::net::UdpSocket::bind((address, range.first)).unwrap();
        let error = check_ports(address, range).unwrap_err();
        let start = format!("no port of [media] ports {range} can be had on 127.0.0.1: ");
        assert!(error.starts_with(&start), "{error}");
    }
}
