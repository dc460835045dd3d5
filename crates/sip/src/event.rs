//! The headers of event packages: Event and Subscription-State (RFC 6665 section 8.2), SIP-ETag and SIP-If-Match
//! (RFC 3903 section 11.3).

use std::fmt;

use crate::header::grammar::{Params, check_params, is_token, params, trim_bytes};
use crate::{HeaderName, Message, ParseError};

/// Which events a subscription or a publication is about. Compared byte by byte (RFC 6665 section 8.2.1).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventHeader {
    /// With its templates: `presence`, `presence.winfo`.
    pub package: String,
    /// Tells the subscriptions of one dialog apart.
    pub id: Option<String>,
}

/// What a NOTIFY says about its subscription. Times in seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubscriptionState {
    Active { expires_secs: Option<u32> },
    Pending { expires_secs: Option<u32> },
    Terminated { reason: Option<TerminationReason> },
}

/// Why a subscription ended (RFC 6665 section 4.1.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TerminationReason {
    Deactivated,
    Probation,
    Rejected,
    Timeout,
    Giveup,
    Noresource,
    Invariant,
    Other(String),
}

impl EventHeader {
    /// The package alone, without an id.
    pub fn new(package: &str) -> EventHeader {
        EventHeader { package: package.to_owned(), id: None }
    }

    /// # Errors
    /// The package is no list of tokens with dots between, or the parameters are none.
    pub fn parse(value: &[u8]) -> Result<EventHeader, ParseError> {
        let (package, parameters) = split(value, HeaderName::Event)?;
        if !package.split('.').all(|token| is_token(token.as_bytes())) {
            return Err(ParseError::Malformed(HeaderName::Event));
        }
        let id = match parameters.get("id") {
            Some(Some(id)) if is_token(id.as_bytes()) => Some(id.to_owned()),
            Some(_) => return Err(ParseError::Malformed(HeaderName::Event)),
            None => None,
        };
        Ok(EventHeader { package: package.to_owned(), id })
    }
}

impl fmt::Display for EventHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.package)?;
        match &self.id {
            Some(id) => write!(f, ";id={id}"),
            None => Ok(()),
        }
    }
}

impl SubscriptionState {
    /// # Errors
    /// Another state than the three of RFC 6665, or an `expires` that is no number of seconds.
    pub fn parse(value: &[u8]) -> Result<SubscriptionState, ParseError> {
        let (state, parameters) = split(value, HeaderName::SubscriptionState)?;
        let expires_secs = match parameters.clone().get("expires") {
            Some(text) => Some(text.and_then(|text| text.parse().ok()).ok_or(MALFORMED_STATE)?),
            None => None,
        };
        match state.to_ascii_lowercase().as_str() {
            "active" => Ok(SubscriptionState::Active { expires_secs }),
            "pending" => Ok(SubscriptionState::Pending { expires_secs }),
            "terminated" => {
                // A token (section 8.2.3); what is none is no reason that anybody knows.
                let reason = parameters.get("reason").flatten().filter(|text| is_token(text.as_bytes()));
                let reason = reason.map(TerminationReason::named);
                Ok(SubscriptionState::Terminated { reason })
            }
            _ => Err(MALFORMED_STATE),
        }
    }
}

impl fmt::Display for SubscriptionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (state, expires_secs) = match self {
            SubscriptionState::Active { expires_secs } => ("active", expires_secs),
            SubscriptionState::Pending { expires_secs } => ("pending", expires_secs),
            SubscriptionState::Terminated { reason: Some(reason) } => {
                return write!(f, "terminated;reason={}", reason.as_str());
            }
            SubscriptionState::Terminated { reason: None } => return f.write_str("terminated"),
        };
        f.write_str(state)?;
        match expires_secs {
            Some(secs) => write!(f, ";expires={secs}"),
            None => Ok(()),
        }
    }
}

impl TerminationReason {
    pub fn as_str(&self) -> &str {
        match self {
            TerminationReason::Deactivated => "deactivated",
            TerminationReason::Probation => "probation",
            TerminationReason::Rejected => "rejected",
            TerminationReason::Timeout => "timeout",
            TerminationReason::Giveup => "giveup",
            TerminationReason::Noresource => "noresource",
            TerminationReason::Invariant => "invariant",
            TerminationReason::Other(text) => text,
        }
    }

    fn named(text: &str) -> TerminationReason {
        use TerminationReason::*;
        [Deactivated, Probation, Rejected, Timeout, Giveup, Noresource, Invariant]
            .into_iter()
            .find(|reason| reason.as_str().eq_ignore_ascii_case(text))
            .unwrap_or_else(|| Other(text.to_owned()))
    }
}

impl Message {
    /// `None`: no such header.
    pub fn event(&self) -> Result<Option<EventHeader>, ParseError> {
        self.header(HeaderName::Event).map(EventHeader::parse).transpose()
    }

