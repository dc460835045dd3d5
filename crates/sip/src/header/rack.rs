//! RAck (RFC 3262 section 7.2): which reliable provisional response a PRACK is about.

use std::fmt;

use super::CSeq;
use super::grammar::{is_space, parse_digits, trim_bytes};
use crate::{HeaderName, ParseError};

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct RAck {
    /// The response's RSeq.
    pub sequence: u32,
    /// Of the request that it answers.
    pub cseq: CSeq,
}

impl RAck {
    /// # Errors
    /// It is not two numbers and a method, or one of them is none that there may be.
    pub fn parse(value: &[u8]) -> Result<RAck, ParseError> {
        let malformed = || ParseError::Malformed(HeaderName::RAck);
        let value = trim_bytes(value);
        let end = value.iter().position(|byte| is_space(*byte)).ok_or_else(malformed)?;
        let sequence =
            parse_digits(&value[..end]).and_then(|number| u32::try_from(number).ok()).ok_or_else(malformed)?;
        let cseq = CSeq::parse(&value[end..]).map_err(|_| malformed())?;
        Ok(RAck { sequence, cseq })
    }
}

impl fmt::Display for RAck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.sequence, self.cseq)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Method;

    #[test]
    fn a_rack_is_a_number_and_a_cseq() {
        let rack = RAck::parse(b" 776656 \t1\r\n INVITE ").expect("as in RFC 3262 section 7.2, folded");
        assert_eq!(rack, RAck { sequence: 776_656, cseq: CSeq { number: 1, method: Method::Invite } });
        assert_eq!(rack.to_string(), "776656 1 INVITE");
        for bad in [&b""[..], b"1 INVITE", b"1 2", b"-1 2 INVITE", b"4294967296 1 INVITE", b"1 2 INVITE more"] {
            assert!(RAck::parse(bad).is_err(), "{}", String::from_utf8_lossy(bad));
        }
    }
}
