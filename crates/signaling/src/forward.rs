//! What changes in a message on its way through (RFC 3261 sections 16.6 and 16.7). Everything else stays as it came.

use bytes::Bytes;
use federation::admission::{SOURCE_HEADER, source_value};
use federation::border::{Crossing, Treatment};
use federation::inside::{ADMITTED_HEADER, TRUST_HEADER};
use sip::auth::DigestCredentials;
use sip::proxy::forward::next_max_forwards;
use sip::{Edits, HeaderName, Message, Method, NameAddr};

/// What one hop needs to know to carry a request.
#[derive(Debug)]
pub(crate) struct Hop<'a> {
    /// Our Via value.
    pub via: String,
    /// The new Request-URI, for a device of a home user.
    pub request_uri: Option<String>,
    /// Route values towards the device, top first.
    pub path: Vec<String>,
    /// Our Record-Routes, the one nearest to the caller first.
    pub record_routes: Vec<String>,
    pub crossing: Crossing<'a>,
    /// Whether we vouch for the sender, where that is said.
    pub source: Option<bool>,
    /// What an edge says to its home of a partner.
    pub admitted: Option<String>,
    /// Whom Lync's inside may take it to be from, in Lync's words.
    pub trust: Option<String>,
    /// On how many branches it may be at once from here on (RFC 5393 section 5).
    pub breadth: u32,
    /// Of a REGISTER of a user outside: how its phone is reached (RFC 3327).
    pub path_to_phone: Option<String>,
    /// It comes from outside, from nobody who has proven anything.
    pub is_unproven: bool,
    /// Who a partner's request is from, for a next hop that reads it (RFC 3325).
    pub asserted: Option<String>,
}

/// The request as it leaves on this hop.
pub(crate) fn request(message: &Message, routes_taken: usize, realms: &[String], hop: &Hop<'_>) -> Bytes {
    let mut edits = Edits::new();
    if let Some(uri) = &hop.request_uri {
        edits.set_request_uri(uri);
    }
    if routes_taken > 0 {
        edits.remove_first_value(HeaderName::Route, routes_taken);
    }
    for route in hop.path.iter().rev() {
        edits.prepend(HeaderName::Route, route);
    }
    for record_route in &hop.record_routes {
        edits.prepend(HeaderName::RecordRoute, record_route);
    }
    edits.prepend(HeaderName::Via, &hop.via);
    let hops = next_max_forwards(message).ok().flatten().unwrap_or_default();
    edits.set(HeaderName::MaxForwards, hops.to_string());
    if message.max_breadth() != Ok(Some(hop.breadth)) {
        edits.set(HeaderName::MaxBreadth, hop.breadth.to_string());
    }
    match hop.is_unproven {
        // His home reads the credentials.
        true => edits.remove_raw(TRUST_HEADER),
        false => withhold_credentials(message, realms, &mut edits),
    }
    if let Some(path) = &hop.path_to_phone {
        edits.prepend(HeaderName::Path, path);
    }
    withhold_claims(message, hop.crossing, &mut edits);
    mark_source(hop.crossing, hop.source, &mut edits);
    if let Some(value) = &hop.admitted {
        edits.set_raw(ADMITTED_HEADER, value);
    }
    if let Some(value) = &hop.trust {
        edits.set_raw(TRUST_HEADER, value);
    }
    if let Some(identity) = &hop.asserted {
        edits.set(HeaderName::PAssertedIdentity, identity);
    }
    apply(message, hop.crossing, &edits)
}

