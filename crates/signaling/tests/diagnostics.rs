//! `ms-diagnostics`: what our users are told, what partners are, and what of theirs passes.

use std::sync::Arc;

use federation::decision::Outcome;
use federation::partner::Partners;
use signaling::Input;
use sim::{Line, World, allowed};
use sip::{Diagnostics, Message};

use crate::phone;

const ALICE: &str = "alice@contoso.example";
const BOB: &str = "bob@fabrikam.example";

struct Pair {
    world: World,
    contoso: usize,
    alice: Line,
    bob: Line,
}

/// Fabrikam tells partners why it refuses, or it does not.
fn everywhere(fabrikam_tells: bool, play: impl Fn(Pair)) {
    phone::everywhere(3, |workers, seed| {
        let mut world = World::new(seed);
        let [contoso, fabrikam] = world.allies(["contoso.example", "fabrikam.example"], workers);
        let partners = Partners::new(vec![allowed("contoso.example")], true, false).with_diagnostics(fabrikam_tells);
        let partners = Arc::new(partners);
        world.on_cores(fabrikam, |core, now| core.handle_input(now, Input::Partners(partners.clone())));
        world.user(contoso, ALICE);
        world.user(fabrikam, BOB);
        let alice = phone::register(&mut world, contoso, 0, ALICE);
        let bob = phone::register(&mut world, fabrikam, workers - 1, BOB);
        play(Pair { world, contoso, alice, bob });
    });
}

/// The values of the private header, and of the public one.
fn told(message: &Message) -> [Option<String>; 2] {
    ["ms-diagnostics", "ms-diagnostics-public"].map(|name| {
        let found = message.headers().find(|header| header.raw_name.eq_ignore_ascii_case(name.as_bytes()))?;
        Some(String::from_utf8_lossy(found.value).into_owned())
    })
}

#[test]
fn our_users_are_told_why_by_an_id() {
    everywhere(false, |mut pair| {
        pair.world.send(pair.alice, &phone::request("MESSAGE", ALICE, "eve@nowhere.example", "unlisted"));
        let refused = pair.world.only(pair.alice);
        let why = "1005;source=\"sip.contoso.example\";reason=\"Cannot route to destination domain\"";
        assert_eq!((refused.status(), told(&refused)), (Some(403), [Some(why.to_owned()), None]));
        // Who has not proven that he is one of ours is only asked who he is.
        let stranger = pair.world.connect(pair.contoso, 0, None);
        pair.world.send(stranger, &phone::request("MESSAGE", ALICE, BOB, "unproven"));
        let challenge = pair.world.only(stranger);
        assert_eq!((challenge.status(), told(&challenge)), (Some(407), [None, None]));
    });
}

#[test]
fn partners_are_told_by_an_id_where_our_policy_says_so() {
    for (tells, public) in [(true, Some("1003;reason=\"User does not exist\"")), (false, None)] {
        everywhere(tells, |mut pair| {
            pair.world.send(pair.alice, &phone::request("MESSAGE", ALICE, "nobody@fabrikam.example", "unknown"));
            let refused = pair.world.only(pair.alice);
            assert_eq!((refused.status(), told(&refused)), (Some(404), [None, public.map(str::to_owned)]));
        });
    }
}

#[test]
fn what_a_partner_says_reaches_our_user_and_why_and_what_is_private_there_stays_there() {
    everywhere(false, |mut pair| {
        pair.world.send(pair.alice, &phone::request("MESSAGE", ALICE, BOB, "said"));
        let message = pair.world.only(pair.bob);
        let private = "ms-diagnostics: 1047;source=\"inside.fabrikam.example\";reason=\"secret\"";
        let public = "1008;reason=\"Unable to resolve DNS SRV record\"";
        let answer = phone::answer(&message, "504 Server Time-out", "bob");
        let headers = format!("{private}\nms-diagnostics-public: {public}\nContent-Length");
        pair.world.send(pair.bob, &answer.replacen("Content-Length", &headers, 1));
        let refused = pair.world.only(pair.alice);
        assert_eq!((refused.status(), told(&refused)), (Some(504), [None, Some(public.to_owned())]));
        let said = pair.world.decisions(pair.contoso).find_map(|record| match &record.outcome {
            Outcome::Answered { status: 504, diagnostics, .. } => diagnostics.clone(),
            _ => None,
        });
        assert_eq!(said, Diagnostics::parse(public.as_bytes()));
    });
}
