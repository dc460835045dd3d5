//! What a meeting offers to people of another organisation once a policy has become narrower, of one and of three workers each.

use std::time::Duration;

use federation::external_access::Policy;
use sim::first_line;
use sip::{Message, Method};

use crate::phone;
use crate::room::*;

/// From now on, Contoso's people may do this with all partners.
fn everybody_may(room: &mut Room, modalities: &str) {
    let policy = Policy { modalities: modalities.parse().unwrap(), ..Policy::new("organisation") };
    room.world.change_access(room.contoso, |access| access.put_policy(policy));
}

/// Which of the two streams have a port.
fn offered(message: &Message) -> Vec<String> {
    let has_port = |line: &String| line.split(' ').nth(1) != Some("0");
    media_lines(message).into_iter().filter(has_port).map(|line| line.split(' ').next().unwrap().to_owned()).collect()
}

#[test]
fn who_asks_to_be_offered_is_offered_what_the_policy_allows() {
    everywhere(|mut room| {
        let alice = room.join(room.alice, ALICE, FACTORY, AUDIO);
        let address = conference(&alice);
        let bob = room.join(room.bob, BOB, &address, &format!("{AUDIO}{MESSAGES}"));
        let dave = room.join(room.dave, DAVE, &address, &format!("{AUDIO}{MESSAGES}"));
        assert_eq!(offered(&bob), ["m=audio", "m=message"]);
        everybody_may(&mut room, "audio, meetings");
        let again = |ok: &Message| {
            phone::by_caller("INVITE", ok, 2).replace("Max-", "Contact: <sip:phone@phone.invalid;transport=tls>\nMax-")
        };
        room.world.send(room.dave, &again(&dave));
        assert_eq!(offered(&room.world.take_response(room.dave)), ["m=audio", "m=message"], "of our own");
        room.world.send(room.bob, &again(&bob));
        let offer = room.world.take_response(room.bob);
        assert_eq!((offer.status(), offered(&offer)), (Some(200), vec!["m=audio".to_owned()]));
        assert_eq!(media_lines(&offer).len(), 2, "each line keeps its place (RFC 3264 section 8)");
        // The 200 is repeated until its ACK.
        room.world.pass(Duration::from_secs(1));
        let repeated = room.world.take(room.bob);
        assert!(!repeated.is_empty() && repeated.iter().all(|ok| offered(ok) == ["m=audio"]));
        let answer = format!("{HEAD}{AUDIO}{}", MESSAGES.replace("5060", "0"));
        let ack = phone::by_caller("ACK", &offer, 2);
        room.world.send(room.bob, &phone::with_body(&ack, "", "application/sdp", &answer));
        assert_eq!(room.legs(), 3, "he is heard as before");
    });
}

#[test]
fn what_a_meeting_offers_unasked_is_what_the_policy_allows() {
    everywhere(|mut room| {
        let alice = room.join(room.alice, ALICE, FACTORY, AUDIO);
        room.join(room.bob, BOB, &conference(&alice), &format!("{AUDIO}{MESSAGES}"));
        everybody_may(&mut room, "audio, meetings");
        room.world.lose_sound(room.contoso);
        let invite = room.world.only(room.bob);
        assert_eq!(invite.method(), Some(Method::Invite), "{}", first_line(&invite));
        assert_eq!(offered(&invite), ["m=audio"]);
    });
}
