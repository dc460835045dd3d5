//! Conversations with a notifier whose documents are lists of changes: `whole 1-3` for the first, `4-5` for what is new.

use std::time::Duration;

use super::*;
use crate::{HeaderName, Message};

const PACKAGE: EventPackage = EventPackage { name: "conference", content_type: "application/conference-info+xml" };
const EVENT: &str = "Event: conference\r\n";

struct House {
    now: Instant,
    /// How often each resource has changed.
    revisions: BTreeMap<&'static str, u32>,
    notifier: Notifier<&'static str, &'static str, u32>,
    cseq: u32,
}

impl House {
    #[expect(clippy::disallowed_methods, reason = "a test starts somewhere in time")]
    fn new() -> House {
        let limits = NotifierLimits {
            subscriptions_per_resource_max: 3,
            resource_per_user_max: 2,
            resource_per_partner_max: 1,
            subscriptions_per_user_max: 3,
            subscriptions_per_partner_max: 2,
            subscriptions_max: 4,
            expires_secs_min: 60,
            expires_secs_default: 3600,
            expires_secs_max: 7200,
        };
        let revisions = BTreeMap::from([("m1", 1), ("m2", 1)]);
        House { now: Instant::now(), revisions, notifier: Notifier::new(PACKAGE, limits), cseq: 0 }
    }

    /// `name` has a To tag after `;` where it is sent within the dialog.
    fn send(&mut self, name: &'static str, call_id: &'static str, lines: &str) -> Result<Subscribed, Refusal> {
        self.send_as("bob", (name, call_id, lines), Ok(()))
    }

    fn send_as(
        &mut self,
        sender: &str,
        (name, call_id, lines): (&'static str, &'static str, &str),
        permission: Result<(), Refusal>,
    ) -> Result<Subscribed, Refusal> {
        self.cseq += 1;
        let (resource, tag) = name.split_at(name.find(';').unwrap_or(name.len()));
        let text = format!(
            "SUBSCRIBE sip:{resource}@contoso.example SIP/2.0\r\nVia: SIP/2.0/TLS p.invalid;branch=z9hG4bK1\r\n\
             From: <sip:bob@contoso.example>;tag=r\r\nTo: <sip:{resource}@contoso.example>{tag}\r\nCall-ID: {call_id}\r\n\
             CSeq: {} SUBSCRIBE\r\nContact: <sip:bob@p.invalid>\r\n{lines}Content-Length: 0\r\n\r\n",
            self.cseq
        );
        let subscribe = Subscribe {
            resource: &resource,
            request: &Message::parse(text.into_bytes().into()).expect("is well formed"),
            subscriber: subscriber(sender),
            permission,
            local_tag: "l",
            way: call_id,
        };
        self.notifier.handle_subscribe(self.now, subscribe)
    }

    fn change(&mut self, resource: &'static str) {
        *self.revisions.get_mut(resource).expect("a resource of the test") += 1;
        self.notifier.handle_change(&resource);
    }

    fn answer(&mut self, id: SubscriptionId, status: u16) {
        self.notifier.handle_notified(self.now, id, Some(status), None);
    }

    fn later(&mut self, secs: u64) {
        self.now += Duration::from_secs(secs);
        self.notifier.handle_timeout(self.now);
    }

    /// All that comes out now, one line each, not yet answered.
    fn sent(&mut self) -> Vec<String> {
        let revisions = &self.revisions;
        let mut tell = |occasion: &Occasion<'_, &'static str, u32>| {
            let revision = *revisions.get(occasion.resource)?;
            let first = occasion.sent.map_or(1, |sent| sent + 1);
            let body = match occasion.is_whole {
                true => format!("whole 1-{revision}"),
                false => format!("{first}-{revision}"),
            };
            let is_due = occasion.is_owed || occasion.sent != Some(&revision);
            is_due.then(|| Told { body: body.into(), mark: revision })
        };
        std::iter::from_fn(|| self.notifier.poll_output(self.now, &mut tell)).map(line).collect()
    }

