//! What to do about a refusal, and whose side it is: the words for an administrator who does not know the code.
//!
//! Pure. The word of a refusal says what happened; who refused whom says what can be done about it.

use super::answers::{Advice, Side};

/// Whose refusal, of which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refuser {
    /// We refused what a partner sent.
    UsToPartner,
    /// We refused what one of our own users sent, or could not carry it on.
    UsToUser,
    /// The partner refused what we sent.
    Partner,
}

/// The advice for a refusal's public word; `partner` is the other organisation's domain.
pub(super) fn for_refusal(word: &str, status: u16, refuser: Refuser, partner: &str) -> Advice {
    let (side, verdict, next) = match refuser {
        Refuser::Partner => by_partner(word, status, partner),
        Refuser::UsToPartner => about_certificate(word, partner)
            .or_else(|| about_policy(word, partner))
            .unwrap_or_else(|| about_request(word, status)),
        Refuser::UsToUser => about_policy(word, partner)
            .or_else(|| about_way(word, partner))
            .unwrap_or_else(|| about_request(word, status)),
    };
    Advice { verdict, next, side }
}

type Words = (Side, String, String);

fn words(side: Side, verdict: impl Into<String>, next: impl Into<String>) -> Words {
    (side, verdict.into(), next.into())
}

/// Our own partner list and switches.
fn about_policy(word: &str, partner: &str) -> Option<Words> {
    Some(match word {
        "federation-off" => words(
            Side::Ours,
            "federation is switched off here, so nothing passes to or from any partner",
            "set enabled = true under [federation] in comity.toml, then start the server again",
        ),
        "domain-blocked" => words(
            Side::Ours,
            format!("{partner} is blocked in our partner list"),
            format!("if it should not be, lift the block: comity partner unblock {partner}"),
        ),
        "domain-not-allowed" => words(
            Side::Ours,
            format!("{partner} is not in our partner list, and we do not accept domains that are not in it"),
            format!("if you want to federate with it: comity partner add {partner}"),
        ),
        _ => return None,
    })
}

/// What a partner's server showed us when it connected.
fn about_certificate(word: &str, partner: &str) -> Option<Words> {
    Some(match word {
        "certificate-missing" => words(
            Side::Partner,
            format!("a server that speaks for {partner} connected without showing a certificate"),
            format!(
                "ask {partner}'s administrator to let its edge show its certificate when it connects to us (mutual TLS)"
            ),
        ),
        "certificate-untrusted" => words(
            Side::Partner,
            format!("the certificate that {partner}'s server shows comes from an authority that we do not trust"),
            format!(
                "ask {partner} for a certificate of a public authority, sent with its whole chain; or, if you trust its \
                 authority, add that to the roots in comity.toml"
            ),
        ),
        "certificate-expired" => words(
            Side::Partner,
            format!("the certificate of {partner}'s server has expired"),
            format!("ask {partner}'s administrator to renew it"),
        ),
        "certificate-purpose" => words(
            Side::Partner,
            format!("the certificate of {partner}'s server is not made for servers"),
            format!("ask {partner} for one whose extended key usage has serverAuth"),
        ),
        "certificate-name" => words(
            Side::Partner,
            format!("the certificate that was shown does not prove {partner}"),
            format!(
                "if the host it names is really {partner}'s edge, enter that: comity partner add {partner} --edge HOST; \
                 else ask {partner} for a certificate that names {partner}, or somebody else uses its name"
            ),
        ),
        "mixed-traffic" => words(
            Side::Partner,
            "one connection carried requests of a partner and of users, or of two kinds of sender",
            format!("ask {partner}'s administrator to keep a connection to our edge for federation alone"),
        ),
        "relay-denied" => words(
            Side::Partner,
            format!("{partner} asked us to carry a request on to somebody who is not our user"),
            "nothing is to be done here: only our own domains are served",
        ),
        _ => return None,
    })
}

/// The way from us to the partner.
fn about_way(word: &str, partner: &str) -> Option<Words> {
    Some(match word {
        "no-route" => words(
            Side::Partner,
            format!("the DNS does not say where {partner} is reached"),
            format!(
                "ask {partner} to publish _sipfederationtls._tcp.{partner} (SRV), or enter its edge: \
                 comity partner add {partner} --edge HOST; to see each step: comity route {partner}"
            ),
        ),
        "partner-unreachable" => words(
            Side::Network,
            format!("no server of {partner} could be reached"),
            format!("see which step fails: comity route {partner}"),
        ),
        "partner-overloaded" | "partner-silent" => words(
            Side::Partner,
            format!("{partner}'s server was reached, but did not do its work ({word})"),
            format!("try again; if it lasts, ask {partner}'s administrator, who needs the Call-ID and the time"),
        ),
        "partner-certificate" => words(
            Side::Partner,
            format!("the server that answered for {partner} could not prove that it is {partner}'s"),
            format!("see its certificate and what is missing: comity route {partner}"),
        ),
        "no-answer" => words(
            Side::Network,
            "what had to be looked up first (the DNS, or an account) did not come in time",
            format!(
                "see whether the DNS answers: comity route {partner}; and whether the server is busy: comity status"
            ),
        ),
        _ => return None,
    })
}

