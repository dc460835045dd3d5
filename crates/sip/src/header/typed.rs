//! The typed accessors of a message. Nothing is kept: each parses the bytes that it reads.

use super::{
    CSeq, ContactValue, NameAddr, Via,
    grammar::{is_token, parse_digits, split_list, trim_bytes},
};
use crate::{HeaderName, Message, Method, ParseError};

impl Message {
    pub fn from(&self) -> Result<NameAddr<'_>, ParseError> {
        NameAddr::parse_in(HeaderName::From, self.required(HeaderName::From)?)
    }

    /// Whether To has a tag (RFC 3261 section 12.2): `false` where it cannot be read.
    pub fn is_within_dialog(&self) -> bool {
        self.to().is_ok_and(|to| to.tag().is_some())
    }

    pub fn to(&self) -> Result<NameAddr<'_>, ParseError> {
        NameAddr::parse_in(HeaderName::To, self.required(HeaderName::To)?)
    }

    /// Compared byte by byte (RFC 3261 20.8).
    pub fn call_id(&self) -> Result<&str, ParseError> {
        let value = self.required(HeaderName::CallId)?;
        let is_word = !value.is_empty() && value.iter().all(|byte| byte.is_ascii_graphic());
        if !is_word {
            return Err(ParseError::Malformed(HeaderName::CallId));
        }
        std::str::from_utf8(value).map_err(|_| ParseError::Malformed(HeaderName::CallId))
    }

    pub fn cseq(&self) -> Result<CSeq, ParseError> {
        CSeq::parse(self.required(HeaderName::CSeq)?)
    }

    pub fn top_via(&self) -> Result<Via<'_>, ParseError> {
        self.vias().next().unwrap_or(Err(ParseError::Missing(HeaderName::Via)))
    }

    /// From the top: the last hop first. A header line with nothing in it is malformed.
    pub fn vias(&self) -> impl Iterator<Item = Result<Via<'_>, ParseError>> {
        self.elements(HeaderName::Via).map(Via::parse)
    }

    /// `None`: no such header. Beyond 255 it is malformed (RFC 3261 20.22).
    pub fn max_forwards(&self) -> Result<Option<u8>, ParseError> {
        let hops = self.number(HeaderName::MaxForwards)?;
        hops.map(u8::try_from).transpose().map_err(|_| ParseError::Malformed(HeaderName::MaxForwards))
    }

    /// `None`: no such header (RFC 5393 5.3).
    pub fn max_breadth(&self) -> Result<Option<u32>, ParseError> {
        let breadth = self.number(HeaderName::MaxBreadth)?;
        breadth.map(u32::try_from).transpose().map_err(|_| ParseError::Malformed(HeaderName::MaxBreadth))
    }

    pub fn routes(&self) -> impl Iterator<Item = Result<NameAddr<'_>, ParseError>> {
        self.addresses(HeaderName::Route)
    }

    pub fn record_routes(&self) -> impl Iterator<Item = Result<NameAddr<'_>, ParseError>> {
        self.addresses(HeaderName::RecordRoute)
    }

    pub fn paths(&self) -> impl Iterator<Item = Result<NameAddr<'_>, ParseError>> {
        self.addresses(HeaderName::Path)
    }

    pub fn contacts(&self) -> impl Iterator<Item = Result<ContactValue<'_>, ParseError>> {
        self.elements(HeaderName::Contact).map(ContactValue::parse)
    }

    pub fn asserted_identities(&self) -> impl Iterator<Item = Result<NameAddr<'_>, ParseError>> {
        self.addresses(HeaderName::PAssertedIdentity)
    }

    /// Every address of every header of that name, comma lists split.
    pub fn addresses(&self, name: HeaderName) -> impl Iterator<Item = Result<NameAddr<'_>, ParseError>> {
        self.elements(name).map(move |element| NameAddr::parse_in(name, element))
    }

    /// The one address of a header that holds one (Refer-To, Referred-By, Reply-To ...).
    pub fn address(&self, name: HeaderName) -> Result<NameAddr<'_>, ParseError> {
        NameAddr::parse_in(name, self.required(name)?)
    }

    /// Seconds. `None`: no such header.
    pub fn expires(&self) -> Result<Option<u32>, ParseError> {
        self.seconds(HeaderName::Expires)
    }

    /// Any header that is a plain number of seconds (Expires, Min-Expires, Flow-Timer ...).
    pub fn seconds(&self, name: HeaderName) -> Result<Option<u32>, ParseError> {
        let seconds = self.number(name)?;
        seconds.map(u32::try_from).transpose().map_err(|_| ParseError::Malformed(name))
    }

    pub fn has_option_tag(&self, name: HeaderName, tag: &str) -> bool {
        self.option_tags(name).any(|found| found.eq_ignore_ascii_case(tag))
    }

    /// The tokens of Require, Supported, Allow ...; elements that are no token are skipped.
    pub fn option_tags(&self, name: HeaderName) -> impl Iterator<Item = &str> {
        self.elements(name).filter(|tag| is_token(tag)).filter_map(|tag| std::str::from_utf8(tag).ok())
    }

    /// Elements of the comma lists of all headers of that name, trimmed, in order.
    pub fn elements(&self, name: HeaderName) -> impl Iterator<Item = &[u8]> {
        self.header_all(name).flat_map(split_list)
    }

    /// The six headers that every message has (RFC 3261 8.1.1) parse, and CSeq agrees with the request line.
    /// Max-Forwards may be absent: older elements leave it out (16.3).
    pub fn check_mandatory(&self) -> Result<(), ParseError> {
        self.top_via()?;
        self.from()?;
        self.to()?;
        self.call_id()?;
        self.max_forwards()?;
        let method: Method = self.cseq()?.method;
        match self.method() {
            Some(requested) if requested != method => Err(ParseError::Malformed(HeaderName::CSeq)),
            _ => Ok(()),
        }
    }

    fn required(&self, name: HeaderName) -> Result<&[u8], ParseError> {
        self.header(name).ok_or(ParseError::Missing(name))
    }

    fn number(&self, name: HeaderName) -> Result<Option<u64>, ParseError> {
        let Some(value) = self.header(name) else { return Ok(None) };
        let number = parse_digits(trim_bytes(value)).ok_or(ParseError::Malformed(name))?;
        Ok(Some(number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn message(headers: &str) -> Message {
        let text = format!("INVITE sip:a SIP/2.0\n{headers}\n\n");
        Message::parse(Bytes::from(text.replace('\n', "\r\n"))).expect("a message")
    }

    #[test]
    fn absent_and_malformed_name_their_header() {
        let empty = message("Max-Forwards: 7a\nFrom: x");
        assert_eq!(empty.to(), Err(ParseError::Missing(HeaderName::To)));
        assert_eq!(empty.from(), Err(ParseError::Malformed(HeaderName::From)));
        assert_eq!(empty.top_via(), Err(ParseError::Missing(HeaderName::Via)));
        assert_eq!(empty.max_forwards(), Err(ParseError::Malformed(HeaderName::MaxForwards)));
        assert_eq!(empty.expires(), Ok(None));
        assert_eq!(empty.routes().count(), 0);
        assert_eq!(message("Call-ID: a b").call_id(), Err(ParseError::Malformed(HeaderName::CallId)));
    }

    #[test]
    fn lists_are_split_across_lines() {
        let message = message(concat!(
            "Route: <sip:a;lr>,\"x, y\" <sip:b,c;lr>\nRoute: <sip:d>\n",
            "Supported: outbound, PATH ,\n  gruu, b@d\nk:\n timer\n",
            "m: *\nP-Asserted-Identity: <sip:a@b>, <tel:+1>",
        ));
        let routes: Vec<_> = message.routes().map(|route| route.map(|route| route.uri().as_str())).collect();
        assert_eq!(routes[0], Ok("sip:a;lr"));
        assert_eq!(routes[1], Err(ParseError::Malformed(HeaderName::Route)), "a comma in a host");
        assert_eq!((&routes[2], routes.len()), (&Ok("sip:d"), 3));
        let tags: Vec<_> = message.option_tags(HeaderName::Supported).collect();
        assert_eq!(tags, ["outbound", "PATH", "gruu", "timer"]);
        assert!(message.has_option_tag(HeaderName::Supported, "path"));
        assert!(!message.has_option_tag(HeaderName::Require, "path"));
        assert_eq!(message.contacts().next(), Some(Ok(ContactValue::Star)));
        assert_eq!(message.asserted_identities().filter(Result::is_ok).count(), 2);
    }

    #[test]
    fn mandatory_headers() {
        let headers = "Via: SIP/2.0/UDP a\nFrom: <sip:a>;tag=1\nTo: <sip:b>\nCall-ID: 1\nCSeq: 1 INVITE";
        assert_eq!(message(headers).check_mandatory(), Ok(()));
        // RFC 4475 3.1.2.5: CSeq and the request line disagree.
        let mismatch = message(&headers.replace("1 INVITE", "1 BYE"));
        assert_eq!(mismatch.check_mandatory(), Err(ParseError::Malformed(HeaderName::CSeq)));
        for name in ["Via", "From", "To", "Call-ID", "CSeq"] {
            let without = message(&headers.replace(&format!("{name}:"), "X:"));
            assert_eq!(without.check_mandatory(), Err(ParseError::Missing(HeaderName::parse(name.as_bytes()))));
        }
    }
}
