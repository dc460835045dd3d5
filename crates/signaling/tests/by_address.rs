//! Requests for the address that the server has, as whoever was given that in place of a name sends them (RFC 3261 sections 10.2,
//! 11 and 16.4), and for addresses that others have; the same of either family.

use sim::{Line, World, allowed, certificate};
use sip::{HeaderName, Message, Method, auth};

use crate::phone;

const ALICE: &str = "alice@contoso.example";
const BOB: &str = "bob@fabrikam.example";
/// An address, how a URI has it, in another spelling, and one of somebody else.
const FAMILIES: [[&str; 4]; 2] = [
    ["192.0.2.10", "192.0.2.10", "192.0.2.10:5060", "192.0.2.99"],
    ["2001:db8::10", "[2001:db8::10]", "[2001:0DB8:0::10]:5060", "[2001:db8::99]"],
];

/// Contoso has this address; Alice has signed in there over TLS, and Fabrikam is a partner.
struct Play {
    world: World,
    contoso: usize,
    alice: Line,
    partner: Line,
    ours: [&'static str; 2],
    others: &'static str,
}

fn everywhere(act: impl Fn(Play)) {
    phone::everywhere(2, |workers, seed| {
        for [address, written, otherwise, others] in FAMILIES {
            let mut world = World::new(seed);
            let contoso = world.organisation("contoso.example", workers, &[allowed("fabrikam.example")], false);
            world.place_at(contoso, address);
            world.user(contoso, ALICE);
            let alice = phone::register(&mut world, contoso, 0, ALICE);
            let partner = world.connect(contoso, workers - 1, Some(certificate(&["fabrikam.example"])));
            act(Play { world, contoso, alice, partner, ours: [written, otherwise], others });
        }
    });
}

/// The status, and the public word.
fn told(answer: &Message) -> (u16, String) {
    let warning = answer.header_text(HeaderName::Warning).unwrap_or_default();
    (answer.status().unwrap(), warning.split('"').nth(1).unwrap_or_default().to_owned())
}

impl Play {
    /// What each of the two is told of a request for this.
    fn told(&mut self, method: &str, uri: &str) -> [(u16, String); 2] {
        [(self.alice, ALICE), (self.partner, BOB)].map(|(line, from)| {
            let name = format!("{from}{}", uri.replace(['[', ']', ':', '@'], "."));
            let request = phone::request(method, from, ALICE, &name);
            self.world.send(line, &request.replacen(&format!("sip:{ALICE}"), uri, 1));
            told(&self.world.take_response(line))
        })
    }
}

#[test]
fn it_answers_options_for_its_address_as_for_its_name() {
    everywhere(|mut play| {
        for host in play.ours.into_iter().chain(["sip.contoso.example", "contoso.example"]) {
            assert_eq!(
                play.told("OPTIONS", &format!("sip:{host}")),
                [(200, String::new()), (200, String::new())],
                "{host}"
            );
        }
    });
}

#[test]
fn nobody_is_addressed_by_it_nor_by_its_name() {
    everywhere(|mut play| {
        let unknown = || (404, "user-unknown".to_owned());
        for host in play.ours.into_iter().chain(["sip.contoso.example"]) {
            for method in ["MESSAGE", "OPTIONS", "SUBSCRIBE"] {
                assert_eq!(play.told(method, &format!("sip:alice@{host}")), [unknown(), unknown()], "{method} {host}");
            }
        }
        play.world.assert_quiet();
    });
}

#[test]
fn nothing_goes_to_the_address_of_somebody_else() {
    everywhere(|mut play| {
        let told = ["domain-not-allowed", "relay-denied"].map(|word| (403, word.to_owned()));
        for uri in [format!("sip:{}", play.others), format!("sip:user@{}", play.others)] {
            for method in ["MESSAGE", "OPTIONS"] {
                assert_eq!(play.told(method, &uri), told, "{method} {uri}");
            }
        }
        assert!(play.world.dialled.is_empty());
    });
}

/// Whose address-of-record has the address for its domain is nobody of ours (RFC 3261 section 10.3).
#[test]
fn who_registers_at_its_address_is_known_by_his_domain() {
    everywhere(|mut play| {
        let ways = play.ours.into_iter().flat_map(|host| [(host, "TLS"), (host, "UDP")]);
        for (number, (host, way)) in ways.enumerate() {
            let line = match way {
                "UDP" => play.world.datagrams(play.contoso, 0),
                _ => play.world.connect(play.contoso, 0, None),
            };
            let uri = format!("sip:{host}");
            let register = |aor: &str, cseq: u32, authorization: &str| {
                format!(
                    "REGISTER {uri} SIP/2.0\nVia: SIP/2.0/{way} phone.invalid;branch=z9hG4bK{number}.{cseq};rport\n\
                     From: <sip:{aor}>;tag=1\nTo: <sip:{aor}>\nCall-ID: r{number}.{cseq}\nCSeq: {cseq} REGISTER\n\
                     Contact: <sip:alice@phone.invalid>\nMax-Forwards: 70\n{authorization}Content-Length: 0\n\n"
                )
            };
            play.world.send(line, &register(ALICE, 1, ""));
            let challenge = play.world.only(line);
            assert_eq!(challenge.status(), Some(401), "{uri}");
            let values = challenge.header_all(HeaderName::WwwAuthenticate);
            let values: Vec<&str> = values.map(|value| std::str::from_utf8(value).unwrap()).collect();
            let proof =
                auth::answer(&values, "alice", sim::PASSWORD, &Method::Register, &uri, b"", "cnonce", 1).unwrap();
            play.world.send(line, &register(ALICE, 2, &format!("Authorization: {proof}\n")));
            assert_eq!(play.world.take_response(line).status(), Some(200), "{uri}");
            play.world.send(line, &register(&format!("alice@{}", play.ours[0]), 3, ""));
            assert_eq!(told(&play.world.only(line)), (403, "domain-not-served".to_owned()), "{uri}");
        }
    });
}
