//! Loops (RFC 5393 section 4): a request that comes back to a proxy which sent it on before, with nothing changed by which the
//! proxy chose its way, will go that way again. The second part of each branch of ours says by what the way was chosen.
//!
//! It is no secret and proves nothing: whoever makes one up has his own request refused.

use crate::message::Message;
use crate::uri::Uri;

/// What a request was like as it came to a proxy, as far as it decides where that sends it. Of two alike the second is a loop;
/// else it is a spiral, which is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoutingMark(u64);

impl RoutingMark {
    /// Of a request as it came in. `side` tells the sides of a proxy apart that passes a request twice, such as an edge to its
    /// home and out again; `routes` are those that name the proxy, and count since they lead on.
    ///
    /// Parameters of the Request-URI do not count: what comes back through others has new ones, and the same user.
    pub fn of<'a>(request: &Message, side: u8, routes: impl Iterator<Item = &'a str>) -> RoutingMark {
        let mut hash = Hash::new().part(&[side]);
        let uri = request.request_uri().unwrap_or_default();
        hash = match Uri::parse(uri) {
            Ok(uri) => hash.part(uri.user().unwrap_or_default().as_bytes()).part(uri.host_lowercase().as_bytes()),
            Err(_) => hash.part(uri.as_bytes()),
        };
        for route in routes {
            hash = hash.part(route.as_bytes());
        }
        let cseq = request.cseq().ok();
        hash = hash.part(request.call_id().unwrap_or_default().as_bytes());
        hash = hash.part(&cseq.as_ref().map_or(0, |cseq| cseq.number).to_be_bytes());
        hash = hash.part(cseq.as_ref().map_or("", |cseq| cseq.method.as_str()).as_bytes());
        for address in [request.from(), request.to()].into_iter().flatten() {
            hash = hash.part(address.tag().unwrap_or_default().as_bytes());
        }
        RoutingMark(hash.0)
    }

    /// A branch with this mark as its second part.
    pub fn branch(self, first: &str) -> String {
        format!("{first}{SEPARATOR}{:016x}", self.0)
    }

    /// The two parts of such a branch; of another one the whole is the first.
    pub fn split(branch: &str) -> (&str, Option<RoutingMark>) {
        let parts = branch.rsplit_once(SEPARATOR);
        let read = parts.and_then(|(first, mark)| Some((first, u64::from_str_radix(mark, 16).ok()?)));
        read.map_or((branch, None), |(first, mark)| (first, Some(RoutingMark(mark))))
    }
}

/// FNV-1a, each part followed by what no text has in it.
struct Hash(u64);

impl Hash {
    fn new() -> Hash {
        Hash(0xcbf2_9ce4_8422_2325)
    }

    fn part(self, bytes: &[u8]) -> Hash {
        bytes
            .iter()
            .chain([&0xff])
            .fold(self, |Hash(hash), byte| Hash((hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)))
    }
}

/// A character that a token may have in it (RFC 3261 section 25.1), and no number of ours has.
const SEPARATOR: char = '~';

#[cfg(test)]
mod tests {
    use super::*;

    const WAY: &str = "MESSAGE sip:bob@fabrikam.example";

    fn request(start: &str, headers: &str) -> Message {
        let method = start.split(' ').next().expect("a method");
        let text = format!(
            "{start} SIP/2.0\r\nVia: SIP/2.0/TLS a.example;branch=z9hG4bK1\r\nFrom: <sip:alice@contoso.example>;tag=a\r\n\
             To: <sip:bob@fabrikam.example>\r\nCSeq: 1 {method}\r\n{headers}Content-Length: 0\r\n\r\n"
        );
        Message::parse(text.into()).expect("a request")
    }

    fn mark(start: &str, headers: &str, side: u8, routes: &[&str]) -> RoutingMark {
        RoutingMark::of(&request(start, headers), side, routes.iter().copied())
    }

    #[test]
    fn what_decides_about_the_way_counts() {
        let call = "Call-ID: c1\r\n";
        let first = mark(WAY, call, 0, &["token"]);
        for (start, headers, side, routes) in [
            ("MESSAGE sip:carol@fabrikam.example", call, 0, &["token"][..]),
            ("MESSAGE sip:bob@northwind.example", call, 0, &["token"]),
            ("INVITE sip:bob@fabrikam.example", call, 0, &["token"]),
            (WAY, "Call-ID: c2\r\n", 0, &["token"]),
            (WAY, call, 1, &["token"]),
            (WAY, call, 0, &["other"]),
            (WAY, call, 0, &[]),
        ] {
            assert_ne!(mark(start, headers, side, routes), first, "{start} {headers} {side} {routes:?}");
        }
    }

    #[test]
    fn what_each_hop_changes_does_not() {
        let first = mark(WAY, "Call-ID: c1\r\nMax-Forwards: 70\r\n", 0, &[]);
        let start = "MESSAGE sip:bob@Fabrikam.Example;transport=tls";
        let headers =
            "Call-ID: c1\r\nMax-Forwards: 9\r\nVia: SIP/2.0/TLS b.example;branch=z9hG4bK2\r\nMax-Breadth: 5\r\n";
        assert_eq!(mark(start, headers, 0, &[]), first);
    }

    #[test]
    fn a_branch_has_two_parts_and_others_have_one() {
        let mark = mark(WAY, "Call-ID: c1\r\n", 0, &[]);
        assert_eq!(RoutingMark::split(&mark.branch("z9hG4bKabc")), ("z9hG4bKabc", Some(mark)));
        for branch in ["z9hG4bKabc", "z9hG4bK~", "z9hG4bK~not-a-number", ""] {
            assert_eq!(RoutingMark::split(branch), (branch, None));
        }
    }
}
