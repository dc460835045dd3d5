//! A socket of datagrams that knows at which address of this machine each of them came, and sends from a given one.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsRawFd as _;

use nix::libc::{in_addr, in_pktinfo, in6_addr, in6_pktinfo};
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, RecvMsg, SockaddrStorage, recvmsg, sendmsg, setsockopt, sockopt,
};
use tokio::io::Interest;
use tokio::net::UdpSocket;

pub(crate) struct DatagramSocket {
    socket: UdpSocket,
    /// At all addresses of this machine.
    is_wildcard: bool,
}

pub(super) struct Received {
    /// Of the datagram, in the buffer; what was beyond the buffer is gone.
    pub length: usize,
    pub remote: SocketAddr,
    /// Where it came, at a socket of all addresses.
    pub local: Option<IpAddr>,
}

impl DatagramSocket {
    /// Of a socket that is bound, and does not block.
    ///
    /// # Errors
    /// When the runtime or the system does not take it.
    pub(crate) fn new(socket: socket2::Socket) -> io::Result<DatagramSocket> {
        let bound = socket.local_addr()?.as_socket();
        let is_wildcard = bound.is_some_and(|address| address.ip().is_unspecified());
        match bound {
            Some(SocketAddr::V4(_)) if is_wildcard => setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?,
            Some(SocketAddr::V6(_)) if is_wildcard => setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?,
            _ => {}
        }
        Ok(DatagramSocket { socket: UdpSocket::from_std(socket.into())?, is_wildcard })
    }

    pub(super) async fn readable(&self) -> io::Result<()> {
        self.socket.readable().await
    }

    /// # Errors
    /// `WouldBlock`: there is none. Others may be of a datagram that was sent before (ICMP).
    pub(super) fn try_receive(&self, buffer: &mut [u8]) -> io::Result<Received> {
        if self.is_wildcard {
            return self.socket.try_io(Interest::READABLE, || self.receive_with_address(buffer));
        }
        let (length, remote) = self.socket.try_recv_from(buffer)?;
        Ok(Received { length, remote, local: None })
    }

    /// Sends from this address of the machine, or from the one that the system picks: where none is given, or where it is
    /// the machine's no longer.
    ///
    /// # Errors
    /// `WouldBlock`: the socket is full. Others where the system cannot send there.
    pub(super) fn try_send(&self, bytes: &[u8], remote: SocketAddr, from: Option<IpAddr>) -> io::Result<()> {
        let sent = match from {
            Some(from) => self.socket.try_io(Interest::WRITABLE, || self.send_from(bytes, remote, from)),
            None => self.socket.try_send_to(bytes, remote).map(drop),
        };
        match sent {
            Err(error) if from.is_some() && error.kind() != io::ErrorKind::WouldBlock => {
                self.socket.try_send_to(bytes, remote).map(drop)
            }
            sent => sent,
        }
    }

    fn receive_with_address(&self, buffer: &mut [u8]) -> io::Result<Received> {
        let mut slices = [IoSliceMut::new(buffer)];
        let mut control = nix::cmsg_space!(in6_pktinfo);
        let received: RecvMsg<'_, '_, SockaddrStorage> =
            recvmsg(self.socket.as_raw_fd(), &mut slices, Some(&mut control), MsgFlags::empty())?;
        let remote = received.address.as_ref().and_then(socket_address).ok_or(io::ErrorKind::InvalidData)?;
        let local = received.cmsgs()?.find_map(address_of_ours);
        Ok(Received { length: received.bytes, remote, local })
    }

    fn send_from(&self, bytes: &[u8], remote: SocketAddr, from: IpAddr) -> io::Result<()> {
        let (v4, v6);
        let source = match from {
            IpAddr::V4(address) => {
                let ipi_spec_dst = in_addr { s_addr: u32::from_ne_bytes(address.octets()) };
                v4 = in_pktinfo { ipi_ifindex: 0, ipi_spec_dst, ipi_addr: in_addr { s_addr: 0 } };
                ControlMessage::Ipv4PacketInfo(&v4)
            }
            IpAddr::V6(address) => {
                v6 = in6_pktinfo { ipi6_addr: in6_addr { s6_addr: address.octets() }, ipi6_ifindex: 0 };
                ControlMessage::Ipv6PacketInfo(&v6)
            }
        };
        let (remote, slices) = (SockaddrStorage::from(remote), [IoSlice::new(bytes)]);
        sendmsg(self.socket.as_raw_fd(), &slices, &[source], MsgFlags::empty(), Some(&remote))?;
        Ok(())
    }
}

