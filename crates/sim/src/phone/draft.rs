//! A request as a phone means it: what stays the same when it is sent again with credentials.

use sip::{HeaderName, Message, Method, RequestBuilder, auth};

#[derive(Debug, Clone)]
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
    /// Outside of any dialog, from and to these addresses; `call_id` names its tag too.
    pub fn new(method: Method, from: &str, to: &str, call_id: String) -> Draft {
        Draft {
            method,
            uri: format!("sip:{to}"),
            from: format!("<sip:{from}>;tag={call_id}"),
            to: format!("<sip:{to}>"),
            call_id,
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

    /// With the Via of one transaction.
    pub fn message(&self, via: &str) -> Message {
        let mut builder = RequestBuilder::new(&self.method, &self.uri)
            .header(HeaderName::Via, via)
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
        builder.message().expect("a phone's request is a message")
    }

    /// The same request with the answer to a challenge; `None` if there is none in the response.
    pub fn answering(&self, challenged: &Message, user: &str, password: &str) -> Option<Draft> {
        let (asked, answered) = match challenged.status()? {
            401 => (HeaderName::WwwAuthenticate, HeaderName::Authorization),
            407 => (HeaderName::ProxyAuthenticate, HeaderName::ProxyAuthorization),
            _ => return None,
        };
        let values = challenged.header_all(asked).filter_map(|value| std::str::from_utf8(value).ok());
        let challenges: Vec<&str> = values.collect();
        let body = self.body.as_ref().map_or("", |(_, text)| text).as_bytes();
        let cnonce = format!("{}-{}", self.call_id, self.sequence);
        let credentials = auth::answer(&challenges, user, password, &self.method, &self.uri, body, &cnonce, 1)?;
        let mut again = self.clone().header(answered, credentials);
        again.sequence += 1;
        Some(again)
    }
}
