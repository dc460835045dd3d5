//! A call of two that becomes a meeting of three while it goes on: nobody redials.

use anyhow::{Context, anyhow, ensure};

use super::super::organisation::Organisation;
use super::super::phone::{Call, Phone};
use super::calls::{end, set_up};
use super::{Report, Scene};

pub fn check(report: &mut Report, scene: &mut Scene<'_>) {
    let Scene { world, alice, dave, bob, carol, .. } = scene;
    let contoso = world.organisation("contoso.example");
    report.check(
        "alice@contoso and bob@fabrikam speak; by command carol@litware comes in, and all hear each other",
        || replace(contoso, alice, bob, carol),
    );
    let mut grown = None;
    report.check("dave@contoso, whose phone knows no Replaces, makes a meeting of his call with bob@fabrikam", || {
        grown = Some(move_both(dave, bob)?);
        Ok(())
    });
    report.check("carol@litware is called in, and each of the three hears the two others", || {
        let (of_dave, of_bob) = grown.as_mut().context("there is no meeting")?;
        let of_carol = call_in(dave, of_dave, carol)?;
        of_dave.expect_tones(&["bob", "carol"])?;
        of_bob.expect_tones(&["carol", "dave"])?;
        of_carol.expect_tones(&["bob", "dave"])?;
        let id = of_dave.remote_target().strip_prefix("sip:meet-").and_then(|rest| rest.split('@').next());
        finish(contoso, id.context("no meeting's address")?, [(dave, &*of_dave), (bob, &*of_bob), (carol, &of_carol)])
    });
}

/// The meeting calls both phones in place of their call (RFC 3891).
fn replace(contoso: &Organisation, alice: &mut Phone, bob: &mut Phone, carol: &mut Phone) -> anyhow::Result<()> {
    let (mut before, of_bob) = set_up(alice, bob)?;
    before.expect_tones(&["bob"])?;
    let command = ["meeting", "escalate", before.call_id(), "--add", carol.aor()].map(str::to_owned);
    let (of_alice, of_bob, made) = std::thread::scope(|scope| {
        // It answers when somebody is there.
        let made = scope.spawn(|| contoso.comity_json(&command.each_ref().map(String::as_str)));
        let of_alice = alice.expect_replaced(&before)?;
        let of_bob = bob.expect_replaced(&of_bob)?;
        let made = made.join().map_err(|_| anyhow!("the command did not end"))?;
        made.map(|made| (of_alice, of_bob, made))
    })?;
    let id = made["id"].as_str().with_context(|| format!("no ID: {made}"))?;
    let address = format!("meet-{id}@contoso.example");
    for call in [&of_alice, &of_bob] {
        ensure!(call.remote_target() == format!("sip:{address}"), "the INVITE is of {}", call.remote_target());
    }
    end(alice, &mut before, bob)?;
    let of_carol = carol.expect_called_in(&address)?;
    of_alice.expect_tones(&["bob", "carol"])?;
    of_bob.expect_tones(&["alice", "carol"])?;
    of_carol.expect_tones(&["alice", "bob"])?;
    finish(contoso, id, [(alice, &of_alice), (bob, &of_bob), (carol, &of_carol)])
}

/// Both phones are offered the meeting's sound in the dialogs that they have.
fn move_both(dave: &mut Phone, bob: &mut Phone) -> anyhow::Result<(Call, Call)> {
    let (mut of_dave, mut of_bob) = set_up(dave, bob)?;
    of_dave.expect_tones(&["bob"])?;
    of_bob.expect_tones(&["dave"])?;
    dave.refer(&mut of_dave, "meet@contoso.example")?;
    dave.expect_moved(&mut of_dave)?;
    bob.expect_moved(&mut of_bob)?;
    of_dave.expect_tones(&["bob"])?;
    of_bob.expect_tones(&["dave"])?;
    Ok((of_dave, of_bob))
}

/// Whoever is in a meeting with this call has somebody called in.
fn call_in(by: &mut Phone, call: &mut Call, whom: &mut Phone) -> anyhow::Result<Call> {
    let address = call.remote_target().strip_prefix("sip:").map(str::to_owned);
    let address = address.context("no sip: URI of a meeting")?;
    ensure!(address.starts_with("meet-"), "{address} is no meeting");
    by.refer(call, whom.aor())?;
    let of_whom = whom.expect_called_in(&address)?;
    by.expect_referred(call, 200)?;
    Ok(of_whom)
}

fn finish(contoso: &Organisation, id: &str, all: [(&mut Phone, &Call); 3]) -> anyhow::Result<()> {
    contoso.comity(&["meeting", "end", id], "")?;
    all.into_iter().try_for_each(|(phone, call)| phone.expect_sent_away(call))
}