/// Where a datagram came, in a form that it can be sent from: not a broadcast address.
fn address_of_ours(control: ControlMessageOwned) -> Option<IpAddr> {
    match control {
        ControlMessageOwned::Ipv4PacketInfo(info) => {
            Some(Ipv4Addr::from(info.ipi_spec_dst.s_addr.to_ne_bytes()).into())
        }
        ControlMessageOwned::Ipv6PacketInfo(info) => Some(Ipv6Addr::from(info.ipi6_addr.s6_addr).into()),
        _ => None,
    }
}

fn socket_address(address: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = address.as_sockaddr_in().map(|address| SocketAddr::V4((*address).into()));
    v4.or_else(|| address.as_sockaddr_in6().map(|address| SocketAddr::V6((*address).into())))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn socket(address: &str) -> DatagramSocket {
        let socket = std::net::UdpSocket::bind(address).unwrap();
        socket.set_nonblocking(true).unwrap();
        DatagramSocket::new(socket.into()).unwrap()
    }

    /// What comes when a datagram has gone to this address of the socket.
    async fn receive(ours: &DatagramSocket, peer: &UdpSocket, address: &str) -> Received {
        let port = ours.socket.local_addr().unwrap().port();
        peer.send_to(b"hello", SocketAddr::new(address.parse().unwrap(), port)).await.unwrap();
        let mut buffer = [0; 16];
        loop {
            ours.readable().await.unwrap();
            match ours.try_receive(&mut buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                received => {
                    let received = received.unwrap();
                    assert_eq!(&buffer[..received.length], b"hello");
                    return received;
                }
            }
        }
    }

    #[tokio::test]
    async fn at_a_socket_of_all_addresses_each_datagram_has_its_own_and_is_answered_from_there() {
        let (ours, peer) = (socket("0.0.0.0:0").await, UdpSocket::bind("127.0.0.1:0").await.unwrap());
        for address in ["127.0.0.1", "127.0.0.9"] {
            let received = receive(&ours, &peer, address).await;
            assert_eq!((received.remote, received.local), (peer.local_addr().unwrap(), address.parse().ok()));
            ours.try_send(b"answer", received.remote, received.local).unwrap();
            let mut buffer = [0; 16];
            let (length, from) = peer.recv_from(&mut buffer).await.unwrap();
            assert_eq!((&buffer[..length], from.ip().to_string().as_str()), (&b"answer"[..], address));
        }
    }

    #[tokio::test]
    async fn the_same_of_ipv6() {
        let (ours, peer) = (socket("[::]:0").await, UdpSocket::bind("[::1]:0").await.unwrap());
        let received = receive(&ours, &peer, "::1").await;
        assert_eq!((received.remote, received.local), (peer.local_addr().unwrap(), "::1".parse().ok()));
        ours.try_send(b"answer", received.remote, received.local).unwrap();
        assert_eq!(peer.recv_from(&mut [0; 16]).await.unwrap().1.ip(), received.local.unwrap());
    }

    #[tokio::test]
    async fn an_address_that_the_machine_has_no_longer_stops_no_answer() {
        let (ours, peer) = (socket("0.0.0.0:0").await, UdpSocket::bind("127.0.0.1:0").await.unwrap());
        ours.socket.writable().await.unwrap();
        ours.try_send(b"answer", peer.local_addr().unwrap(), "192.0.2.1".parse().ok()).unwrap();
        assert_eq!(peer.recv_from(&mut [0; 16]).await.unwrap().0, 6);
    }

    #[tokio::test]
    async fn a_socket_of_one_address_says_none() {
        let (ours, peer) = (socket("127.0.0.1:0").await, UdpSocket::bind("127.0.0.1:0").await.unwrap());
        assert_eq!(receive(&ours, &peer, "127.0.0.1").await.local, None);
    }
}
