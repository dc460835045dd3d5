//! REGISTER conversations: what is bound, what is refused, and what is left afterwards (RFC 3261 section 10.3).

// A test may unwrap, and the clock is read once, for a moment to count from.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::time::{Duration, Instant};

use federation::Admitted;
use registrar::{ClientFlow, EdgeFlow, LocationService, Registered, RegistrarLimits};
use sip::{Aor, FlowId, HeaderName, Message, Refusal, Transport, Uri};

struct Registry {
    now: Instant,
    location: LocationService,
    cseq: u32,
}

impl Registry {
    fn new() -> Registry {
        let limits = RegistrarLimits { bindings_per_aor_max: 3, ..RegistrarLimits::default() };
        Registry { now: Instant::now(), location: LocationService::new(limits), cseq: 0 }
    }

    /// A REGISTER of alice over this flow with these header lines.
    fn register(&mut self, flow: u64, lines: &str) -> Result<Registered, Refusal> {
        self.cseq += 1;
        self.register_as("c1", self.cseq, flow, lines)
    }

    fn register_as(&mut self, call_id: &str, cseq: u32, flow: u64, lines: &str) -> Result<Registered, Refusal> {
        let request = request(call_id, cseq, lines);
        self.location.handle_register(self.now, &request, &alice(), over(flow))
    }

    /// The same over this connection of a phone's to the first edge, whose own connection to us has the number 7.
    fn register_outside(&mut self, number: u64, lines: &str) -> Result<Registered, Refusal> {
        let flow = ClientFlow { edge: Some(EdgeFlow { edge: 0, number }), ..over(7) };
        self.cseq += 1;
        let request = request("c1", self.cseq, lines);
        self.location.handle_register(self.now, &request, &alice(), flow)
    }

    fn contacts(&self) -> Vec<String> {
        self.location.lookup(self.now, &aor()).iter().map(|binding| binding.contact.clone()).collect()
    }
}

fn aor() -> Aor {
    "alice@contoso.example".parse().unwrap()
}

/// Only admission makes the proof; here it comes as it does between workers, in serialised form.
fn request(call_id: &str, cseq: u32, lines: &str) -> Message {
    let text = format!(
        "REGISTER sip:contoso.example SIP/2.0\r\nVia: SIP/2.0/TLS p.invalid;branch=z9hG4bK1\r\n\
         From: <sip:alice@contoso.example>;tag=1\r\nTo: <sip:alice@contoso.example>\r\nCall-ID: {call_id}\r\n\
         CSeq: {cseq} REGISTER\r\n{lines}Content-Length: 0\r\n\r\n"
    );
    Message::parse(text.into_bytes().into()).unwrap()
}

fn alice() -> Admitted {
    serde_json::from_value(serde_json::json!({ "origin": { "User": { "aor": aor() } } })).unwrap()
}

fn over(flow: u64) -> ClientFlow {
    let id = FlowId::Stream { worker: 0, serial: flow };
    ClientFlow { id, transport: Transport::Tls, local_port: 5061, edge: None }
}

#[test]
fn devices_are_bound_with_their_flow_and_their_remaining_time() {
    let mut registry = Registry::new();
    let registered = registry.register(1, "Contact: <sip:a@one.invalid>;expires=120\r\n").unwrap();
    assert_eq!(registered.contacts, ["<sip:a@one.invalid>;expires=120"]);
    registry.now += Duration::from_secs(20);
    let registered = registry.register(2, "m: <sip:a@two.invalid>;q=0.5\r\nExpires: 300\r\n").unwrap();
    assert_eq!(registered.contacts, ["<sip:a@one.invalid>;expires=100", "<sip:a@two.invalid>;q=0.5;expires=300"]);
    registry.now += Duration::from_secs(100);
    assert_eq!(registry.contacts(), ["sip:a@two.invalid"], "a binding ends on time");
}

