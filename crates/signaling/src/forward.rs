//! What changes in a message on its way through (RFC 3261 sections 16.6 and 16.7). Everything else stays as it came.

use bytes::Bytes;
use federation::admission::{Admitted, Origin};
use sip::proxy::forward::next_max_forwards;
use sip::{Edits, HeaderName, Message, Method, NameAddr};

/// What one hop needs to know to carry a request.
#[derive(Debug)]
pub(crate) struct Hop {
    /// Our Via value.
    pub via: String,
    /// The new Request-URI, for a device of a home user.
    pub request_uri: Option<String>,
    /// Route values towards the device, top first.
    pub path: Vec<String>,
    /// Our Record-Routes, the one nearest to the caller first.
    pub record_routes: Vec<String>,
    /// Whether the request crosses the border, coming or going.
    pub border: bool,
}

/// The request as it leaves on this hop.
pub(crate) fn request(message: &Message, routes_taken: usize, admitted: &Admitted, hop: &Hop) -> Bytes {
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
    withhold_credentials(message, admitted, &mut edits);
    withhold_identities(message, admitted, &mut edits);
    match hop.border {
        true => edits.apply_at_border(message),
        false => edits.apply(message),
    }
}

/// A MESSAGE as it is kept: all that this hop does to it but for what each device needs. Nobody upstream waits for a
/// response, so no Via is left; Date says when we accepted it, where the sender does not (RFC 3428 section 7).
pub(crate) fn for_the_store(
    message: &Message,
    routes_taken: usize,
    admitted: &Admitted,
    date: &str,
    border: bool,
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
    withhold_credentials(message, admitted, &mut edits);
    withhold_identities(message, admitted, &mut edits);
    match border {
        true => edits.apply_at_border(message),
        false => edits.apply(message),
    }
}

/// A stored MESSAGE as it leaves for one device.
pub(crate) fn from_the_store(message: &Message, hop: &Hop) -> Bytes {
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
pub(crate) fn response(message: &Message, border: bool) -> Bytes {
    let mut edits = Edits::new();
    edits.remove_first_value(HeaderName::Via, 1);
    match border {
        true => edits.apply_at_border(message),
        false => edits.apply(message),
    }
}

/// Whether our Record-Route is wanted: a request that can begin a dialog (RFC 3261 section 16.6 step 4).
pub(crate) fn begins_dialog(message: &Message) -> bool {
    let begins = matches!(message.method(), Some(Method::Invite | Method::Subscribe | Method::Refer));
    begins && message.to().is_ok_and(|to| to.tag().is_none())
}

/// RFC 3261 section 22.3: credentials for our own realm were for us; nobody downstream has a use for them.
fn withhold_credentials(message: &Message, admitted: &Admitted, edits: &mut Edits) {
    if matches!(admitted.origin(), Origin::User { .. }) {
        for name in [HeaderName::ProxyAuthorization, HeaderName::Authorization] {
            if message.header(name).is_some() {
                edits.remove(name);
            }
        }
    }
}

/// RFC 3325 section 5: an asserted identity counts only from whom it was proven. Ours are asserted by nobody yet, a
/// preferred one was for us, and nobody proves what the older Remote-Party-ID of a partner says.
fn withhold_identities(message: &Message, admitted: &Admitted, edits: &mut Edits) {
    edits.remove(HeaderName::PPreferredIdentity);
    if matches!(admitted.origin(), Origin::Partner { .. }) {
        edits.remove_raw("Remote-Party-ID");
    }
    if message.header(HeaderName::PAssertedIdentity).is_none() {
        return;
    }
    let proven = |identity: &NameAddr<'_>| {
        let host = identity.uri().host_lowercase();
        matches!(admitted.origin(), Origin::Partner { domain, .. } if *domain == host)
    };
    let all_proven = message.asserted_identities().all(|identity| identity.is_ok_and(|identity| proven(&identity)));
    if !all_proven {
        edits.remove(HeaderName::PAssertedIdentity);
    }
}
