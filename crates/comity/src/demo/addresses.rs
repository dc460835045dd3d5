//! Where everything of the demo listens.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};

use anyhow::bail;

/// The places of one demo. The DNS sockets are bound already: who holds them owns the address range.
pub struct Addresses {
    pub dns: SocketAddr,
    pub dns_udp: UdpSocket,
    pub dns_tcp: TcpListener,
    /// One for each organisation.
    pub places: Vec<Place>,
}

/// Where one organisation listens.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub tls: SocketAddr,
    /// TCP and UDP.
    pub plain: SocketAddr,
    /// WebSockets over TLS.
    pub wss: SocketAddr,
    /// The same for a reverse proxy in front.
    pub ws: SocketAddr,
    /// The first and the last UDP port for the sound of its meetings.
    pub media: (u16, u16),
}

impl Addresses {
    /// Places for `count` servers: on loopback addresses of their own, or, where one address has to do,
    /// on ports of their own.
    ///
    /// # Errors
    /// When something else listens there; on loopback, when it does so in every range tried.
    pub fn choose(address: Option<IpAddr>, dns_port: u16, count: u8) -> anyhow::Result<Addresses> {
        if let Some(address) = address {
            let places = (0..count).map(|number| Place::on_port(address, number)).collect();
            return Addresses::claim(SocketAddr::new(address, dns_port), places);
        }
        let mut last = None;
        for range in LOOPBACK_RANGES {
            let place = |host: u8| Ipv4Addr::new(127, 0, range, host);
            let places = (1..=count).map(|host| Place::on_host(place(host).into())).collect();
            match Addresses::claim(SocketAddr::new(place(DNS_HOST).into(), dns_port), places) {
                Ok(addresses) => return Ok(addresses),
                Err(error) => last = Some(error),
            }
        }
        bail!("no free loopback addresses: {:#}", last.expect("there are ranges"))
    }

    fn claim(dns: SocketAddr, places: Vec<Place>) -> anyhow::Result<Addresses> {
        let taken = |address: SocketAddr| move |error| anyhow::anyhow!("cannot listen on {address}: {error}");
        let (dns_udp, dns_tcp) =
            (UdpSocket::bind(dns).map_err(taken(dns))?, TcpListener::bind(dns).map_err(taken(dns))?);
        for Place { tls, plain, wss, ws, .. } in &places {
            for address in [tls, plain, wss, ws] {
                TcpListener::bind(address).map_err(taken(*address))?;
            }
            UdpSocket::bind(plain).map_err(taken(*plain))?;
        }
        Ok(Addresses { dns, dns_udp, dns_tcp, places })
    }
}

impl Place {
    fn on_host(address: IpAddr) -> Place {
        let place = |port| SocketAddr::new(address, port);
        let [tls, plain, wss, ws] = [TLS_PORT, PLAIN_PORT, WSS_PORT, WS_PORT].map(place);
        Place { tls, plain, wss, ws, media: (MEDIA_PORT, MEDIA_PORT + MEDIA_PORTS - 1) }
    }

    fn on_port(address: IpAddr, number: u8) -> Place {
        let port = |first: u16| SocketAddr::new(address, first + u16::from(number));
        let media = MEDIA_PORT + u16::from(number) * MEDIA_PORTS;
        let media = (media, media + MEDIA_PORTS - 1);
        Place { tls: port(TLS_PORT), plain: port(PLAIN_PORT_SHARED), wss: port(WSS_PORT), ws: port(WS_PORT), media }
    }
}

const LOOPBACK_RANGES: std::ops::RangeInclusive<u8> = 2..=30;
const DNS_HOST: u8 = 53;
const TLS_PORT: u16 = 5061;
const PLAIN_PORT: u16 = 5060;
const WSS_PORT: u16 = 7443;
const WS_PORT: u16 = 7080;
/// The first of several on one address, clear of the TLS ports.
const PLAIN_PORT_SHARED: u16 = 5071;
/// Of the first organisation, and how many each has: those of a range that nobody else asks for.
const MEDIA_PORT: u16 = 20_000;
const MEDIA_PORTS: u16 = 2_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_demo_gets_a_range_of_its_own() {
        let first = Addresses::choose(None, 5300, 3).unwrap();
        let second = Addresses::choose(None, 5300, 3).unwrap();
        assert_ne!(first.dns, second.dns);
        assert_eq!(first.places.len(), 3);
        assert!(first.places.iter().all(|place| !second.places.contains(place)));
    }
}
