use std::time::Duration;

use federation::trust::{Anchor, PeerCertificate, Why};
use rcgen::{CertificateRevocationListParams, KeyIdMethod, RevokedCertParams, SerialNumber};

use super::*;
use crate::roots::Roots;
use crate::testing::{Authority, Wish, now};
use crate::{facts, load::Identity};

const URL: &str = "http://lists.example/one.crl";

fn later(secs: u64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(now().as_secs() + secs))
}

fn issue(authority: &Authority, list: &str) -> Identity {
    authority.issue(Wish { dns: &["fabrikam.com"], list: Some(list), ..Wish::default() })
}

fn look(identity: &Identity, roots: &Roots, now: UnixTime) -> PeerCertificate {
    facts(&identity.chain, roots, now)
}

/// A list of the authority's, in force for an hour.
fn list(authority: &Authority, revoked: &[&Identity]) -> Vec<u8> {
    let at = |secs: u64| std::time::UNIX_EPOCH + Duration::from_secs(later(secs).as_secs());
    let revoked = revoked.iter().map(|identity| {
        let (_, certificate) = X509Certificate::from_der(&identity.chain[0]).expect("a certificate");
        RevokedCertParams {
            serial_number: SerialNumber::from_slice(certificate.raw_serial()),
            revocation_time: at(0).into(),
            reason_code: None,
            invalidity_date: None,
        }
    });
    let params = CertificateRevocationListParams {
        this_update: at(0).into(),
        next_update: at(3600).into(),
        crl_number: SerialNumber::from(1),
        issuing_distribution_point: None,
        revoked_certs: revoked.collect(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    params.signed_by(authority.issuer()).expect("a list").der().to_vec()
}

fn wanted(roots: &Roots) -> Seen {
    let wanted = roots.revocations().wanted();
    assert_eq!(wanted.len(), 1);
    wanted[0].clone()
}

#[test]
fn what_a_held_list_names_is_refused_and_what_none_is_held_for_by_policy() {
    let root = Authority::root("Root");
    let (good, bad) = (issue(&root, URL), issue(&root, URL));
    for (policy, without) in
        [(RevocationPolicy::WhenAvailable, None), (RevocationPolicy::Required, Some(Why::RevocationUnknown))]
    {
        let roots = root.roots().with_revocation(policy);
        for identity in [&good, &bad] {
            assert_eq!(look(identity, &roots, now()).chain.err(), without);
        }
        assert_eq!(roots.take_list(&wanted(&roots), &list(&root, &[&bad]), now()), Ok(now().as_secs() + 3600));
        assert_eq!(look(&good, &roots, now()).chain, Ok(Anchor::Public { name: "CN=Root".into() }));
        assert_eq!(look(&bad, &roots, now()).chain, Err(Why::Revoked));
        let fingerprint = crate::roots::fingerprint(&bad.chain[0]);
        assert_eq!(roots.revocations().revoked(now()), BTreeSet::from([fingerprint]));
        // Out of date it still revokes, and clears nobody any more.
        assert_eq!(look(&bad, &roots, later(3601)).chain, Err(Why::Revoked));
        assert_eq!(look(&good, &roots, later(3601)).chain.err(), without);
    }
    let off = root.roots().with_revocation(RevocationPolicy::Off);
    assert!(look(&bad, &off, now()).chain.is_ok());
    assert!(off.revocations().wanted().is_empty());
}

#[test]
fn a_list_counts_only_where_the_issuer_signed_it_and_it_is_in_force() {
    let (root, stranger) = (Authority::root("Root"), Authority::root("Root"));
    let bad = issue(&root, URL);
    let roots = root.roots().with_revocation(RevocationPolicy::WhenAvailable);
    assert!(look(&bad, &roots, now()).chain.is_ok());
    let seen = wanted(&roots);
    for (der, at, why) in [
        (list(&stranger, &[&bad]), now(), "the certificate's issuer did not sign it"),
        (list(&Authority::root("Other"), &[&bad]), now(), "it is not about this certificate"),
        (list(&root, &[&bad]), later(3601), "it is out of date"),
        (b"<html>".to_vec(), now(), "it is no list (TrailingData(CertRevocationList))"),
    ] {
        assert_eq!(roots.take_list(&seen, &der, at), Err(why.to_owned()));
        assert!(look(&bad, &roots, now()).chain.is_ok());
    }
    roots.take_list(&seen, &list(&root, &[&bad]), now()).expect("a list");
    let middle = root.below("Root", vec![]);
    let namesake = issue(&middle, URL);
    assert!(look(&namesake, &roots, now()).chain.is_ok(), "it was issued by another key of that name");
}

#[test]
fn only_what_an_authority_of_ours_has_signed_makes_us_fetch() {
    let (root, stranger) = (Authority::root("Root"), Authority::root("Stranger"));
    let roots = root.roots().with_revocation(RevocationPolicy::WhenAvailable);
    look(&issue(&stranger, URL), &roots, now());
    for url in ["https://lists.example/", "ldap://lists.example/", "http://li sts.example/"] {
        assert!(look(&issue(&root, url), &roots, now()).chain.is_ok());
    }
    assert!(roots.revocations().wanted().is_empty());
    let identity = issue(&root, URL);
    look(&identity, &roots, now());
    assert_eq!(wanted(&roots).url, URL);
    let fingerprint = crate::roots::fingerprint(&identity.chain[0]);
    roots.revocations().failed(URL, "nobody listens".to_owned());
    let told = (Standing::Unknown, Some("nobody listens".to_owned()));
    assert_eq!(roots.revocations().told(&fingerprint, now()), told);
    roots.revocations().forget_before(now().as_secs() + 1);
    assert!(roots.revocations().wanted().is_empty());
}

#[test]
fn so_many_certificates_are_followed_and_others_judged_by_what_is_held() {
    let root = Authority::root("Root");
    let (first, late) = (issue(&root, URL), issue(&root, URL));
    let roots = root.roots().with_revocation(RevocationPolicy::WhenAvailable);
    look(&first, &roots, now());
    let seen = wanted(&roots);
    {
        let mut held = roots.revocations().held();
        for number in 0..2 * SEEN_MAX as u64 {
            let mut fingerprint = [0; 32];
            fingerprint[..8].copy_from_slice(&number.to_be_bytes());
            held.remember(fingerprint, Seen { at_unix: 1, ..seen.clone() });
        }
        assert_eq!(held.seen.len(), SEEN_MAX);
    }
    let told = || roots.revocations().told(&crate::roots::fingerprint(&late.chain[0]), now()).0;
    assert!(look(&late, &roots, now()).chain.is_ok());
    assert_eq!(told(), Standing::NotLookedUp, "there is no room to follow it");
    roots.take_list(&seen, &list(&root, &[&late]), now()).expect("a list");
    assert_eq!(look(&late, &roots, now()).chain, Err(Why::Revoked));
    assert_eq!(told(), Standing::NotLookedUp);
    roots.revocations().forget_before(2);
    look(&late, &roots, now());
    assert_eq!(told(), Standing::Revoked, "there is room again");
}
