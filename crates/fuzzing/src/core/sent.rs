//! What holds for every message that goes out, whoever it is for.

use sip::{HeaderName, Message};

use super::setting::{EDGE_INSIDE, HOME_INSIDE, Part};

pub fn check_sent(message: &Message, part: Part) {
    if message.is_request() { check_request(message, part) } else { check_response(message) }
}

/// A request of ours, or one that we have admitted, is well-formed; its answer comes to us; and what proves a user to us stays
/// with us.
fn check_request(request: &Message, part: Part) {
    request.check_mandatory().unwrap_or_else(|error| panic!("{error}: {request:?}"));
    let via = request.top_via().expect("it is one of the mandatory");
    assert!(is_ours(via.host), "answered past us: {request:?}");
    assert!(via.branch().is_some_and(|branch| branch.starts_with("z9hG4bK")), "{request:?}");
    assert!(request.max_forwards().is_ok_and(|hops| hops.is_some_and(|hops| hops < 255)), "{request:?}");
    // Of a partner's user there are no passwords here.
    // What proves a user to the home goes through its edge.
    let proves_to_us = part != Part::Edge && request.from().is_ok_and(|from| from.uri().host_lowercase() == HOME);
    for name in [HeaderName::Authorization, HeaderName::ProxyAuthorization].into_iter().filter(|_| proves_to_us) {
        for credentials in request.header_all(name) {
            let is_for_us = String::from_utf8_lossy(credentials).contains("realm=\"contoso.example\"");
            assert!(!is_for_us, "passed on: {request:?}");
        }
    }
}

/// A response goes on to whoever asked: our own Via is off, and nobody else's came under it.
fn check_response(response: &Message) {
    if let Ok(via) = response.top_via() {
        assert!(!is_ours(via.host), "an answer to ourselves: {response:?}");
    }
    let asks = [HeaderName::WwwAuthenticate, HeaderName::ProxyAuthenticate].map(|name| response.header(name).is_some());
    assert!(asks == [false; 2] || matches!(response.status(), Some(401 | 407)), "{response:?}");
}

fn is_ours(host: &str) -> bool {
    [EDGE, EDGE_INSIDE, HOME_INSIDE].contains(&host)
}

const HOME: &str = "contoso.example";
const EDGE: &str = "sip.contoso.example";