#[test]
fn a_fetch_changes_nothing() {
    let mut registry = Registry::new();
    registry.register(1, "Contact: <sip:a@one.invalid>\r\n").unwrap();
    let fetched = registry.register(9, "").unwrap();
    assert_eq!((fetched.contacts.len(), fetched.bound), (1, false));
}

#[test]
fn a_device_that_registers_again_takes_its_own_place() {
    let mut registry = Registry::new();
    registry.register(1, "Contact: <sip:a@one.invalid>;reg-id=1;+sip.instance=\"<urn:uuid:1>\"\r\n").unwrap();
    registry.register(2, "Contact: <sip:a@other.invalid>;reg-id=1;+sip.instance=\"<urn:uuid:1>\"\r\n").unwrap();
    assert_eq!(registry.contacts(), ["sip:a@other.invalid"]);
    registry.location.flow_closed(over(1).id);
    assert_eq!(registry.contacts().len(), 1, "the old flow carries nothing any more");
    registry.location.flow_closed(over(2).id);
    assert!(registry.contacts().is_empty() && registry.location.is_empty());
}

#[test]
fn a_contact_is_a_sip_uri_and_its_instance_is_repeated_as_written() {
    let mut registry = Registry::new();
    assert_eq!(registry.register(1, "Contact: <javascript:alert(1)>\r\n").unwrap_err().status, 400);
    let quoted = "Contact: <sip:a@one.invalid?Subject=x>;Q=0.5;+sip.instance=\"<urn:uuid:1>, <sip:b@evil.invalid>\";reg-id=1\r\n";
    let registered = registry.register(1, quoted).unwrap();
    assert_eq!(
        registered.contacts,
        [
            "<sip:a@one.invalid?Subject=x>;q=0.5;+sip.instance=\"<urn:uuid:1>, <sip:b@evil.invalid>\";reg-id=1;expires=3600"
        ]
    );
}

#[test]
fn headers_in_a_contact_are_told_and_are_of_no_request() {
    for (uri, request_uri) in [
        ("sip:a@one.invalid?Route=%3Csip:b%3E", "sip:a@one.invalid"),
        ("sip:a?b@one.invalid;lr?Subject=x", "sip:a?b@one.invalid;lr"),
        ("sip:a?b@one.invalid", "sip:a?b@one.invalid"),
    ] {
        let mut registry = Registry::new();
        let registered = registry.register(1, &format!("Contact: <{uri}>;expires=120\r\n")).unwrap();
        assert_eq!(registered.contacts, [format!("<{uri}>;expires=120")]);
        assert_eq!(registry.location.lookup(registry.now, &aor())[0].request_uri(), request_uri);
    }
}

#[test]
fn zero_removes_one_and_a_star_removes_all() {
    let mut registry = Registry::new();
    registry.register(1, "Contact: <sip:a@one.invalid>, <sip:a@two.invalid>\r\n").unwrap();
    registry.register(1, "Contact: <sip:a@one.invalid>;expires=0\r\n").unwrap();
    assert_eq!(registry.contacts(), ["sip:a@two.invalid"]);
    assert_eq!(registry.register(1, "Contact: *\r\n").unwrap_err().status, 400, "a star needs Expires: 0");
    registry.register(1, "Contact: *\r\nExpires: 0\r\n").unwrap();
    assert!(registry.contacts().is_empty());
}

#[test]
fn an_old_request_of_the_same_call_id_changes_nothing() {
    let mut registry = Registry::new();
    registry.register_as("c1", 5, 1, "Contact: <sip:a@one.invalid>\r\n").unwrap();
    let refused = registry.register_as("c1", 4, 1, "Contact: <sip:a@one.invalid>;expires=0\r\n").unwrap_err();
    assert_eq!(refused.status, 500);
    registry.register_as("c2", 1, 1, "Contact: <sip:a@one.invalid>;expires=0\r\n").unwrap();
    assert!(registry.contacts().is_empty(), "another Call-ID counts anew");
}

