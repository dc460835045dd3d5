//! Header names: the registry's (RFC 3261 20 and extensions), their compact forms, and whether they may repeat.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! header_names {
    ($($variant:ident $text:literal,)*) => {
        /// A header that we know by name, or `Other`: then its name is only in the message.
        #[derive(Copy, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
        pub enum HeaderName { $($variant,)* Other }

        const NAMES: &[HeaderName] = &[$(HeaderName::$variant,)*];
        const TEXTS: &[&str] = &[$($text,)*];
    };
}

header_names! {
    Via "Via",
    From "From",
    To "To",
    CallId "Call-ID",
    CSeq "CSeq",
    Contact "Contact",
    MaxForwards "Max-Forwards",
    Route "Route",
    RecordRoute "Record-Route",
    Path "Path",
    ServiceRoute "Service-Route",
    Expires "Expires",
    MinExpires "Min-Expires",
    ContentLength "Content-Length",
    ContentType "Content-Type",
    Authorization "Authorization",
    ProxyAuthorization "Proxy-Authorization",
    WwwAuthenticate "WWW-Authenticate",
    ProxyAuthenticate "Proxy-Authenticate",
    Require "Require",
    ProxyRequire "Proxy-Require",
    Supported "Supported",
    Unsupported "Unsupported",
    Allow "Allow",
    Event "Event",
    SubscriptionState "Subscription-State",
    UserAgent "User-Agent",
    Server "Server",
    Warning "Warning",
    Reason "Reason",
    RetryAfter "Retry-After",
    Date "Date",
    PAssertedIdentity "P-Asserted-Identity",
    PPreferredIdentity "P-Preferred-Identity",
    Privacy "Privacy",
    Replaces "Replaces",
    ReferTo "Refer-To",
    ReferredBy "Referred-By",
    SessionExpires "Session-Expires",
    MinSe "Min-SE",
    Accept "Accept",
    ContentEncoding "Content-Encoding",
    ContentDisposition "Content-Disposition",
    AcceptContact "Accept-Contact",
    AcceptEncoding "Accept-Encoding",
    AcceptLanguage "Accept-Language",
    AcceptResourcePriority "Accept-Resource-Priority",
    AlertInfo "Alert-Info",
    AllowEvents "Allow-Events",
    AuthenticationInfo "Authentication-Info",
    CallInfo "Call-Info",
    ContentLanguage "Content-Language",
    Diversion "Diversion",
    ErrorInfo "Error-Info",
    FeatureCaps "Feature-Caps",
    FlowTimer "Flow-Timer",
    HistoryInfo "History-Info",
    Identity "Identity",
    IdentityInfo "Identity-Info",
    InfoPackage "Info-Package",
    InReplyTo "In-Reply-To",
    Join "Join",
    MaxBreadth "Max-Breadth",
    MimeVersion "MIME-Version",
    Organization "Organization",
    Priority "Priority",
    ProxyAuthenticationInfo "Proxy-Authentication-Info",
    RAck "RAck",
    RecvInfo "Recv-Info",
    ReferSub "Refer-Sub",
    RejectContact "Reject-Contact",
    ReplyTo "Reply-To",
    RequestDisposition "Request-Disposition",
    ResourcePriority "Resource-Priority",
    RSeq "RSeq",
    SessionId "Session-ID",
    SipETag "SIP-ETag",
    SipIfMatch "SIP-If-Match",
    Subject "Subject",
    SuppressIfMatch "Suppress-If-Match",
    TargetDialog "Target-Dialog",
    Timestamp "Timestamp",
    UserToUser "User-to-User",
}

