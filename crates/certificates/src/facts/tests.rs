use federation::trust::Anchor;

use super::*;
use crate::testing::{Authority, ClientAuth, CodeSigning, ServerAuth, Wish, now, sip_domain};

fn facts_of(wish: Wish<'_>) -> PeerCertificate {
    let root = Authority::root("Root");
    facts(&root.issue(wish).chain, &root.roots(), now())
}

fn public(name: &str) -> Result<Anchor, Why> {
    Ok(Anchor::Public { name: name.to_owned() })
}

#[test]
fn a_chain_to_a_root_of_ours_is_accepted_and_described() {
    let root = Authority::root("Root");
    let intermediate = root.below("Intermediate", vec![]);
    let identity =
        intermediate.issue(Wish { dns: &["Edge.Fabrikam.com"], years: Some((2026, 2027)), ..Wish::default() });
    let facts = facts(&identity.chain, &root.roots(), now());
    assert_eq!(facts.chain, public("CN=Root"));
    assert_eq!((facts.issuer.as_str(), facts.subject.as_str()), ("CN=Intermediate", "CN=edge"));
    assert_eq!(facts.names.dns, ["edge.fabrikam.com"]);
    assert_eq!(facts.not_after_unix, 1_830_211_200);
    assert_eq!(facts.fingerprint, <[u8; 32]>::from(Sha256::digest(&identity.chain[0])));
    assert!(!facts.serial.is_empty() && facts.serial.bytes().all(|byte| byte.is_ascii_hexdigit()));
}

#[test]
fn the_verdict_on_the_chain_does_not_depend_on_the_purpose() {
    let none = Purposes { stated: true, ..Purposes::default() };
    for (wished, expected) in [
        (vec![], Purposes::default()),
        (vec![ServerAuth], Purposes { server_auth: true, ..none }),
        (vec![ClientAuth], Purposes { client_auth: true, ..none }),
        (vec![sip_domain()], Purposes { sip_domain: true, ..none }),
        (vec![rcgen::ExtendedKeyUsagePurpose::Any], Purposes { any: true, ..none }),
        (vec![CodeSigning], none),
        (vec![ServerAuth, ClientAuth], Purposes { server_auth: true, client_auth: true, ..none }),
    ] {
        let facts = facts_of(Wish { purposes: wished, ..Wish::default() });
        assert_eq!((facts.chain, facts.purposes), (public("CN=Root"), expected));
    }
}

#[test]
fn an_intermediate_limits_the_purposes_it_vouches_for() {
    let root = Authority::root("Root");
    let issue = |intermediate, purposes| {
        let identity = root.below("Intermediate", intermediate).issue(Wish { purposes, ..Wish::default() });
        facts(&identity.chain, &root.roots(), now())
    };
    let client_only = Purposes { client_auth: true, stated: true, ..Purposes::default() };
    for stated in [vec![ServerAuth, ClientAuth], vec![], vec![rcgen::ExtendedKeyUsagePurpose::Any]] {
        let facts = issue(vec![ClientAuth], stated);
        assert_eq!((facts.chain, facts.purposes), (public("CN=Root"), client_only));
    }
    for stated in [vec![ServerAuth], vec![sip_domain(), ClientAuth], vec![]] {
        let facts = issue(vec![CodeSigning], stated);
        assert!(matches!(facts.chain, Err(Why::Other(_))), "{:?}", facts.chain);
    }
}

#[test]
fn a_chain_that_ends_elsewhere_expired_or_too_early_says_so() {
    let root = Authority::root("Root");
    let other = Authority::root("Other");
    let identity = root.issue(Wish::default());
    assert_eq!(facts(&identity.chain, &other.roots(), now()).chain, Err(Why::UnknownIssuer));
    assert_eq!(facts(&identity.chain, &Roots::empty(), now()).chain, Err(Why::UnknownIssuer));
    assert_eq!(facts_of(Wish { years: Some((2020, 2025)), ..Wish::default() }).chain, Err(Why::Expired));
    assert_eq!(facts_of(Wish { years: Some((2028, 2029)), ..Wish::default() }).chain, Err(Why::NotYetValid));
}

