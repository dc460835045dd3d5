//! Lists of revoked certificates: what the authority of a certificate has not signed says nothing about it, and whom a list names
//! that it has signed, is revoked.
//!
//! The key of this authority is gone: its lists are those of the corpus, and nobody can make another.

use certificates::revocation::{Seen, Standing};
use certificates::{RevocationPolicy, Roots, facts};
use federation::trust::{PeerCertificate, Why};
use rustls_pki_types::{CertificateDer, UnixTime};

/// A list of the authority's.
struct Genuine {
    der: &'static [u8],
    names_the_edge: bool,
    is_in_force: bool,
}

pub fn check(bytes: &[u8]) {
    let list = GENUINE.iter().find(|list| holds(bytes, signed_part(list.der)));
    let fetched = taken(bytes, Roots::take_list);
    let kept = taken(bytes, Roots::take_kept_list);
    for (standing, is_revoked) in [&fetched, &kept].into_iter().flatten() {
        let list = list.expect("whatever is taken has been signed");
        assert_eq!(*is_revoked, list.names_the_edge);
        let expected = match (list.names_the_edge, list.is_in_force) {
            (true, _) => Standing::Revoked,
            (false, true) => Standing::NotRevoked,
            (false, false) => Standing::Unknown,
        };
        assert_eq!(*standing, expected);
    }
    assert!(kept.is_some() || fetched.is_none(), "what may be fetched may be kept");
    if let Some(list) = list.filter(|list| list.der == bytes) {
        assert_eq!((fetched.is_some(), kept.is_some()), (list.is_in_force, true));
    }
}

/// What is said of the edge's certificate after the list was taken, and whether the certificate is refused; `None`: it was not
/// taken.
fn taken(bytes: &[u8], take: fn(&Roots, &Seen, &[u8], UnixTime) -> Result<u64, String>) -> Option<(Standing, bool)> {
    let authority = [CertificateDer::from(AUTHORITY)];
    let roots = Roots::empty().with_certificates(&authority).expect("an authority");
    let roots = roots.with_revocation(RevocationPolicy::WhenAvailable);
    assert!(shown(&roots).chain.is_ok(), "nothing is known of it yet");
    let [seen] = &roots.revocations().wanted()[..] else { panic!("it names a list") };
    let until = take(&roots, seen, bytes, now());
    let shown = shown(&roots);
    let (standing, failure) = roots.revocations().told(&shown.fingerprint, now());
    let is_revoked = shown.chain == Err(Why::Revoked);
    assert!(is_revoked || shown.chain.is_ok(), "{:?}", shown.chain);
    assert_eq!(roots.revocations().revoked(now()).contains(&shown.fingerprint), is_revoked);
    match until {
        Ok(until) => {
            assert_eq!((roots.revocations().next_update_unix(&seen.url), failure), (Some(until), None));
            Some((standing, is_revoked))
        }
        Err(_) => {
            assert_eq!((standing, is_revoked), (Standing::Unknown, false), "nobody has signed it");
            assert_eq!(roots.revocations().next_update_unix(&seen.url), None);
            None
        }
    }
}

fn shown(roots: &Roots) -> PeerCertificate {
    facts(&[CertificateDer::from(EDGE)], roots, now())
}

/// What the signature is of: the first element within the list (RFC 5280 section 5.1).
fn signed_part(der: &[u8]) -> &[u8] {
    let (_, within) = element(der);
    let (whole, _) = element(within);
    whole
}

/// The first element of DER, which is well formed and short: with its header, and what is in it.
fn element(der: &[u8]) -> (&[u8], &[u8]) {
    let (header, length) = match der[1] {
        0x82 => (4, usize::from(der[2]) << 8 | usize::from(der[3])),
        0x81 => (3, usize::from(der[2])),
        short => (2, usize::from(short)),
    };
    (&der[..header + length], &der[header..header + length])
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// 2026-11-01.
fn now() -> UnixTime {
    UnixTime::since_unix_epoch(std::time::Duration::from_secs(1_793_491_200))
}

const AUTHORITY: &[u8] = include_bytes!("revocation_list/authority.der");
/// It names a list, as the authority's certificates do.
const EDGE: &[u8] = include_bytes!("revocation_list/edge.der");

macro_rules! genuine {
    ($name:literal, $names_the_edge:literal, $is_in_force:literal) => {
        Genuine {
            der: include_bytes!(concat!("../corpus/revocation_list/", $name, ".crl")),
            names_the_edge: $names_the_edge,
            is_in_force: $is_in_force,
        }
    };
}

const GENUINE: [Genuine; 5] = [
    genuine!("names_the_edge", true, true),
    genuine!("names_another", false, true),
    genuine!("names_nobody", false, true),
    genuine!("scoped", true, true),
    genuine!("out_of_date", true, false),
];
