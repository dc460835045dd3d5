//! Calls, from the first ring to the last BYE, as each of the two sides sees them.

use anyhow::ensure;
use sip::{Message, Method};

use super::super::organisation::Organisation;
use super::super::phone::{Call, Phone, check_status};
use super::federation::why;
use super::registration::EXPIRES_SECS;
use super::{Report, Scene};

pub fn check(report: &mut Report, scene: &mut Scene<'_>) {
    let Scene { world, alice, tablet, dave, bob, carol, .. } = scene;
    let contoso = world.organisation("contoso.example");
    report.check("alice@contoso calls bob@fabrikam and hangs up", || {
        let (mut call, _) = set_up(alice, bob)?;
        end(alice, &mut call, bob)
    });
    report.check("in a call each hears the tone of the other and not his own", || {
        let (mut of_alice, of_bob) = set_up(alice, bob)?;
        of_alice.expect_tones(&["bob"])?;
        of_bob.expect_tones(&["alice"])?;
        goes(contoso, &of_alice, "the call is proxied")?;
        end(alice, &mut of_alice, bob)
    });
    report.check("bob@fabrikam calls alice@contoso, and alice hangs up", || {
        let (_, mut call) = set_up(bob, alice)?;
        end(alice, &mut call, bob)
    });
    report.check("alice calls dave inside contoso, whose phone could not be moved but by us: we stand between", || {
        let (mut of_alice, of_dave) = set_up(alice, dave)?;
        of_alice.expect_tones(&["dave"])?;
        of_dave.expect_tones(&["alice"])?;
        goes(contoso, &of_alice, "we stand between the two phones")?;
        end(alice, &mut of_alice, dave)
    });
    report.check("alice@contoso calls carol@litware, discovered by SRV alone; carol hangs up", || {
        let (_, mut call) = set_up(alice, carol)?;
        end(carol, &mut call, alice)
    });
    report.check("requests inside a call pass in both directions", || {
        let (mut of_alice, mut of_bob) = set_up(alice, bob)?;
        pass_inside(alice, &mut of_alice, bob)?;
        pass_inside(bob, &mut of_bob, alice)?;
        end(bob, &mut of_bob, alice)
    });
    report.check("a caller gives up while it rings", || give_up(alice, bob));
    report.check("a busy callee's answer reaches the caller", || decline(alice, bob, 486));
    report.check("a declining callee's answer reaches the caller", || decline(bob, alice, 603));
    report.check("two devices of alice ring, one answers, the other stops", || {
        check_status(&tablet.register(EXPIRES_SECS)?, 200)?;
        fork(bob, alice, tablet)?;
        check_status(&tablet.register(0)?, 200)
    });
    report.check("two devices of alice ring, and stop when the caller gives up", || {
        check_status(&tablet.register(EXPIRES_SECS)?, 200)?;
        give_up_on_both(bob, alice, tablet)?;
        check_status(&tablet.register(0)?, 200)
    });
}

/// What `comity why` says of the way of a call.
fn goes(organisation: &Organisation, call: &Call, way: &str) -> anyhow::Result<()> {
    let told = why(organisation, &[call.call_id()], "nobody")?;
    ensure!(told.contains(way), "expected {way:?}, it says {told}");
    Ok(())
}

/// The caller's and the callee's side of an answered call.
pub fn set_up(caller: &mut Phone, callee: &mut Phone) -> anyhow::Result<(Call, Call)> {
    let mut sent = caller.invite(callee.aor())?;
    let invite = callee.expect(Method::Invite, sent.call_id()).map_err(|error| caller.explain(&sent, error))?;
    ensure!(invite.body() == sent.body(), "the session description was changed on the way");
    callee.ring(&invite)?;
    caller.expect_response(&sent, |status| status == 180)?;
    let of_callee = callee.answer(&invite)?;
    let of_caller = caller.expect_answered(&mut sent)?;
    callee.expect(Method::Ack, sent.call_id())?;
    Ok((of_caller, of_callee))
}

/// `ender` says BYE, `other` agrees.
pub fn end(ender: &mut Phone, call: &mut Call, other: &mut Phone) -> anyhow::Result<()> {
    let mut sent = ender.hang_up(call)?;
    let bye = other.expect(Method::Bye, sent.call_id())?;
    other.respond(&bye, 200)?;
    check_status(&ender.expect_final(&mut sent)?, 200)
}

fn pass_inside(from: &mut Phone, call: &mut Call, to: &mut Phone) -> anyhow::Result<()> {
    let mut sent = from.send_inside(call, Method::Info)?;
    let info = to.expect(Method::Info, sent.call_id())?;
    to.respond(&info, 200)?;
    check_status(&from.expect_final(&mut sent)?, 200)
}

fn give_up(caller: &mut Phone, callee: &mut Phone) -> anyhow::Result<()> {
    let mut sent = caller.invite(callee.aor())?;
    let invite = callee.expect(Method::Invite, sent.call_id())?;
    callee.ring(&invite)?;
    caller.expect_response(&sent, |status| status == 180)?;
    let mut cancel = caller.cancel(&sent)?;
    check_status(&caller.expect_final(&mut cancel)?, 200)?;
    stop_ringing(callee, &invite)?;
    check_status(&caller.expect_final(&mut sent)?, 487)
}

fn decline(caller: &mut Phone, callee: &mut Phone, status: u16) -> anyhow::Result<()> {
    let mut sent = caller.invite(callee.aor())?;
    let invite = callee.expect(Method::Invite, sent.call_id())?;
    callee.respond(&invite, status)?;
    callee.expect(Method::Ack, sent.call_id())?;
    check_status(&caller.expect_final(&mut sent)?, status)
}

fn fork(caller: &mut Phone, loser: &mut Phone, winner: &mut Phone) -> anyhow::Result<()> {
    let mut sent = caller.invite(loser.aor())?;
    let lost = loser.expect(Method::Invite, sent.call_id())?;
    let won = winner.expect(Method::Invite, sent.call_id())?;
    loser.ring(&lost)?;
    winner.ring(&won)?;
    caller.expect_response(&sent, |status| status == 180)?;
    let _of_winner = winner.answer(&won)?;
    let mut of_caller = caller.expect_answered(&mut sent)?;
    winner.expect(Method::Ack, sent.call_id())?;
    stop_ringing(loser, &lost)?;
    end(caller, &mut of_caller, winner)?;
    loser.expect_no(Method::Bye, sent.call_id())
}

fn give_up_on_both(caller: &mut Phone, first: &mut Phone, second: &mut Phone) -> anyhow::Result<()> {
    let mut sent = caller.invite(first.aor())?;
    let invites = [first.expect(Method::Invite, sent.call_id())?, second.expect(Method::Invite, sent.call_id())?];
    first.ring(&invites[0])?;
    second.ring(&invites[1])?;
    caller.expect_response(&sent, |status| status == 180)?;
    let mut cancel = caller.cancel(&sent)?;
    check_status(&caller.expect_final(&mut cancel)?, 200)?;
    stop_ringing(first, &invites[0])?;
    stop_ringing(second, &invites[1])?;
    check_status(&caller.expect_final(&mut sent)?, 487)
}

/// A CANCEL comes; the phone obeys, and its 487 is acknowledged.
fn stop_ringing(phone: &mut Phone, invite: &Message) -> anyhow::Result<()> {
    let call_id = invite.call_id()?;
    let cancel = phone.expect(Method::Cancel, call_id)?;
    phone.respond(&cancel, 200)?;
    phone.respond(invite, 487)?;
    phone.expect(Method::Ack, call_id)?;
    Ok(())
}