    fn settle(&mut self) -> Vec<String> {
        let lines = self.sent();
        let ids: Vec<_> = self.notifier.subscriptions_by_id.keys().copied().collect();
        ids.into_iter().for_each(|id| self.answer(id, 200));
        lines.into_iter().chain(self.sent()).collect()
    }
}

/// Nothing may be left over.
impl Drop for House {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(self.sent(), [""; 0], "left over");
        }
    }
}

/// A user of ours by his name, a partner by his domain.
fn subscriber(name: &str) -> Subscriber {
    if name.contains('.') {
        return Subscriber { aor: None, domain: name.to_owned() };
    }
    let aor = format!("{name}@contoso.example").parse().expect("an address");
    Subscriber { aor: Some(aor), domain: "contoso.example".to_owned() }
}

/// `WAY CSEQ EVENT STATE: BODY`, or `RESOURCE unwatched`.
fn line(output: NotifierOutput<&'static str, &'static str>) -> String {
    let notify = match output {
        NotifierOutput::Notify(notify) => notify,
        NotifierOutput::Unwatched(resource) => return format!("{resource} unwatched"),
    };
    let message = notify.request.message().expect("is well formed");
    let event = message.event().expect("parses").expect("is there");
    let state = message.subscription_state().expect("parses").expect("is there");
    let content_type = message.header_text(HeaderName::ContentType);
    let body = match message.body() {
        [] => String::new(),
        body => format!(": {}", String::from_utf8_lossy(body)),
    };
    assert_eq!(content_type.is_some(), !body.is_empty());
    format!("{} {} {event} {state}{body}", notify.way, message.cseq().expect("is there").number)
}

#[test]
fn each_subscriber_is_told_what_is_new_to_him() {
    let mut house = House::new();
    house.send("m1", "c1", EVENT).expect("is served");
    assert_eq!(house.settle(), ["c1 1 conference active;expires=3600: whole 1-1"]);
    house.change("m1");
    assert_eq!(house.settle(), ["c1 2 conference active;expires=3600: 2-2"]);
    house.send("m1", "c2", EVENT).expect("is served");
    assert_eq!(house.settle(), ["c2 1 conference active;expires=3600: whole 1-2"]);
    house.change("m1");
    house.change("m2");
    let both = ["c1 3 conference active;expires=3600: 3-3", "c2 2 conference active;expires=3600: 3-3"];
    assert_eq!(house.settle(), both, "and nobody is told of the other resource");
    house.send("m1;tag=l", "c1", EVENT).expect("is refreshed");
    assert_eq!(house.settle(), ["c1 4 conference active;expires=3600: whole 1-3"]);
}

#[test]
fn what_changes_while_an_answer_is_awaited_goes_out_as_one() {
    let mut house = House::new();
    let id = house.send("m1", "c1", EVENT).expect("is served").id;
    assert_eq!(house.sent().len(), 1);
    house.change("m1");
    house.change("m1");
    assert_eq!(house.sent(), [""; 0]);
    house.answer(id, 200);
    assert_eq!(house.sent(), ["c1 2 conference active;expires=3600: 2-3"]);
    house.answer(id, 200);
}

#[test]
fn who_did_not_take_a_change_is_told_the_whole_at_the_next() {
    let mut house = House::new();
    let id = house.send("m1", "c1", EVENT).expect("is served").id;
    house.settle();
    house.change("m1");
    assert_eq!(house.sent(), ["c1 2 conference active;expires=3600: 2-2"]);
    house.answer(id, 500);
    assert_eq!(house.sent(), [""; 0], "he could refuse it for ever");
    house.change("m1");
    assert_eq!(house.sent(), ["c1 3 conference active;expires=3600: whole 1-3"]);
    house.answer(id, 200);
    house.change("m1");
    assert_eq!(house.sent(), ["c1 4 conference active;expires=3600: 4-4"]);
    house.notifier.handle_notified(house.now, id, Some(503), Some(20));
    house.later(20);
    assert_eq!(house.settle(), ["c1 5 conference active;expires=3580: whole 1-4"]);
}

