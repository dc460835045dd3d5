//! A meeting that has a time: closed before it, and joined by all three organisations then.

use std::time::Duration;

use anyhow::{Context, ensure};
use sip::HeaderName;

use super::super::meeting;
use super::super::organisation::Organisation;
use super::super::phone::{Call, Phone, check_refused, check_status};
use super::meetings::join;
use super::{Report, Scene};

/// A scheduled meeting, and its organiser's side of it.
struct Scheduled {
    address: String,
    of_alice: Call,
    opens_within: Duration,
}

pub fn check(report: &mut Report, scene: &mut Scene<'_>) {
    let Scene { world, alice, bob, carol, .. } = scene;
    let contoso = world.organisation("contoso.example");
    let mut scheduled = None;
    report.check("a scheduled meeting is closed to the invited before its time, and open to its organiser", || {
        scheduled = Some(schedule(contoso, alice, bob)?);
        Ok(())
    });
    report.check("at its time all three organisations are in it, and hear each other", || {
        meet(scheduled.as_mut().context("there is no meeting")?, alice, bob, carol)
    });
}

fn schedule(contoso: &Organisation, alice: &mut Phone, bob: &mut Phone) -> anyhow::Result<Scheduled> {
    let address = meeting::schedule(contoso, &[bob.aor(), "carol@litware.example"], AFTER)?;
    let mut sent = bob.invite(&address)?;
    let refusal = bob.expect_final(&mut sent)?;
    check_refused(&refusal, 480, "meeting-not-open")?;
    let secs = refusal.seconds(HeaderName::RetryAfter)?.context("no Retry-After")?;
    let opens_within = Duration::from_secs(secs.into());
    ensure!(opens_within <= AFTER && secs > 0, "Retry-After says {secs} s");
    let of_alice = join(alice, &address)?;
    Ok(Scheduled { address, of_alice, opens_within })
}

fn meet(scheduled: &mut Scheduled, alice: &mut Phone, bob: &mut Phone, carol: &mut Phone) -> anyhow::Result<()> {
    std::thread::sleep(scheduled.opens_within);
    let (mut of_bob, mut of_carol) = (join(bob, &scheduled.address)?, join(carol, &scheduled.address)?);
    scheduled.of_alice.expect_tones(&["bob", "carol"])?;
    of_bob.expect_tones(&["alice", "carol"])?;
    of_carol.expect_tones(&["alice", "bob"])?;
    for (phone, call) in [(bob, &mut of_bob), (carol, &mut of_carol), (alice, &mut scheduled.of_alice)] {
        let mut bye = phone.hang_up(call)?;
        check_status(&phone.expect_final(&mut bye)?, 200)?;
    }
    Ok(())
}

/// Enough for what comes before it on a busy machine.
const AFTER: Duration = Duration::from_secs(8);
