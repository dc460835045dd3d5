//! A meeting of three organisations, with sound: who is called in, who hears whom, and what its organiser's administrator
//! decides.

use anyhow::{Context, ensure};

use super::super::organisation::Organisation;
use super::super::phone::{Call, Phone, Watch, check_refused, check_status};
use super::registration::EXPIRES_SECS;
use super::{Report, Scene};

/// A meeting under way, with the side of each who is in it.
struct Meeting {
    /// `meet-7hqk2m4xw9ab@contoso.example`
    address: String,
    alice: Call,
    bob: Call,
    carol: Call,
    roster: Watch,
}

pub fn check(report: &mut Report, scene: &mut Scene<'_>) {
    let Scene { world, alice, dave, bob, erin, carol, .. } = scene;
    let contoso = world.organisation("contoso.example");
    let mut meeting = None;
    report.check("alice@contoso calls for a meeting, and bob@fabrikam and carol@litware are called in", || {
        meeting = Some(begin(alice, bob, carol)?);
        Ok(())
    });
    let mut within = |report: &mut Report, name: &str, check: &mut dyn FnMut(&mut Meeting) -> anyhow::Result<()>| {
        report.check(name, || check(meeting.as_mut().context("there is no meeting")?));
    };
    within(report, "each of the three hears the tones of the two others and not his own", &mut |meeting| {
        meeting.alice.expect_tones(&["bob", "carol"])?;
        meeting.bob.expect_tones(&["alice", "carol"])?;
        meeting.carol.expect_tones(&["alice", "bob"])?;
        let protected = [&meeting.alice, &meeting.bob, &meeting.carol].map(Call::is_protected);
        ensure!(protected == [false, true, true], "expected alice's sound alone plain, protected are {protected:?}");
        Ok(())
    });
    within(report, "the roster names the three to who subscribed to it", &mut |meeting| {
        alice.expect_roster(&mut meeting.roster, &ALL_THREE, false)
    });
    within(report, "bob@fabrikam is muted, is not heard, hears all the same, and is heard again", &mut |meeting| {
        mute(contoso, alice, meeting)
    });
    within(report, "erin@fabrikam, whom nobody invited, knocks, waits in the lobby, and is let in", &mut |meeting| {
        check_status(&erin.register(EXPIRES_SECS)?, 200)?;
        knock(contoso, alice, erin, meeting)?;
        check_status(&erin.register(0)?, 200)
    });
    within(report, "a locked meeting lets nobody in, and says so", &mut |meeting| lock(contoso, alice, dave, meeting));
    within(report, "carol@litware is removed, and is gone from the room and the roster", &mut |meeting| {
        conduct(contoso, "remove", meeting, &[carol.aor()])?;
        carol.expect_sent_away(&meeting.carol)?;
        meeting.alice.expect_tones(&["bob"])?;
        alice.expect_roster(&mut meeting.roster, &ALL_THREE[..2], false)
    });
    within(report, "the meeting is ended, and everybody in it is told", &mut |meeting| {
        conduct(contoso, "end", meeting, &[])?;
        alice.expect_sent_away(&meeting.alice)?;
        bob.expect_sent_away(&meeting.bob)?;
        alice.expect_unwatched(&meeting.roster)?;
        let running = contoso.comity_json(&["meeting", "running"])?;
        ensure!(running.as_array().is_some_and(Vec::is_empty), "still running: {running}");
        Ok(())
    });
}

fn begin(alice: &mut Phone, bob: &mut Phone, carol: &mut Phone) -> anyhow::Result<Meeting> {
    let mut of_alice = join(alice, "meet@contoso.example")?;
    let address = of_alice.remote_target().strip_prefix("sip:").context("no sip: URI of a meeting")?.to_owned();
    let mut call_in = |phone: &mut Phone| {
        alice.refer(&mut of_alice, phone.aor())?;
        let call = phone.expect_called_in(&address)?;
        alice.expect_referred(&of_alice, 200)?;
        anyhow::Ok(call)
    };
    let (of_bob, of_carol) = (call_in(bob)?, call_in(carol)?);
    let roster = alice.watch(&address)?;
    Ok(Meeting { address, alice: of_alice, bob: of_bob, carol: of_carol, roster })
}

/// Calls a meeting.
pub fn join(phone: &mut Phone, address: &str) -> anyhow::Result<Call> {
    let mut sent = phone.invite(address)?;
    phone.expect_answered(&mut sent)
}

fn mute(contoso: &Organisation, alice: &mut Phone, meeting: &mut Meeting) -> anyhow::Result<()> {
    conduct(contoso, "mute", meeting, &["bob@fabrikam.example"])?;
    meeting.alice.expect_tones(&["carol"])?;
    meeting.carol.expect_tones(&["alice"])?;
    meeting.bob.expect_tones(&["alice", "carol"])?;
    let [of_alice, (bob, _), of_carol] = ALL_THREE;
    alice.expect_roster(&mut meeting.roster, &[of_alice, (bob, "muted-via-focus"), of_carol], false)?;
    conduct(contoso, "unmute", meeting, &[bob])?;
    meeting.alice.expect_tones(&["bob", "carol"])?;
    alice.expect_roster(&mut meeting.roster, &ALL_THREE, false)
}

fn knock(contoso: &Organisation, alice: &mut Phone, erin: &mut Phone, meeting: &mut Meeting) -> anyhow::Result<()> {
    let mut of_erin = join(erin, &meeting.address)?;
    let [of_alice, of_bob, of_carol] = ALL_THREE;
    let with_erin = |state| [of_alice, of_bob, of_carol, ("erin@fabrikam.example", state)];
    alice.expect_roster(&mut meeting.roster, &with_erin("on-hold"), false)?;
    of_erin.expect_no_more_tones_than(&[])?;
    meeting.alice.expect_no_more_tones_than(&["bob", "carol"])?;
    conduct(contoso, "admit", meeting, &[erin.aor()])?;
    of_erin.expect_tones(&["alice", "bob", "carol"])?;
    meeting.alice.expect_tones(&["bob", "carol", "erin"])?;
    alice.expect_roster(&mut meeting.roster, &with_erin("connected"), false)?;
    let mut bye = erin.hang_up(&mut of_erin)?;
    check_status(&erin.expect_final(&mut bye)?, 200)?;
    alice.expect_roster(&mut meeting.roster, &ALL_THREE, false)
}

fn lock(contoso: &Organisation, alice: &mut Phone, dave: &mut Phone, meeting: &mut Meeting) -> anyhow::Result<()> {
    conduct(contoso, "lock", meeting, &[])?;
    alice.expect_roster(&mut meeting.roster, &ALL_THREE, true)?;
    let mut sent = dave.invite(&meeting.address)?;
    check_refused(&dave.expect_final(&mut sent)?, 403, "meeting-locked")?;
    conduct(contoso, "unlock", meeting, &[])?;
    alice.expect_roster(&mut meeting.roster, &ALL_THREE, false)
}

/// `comity meeting ACT ID ...`
fn conduct(contoso: &Organisation, act: &str, meeting: &Meeting, arguments: &[&str]) -> anyhow::Result<()> {
    let id = meeting.address.strip_prefix("meet-").and_then(|rest| rest.split('@').next());
    let id = id.with_context(|| format!("{} is no meeting's address", meeting.address))?;
    contoso.comity(&[&["meeting", act, id], arguments].concat(), "").map(drop)
}

/// As the roster shows them while all hear each other.
const ALL_THREE: [(&str, &str); 3] = [
    ("alice@contoso.example", "connected"),
    ("bob@fabrikam.example", "connected"),
    ("carol@litware.example", "connected"),
];
