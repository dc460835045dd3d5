//! PUBLISH conversations: what is kept under which entity-tag, and what watchers see of it (RFC 3903 section 6).

use crate::house::{House, aor, pidf, user};

const EVENT: &str = "Event: presence\r\n";

fn with(lines: &str) -> String {
    format!("{EVENT}Content-Type: application/pidf+xml\r\n{lines}")
}

/// A house in which somebody watches alice and has been told that she is there.
fn watched() -> House {
    let mut house = House::new();
    house.agent.set_registered(&aor("alice"), true);
    house.subscribe("c1", EVENT).unwrap();
    assert_eq!(house.settle(), ["c1 1 NOTIFY presence active;expires=3600: registration open"]);
    house
}

#[test]
fn a_publication_is_made_refreshed_modified_and_removed() {
    let mut house = watched();
    let made = house.publish(&with("Expires: 600\r\n"), &pidf("t", "away")).unwrap();
    assert_eq!((made.etag.as_str(), made.expires_secs), ("00000007-1", 600));
    assert_eq!(house.settle(), ["c1 2 NOTIFY presence active;expires=3600: t open, away"]);
    let refreshed = house.publish(&format!("{EVENT}SIP-If-Match: 00000007-1\r\n"), "").unwrap();
    assert_eq!((refreshed.etag.as_str(), refreshed.expires_secs), ("00000007-2", 3600));
    assert_eq!(house.settle(), [""; 0], "a refresh changes nothing");
    let unknown = house.publish(&format!("{EVENT}SIP-If-Match: 00000007-1\r\n"), "").unwrap_err();
    assert_eq!((unknown.status, unknown.word.as_str()), (412, "publication-unknown"));
    house.publish(&with("SIP-If-Match: 00000007-2\r\n"), &pidf("t", "meeting")).unwrap();
    assert_eq!(house.settle(), ["c1 3 NOTIFY presence active;expires=3600: t open, meeting"]);
    // The refused one used up a tag, too.
    let removed = house.publish(&format!("{EVENT}SIP-If-Match: 00000007-4\r\nExpires: 0\r\n"), "").unwrap();
    assert_eq!((removed.expires_secs, house.agent.publications()), (0, 0));
    assert_eq!(house.settle(), ["c1 4 NOTIFY presence active;expires=3600: registration open"]);
}

#[test]
fn what_two_devices_publish_is_united() {
    let mut house = watched();
    house.publish(&with("Expires: 600\r\n"), &pidf("t", "away")).unwrap();
    assert_eq!(house.settle(), ["c1 2 NOTIFY presence active;expires=3600: t open, away"]);
    house.publish(&with("Expires: 60\r\n"), &pidf("t", "busy")).unwrap();
    house.agent.set_calls(&aor("alice"), 1);
    // The newest first, and the call before all.
    assert_eq!(
        house.settle(),
        ["c1 3 NOTIFY presence active;expires=3600: t open, t-2 open, on-the-phone, busy, away"]
    );
    house.later(60);
    assert_eq!(house.settle(), ["c1 4 NOTIFY presence active;expires=3540: t open, on-the-phone, away"]);
    house.later(540);
    assert_eq!(house.settle(), ["c1 5 NOTIFY presence active;expires=3000: registration open, on-the-phone"]);
    assert_eq!(house.agent.publications(), 0);
}

#[test]
fn what_was_published_counts_while_a_device_is_there() {
    let mut house = watched();
    house.publish(&with(""), &pidf("t", "away")).unwrap();
    assert_eq!(house.settle(), ["c1 2 NOTIFY presence active;expires=3600: t open, away"]);
    house.agent.set_registered(&aor("alice"), false);
    assert_eq!(house.settle(), ["c1 3 NOTIFY presence active;expires=3600: registration closed"]);
    house.agent.set_registered(&aor("alice"), true);
    assert_eq!(house.settle(), ["c1 4 NOTIFY presence active;expires=3600: t open, away"]);
}

#[test]
fn a_publication_that_has_run_out_is_not_refreshed() {
    let mut house = House::new();
    let made = house.publish(&with("Expires: 60\r\n"), &pidf("t", "away")).unwrap();
    house.now += std::time::Duration::from_secs(60);
    let late = house.publish(&format!("{EVENT}SIP-If-Match: {}\r\n", made.etag), "").unwrap_err();
    assert_eq!((late.status, house.agent.publications(), house.agent.poll_timeout()), (412, 0, None));
}

#[test]
fn refusals_leave_everything_as_it_was() {
    let mut house = watched();
    let body = pidf("t", "away");
    let mallory = house.publish_as(&user("mallory"), &with(""), &body).unwrap_err();
    assert_eq!((mallory.status, mallory.word.as_str()), (403, "identity-mismatch"));
    let unknown = house.publish("Event: dialog\r\n", &body).unwrap_err();
    assert_eq!((unknown.status, unknown.headers[0].1.as_str()), (489, "presence"));
    assert_eq!(house.publish("", &body).unwrap_err().status, 489);
    let unsupported = house.publish(&format!("{EVENT}Content-Type: text/plain\r\n"), &body).unwrap_err();
    assert_eq!((unsupported.status, unsupported.headers[0].1.as_str()), (415, "application/pidf+xml"));
    assert_eq!(house.publish(&with(""), "<presence").unwrap_err().status, 400);
    assert_eq!(house.publish(EVENT, "").unwrap_err().status, 400);
    assert_eq!(house.publish(&with("SIP-If-Match: 00000006-1\r\n"), &body).unwrap_err().status, 412);
    assert_eq!(house.publish(&with("Expires: soon\r\n"), &body).unwrap_err().status, 400);
    let brief = house.publish(&with("Expires: 1\r\n"), &body).unwrap_err();
    assert_eq!((brief.status, brief.headers[0].1.as_str()), (423, "60"));
    assert_eq!(house.agent.publications(), 0);
}

#[test]
fn limits() {
    let mut house = House::new();
    let long = format!("{}{}", pidf("t", "away"), " ".repeat(1000));
    let large = house.publish(&with(""), &long).unwrap_err();
    assert_eq!((large.status, large.word.as_str()), (413, "message-too-large"));
    assert_eq!(house.publish(&with("Expires: 99999\r\n"), &pidf("a", "away")).unwrap().expires_secs, 7200);
    let second = house.publish(&with(""), &pidf("b", "away")).unwrap();
    let full = house.publish(&with(""), &pidf("c", "away")).unwrap_err();
    assert_eq!((full.status, full.word.as_str()), (503, "too-many-publications"));
    house.publish(&with(&format!("SIP-If-Match: {}\r\n", second.etag)), &pidf("b", "busy")).unwrap();
    assert_eq!(house.agent.publications(), 2, "what is there may be modified");
}

#[test]
fn a_removed_user_leaves_nothing() {
    let mut house = watched();
    house.publish(&with(""), &pidf("t", "away")).unwrap();
    house.agent.set_registered(&aor("alice"), true);
    house.settle();
    house.agent.remove_user(&aor("alice"));
    assert_eq!(house.settle(), ["c1 3 NOTIFY presence terminated;reason=noresource"]);
    assert_eq!((house.agent.publications(), house.agent.watchers(), house.agent.poll_timeout()), (0, 0, None));
}