/// The request itself, whoever sent it.
fn about_request(word: &str, status: u16) -> Words {
    match word {
        "user-unknown" => words(
            Side::Sender,
            "there is no such user here",
            "check the address; to see the users: comity user list; to add one: comity user add NAME@DOMAIN",
        ),
        "user-offline" => words(
            Side::Nobody,
            "the user exists, but no phone or client of theirs is signed in",
            "ask the user to sign in; to see who is: comity user list",
        ),
        "mailbox-full" => words(
            Side::Nobody,
            "the user is away, and as many messages wait as may",
            "ask the user to sign in: what waits is delivered then; to see how much it is: comity user list",
        ),
        "not-stored" => words(
            Side::Ours,
            "the user is away, and the message could not be written to the store",
            "the reason above says what the store said; check the disk's space and health",
        ),
        "authentication-required" => words(
            Side::Sender,
            "the sender did not prove who they are",
            "check the name and the password in the phone; to set a new one: comity user passwd NAME@DOMAIN",
        ),
        "identity-mismatch" => words(
            Side::Sender,
            "the phone signed in as one user and wrote as another",
            "give the phone the same user as its account and as its sender's address",
        ),
        "overloaded" => words(
            Side::Ours,
            "the server was at one of its limits",
            "see how busy it is: comity status; if it lasts, look for the limit in the log",
        ),
        "no-answer" => words(
            Side::Ours,
            "what had to be looked up first (the DNS, or an account) did not come in time",
            "see how busy the server is: comity status; and whether the name servers under [dns] answer",
        ),
        "draining" => words(
            Side::Ours,
            "the server was about to end, and took nothing new",
            "try again once it runs: comity status",
        ),
        "flow-failed" => words(
            Side::Nobody,
            "the connection that this call or conversation ran over has ended",
            "begin it anew; a phone signs in again by itself",
        ),
        "too-many-hops" => words(
            Side::Sender,
            "the request passed through too many servers, most likely in a circle",
            "look for a forwarding that leads back to where it came from",
        ),
        "message-too-large" => words(
            Side::Sender,
            "the request is larger than a SIP message may be here",
            "send less at once, such as a link instead of a file",
        ),
        "too-many-bindings" => words(
            Side::Sender,
            "the user has more devices signed in than are allowed",
            "sign out on devices that are not used any more",
        ),
        "malformed-request" | "event-unknown" | "scheme-unsupported" | "method-not-allowed" | "interval-too-brief"
        | "out-of-order" => words(
            Side::Sender,
            format!("the sender's software sent something that is not allowed here ({word})"),
            "the reason above says what; it is for whoever makes or configures that software",
        ),
        _ => words(Side::Sender, format!("the request was refused with {status} {word}"), "the reason above says why"),
    }
}

/// The partner's own answer. Another Comity says the same words as we do.
fn by_partner(word: &str, status: u16, partner: &str) -> Words {
    match (word, status) {
        ("domain-not-allowed" | "domain-blocked" | "federation-off", _) => words(
            Side::Partner,
            format!("{partner} does not federate with us ({word})"),
            format!("ask {partner}'s administrator to allow our domain"),
        ),
        (
            "certificate-name"
            | "certificate-untrusted"
            | "certificate-expired"
            | "certificate-purpose"
            | "certificate-missing",
            _,
        ) => words(
            Side::Ours,
            format!("{partner} does not accept our certificate ({word})"),
            "see what ours proves and what it does not: comity check; tell the partner the name of our edge",
        ),
        ("user-unknown", _) | (_, 404 | 604) => {
            words(Side::Sender, format!("{partner} has no such user"), "check the address")
        }
        ("user-offline", _) | (_, 480) => {
            words(Side::Nobody, format!("{partner} has the user, but they are not signed in"), "try again later")
        }
        (_, 486 | 600 | 603) => words(Side::Nobody, "the other user is busy or declined", "try again later"),
        (_, 487) => words(Side::Nobody, "the caller gave up before the other user answered", "nothing is to be done"),
        (_, 401 | 407) => words(
            Side::Partner,
            format!("{partner} asks for a password, which federation does not have"),
            format!("ask {partner}'s administrator to accept our edge by its certificate"),
        ),
        (_, 403) => words(
            Side::Partner,
            format!("{partner} forbids it"),
            format!("ask {partner}'s administrator why; they need the Call-ID and the time"),
        ),
        (_, 408 | 504) => words(
            Side::Partner,
            format!("within {partner} nobody answered in time"),
            format!("ask {partner}'s administrator; they need the Call-ID and the time"),
        ),
        (_, 500..=599) => words(
            Side::Partner,
            format!("{partner}'s server failed ({status})"),
            format!("try again; if it lasts, ask {partner}'s administrator, who needs the Call-ID and the time"),
        ),
        _ => words(
            Side::Partner,
            format!("{partner} refused with {status}"),
            format!("ask {partner}'s administrator; they need the Call-ID and the time"),
        ),
    }
}
