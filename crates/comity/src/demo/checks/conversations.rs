//! A conversation in writing of three organisations: phones that know only messages begin it, grow it and leave it.

use anyhow::{Context, ensure};
use sip::Method;

use super::super::phone::{Phone, check_refused, check_status};
use super::{Report, Scene};

pub fn check(report: &mut Report, scene: &mut Scene<'_>) {
    let Scene { alice, dave, bob, carol, .. } = scene;
    let mut address = None;
    report.check("alice@contoso begins a conversation in writing, and adds bob@fabrikam and carol@litware", || {
        address = Some(begin(alice, bob, carol)?);
        Ok(())
    });
    report.check("what each of the three writes the two others read once, with the name", || {
        let address = address.as_deref().context("there is no conversation")?;
        say(address, bob, [alice, carol], "Grüße aus fabrikam ✓")?;
        say(address, carol, [alice, bob], "Hello from litware")?;
        say(address, alice, [bob, carol], "Then we are three")
    });
    report.check("who leaves reads no more, and who was not invited cannot write", || {
        let address = address.as_deref().context("there is no conversation")?;
        leave(address, alice, bob, carol)?;
        write(bob, address, "/leave")?;
        read_all(address, bob, &["You have left the conversation."])?;
        write(alice, address, "/leave")?;
        read_all(address, alice, &["You have left the conversation."])?;
        check_refused(&send(dave, address, "Is anybody here?")?, 404, "meeting-unknown")
    });
}

/// Answers the address of the conversation.
fn begin(alice: &mut Phone, bob: &mut Phone, carol: &mut Phone) -> anyhow::Result<String> {
    write(alice, "meet@contoso.example", "Who has a moment?")?;
    let greeting = alice.expect_where("no greeting", |message| {
        let is_of_meeting = |uri: &str| uri.starts_with("sip:meet-");
        message.method() == Some(Method::Message) && message.from().is_ok_and(|from| is_of_meeting(from.uri().as_str()))
    })?;
    alice.respond(&greeting, 200)?;
    let address = greeting.from()?.uri().as_str().trim_start_matches("sip:").to_owned();
    let mut told = Vec::new();
    for phone in [bob, carol] {
        write(alice, &address, &format!("/add {}", phone.aor()))?;
        told.push(format!("{} is invited.", phone.aor()));
        let invitation = read(&address, phone)?;
        ensure!(invitation.starts_with("alice@contoso.example invites you to write"), "{invitation}");
    }
    let told: Vec<&str> = told.iter().map(String::as_str).collect();
    read_all(&address, alice, &told)?;
    Ok(address)
}

/// What one writes is read by the others, once each and with his name, and not by himself.
fn say(address: &str, by: &mut Phone, others: [&mut Phone; 2], text: &str) -> anyhow::Result<()> {
    write(by, address, text)?;
    let expected = format!("{}: {text}", by.aor());
    for other in others {
        read_all(address, other, &[&expected])?;
    }
    by.expect_none_from(Method::Message, address)
}

fn leave(address: &str, alice: &mut Phone, bob: &mut Phone, carol: &mut Phone) -> anyhow::Result<()> {
    write(carol, address, "/leave")?;
    read_all(address, carol, &["You have left the conversation."])?;
    write(alice, address, "Are you still there?")?;
    read_all(address, bob, &["alice@contoso.example: Are you still there?"])?;
    carol.expect_none_from(Method::Message, address)
}

pub(super) fn write(by: &mut Phone, address: &str, text: &str) -> anyhow::Result<()> {
    check_status(&send(by, address, text)?, 200)
}

fn send(by: &mut Phone, address: &str, text: &str) -> anyhow::Result<sip::Message> {
    let mut sent = by.send_message(address, text)?;
    by.expect_final(&mut sent)
}

/// The next message of the conversation.
fn read(address: &str, phone: &mut Phone) -> anyhow::Result<String> {
    let message = phone.expect_from(Method::Message, address)?;
    phone.respond(&message, 200)?;
    Ok(String::from_utf8_lossy(message.body()).into_owned())
}

/// Exactly these, in this order.
pub(super) fn read_all(address: &str, phone: &mut Phone, expected: &[&str]) -> anyhow::Result<()> {
    for text in expected {
        let found = read(address, phone)?;
        ensure!(found == *text, "{}: expected {text:?}, read {found:?}", phone.aor());
    }
    phone.expect_none_from(Method::Message, address)
}
