//! Descriptions of ours, put into lines.

use std::net::IpAddr;

use sdp_types::{Attribute, Connection, Media, Origin, Session, Time};

use crate::capabilities::{LocalMedia, SessionOrigin};
use crate::crypto::CryptoLine;
use crate::session::{Direction, Format};

/// What is said about our one audio stream.
pub(crate) struct AudioLine<'a> {
    pub transport: &'a str,
    pub formats: &'a [Format],
    /// Payload types of telephone events with their clock rates.
    pub events: &'a [(u8, u32)],
    pub crypto: Vec<CryptoLine>,
    pub direction: Direction,
    pub has_rtcp_mux: bool,
    pub packet_ms: u8,
}

impl AudioLine<'_> {
    pub fn media(&self, local: &LocalMedia) -> Media {
        let mut numbers: Vec<String> = self.formats.iter().map(|format| format.payload_type.to_string()).collect();
        numbers.extend(self.events.iter().map(|(payload_type, _)| payload_type.to_string()));
        Media {
            attributes: self.attributes(local),
            ..line("audio", local.rtp_port, self.transport, &numbers.join(" "))
        }
    }

    fn attributes(&self, local: &LocalMedia) -> Vec<Attribute> {
        let mut attributes: Vec<Attribute> =
            self.formats.iter().map(|format| Attribute::with_value("rtpmap", format.map())).collect();
        for (payload_type, rate) in self.events {
            attributes.push(Attribute::with_value("rtpmap", format!("{payload_type} telephone-event/{rate}")));
            attributes.push(Attribute::with_value("fmtp", format!("{payload_type} 0-15")));
        }
        attributes.push(Attribute::with_value("ptime", self.packet_ms));
        if local.rtp_port.checked_add(1) != Some(local.rtcp_port) {
            attributes.push(Attribute::with_value("rtcp", local.rtcp_port));
        }
        if self.has_rtcp_mux {
            attributes.push(Attribute::new("rtcp-mux"));
        }
        attributes.extend(self.crypto.iter().map(|line| Attribute::with_value("crypto", line.print())));
        attributes.push(Attribute::new(self.direction.name()));
        attributes
    }
}

/// An m-line that is refused: everything but the port is as it was offered (RFC 3264 section 6).
pub(crate) fn refused(offered: &Media) -> Media {
    line(&offered.media, 0, &offered.proto, &offered.fmt)
}

fn line(media: &str, port: u16, transport: &str, formats: &str) -> Media {
    Media {
        media: media.into(),
        port,
        num_ports: None,
        proto: transport.into(),
        fmt: formats.into(),
        media_title: None,
        connections: Vec::new(),
        bandwidths: Vec::new(),
        key: None,
        attributes: Vec::new(),
    }
}

/// An m-line for messages within the dialog, with the format that was offered.
///
/// COMPAT(Lync 2013): the port says only that the line is in use; nothing is sent there.
pub(crate) fn messages(offered: &Media, accept_types: &[&str]) -> Media {
    let attributes = vec![Attribute::with_value("accept-types", accept_types.join(" "))];
    Media { attributes, ..line("message", MESSAGE_PORT, &offered.proto, &offered.fmt) }
}

/// The same where nobody has offered any.
pub(crate) fn own_messages(accept_types: &[&str]) -> Media {
    messages(&line("message", MESSAGE_PORT, "sip", "null"), accept_types)
}

/// The whole description, with the one of our addresses that the peer is to send to. An answer repeats the time of its offer
/// (RFC 3264 section 6).
pub(crate) fn description(local: &LocalMedia, told: IpAddr, medias: Vec<Media>, time: Option<&Time>) -> String {
    whole(&SessionOrigin::of(local), Some(told), medias, time)
}

/// The same, of a session that may be without sound: then there is no address, and its name stands there.
pub(crate) fn whole(origin: &SessionOrigin, told: Option<IpAddr>, medias: Vec<Media>, time: Option<&Time>) -> String {
    let (start, stop) = time.map_or((0, 0), |time| (time.start_time, time.stop_time));
    let address_type = |host: &str| if host.contains(':') { "IP6" } else { "IP4" };
    let mut session = Session::new(
        Origin {
            username: None,
            sess_id: origin.session_id.to_string(),
            sess_version: origin.version,
            nettype: "IN".into(),
            addrtype: address_type(&origin.host).into(),
            unicast_address: origin.host.clone(),
        },
        "-",
    );
    let host = told.map_or_else(|| origin.host.clone(), |told| told.to_string());
    let addrtype = address_type(&host).into();
    session.connection = Some(Connection { nettype: "IN".into(), addrtype, connection_address: host });
    session.times = vec![Time::new(start, stop)];
    session.medias = medias;
    let mut written = Vec::new();
    session.write(&mut written).expect("a vector takes all that is written to it");
    String::from_utf8(written).expect("made of strings only")
}

const MESSAGE_PORT: u16 = 5060;
