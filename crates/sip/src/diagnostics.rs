//! `ms-diagnostics` (MS-OCER): a number, a public sentence and who says it, as servers of Lync's kind explain a refusal.
//!
//! Which number goes with which word of ours is `refusal/diagnostics.rs`.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Message;

/// The header for whom the sender trusts: its own users and servers.
pub const PRIVATE_HEADER: &str = "ms-diagnostics";
/// The same with less in it, for everybody else.
pub const PUBLIC_HEADER: &str = "ms-diagnostics-public";

/// What one header says. Text from outside is cut, and has printable ASCII only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostics {
    pub id: u32,
    /// For people; empty where the sender says none.
    pub reason: String,
    /// The server that says so, by its name.
    pub source: Option<String>,
}

/// An id that is known, with the sentence that servers send with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    pub id: u32,
    pub reason: &'static str,
}

impl Diagnostics {
    /// The id with its own sentence, said by this server.
    pub fn of(id: u32, source: Option<&str>) -> Diagnostics {
        Diagnostics { id, reason: reason_of(id).unwrap_or_default().to_owned(), source: source.map(str::to_owned) }
    }

    /// What a message says of itself: the private header, else the public one.
    pub fn of_message(message: &Message) -> Option<Diagnostics> {
        let named = |wanted: &str| {
            let mut headers = message.headers();
            let found = headers.find(|header| header.raw_name.eq_ignore_ascii_case(wanted.as_bytes()))?;
            Diagnostics::parse(found.value)
        };
        named(PRIVATE_HEADER).or_else(|| named(PUBLIC_HEADER))
    }

    /// `1009;reason="...";source="..."`, in any order and with any others. An id may have a part after a point, which counts
    /// for nothing here. `None`: it begins with no number.
    pub fn parse(value: &[u8]) -> Option<Diagnostics> {
        let value = &value[..value.len().min(VALUE_BYTES_MAX)];
        let mut parts = Parts { rest: value };
        let id = parts.next()?.trim_ascii();
        let id = id.split(|byte| *byte == b'.').next()?;
        let id =
            std::str::from_utf8(id).ok().filter(|id| id.bytes().all(|byte| byte.is_ascii_digit()))?.parse().ok()?;
        let mut said = Diagnostics { id, reason: String::new(), source: None };
        for part in parts {
            let Some(split) = part.iter().position(|byte| *byte == b'=') else { continue };
            let (name, text) = (part[..split].trim_ascii(), printable(&part[split + 1..]));
            if name.eq_ignore_ascii_case(b"reason") {
                said.reason = text;
            } else if name.eq_ignore_ascii_case(b"source") {
                said.source = Some(text).filter(|text| !text.is_empty());
            }
        }
        Some(said)
    }
}

/// As it stands in a header.
impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.id)?;
        if let Some(source) = &self.source {
            write!(f, ";source=\"{source}\"")?;
        }
        if !self.reason.is_empty() {
            write!(f, ";reason=\"{}\"", self.reason)?;
        }
        Ok(())
    }
}

/// What stands between semicolons, but for those within quotes.
struct Parts<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Parts<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        let mut is_quoted = false;
        let end = self.rest.iter().position(|byte| {
            is_quoted ^= *byte == b'"';
            *byte == b';' && !is_quoted
        });
        let (part, rest) = match end {
            Some(end) => (&self.rest[..end], &self.rest[end + 1..]),
            None => (self.rest, &self.rest[self.rest.len()..]),
        };
        self.rest = rest;
        Some(part)
    }
}

/// Without its quotes, and without anything that a terminal or a header could take for more than text.
fn printable(text: &[u8]) -> String {
    let is_text = |byte: &u8| byte.is_ascii_graphic() || *byte == b' ';
    let kept = text.trim_ascii().iter().filter(|byte| is_text(byte) && !b"\"\\".contains(byte));
    kept.take(TEXT_CHARS_MAX).map(|byte| char::from(*byte)).collect()
}

/// The sentence of an id.
pub fn reason_of(id: u32) -> Option<&'static str> {
    KNOWN.iter().find(|known| known.id == id).map(|known| known.reason)
}

