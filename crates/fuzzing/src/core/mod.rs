//! The whole of signaling as sequences of inputs: clients and a partner speak, questions are answered in any order and kind, time
//! passes. Nothing panics, every message that goes out is one, nothing grows beyond its limit, and at the end nothing is left.

mod answers;
mod perform;
mod sent;
mod setting;
mod speech;
mod world;

use std::collections::BTreeSet;
use std::time::Duration;

use signaling::Input;

pub use self::answers::certificate;
pub use self::setting::Part;
use self::speech::Speech;
pub use self::world::World;
use crate::choices::Choices;

pub fn check(bytes: &[u8]) {
    reach(Part::Whole, bytes);
}

/// The same of an edge alone.
pub fn check_edge(bytes: &[u8]) {
    reach(Part::Edge, bytes);
}

/// The same of a home alone.
pub fn check_home(bytes: &[u8]) {
    reach(Part::Home, bytes);
}

/// Plays the script; the first byte chooses the world (of an edge or a home alone the first two), each further one what
/// happens next. Returns what went out, by its kind.
pub fn reach(part: Part, bytes: &[u8]) -> BTreeSet<String> {
    let mut choices = Choices::new(bytes);
    let mut world = World::new(part, &mut choices);
    for _ in 0..STEPS_MAX {
        if choices.is_used_up() {
            break;
        }
        step(&mut world, &mut choices);
        world.check_limits();
    }
    world.end()
}

fn step(world: &mut World, choices: &mut Choices<'_>) {
    match choices.below(16) {
        0 => world.open_client(choices),
        1 if world.part != Part::Whole && choices.below(3) != 0 => world.open_inside(choices),
        1 => world.open_partner(choices),
        2 => world.close_one(choices),
        3..=6 => say(world, choices, Speech::request),
        7 | 8 => say(world, choices, Speech::answer),
        9 => say(world, choices, Speech::within_dialog),
        10 => say(world, choices, Speech::noise),
        11 => world.datagram(choices),
        12 => world.answer_one(choices),
        13 => world.pass(Duration::from_millis(1 << choices.below(24))),
        14 => world.media_event(choices),
        _ => change(world, choices),
    }
}

fn say<'a>(world: &mut World, choices: &mut Choices<'a>, what: fn(&mut Speech, &mut Choices<'a>) -> Option<Vec<u8>>) {
    let Some(flow) = world.choose_flow(choices) else { return };
    let said = world.speech(flow).and_then(|speech| what(speech, choices));
    if let Some(bytes) = said {
        world.receive(flow, &bytes);
    }
}

/// What an administrator does.
fn change(world: &mut World, choices: &mut Choices<'_>) {
    let input = match choices.below(6) {
        0 => Input::Partners(setting::partners(choices.below(3))),
        1 => Input::Meetings(setting::meetings(choices.flag())),
        2 => Input::UserRemoved(speech::user(choices.below(3)).parse().expect("an address")),
        3 => Input::StoredFor(speech::user(choices.below(3)).parse().expect("an address")),
        4 => Input::WebSocketRefused(sip::refusal::Word::OriginNotAllowed),
        _ => Input::Drain,
    };
    world.input(choices.below(2), input);
}

const STEPS_MAX: usize = 200;
