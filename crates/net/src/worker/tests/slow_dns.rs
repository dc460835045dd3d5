//! Name servers that say nothing: who waits for an answer of theirs is told so in a bounded time.

use federation::decision::Outcome;
use hickory_proto::rr::RecordType;

use super::*;
use crate::DnsSettings;

/// Contoso with this name server.
pub(super) fn contoso(name_server: SocketAddr, limits: Limits) -> TestServer {
    let resolver = Resolver::new(&DnsSettings::of(&[name_server])).expect("explicit servers need no files");
    let address = free_port(Ipv4Addr::LOCALHOST.into(), Transport::Tls);
    let edge = Authority::new().edge("contoso.example");
    TestServer::start("contoso.example", "fabrikam.example", address, &edge, &TestShell { resolver, limits })
}

/// Why a message to the partner was refused; it was in about this time.
pub(super) fn refused(contoso: &TestServer, time: Duration) -> (u16, String, String) {
    let mut alice = Phone::connect(contoso, "alice");
    alice.register();
    let begun = Instant::now();
    alice.say("sip:bob@fabrikam.example", "anybody there?");
    let response = alice.receive_final();
    let waited = begun.elapsed();
    assert!((time..time + Duration::from_millis(2_500)).contains(&waited), "{waited:?}");
    let call_id = response.call_id().expect("a Call-ID").to_owned();
    let reasons = contoso.mailboxes.iter().flat_map(|mailbox| {
        let (reply, found) = mpsc::channel();
        let call_id = call_id.clone();
        let look = move |core: &mut signaling::Core, _| {
            let records = core.decisions().by_call_id(&call_id).map(|found| found.record.clone());
            reply.send(records.collect::<Vec<_>>()).expect("heard");
        };
        mailbox.send(WorkerMessage::Inspect(Box::new(look)));
        found.recv().expect("an answer")
    });
    let reason = reasons.into_iter().find_map(|record| match &record.outcome {
        Outcome::Refused { word, reason, .. } => Some((word.to_string(), reason.clone())),
        _ => None,
    });
    let (word, reason) = reason.expect("a refusal");
    (response.status().expect("a response"), word, reason)
}

/// Contoso, whose name server says nothing to questions of these types; and the runtime of what it says to others. A lookup
/// has a second: the resolver itself would wait for four.
fn with_silent(types: &'static [RecordType]) -> (TestServer, tokio::runtime::Runtime) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.expect("a runtime");
    let speaking = runtime.block_on(name_server::start([
        ("_sips._tcp.fabrikam.example", srv(5061, "edge.fabrikam.example")),
        ("edge.fabrikam.example", address(Ipv4Addr::LOCALHOST.into())),
    ]));
    let limits = Limits { resolve_secs_max: 1, ..Limits::default() };
    (contoso(name_server::silent_about(types, speaking), limits), runtime)
}

#[test]
fn a_partner_whose_name_servers_are_silent_is_given_up_in_time() {
    let (contoso, _speaking) = with_silent(&[RecordType::SRV]);
    let told = refused(&contoso, Duration::from_secs(1));
    assert_eq!((told.0, told.1.as_str()), (504, "no-route"));
    assert!(told.2.contains("the SRV lookup timed out"), "{}", told.2);
    assert_eq!(contoso.sum(|seen| seen.dns_failures), 1);
}

#[test]
fn a_server_whose_address_nobody_says_is_given_up_in_time() {
    let (contoso, _speaking) = with_silent(&[RecordType::A, RecordType::AAAA]);
    let told = refused(&contoso, Duration::from_secs(1));
    assert_eq!((told.0, told.1.as_str()), (504, "partner-unreachable"));
    assert!(told.2.contains("the lookup of edge.fabrikam.example timed out"), "{}", told.2);
    assert_eq!(contoso.sum(|seen| seen.dns_failures), 1);
}
