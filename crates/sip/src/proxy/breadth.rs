//! Max-Breadth (RFC 5393 section 5): on how many branches a request may be at once, all proxies on its way together. A proxy that
//! forks divides what it was given, so that no forking elsewhere makes many of one.

use crate::error::ParseError;
use crate::message::Message;

/// What a request brings along, or what one without is given (RFC 5393 section 5.3.3).
///
/// # Errors
/// Where the header is no number.
pub fn breadth(request: &Message) -> Result<u32, ParseError> {
    Ok(request.max_breadth()?.unwrap_or(MAX_BREADTH))
}

/// The part of the branch that is number `index` of `branches`: none is without one as long as there are no more of them than
/// `breadth`, and together they have no more.
pub fn share(breadth: u32, branches: usize, index: usize) -> u32 {
    let branches = u32::try_from(branches).unwrap_or(u32::MAX).max(1);
    let has_more = u32::try_from(index).is_ok_and(|index| index < breadth % branches);
    breadth / branches + u32::from(has_more)
}

/// RFC 5393 section 5.3.3 recommends it.
pub const MAX_BREADTH: u32 = 60;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(header: &str) -> Result<u32, ParseError> {
        let text =
            format!("OPTIONS sip:a SIP/2.0\r\nVia: SIP/2.0/TLS a;branch=z9hG4bK1\r\n{header}Content-Length: 0\r\n\r\n");
        breadth(&Message::parse(text.into()).expect("a request"))
    }

    #[test]
    fn one_without_has_sixty() {
        assert_eq!(read(""), Ok(60));
        assert_eq!(read("Max-Breadth: 7\r\n"), Ok(7));
        assert_eq!(read("Max-Breadth: 0\r\n"), Ok(0));
        assert!(read("Max-Breadth: many\r\n").is_err());
        assert!(read("Max-Breadth: 99999999999\r\n").is_err());
    }

    #[test]
    fn branches_share_it_without_a_rest() {
        for (breadth, branches, shares) in
            [(60, 1, &[60][..]), (60, 16, &[4; 12]), (5, 3, &[2, 2, 1]), (3, 3, &[1, 1, 1])]
        {
            let all: Vec<u32> = (0..branches).map(|index| share(breadth, branches, index)).collect();
            assert_eq!(all.iter().sum::<u32>(), breadth);
            assert_eq!(all[..shares.len()], *shares);
        }
        assert_eq!(share(0, 1, 0), 0);
    }
}
