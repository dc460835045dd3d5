//! A session of messages of two that becomes a conversation of three while it goes on: nobody redials.

use anyhow::{Context, anyhow, ensure};
use sip::Method;

use super::super::organisation::Organisation;
use super::super::phone::{Phone, Session};
use super::conversations::{read_all, write};
use super::{Report, Scene};

pub fn check(report: &mut Report, scene: &mut Scene<'_>) {
    let Scene { world, alice, bob, carol, .. } = scene;
    let contoso = world.organisation("contoso.example");
    let mut grown = None;
    report.check("alice@contoso and bob@fabrikam write in a session; by command carol@litware comes in", || {
        grown = Some(grow(contoso, alice, bob, carol)?);
        Ok(())
    });
    report.check(
        "what each says the two others read once, with the name, alice and bob in the session that they had",
        || {
            let Grown { address, of_alice, of_bob } = grown.as_mut().context("there is no conversation")?;
            write(carol, address, "Hello from litware")?;
            let expected = "carol@litware.example: Hello from litware";
            for (phone, session) in [(&mut *alice, &*of_alice), (&mut *bob, &*of_bob)] {
                hear_once(phone, session, expected)?;
            }
            alice.say(of_alice, "Then we are three")?;
            hear_once(bob, of_bob, "alice@contoso.example: Then we are three")?;
            read_all(address, carol, &["alice@contoso.example: Then we are three"])?;
            bob.say(of_bob, "So we are")?;
            hear_once(alice, of_alice, "bob@fabrikam.example: So we are")?;
            read_all(address, carol, &["bob@fabrikam.example: So we are"])?;
            write(carol, address, "/leave")?;
            read_all(address, carol, &["You have left the conversation."])?;
            bob.end_session(of_bob)?;
            alice.end_session(of_alice)
        },
    );
}

/// The conversation's address, and the sessions that it has taken over.
struct Grown {
    address: String,
    of_alice: Session,
    of_bob: Session,
}

fn grow(contoso: &Organisation, alice: &mut Phone, bob: &mut Phone, carol: &mut Phone) -> anyhow::Result<Grown> {
    let mut sent = alice.offer_session(bob.aor())?;
    let invite = bob.expect(Method::Invite, sent.call_id()).map_err(|error| alice.explain(&sent, error))?;
    let mut of_bob = bob.take_session(&invite)?;
    let mut of_alice = alice.expect_session(&mut sent)?;
    bob.expect(Method::Ack, of_bob.call_id())?;
    alice.say_to(&mut of_alice, bob, &of_bob, "Who else knows of it?")?;
    let command = ["meeting", "escalate", of_alice.call_id(), "--add", carol.aor()].map(str::to_owned);
    let made = std::thread::scope(|scope| {
        // It answers when both have taken what they are offered.
        let made = scope.spawn(|| contoso.comity_json(&command.each_ref().map(String::as_str)));
        alice.expect_session_moved(&mut of_alice)?;
        bob.expect_session_moved(&mut of_bob)?;
        made.join().map_err(|_| anyhow!("the command did not end"))?
    })?;
    let id = made["id"].as_str().with_context(|| format!("no ID: {made}"))?;
    let address = format!("meet-{id}@contoso.example");
    let invitation = carol.expect_from(Method::Message, &address)?;
    carol.respond(&invitation, 200)?;
    let words = String::from_utf8_lossy(invitation.body()).into_owned();
    ensure!(words.starts_with("alice@contoso.example invites you to write with bob@fabrikam.example"), "{words}");
    Ok(Grown { address, of_alice, of_bob })
}

fn hear_once(phone: &mut Phone, session: &Session, expected: &str) -> anyhow::Result<()> {
    let heard = phone.hear(session)?;
    ensure!(heard == expected, "{}: expected {expected:?}, heard {heard:?}", phone.aor());
    phone.expect_silence(session)
}
