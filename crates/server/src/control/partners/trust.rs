//! `/api/partners/{domain}/trust`: pinned certificates and authorities of a domain's own.

use axum::Json;
use axum::extract::{Path, State};
use base64::prelude::{BASE64_STANDARD, Engine};
use certificates::Roots;
use federation::trust;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use store::{StoredTrust, TrustChange, now_unix};

use super::super::answers::{AnchorAnswer, EnteredTrust, NewTrust, TrustAnswer, TrustChanged};
use super::super::error::ControlError;
use super::super::{Body, Control};
use super::foreign_domain;

pub(in super::super) async fn put(
    State(control): State<Control>,
    Path(domain): Path<String>,
    Body(new): Body<NewTrust>,
) -> Result<Json<TrustChanged>, ControlError> {
    let domain = foreign_domain(&control, &domain)?;
    let change = TrustChange {
        pins: new.pins.as_deref().map(pins).transpose()?,
        anchors: new.anchors.as_deref().map(anchors).transpose()?,
    };
    let wanted = domain.clone();
    let write = move |store: &store::Store| {
        let before = store.change_trust(&wanted, &change, now_unix())?;
        Ok((before, store.domain_trust()?.remove(&wanted).unwrap_or_default()))
    };
    let (before, now) = control.0.store.write(write).await?;
    control.publish_partners().await?;
    tracing::info!(
        domain,
        pins = now.pins.len(),
        anchors = now.anchors.len(),
        "trust in a domain's certificates changed"
    );
    Ok(Json(TrustChanged { domain, trust: answer(&now), before: answer(&before) }))
}

/// `GET /api/trust`: of all domains, as it can be entered elsewhere.
pub(in super::super) async fn list(State(control): State<Control>) -> Result<Json<Vec<EnteredTrust>>, ControlError> {
    let all = control.0.store.read(store::Store::domain_trust).await?;
    let entered = all.into_iter().map(|(domain, stored)| EnteredTrust {
        domain,
        pins: stored.pins.iter().map(trust::hexadecimal).collect(),
        anchors: stored.anchors.iter().map(|der| pem(der)).collect(),
    });
    Ok(Json(entered.collect()))
}

/// What a file of entries says of a domain's certificates.
pub(in super::super) fn entered_trust(
    control: &Control,
    entered: &EnteredTrust,
) -> Result<(String, TrustChange), ControlError> {
    let domain = foreign_domain(control, &entered.domain)?;
    let change = TrustChange { pins: Some(pins(&entered.pins)?), anchors: Some(anchors(&entered.anchors)?) };
    Ok((domain, change))
}

pub(super) async fn of(control: &Control, domain: &str) -> Result<TrustAnswer, ControlError> {
    let wanted = domain.to_owned();
    let stored = control.0.store.read(move |store| Ok(store.domain_trust()?.remove(&wanted))).await?;
    Ok(answer(&stored.unwrap_or_default()))
}

fn answer(stored: &StoredTrust) -> TrustAnswer {
    let anchor = |der: &Vec<u8>| {
        let facts = certificates::facts(&[CertificateDer::from(der.as_slice())], &Roots::empty(), now());
        AnchorAnswer {
            fingerprint: facts.fingerprint_hex(),
            subject: facts.subject,
            not_after_unix: facts.not_after_unix,
        }
    };
    TrustAnswer {
        pins: stored.pins.iter().map(trust::hexadecimal).collect(),
        anchors: stored.anchors.iter().map(anchor).collect(),
    }
}

/// RFC 7468 section 5.
fn pem(certificate: &[u8]) -> String {
    let encoded = BASE64_STANDARD.encode(certificate);
    let lines: Vec<&str> = encoded.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

fn now() -> rustls_pki_types::UnixTime {
    rustls_pki_types::UnixTime::now()
}

pub(in super::super) fn pins(texts: &[String]) -> Result<Vec<trust::Fingerprint>, ControlError> {
    const HINT: &str =
        "write the SHA-256 of the certificate as 64 hexadecimal digits, as `comity route DOMAIN` shows it";
    if texts.len() > PINS_MAX {
        return Err(ControlError::unprocessable(format!("more than {PINS_MAX} pins at once"), "leave out old ones"));
    }
    let pin = |text: &String| {
        trust::fingerprint(text)
            .ok_or_else(|| ControlError::unprocessable(format!("\"{text}\" is no fingerprint"), HINT))
    };
    texts.iter().map(pin).collect()
}

/// Each can be an authority; those of a chain that are none would vouch for nothing.
fn anchors(pem: &str) -> Result<Vec<Vec<u8>>, ControlError> {
    const HINT: &str = "give the PEM file of the partner's authority, with \"BEGIN CERTIFICATE\"";
    if pem.trim().is_empty() {
        return Ok(Vec::new());
    }
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    let found = read.map_err(|error| ControlError::unprocessable(format!("the PEM cannot be read: {error}"), HINT))?;
    if found.is_empty() || found.len() > ANCHORS_MAX {
        let error = format!("{} certificates, where 1 to {ANCHORS_MAX} are wanted", found.len());
        return Err(ControlError::unprocessable(error, HINT));
    }
    for der in &found {
        check_anchor(der)?;
    }
    Ok(found.into_iter().map(|der| der.to_vec()).collect())
}

fn check_anchor(der: &CertificateDer<'_>) -> Result<(), ControlError> {
    const HINT: &str =
        "an authority's certificate says CA:TRUE; to trust one server's certificate alone, pin it (--pin)";
    Roots::empty().replace_partner_authorities(std::slice::from_ref(der)).map_err(|error| {
        ControlError::unprocessable(error, "give the certificate of the partner's authority, in PEM")
    })?;
    match certificates::roots::is_authority(der) {
        true => Ok(()),
        false => Err(ControlError::unprocessable("one certificate is not an authority's", HINT)),
    }
}

/// Two at a time are enough for a change of keys; a pool of servers may each have its own.
const PINS_MAX: usize = 16;
const ANCHORS_MAX: usize = 8;
