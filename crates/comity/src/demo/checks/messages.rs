//! Messages between people, at home and across the border (RFC 3428).

use anyhow::ensure;
use sip::Method;

use super::super::SILENT_DOMAIN;
use super::super::phone::{Phone, check_refused, check_status};
use super::registration::EXPIRES_SECS;
use super::{Report, Scene};

pub fn check(report: &mut Report, scene: &mut Scene<'_>) {
    let Scene { alice, tablet, dave, bob, carol, .. } = scene;
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
    report.check("a message to a user without a device is refused", || {
        let mut sent = alice.send_message("erin@fabrikam.example", TEXT)?;
        check_status(&alice.expect_final(&mut sent)?, 480)
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
    receive(to, sent.call_id(), from.aor())?;
    check_status(&from.expect_final(&mut sent)?, 200)
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

/// More than ASCII, and an empty line.
const TEXT: &str = "Grüße über die Grenze ✓\r\n\r\nzweite Zeile";