#[test]
fn too_brief_too_many_and_too_long_have_their_answers() {
    let mut registry = Registry::new();
    let refused = registry.register(1, "Contact: <sip:a@one.invalid>;expires=10\r\n").unwrap_err();
    assert_eq!((refused.status, refused.headers), (423, vec![(HeaderName::MinExpires, "60".to_owned())]));
    let registered = registry.register(1, "Contact: <sip:a@one.invalid>;expires=999999\r\n").unwrap();
    assert_eq!(registered.contacts, ["<sip:a@one.invalid>;expires=7200"]);
    registry.register(1, "Contact: <sip:a@two.invalid>\r\nContact: <sip:a@three.invalid>\r\n").unwrap();
    let refused = registry.register(1, "Contact: <sip:a@four.invalid>\r\n").unwrap_err();
    assert_eq!((refused.status, registry.contacts().len()), (503, 3), "all of it or nothing");
}

#[test]
fn a_removed_user_leaves_nothing() {
    let mut registry = Registry::new();
    registry.register(1, "Contact: <sip:a@one.invalid>\r\n").unwrap();
    assert_eq!(registry.location.remove_user(&aor()), [over(1).id]);
    assert_eq!((registry.location.len(), registry.location.poll_timeout()), (0, None));
}

const OUTBOUND: &str = "Supported: path, outbound\r\n";

/// A Contact of alice's one phone, over its flow of this number.
fn flow_contact(reg_id: u32) -> String {
    format!("Contact: <sip:a@flow{reg_id}.invalid;ob>;reg-id={reg_id};+sip.instance=\"<urn:uuid:1>\"\r\n")
}

fn devices(registry: &Registry) -> Vec<Vec<String>> {
    let contacts = |device: Vec<&registrar::Binding>| device.iter().map(|flow| flow.contact.clone()).collect();
    registry.location.devices(registry.now, &aor()).into_iter().map(contacts).collect()
}

#[test]
fn two_flows_of_one_instance_are_one_device_and_the_last_registered_comes_first() {
    let mut registry = Registry::new();
    let first = registry.register(1, &(flow_contact(1) + OUTBOUND)).unwrap();
    assert!(first.outbound);
    registry.now += Duration::from_secs(1);
    registry.register(2, &(flow_contact(2) + OUTBOUND)).unwrap();
    registry.register(3, "Contact: <sip:a@other.invalid>;+sip.instance=\"<urn:uuid:2>\"\r\n").unwrap();
    let two = ["sip:a@flow2.invalid;ob", "sip:a@flow1.invalid;ob"];
    let other = ["sip:a@other.invalid"];
    assert_eq!(devices(&registry), [two.to_vec(), other.to_vec()]);
    registry.now += Duration::from_secs(1);
    registry.register(1, &(flow_contact(1) + OUTBOUND)).unwrap();
    assert_eq!(devices(&registry)[0], [two[1], two[0]], "it was heard from last");
    registry.location.flow_closed(over(1).id);
    assert_eq!(devices(&registry), [vec![two[0]], other.to_vec()], "the other flow stands for the device");
}

#[test]
fn of_several_names_of_one_client_the_last_is_called_and_all_are_told() {
    let mut registry = Registry::new();
    registry.register_as("old", 1, 1, "Contact: <sip:a-0x5512@one.invalid>\r\n").unwrap();
    registry.now += Duration::from_secs(1);
    let told = registry.register_as("new", 1, 1, "Contact: <sip:a-0x77aa@one.invalid>;q=0.5\r\n").unwrap();
    assert_eq!(told.contacts.len(), 2);
    assert_eq!(devices(&registry), [["sip:a-0x77aa@one.invalid"]]);
    registry.register(2, "Contact: <sip:a@two.invalid>\r\n").unwrap();
    assert_eq!(devices(&registry), [["sip:a@two.invalid"], ["sip:a-0x77aa@one.invalid"]], "another flow");
    registry.register_as("new", 2, 1, "Contact: <sip:a-0x77aa@one.invalid>;expires=0\r\n").unwrap();
    assert_eq!(devices(&registry)[0], ["sip:a-0x5512@one.invalid"], "it has taken the other back");
}