#[test]
fn the_last_subscription_leaves_its_resource_unwatched() {
    let mut house = House::new();
    house.send("m1", "c1", "Event: conference\r\nExpires: 0\r\n").expect("is fetched");
    assert_eq!(house.sent(), ["c1 1 conference terminated;reason=timeout: whole 1-1", "m1 unwatched"]);
    let one = house.send("m1", "c2", EVENT).expect("is served").id;
    house.send("m1", "c3", EVENT).expect("is served");
    house.settle();
    house.change("m1");
    assert_eq!(house.sent().len(), 2);
    house.answer(one, 481);
    assert_eq!(house.sent(), [""; 0], "another one is left");
    house.later(3600);
    house.settle();
    assert_eq!((house.notifier.subscriptions(), house.notifier.poll_timeout()), (0, None));
    assert!(!house.notifier.is_watched(&"m1"));
}

#[test]
fn who_comes_back_at_once_finds_his_resource_watched() {
    let mut house = House::new();
    let id = house.send("m1", "c1", EVENT).expect("is served").id;
    assert_eq!(house.sent().len(), 1);
    house.notifier.handle_notified(house.now, id, None, None);
    house.send("m1", "c2", EVENT).expect("is served");
    assert_eq!(house.settle(), ["c2 1 conference active;expires=3600: whole 1-1"]);
}

#[test]
fn those_who_are_meant_are_ended_and_told_nothing_more() {
    let mut house = House::new();
    house.send("m1", "c1", EVENT).expect("is served");
    house.send_as("carol", ("m1", "c2", EVENT), Ok(())).expect("is served");
    house.settle();
    house.notifier.end_all(&"m1", &TerminationReason::Rejected, |other| *other == subscriber("carol"));
    house.change("m1");
    assert_eq!(
        house.settle(),
        ["c2 2 conference terminated;reason=rejected", "c1 2 conference active;expires=3600: 2-2"]
    );
    house.notifier.end_all(&"m1", &TerminationReason::Noresource, |_| true);
    assert_eq!(house.settle(), ["c1 3 conference terminated;reason=noresource", "m1 unwatched"]);
}

#[test]
fn refusals() {
    let mut house = House::new();
    let refused = |house: &mut House, name, lines: &str| {
        let refusal = house.send(name, "c1", lines).expect_err("is refused");
        (refusal.status, refusal.word.as_str())
    };
    let with = |lines: &str| format!("{EVENT}{lines}");
    assert_eq!(refused(&mut house, "m1", "Event: presence\r\n"), (489, "event-unknown"));
    assert_eq!(refused(&mut house, "m1", &with("Accept: application/sdp\r\n")), (406, "media-type-unsupported"));
    assert_eq!(refused(&mut house, "m1", &with("Expires: 59\r\n")), (423, "interval-too-brief"));
    assert_eq!(refused(&mut house, "m1;tag=l", EVENT), (481, "subscription-unknown"));
    for accept in ["*/*", "Application/*", "text/plain, application/conference-info+xml;q=0.5"] {
        house.send("m1", "c1", &with(&format!("Accept: {accept}\r\nExpires: 0\r\n"))).expect(accept);
    }
    assert_eq!(house.sent().len(), 4, "and that none is left");
}

#[test]
fn a_subscription_is_its_maker_s_as_long_as_policy_lets_him() {
    let mut house = House::new();
    let denied = || Err(Refusal::new(403, Word::PresenceDenied, "not he"));
    house.send_as("bob", ("m1", "c1", EVENT), denied()).expect_err("is refused");
    house.send("m1", "c1", EVENT).expect("is served");
    house.settle();
    let other = house.send_as("mallory", ("m1;tag=l", "c1", EVENT), Ok(())).expect_err("is refused");
    assert_eq!(other.status, 481);
    assert_eq!(house.send("m2;tag=l", "c1", EVENT).expect_err("another resource").status, 481);
    assert_eq!(house.sent(), [""; 0]);
    let denied = house.send_as("bob", ("m1;tag=l", "c1", EVENT), denied()).expect_err("is refused");
    assert_eq!(denied.status, 403);
    assert_eq!(house.settle(), ["c1 2 conference terminated;reason=rejected", "m1 unwatched"]);
}

