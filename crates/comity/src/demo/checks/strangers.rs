//! Those who claim to be somebody: with no certificate, another's, or one that nobody trusts.

use anyhow::{Context, ensure};
use sip::Method;
use sip::uac::Draft;

use super::super::phone::{check_refused, check_status, draft};
use super::super::pki::{Authority, CertificateNames, Certified};
use super::federation::decisions;
use super::registration::EXPIRES_SECS;
use super::{Report, Scene};

pub fn check(report: &mut Report, scene: &mut Scene<'_>) {
    let authority = &scene.world.authority;
    report.check("a blocked domain with a good certificate is refused", || {
        let northwind = authority.certify(NORTHWIND)?;
        refused_stranger(scene, &northwind, "eve@northwind.example", "alice@contoso.example", "domain-blocked")
    });
    report.check("an impostor is refused: mallory's certificate, alice's name", || {
        let mallory = authority.certify(MALLORY)?;
        refused_stranger(scene, &mallory, "alice@contoso.example", "bob@fabrikam.example", "certificate-name")?;
        reason_names(scene, "certificate-name", "sip.mallory.example")
    });
    report.check("a domain that nobody added is refused where discovery is off", || {
        let mallory = authority.certify(MALLORY)?;
        refused_stranger(scene, &mallory, "eve@mallory.example", "bob@fabrikam.example", "domain-not-allowed")
    });
    report.check("the same domain under its own name is heard where discovery is on", || {
        let mallory = authority.certify(MALLORY)?;
        let mut eve = scene.stranger("contoso.example", "eve@mallory.example", Some(&mallory))?;
        let mut sent = eve.send_message("alice@contoso.example", "Hello from outside")?;
        let received = scene.alice.expect(Method::Message, sent.call_id())?;
        scene.alice.respond(&received, 200)?;
        check_status(&eve.expect_final(&mut sent)?, 200)
    });
    report.check("a certificate of an unknown authority is refused", || {
        let forged = Authority::unknown()?.certify(CONTOSO)?;
        refused_stranger(scene, &forged, "alice@contoso.example", "bob@fabrikam.example", "certificate-untrusted")
    });
    report.check("a partner's name without any certificate is refused", || {
        let mut eve = scene.stranger("fabrikam.example", "alice@contoso.example", None)?;
        let response = eve.transact(message("alice@contoso.example", "bob@fabrikam.example"))?;
        check_refused(&response, 403, "certificate-missing")
    });
    report.check("a partner cannot reach a third domain through us", || {
        let mallory = authority.certify(MALLORY)?;
        let mut eve = scene.stranger("contoso.example", "eve@mallory.example", Some(&mallory))?;
        let response = eve.transact(message("eve@mallory.example", "carol@litware.example"))?;
        check_refused(&response, 403, "relay-denied")
    });
    report.check("a partner cannot speak as one of our users", || {
        let mallory = authority.certify(MALLORY)?;
        let mut eve = scene.stranger("contoso.example", "alice@contoso.example", Some(&mallory))?;
        let response = eve.transact(message("alice@contoso.example", "dave@contoso.example"))?;
        check_refused(&response, 407, "authentication-failed")
    });
    report.check("a user cannot speak as another", || {
        let draft = message("dave@contoso.example", "bob@fabrikam.example");
        check_refused(&scene.alice.transact(draft)?, 403, "identity-mismatch")
    });
    report.check("a phone cannot speak as another domain", || {
        check_status(&scene.tablet.register(EXPIRES_SECS)?, 200)?;
        let draft = message("bob@fabrikam.example", "alice@contoso.example");
        let response = scene.tablet.transact(draft)?;
        check_refused(&response, 403, "mixed-traffic")?;
        check_status(&scene.tablet.register(0)?, 200)
    });
    report.check("a stranger cannot send in our users' names", || {
        let mut eve = scene.stranger("contoso.example", "alice@contoso.example", None)?;
        let sent = eve.send(message("alice@contoso.example", "bob@fabrikam.example"))?;
        check_refused(&eve.expect_response(&sent, |status| status >= 200)?, 407, "authentication-required")
    });
}

/// Somebody with that certificate and name writes to a user, whose server refuses with 403 and the word.
fn refused_stranger(scene: &Scene<'_>, certified: &Certified, from: &str, to: &str, word: &str) -> anyhow::Result<()> {
    let (_, domain) = to.split_once('@').context("no domain")?;
    let mut phone = scene.stranger(domain, from, Some(certified))?;
    check_refused(&phone.transact(message(from, to))?, 403, word)
}

/// The administrator of fabrikam reads what the impostor is not told.
fn reason_names(scene: &Scene<'_>, word: &str, name: &str) -> anyhow::Result<()> {
    let decisions = decisions(scene.world.organisation("fabrikam.example"), "contoso.example")?;
    let refusals = decisions.iter().map(|decision| &decision["outcome"]["Refused"]);
    let refusal =
        refusals.into_iter().find(|refusal| refusal["word"] == word).context("partner show has no such refusal")?;
    let reason = refusal["reason"].as_str().unwrap_or_default();
    ensure!(reason.contains(name), "the reason does not name {name}: {reason}");
    Ok(())
}

fn message(from: &str, to: &str) -> Draft {
    draft(Method::Message, from, to).body("text/plain", "Hello")
}

const NORTHWIND: CertificateNames =
    CertificateNames { dns: &["sip.northwind.example"], uris: &["sip:northwind.example"] };
const MALLORY: CertificateNames = CertificateNames { dns: &["sip.mallory.example"], uris: &[] };
const CONTOSO: CertificateNames = CertificateNames { dns: &["sip.contoso.example"], uris: &["sip:contoso.example"] };
