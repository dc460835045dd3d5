//! A partner without an entry that sends more than it may: its own connection is what waits.

use super::*;

/// Whoever is proven by the certificate that the flow shows, and has no entry.
fn stranger(authority: &Authority, server: &TestServer) -> Phone {
    for mailbox in &server.mailboxes {
        mailbox.send(WorkerMessage::Partners(Arc::new(Partners::new(Vec::new(), true, true))));
    }
    let client = authority.edge("adatum.example").client;
    Phone { domain: "adatum.example", ..Phone::over(Line::tls_of(server, client), server, "eve") }
}

fn told(response: &Message) -> String {
    let warning = response.header_text(HeaderName::Warning).unwrap_or_default();
    warning.split('"').nth(1).unwrap_or_default().to_owned()
}

#[test]
fn a_flood_waits_in_its_own_connection_and_each_of_it_is_answered() {
    const FLOOD: usize = 250;
    let authority = Authority::new();
    let shell = TestShell {
        // Nobody has to be asked for.
        resolver: Resolver::new(&crate::DnsSettings::of(&["127.0.0.1:9".parse().expect("an address")]))
            .expect("explicit servers need no files"),
        limits: Limits::default(),
    };
    let tls = free_port(Ipv4Addr::LOCALHOST.into(), Transport::Tls);
    let contoso = TestServer::start("contoso.example", "", tls, &authority.edge("contoso.example"), &shell);
    let mut eve = stranger(&authority, &contoso);
    eve.say("sip:nobody@contoso.example", "first");
    assert_eq!(eve.receive_final().status(), Some(480));

    for _ in 1..FLOOD {
        eve.say("sip:nobody@contoso.example", "more");
    }
    let answers: Vec<String> = (1..FLOOD).map(|_| told(&eve.receive_final())).collect();
    let too_fast = answers.iter().filter(|word| *word == "rate-limited").count();
    // Five seconds' worth may come at once; while the rest is refused slowly, some of it is in time.
    assert!((20..FLOOD - 99).contains(&too_fast), "{too_fast}");

    let mut alice = Phone::connect(&contoso, "alice");
    alice.register();
}