#[test]
fn of_several_contacts_in_one_registration_the_most_wanted_is_called_or_the_first() {
    let mut registry = Registry::new();
    registry.register(1, "Contact: <sip:a@b.invalid>;q=0.2, <sip:c@b.invalid>, <sip:d@b.invalid>\r\n").unwrap();
    assert_eq!(devices(&registry), [["sip:c@b.invalid"]]);
}

#[test]
fn those_that_share_a_flow_and_are_told_apart_are_called_each() {
    let contact = |user: &str, more: &str| format!("Contact: <sip:{user}@b.invalid>{more}\r\n");
    let by_instance = |user: &str| contact(user, &format!(";+sip.instance=\"<urn:uuid:{user}>\""));
    let by_proxy = |user: &str| contact(user, "") + "Via: SIP/2.0/TLS phone.invalid;branch=z9hG4bK2\r\n";
    let ways: [&dyn Fn(&str) -> String; 2] = [&by_instance, &by_proxy];
    for written in ways {
        let mut registry = Registry::new();
        for user in ["a", "b"] {
            registry.register(1, &written(user)).unwrap();
        }
        assert_eq!(devices(&registry), [["sip:a@b.invalid"], ["sip:b@b.invalid"]]);
    }
    let mut registry = Registry::new();
    registry.register(1, "Contact: <sip:a@b.invalid>, <sips:a@b.invalid>\r\n").unwrap();
    assert_eq!(devices(&registry).len(), 2, "one for sips");
    let mut registry = Registry::new();
    for user in ["a", "b"] {
        registry.now += Duration::from_secs(1);
        registry.register_outside(1, &by_proxy(user)).unwrap();
    }
    assert_eq!(devices(&registry), [["sip:b@b.invalid"]], "the second Via is the edge's");
}

#[test]
fn outbound_is_for_who_names_device_and_flow_and_knows_of_it() {
    let mut registry = Registry::new();
    let mut asked = |lines: &str| registry.register(1, lines).map(|registered| registered.outbound);
    assert_eq!(asked(&flow_contact(1)), Ok(false), "it does not say that it knows");
    assert_eq!(asked("Contact: <sip:a@one.invalid>;reg-id=1\r\nSupported: outbound\r\n"), Ok(false), "no instance");
    assert_eq!(
        asked("Contact: <sip:a@one.invalid>;+sip.instance=\"<urn:uuid:3>\"\r\nSupported: outbound\r\n"),
        Ok(false)
    );
    assert_eq!(asked(&(flow_contact(1) + "Require: outbound\r\n")), Ok(true));
    let two = flow_contact(1) + &flow_contact(2) + OUTBOUND;
    assert_eq!(asked(&two).unwrap_err().status, 400, "one request cannot come over two flows");
    let one_ends = flow_contact(1).replace(">;", ">;expires=0;") + &flow_contact(2) + OUTBOUND;
    assert_eq!(asked(&one_ends), Ok(true));
}

#[test]
fn a_first_hop_that_cannot_keep_the_flow_is_told_to_the_client() {
    let mut registry = Registry::new();
    let through = "Via: SIP/2.0/UDP phone.invalid;branch=z9hG4bK2\r\n";
    let mut asked = |path: &str| registry.register(1, &(through.to_owned() + path + &flow_contact(1) + OUTBOUND));
    assert_eq!(asked("").unwrap_err().status, 439);
    assert_eq!(asked("Path: <sip:edge.contoso.example;lr>\r\n").unwrap_err().status, 439);
    // The nearest to the client is the last.
    assert_eq!(asked("Path: <sip:b.example;lr;ob>, <sip:a.example;lr>\r\n").unwrap_err().status, 439);
    let registered = asked("Path: <sip:b.example;lr>, <sip:token@a.example;lr;ob>\r\n").unwrap();
    assert!(registered.outbound);
    assert_eq!(registered.path.len(), 2);
    let plain = registry.register(1, &(through.to_owned() + &flow_contact(1))).unwrap();
    assert!(!plain.outbound, "who does not ask for it is bound as ever");
}