#[test]
fn a_missing_intermediate_is_an_unknown_issuer() {
    let root = Authority::root("Root");
    let identity = root.below("Intermediate", vec![]).issue(Wish::default());
    assert_eq!(facts(&identity.chain[..1], &root.roots(), now()).chain, Err(Why::UnknownIssuer));
}

#[test]
fn a_signature_that_is_not_the_authority_s_is_bad() {
    let root = Authority::root("Root");
    let impostor = Authority::root("Root");
    let identity = impostor.issue(Wish { dns: &["fabrikam.com"], ..Wish::default() });
    assert_eq!(facts(&identity.chain, &root.roots(), now()).chain, Err(Why::BadSignature));
}

#[test]
fn sip_uris_are_read_as_rfc_5922_reads_them() {
    let facts = facts_of(Wish {
        uris: &[
            "sip:Fabrikam.com",
            "SIP:b.example:5061;transport=tls?x=y",
            "sip:Alice@fabrikam.com",
            "sips:secure.example",
            "https://fabrikam.com/",
            "sip:sp ace",
        ],
        dns: &["*.fabrikam.com"],
        ..Wish::default()
    });
    assert_eq!(facts.names.sip_uris, ["fabrikam.com", "b.example", "alice@fabrikam.com", "(unreadable)"]);
    assert_eq!(facts.names.dns, ["*.fabrikam.com"]);
}

#[test]
fn a_partner_s_authority_is_told_apart_and_a_public_one_wins() {
    let (own, both) = (Authority::root("Fabrikam CA"), Authority::root("Root"));
    let roots = Roots::empty().with_certificates(&[both.certificate()]).expect("roots");
    let clone = roots.clone();
    clone.replace_partner_authorities(&[own.certificate(), both.certificate(), own.certificate()]).expect("roots");
    let chain = |authority: &Authority| facts(&authority.issue(Wish::default()).chain, &roots, now()).chain;
    let fingerprint = crate::roots::fingerprint(&own.certificate());
    assert_eq!(chain(&own), Ok(Anchor::Partner { name: "CN=Fabrikam CA".into(), fingerprint }));
    assert_eq!(chain(&both), public("CN=Root"));
    let expired = own.issue(Wish { years: Some((2020, 2025)), ..Wish::default() });
    assert_eq!(facts(&expired.chain, &roots, now()).chain, Err(Why::Expired));
    clone.replace_partner_authorities(&[CertificateDer::from(vec![0])]).expect_err("no authority");
    assert!(chain(&own).is_ok());
    clone.replace_partner_authorities(&[]).expect("roots");
    assert_eq!(chain(&own), Err(Why::UnknownIssuer));
    assert_eq!(chain(&both), public("CN=Root"));
}

#[test]
fn whose_key_is_not_for_certificates_vouches_for_nobody() {
    let root = Authority::root("Root");
    let chain = |authority: Authority| facts(&authority.issue(Wish::default()).chain, &root.roots(), now()).chain;
    assert!(matches!(chain(root.that_may_not_sign_below("Mute")), Err(Why::Other(_))));
    assert_eq!(chain(root.below("Middle", vec![])), public("CN=Root"));
}

#[test]
fn its_own_dates_are_a_fact_beside_the_chain() {
    let nobody = Authority::root("Nobody");
    let validity = |years| {
        let facts = facts(&nobody.issue(Wish { years, ..Wish::default() }).chain, &Roots::empty(), now());
        assert!(facts.chain.is_err());
        facts.validity
    };
    assert_eq!(validity(Some((2020, 2030))), Ok(()));
    assert_eq!(validity(Some((2020, 2025))), Err(Why::Expired));
    assert_eq!(validity(Some((2030, 2035))), Err(Why::NotYetValid));
    assert_eq!(facts(&[], &Roots::empty(), now()).validity, Err(Why::Expired));
}

