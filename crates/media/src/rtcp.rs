//! RTCP packets (RFC 3550 section 6): reports of senders and receivers, our name, and good-bye. What else there may be is
//! stepped over.

use crate::rtp::ParseError;

/// How a receiver hears one source (RFC 3550 section 6.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReportBlock {
    /// Of whom it speaks.
    pub ssrc: u32,
    /// Since the last report, of 256.
    pub fraction_lost: u8,
    /// Since the beginning; 24 bits with a sign: duplicates may make it negative.
    pub lost: i32,
    pub highest_sequence: u32,
    /// In ticks of the timestamp.
    pub jitter: u32,
    /// Of the last report of the source: the middle of its NTP time; 0 if there was none.
    pub last_sender_report: u32,
    /// Since then, in units of 1/65536 s.
    pub delay: u32,
}

/// What of a compound packet matters to us, in its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item {
    /// Somebody sends: his clock.
    Sender {
        ssrc: u32,
        ntp: u64,
    },
    Block(ReportBlock),
    Bye {
        ssrc: u32,
    },
}

/// What we say of our sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SenderInfo {
    pub ntp: u64,
    pub timestamp: u32,
    pub packets: u32,
    pub octets: u32,
}

/// Reads a compound packet, at most [`ITEMS_MAX`] items of it.
///
/// # Errors
/// Where it does not begin with a report, or a length does not fit.
pub fn parse(bytes: &[u8]) -> Result<Vec<Item>, ParseError> {
    let mut items = Vec::new();
    let mut rest = bytes;
    let begins_with_report = matches!(bytes.get(1), Some(&(SENDER_REPORT | RECEIVER_REPORT)));
    if !begins_with_report {
        return Err(ParseError::Type);
    }
    while !rest.is_empty() {
        let (packet, after) = split(rest)?;
        parse_packet(packet, &mut items)?;
        rest = after;
    }
    items.truncate(ITEMS_MAX);
    Ok(items)
}

/// The first packet of a compound one, and what follows.
fn split(bytes: &[u8]) -> Result<(&[u8], &[u8]), ParseError> {
    let header: &[u8; 4] = bytes.first_chunk().ok_or(ParseError::Truncated)?;
    if header[0] >> 6 != 2 {
        return Err(ParseError::Version);
    }
    let len = 4 + 4 * usize::from(u16::from_be_bytes([header[2], header[3]]));
    bytes.split_at_checked(len).ok_or(ParseError::Truncated)
}

fn parse_packet(packet: &[u8], items: &mut Vec<Item>) -> Result<(), ParseError> {
    let count = usize::from(packet[0] & 0x1f);
    let body = &packet[4..];
    match packet[1] {
        SENDER_REPORT => {
            let info: &[u8; 24] = body.first_chunk().ok_or(ParseError::Truncated)?;
            let ntp = u64::from(word(info, 4)) << 32 | u64::from(word(info, 8));
            items.push(Item::Sender { ssrc: word(info, 0), ntp });
            parse_blocks(&body[24..], count, items)
        }
        RECEIVER_REPORT => parse_blocks(body.get(4..).ok_or(ParseError::Truncated)?, count, items),
        BYE => {
            let sources = body.get(..4 * count).ok_or(ParseError::Truncated)?;
            items.extend(sources.chunks_exact(4).map(|ssrc| Item::Bye { ssrc: word(ssrc, 0) }));
            Ok(())
        }
        _ => Ok(()),
    }
}

fn parse_blocks(bytes: &[u8], count: usize, items: &mut Vec<Item>) -> Result<(), ParseError> {
    let blocks = bytes.get(..BLOCK_BYTES * count).ok_or(ParseError::Truncated)?;
    items.extend(blocks.chunks_exact(BLOCK_BYTES).map(|block| {
        Item::Block(ReportBlock {
            ssrc: word(block, 0),
            fraction_lost: block[4],
            // 24 bits with a sign: shifted to the top and back.
            lost: (word(block, 4) << 8).cast_signed() >> 8,
            highest_sequence: word(block, 8),
            jitter: word(block, 12),
            last_sender_report: word(block, 16),
            delay: word(block, 20),
        })
    }));
    Ok(())
}

/// Writes a compound packet: a report, our name and, at the end, good-bye.
pub fn print(ssrc: u32, info: Option<SenderInfo>, block: Option<ReportBlock>, cname: &str, is_bye: bool) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(96);
    let packet_type = if info.is_some() { SENDER_REPORT } else { RECEIVER_REPORT };
    packet(&mut bytes, u8::from(block.is_some()), packet_type, |body| {
        body.extend(ssrc.to_be_bytes());
        if let Some(info) = info {
            body.extend(info.ntp.to_be_bytes());
            body.extend([info.timestamp, info.packets, info.octets].map(u32::to_be_bytes).as_flattened());
        }
        if let Some(block) = block {
            print_block(&block, body);
        }
    });
    packet(&mut bytes, 1, SOURCE_DESCRIPTION, |body| print_name(ssrc, cname, body));
    if is_bye {
        packet(&mut bytes, 1, BYE, |body| body.extend(ssrc.to_be_bytes()));
    }
    bytes
}

