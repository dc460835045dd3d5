//! What a partner answered. Another Comity says the same words as we do.

use sip::refusal::Word;

use super::meeting::about_meeting;
use super::{Words, words};
use crate::control::answers::Side;

pub(super) fn by_partner(word: Option<Word>, status: u16, partner: &str) -> Words {
    let named = word.map_or_else(String::new, |word| format!(" ({word})"));
    if let Some(next) = word.and_then(not_accepted) {
        return words(Side::Ours, format!("{partner} does not accept our certificate{named}"), next);
    }
    if let Some(of_the_meeting) = word.and_then(about_meeting) {
        return of_the_meeting;
    }
    match (word, status) {
        (Some(Word::DomainNotAllowed | Word::DomainBlocked | Word::FederationOff), _) => words(
            Side::Partner,
            format!("{partner} does not federate with us{named}"),
            format!("ask {partner}'s administrator to allow our domain"),
        ),
        (Some(Word::UserUnknown), _) | (_, 404 | 604) => {
            words(Side::Sender, format!("{partner} has no such user"), "check the address")
        }
        (Some(Word::NoSecureWay), _) => words(
            Side::Nobody,
            format!(
                "a sips address asks for TLS on every hop, and no device of the user at {partner} has registered that way{named}"
            ),
            "write to the address with sip: in place of sips:; to the partner's edge it goes by TLS all the same",
        ),
        (Some(Word::IdentityMismatch), _) => words(
            Side::Sender,
            format!("the sender wanted what only the user at {partner} may do: publish that user's presence{named}"),
            "see which account the sender's phone has, and whether its presence is set for another address than its own",
        ),
        (Some(Word::EventUnknown), _) => words(
            Side::Sender,
            format!("the sender's phone asks about a kind of event that {partner} does not serve{named}"),
            "nothing is wrong if presence is seen; else turn that subscription off in the phone",
        ),
        (Some(Word::UserOffline), _) | (_, 480) => {
            words(Side::Nobody, format!("{partner} has the user, but they are not signed in"), "try again later")
        }
        (_, 300..=399) => words(
            Side::Nobody,
            format!("the other user is to be reached elsewhere: their phone, or {partner}, forwards ({status})"),
            "the sender's phone was told where to, and may go there; for this server to follow in calls of users (301, 302): redirects = true \
             under [calls] of comity.toml",
        ),
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
        (None, 504) => words(
            Side::Partner,
            format!(
                "{partner} answered 504 and does not say why: a server of Lync or Skype for Business does so when it does not find our edge by \
                 our SRV record or does not accept our certificate, any other when nobody within {partner} answered in time"
            ),
            format!(
                "see how a strict partner finds us: comity doctor; if nothing is wrong there, ask {partner}'s administrator, who has \
                 the reason in the log of the edge and needs the Call-ID and the time"
            ),
        ),
        (_, 408 | 504) => words(
            Side::Partner,
            format!("within {partner} nobody answered in time"),
            format!("ask {partner}'s administrator; they need the Call-ID and the time"),
        ),
        (Some(Word::TooManyHops | Word::LoopDetected), _) | (_, 482 | 483) => words(
            Side::Partner,
            format!(
                "within {partner}, or beyond it, the request went round in a circle, or over too many servers ({status})"
            ),
            format!(
                "ask {partner}'s administrator where calls and messages for that user are forwarded to; if it is back to us, \
                 the two forwardings chase each other, and one has to go"
            ),
        ),
        (_, 503) => words(
            Side::Partner,
            format!("{partner}'s server says that it is overloaded (503)"),
            format!("try again later; if it lasts, ask {partner}'s administrator, who needs the Call-ID and the time"),
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

/// What to do about our own certificate, where the partner does not accept it.
fn not_accepted(word: Word) -> Option<&'static str> {
    Some(match word {
        Word::CertificateExpired => {
            "see when it ends: comity check; renew it, or if it is still good, tell the partner to look at the clock there"
        }
        Word::CertificateUntrusted => {
            "see who issued it and whether its chain is whole: comity check; get one of an authority that the partner \
             trusts, too; if it is new, the clock may be wrong there"
        }
        Word::CertificateName => {
            "see what ours proves and what it does not: comity check; tell the partner the name of our edge"
        }
        Word::CertificatePurpose => "see what comity check says of it; get one that is made for servers (serverAuth)",
        Word::CertificateRevoked => {
            "the authority has revoked our certificate: ask it why, make a new key, and get a new certificate"
        }
        Word::CertificatePinChanged => {
            "the partner has pinned an earlier certificate of ours: tell it the fingerprint of this one (comity check)"
        }
        Word::CertificateMissing => "see whether it can be shown: comity check, comity status",
        _ => return None,
    })
}
