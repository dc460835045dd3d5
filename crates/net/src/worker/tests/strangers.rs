//! Many who have proven nothing, each with little to say: whoever is known does not wait for all of them.

use super::handshakes::connect_from;
use super::*;

/// Of each stranger; so few that a turn of each is all that there is.
const EACH: usize = 8;
const STRANGERS: u8 = 200;

/// Says it, and hears that nobody is there.
fn ask(alice: &mut Phone) {
    alice.say("sip:bob@contoso.example", "hello");
    assert!(alice.receive_final().status().is_some());
}

#[test]
fn who_is_known_does_not_wait_for_a_turn_of_each_stranger() {
    let (contoso, _fabrikam, _name_server) = two_organisations();
    let mut alice = Phone::connect(&contoso, "alice");
    alice.register();
    ask(&mut alice);
    let mut strangers: Vec<StdStream> =
        (1..=STRANGERS).map(|number| connect_from([127, 0, 2, number], contoso.tcp)).collect();
    let before = contoso.sum(|seen| seen.messages_received);
    for (number, stranger) in strangers.iter_mut().enumerate() {
        let requests: String = (0..EACH).map(|place| request(number * EACH + place)).collect();
        stranger.write_all(requests.as_bytes()).expect("a connection");
    }
    for _ in 0..3 {
        ask(&mut alice);
    }
    let meanwhile = contoso.sum(|seen| seen.messages_received) - before;
    let all = u64::from(STRANGERS) * EACH as u64;
    assert!(meanwhile < all / 2, "{meanwhile} of {all}");
    contoso.expect_at_least(before + all, |seen| seen.messages_received);
}

/// Of somebody who is asked for his password.
fn request(number: usize) -> String {
    format!(
        "MESSAGE sip:bob@contoso.example SIP/2.0\r\nVia: SIP/2.0/TCP phone.invalid;branch=z9hG4bKs{number}\r\n\
         From: <sip:alice@contoso.example>;tag=s\r\nTo: <sip:bob@contoso.example>\r\nCall-ID: s{number}\r\n\
         CSeq: 1 MESSAGE\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    )
}
