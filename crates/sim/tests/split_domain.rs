//! Calls between partners and users of a domain who are at home at a provider, where each organisation is one server.

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

const FROM_PARTNER: &str = "\
bob@fabrikam.example calls carol@contoso.example
carol@contoso.example is called by bob@fabrikam.example
bob@fabrikam.example hears ringing
carol@contoso.example answers
bob@fabrikam.example talks
carol@contoso.example talks
carol@contoso.example hangs up
carol@contoso.example is told 200
the call of bob@fabrikam.example ends
bob@fabrikam.example calls carol@contoso.example
carol@contoso.example is called by bob@fabrikam.example
bob@fabrikam.example hears ringing
carol@contoso.example answers
bob@fabrikam.example talks
carol@contoso.example talks
bob@fabrikam.example hangs up
bob@fabrikam.example is told 200
the call of carol@contoso.example ends
";

const TO_PARTNER: &str = "\
carol@contoso.example calls bob@fabrikam.example
bob@fabrikam.example is called by carol@contoso.example
carol@contoso.example hears ringing
bob@fabrikam.example answers
carol@contoso.example talks
bob@fabrikam.example talks
bob@fabrikam.example hangs up
bob@fabrikam.example is told 200
the call of carol@contoso.example ends
bob@fabrikam.example calls carol@contoso.example
carol@contoso.example is called by bob@fabrikam.example
bob@fabrikam.example hears ringing
carol@contoso.example answers
bob@fabrikam.example talks
carol@contoso.example talks
carol@contoso.example hangs up
carol@contoso.example is told 200
the call of bob@fabrikam.example ends
";

fn perform(play: &str) {
    let file = ScenarioFile::parse("test.play", &format!("{STAGE}== test\n{play}")).unwrap();
    for (seed, workers) in [(1, 1), (2, 3), (3, 3)] {
        let setting = Setting { seed, workers, edges: 0, outside: false, fault: None, keeps_trace: false };
        run(&file, &file.plays[0], setting).map(drop).unwrap_or_else(|failure| panic!("{failure}"));
    }
}

#[test]
fn a_partner_s_call_reaches_who_is_at_home_at_the_provider_and_ends_from_either_side() {
    perform(FROM_PARTNER);
}

#[test]
fn a_call_to_a_partner_goes_by_the_edge_that_the_policy_or_the_default_route_names() {
    perform(&format!("cloud.example sends carol@contoso.example by way of sip.contoso.example\n{TO_PARTNER}"));
    perform(&format!("cloud.example has the default route sip.contoso.example\n{TO_PARTNER}"));
}
