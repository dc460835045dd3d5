//! The checks of a user of ours: the flow proves the identity, or digest does (RFC 3261 22, RFC 7616).

use sip::aor::Aor;
use sip::auth::{Algorithm, DigestCredentials, Ha1, NonceState, UserHa1, challenges, is_address_in};
use sip::header_name::HeaderName;
use sip::message::Message;
use sip::method::Method;
use sip::refusal::{Refusal, Word};

use super::guesses::Guesser;
use super::{Claim, Evidence, Flow, Question, Rules, Stop};
use crate::refusal;

/// That it is this user who sends it. Returns whether a digest showed the password, so that the user is signed in on this connection
/// from now on. The digest of an ACK does not: it has been used before, by whom nobody knows.
pub(super) fn prove(
    request: &Message,
    (claim, aor): (&Claim<'_>, &Aor),
    (flow, evidence): (&Flow<'_>, &Evidence),
    guesser: Guesser,
    rules: &mut Rules<'_>,
) -> Result<bool, Stop> {
    if is_proven_by_flow(claim, aor, flow, evidence) {
        return Ok(false);
    }
    match claim.method {
        Method::Ack => check_ack(request, (claim, aor), evidence, guesser, rules).map(|()| false),
        _ => check_digest(request, (claim, aor), evidence, guesser, rules).map(|()| true),
    }
}

/// Whether no challenge is needed: the user has proven itself on this secure flow before, or the request
/// belongs to a dialog whose Route we signed for this very flow.
///
/// A registration is always proven by itself. So are MESSAGE and PUBLISH: phones send them outside of
/// dialogs, and a signed Route with an invented To tag must not let one user write as another.
fn is_proven_by_flow(claim: &Claim<'_>, aor: &Aor, flow: &Flow<'_>, evidence: &Evidence) -> bool {
    let proven_before = flow.facts.transport.is_secure() && flow.users.contains(aor);
    match claim.method {
        Method::Register => false,
        Method::Message | Method::Publish => proven_before,
        _ => proven_before || (evidence.proven_by_route && claim.in_dialog),
    }
}

/// Digest, in the realm of the user's own domain.
fn check_digest(
    request: &Message,
    (claim, aor): (&Claim<'_>, &Aor),
    evidence: &Evidence,
    guesser: Guesser,
    rules: &mut Rules<'_>,
) -> Result<(), Stop> {
    let algorithms = offered(request, &rules.organisation.digest);
    let mut challenger =
        Challenger { registrar: claim.method == Method::Register, realm: aor.domain(), algorithms, rules };
    let Some(credentials) = credentials_of_realm(request, aor.domain()) else {
        return Err(challenger.required("no credentials for our realm").into());
    };
    if !credentials.algorithm().is_some_and(|algorithm| challenger.algorithms.contains(&algorithm)) {
        return Err(challenger.required("credentials of an algorithm that is not offered").into());
    }
    // A nonce that is not ours is most often from before a restart. Calling it stale too keeps phones
    // from concluding that their password is wrong (RFC 7616 3.3).
    match challenger.rules.nonces.check(challenger.rules.now, credentials.nonce()) {
        NonceState::Valid => {}
        NonceState::Stale => return Err(challenger.stale("the nonce is stale").into()),
        NonceState::Foreign => return Err(challenger.stale("the nonce is not one of ours").into()),
    }
    check_username(credentials.username(), aor)?;
    if let Some(why) = unusable(&credentials) {
        return Err(challenger.failed(&format!("{aor} {why}")).into());
    }
    let (now, guesses) = (challenger.rules.now, &mut *challenger.rules.guesses);
    guesses.check(now, &guesser, aor).map_err(|secs| refusal::too_many_guesses(aor, secs))?;
    let Some(stored) = &evidence.credentials else {
        return Err(Stop::Needs(Question::Credentials(aor.clone())));
    };
    // An unknown user costs the same work and gets the same answer as a wrong password.
    let ha1 = stored.as_ref().unwrap_or(&NOBODY);
    let right =
        credentials.verify(&claim.method, request.body(), ha1.of_username(credentials.username(), aor.domain()));
    match (right, stored) {
        (true, Some(_)) => guesses.right(&guesser, aor),
        (_, stored) => {
            guesses.wrong(&guesser, aor);
            let why = match stored {
                Some(ha1) => format!("wrong password for {aor}{}", named(credentials.username(), aor, ha1)),
                None => format!("there is no user {aor}"),
            };
            return Err(challenger.failed(&why).into());
        }
    }
    // Without a count (RFC 2069 style) a nonce is good for one request.
    match challenger.rules.nonces.accept(challenger.rules.now, credentials.nonce(), credentials.nc().unwrap_or(1)) {
        NonceState::Valid => Ok(()),
        NonceState::Stale | NonceState::Foreign => Err(challenger.stale("the nonce count was used before").into()),
    }
}

/// An ACK cannot be challenged: it has the credentials of the INVITE that it belongs to (RFC 3261 section 13.2.2.4), over another
/// connection than the one over which the dialog began. Some clients count its own method into them.
fn check_ack(
    request: &Message,
    (claim, aor): (&Claim<'_>, &Aor),
    evidence: &Evidence,
    guesser: Guesser,
    rules: &mut Rules<'_>,
) -> Result<(), Stop> {
    let credentials = credentials_of_realm(request, aor.domain()).filter(|_| claim.in_dialog);
    let credentials = credentials.ok_or_else(refusal::unproven_ack)?;
    let is_offered = |algorithm| rules.organisation.digest.contains(&algorithm);
    if rules.nonces.check(rules.now, credentials.nonce()) != NonceState::Valid
        || unusable(&credentials).is_some()
        || !credentials.algorithm().is_some_and(is_offered)
    {
        return Err(refusal::unproven_ack().into());
    }
    check_username(credentials.username(), aor)?;
    rules.guesses.check(rules.now, &guesser, aor).map_err(|secs| refusal::too_many_guesses(aor, secs))?;
    let Some(stored) = &evidence.credentials else {
        return Err(Stop::Needs(Question::Credentials(aor.clone())));
    };
    let ha1 = stored.as_ref().unwrap_or(&NOBODY).of_username(credentials.username(), aor.domain());
    let right = [Method::Invite, Method::Ack].iter().any(|method| credentials.verify(method, request.body(), ha1));
    match right && stored.is_some() {
        true => Ok(()),
        false => {
            rules.guesses.wrong(&guesser, aor);
            Err(refusal::unproven_ack().into())
        }
    }
}

/// Several elements on the way may have challenged; ours is the one with our realm (RFC 3261 22.3).
/// Values that cannot be read may belong to another scheme and are passed over.
fn credentials_of_realm<'a>(request: &'a Message, realm: &str) -> Option<DigestCredentials<'a>> {
    [HeaderName::Authorization, HeaderName::ProxyAuthorization]
        .into_iter()
        .flat_map(|name| request.header_all(name))
        .filter_map(|value| std::str::from_utf8(value).ok())
        .filter_map(|value| DigestCredentials::parse(value).ok())
        .find(|credentials| credentials.realm() == realm)
}

/// Why credentials prove nothing, whatever the password is.
fn unusable(credentials: &DigestCredentials<'_>) -> Option<&'static str> {
    let is_md5 = credentials.response().len() == MD5_DIGITS;
    match credentials.algorithm() {
        _ if credentials.qop().is_none() => Some(ANSWERED_WITHOUT_QOP),
        Some(Algorithm::Sha256) if is_md5 => Some(ANSWERED_BY_MD5),
        _ => None,
    }
}

/// "user" or "user@domain", of the very user in From.
fn check_username(username: &str, aor: &Aor) -> Result<(), Refusal> {
    let user = match username.rsplit_once('@') {
        Some((user, _)) if is_address_in(username, aor.domain()) => user,
        _ => username,
    };
    match user.to_lowercase() == aor.user() {
        true => Ok(()),
        false => Err(refusal::identity_mismatch(format!("credentials of \"{username}\" on a request from {aor}"))),
    }
}

/// What else may be wrong than the password, by how a client spells the user's name: its spelling counts in what it answers.
fn named(username: &str, aor: &Aor, ha1: &UserHa1) -> &'static str {
    let is_address = is_address_in(username, aor.domain());
    match &ha1.of_address {
        None if is_address => NAMED_WITH_DOMAIN,
        Some(_) if is_address && username != aor.to_string() => NAMED_IN_CAPITALS,
        _ if !is_address && username != aor.user() => NAMED_IN_CAPITALS,
        _ => "",
    }
}

/// The algorithms to offer to this client.
///
/// COMPAT(baresip 1.1 and before): gives up at the first challenge whose algorithm it does not know, wherever in the
/// list that stands, instead of passing it over (RFC 8760 section 2.4). What it knows is MD5.
/// COMPAT(sofia-sip 1.12, as in Janus): the same.
/// COMPAT(Kamailio 5 as a client): the same; its module `uac` signs in.
fn offered(request: &Message, algorithms: &[Algorithm]) -> Vec<Algorithm> {
    let agent = request.header_text(HeaderName::UserAgent).unwrap_or_default();
    let knows_md5_only = KNOW_MD5_ONLY.iter().any(|beginning| agent.starts_with(beginning));
    let md5: Vec<Algorithm> = algorithms.iter().copied().filter(|algorithm| *algorithm == Algorithm::Md5).collect();
    if knows_md5_only && !md5.is_empty() { md5 } else { algorithms.to_vec() }
}

/// How their User-Agent begins. Programs that are made of sofia-sip name it only when they have no name of their own.
const KNOW_MD5_ONLY: [&str; 5] =
    ["baresip v0.", "baresip v1.", "sofia-sip/1.12", "Janus WebRTC Server SIP Plugin", "kamailio ("];

// What a client did with a challenge, in the words of the reason for its refusal; advice goes by them.
/// As in RFC 2069: what is sent once could be sent again by anybody.
pub const ANSWERED_WITHOUT_QOP: &str = "answers without qop, which could be repeated by anybody";
pub const ANSWERED_BY_MD5: &str = "says SHA-256 and answers by MD5";
/// What is stored counts the name alone: it is from before addresses were counted.
pub const NAMED_WITH_DOMAIN: &str = ", or none: it signs in by a name with a domain";
/// What is stored counts small letters.
pub const NAMED_IN_CAPITALS: &str = ", or none: it signs in by a name in capitals";

const MD5_DIGITS: usize = 32;

/// Writes challenges, each with a nonce of its own.
struct Challenger<'r, 'a> {
    registrar: bool,
    realm: &'r str,
    algorithms: Vec<Algorithm>,
    rules: &'r mut Rules<'a>,
}

impl Challenger<'_, '_> {
    fn required(&mut self, reason: &str) -> Refusal {
        self.challenge(Word::AuthenticationRequired, reason, false)
    }

    fn stale(&mut self, reason: &str) -> Refusal {
        self.challenge(Word::AuthenticationRequired, reason, true)
    }

    fn failed(&mut self, reason: &str) -> Refusal {
        self.challenge(Word::AuthenticationFailed, reason, false)
    }

    fn challenge(&mut self, word: Word, reason: &str, stale: bool) -> Refusal {
        let nonce = self.rules.nonces.issue(self.rules.now);
        refusal::challenge(word, reason, self.registrar, challenges(self.realm, &nonce, stale, &self.algorithms))
    }
}

/// Nobody's password hashes to this.
const NOBODY: UserHa1 = UserHa1 { of_name: Ha1 { sha256: [0; 32], md5: [0; 16] }, of_address: None };
