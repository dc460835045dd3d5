//! STUN on the port of SIP (RFC 5626 section 4.4.2): a client keeps its way through a NAT open by Binding requests, and
//! learns from the answer whether it is still the same way (RFC 8489 section 7.3).
//!
//! Only requests that are well-formed to the last byte are answered, each with one datagram that is at most
//! [`GROWTH_BYTES_MAX`] longer: nothing is to be gained by asking in another's name.

use std::net::{IpAddr, SocketAddr};

/// The answer to a Binding request that came from there. `None`: it is none, and nothing is said.
pub fn binding_response(datagram: &[u8], source: SocketAddr) -> Option<Vec<u8>> {
    let request = Request::read(datagram)?;
    let mut response = match request.unknown.as_slice() {
        [] => Response::new(BINDING_SUCCESS, request.transaction).with_mapped_address(source),
        unknown => Response::new(BINDING_ERROR, request.transaction).with_unknown_attributes(unknown),
    };
    if request.has_fingerprint {
        response.add_fingerprint();
    }
    Some(response.bytes)
}

struct Request<'a> {
    /// The magic cookie, too: both are what an address is written with.
    transaction: &'a [u8; 16],
    /// Attributes that must be understood (RFC 8489 section 14), and are not.
    unknown: Vec<u16>,
    has_fingerprint: bool,
}

impl<'a> Request<'a> {
    fn read(datagram: &'a [u8]) -> Option<Request<'a>> {
        let (head, mut rest) = datagram.split_first_chunk::<HEAD_BYTES>()?;
        let (begin, transaction) = head.split_at(4);
        let length = usize::from(u16::from_be_bytes([begin[2], begin[3]]));
        let is_request = begin[..2] == BINDING_REQUEST.to_be_bytes() && transaction[..4] == MAGIC_COOKIE;
        if !is_request || length != rest.len() {
            return None;
        }
        let mut request =
            Request { transaction: transaction.try_into().ok()?, unknown: Vec::new(), has_fingerprint: false };
        while !rest.is_empty() {
            let (kind, value, after) = split_attribute(rest)?;
            if request.has_fingerprint || request.unknown.len() > UNKNOWN_MAX {
                return None;
            }
            if kind == FINGERPRINT {
                let covered = &datagram[..datagram.len() - rest.len()];
                request.has_fingerprint = true;
                (value == fingerprint(covered)).then_some(())?;
            } else if kind < COMPREHENSION_OPTIONAL && !UNDERSTOOD.contains(&kind) {
                request.unknown.push(kind);
            }
            rest = after;
        }
        Some(request)
    }
}

/// Kind, value, and what follows the padding.
fn split_attribute(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<4>()?;
    let kind = u16::from_be_bytes([head[0], head[1]]);
    let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
    let (value, _) = rest.split_at_checked(length)?;
    let (_, after) = rest.split_at_checked(length.next_multiple_of(4))?;
    Some((kind, value, after))
}

struct Response {
    bytes: Vec<u8>,
}

impl Response {
    fn new(kind: u16, transaction: &[u8; 16]) -> Response {
        let mut bytes = kind.to_be_bytes().to_vec();
        bytes.extend([0, 0]);
        bytes.extend(transaction);
        Response { bytes }
    }

    /// RFC 8489 section 14.2: written so that no NAT which rewrites addresses in passing finds it.
    fn with_mapped_address(mut self, source: SocketAddr) -> Response {
        let mask: Vec<u8> = self.bytes[4..HEAD_BYTES].to_vec();
        let masked = |bytes: &[u8]| bytes.iter().zip(&mask).map(|(byte, mask)| byte ^ mask).collect::<Vec<u8>>();
        let (family, address) = match source.ip() {
            IpAddr::V4(ip) => (1, masked(&ip.octets())),
            IpAddr::V6(ip) => (2, masked(&ip.octets())),
        };
        let port = masked(&source.port().to_be_bytes());
        self.add(XOR_MAPPED_ADDRESS, &[&[0, family], &port[..], &address[..]].concat());
        self
    }

    fn with_unknown_attributes(mut self, unknown: &[u16]) -> Response {
        // 420, without a phrase.
        self.add(ERROR_CODE, &[0, 0, 4, 20]);
        self.add(UNKNOWN_ATTRIBUTES, &unknown.iter().flat_map(|kind| kind.to_be_bytes()).collect::<Vec<u8>>());
        self
    }

    fn add(&mut self, kind: u16, value: &[u8]) {
        self.bytes.extend(kind.to_be_bytes());
        self.bytes.extend(short(value.len()));
        self.bytes.extend(value);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        self.write_length(self.bytes.len());
    }

    /// RFC 8489 section 14.7: the length has to count it before it is computed.
    fn add_fingerprint(&mut self) {
        self.write_length(self.bytes.len() + FINGERPRINT_BYTES);
        let value = fingerprint(&self.bytes);
        self.add(FINGERPRINT, &value);
    }

