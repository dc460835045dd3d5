//! The examples of RFC 7616 section 3.9: what a client of ours answers, and what a server of ours makes of the answer.

// A test may unwrap.
#![allow(clippy::unwrap_used)]

use sip::Method;
use sip::auth::{Algorithm, DigestCredentials, Ha1, answer, challenges};

/// Section 3.9.1: the challenges of the server, in its order.
fn challenge(algorithm: &str) -> String {
    format!(
        "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm={algorithm}, \
         nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
    )
}

fn answered(challenges: &[&str]) -> Option<String> {
    let cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
    answer(challenges, "Mufasa", "Circle of Life", &get(), "/dir/index.html", b"", cnonce, 1)
}

fn get() -> Method {
    Method::Other("GET".into())
}

fn ha1() -> Ha1 {
    Ha1::new("Mufasa", "http-auth@example.org", "Circle of Life")
}

const SHA256: &str = "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1";
const MD5: &str = "8ca523f5e9506fed4657c9700eebdbec";

#[test]
fn both_algorithms_of_3_9_1_are_answered_as_the_rfc_has_it() {
    for (algorithm, known, response) in [("SHA-256", Algorithm::Sha256, SHA256), ("MD5", Algorithm::Md5, MD5)] {
        let value = answered(&[&challenge(algorithm)]).unwrap();
        let credentials = DigestCredentials::parse(&value).unwrap();
        assert_eq!((credentials.response(), credentials.algorithm()), (response, Some(known)));
        assert_eq!((credentials.username(), credentials.uri()), ("Mufasa", "/dir/index.html"));
        assert_eq!((credentials.nc(), credentials.qop()), (Some(1), Some("auth")));
        assert!(value.contains("opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""), "{value}");
        assert!(credentials.verify(&get(), b"", &ha1()));
        assert!(!credentials.verify(&Method::Other("PUT".into()), b"", &ha1()));
    }
}

/// A client takes the first that it knows (section 3.3).
#[test]
fn of_both_the_first_is_answered() {
    let (sha256, md5) = (challenge("SHA-256"), challenge("MD5"));
    for (offered, response) in [([&*sha256, &*md5], SHA256), ([&*md5, &*sha256], MD5)] {
        let value = answered(&offered).unwrap();
        assert_eq!(DigestCredentials::parse(&value).unwrap().response(), response);
    }
}

/// Section 3.9.2: SHA-512-256, a hashed user name, a user name beyond ASCII. We offer none of it, and a client of ours does not
/// answer it; who sends it all the same is not let in.
#[test]
fn what_3_9_2_has_is_neither_offered_nor_taken() {
    let challenge = "Digest realm=\"api@example.org\", qop=\"auth\", algorithm=SHA-512-256, \
        nonce=\"5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK\", \
        opaque=\"HRPCssKJSGjCrkzDg8OhwpzCiGPChXYjwrI2QmXDnsOS\", charset=UTF-8, userhash=true";
    assert_eq!(answered(&[challenge]), None);
    let ours = challenges("api@example.org", "n", false, &Algorithm::ALL).concat();
    assert!(!ours.contains("SHA-512") && !ours.contains("userhash"), "{ours}");

    let rest = "realm=\"api@example.org\", uri=\"/doe.json\", algorithm=SHA-512-256, \
        nonce=\"5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK\", nc=00000001, \
        cnonce=\"NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v\", qop=auth, \
        response=\"ae66e67d6b427bd3f120414a82e4acff38e8ecd9101d6c861229025f607a79dd\"";
    let hashed = format!(
        "Digest username=\"488869477bf257147b804c45308cd62ac4e25eb717b12b298c79e62dcea254ec\", userhash=true, {rest}"
    );
    let credentials = DigestCredentials::parse(&hashed).unwrap();
    assert_eq!(credentials.algorithm(), None);
    assert!(!credentials.verify(&get(), b"", &Ha1::new("J\u{e4}s\u{f8}n Doe", "api@example.org", "Secret, or not?")));
    let extended = format!("Digest username*=UTF-8''J%C3%A4s%C3%B8n%20Doe, {rest}");
    assert!(DigestCredentials::parse(&extended).is_err());
}

/// A user name and password beyond ASCII are hashed as the UTF-8 that they are typed in.
#[test]
fn a_name_beyond_ascii_is_hashed_as_utf_8() {
    let challenge = "Digest realm=\"api@example.org\", nonce=\"n\", algorithm=SHA-256, qop=\"auth\"";
    let (user, password) = ("J\u{e4}s\u{f8}n Doe", "p\u{e4}ssw\u{f8}rd");
    let value = answer(&[challenge], user, password, &get(), "/", b"", "c", 1).unwrap();
    let credentials = DigestCredentials::parse(&value).unwrap();
    assert!(credentials.verify(&get(), b"", &Ha1::new(user, "api@example.org", password)));
}