/// A MESSAGE as it is kept: all that this hop does to it but for what each device needs. Nobody upstream waits for a
/// response, so no Via is left; Date says when we accepted it, where the sender does not (RFC 3428 section 7).
pub(crate) fn for_the_store(
    message: &Message,
    routes_taken: usize,
    realms: &[String],
    date: &str,
    (crossing, source): (Crossing<'_>, Option<bool>),
) -> Bytes {
    let mut edits = Edits::new();
    if routes_taken > 0 {
        edits.remove_first_value(HeaderName::Route, routes_taken);
    }
    edits.remove(HeaderName::Via);
    let hops = next_max_forwards(message).ok().flatten().unwrap_or_default();
    edits.set(HeaderName::MaxForwards, hops.to_string());
    if message.header(HeaderName::Date).is_none() {
        edits.append(HeaderName::Date, date);
    }
    withhold_credentials(message, realms, &mut edits);
    withhold_claims(message, crossing, &mut edits);
    mark_source(crossing, source, &mut edits);
    apply(message, crossing, &edits)
}

/// A stored MESSAGE as it leaves for one device.
pub(crate) fn from_the_store(message: &Message, hop: &Hop<'_>) -> Bytes {
    let mut edits = Edits::new();
    if let Some(uri) = &hop.request_uri {
        edits.set_request_uri(uri);
    }
    for route in hop.path.iter().rev() {
        edits.prepend(HeaderName::Route, route);
    }
    edits.prepend(HeaderName::Via, &hop.via);
    edits.apply(message)
}

/// A response as it leaves towards the caller: our Via taken off (RFC 3261 section 16.7 step 3).
pub(crate) fn response(message: &Message, crossing: Crossing<'_>) -> Bytes {
    let mut edits = Edits::new();
    edits.remove_first_value(HeaderName::Via, 1);
    withhold_claims(message, crossing, &mut edits);
    apply(message, crossing, &edits)
}

/// A 503 from below as a 500 (RFC 3261 section 16.7 step 6): the server that sent it may be asked for other things, so nobody is to
/// look for another. Why, and when to ask again, it says itself (sections 20.33, 21.5.1).
pub(crate) fn overload_below(response: &Message) -> Message {
    let bytes = response.as_bytes();
    let rest = bytes.iter().position(|byte| *byte == b'\n').map_or(&[][..], |end| &bytes[end + 1..]);
    let status = format!("SIP/2.0 500 {}\r\n", sip::reason_phrase(500));
    Message::parse([status.as_bytes(), rest].concat().into()).unwrap_or_else(|_| response.clone())
}

fn apply(message: &Message, crossing: Crossing<'_>, edits: &Edits) -> Bytes {
    match crossing.is_border() {
        true => edits.apply_at_border(message),
        false => edits.apply(message),
    }
}

/// What the other side says of a sender counts for our own decision and goes no further; nor can a user vouch for himself.
fn mark_source(crossing: Crossing<'_>, source: Option<bool>, edits: &mut Edits) {
    match source {
        _ if !crossing.is_border() => {}
        Some(is_verified) => edits.set_raw(SOURCE_HEADER, source_value(is_verified)),
        None => edits.remove_raw(SOURCE_HEADER),
    }
}

/// Whether our Record-Route is wanted: a request that can begin a dialog (RFC 3261 section 16.6 step 4).
pub(crate) fn begins_dialog(message: &Message) -> bool {
    let begins = matches!(message.method(), Some(Method::Invite | Method::Subscribe | Method::Refer));
    begins && !message.is_within_dialog()
}

/// RFC 3261 section 22.3: credentials for a realm of ours were for us, whoever sent them and in whichever domain, and nobody
/// downstream has a use for them; those for another are not ours to take. Basic would show a password to whoever is next.
fn withhold_credentials(message: &Message, realms: &[String], edits: &mut Edits) {
    for name in [HeaderName::ProxyAuthorization, HeaderName::Authorization] {
        let (kept, all) = (others_credentials(message, name, realms), message.header_all(name).count());
        if kept.len() == all {
            continue;
        }
        edits.remove(name);
        for value in kept {
            edits.append(name, value);
        }
    }
}

fn others_credentials(message: &Message, name: HeaderName, realms: &[String]) -> Vec<String> {
    let values = message.header_all(name).filter_map(|value| std::str::from_utf8(value).ok());
    let is_for_others = |value: &&str| match DigestCredentials::parse(value) {
        Ok(credentials) => !realms.iter().any(|realm| credentials.realm().eq_ignore_ascii_case(realm)),
        Err(_) => value.split_ascii_whitespace().next().is_some_and(|scheme| !may_be_ours(scheme)),
    };
    values.filter(is_for_others).map(str::to_owned).collect()
}

/// Digest that we cannot read may be for us all the same; a Basic of anybody is a password.
fn may_be_ours(scheme: &str) -> bool {
    ["Digest", "Basic"].iter().any(|known| known.eq_ignore_ascii_case(scheme))
}

/// What the border's table ([`federation::border`]) takes off.
fn withhold_claims(message: &Message, crossing: Crossing<'_>, edits: &mut Edits) {
    for header in message.headers() {
        match crossing.treatment(header.name, header.raw_name) {
            // What is concealed is so at the very end.
            Treatment::Passes | Treatment::Concealed | Treatment::Withheld => {}
            Treatment::Removed if header.name == HeaderName::Other => {
                edits.remove_raw(&String::from_utf8_lossy(header.raw_name));
            }
            Treatment::Removed => edits.remove(header.name),
            Treatment::IfProven => {
                let is_first = message.headers().find(|other| other.name == header.name).map(|other| other.index);
                if is_first == Some(header.index) {
                    keep_proven(message, header.name, crossing, edits);
                }
            }
        }
    }
}

/// Of all addresses in headers of this name, those in a domain of the sending organisation.
fn keep_proven(message: &Message, name: HeaderName, crossing: Crossing<'_>, edits: &mut Edits) {
    let is_proven = |element: &&[u8]| {
        NameAddr::parse_in(name, element)
            .is_ok_and(|address| address.uri().is_sip() && crossing.proves(address.uri().host()))
    };
    let kept: Vec<&[u8]> = message.elements(name).filter(is_proven).collect();
    if kept.len() == message.elements(name).count() {
        return;
    }
    edits.remove(name);
    for element in kept {
        edits.append(name, String::from_utf8_lossy(element));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(headers: &str) -> Vec<String> {
        let text = format!("INVITE sip:b@b.example SIP/2.0\n{headers}\nContent-Length: 0\n\n").replace('\n', "\r\n");
        let message = Message::parse(text.into()).expect("a request");
        let mut edits = Edits::new();
        withhold_credentials(&message, &["a.example".to_owned(), "second.example".to_owned()], &mut edits);
        let sent = Message::parse(edits.apply(&message)).expect("a request");
        let of =
            |name| sent.header_all(name).map(|value| String::from_utf8_lossy(value).into_owned()).collect::<Vec<_>>();
        [of(HeaderName::ProxyAuthorization), of(HeaderName::Authorization)].concat()
    }

    #[test]
    fn that_a_server_below_is_overloaded_is_told_with_its_own_words() {
        let text = "SIP/2.0 503 Service Unavailable\r\nVia: SIP/2.0/TLS a.example;branch=z9hG4bK1\r\nRetry-After: 5\r\n\
                    Warning: 399 home.example \"no-media\"\r\nContent-Length: 0\r\n\r\n";
        let told = overload_below(&Message::parse(text.into()).expect("a response"));
        let expected = text.replace("503 Service Unavailable", "500 Server Internal Error");
        assert_eq!(told.as_bytes(), expected.as_bytes());
    }

    #[test]
    fn credentials_for_us_stay_here_and_those_for_others_go_on() {
        let digest = |realm: &str| {
            format!("Digest username=\"alice\", realm=\"{realm}\", nonce=\"n\", uri=\"sip:b\", response=\"00\"")
        };
        let (ours, theirs) = (digest("a.example"), digest("pbx.b.example"));
        let both = format!("Proxy-Authorization: {ours}\nProxy-Authorization: {theirs}");
        assert_eq!(left(&both), [&*theirs]);
        assert_eq!(left(&format!("Authorization: {ours}")), [""; 0]);
        assert_eq!(
            left(&format!("Authorization: {}", digest("Second.example"))),
            [""; 0],
            "each domain of ours is a realm"
        );
        assert_eq!(left(&format!("Authorization: {theirs}")), [&*theirs]);
        assert_eq!(
            left("Authorization: NoOneKnowsThisScheme opaque-data=here"),
            ["NoOneKnowsThisScheme opaque-data=here"]
        );
        assert_eq!(left("Authorization: Basic QWxhZGRpbg==\nProxy-Authorization: Digest realm=\"a"), [""; 0]);
    }
}
