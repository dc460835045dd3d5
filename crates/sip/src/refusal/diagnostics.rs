//! Which id of `ms-diagnostics` goes with which public word: one table, from which the reference page is written too.

use super::Word;
use crate::diagnostics;

impl Word {
    /// The id of MS-OCER, as our own users are told and the inside; what it says no more of than the status says is
    /// [`SEE_STATUS`].
    pub const fn diagnostics_id(self) -> u32 {
        use Word::*;
        match self {
            Overloaded | Draining | EdgeNotReady | RateLimited | NotStored | NoMedia | PartnerOverloaded => 1,
            AuthenticationFailed => 1000,
            PartnerNotForUser => 1002,
            UserUnknown => 1003,
            FlowFailed => 1004,
            DomainBlocked | DomainNotAllowed => 1005,
            NoAnswer | PartnerSilent => 1007,
            NoRoute => 1008,
            CertificateMissing
            | CertificateUntrusted
            | CertificateExpired
            | CertificateRevoked
            | CertificatePurpose
            | CertificateName
            | CertificatePinChanged
            | PartnerCertificate
            | NotInside => 1010,
            FederationNotForUser => 1012,
            LookAlike | SourceUnverified | Unanswered | ConsentNeeded => 1015,
            RelayDenied | NotVouched => 1017,
            MalformedRequest => 1018,
            FederationOff | ModalityNotAllowed | MixedTraffic => 1027,
            InsideUnreachable => 1038,
            OutsideNotForUser => 4003,
            PartnerUnreachable => 1046,
            MessageTooLarge
            | TooManyHops
            | LoopDetected
            | BreadthUsedUp
            | OriginNotAllowed
            | DomainNotServed
            | AuthenticationRequired
            | TooManyGuesses
            | IdentityMismatch
            | AnonymityDisallowed
            | NoUsersHere
            | NotTheEdge
            | MethodNotAllowed
            | SchemeUnsupported
            | EventUnknown
            | DialogUnknown
            | RouteMissing
            | ExtensionUnsupported
            | OffersCross
            | UserUnavailable
            | UserOffline
            | NoSecureWay
            | MailboxFull
            | MeetingUnknown
            | MeetingNotOpen
            | MeetingOver
            | MeetingLocked
            | MeetingClosed
            | MeetingFull
            | TooManyMeetings
            | NotInMeeting
            | TooManyMessages
            | NotPresenter
            | MediaUnacceptable
            | IntervalTooBrief
            | TooManyBindings
            | OutboundUnsupported
            | OutOfOrder
            | PresenceDenied
            | MediaTypeUnsupported
            | PublicationUnknown
            | SubscriptionUnknown
            | TooManyPublications
            | TooManyWatchers
            | TooManySubscriptions => SEE_STATUS,
        }
    }

    /// The same as partners are told: of them it is the source that we do not route from.
    pub const fn public_diagnostics_id(self) -> u32 {
        match self {
            Word::DomainBlocked | Word::DomainNotAllowed => 1015,
            _ => self.diagnostics_id(),
        }
    }
}

/// "See the response code".
pub const SEE_STATUS: u32 = 2;
/// More exact than the word: a name without an address.
pub const NO_ADDRESS: u32 = 1014;
/// More exact than the word: TLS with the partner's server failed.
pub const TLS_FAILED: u32 = 1047;

/// Checked where it is compiled: each id that we send has its sentence.
const _: () = {
    let mut at = 0;
    while at < Word::ALL.len() {
        assert!(is_known(Word::ALL[at].diagnostics_id()) && is_known(Word::ALL[at].public_diagnostics_id()));
        at += 1;
    }
    assert!(is_known(NO_ADDRESS) && is_known(TLS_FAILED));
};

const fn is_known(id: u32) -> bool {
    let mut at = 0;
    while at < diagnostics::KNOWN.len() {
        if diagnostics::KNOWN[at].id == id {
            return true;
        }
        at += 1;
    }
    false
}
