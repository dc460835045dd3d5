//! By which addresses this machine reaches the network.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// The address that packets to the internet would leave by, of the family of `any`, which is `0.0.0.0` or `::`; `None`: none can.
/// Nothing is sent: connecting a datagram socket only asks the system for the way.
pub fn own_address(any: IpAddr) -> Option<IpAddr> {
    let somewhere: IpAddr = match any {
        IpAddr::V4(_) => Ipv4Addr::new(192, 0, 2, 1).into(),
        IpAddr::V6(_) => Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into(),
    };
    let socket = UdpSocket::bind(SocketAddr::new(any, 0)).ok()?;
    socket.connect(SocketAddr::new(somewhere, 9)).ok()?;
    socket.local_addr().ok().map(|local| local.ip()).filter(|ip| !ip.is_unspecified())
}
