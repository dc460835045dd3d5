//! A call of two that becomes a meeting of three while it goes on: nobody redials.

use anyhow::{Context, ensure};

use super::super::phone::{Call, Phone};
use super::calls::set_up;
use super::{Report, Scene};

pub fn check(report: &mut Report, scene: &mut Scene<'_>) {
    let Scene { world, dave, bob, carol, .. } = scene;
    let contoso = world.organisation("contoso.example");
    let mut grown = None;
    report.check("dave@contoso calls bob@fabrikam, and makes a meeting of the call while they speak", || {
        let (mut of_dave, mut of_bob) = set_up(dave, bob)?;
        of_dave.expect_tones(&["bob"])?;
        of_bob.expect_tones(&["dave"])?;
        dave.refer(&mut of_dave, "meet@contoso.example")?;
        dave.expect_moved(&mut of_dave)?;
        bob.expect_moved(&mut of_bob)?;
        of_dave.expect_tones(&["bob"])?;
        of_bob.expect_tones(&["dave"])?;
        grown = Some((of_dave, of_bob));
        Ok(())
    });
    report.check("carol@litware is called in, and each of the three hears the two others", || {
        let (of_dave, of_bob) = grown.as_mut().context("there is no meeting")?;
        let of_carol = call_in(dave, of_dave, carol)?;
        of_dave.expect_tones(&["bob", "carol"])?;
        of_bob.expect_tones(&["carol", "dave"])?;
        of_carol.expect_tones(&["bob", "dave"])?;
        let address = of_dave.remote_target();
        let id = address.strip_prefix("sip:meet-").and_then(|rest| rest.split('@').next());
        contoso.comity(&["meeting", "end", id.with_context(|| format!("{address} is no meeting"))?], "")?;
        for (phone, call) in [(dave, &*of_dave), (bob, &*of_bob), (carol, &of_carol)] {
            phone.expect_sent_away(call)?;
        }
        Ok(())
    });
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
