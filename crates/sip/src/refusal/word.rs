//! The public words of refusals: one table for the whole house, since a peer reads the same word whichever room said no.
//!
//! A word that is not here cannot be said. The reference page is written from this table.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Whose requests a word answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    Partners,
    /// Our own, and whoever says to be one.
    Users,
    Both,
}

macro_rules! words {
    ($($name:ident $text:literal $statuses:expr, $told:ident, $room:literal;)+) => {
        /// One generic word such as `domain-not-allowed`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Word {
            $(#[serde(rename = $text)] $name,)+
        }

        impl Word {
            /// Every word, in the order of a request's way.
            pub const ALL: &[Word] = &[$(Word::$name,)+];

            /// As it stands on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Word::$name => $text,)+ }
            }

            /// The statuses that it comes with: of SIP, and of HTTP where a WebSocket is opened.
            pub const fn statuses(self) -> &'static [u16] {
                match self { $(Word::$name => &$statuses,)+ }
            }

            pub const fn told(self) -> Told {
                match self { $(Word::$name => Told::$told,)+ }
            }

            /// Which part of the work says it, as the rest of "comes from".
            pub const fn room(self) -> &'static str {
                match self { $(Word::$name => $room,)+ }
            }
        }
    };
}

words! {
    MalformedRequest       "malformed-request"       [400, 414, 505], Both,     "reading the request";
    MessageTooLarge        "message-too-large"       [413, 513],      Both,     "reading the request";
    TooManyHops            "too-many-hops"           [483],           Both,     "reading the request";
    LoopDetected           "loop-detected"           [482],           Both,     "reading the request";
    BreadthUsedUp          "breadth-used-up"         [440],           Both,     "sending the request on";
    OriginNotAllowed       "origin-not-allowed"      [403],           Users,    "opening a WebSocket";
    Overloaded             "overloaded"              [503],           Both,     "the server's limits";
    Draining               "draining"                [503],           Both,     "the server's end";
    NoAnswer               "no-answer"               [504],           Both,     "what a decision waits for";
    MixedTraffic           "mixed-traffic"           [403],           Both,     "admission";
    CertificateMissing     "certificate-missing"     [403],           Partners, "admission";
    CertificateUntrusted   "certificate-untrusted"   [403],           Partners, "admission";
    CertificateExpired     "certificate-expired"     [403],           Partners, "admission";
    CertificateRevoked     "certificate-revoked"     [403],           Partners, "admission";
    CertificatePurpose     "certificate-purpose"     [403],           Partners, "admission";
    CertificateName        "certificate-name"        [403],           Partners, "admission";
    CertificatePinChanged  "certificate-pin-changed" [403],           Partners, "admission";
    EdgeNotReady           "edge-not-ready"          [503],           Both,     "the partner list";
    FederationOff          "federation-off"          [403],           Both,     "the partner list";
    DomainBlocked          "domain-blocked"          [403],           Both,     "the partner list";
    DomainNotAllowed       "domain-not-allowed"      [403],           Both,     "the partner list";
    LookAlike              "look-alike"              [403],           Partners, "the ledger of discovered partners";
    RateLimited            "rate-limited"            [503],           Partners, "the ledger of discovered partners";
    Unanswered             "unanswered"              [403],           Partners, "the ledger of discovered partners";
    ConsentNeeded          "consent-needed"          [403],           Partners, "the external access policies";
    SourceUnverified       "source-unverified"       [403],           Partners, "admission and the external access policies";
    FederationNotForUser   "federation-not-for-user" [403],           Both,     "the external access policies";
    PartnerNotForUser      "partner-not-for-user"    [403],           Both,     "the external access policies";
    OutsideNotForUser      "outside-not-for-user"    [403],           Users,    "the external access policies";
    ModalityNotAllowed     "modality-not-allowed"    [403],           Both,     "the external access policies";
    DomainNotServed        "domain-not-served"       [403],           Both,     "admission";
    AuthenticationRequired "authentication-required" [401, 403, 407], Users,    "admission";
    AuthenticationFailed   "authentication-failed"   [401, 407],      Users,    "admission";
    TooManyGuesses         "too-many-guesses"        [503],           Users,    "admission";
    IdentityMismatch       "identity-mismatch"       [403],           Both,     "admission";
    AnonymityDisallowed    "anonymity-disallowed"    [433],           Both,     "admission";
    NoUsersHere            "no-users-here"           [403],           Users,    "admission";
    NotTheEdge             "not-the-edge"            [403],           Partners, "admission";
    NotInside              "not-inside"              [403],           Users,    "admission";
    NotVouched             "not-vouched"             [403],           Users,    "admission";
    RelayDenied            "relay-denied"            [403],           Both,     "admission and routing";
    MethodNotAllowed       "method-not-allowed"      [405, 501],      Both,     "routing";
    SchemeUnsupported      "scheme-unsupported"      [416],           Both,     "admission and routing";
    EventUnknown           "event-unknown"           [489],           Both,     "routing and presence";
    FlowFailed             "flow-failed"             [430, 481],      Both,     "routing";
    RouteMissing           "route-missing"           [481],           Users,    "routing";
    DialogUnknown          "dialog-unknown"          [481],           Both,     "a session of ours";
    ExtensionUnsupported   "extension-unsupported"   [420],           Both,     "routing and a session of ours";
    OffersCross            "offers-cross"            [491, 500],      Both,     "a session of ours";
    UserUnknown            "user-unknown"            [404],           Both,     "finding the user and the external access policies";
    UserUnavailable        "user-unavailable"        [480],           Partners, "finding the user and the external access policies";
    UserOffline            "user-offline"            [480],           Both,     "finding the user";
    NoSecureWay            "no-secure-way"           [480],           Both,     "finding the user";
    MailboxFull            "mailbox-full"            [486],           Both,     "storing a message";
    NotStored              "not-stored"              [500],           Both,     "storing a message";
    MeetingUnknown         "meeting-unknown"         [404],           Both,     "finding the meeting";
    MeetingNotOpen         "meeting-not-open"        [480],           Both,     "a meeting";
    MeetingOver            "meeting-over"            [404],           Both,     "a meeting";
    MeetingLocked          "meeting-locked"          [403],           Both,     "a meeting";
    MeetingClosed          "meeting-closed"          [403],           Both,     "a meeting";
    MeetingFull            "meeting-full"            [486],           Both,     "a meeting";
    TooManyMeetings        "too-many-meetings"       [480],           Users,    "a meeting";
    NotInMeeting           "not-in-meeting"          [403, 404],      Both,     "a meeting";
    TooManyMessages        "too-many-messages"       [480],           Both,     "a meeting";
    NotPresenter           "not-presenter"           [403],           Both,     "a meeting";
    MediaUnacceptable      "media-unacceptable"      [488],           Both,     "offers of sound";
    NoMedia                "no-media"                [503],           Both,     "offers of sound";
    IntervalTooBrief       "interval-too-brief"      [423],           Both,     "the registrar and presence";
    TooManyBindings        "too-many-bindings"       [503],           Users,    "the registrar";
    OutboundUnsupported    "outbound-unsupported"    [439],           Users,    "the registrar";
    OutOfOrder             "out-of-order"            [500],           Both,     "the registrar and presence";
    PresenceDenied         "presence-denied"         [403],           Both,     "presence";
    MediaTypeUnsupported   "media-type-unsupported"  [406, 415],      Both,     "presence, meetings and bodies across the border";
    PublicationUnknown     "publication-unknown"     [412],           Users,    "presence";
    SubscriptionUnknown    "subscription-unknown"    [481],           Both,     "presence";
    TooManyPublications    "too-many-publications"   [503],           Users,    "presence";
    TooManyWatchers        "too-many-watchers"       [486],           Both,     "presence";
    TooManySubscriptions   "too-many-subscriptions"  [480],           Both,     "presence and meetings";
    NoRoute                "no-route"                [404, 504],      Users,    "the way to the partner";
    PartnerUnreachable     "partner-unreachable"     [504],           Users,    "the way to the partner";
    PartnerCertificate     "partner-certificate"     [502],           Users,    "the way to the partner";
    InsideUnreachable      "inside-unreachable"      [504],           Both,     "the way between edge and home";
    PartnerOverloaded      "partner-overloaded"      [500],           Users,    "the way to the partner";
    PartnerSilent          "partner-silent"          [408],           Users,    "the way to the partner";
}

impl Word {
    /// The word with this text, if it is one of ours.
    pub fn named(text: &str) -> Option<Word> {
        Word::ALL.iter().copied().find(|word| word.as_str() == text)
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl PartialEq<&str> for Word {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_has_one_text_that_leads_back_to_it() {
        for word in Word::ALL {
            assert_eq!(Word::named(word.as_str()), Some(*word));
            assert!(word.as_str().bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{word}");
            assert!(word.statuses().iter().all(|status| (400..700).contains(status)), "{word}");
        }
        assert_eq!(Word::named("no-such-word"), None);
    }
}
