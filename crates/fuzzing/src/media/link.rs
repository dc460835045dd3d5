//! What a home and its edge say to each other about sound: any bytes, in any pieces. What is read is written the same again; a
//! media node does what a home says without a panic, and holds nothing once the home has gone; nor does a home whose edge has gone.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use media::link::{EdgeLegs, FRAME_BYTES_MAX, FrameReader, FromEdge, FromHome, Gone, HomeBridges, frame};
use media::{Clock, MediaEvent, MediaNode, Output};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub fn check(bytes: &[u8]) {
    let Some((piece, bytes)) = bytes.split_first() else { return };
    let pieces = || bytes.chunks(usize::from(*piece).max(1));
    edge_hears(read(pieces()));
    home_hears(read(pieces()));
}

/// As far as they can be understood.
fn read<'a, T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(
    pieces: impl Iterator<Item = &'a [u8]>,
) -> Vec<T> {
    let (mut reader, mut messages) = (FrameReader::default(), Vec::new());
    for piece in pieces {
        reader.feed(piece);
        loop {
            match reader.cut::<T>() {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(_) => return messages,
            }
        }
    }
    for message in &messages {
        let written = frame(message);
        if written.len() <= 4 + FRAME_BYTES_MAX {
            let mut again = FrameReader::default();
            again.feed(&written);
            assert_eq!(again.cut::<T>().as_ref().map(Option::as_ref), Ok(Some(message)));
        }
    }
    messages
}

fn edge_hears(messages: Vec<FromHome>) {
    let mut now = Instant::now();
    let mut node = MediaNode::new(Clock { epoch: now, epoch_unix_ms: 1_800_000_000_000 }, [7; 32]);
    let mut legs = EdgeLegs::default();
    let session = legs.begin();
    for message in messages {
        match message {
            FromHome::Open { leg } => drop(legs.open(session, leg)),
            FromHome::Command(command) => {
                if let Some(command) = legs.command(session, command) {
                    node.handle_command(now, command);
                }
            }
            FromHome::Alive => {
                now += Duration::from_millis(20);
                node.handle_timeout(now);
            }
        }
        tell(&mut node, &mut legs);
    }
    for command in legs.end(session) {
        node.handle_command(now, command);
    }
    tell(&mut node, &mut legs);
    assert_eq!((node.bridges(), legs.sessions(), legs.bridges(), legs.legs()), (0, 0, 0, 0));
}

fn tell(node: &mut MediaNode, legs: &mut EdgeLegs) {
    while let Some(output) = node.poll_output() {
        if let Output::Event(event) = output {
            legs.event(event);
        }
    }
}

/// Whoever is at the other end, every leg that is asked for ends once.
fn home_hears(messages: Vec<FromEdge>) {
    let mut bridges = HomeBridges::new(1);
    bridges.edge_is_alive(0, false);
    let mut placed = BTreeSet::new();
    for message in messages {
        match message {
            FromEdge::Opened { leg, .. } => {
                if bridges.place(leg).is_ok() {
                    placed.insert(leg);
                }
            }
            FromEdge::Event(MediaEvent::Closed { leg, .. }) => {
                if let Some(Gone::Lost(leg) | Gone::Closed(leg)) = bridges.closed(0, leg) {
                    assert!(placed.remove(&leg));
                }
            }
            FromEdge::Event(event) => assert_eq!(bridges.has(0, event.leg()), placed.contains(&event.leg())),
            FromEdge::Alive { is_draining } => bridges.edge_is_alive(0, is_draining),
        }
    }
    for gone in bridges.edge_is_gone(0) {
        let (Gone::Lost(leg) | Gone::Closed(leg)) = gone;
        assert!(placed.remove(&leg));
    }
    assert!(placed.is_empty() && bridges.edge(0).legs == 0);
}
