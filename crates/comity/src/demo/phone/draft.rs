//! A request as the phone means it: what stays the same when it is sent again with credentials.

use std::net::SocketAddr;

use sip::{HeaderName, Message, Method, RequestBuilder, auth};

use super::random_word;

#[derive(Clone, Debug)]
pub struct Draft {
    pub method: Method,
    pub uri: String,
    /// From, with its tag, and To.
    pub from: String,
    pub to: String,
    pub call_id: String,
    pub sequence: u32,
    pub headers: Vec<(HeaderName, String)>,
    /// Content type and text.
    pub body: Option<(&'static str, String)>,
}

impl Draft {
    /// A request outside of any dialog, from and to these addresses ("alice@contoso.example").
    pub fn new(method: Method, from: &str, to: &str) -> Draft {
        Draft {
            method,
            uri: format!("sip:{to}"),
            from: format!("<sip:{from}>;tag={}", random_word()),
            to: format!("<sip:{to}>"),
            call_id: random_word(),
            sequence: 1,
            headers: Vec::new(),
            body: None,
        }
    }

    pub fn header(mut self, name: HeaderName, value: impl Into<String>) -> Draft {
        self.headers.push((name, value.into()));
        self
    }

    pub fn body(mut self, content_type: &'static str, text: impl Into<String>) -> Draft {
        self.body = Some((content_type, text.into()));
        self
    }

    /// As it goes out from this local address; each one is a transaction of its own.
    pub fn message(&self, local: SocketAddr) -> anyhow::Result<Message> {
        let mut builder = RequestBuilder::new(&self.method, &self.uri)
            .header(HeaderName::Via, via(local))
            .header(HeaderName::MaxForwards, 70)
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
        Ok(builder.message()?)
    }

    /// The same with the answer to a challenge; `None` when it is none, or none that we can answer.
    pub fn answering(&self, challenged: &Message, user: &str, password: &str) -> Option<Draft> {
        let (asked, answered) = match challenged.status()? {
            401 => (HeaderName::WwwAuthenticate, HeaderName::Authorization),
            407 => (HeaderName::ProxyAuthenticate, HeaderName::ProxyAuthorization),
            _ => return None,
        };
        let challenges: Vec<&str> =
            challenged.header_all(asked).filter_map(|value| std::str::from_utf8(value).ok()).collect();
        let body = self.body.as_ref().map_or("", |(_, text)| text).as_bytes();
        let (method, uri) = (&self.method, &self.uri);
        let credentials = auth::answer(&challenges, user, password, method, uri, body, &random_word(), 1)?;
        let mut again = self.clone().header(answered, credentials);
        again.sequence += 1;
        Some(again)
    }
}

/// The Via of a transaction of its own.
pub fn via(local: SocketAddr) -> String {
    format!("SIP/2.0/TLS {local};branch=z9hG4bK{};rport", random_word())
}
