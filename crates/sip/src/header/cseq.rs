//! CSeq (RFC 3261 20.16).

use std::fmt;

use super::grammar::{is_space, parse_digits, trim_bytes};
use crate::{HeaderName, Method, ParseError};

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct CSeq {
    /// Below 2^31 (RFC 3261 8.1.1.5).
    pub number: u32,
    pub method: Method,
}

impl CSeq {
    pub fn parse(value: &[u8]) -> Result<CSeq, ParseError> {
        let malformed = || ParseError::Malformed(HeaderName::CSeq);
        let value = trim_bytes(value);
        let end = value.iter().position(|byte| is_space(*byte)).ok_or_else(malformed)?;
        let number = parse_digits(&value[..end]).filter(|number| *number < 1 << 31).ok_or_else(malformed)?;
        let method = Method::parse(trim_bytes(&value[end..])).map_err(|_| malformed())?;
        Ok(CSeq { number: number as u32, method })
    }
}

impl fmt::Display for CSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.number, self.method)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cseq_is_a_number_and_a_method() {
        let cseq = CSeq::parse(b"0009\r\n  INVITE").expect("folded, as in RFC 4475 3.1.1.1");
        assert_eq!((cseq.number, &cseq.method), (9, &Method::Invite));
        assert_eq!(cseq.to_string(), "9 INVITE");
        for bad in [&b"INVITE"[..], b"1", b"1INVITE", b"-1 INVITE", b"2147483648 INVITE", b"1 A B", b"", b"1 "] {
            assert!(CSeq::parse(bad).is_err());
        }
    }
}