    /// `None`: no such header.
    pub fn subscription_state(&self) -> Result<Option<SubscriptionState>, ParseError> {
        self.header(HeaderName::SubscriptionState).map(SubscriptionState::parse).transpose()
    }

    /// The entity-tag that a publication was given.
    pub fn sip_etag(&self) -> Result<Option<&str>, ParseError> {
        self.entity_tag(HeaderName::SipETag)
    }

    /// The entity-tag of the publication that is meant.
    pub fn sip_if_match(&self) -> Result<Option<&str>, ParseError> {
        self.entity_tag(HeaderName::SipIfMatch)
    }

    fn entity_tag(&self, name: HeaderName) -> Result<Option<&str>, ParseError> {
        let Some(value) = self.header(name).map(trim_bytes) else { return Ok(None) };
        match std::str::from_utf8(value) {
            Ok(tag) if is_token(value) => Ok(Some(tag)),
            _ => Err(ParseError::Malformed(name)),
        }
    }
}

/// The first word, and the parameters after it, all of which are well formed.
fn split(value: &[u8], name: HeaderName) -> Result<(&str, Params<'_>), ParseError> {
    let text = std::str::from_utf8(trim_bytes(value)).map_err(|_| ParseError::Malformed(name))?;
    let (word, rest) = text.split_at(text.find(';').unwrap_or(text.len()));
    match check_params(rest, &["id", "expires", "reason"]) {
        true => Ok((word.trim_end(), params(rest))),
        false => Err(ParseError::Malformed(name)),
    }
}

const MALFORMED_STATE: ParseError = ParseError::Malformed(HeaderName::SubscriptionState);

#[cfg(test)]
mod tests {
    use super::*;

    fn message(headers: &str) -> Message {
        let text = format!("PUBLISH sip:a@b SIP/2.0\r\n{headers}\r\n\r\n");
        Message::parse(text.into_bytes().into()).expect("a message")
    }

    #[test]
    fn events_are_read_in_both_forms_and_printed_as_they_were() {
        assert_eq!(message("Event: presence").event(), Ok(Some(EventHeader::new("presence"))));
        let with_id = EventHeader { package: "presence.winfo".to_owned(), id: Some("7a".to_owned()) };
        assert_eq!(message("o: presence.winfo ; x=1; ID=7a").event(), Ok(Some(with_id.clone())));
        assert_eq!(EventHeader::parse(with_id.to_string().as_bytes()), Ok(with_id));
        assert_eq!(message("X: 1").event(), Ok(None));
    }

    #[test]
    fn what_is_no_event_is_refused() {
        for bad in ["", "presence.", ".presence", "a b", "presence;id", "presence;id=", "presence;id=1;id=2", "p;\"x"] {
            let found = EventHeader::parse(bad.as_bytes());
            assert_eq!(found, Err(ParseError::Malformed(HeaderName::Event)), "{bad}");
        }
    }

    #[test]
    fn states_printed_and_read_back_are_the_same() {
        let timeout = SubscriptionState::Terminated { reason: Some(TerminationReason::Timeout) };
        let other = SubscriptionState::Terminated { reason: Some(TerminationReason::Other("gone".to_owned())) };
        for (state, printed) in [
            (SubscriptionState::Active { expires_secs: Some(60) }, "active;expires=60"),
            (SubscriptionState::Active { expires_secs: None }, "active"),
            (SubscriptionState::Pending { expires_secs: Some(5) }, "pending;expires=5"),
            (timeout.clone(), "terminated;reason=timeout"),
            (other, "terminated;reason=gone"),
            (SubscriptionState::Terminated { reason: None }, "terminated"),
        ] {
            assert_eq!(state.to_string(), printed);
            let read = message(&format!("Subscription-State: {printed}")).subscription_state();
            assert_eq!(read, Ok(Some(state)));
        }
        assert_eq!(SubscriptionState::parse(b"TERMINATED ; reason = TimeOut;retry-after=3"), Ok(timeout));
        for no_token in ["terminated;reason=\"\"", "terminated;reason=\"a b\""] {
            let none = SubscriptionState::Terminated { reason: None };
            assert_eq!(SubscriptionState::parse(no_token.as_bytes()), Ok(none), "{no_token}");
        }
        for bad in ["", "waiting", "active;expires=soon", "active;expires", "active expires=3"] {
            assert_eq!(SubscriptionState::parse(bad.as_bytes()), Err(MALFORMED_STATE), "{bad}");
        }
    }

    #[test]
    fn entity_tags_are_tokens() {
        let both = message("SIP-ETag: dx200xyz\r\nSIP-If-Match:  a-1 ");
        assert_eq!((both.sip_etag(), both.sip_if_match()), (Ok(Some("dx200xyz")), Ok(Some("a-1"))));
        assert_eq!(message("X: 1").sip_if_match(), Ok(None));
        let malformed = Err(ParseError::Malformed(HeaderName::SipIfMatch));
        assert_eq!(message("SIP-If-Match: *a \"b\"").sip_if_match(), malformed);
    }
}
