//! Digest: what answers a challenge is read again and proves its password, for that method and nobody else; whatever the
//! challenge says, the answer is one header value.

use sip::Method;
use sip::auth::{Algorithm, DigestCredentials, Ha1, answer, challenges};

/// Three lines: a challenge or credentials, a user and a realm.
pub fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let mut lines = text.split('\n');
    let mut next = || lines.next().unwrap_or_default();
    let (value, user, realm) = (next(), next(), next());
    if let Ok(credentials) = DigestCredentials::parse(value) {
        check_credentials(&credentials);
    }
    check_answer(value, user);
    for challenge in challenges(realm, user, false, &Algorithm::ALL) {
        check_ours(&challenge, user, realm);
    }
}

fn check_credentials(credentials: &DigestCredentials<'_>) {
    let stranger = Ha1::new(credentials.username(), credentials.realm(), "a password that nobody tried");
    assert!(!credentials.verify(&Method::Register, b"", &stranger), "proven without the password");
    assert!(credentials.nc().is_none_or(|nc| format!("{nc:08x}").len() == 8));
}

fn check_answer(challenge: &str, user: &str) {
    let answer = |password| answer(&[challenge], user, password, &Method::Register, "sip:a", b"", "cnonce", 1);
    let Some(value) = answer("secret") else { return };
    // Line ends in quotes are the message's to refuse.
    if challenge.contains('\r') || user.contains('\r') {
        return;
    }
    let credentials = DigestCredentials::parse(&value).expect("our answer is credentials");
    assert_eq!(credentials.username(), user);
    let ha1 = Ha1::new(user, credentials.realm(), "secret");
    if credentials.qop().is_some() {
        assert!(credentials.verify(&Method::Register, b"", &ha1), "{value}");
        assert!(!credentials.verify(&Method::Invite, b"", &ha1), "proven for another method");
    }
    assert_ne!(answer("other"), Some(value.clone()));
}

fn check_ours(challenge: &str, user: &str, realm: &str) {
    if user.contains('\r') || realm.contains('\r') {
        return;
    }
    let value = answer(&[challenge], "alice", "secret", &Method::Invite, "sip:bob@b", b"", "c", 7)
        .expect("our own challenge can be answered");
    let credentials = DigestCredentials::parse(&value).expect("our answer is credentials");
    assert_eq!((credentials.realm(), credentials.nonce(), credentials.nc()), (realm, user, Some(7)));
    assert!(credentials.verify(&Method::Invite, b"", &Ha1::new("alice", realm, "secret")));
}
