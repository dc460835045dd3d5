//! Calls between partners and users of a domain who are at home at a provider, where each organisation is one server, or has an edge
//! before its home. With every other seed topology is hidden: then no name of the inside may leave.

#![expect(clippy::unwrap_used, reason = "a test may")]

use sim::scenario::{ScenarioFile, Setting, run};

/// Alice is at home at Contoso and Carol at Cloud, who share the domain; Bob is a partner's.
const STAGE: &str = "\
organisation contoso.example
organisation cloud.example
organisation fabrikam.example
cloud.example also serves contoso.example
contoso.example shares its users with the provider cloud at sip.cloud.example
cloud.example shares its users with the provider premises at sip.contoso.example
contoso.example allows fabrikam.example
cloud.example allows fabrikam.example
fabrikam.example allows contoso.example
carol@contoso.example has a phone at cloud.example
bob@fabrikam.example has a phone
carol@contoso.example signs in
bob@fabrikam.example signs in
";

const BOB: &str = "bob@fabrikam.example";
const CAROL: &str = "carol@contoso.example";

/// A call that one of the two ends.
fn call((caller, callee): (&str, &str), ends: &str) -> String {
    let stays = if ends == caller { callee } else { caller };
    format!(
        "{caller} calls {callee}\n{callee} is called by {caller}\n{caller} hears ringing\n{callee} answers\n{caller} talks\n\
         {callee} talks\n{ends} hangs up\n{ends} is told 200\nthe call of {stays} ends\n"
    )
}

fn perform(play: &str, edges: &[usize]) {
    let file = ScenarioFile::parse("test.play", &format!("{STAGE}== test\n{play}")).unwrap();
    for (seed, workers, edges) in [(1, 1), (2, 3), (3, 3)]
        .into_iter()
        .flat_map(|(seed, workers)| edges.iter().map(move |edges| (seed, workers, *edges)))
    {
        let setting = Setting { seed, workers, edges, outside: false, fault: None, keeps_trace: false };
        run(&file, &file.plays[0], setting).map(drop).unwrap_or_else(|failure| panic!("{failure}"));
    }
}

#[test]
fn a_partner_s_call_reaches_who_is_at_home_at_the_provider_and_ends_from_either_side() {
    perform(&[CAROL, BOB].map(|ends| call((BOB, CAROL), ends)).concat(), &[0, 1, 2]);
}

#[test]
fn a_call_to_a_partner_goes_by_the_edge_that_the_policy_or_the_default_route_names() {
    let calls = call((CAROL, BOB), BOB) + &call((BOB, CAROL), CAROL);
    perform(&format!("cloud.example sends carol@contoso.example by way of sip.contoso.example\n{calls}"), &[0]);
    perform(&format!("cloud.example has the default route sip.contoso.example\n{calls}"), &[0, 1]);
}
