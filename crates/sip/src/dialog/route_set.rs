//! The route set of a dialog (RFC 3261 section 12.1), and what follows from it for Request-URI and Route (12.2.1.1).

use crate::error::ParseError;
use crate::header::NameAddr;
use crate::header_name::HeaderName;
use crate::message::Message;

/// Values of Record-Route, with all their parameters, in the order in which requests pass them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct RouteSet {
    values: Vec<String>,
    /// The first is a strict router of RFC 2543 (no `lr`): its URI goes to the Request-URI.
    strict_uri: Option<String>,
}

impl RouteSet {
    /// As the server of a dialog sees it: the nearest proxy recorded itself last, on top.
    pub(super) fn of_request(request: &Message) -> Result<RouteSet, ParseError> {
        RouteSet::new(recorded(request)?)
    }

    /// As the client of a dialog sees it.
    pub(super) fn of_response(response: &Message) -> Result<RouteSet, ParseError> {
        let mut values = recorded(response)?;
        values.reverse();
        RouteSet::new(values)
    }

    pub(super) fn values(&self) -> &[String] {
        &self.values
    }

    /// Request-URI and values of Route for a request to `target`.
    pub(super) fn apply(&self, target: &str) -> (String, Vec<String>) {
        match &self.strict_uri {
            None => (target.to_owned(), self.values.clone()),
            Some(first) => {
                let target = format!("<{target}>");
                (first.clone(), self.values.iter().skip(1).cloned().chain([target]).collect())
            }
        }
    }

    fn new(values: Vec<String>) -> Result<RouteSet, ParseError> {
        let strict_uri = match values.first() {
            None => None,
            Some(first) => {
                let address = NameAddr::parse_in(HeaderName::RecordRoute, first.as_bytes())?;
                let uri = address.uri();
                // A Request-URI has no headers (RFC 3261 section 19.1.1).
                (!uri.has_param("lr")).then(|| uri.without_headers().to_owned())
            }
        };
        Ok(RouteSet { values, strict_uri })
    }
}

fn recorded(message: &Message) -> Result<Vec<String>, ParseError> {
    message.record_routes().map(|route| Ok(route?.as_str().to_owned())).collect()
}