    fn write_length(&mut self, whole: usize) {
        self.bytes[2..4].copy_from_slice(&short(whole - HEAD_BYTES));
    }
}

/// What we write is far from 65,536 bytes.
fn short(length: usize) -> [u8; 2] {
    u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes()
}

fn fingerprint(covered: &[u8]) -> [u8; 4] {
    (crc32(covered) ^ 0x5354_554e).to_be_bytes()
}

/// ITU V.42, bit by bit: these are a few dozen bytes.
fn crc32(bytes: &[u8]) -> u32 {
    let shift = |crc: u32| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
    !bytes.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| shift(crc)))
}

/// By how much an answer is longer than its request at most: an IPv6 address with its head, which no request has.
pub const GROWTH_BYTES_MAX: usize = 24;

const HEAD_BYTES: usize = 20;
const FINGERPRINT_BYTES: usize = 8;
const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const BINDING_REQUEST: u16 = 0x0001;
const BINDING_SUCCESS: u16 = 0x0101;
const BINDING_ERROR: u16 = 0x0111;
const ERROR_CODE: u16 = 0x0009;
const UNKNOWN_ATTRIBUTES: u16 = 0x000a;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;
const FINGERPRINT: u16 = 0x8028;
const COMPREHENSION_OPTIONAL: u16 = 0x8000;
/// Of credentials, which a keep-alive has no use for (RFC 5626 section 8): USERNAME, MESSAGE-INTEGRITY, REALM, NONCE and
/// their like of RFC 8489.
const UNDERSTOOD: [u16; 8] = [0x0006, 0x0008, 0x0014, 0x0015, 0x001c, 0x001d, 0x001e, XOR_MAPPED_ADDRESS];
/// Attributes that we do not know in one request that is still answered.
const UNKNOWN_MAX: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 5769 section 2.1.
    const SAMPLE: &str = "000100582112a442b7e7a701bc34d686fa87dfae802200105354554e207465737420636c69656e74\
        002400046e0001ff80290008932ff9b151263b36000600096576746a3a68367659202020\
        000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a280280004e57a3bcf";
    /// The head that every request with this transaction has, but for its length.
    const HEAD: &str = "2112a442b7e7a701bc34d686fa87dfae";

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16).expect("hex");
        digits.chunks(2).map(byte).collect()
    }

    fn answer(request: &[u8], source: &str) -> Option<Vec<u8>> {
        binding_response(request, source.parse().expect("an address"))
    }

    #[test]
    fn a_bare_request_is_told_where_it_came_from() {
        let bare = hex(&format!("00010000{HEAD}"));
        // The addresses and values of RFC 5769 sections 2.2 and 2.3.
        let v4 = hex(&format!("0101000c{HEAD}002000080001a147e112a643"));
        assert_eq!(answer(&bare, "192.0.2.1:32853"), Some(v4));
        let v6 = hex(&format!("01010018{HEAD}002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d9"));
        let long = answer(&bare, "[2001:db8:1234:5678:11:2233:4455:6677]:32853");
        assert_eq!(long.as_ref(), Some(&v6));
        assert_eq!(v6.len() - bare.len(), GROWTH_BYTES_MAX);
    }

    #[test]
    fn what_must_be_understood_and_is_not_is_named() {
        // PRIORITY is ICE's. The fingerprint is asked for, so the answer has one.
        let response = answer(&hex(SAMPLE), "192.0.2.1:32853").expect("an answer");
        let expected = hex(&format!("01110018{HEAD}0009000400000414 000a000200240000"));
        assert_eq!(response[..expected.len()], expected);
        let (covered, last) = response.split_at(response.len() - FINGERPRINT_BYTES);
        assert_eq!((&last[..4], &last[4..]), (&hex("80280004")[..], &fingerprint(covered)[..]));
        assert!(response.len() < hex(SAMPLE).len());
    }

    #[test]
    fn what_is_not_well_formed_to_the_last_byte_is_not_answered() {
        let sample = hex(SAMPLE);
        for length in 0..sample.len() {
            assert_eq!(answer(&sample[..length], "192.0.2.1:1"), None, "{length}");
        }
        assert_eq!(answer(&[&sample[..], &[0]].concat(), "192.0.2.1:1"), None);
        for (place, bits) in [(0, 0x40), (1, 0x10), (1, 0x03), (4, 1), (30, 1), (sample.len() - 1, 1)] {
            let mut changed = sample.clone();
            changed[place] ^= bits;
            assert_eq!(answer(&changed, "192.0.2.1:1"), None, "byte {place}");
        }
        for attributes in ["0006", "00060004", "0006ffff", "00060002abcd"] {
            let length = attributes.len() / 2;
            assert_eq!(answer(&hex(&format!("0001{length:04x}{HEAD}{attributes}")), "192.0.2.1:1"), None);
        }
        let many = "00240000".repeat(UNKNOWN_MAX + 2);
        assert_eq!(answer(&hex(&format!("0001{:04x}{HEAD}{many}", many.len() / 2)), "192.0.2.1:1"), None);
    }

    #[test]
    fn no_answer_is_longer_than_its_request_by_more_than_is_said() {
        for unknown in 0..=UNKNOWN_MAX {
            let attributes = "00240000".repeat(unknown);
            let request = hex(&format!("0001{:04x}{HEAD}{attributes}", unknown * 4));
            let response = answer(&request, "[2001:db8::1]:5060").expect("an answer");
            assert!(response.len() <= request.len() + GROWTH_BYTES_MAX, "{unknown}");
        }
    }
}