#[test]
fn limits() {
    let mut house = House::new();
    for (sender, name, call_id) in [("bob", "m1", "c1"), ("dave", "m1", "c2"), ("erin", "m1", "c3")] {
        house.send_as(sender, (name, call_id, EVENT), Ok(())).expect("there is room");
    }
    let full = house.send("m1", "c4", EVENT).expect_err("m1 is full");
    assert_eq!((full.status, full.word.as_str()), (486, "too-many-watchers"));
    house.send_as("carol", ("m2", "c5", EVENT), Ok(())).expect("there is room");
    let overloaded = house.send_as("carol", ("m2", "c6", EVENT), Ok(())).expect_err("all is full");
    assert_eq!((overloaded.status, overloaded.headers[0].0), (503, HeaderName::RetryAfter));
    assert_eq!(house.settle().len(), 4);
}

#[test]
fn one_subscriber_has_his_share_and_it_is_given_back() {
    let mut house = House::new();
    for (name, call_id) in [("m1", "c1"), ("m2", "c2"), ("m2", "c3")] {
        house.send(name, call_id, EVENT).expect("there is room");
    }
    let too_many = house.send("m1", "c4", EVENT).expect_err("bob has his share");
    assert_eq!((too_many.status, too_many.word.as_str()), (480, "too-many-subscriptions"));
    assert_eq!(too_many.reason, "the sender has 3 subscriptions");
    assert_eq!(too_many.headers[0].0, HeaderName::RetryAfter);
    house.send("m1", "c5", "Event: conference\r\nExpires: 0\r\n").expect("a fetch leaves nothing behind");
    house.settle();
    house.send("m1;tag=l", "c1", EVENT).expect("what he has may be refreshed");
    house.send("m1;tag=l", "c1", "Event: conference\r\nExpires: 0\r\n").expect("and ended");
    house.settle();
    house.send("m1", "c6", EVENT).expect("there is room again");
    assert_eq!(house.settle(), ["c6 1 conference active;expires=3600: whole 1-1"]);
}

/// Else he could keep all others from watching it.
#[test]
fn one_subscriber_has_a_share_of_each_resource() {
    let mut house = House::new();
    for call_id in ["c1", "c2"] {
        house.send("m1", call_id, EVENT).expect("there is room");
    }
    let too_many = house.send("m1", "c3", EVENT).expect_err("bob has his share of m1");
    assert_eq!((too_many.status, too_many.word.as_str()), (480, "too-many-subscriptions"));
    assert_eq!(too_many.reason, "the sender watches it 2 times already");
    house.send_as("carol", ("m1", "c4", EVENT), Ok(())).expect("another may watch it");
    house.send("m2", "c5", EVENT).expect("and bob another one");
    house.settle();
    house.send("m1;tag=l", "c1", "Event: conference\r\nExpires: 0\r\n").expect("may be ended");
    house.settle();
    house.send("m1", "c6", EVENT).expect("there is room again");
    assert_eq!(house.settle().len(), 1);
}

#[test]
fn all_users_of_a_partner_share_what_it_may_have() {
    let mut house = House::new();
    let mut send = |domain, name, call_id| house.send_as(domain, (name, call_id, EVENT), Ok(()));
    send("fabrikam.example", "m1", "c1").expect("there is room");
    let too_many = send("fabrikam.example", "m1", "c2").expect_err("it has its share of m1");
    assert_eq!((too_many.status, too_many.word.as_str()), (480, "too-many-subscriptions"));
    send("fabrikam.example", "m2", "c3").expect("there is room");
    send("litware.example", "m2", "c4").expect("another partner has its own");
    let too_many = send("fabrikam.example", "m3", "c5").expect_err("it has its share of all");
    assert_eq!(too_many.reason, "the sender has 2 subscriptions");
    assert_eq!(house.settle().len(), 3);
}
