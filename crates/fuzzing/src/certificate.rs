//! Certificates: whatever a peer shows becomes facts within their bounds, and what nobody vouches for proves nothing.

use certificates::facts::{NAMES_MAX, TEXT_CHARS_MAX};
use certificates::{Roots, facts};
use federation::trust::PeerCertificate;
use federation::verification::{Claim, Role, Verdict, judge};
use rustls_pki_types::{CertificateDer, UnixTime};

pub fn check(bytes: &[u8]) {
    let shown = facts(&[CertificateDer::from(bytes)], &Roots::empty(), now());
    check_bounds(&shown);
    assert!(shown.chain.is_err(), "nobody vouches for it");
    let claim = Claim { edge: Some("sip.contoso.example"), ..Claim::of("contoso.example") };
    for role in [Role::Client, Role::Server] {
        let verdict = judge(&shown, role, &claim, None);
        assert!(matches!(verdict, Verdict::Failed(_)), "{verdict:?}");
    }
    // Trusted as an authority it vouches for what it signed, and only then has a chain.
    let chain = [CertificateDer::from(bytes), CertificateDer::from(bytes)];
    if let Ok(roots) = Roots::empty().with_certificates(&chain[..1]) {
        check_bounds(&facts(&chain, &roots, now()));
    }
}

fn check_bounds(shown: &PeerCertificate) {
    let names = shown.names.sip_uris.iter().chain(&shown.names.dns);
    for name in names {
        let is_plain = name.bytes().all(|byte| byte.is_ascii_graphic() && !byte.is_ascii_uppercase());
        assert!(is_plain && !name.contains('\n'), "{name:?}");
    }
    assert!(shown.names.sip_uris.len() <= NAMES_MAX && shown.names.dns.len() <= NAMES_MAX);
    for text in [&shown.subject, &shown.issuer, &shown.serial] {
        assert!(text.chars().count() <= TEXT_CHARS_MAX && !text.contains(char::is_control), "{text:?}");
    }
    assert_eq!(shown.fingerprint_hex().len(), 64);
}

fn now() -> UnixTime {
    UnixTime::since_unix_epoch(std::time::Duration::from_secs(1_800_000_000))
}
