//! One audio stream of a description, as its sender wrote it.

use std::net::{IpAddr, SocketAddr};

use sdp_types::{Attribute, Media, Session};

use crate::crypto::CryptoLine;
use crate::payload::Payloads;
use crate::session::Direction;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stream {
    /// The profile demands SRTP.
    pub is_secure: bool,
    pub remote: SocketAddr,
    /// Where RTCP goes if it does not share the port of RTP.
    pub remote_rtcp: SocketAddr,
    pub has_rtcp_mux: bool,
    pub payloads: Payloads,
    pub crypto: Vec<CryptoLine>,
    /// As seen from the sender, who also receives nothing if he holds the call in the old way.
    pub direction: Direction,
    /// Milliseconds of sound in a packet, as the sender would like it and can take it.
    pub packet_ms: Option<u32>,
    pub packet_ms_max: Option<u32>,
}

/// Why there can be no sound over a stream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    #[error("its transport {0:?} is none of RTP/AVP, RTP/AVPF, RTP/SAVP and RTP/SAVPF")]
    Transport(String),
    #[error("no c= line says where it is received")]
    NoAddress,
    #[error("its address {0:?} is no IP address; host names are not looked up")]
    HostName(String),
    #[error("its address {0} is one of many receivers")]
    Multicast(IpAddr),
    #[error("its address {0} is of another family than ours")]
    AddressFamily(IpAddr),
    #[error("none of its encodings is one that we take")]
    NoCommonEncoding,
    #[error("it comes without keys that we can use, and we take no unprotected sound")]
    Plain,
    #[error("it demands SRTP, and none of its a=crypto lines is one that we can use")]
    NoCommonSuite,
    #[error("it demands SRTP, which is switched off here")]
    ProtectionNotWanted,
}

impl Stream {
    pub fn read(session: &Session, media: &Media) -> Result<Self, Unusable> {
        let is_secure = is_secure(&media.proto)?;
        let remote = SocketAddr::new(address(session, media)?, media.port);
        let said = direction(&media.attributes).or_else(|| direction(&session.attributes));
        let reachable = if remote.ip().is_unspecified() { Direction::SendOnly } else { Direction::SendRecv };
        let payloads = Payloads::read(media);
        Ok(Self {
            is_secure,
            remote,
            remote_rtcp: rtcp(media, remote),
            has_rtcp_mux: media.has_attribute("rtcp-mux"),
            payloads,
            crypto: values(media, "crypto").filter_map(CryptoLine::read).collect(),
            direction: said.unwrap_or(Direction::SendRecv).and(reachable),
            packet_ms: number(media, "ptime"),
            packet_ms_max: number(media, "maxptime"),
        })
    }
}

fn is_secure(transport: &str) -> Result<bool, Unusable> {
    match transport.to_ascii_uppercase().as_str() {
        "RTP/AVP" | "RTP/AVPF" => Ok(false),
        "RTP/SAVP" | "RTP/SAVPF" => Ok(true),
        _ => Err(Unusable::Transport(transport.into())),
    }
}

/// The c= line of the stream, else the one of the session.
fn address(session: &Session, media: &Media) -> Result<IpAddr, Unusable> {
    let connection = media.connections.first().or(session.connection.as_ref()).ok_or(Unusable::NoAddress)?;
    let text = &connection.connection_address;
    let address: IpAddr = text.parse().map_err(|_| match text.split('/').next().map(str::parse) {
        Some(Ok(many)) => Unusable::Multicast(many),
        _ => Unusable::HostName(text.clone()),
    })?;
    let is_broadcast = matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
    if address.is_multicast() || is_broadcast { Err(Unusable::Multicast(address)) } else { Ok(address) }
}

/// RFC 3605: the port, and perhaps an address of its own; else the port after that of RTP.
fn rtcp(media: &Media, remote: SocketAddr) -> SocketAddr {
    let mut words = values(media, "rtcp").next().unwrap_or_default().split_ascii_whitespace();
    let port = words.next().and_then(|port| port.parse().ok()).filter(|port| *port != 0);
    let address = words.nth(2).and_then(|address| address.parse::<IpAddr>().ok());
    let is_usable = |address: &IpAddr| !address.is_multicast() && address.is_ipv4() == remote.is_ipv4();
    SocketAddr::new(
        address.filter(is_usable).unwrap_or(remote.ip()),
        port.or_else(|| remote.port().checked_add(1)).unwrap_or(remote.port()),
    )
}

fn direction(attributes: &[Attribute]) -> Option<Direction> {
    let known = [Direction::SendRecv, Direction::SendOnly, Direction::RecvOnly, Direction::Inactive];
    attributes.iter().find_map(|attribute| known.into_iter().find(|known| known.name() == attribute.attribute))
}

fn number(media: &Media, name: &str) -> Option<u32> {
    values(media, name).next().and_then(|value| value.trim().parse().ok())
}

