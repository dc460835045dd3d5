//! Methods (RFC 3261 7.1 and extensions): case-sensitive tokens.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{ParseError, header::grammar::is_token};

#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Method {
    Invite,
    Ack,
    Bye,
    Cancel,
    Register,
    Options,
    Message,
    Subscribe,
    Notify,
    Publish,
    Refer,
    Info,
    Update,
    Prack,
    Other(Box<str>),
}

impl Method {
    pub fn as_str(&self) -> &str {
        match self {
            Method::Invite => "INVITE",
            Method::Ack => "ACK",
            Method::Bye => "BYE",
            Method::Cancel => "CANCEL",
            Method::Register => "REGISTER",
            Method::Options => "OPTIONS",
            Method::Message => "MESSAGE",
            Method::Subscribe => "SUBSCRIBE",
            Method::Notify => "NOTIFY",
            Method::Publish => "PUBLISH",
            Method::Refer => "REFER",
            Method::Info => "INFO",
            Method::Update => "UPDATE",
            Method::Prack => "PRACK",
            Method::Other(text) => text,
        }
    }

    /// `invite` is not INVITE: it is another method (RFC 3261 7.1). Fails on what is no token.
    pub fn parse(bytes: &[u8]) -> Result<Method, ParseError> {
        Ok(match bytes {
            b"INVITE" => Method::Invite,
            b"ACK" => Method::Ack,
            b"BYE" => Method::Bye,
            b"CANCEL" => Method::Cancel,
            b"REGISTER" => Method::Register,
            b"OPTIONS" => Method::Options,
            b"MESSAGE" => Method::Message,
            b"SUBSCRIBE" => Method::Subscribe,
            b"NOTIFY" => Method::Notify,
            b"PUBLISH" => Method::Publish,
            b"REFER" => Method::Refer,
            b"INFO" => Method::Info,
            b"UPDATE" => Method::Update,
            b"PRACK" => Method::Prack,
            other if is_token(other) => {
                let text = std::str::from_utf8(other).expect("a token is ASCII");
                Method::Other(text.into())
            }
            _ => return Err(ParseError::Invalid("method")),
        })
    }

    /// Whether a request of this method outside a dialog can create one (RFC 3261 12.1, 6665, 3515).
    pub fn forms_dialog(&self) -> bool {
        matches!(self, Method::Invite | Method::Subscribe | Method::Refer | Method::Notify)
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_case_sensitive_tokens() {
        assert_eq!(Method::parse(b"INVITE"), Ok(Method::Invite));
        assert_eq!(Method::parse(b"invite"), Ok(Method::Other("invite".into())));
        // RFC 4475 3.1.1.2
        let wide = b"!interesting-Method0123456789_*+`.%indeed'~";
        assert_eq!(Method::parse(wide).expect("a token").as_str().as_bytes(), wide);
        for bad in [&b""[..], b"A B", b"A\r", b"B\xc3\xa9"] {
            assert!(Method::parse(bad).is_err());
        }
    }
}
