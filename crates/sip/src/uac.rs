//! Requests as a user agent client means them (RFC 3261 section 8.1): what stays the same when one is sent again with
//! credentials (section 8.1.3.5).

use crate::auth;
use crate::build::RequestBuilder;
use crate::error::ParseError;
use crate::header_name::HeaderName;
use crate::message::Message;
use crate::method::Method;

#[derive(Clone, Debug)]
pub struct Draft {
    pub method: Method,
    pub uri: String,
    /// Values of From, with its tag, and To.
    pub from: String,
    pub to: String,
    pub call_id: String,
    pub sequence: u32,
    pub headers: Vec<(HeaderName, String)>,
    /// Content type and text.
    pub body: Option<(&'static str, String)>,
}

impl Draft {
    /// A request outside of any dialog, from and to these addresses (`alice@contoso.example`). The tag and the Call-ID
    /// are to be unique.
    pub fn new(method: Method, from: &str, to: &str, tag: &str, call_id: String) -> Draft {
        Draft {
            method,
            uri: format!("sip:{to}"),
            from: format!("<sip:{from}>;tag={tag}"),
            to: format!("<sip:{to}>"),
            call_id,
            sequence: 1,
            headers: Vec::new(),
            body: None,
        }
    }

    #[must_use]
    pub fn header(mut self, name: HeaderName, value: impl Into<String>) -> Draft {
        self.headers.push((name, value.into()));
        self
    }

    #[must_use]
    pub fn body(mut self, content_type: &'static str, text: impl Into<String>) -> Draft {
        self.body = Some((content_type, text.into()));
        self
    }

    /// As it goes out with the value of Via of one transaction; each time it is sent is a transaction of its own.
    ///
    /// # Errors
    /// When the headers given contradict each other.
    pub fn message(&self, via: &str) -> Result<Message, ParseError> {
        let mut builder = RequestBuilder::new(&self.method, &self.uri)
            .header(HeaderName::Via, via)
            .header(HeaderName::MaxForwards, MAX_FORWARDS)
            .header(HeaderName::From, &self.from)
            .header(HeaderName::To, &self.to)
            .header(HeaderName::CallId, &self.call_id)
            .header(HeaderName::CSeq, format_args!("{} {}", self.sequence, self.method));
        for (name, value) in &self.headers {
            builder = builder.header(*name, value);
        }
        if let Some((content_type, text)) = &self.body {
            builder = builder.body(content_type, text);
        }
        builder.message()
    }

    /// The same request with the answer to a challenge, in place of an earlier one. `None`: the response is no challenge,
    /// or none that we can answer.
    pub fn answering(&self, challenged: &Message, user: &str, password: &str, cnonce: &str) -> Option<Draft> {
        let (asked, answered) = match challenged.status()? {
            401 => (HeaderName::WwwAuthenticate, HeaderName::Authorization),
            407 => (HeaderName::ProxyAuthenticate, HeaderName::ProxyAuthorization),
            _ => return None,
        };
        let values = challenged.header_all(asked).filter_map(|value| std::str::from_utf8(value).ok());
        let challenges: Vec<&str> = values.collect();
        let body = self.body.as_ref().map_or("", |(_, text)| text).as_bytes();
        let credentials = auth::answer(&challenges, user, password, &self.method, &self.uri, body, cnonce, 1)?;
        let mut again = self.clone();
        again.headers.retain(|(name, _)| *name != answered);
        again.sequence += 1;
        Some(again.header(answered, credentials))
    }
}

/// RFC 3261 section 8.1.1.6.
const MAX_FORWARDS: u8 = 70;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{Algorithm, challenges};
    use crate::build;

    #[test]
    fn a_challenge_is_answered_once_in_the_next_request() {
        let draft = Draft::new(Method::Message, "alice@contoso.com", "bob@fabrikam.com", "a", "c".into());
        let request = draft.message("SIP/2.0/TLS phone.invalid;branch=z9hG4bK1").unwrap();
        let challenge = |nonce| {
            let value = &challenges("contoso.com", nonce, false, &[Algorithm::Sha256])[0];
            build::response(&request, 407, None, None).header(HeaderName::ProxyAuthenticate, value).message().unwrap()
        };
        let second = draft.answering(&challenge("one"), "alice", "secret", "x").unwrap();
        let third = second.answering(&challenge("two"), "alice", "secret", "x").unwrap();
        let sent = third.message("SIP/2.0/TLS phone.invalid;branch=z9hG4bK3").unwrap();
        assert_eq!(sent.cseq().unwrap().number, 3);
        let credentials: Vec<_> =
            sent.header_all(HeaderName::ProxyAuthorization).map(String::from_utf8_lossy).collect();
        assert!(credentials.len() == 1 && credentials[0].contains("nonce=\"two\""), "{credentials:?}");
        let ok = build::response(&request, 200, None, None).message().unwrap();
        assert!(draft.answering(&ok, "alice", "secret", "x").is_none());
    }
}
