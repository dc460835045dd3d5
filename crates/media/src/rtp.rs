//! RTP packets (RFC 3550 section 5.1). A parser of our own: the header is all that is needed, and where it ends must be known
//! to the byte, since SRTP authenticates exactly that.

/// Why bytes are no packet. Nobody is told; it is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    #[error("shorter than it says")]
    Truncated,
    #[error("another version of RTP")]
    Version,
    #[error("more padding than payload")]
    Padding,
    #[error("no RTCP where it should be")]
    Type,
}

/// What of the fixed header matters to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    pub marker: bool,
    pub payload_type: u8,
    pub sequence: u16,
    /// In ticks of the encoding's clock.
    pub timestamp: u32,
    pub ssrc: u32,
}

impl Header {
    /// The header, and how many bytes it takes, contributing sources and extension included.
    ///
    /// # Errors
    /// Where the bytes end within the header, or are of another version.
    pub fn parse(bytes: &[u8]) -> Result<(Header, usize), ParseError> {
        let fixed: &[u8; FIXED_BYTES] = bytes.first_chunk().ok_or(ParseError::Truncated)?;
        if fixed[0] >> 6 != VERSION {
            return Err(ParseError::Version);
        }
        let mut len = FIXED_BYTES + 4 * usize::from(fixed[0] & 0x0f);
        if fixed[0] & EXTENSION != 0 {
            let words = bytes.get(len + 2..len + 4).ok_or(ParseError::Truncated)?;
            len += 4 + 4 * usize::from(u16::from_be_bytes([words[0], words[1]]));
        }
        if len > bytes.len() {
            return Err(ParseError::Truncated);
        }
        let header = Header {
            marker: fixed[1] & 0x80 != 0,
            payload_type: fixed[1] & 0x7f,
            sequence: u16::from_be_bytes([fixed[2], fixed[3]]),
            timestamp: u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]),
            ssrc: u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]),
        };
        Ok((header, len))
    }

    /// As it goes onto the wire; the payload is appended to it.
    pub fn print(&self) -> [u8; FIXED_BYTES] {
        let mut bytes = [0; FIXED_BYTES];
        bytes[0] = VERSION << 6;
        bytes[1] = u8::from(self.marker) << 7 | self.payload_type & 0x7f;
        bytes[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        bytes[4..8].copy_from_slice(&self.timestamp.to_be_bytes());
        bytes[8..].copy_from_slice(&self.ssrc.to_be_bytes());
        bytes
    }
}

/// What follows the header, without padding. Of SRTP: after decryption.
///
/// # Errors
/// Where the padding is said to be longer than what there is, or nothing.
pub fn payload(bytes: &[u8], header_len: usize) -> Result<&[u8], ParseError> {
    let payload = bytes.get(header_len..).ok_or(ParseError::Truncated)?;
    if bytes[0] & PADDING == 0 {
        return Ok(payload);
    }
    let padding = usize::from(*payload.last().ok_or(ParseError::Padding)?);
    match payload.len().checked_sub(padding) {
        Some(len) if padding > 0 => Ok(&payload[..len]),
        _ => Err(ParseError::Padding),
    }
}

/// Whether a packet on a port that RTP and RTCP share is RTCP (RFC 5761 section 4).
pub fn is_rtcp(bytes: &[u8]) -> bool {
    bytes.get(1).is_some_and(|packet_type| (192..=223).contains(packet_type))
}

/// How far `later` is ahead of `earlier`; negative where it is behind. Both wrap.
pub fn sequence_distance(earlier: u16, later: u16) -> i16 {
    later.wrapping_sub(earlier).cast_signed()
}

/// The same of timestamps.
pub fn timestamp_distance(earlier: u32, later: u32) -> i32 {
    later.wrapping_sub(earlier).cast_signed()
}

pub const FIXED_BYTES: usize = 12;
const VERSION: u8 = 2;
const PADDING: u8 = 0x20;
const EXTENSION: u8 = 0x10;

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: Header =
        Header { marker: true, payload_type: 96, sequence: 0x1234, timestamp: 0xdeca_fbad, ssrc: 0xcafe_babe };

    #[test]
    fn what_is_printed_is_parsed() {
        let bytes = HEADER.print();
        assert_eq!(bytes, [0x80, 0xe0, 0x12, 0x34, 0xde, 0xca, 0xfb, 0xad, 0xca, 0xfe, 0xba, 0xbe]);
        assert_eq!(Header::parse(&bytes), Ok((HEADER, 12)));
        assert_eq!(payload(&bytes, 12), Ok(&[][..]));
    }

    #[test]
    fn sources_extension_and_padding_are_no_payload() {
        let mut bytes = HEADER.print().to_vec();
        bytes[0] = 0xb2;
        bytes.extend([0; 8]);
        bytes.extend([0xbe, 0xde, 0, 1, 1, 2, 3, 4]);
        bytes.extend(*b"sound\0\0\x03");
        assert_eq!(Header::parse(&bytes), Ok((HEADER, 28)));
        assert_eq!(payload(&bytes, 28), Ok(&b"sound"[..]));
    }

    #[test]
    fn what_is_cut_short_is_refused_wherever_the_cut_is() {
        let mut bytes = HEADER.print().to_vec();
        bytes[0] = 0x91;
        bytes.extend([0, 0, 0, 1, 0xbe, 0xde, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8]);
        for len in 0..bytes.len() {
            assert_eq!(Header::parse(&bytes[..len]), Err(ParseError::Truncated), "{len}");
        }
        assert_eq!(Header::parse(&bytes), Ok((HEADER, bytes.len())));
        bytes[0] = 0x51;
        assert_eq!(Header::parse(&bytes), Err(ParseError::Version));
    }

    #[test]
    fn padding_that_cannot_be_is_refused() {
        let mut bytes = HEADER.print().to_vec();
        bytes[0] |= 0x20;
        assert_eq!(payload(&bytes, 12), Err(ParseError::Padding));
        for (last, expected) in [(0, Err(ParseError::Padding)), (1, Ok(&[7][..])), (2, Ok(&[][..]))] {
            assert_eq!(payload(&[&bytes[..], &[7, last]].concat(), 12), expected);
        }
        assert_eq!(payload(&[&bytes[..], &[7, 3]].concat(), 12), Err(ParseError::Padding));
    }

    #[test]
    fn distances_wrap() {
        assert_eq!(sequence_distance(65_535, 1), 2);
        assert_eq!(sequence_distance(1, 65_535), -2);
        assert_eq!(timestamp_distance(u32::MAX, 159), 160);
    }
}
