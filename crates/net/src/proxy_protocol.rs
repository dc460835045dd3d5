//! The header by which a load balancer says whose connection it hands on: version 2 of the PROXY protocol, as HAProxy
//! defines it. Here is what it says; who may say it, and how long it may take, is in `balancers.rs`.
//!
//! Version 1 is refused: it is a line of text of which no length is known before its end.

use std::net::SocketAddr;

use proxy_header::{ParseConfig, Protocol, ProxiedAddress, ProxyHeader};

/// What the first bytes of a balancer's connection are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// So many bytes more say more; none of them is beyond the header.
    Incomplete {
        bytes_missing: usize,
    },
    /// A header of so many bytes.
    Complete {
        header_bytes: usize,
        source: Source,
    },
    Refused(Unintroduced),
}

/// Whose connection it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Of whoever connected to the balancer from this address.
    Peer(SocketAddr),
    /// The balancer's own (its command LOCAL): it looks whether somebody is here.
    Balancer,
}

/// Why a balancer's connection is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unintroduced {
    #[error(
        "it began without a PROXY header; let it send one of version 2 (HAProxy: send-proxy-v2), or take it out of proxy_from"
    )]
    Absent,
    #[error("its PROXY header is of version 1; let it send version 2 (HAProxy: send-proxy-v2)")]
    VersionOne,
    #[error("its PROXY header is longer than {HEADER_BYTES_MAX} bytes; let it send fewer extensions (TLVs)")]
    TooLong,
    #[error("its PROXY header names no address of a TCP connection")]
    NoAddress,
    #[error("its PROXY header is not one of version 2 as it is defined")]
    Malformed,
}

/// Reads the beginning of a connection. Never asks for bytes beyond the header: they are the handshake's.
pub fn judge(bytes: &[u8]) -> Verdict {
    let begun = bytes.len().min(SIGNATURE.len());
    if bytes[..begun] != SIGNATURE[..begun] {
        return judge_unsigned(bytes);
    }
    let Some(length) = bytes.get(LENGTH_AT..FIXED_BYTES) else {
        let next = if begun < SIGNATURE.len() { SIGNATURE.len() } else { FIXED_BYTES };
        return Verdict::Incomplete { bytes_missing: next - bytes.len() };
    };
    let header_bytes = FIXED_BYTES + usize::from(u16::from_be_bytes([length[0], length[1]]));
    if header_bytes > HEADER_BYTES_MAX {
        return Verdict::Refused(Unintroduced::TooLong);
    }
    match bytes.get(..header_bytes) {
        None => Verdict::Incomplete { bytes_missing: header_bytes - bytes.len() },
        Some(header) => {
            source(header).map_or_else(Verdict::Refused, |source| Verdict::Complete { header_bytes, source })
        }
    }
}

/// Whether a connection begins as one of either version does, where no header is expected.
pub(crate) fn is_header(bytes: &[u8]) -> bool {
    bytes.starts_with(SIGNATURE) || bytes.starts_with(VERSION_ONE)
}

fn judge_unsigned(bytes: &[u8]) -> Verdict {
    match VERSION_ONE.starts_with(&bytes[..bytes.len().min(VERSION_ONE.len())]) {
        true if bytes.len() >= VERSION_ONE.len() => Verdict::Refused(Unintroduced::VersionOne),
        true => Verdict::Incomplete { bytes_missing: VERSION_ONE.len() - bytes.len() },
        false => Verdict::Refused(Unintroduced::Absent),
    }
}

fn source(header: &[u8]) -> Result<Source, Unintroduced> {
    let config = ParseConfig { include_tlvs: false, allow_v1: false, allow_v2: true };
    let (parsed, _) = ProxyHeader::parse(header, config).map_err(|_| Unintroduced::Malformed)?;
    match parsed.proxied_address() {
        Some(ProxiedAddress { protocol: Protocol::Stream, source, .. }) => {
            // One spelling of an address: limits count by it.
            Ok(Source::Peer(SocketAddr::new(source.ip().to_canonical(), source.port())))
        }
        None if header[COMMAND_AT] & COMMAND_MASK == LOCAL => Ok(Source::Balancer),
        _ => Err(Unintroduced::NoAddress),
    }
}

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
const VERSION_ONE: &[u8] = b"PROXY ";
/// How much of a beginning tells either version from anything else.
pub(crate) const BEGINNING_BYTES: usize = SIGNATURE.len();
const COMMAND_AT: usize = SIGNATURE.len();
const COMMAND_MASK: u8 = 0x0f;
const LOCAL: u8 = 0;
const LENGTH_AT: usize = SIGNATURE.len() + 2;
/// Signature, version and command, family, length.
const FIXED_BYTES: usize = SIGNATURE.len() + 4;
/// Addresses take 36 at most; the rest is extensions, of which nothing here is read.
pub(crate) const HEADER_BYTES_MAX: usize = 1024;