fn values<'a>(media: &'a Media, name: &'a str) -> impl Iterator<Item = &'a str> {
    media.attributes.iter().filter(move |attribute| attribute.attribute == name).filter_map(|a| a.value.as_deref())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &str) -> Result<Stream, Unusable> {
        let text = format!("v=0\r\n{}\r\n", lines.replace('|', "\r\n"));
        let session = Session::parse(text.as_bytes()).unwrap();
        Stream::read(&session, &session.medias[0])
    }

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_address_of_the_stream_counts_before_that_of_the_session() {
        assert_eq!(read("c=IN IP4 192.0.2.1|m=audio 4000 RTP/AVP 0").unwrap().remote, address("192.0.2.1:4000"));
        let both = "c=IN IP4 192.0.2.1|m=audio 4000 RTP/AVP 0|c=IN IP6 2001:db8::7";
        assert_eq!(read(both).unwrap().remote, address("[2001:db8::7]:4000"));
    }

    #[test]
    fn rtcp_is_where_it_is_said_to_be() {
        let rtcp =
            |lines: &str| read(&format!("c=IN IP4 192.0.2.1|m=audio 4000 RTP/AVP 0{lines}")).unwrap().remote_rtcp;
        assert_eq!(rtcp(""), address("192.0.2.1:4001"));
        assert_eq!(rtcp("|a=rtcp:5000"), address("192.0.2.1:5000"));
        assert_eq!(rtcp("|a=rtcp:5000 IN IP4 192.0.2.9"), address("192.0.2.9:5000"));
        assert_eq!(rtcp("|a=rtcp:5000 IN IP4 224.0.0.9"), address("192.0.2.1:5000"));
        assert_eq!(rtcp("|a=rtcp:5000 IN IP6 ::1"), address("192.0.2.1:5000"));
        assert_eq!(rtcp("|a=rtcp:0"), address("192.0.2.1:4001"));
        let last = read("c=IN IP4 192.0.2.1|m=audio 65535 RTP/AVP 0").unwrap();
        assert_eq!(last.remote_rtcp, address("192.0.2.1:65535"));
    }

    #[test]
    fn the_direction_may_stand_with_the_session() {
        let direction = |lines: &str| read(lines).unwrap().direction;
        assert_eq!(direction("c=IN IP4 192.0.2.1|m=audio 4000 RTP/AVP 0"), Direction::SendRecv);
        assert_eq!(direction("c=IN IP4 192.0.2.1|a=sendonly|m=audio 4000 RTP/AVP 0"), Direction::SendOnly);
        let both = "c=IN IP4 192.0.2.1|a=sendonly|m=audio 4000 RTP/AVP 0|a=recvonly";
        assert_eq!(direction(both), Direction::RecvOnly);
    }

    #[test]
    fn who_holds_in_the_old_way_receives_nothing() {
        let direction = |lines: &str| read(lines).unwrap().direction;
        assert_eq!(direction("c=IN IP4 0.0.0.0|m=audio 4000 RTP/AVP 0"), Direction::SendOnly);
        assert_eq!(direction("c=IN IP6 ::|m=audio 4000 RTP/AVP 0|a=recvonly"), Direction::Inactive);
    }

    #[test]
    fn no_packet_goes_to_a_name_or_to_many() {
        let refused = |lines: &str| read(lines).unwrap_err();
        assert_eq!(refused("m=audio 4000 RTP/AVP 0"), Unusable::NoAddress);
        let name = "c=IN IP4 phone.a.example|m=audio 4000 RTP/AVP 0";
        assert_eq!(refused(name), Unusable::HostName("phone.a.example".into()));
        for (text, many) in
            [("224.2.1.1/127", "224.2.1.1"), ("224.2.1.1", "224.2.1.1"), ("255.255.255.255", "255.255.255.255")]
        {
            let lines = format!("c=IN IP4 {text}|m=audio 4000 RTP/AVP 0");
            assert_eq!(refused(&lines), Unusable::Multicast(many.parse().unwrap()));
        }
        assert!(matches!(refused("c=IN IP6 ff02::1|m=audio 4000 RTP/AVP 0"), Unusable::Multicast(_)));
    }

    #[test]
    fn only_profiles_of_rtp_are_read() {
        let secure =
            |transport: &str| read(&format!("c=IN IP4 192.0.2.1|m=audio 4000 {transport} 0")).map(|s| s.is_secure);
        assert_eq!((secure("RTP/AVP"), secure("RTP/AVPF")), (Ok(false), Ok(false)));
        assert_eq!((secure("RTP/SAVP"), secure("rtp/savpf")), (Ok(true), Ok(true)));
        let dtls = "UDP/TLS/RTP/SAVPF";
        assert_eq!(secure(dtls), Err(Unusable::Transport(dtls.into())));
    }
}