const fn known(id: u32, reason: &'static str) -> Known {
    Known { id, reason }
}

/// The ids that we send, or can tell more of than their own sentence.
pub const KNOWN: &[Known] = &[
    known(0, "Internal error"),
    known(1, "Service unavailable"),
    known(2, "See the response code"),
    known(4, "Not enough bandwidth"),
    known(1000, "Final handshake failed"),
    known(1001, "Sender is not authorized for public IM providers"),
    known(1002, "Sender is not authorized for federated partners"),
    known(1003, "User does not exist"),
    known(1004, "Route set is no longer valid"),
    known(1005, "Cannot route to destination domain"),
    known(1006, "Error routing on client connection"),
    known(1007, "Temporarily cannot route"),
    known(1008, "Unable to resolve DNS SRV record"),
    known(1009, "No match for domain in DNS SRV results"),
    known(1010, "Certificate trust with next-hop server could not be established"),
    known(1011, "Previous hop did not supply a required header"),
    known(1012, "Sender is not authorized to communicate outside the enterprise"),
    known(1013, "Significant time skew detected during authentication"),
    known(1014, "Unable to resolve DNS A record"),
    known(1015, "Cannot route from message source domain"),
    known(1017, "Cannot route From and To domains in this combination"),
    known(1018, "Parsing failure"),
    known(1027, "Cannot route this type of SIP request to or from federated partners"),
    known(1034, "Previous hop federated peer did not report diagnostic information"),
    known(1038, "Failed to connect to a peer server"),
    known(1046, "Failed to connect to a federated peer server"),
    known(1047, "Failed to complete TLS negotiation with a federated peer server"),
    known(4003, "Sender is not enabled for remote access"),
    known(4005, "Destination URI is not enabled for SIP or does not exist"),
    known(13008, "Diagnostics were removed for privacy"),
];

const VALUE_BYTES_MAX: usize = 2048;
const TEXT_CHARS_MAX: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_of_lync_is_read_whatever_else_is_in_it() {
        let text = b"1047;reason=\"Failed to complete TLS negotiation; twice\";fqdn=\"sip.fabrikam.example:5061\";\
            WinsockFailureCode=\"10054(WSAECONNRESET)\";source=\"sip.contoso.example\"";
        let said = Diagnostics::parse(text).unwrap();
        assert_eq!((said.id, &*said.reason), (1047, "Failed to complete TLS negotiation; twice"));
        assert_eq!(said.source.as_deref(), Some("sip.contoso.example"));
        assert_eq!(
            Diagnostics::parse(b"1008.2; Reason = \"x\"").unwrap(),
            Diagnostics { id: 1008, reason: "x".into(), source: None }
        );
        for nothing in [&b""[..], b";reason=\"x\"", b"abc", b"-1", b"99999999999", b"\xff"] {
            assert_eq!(Diagnostics::parse(nothing), None, "{nothing:?}");
        }
    }

    #[test]
    fn what_a_stranger_writes_is_cut_and_cannot_be_more_than_text() {
        let text = format!("1;reason=\"\x1b[31m\u{e9}a\\\"b{}\";source=\"", "x".repeat(500));
        let said = Diagnostics::parse(text.as_bytes()).unwrap();
        assert!(said.reason.starts_with("[31mab") && said.reason.len() <= TEXT_CHARS_MAX, "{}", said.reason);
        assert_eq!(said.source, None);
        assert_eq!(Diagnostics::parse(said.to_string().as_bytes()), Some(said));
    }

    #[test]
    fn what_is_printed_is_read_again() {
        let said = Diagnostics::of(1003, Some("sip.contoso.example"));
        assert_eq!(said.to_string(), "1003;source=\"sip.contoso.example\";reason=\"User does not exist\"");
        assert_eq!(Diagnostics::parse(said.to_string().as_bytes()), Some(said));
        assert_eq!(Diagnostics::of(2, None).to_string(), "2;reason=\"See the response code\"");
    }

    #[test]
    fn each_known_id_is_there_once_in_order() {
        assert!(KNOWN.is_sorted_by(|one, other| one.id < other.id));
        assert!(KNOWN.iter().all(|known| !known.reason.contains(['"', '\\'])));
    }
}