impl HeaderName {
    /// The registry's spelling; `None` for `Other`.
    pub fn canonical(self) -> Option<&'static str> {
        TEXTS.get(self as usize).copied()
    }

    /// Any case, long or compact (RFC 3261 7.3.3, the IANA registry).
    pub fn parse(name: &[u8]) -> HeaderName {
        match name {
            [] => HeaderName::Other,
            [letter] => HeaderName::from_compact(letter.to_ascii_lowercase()),
            _ => HeaderName::from_long(name),
        }
    }

    /// A header that a reader takes one value of: two of them are two messages in one (RFC 3261 7.3.1).
    /// Only those that a decision may read; a second Subject harms nobody.
    pub fn is_singleton(self) -> bool {
        use HeaderName::*;
        matches!(
            self,
            From | To
                | CallId
                | CSeq
                | MaxForwards
                | Expires
                | MinExpires
                | ContentLength
                | ContentType
                | ContentDisposition
                | Date
                | Event
                | SubscriptionState
                | Join
                | Replaces
                | TargetDialog
                | ReferTo
                | ReferredBy
                | ReferSub
                | SessionExpires
                | MinSe
                | RetryAfter
                | RAck
                | RSeq
                | SipETag
                | SipIfMatch
                | SuppressIfMatch
                | InfoPackage
                | MaxBreadth
                | MimeVersion
                | FlowTimer
        )
    }

    fn from_compact(letter: u8) -> HeaderName {
        match letter {
            b'a' => HeaderName::AcceptContact,
            b'b' => HeaderName::ReferredBy,
            b'c' => HeaderName::ContentType,
            b'd' => HeaderName::RequestDisposition,
            b'e' => HeaderName::ContentEncoding,
            b'f' => HeaderName::From,
            b'i' => HeaderName::CallId,
            b'j' => HeaderName::RejectContact,
            b'k' => HeaderName::Supported,
            b'l' => HeaderName::ContentLength,
            b'm' => HeaderName::Contact,
            b'n' => HeaderName::IdentityInfo,
            b'o' => HeaderName::Event,
            b'r' => HeaderName::ReferTo,
            b's' => HeaderName::Subject,
            b't' => HeaderName::To,
            b'u' => HeaderName::AllowEvents,
            b'v' => HeaderName::Via,
            b'x' => HeaderName::SessionExpires,
            b'y' => HeaderName::Identity,
            _ => HeaderName::Other,
        }
    }

    fn from_long(name: &[u8]) -> HeaderName {
        let mut slot = hash(name);
        while SLOTS[slot] != EMPTY {
            let found = SLOTS[slot] as usize;
            let text = TEXTS[found].as_bytes();
            // Most senders spell as the registry does, and comparing so is cheaper.
            if text == name || text.eq_ignore_ascii_case(name) {
                return NAMES[found];
            }
            slot = (slot + 1) % SLOTS.len();
        }
        HeaderName::Other
    }
}

impl fmt::Display for HeaderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.canonical().unwrap_or("extension header"))
    }
}

const EMPTY: u8 = u8::MAX;

/// Open addressing, built by the compiler: names are looked up once for each header of each message.
static SLOTS: [u8; 256] = index_names();

const fn index_names() -> [u8; 256] {
    let mut slots = [EMPTY; 256];
    let mut index = 0;
    while index < TEXTS.len() {
        let mut slot = hash(TEXTS[index].as_bytes());
        while slots[slot] != EMPTY {
            slot = (slot + 1) % slots.len();
        }
        slots[slot] = index as u8;
        index += 1;
    }
    slots
}

/// The case bit is set in every byte read, so case makes no difference. `name` is not empty.
const fn hash(name: &[u8]) -> usize {
    let first = (name[0] | 0x20) as usize;
    let middle = (name[name.len() / 2] | 0x20) as usize;
    let last = (name[name.len() - 1] | 0x20) as usize;
    (first * 3 + middle * 37 + last * 101 + name.len() * 13) % 256
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_in_any_case() {
        for (name, text) in NAMES.iter().zip(TEXTS) {
            for spelling in [text.to_string(), text.to_uppercase(), text.to_lowercase()] {
                assert_eq!(HeaderName::parse(spelling.as_bytes()), *name, "{spelling}");
            }
            assert_eq!(name.canonical(), Some(*text));
        }
    }

    #[test]
    fn compact_forms_and_strangers() {
        assert_eq!(HeaderName::parse(b"V"), HeaderName::Via);
        assert_eq!(HeaderName::parse(b"l"), HeaderName::ContentLength);
        assert_eq!(HeaderName::parse(b"o"), HeaderName::Event);
        for other in [&b""[..], b"z", b"X-Via", b"Vi", b"Content-Lengt", b"Content-Length2"] {
            assert_eq!(HeaderName::parse(other), HeaderName::Other);
        }
        assert_eq!(HeaderName::Other.canonical(), None);
    }

    #[test]
    fn probes_are_short() {
        let longest = NAMES.iter().zip(TEXTS).map(|(name, text)| {
            let home = hash(text.as_bytes());
            (0..256).find(|step| SLOTS[(home + step) % 256] == *name as u8).expect("it is in the table")
        });
        assert!(longest.max() <= Some(8));
    }
}