#[test]
fn hostile_bytes_are_facts_and_no_panic() {
    let root = Authority::root("Root");
    let roots = root.roots();
    let good = root.issue(Wish {
        uris: &["sip:fabrikam.com"],
        dns: &["a.example"],
        purposes: vec![ServerAuth],
        years: None,
        list: None,
    });
    let der = good.chain[0].as_ref();
    let of = |bytes: Vec<u8>| facts(&[CertificateDer::from(bytes)], &roots, now());
    let is_unreadable = |facts: PeerCertificate| matches!(facts.chain, Err(Why::Unreadable(_)));
    assert!(is_unreadable(facts(&[], &roots, now())));
    assert!(is_unreadable(of(b"GET / HTTP/1.1\r\n".to_vec())));
    assert!(is_unreadable(of([der, &[0]].concat())));
    for end in 0..der.len() {
        assert!(is_unreadable(of(der[..end].to_vec())));
    }
    for position in 0..der.len() {
        for bit in 0..8 {
            let mut bytes = der.to_vec();
            bytes[position] ^= 1 << bit;
            assert!(of(bytes).chain.is_err(), "bit {bit} of byte {position} is covered by no signature");
        }
    }
}

#[test]
fn names_beyond_the_limit_are_left_out_readable_or_not() {
    let uris = vec!["sip:~~.example"; NAMES_MAX + 100];
    let root = Authority::root("Root");
    let identity = root.issue(Wish { uris: &uris, ..Wish::default() });
    let kept = |der: &[u8]| facts(&[CertificateDer::from(der)], &root.roots(), now()).names.sip_uris;
    assert_eq!(kept(&identity.chain[0]), vec!["~~.example"; NAMES_MAX]);
    let unreadable: Vec<u8> = identity.chain[0].iter().map(|byte| if *byte == b'~' { 0xff } else { *byte }).collect();
    assert_eq!(kept(&unreadable), vec![UNREADABLE_URI; NAMES_MAX]);
}

#[test]
fn an_authority_s_own_certificate_is_no_peer_s() {
    let root = Authority::root("Root");
    let chain = [root.certificate()];
    assert!(matches!(facts(&chain, &root.roots(), now()).chain, Err(Why::Other(_))));
}

#[test]
fn what_a_peer_writes_cannot_break_a_log_line() {
    assert_eq!(printable("CN=a\r\nb\u{1b}[0m"), "CN=a\u{fffd}\u{fffd}b\u{fffd}[0m");
    assert_eq!(printable(&"x".repeat(1000)).len(), TEXT_CHARS_MAX);
}

#[test]
fn what_tlsa_records_can_be_about_is_gathered_only_where_it_is_looked_for() {
    let root = Authority::root("Nobody's");
    let middle = root.below("Middle", vec![]);
    let chain = [middle.issue(Wish::default()).chain, vec![root.certificate()]].concat();
    assert_eq!(facts(&chain, &Roots::empty(), now()).dane, None);
    let seen = facts(&chain, &Roots::empty().with_tlsa(), now());
    assert_eq!(seen.chain, Err(Why::UnknownIssuer));
    let gathered = seen.dane.expect("subjects");
    assert_eq!(gathered.own.certificate[0], seen.fingerprint);
    assert_eq!((gathered.own.key[0].len(), gathered.own.key[1].len()), (32, 64));
    let fingerprints: Vec<_> = gathered.authorities.iter().map(|one| one.certificate[0].clone()).collect();
    assert_eq!(
        fingerprints,
        [middle.certificate(), root.certificate()].map(|der| crate::roots::fingerprint(&der).to_vec())
    );

    // What was put beside the chain vouches for nothing.
    let unrelated = [&chain[..1], &[Authority::root("Other").certificate()]].concat();
    let gathered = facts(&unrelated, &Roots::empty().with_tlsa(), now()).dane.expect("subjects");
    assert_eq!(gathered.authorities, []);
}
