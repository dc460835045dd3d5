//! Handoffs as bytes: what can be read is written the same again, and a worker that gets it goes on working.

use bytes::Bytes;
use signaling::{Handoff, Input};

use crate::choices::Choices;
use crate::core::{Part, World};

pub fn check(bytes: &[u8]) {
    let Ok(handoff) = serde_json::from_slice::<Handoff>(bytes) else { return };
    let written = serde_json::to_vec(&handoff).expect("what was read can be written");
    let again: Handoff = serde_json::from_slice(&written).expect("what was written can be read");
    assert_eq!(serde_json::to_vec(&again).ok().map(Bytes::from), Some(Bytes::from(written)));
    let mut world = World::new(Part::Whole, &mut Choices::new(&[1]));
    world.input(0, Input::Handoff(handoff));
    world.end();
}