#[test]
fn of_phones_by_one_edge_each_lives_by_its_own_connection() {
    let mut registry = Registry::new();
    let bound = |registered: Result<Registered, Refusal>| registered.unwrap().bound;
    assert!(bound(registry.register_outside(1, "Contact: <sip:a@one.invalid>\r\n")));
    assert!(bound(registry.register_outside(2, "Contact: <sip:a@two.invalid>\r\n")));
    assert!(!bound(registry.register_outside(3, "")), "who asks is not bound by another's");
    let edge_s_own = FlowId::Stream { worker: 0, serial: 7 };
    assert!(!registry.location.carries(edge_s_own));
    registry.location.flow_closed(edge_s_own);
    assert_eq!(registry.contacts().len(), 2, "the edge may have other connections to us");
    registry.location.edge_flow_failed(EdgeFlow { edge: 1, number: 1 });
    registry.location.edge_flow_failed(EdgeFlow { edge: 0, number: 1 });
    assert_eq!(registry.contacts(), ["sip:a@two.invalid"]);
    assert_eq!(registry.location.remove_user(&"alice@contoso.example".parse().unwrap()), []);
}

/// Of each Contact in the answer its public GRUU, if it has one.
fn gruus(registered: &Registered) -> Vec<Option<&str>> {
    registered.contacts.iter().map(|contact| Some(contact.split_once(";pub-gruu=\"")?.1.split_once('"')?.0)).collect()
}

#[test]
fn a_device_that_names_itself_is_told_its_gruu_if_it_knows_of_such() {
    const GRUU: &str = "sip:alice@contoso.example;gr=urn:uuid:1";
    let mut registry = Registry::new();
    assert_eq!(gruus(&registry.register(1, &flow_contact(1)).unwrap()), [None], "it does not say that it knows");
    let other =
        "Contact: <sips:a@other.invalid>;+sip.instance=\"<urn:x:a b>\";pub-gruu=\"sip:mallory@contoso.example;gr\"\r\n";
    registry.register(2, other).unwrap();
    let secure = "Contact: <sips:a@two.invalid>;+sip.instance=\"<urn:x:2;3>\"\r\nSupported: path, gruu\r\n";
    let registered = registry.register(3, secure).unwrap();
    let expected = [Some(GRUU), None, Some("sips:alice@contoso.example;gr=urn:x:2%3B3")];
    assert_eq!(gruus(&registered), expected, "{:?}", registered.contacts);
    let fetched = registry.register(1, "Require: gruu\r\n").unwrap();
    assert_eq!(gruus(&fetched), expected, "a query is told them, too");
}

#[test]
fn a_gruu_leads_to_the_flows_of_its_device_the_last_registered_first() {
    let mut registry = Registry::new();
    for flow in [1, 2] {
        registry.register(flow, &(flow_contact(u32::try_from(flow).unwrap()) + OUTBOUND)).unwrap();
        registry.now += Duration::from_secs(1);
    }
    registry.register(3, "Contact: <sip:a@other.invalid>;+sip.instance=\"<urn:uuid:2>\"\r\n").unwrap();
    let (two, one, other) = ("sip:a@flow2.invalid;ob", "sip:a@flow1.invalid;ob", "sip:a@other.invalid");
    for (gr, expected) in [
        (";gr=urn:uuid:1", vec![two, one]),
        (";GR=URN:%55uid:1;transport=tls", vec![two, one]),
        (";gr=urn:uuid:2", vec![other]),
        (";gr=urn%3Auuid%3A1", vec![]),
        (";gr=urn:uuid:3", vec![]),
        (";gr=", vec![]),
        (";gr", vec![]),
    ] {
        let uri = format!("sip:alice@contoso.example{gr}");
        let named = registry.location.named_device(registry.now, &aor(), &Uri::parse(&uri).unwrap());
        assert_eq!(named.iter().map(|binding| &*binding.contact).collect::<Vec<_>>(), expected, "{gr}");
    }
}
