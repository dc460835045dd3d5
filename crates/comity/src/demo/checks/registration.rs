//! Users sign in, at home and with their own password only.

use anyhow::{Context, ensure};
use sip::{HeaderName, Method};

use super::super::phone::{Phone, check_refused, check_status, draft};
use super::{Report, Scene};

pub fn check(report: &mut Report, scene: &mut Scene<'_>) {
    for (name, phone) in [
        ("alice@contoso.example registers", &mut scene.alice),
        ("dave@contoso.example registers", &mut scene.dave),
        ("bob@fabrikam.example registers", &mut scene.bob),
        ("carol@litware.example registers", &mut scene.carol),
    ] {
        report.check(name, || check_status(&phone.register(EXPIRES_SECS)?, 200));
    }
    report.check("a registration is refreshed on the same connection", || {
        let response = scene.bob.register(EXPIRES_SECS)?;
        check_status(&response, 200)?;
        ensure!(response.contacts().count() == 1, "expected one binding, found {}", response.contacts().count());
        // Phones parse it, and take an unquoted one for no Contact at all (RFC 5626 section 10).
        let contact = response.header_text(HeaderName::Contact).unwrap_or_default();
        let instance = format!("+sip.instance=\"{}\"", scene.bob.instance());
        ensure!(contact.contains(&instance), "expected {instance}, the Contact is {contact}");
        Ok(())
    });
    let offered = scene.world.digest.join(", then ");
    report.check(&format!("the server offers the configured digest: {offered}"), || challenge_order(scene));
    report.check("a wrong password is refused", || {
        let response = scene.guesser("contoso.example", "alice@contoso.example")?.register(EXPIRES_SECS)?;
        check_refused(&response, 401, "authentication-failed")
    });
    report.check("an unknown user is refused in the same words as a wrong password", || {
        let response = scene.guesser("contoso.example", "nobody@contoso.example")?.register(EXPIRES_SECS)?;
        check_refused(&response, 401, "authentication-failed")
    });
    report.check("a user of another domain cannot register here", || {
        let draft = draft(Method::Register, "bob@fabrikam.example", "bob@fabrikam.example");
        let response = scene.stranger("contoso.example", "bob@fabrikam.example", None)?.transact(draft)?;
        check_refused(&response, 403, "domain-not-served")
    });
    report.check("a keep-alive is answered", || scene.alice.ping());
    report.check("the server answers OPTIONS", || {
        let draft = draft(Method::Options, "alice@contoso.example", "contoso.example");
        check_status(&scene.alice.transact(draft)?, 200)
    });
    report.check("comity status counts the registered devices", || registered_devices(scene));
}

/// After everything else.
pub fn check_end(report: &mut Report, scene: &mut Scene<'_>) {
    report.check("a registration is taken back, and calls are refused from then on", || {
        let Scene { alice, dave, .. } = scene;
        check_status(&dave.register(0)?, 200)?;
        let mut sent = alice.invite(dave.aor())?;
        check_status(&alice.expect_final(&mut sent)?, 480)
    });
}

fn challenge_order(scene: &Scene<'_>) -> anyhow::Result<()> {
    let mut phone: Phone = scene.guesser("contoso.example", "alice@contoso.example")?;
    let draft = draft(Method::Register, "alice@contoso.example", "alice@contoso.example");
    let sent = phone.send(draft)?;
    let response = phone.expect_response(&sent, |status| status >= 200)?;
    check_status(&response, 401)?;
    let values = response.header_all(HeaderName::WwwAuthenticate).map(String::from_utf8_lossy);
    let challenges: Vec<String> = values.map(|value| value.into_owned()).collect();
    let expected = &scene.world.digest;
    let names = |(challenge, name): (&String, &String)| challenge.contains(&format!("algorithm={name},"));
    let in_order = challenges.len() == expected.len() && challenges.iter().zip(expected).all(names);
    ensure!(in_order, "expected {expected:?}, the challenges are {challenges:?}");
    Ok(())
}

fn registered_devices(scene: &Scene<'_>) -> anyhow::Result<()> {
    let status = scene.world.organisation("contoso.example").comity_json(&["status"])?;
    let devices = status["registrations"].as_u64().context("no number of registrations")?;
    ensure!(devices == 2, "expected 2, it says {devices}");
    Ok(())
}

pub const EXPIRES_SECS: u32 = 600;
