//! Every file of every corpus once more, and the test messages of the RFCs where a target reads messages.

// A test may unwrap.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use fuzzing::{Part, TARGETS, reach};
use serde::de::DeserializeOwned;

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn replay(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).unwrap();
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
    let files = files(&corpus);
    assert!(!files.is_empty(), "{name} has no corpus");
    for file in files {
        // Named before: a panic says which.
        println!("{}", file.display());
        (target.run)(&std::fs::read(&file).unwrap());
    }
}

macro_rules! replays {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            replay(stringify!($name));
        })*

        #[test]
        fn every_target_is_replayed_and_has_its_entry_point() {
            let replayed = [$(stringify!($name)),*];
            let targets: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
            assert_eq!(targets, replayed);
            for name in targets {
                let entry = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../fuzz/fuzz_targets/{name}.rs"));
                let text = std::fs::read_to_string(&entry).unwrap_or_else(|error| panic!("{}: {error}", entry.display()));
                assert!(text.contains(&format!("fuzzing::{name}(bytes)")), "{name}");
            }
        }
    };
}

replays! {
    framing message edits via address uri small_headers digest stun
    certificate revocation_list discovery dns inside session_description rtp srtp media_node media_link web_socket
    proxy_protocol configuration pidf conference_info is_composing resource_lists cpim multipart handoff core edge home
}

#[test]
fn the_messages_of_the_rfcs() {
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sip/vectors");
    for file in files(&vectors.join("rfc4475")).into_iter().chain(files(&vectors.join("rfc5118"))) {
        println!("{}", file.display());
        let bytes = std::fs::read(&file).unwrap();
        fuzzing::message(&bytes);
        fuzzing::framing(&[&[96; 8], &bytes[..]].concat());
        for choice in 0..8 {
            fuzzing::edits(&[&[3, choice, choice, 1, 2, choice, 3, 4, choice, 5], &bytes[..]].concat());
        }
    }
}

/// Scripts are bytes: what they mean changes with the target, and they must not come to mean nothing.
#[test]
fn the_scripts_of_the_core_go_somewhere() {
    let common = ["INVITE", "ACK", "BYE", "MESSAGE", "NOTIFY", "REFER", "180", "200", "202", "403", "Handoff", "Ask"];
    for (name, part, more) in [
        ("core", Part::Whole, &["401", "407", "MoveFlow", "Media", "KeepMeeting", "Record", "CloseFlow"][..]),
        ("edge", Part::Edge, &["401", "REGISTER", "PUBLISH", "503", "KeepAnswer", "PartnerReach", "CloseFlow"]),
        ("home", Part::Home, &["407", "504", "MoveFlow", "Media", "KeepMeeting", "Record", "CloseFlow"]),
    ] {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
        let scripts = files(&corpus).into_iter().map(|file| std::fs::read(file).unwrap());
        let reached: BTreeSet<String> = scripts.flat_map(|script| reach(part, &script)).collect();
        for kind in common.iter().chain(more) {
            assert!(reached.contains(*kind), "no script of {name} leads to {kind}: {reached:?}");
        }
    }
}

#[test]
fn the_handoffs_of_the_corpus_are_still_handoffs() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/handoff");
    let is_read = |file: &PathBuf| serde_json::from_slice::<signaling::Handoff>(&std::fs::read(file).unwrap()).is_ok();
    assert!(files(&corpus).iter().filter(|file| is_read(file)).count() >= 10);
}

#[test]
fn what_home_and_edge_say_in_the_corpus_is_still_understood() {
    fn heard<T: DeserializeOwned>(name: &str) -> usize {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/media_link").join(name);
        let mut reader = media::link::FrameReader::default();
        reader.feed(&std::fs::read(file).unwrap()[1..]);
        std::iter::from_fn(|| reader.cut::<T>().unwrap()).count()
    }
    assert_eq!((heard::<media::link::FromHome>("home"), heard::<media::link::FromEdge>("edge")), (10, 6));
}