#[cfg(test)]
mod tests {
    use proxy_header::Tlv;

    use super::*;

    fn encoded(header: ProxyHeader<'_>) -> Vec<u8> {
        let mut bytes = Vec::new();
        header.encode_v2(&mut bytes).expect("a header");
        bytes
    }

    fn of(source: &str, destination: &str) -> ProxyHeader<'static> {
        let address = |text: &str| text.parse().expect("an address");
        ProxyHeader::with_address(ProxiedAddress::stream(address(source), address(destination)))
    }

    fn peer(address: &str) -> Source {
        Source::Peer(address.parse().expect("an address"))
    }

    #[test]
    fn a_header_names_who_connected_and_ends_where_the_handshake_begins() {
        for (source, destination) in
            [("198.51.100.7:40001", "192.0.2.1:5061"), ("[2001:db8::7]:40001", "[2001:db8::1]:5061")]
        {
            let mut header = of(source, destination);
            header.append_tlv(Tlv::UniqueId(b"a connection"[..].into()));
            let mut bytes = encoded(header);
            let header_bytes = bytes.len();
            bytes.extend_from_slice(&[0x16, 3, 1]);
            assert_eq!(judge(&bytes), Verdict::Complete { header_bytes, source: peer(source) });
        }
    }

    #[test]
    fn in_whatever_pieces_it_comes_nothing_beyond_it_is_asked_for() {
        let bytes = encoded(of("198.51.100.7:40001", "192.0.2.1:5061"));
        for length in 0..bytes.len() {
            let Verdict::Incomplete { bytes_missing } = judge(&bytes[..length]) else { panic!("at {length}") };
            assert!(bytes_missing > 0 && length + bytes_missing <= bytes.len(), "at {length}: {bytes_missing}");
        }
    }

    #[test]
    fn a_mapped_address_is_the_one_that_it_maps() {
        let header = of("[::ffff:198.51.100.7]:40001", "[::ffff:192.0.2.1]:5061");
        let verdict = judge(&encoded(header));
        assert!(
            matches!(verdict, Verdict::Complete { source, .. } if source == peer("198.51.100.7:40001")),
            "{verdict:?}"
        );
    }

    #[test]
    fn a_balancer_that_looks_whether_somebody_is_here_speaks_for_itself() {
        let verdict = judge(&encoded(ProxyHeader::with_local()));
        assert_eq!(verdict, Verdict::Complete { header_bytes: 16, source: Source::Balancer });
    }

    #[test]
    fn what_is_no_header_of_version_two_is_refused_for_what_it_is() {
        let mut unspecified = encoded(ProxyHeader::with_local());
        unspecified[COMMAND_AT] |= 1;
        let mut version_three = encoded(ProxyHeader::with_local());
        version_three[COMMAND_AT] = 0x30;
        let mut short = encoded(of("198.51.100.7:1", "192.0.2.1:2"));
        short[LENGTH_AT + 1] = 4;
        let mut long = encoded(ProxyHeader::with_local());
        long[LENGTH_AT..FIXED_BYTES].copy_from_slice(&1009u16.to_be_bytes());
        let datagram = ProxiedAddress::datagram(([198, 51, 100, 7], 1).into(), ([192, 0, 2, 1], 2).into());
        for (bytes, reason) in [
            (b"PROXY TCP4 198.51.100.7 192.0.2.1 1 2\r\n".to_vec(), Unintroduced::VersionOne),
            (vec![0x16, 3, 1, 2], Unintroduced::Absent),
            (b"\r\n\r\n\r\n\r\n".to_vec(), Unintroduced::Absent),
            (unspecified, Unintroduced::NoAddress),
            (encoded(ProxyHeader::with_address(datagram)), Unintroduced::NoAddress),
            (version_three, Unintroduced::Malformed),
            (short, Unintroduced::Malformed),
            (long, Unintroduced::TooLong),
        ] {
            assert_eq!(judge(&bytes), Verdict::Refused(reason), "{bytes:?}");
        }
    }
}
