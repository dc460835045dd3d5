//! CSeq, RAck, Event, Subscription-State, Replaces, Date, Retry-After and ms-diagnostics: what is printed parses to the same.

use federation::rest::retry_after;
use sip::header::date::{sip_date, unix_secs};
use sip::header::grammar::{params, split_list, trim, unquote};
use sip::header::{RAck, Replaces};
use sip::{CSeq, Diagnostics, EventHeader, SubscriptionState};

pub fn check(bytes: &[u8]) {
    if let Ok(cseq) = CSeq::parse(bytes) {
        assert_eq!(CSeq::parse(cseq.to_string().as_bytes()), Ok(cseq));
    }
    if let Ok(event) = EventHeader::parse(bytes) {
        assert_eq!(EventHeader::parse(event.to_string().as_bytes()), Ok(event));
    }
    if let Ok(state) = SubscriptionState::parse(bytes) {
        assert_eq!(SubscriptionState::parse(state.to_string().as_bytes()), Ok(state));
    }
    if let Ok(rack) = RAck::parse(bytes) {
        assert_eq!(RAck::parse(rack.to_string().as_bytes()), Ok(rack));
    }
    if let Some(said) = Diagnostics::parse(bytes) {
        let printed = said.to_string();
        assert!(printed.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()), "{printed:?}");
        assert_eq!(Diagnostics::parse(printed.as_bytes()), Some(said));
    }
    check_list(bytes);
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    check_params(text);
    if let Some(moment) = unix_secs(text) {
        assert_eq!(unix_secs(&sip_date(moment)), Some(moment));
    }
    if let Some(time) = retry_after(text) {
        assert_eq!(retry_after(&format!("{} (a comment);duration=9", time.as_secs())), Some(time));
    }
    if let Ok(replaces) = Replaces::parse(text) {
        let early = if replaces.early_only { ";early-only" } else { "" };
        let dialog = &replaces.dialog;
        let printed = format!("{};to-tag={};from-tag={}{early}", dialog.call_id, dialog.local_tag, dialog.remote_tag);
        assert_eq!(Replaces::parse(&printed), Ok(replaces));
    }
}

/// The elements joined are a list of the same elements.
fn check_list(bytes: &[u8]) {
    let elements: Vec<&[u8]> = split_list(bytes).collect();
    assert!(elements.iter().all(|element| !element.is_empty()));
    let joined = elements.join(&b", "[..]);
    assert_eq!(split_list(&joined).collect::<Vec<_>>(), elements);
}

fn check_params(text: &str) {
    let mut printed = String::new();
    for param in params(text) {
        printed += &param.value.map_or(format!(";{}", param.name), |value| format!("; {} = {value}", param.name));
    }
    assert!(params(&printed).eq(params(text)));
    assert_eq!(trim(trim(text)), trim(text));
    assert!(unquote(text).len() <= text.len());
}
