//! WWW-Authenticate and Proxy-Authenticate: writing ours, and answering those of others (RFC 7616 section 3.3,
//! RFC 8760 section 2.2).

use std::borrow::Cow;

use super::digest::{Algorithm, DigestInput, Ha1, Qop, QopInput, hex};
use super::parameters::{Parameters, quote};
use crate::method::Method;

/// Values of challenge headers, one for each algorithm, most wanted first: a client takes the first that it knows
/// (RFC 8760 section 2.3).
pub fn challenges(realm: &str, nonce: &str, stale: bool, algorithms: &[Algorithm]) -> Vec<String> {
    let stale = if stale { ", stale=true" } else { "" };
    let (realm, nonce) = (quote(realm), quote(nonce));
    let challenge = |algorithm: &Algorithm| {
        let algorithm = algorithm.as_str();
        format!("Digest realm={realm}, nonce={nonce}, algorithm={algorithm}, qop=\"auth\"{stale}")
    };
    algorithms.iter().map(challenge).collect()
}

/// Client side: the value of Authorization or Proxy-Authorization for the first of `challenge_values` that we can
/// answer, or None when there is none. `uri` is the Request-URI; `nc` counts the requests sent with the same nonce,
/// from 1. A challenge without qop is answered without one (RFC 3261 section 22.4, point 8).
#[expect(clippy::too_many_arguments, reason = "each is one input of the digest")]
pub fn answer(
    challenge_values: &[&str],
    user: &str,
    password: &str,
    method: &Method,
    uri: &str,
    body: &[u8],
    cnonce: &str,
    nc: u32,
) -> Option<String> {
    let challenge = challenge_values.iter().find_map(|value| Challenge::parse(value))?;
    let nc = format!("{nc:08x}");
    let qop = challenge.qop.map(|qop| QopInput { qop, nc: &nc, cnonce });
    let input = DigestInput { nonce: &challenge.nonce, qop, method, uri, body };
    let ha1 = Ha1::new(user, &challenge.realm, password);
    let response = hex(&input.response(challenge.algorithm, ha1.of(challenge.algorithm)));
    Some(challenge.credentials(user, &input, &response))
}

/// A challenge that we can answer.
struct Challenge<'a> {
    realm: Cow<'a, str>,
    nonce: Cow<'a, str>,
    opaque: Option<Cow<'a, str>>,
    algorithm: Algorithm,
    algorithm_given: bool,
    qop: Option<Qop>,
}

impl<'a> Challenge<'a> {
    fn parse(value: &'a str) -> Option<Challenge<'a>> {
        let (mut realm, mut nonce, mut opaque, mut algorithm, mut qops) = (None, None, None, None, None);
        for parameter in Parameters::of_digest(value)? {
            let (name, value) = parameter.ok()?;
            match name.to_ascii_lowercase().as_str() {
                "realm" => realm = Some(value),
                "nonce" => nonce = Some(value),
                "opaque" => opaque = Some(value),
                "algorithm" => algorithm = Some(value),
                "qop" => qops = Some(value),
                _ => {}
            }
        }
        Some(Challenge {
            realm: realm?,
            nonce: nonce?,
            opaque,
            algorithm: algorithm.as_deref().map_or(Some(Algorithm::Md5), Algorithm::parse)?,
            algorithm_given: algorithm.is_some(),
            qop: match qops {
                None => None,
                Some(offered) => Some(choose(&offered)?),
            },
        })
    }

    fn credentials(&self, user: &str, input: &DigestInput<'_>, response: &str) -> String {
        let (user, realm, nonce, uri) = (quote(user), quote(&self.realm), quote(&self.nonce), quote(input.uri));
        let mut value = format!("Digest username={user}, realm={realm}, nonce={nonce}, uri={uri}");
        if self.algorithm_given {
            value += &format!(", algorithm={}", self.algorithm.as_str());
        }
        if let Some(QopInput { qop, nc, cnonce }) = &input.qop {
            value += &format!(", qop={}, nc={nc}, cnonce={}", qop.as_str(), quote(cnonce));
        }
        if let Some(opaque) = &self.opaque {
            value += &format!(", opaque={}", quote(opaque));
        }
        value + &format!(", response=\"{response}\"")
    }
}

/// The one we like best of a comma-separated list.
fn choose(offered: &str) -> Option<Qop> {
    let mut known = offered.split(',').filter_map(|token| Qop::parse(token.trim()));
    let first = known.next()?;
    if known.any(|qop| qop == Qop::Auth) { Some(Qop::Auth) } else { Some(first) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::DigestCredentials;

    fn answered(challenge_values: &[&str]) -> Option<String> {
        answer(challenge_values, "alice", "secret", &Method::Register, "sip:contoso.com", b"", "c", 2)
    }

    #[test]
    fn our_own_challenge_is_answered_with_sha256() {
        let values = challenges("contoso.com", "abc", true, &Algorithm::ALL);
        assert_eq!(
            values,
            [
                "Digest realm=\"contoso.com\", nonce=\"abc\", algorithm=SHA-256, qop=\"auth\", stale=true",
                "Digest realm=\"contoso.com\", nonce=\"abc\", algorithm=MD5, qop=\"auth\", stale=true",
            ]
        );
        let value = answered(&[&values[0], &values[1]]).expect("ours can be answered");
        let credentials = DigestCredentials::parse(&value).expect("is well formed");
        assert_eq!(credentials.algorithm(), Some(Algorithm::Sha256));
        assert_eq!(credentials.nc(), Some(2));
        assert!(credentials.verify(&Method::Register, b"", &Ha1::new("alice", "contoso.com", "secret")));
        assert!(!credentials.verify(&Method::Register, b"", &Ha1::new("alice", "contoso.com", "wrong")));
    }

    #[test]
    fn what_we_do_not_know_is_passed_over() {
        let unknown = "Digest realm=\"r\", nonce=\"n\", algorithm=SHA-512-256, qop=\"auth\"";
        let known = "Digest realm=\"r\", nonce=\"n\", qop=\"auth-int,auth\", opaque=\"o\"";
        let value = answered(&["Bearer realm=\"r\"", unknown, known]).expect("the last one is known");
        assert!(value.contains("qop=auth, nc=00000002"), "{value}");
        assert!(value.contains("opaque=\"o\""), "{value}");
        assert_eq!(answered(&[unknown]), None);
    }

    #[test]
    fn rfc_2069_challenge() {
        let value = answered(&["Digest realm=\"r\", nonce=\"n\""]).expect("can be answered");
        assert!(!value.contains("qop") && !value.contains("nc="), "{value}");
        let credentials = DigestCredentials::parse(&value).expect("is well formed");
        assert!(!credentials.verify(&Method::Register, b"", &Ha1::new("alice", "r", "secret")), "we never accept it");
    }
}
