//! RTP and RTCP: lengths lie within the packet, and what we print parses to the same.

use media::rtcp::{self, Item, ReportBlock, SenderInfo};
use media::rtp::{self, Header};

use crate::choices::Choices;

pub fn check(bytes: &[u8]) {
    if let Ok((header, length)) = Header::parse(bytes) {
        assert!((rtp::FIXED_BYTES..=bytes.len()).contains(&length));
        let printed = header.print();
        assert_eq!(Header::parse(&printed), Ok((header, rtp::FIXED_BYTES)));
        if let Ok(payload) = rtp::payload(bytes, length) {
            assert!(bytes[length..].starts_with(payload));
        }
    }
    let _ = rtp::is_rtcp(bytes);
    check_rtcp(bytes);
    check_report(&mut Choices::new(bytes));
}

fn check_rtcp(bytes: &[u8]) {
    let Ok(items) = rtcp::parse(bytes) else { return };
    assert!(items.len() <= rtcp::ITEMS_MAX && bytes.len() >= 8 && bytes.len().is_multiple_of(4));
    for item in items {
        if let Item::Block(block) = item {
            assert!((-0x80_0000..0x80_0000).contains(&block.lost), "24 bits with a sign: {block:?}");
            let again = rtcp::parse(&rtcp::print(1, None, Some(block), "us", false));
            assert_eq!(again, Ok(vec![Item::Block(block)]));
        }
    }
}

fn check_report(choices: &mut Choices<'_>) {
    let mut word = || u32::from_be_bytes([choices.byte(), choices.byte(), choices.byte(), choices.byte()]);
    let (ssrc, ntp) = (word(), u64::from(word()) << 32 | u64::from(word()));
    let info = SenderInfo { ntp, timestamp: word(), packets: word(), octets: word() };
    let block = ReportBlock { ssrc: word(), lost: word().cast_signed() >> 8, jitter: word(), ..ReportBlock::default() };
    let cname = "x".repeat(usize::from(choices.byte()) + 10);
    let printed = rtcp::print(ssrc, Some(info), Some(block), &cname, true);
    assert_eq!(rtcp::parse(&printed), Ok(vec![Item::Sender { ssrc, ntp }, Item::Block(block), Item::Bye { ssrc }]));
}
