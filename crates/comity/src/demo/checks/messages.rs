//! Messages between people, at home and across the border (RFC 3428).

use std::time::{Duration, Instant};

use anyhow::ensure;
use sip::{HeaderName, Method};

use super::super::SILENT_DOMAIN;
use super::super::organisation::Organisation;
use super::super::phone::{Phone, check_refused, check_status};
use super::registration::EXPIRES_SECS;
use super::{Report, Scene};

pub fn check(report: &mut Report, scene: &mut Scene<'_>) {
    let Scene { world, alice, tablet, dave, bob, erin, carol } = scene;
    report.check("a message inside contoso: alice to dave", || deliver(alice, dave));
    report.check("a message to a partner with a pinned edge: alice@contoso to bob@fabrikam", || deliver(alice, bob));
    report.check("a message back: bob@fabrikam to alice@contoso", || deliver(bob, alice));
    report.check("a message to a domain discovered by SRV alone: alice@contoso to carol@litware", || {
        deliver(alice, carol)
    });
    report.check("a message from that domain: carol@litware to alice@contoso", || deliver(carol, alice));
    report.check("twenty messages at once, over all connections to the partner", || deliver_many(alice, bob, 20));
    report.check("a message reaches every device of a user", || {
        check_status(&tablet.register(EXPIRES_SECS)?, 200)?;
        deliver_to_both(bob, alice, tablet)?;
        check_status(&tablet.register(0)?, 200)
    });
    report.check("a message to an unknown user of a partner is refused", || {
        refused(alice, "nobody@fabrikam.example", 404, "user-unknown")
    });
    report.check("a message to an unknown user at home is refused", || {
        refused(alice, "nobody@contoso.example", 404, "user-unknown")
    });
    let fabrikam = world.organisation("fabrikam.example");
    let mut kept = Vec::new();
    report.check("messages to a user who is away are accepted, and comity status shows them", || {
        kept.push(keep(alice, erin.aor(), "number 0")?);
        kept.push(keep(bob, erin.aor(), "number 1")?);
        kept.push(keep(alice, erin.aor(), "number 2")?);
        waiting(fabrikam, erin.aor(), 3)
    });
    report.check("they are delivered when the user signs in, in order and one after another", || {
        check_status(&erin.register(EXPIRES_SECS)?, 200)?;
        for (number, call_id) in kept.iter().enumerate() {
            let received = erin.expect(Method::Message, call_id)?;
            ensure!(received.body() == format!("number {number}").as_bytes(), "the text was changed in the store");
            ensure!(received.header(HeaderName::Date).is_some(), "nothing says when it was sent");
            for later in &kept[number + 1..] {
                erin.expect_no(Method::Message, later)?;
            }
            erin.respond(&received, 200)?;
        }
        waiting(fabrikam, erin.aor(), 0)?;
        deliver(alice, erin)?;
        check_status(&erin.register(0)?, 200)
    });
    report.check("a message to a domain that does not federate is refused", || {
        refused(alice, &format!("someone@{SILENT_DOMAIN}"), 404, "no-route")
    });
    report.check("a phone's own refusal comes back as it is", || {
        let mut sent = alice.send_message(bob.aor(), TEXT)?;
        let received = bob.expect(Method::Message, sent.call_id())?;
        bob.respond(&received, 488)?;
        check_status(&alice.expect_final(&mut sent)?, 488)
    });
}

/// One message, arrived as it was written and accepted.
pub fn deliver(from: &mut Phone, to: &mut Phone) -> anyhow::Result<()> {
    let mut sent = from.send_message(to.aor(), TEXT)?;
    receive(to, sent.call_id(), from.aor()).map_err(|error| from.explain(&sent, error))?;
    check_status(&from.expect_final(&mut sent)?, 200)
}

/// One message that is stored; answers its Call-ID.
fn keep(from: &mut Phone, to: &str, text: &str) -> anyhow::Result<String> {
    let mut sent = from.send_message(to, text)?;
    check_status(&from.expect_final(&mut sent)?, 202)?;
    Ok(sent.call_id().to_owned())
}

/// What the administrator sees of a user's queue. The last one goes a moment after the phone's answer.
fn waiting(organisation: &Organisation, aor: &str, expected: u64) -> anyhow::Result<()> {
    let deadline = Instant::now() + SETTLE_WITHIN;
    loop {
        let stored = organisation.comity_json(&["status"])?["messages"]["stored"].as_u64();
        let users = organisation.comity_json(&["user", "list"])?;
        let user = users.as_array().and_then(|users| users.iter().find(|user| user["aor"] == aor));
        let of_user = user.and_then(|user| user["stored_messages"].as_u64());
        if (stored, of_user) == (Some(expected), Some(expected)) {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "expected {expected}, status says {stored:?} and user list {of_user:?}");
    }
}

/// The sender's own server or the recipient's refuses, with this status and word.
pub fn refused(from: &mut Phone, to: &str, status: u16, word: &str) -> anyhow::Result<()> {
    let mut sent = from.send_message(to, TEXT)?;
    check_refused(&from.expect_final(&mut sent)?, status, word)
}

fn receive(phone: &mut Phone, call_id: &str, from: &str) -> anyhow::Result<()> {
    let received = phone.expect(Method::Message, call_id)?;
    ensure!(received.body() == TEXT.as_bytes(), "the text was changed on the way");
    let sender = received.from()?.uri().as_str().to_owned();
    ensure!(sender == format!("sip:{from}"), "it seems to come from {sender}");
    phone.respond(&received, 200)
}

fn deliver_many(from: &mut Phone, to: &mut Phone, count: usize) -> anyhow::Result<()> {
    let sent: Result<Vec<_>, _> = (0..count).map(|_| from.send_message(to.aor(), TEXT)).collect();
    let mut sent = sent?;
    for message in &sent {
        receive(to, message.call_id(), from.aor())?;
    }
    for message in &mut sent {
        check_status(&from.expect_final(message)?, 200)?;
    }
    Ok(())
}

fn deliver_to_both(from: &mut Phone, first: &mut Phone, second: &mut Phone) -> anyhow::Result<()> {
    let mut sent = from.send_message(first.aor(), TEXT)?;
    receive(first, sent.call_id(), from.aor())?;
    receive(second, sent.call_id(), from.aor())?;
    check_status(&from.expect_final(&mut sent)?, 200)
}

const SETTLE_WITHIN: Duration = Duration::from_secs(2);
/// More than ASCII, and an empty line.
const TEXT: &str = "Grüße über die Grenze ✓\r\n\r\nzweite Zeile";