fn packet(bytes: &mut Vec<u8>, count: u8, packet_type: u8, body: impl FnOnce(&mut Vec<u8>)) {
    let start = bytes.len();
    bytes.extend([2 << 6 | count, packet_type, 0, 0]);
    body(bytes);
    let words = u16::try_from((bytes.len() - start) / 4 - 1).expect("our packets are short");
    bytes[start + 2..start + 4].copy_from_slice(&words.to_be_bytes());
}

fn print_block(block: &ReportBlock, body: &mut Vec<u8>) {
    let lost = block.lost.clamp(-0x80_0000, 0x7f_ffff).cast_unsigned() & 0xff_ffff;
    let words = [
        block.ssrc,
        u32::from(block.fraction_lost) << 24 | lost,
        block.highest_sequence,
        block.jitter,
        block.last_sender_report,
        block.delay,
    ];
    body.extend(words.map(u32::to_be_bytes).as_flattened());
}

fn print_name(ssrc: u32, cname: &str, body: &mut Vec<u8>) {
    let name = &cname.as_bytes()[..cname.len().min(255)];
    body.extend(ssrc.to_be_bytes());
    body.extend([CNAME, u8::try_from(name.len()).expect("cut to 255")]);
    body.extend(name);
    // At least one zero ends the list of items, and fills the last word.
    body.resize(body.len() + 4 - (name.len() + 2) % 4, 0);
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// One datagram may have room for hundreds; a phone says of us alone.
pub const ITEMS_MAX: usize = 64;
const BLOCK_BYTES: usize = 24;
const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const SOURCE_DESCRIPTION: u8 = 202;
const BYE: u8 = 203;
const CNAME: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK: ReportBlock = ReportBlock {
        ssrc: 0x0102_0304,
        fraction_lost: 0x40,
        lost: -3,
        highest_sequence: 0x0001_0005,
        jitter: 25,
        last_sender_report: 0xb44d_b705,
        delay: 0x0005_4000,
    };

    #[test]
    fn what_is_printed_is_parsed() {
        let info = SenderInfo { ntp: 0x1122_3344_5566_7788, timestamp: 5, packets: 6, octets: 7 };
        let bytes = print(9, Some(info), Some(BLOCK), "comity@x", true);
        assert_eq!(bytes.len() % 4, 0);
        let sender = Item::Sender { ssrc: 9, ntp: info.ntp };
        assert_eq!(parse(&bytes), Ok(vec![sender, Item::Block(BLOCK), Item::Bye { ssrc: 9 }]));
    }

    #[test]
    fn a_receiver_report_is_this() {
        let bytes = print(9, None, None, "ab", false);
        assert_eq!(bytes, *b"\x80\xc9\0\x01\0\0\0\x09\x81\xca\0\x03\0\0\0\x09\x01\x02ab\0\0\0\0");
        assert_eq!(parse(&bytes), Ok(vec![]));
    }

    #[test]
    fn a_name_of_any_length_fills_whole_words() {
        for len in 0..9 {
            let bytes = print(9, None, None, &"n".repeat(len), false);
            assert_eq!((bytes.len() % 4, bytes.last()), (0, Some(&0)), "{len}");
            assert_eq!(parse(&bytes), Ok(vec![]), "{len}");
        }
    }

    #[test]
    fn what_is_cut_short_is_refused() {
        let info = SenderInfo { ntp: 1, timestamp: 5, packets: 6, octets: 7 };
        let bytes = print(9, Some(info), Some(BLOCK), "a", false);
        for len in (0..bytes.len()).filter(|len| *len != 52) {
            assert!(parse(&bytes[..len]).is_err(), "{len}");
        }
        assert_eq!(parse(&bytes[..52]).map(|items| items.len()), Ok(2), "a report alone is whole");
        let counts_too_many = [&[0x9f, 201][..], &bytes[2..]].concat();
        assert_eq!(parse(&counts_too_many), Err(ParseError::Truncated));
        assert_eq!(parse(b"\x81\xcb\0\x01\0\0\0\x09"), Err(ParseError::Type), "a good-bye alone is none");
    }

    #[test]
    fn so_many_items_are_read() {
        let compound = print(9, None, Some(BLOCK), "a", false).repeat(ITEMS_MAX + 10);
        assert_eq!(parse(&compound), Ok(vec![Item::Block(BLOCK); ITEMS_MAX]));
    }
}
