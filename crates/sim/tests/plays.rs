//! That performances can be repeated, and that what must not be is noticed. The plays in `scenarios/` are performed by
//! `./test`, with many seeds.

#![expect(clippy::unwrap_used, reason = "a test may")]

use sim::Fault;
use sim::scenario::{Failure, Run, ScenarioFile, Setting, run};

const STAGE: &str = "\
organisation contoso.example
organisation fabrikam.example
contoso.example allows fabrikam.example
fabrikam.example allows contoso.example
alice@contoso.example has a phone by UDP
bob@fabrikam.example has a phone
alice@contoso.example signs in
";

fn perform(play: &str, seed: u64, fault: Option<Fault>) -> Result<Run, Box<Failure>> {
    let file = ScenarioFile::parse("test.play", &format!("{STAGE}== test\n{play}")).unwrap();
    run(&file, &file.plays[0], Setting { seed, workers: 3, edges: 0, outside: false, fault, keeps_trace: false })
}

/// Why a performance fails.
fn failure(play: &str) -> String {
    perform(play, 1, None).err().map(|failure| failure.to_string()).unwrap_or_default()
}

const DELIVERED: &str = "\
bob@fabrikam.example signs in
15 % of what is sent between alice@contoso.example and its server is lost
alice@contoso.example writes \"Hello\" to bob@fabrikam.example
bob@fabrikam.example receives \"Hello\" from alice@contoso.example
alice@contoso.example is told 200
";

const KEPT: &str = "\
alice@contoso.example writes \"Hello\" to bob@fabrikam.example
alice@contoso.example is told 202
";

#[test]
fn the_same_seed_gives_the_same_trace_and_another_seed_another() {
    let traced = |seed, fault| {
        let run = perform(DELIVERED, seed, fault).unwrap_or_else(|failure| panic!("{failure}"));
        (run.world.trace.sum(), run.world.trace.count(), run.world.outputs)
    };
    assert_eq!(traced(7, None), traced(7, None));
    assert_ne!(traced(7, None), traced(8, None));
    let crash = "crash:9".parse().ok();
    assert_eq!(traced(7, crash), traced(7, crash));
    assert_ne!(traced(7, None), traced(7, crash));
}

#[test]
fn a_failure_names_its_line_and_how_to_see_it_again() {
    let told = failure("bob@fabrikam.example signs in\nalice@contoso.example is told 200 within 2 s\n");
    assert!(told.starts_with("test.play:10: test\n  alice@contoso.example is told 200 within 2 s\n"), "{told}");
    let again = "cargo run -p sim -- test.play --play \"test\" --seed 1 --workers 3 --trace";
    assert!(told.ends_with(again), "{told}");
}

#[test]
fn what_a_play_does_not_mention_fails_it() {
    let told =
        failure("bob@fabrikam.example signs in\nalice@contoso.example writes \"Hello\" to bob@fabrikam.example\n");
    let left = "the play does not mention that alice@contoso.example is told 200 of its MESSAGE; \
                bob@fabrikam.example receives \"Hello\" from alice@contoso.example";
    assert!(told.contains(left), "{told}");
}

#[test]
fn a_message_that_was_acknowledged_and_is_gone_is_noticed() {
    assert!(perform(KEPT, 1, None).is_ok(), "bob signs in at the end, and gets it");
    let told = failure(&format!("{KEPT}the store of fabrikam.example loses everything\n"));
    assert!(told.contains("alice@contoso.example was told 202 of ") && told.contains("and it is lost"), "{told}");
}

#[test]
fn a_message_may_come_twice_only_where_that_was_counted() {
    // Erin's phone has it, and the server cannot know: its answers are lost.
    let counted = "\
erin@fabrikam.example has a phone by UDP
erin@fabrikam.example signs in
the next 30 datagrams from erin@fabrikam.example are lost
alice@contoso.example writes \"Hello\" to erin@fabrikam.example
erin@fabrikam.example receives \"Hello\" from alice@contoso.example
alice@contoso.example is told 202
40 s pass
the network is whole again
erin@fabrikam.example signs in
erin@fabrikam.example receives \"Hello\" from alice@contoso.example
";
    assert_eq!(failure(counted), "", "the server counted the repeat");
    let told = failure(&format!(
        "{KEPT}bob@fabrikam.example signs in\nbob@fabrikam.example receives \"Hello\" from alice@contoso.example\n\
         the last message to bob@fabrikam.example comes again\n\
         bob@fabrikam.example receives \"Hello\" from alice@contoso.example\n"
    ));
    assert!(told.contains("2 times, and nobody counted it"), "{told}");
}

#[test]
fn a_fault_that_comes_after_the_end_changes_nothing() {
    let whole = perform(DELIVERED, 3, None).unwrap_or_else(|failure| panic!("{failure}"));
    let late = Fault { output: 1_000_000, kind: sim::FaultKind::Crash };
    let other = perform(DELIVERED, 3, Some(late)).unwrap_or_else(|failure| panic!("{failure}"));
    assert!(whole.play_outputs > 20);
    assert_eq!(whole.play_outputs, other.play_outputs);
}
