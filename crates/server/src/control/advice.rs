//! What to do about a refusal, and whose side it is: the words for an administrator who does not know the code.
//!
//! Pure. The word of a refusal says what happened; who refused whom says what can be done about it.

pub(super) mod alert;
pub mod diagnostics;
mod discovered;
mod inside;
mod meeting;
mod reason;

use sip::Diagnostics;
use sip::refusal::{Told, Word};

use self::discovered::about_discovered;
use self::inside::about_inside;
use self::meeting::{about_meeting, about_session};
pub(super) use self::reason::{dns_silent, for_reason};
use super::answers::{Advice, Side, Sure};

/// Whose refusal, of which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refuser {
    /// We refused what a partner sent.
    UsToPartner,
    /// We refused what one of our own users sent, or could not carry it on.
    UsToUser,
    /// The partner refused what we sent.
    Partner,
}

/// The advice for a refusal's public word; `partner` is the other organisation's domain.
pub(super) fn for_refusal(word: &str, status: u16, refuser: Refuser, partner: &str) -> Advice {
    let known = Word::named(word);
    let (side, verdict, next) = match refuser {
        Refuser::Partner => by_partner(known, status, partner),
        // The store may remember a word of an older version.
        _ => known.and_then(|word| by_us(word, refuser, partner)).unwrap_or_else(|| {
            let verdict = format!("the request was refused with {status} {word}");
            words(Side::Sender, verdict, "the reason above says why")
        }),
    };
    Advice { verdict, next, side, sure: sureness(known, refuser) }
}

/// What we refuse we know the reason of; why somebody does not answer, nobody can know who only waits.
fn sureness(word: Option<Word>, refuser: Refuser) -> Sure {
    match (refuser, word) {
        (Refuser::Partner, _) => Sure::Told,
        (_, Some(Word::PartnerUnreachable | Word::PartnerSilent | Word::NoAnswer)) => Sure::Open,
        _ => Sure::Seen,
    }
}

/// The advice for a partner's answer. A word is another Comity's, and says more than an id; an id says more than a status.
pub(super) fn for_answer(word: Option<&str>, status: u16, said: Option<&Diagnostics>, partner: &str) -> Advice {
    let is_word = word.is_some_and(|word| Word::named(word).is_some());
    match said.filter(|_| !is_word).and_then(|said| diagnostics::by_id(said.id, partner)) {
        Some((side, verdict, next)) => Advice { verdict, next, side, sure: Sure::Told },
        None => for_refusal(word.unwrap_or_default(), status, Refuser::Partner, partner),
    }
}

/// Everything that a word can mean: who refused whom, and the advice for that.
pub fn cases(word: Word, partner: &str) -> Vec<(Refuser, Advice)> {
    let ours: &[Refuser] = match word.told() {
        Told::Partners => &[Refuser::UsToPartner],
        Told::Users => &[Refuser::UsToUser],
        Told::Both => &[Refuser::UsToPartner, Refuser::UsToUser],
    };
    let status = word.statuses().first().copied().unwrap_or_default();
    let advice = |refuser| (refuser, for_refusal(word.as_str(), status, refuser, partner));
    // Where the partner's word adds nothing to its status, the status speaks.
    let theirs = advice(Refuser::Partner);
    let adds = theirs.1 != for_refusal("", status, Refuser::Partner, partner);
    ours.iter().copied().map(advice).chain(adds.then_some(theirs)).collect()
}

/// The answers of a partner that says no word of ours: the statuses as they are named, and the advice.
pub fn wordless(partner: &str) -> Vec<(&'static str, Advice)> {
    let advice = |status| for_refusal("", status, Refuser::Partner, partner);
    WORDLESS.iter().map(|(name, status)| (*name, advice(*status))).collect()
}

const WORDLESS: [(&str, u16); 10] = [
    ("401, 407", 401),
    ("403", 403),
    ("404, 604", 404),
    ("408, 504", 408),
    ("480", 480),
    ("486, 600, 603", 486),
    ("487", 487),
    ("482, 483", 483),
    ("503", 503),
    ("other 500 to 599", 500),
];

type Words = (Side, String, String);

fn words(side: Side, verdict: impl Into<String>, next: impl Into<String>) -> Words {
    (side, verdict.into(), next.into())
}

fn by_us(word: Word, refuser: Refuser, partner: &str) -> Option<Words> {
    let special = match refuser {
        Refuser::UsToPartner => about_certificate(word, partner),
        _ => about_way(word, partner),
    };
    let ours = special.or_else(|| about_policy(word, partner)).or_else(|| about_request(word));
    let ours = ours.or_else(|| about_discovered(word, partner)).or_else(|| about_inside(word));
    ours.or_else(|| about_meeting(word)).or_else(|| about_session(word))
}

/// Our own partner list and switches.
fn about_policy(word: Word, partner: &str) -> Option<Words> {
    Some(match word {
        Word::EdgeNotReady => words(
            Side::Ours,
            "the edge has its partners from its home, and the home has told it nothing yet",
            "on the home: comity status shows why it does not reach the edge",
        ),
        Word::FederationOff => words(
            Side::Ours,
            "federation is switched off here, so nothing passes to or from any partner",
            "set enabled = true under [federation] in comity.toml, then start the server again",
        ),
        Word::DomainBlocked => words(
            Side::Ours,
            format!("{partner} is blocked in our partner list"),
            format!("if it should not be, lift the block: comity partner unblock {partner}"),
        ),
        Word::DomainNotServed => words(
            Side::Sender,
            format!("a phone signed in as a user of {partner}, which is not a domain of ours"),
            format!(
                "give the phone NAME@ and a domain served here (comity status lists them) as its address, and {partner}, \
                 if that is this server, as its registrar or outbound proxy alone"
            ),
        ),
        Word::DomainNotAllowed if !federation::is_dns_name(partner) => words(
            Side::Sender,
            format!("the sender has {partner} for a domain, which is none"),
            "let its phone or server name its SIP domain in From",
        ),
        Word::DomainNotAllowed => words(
            Side::Ours,
            format!("{partner} is not in our partner list, and we do not accept domains that are not in it"),
            format!("if you want to federate with it: comity partner add {partner}"),
        ),
        Word::SourceUnverified => words(
            Side::Ours,
            format!("nobody vouches for who sends from {partner}, and the user has not let the sender in"),
            format!(
                "if the user wants to hear from them: comity user allow NAME@DOMAIN SENDER; if you trust {partner}: \
                 comity partner set {partner} --verification always-verifiable"
            ),
        ),
        Word::FederationNotForUser => words(
            Side::Ours,
            "the external access policy of our user allows no federation",
            "see which policy that is: comity user access NAME@DOMAIN; give another: comity user policy NAME@DOMAIN POLICY",
        ),
        Word::OutsideNotForUser => words(
            Side::Ours,
            "the external access policy of our user does not let him in from outside",
            "see which policy that is: comity user access NAME@DOMAIN; change it: comity policy set POLICY --outside yes",
        ),
        Word::PartnerNotForUser => words(
            Side::Ours,
            format!("the external access policy of our user does not name {partner}"),
            "see which policy that is: comity user access NAME@DOMAIN; change it: comity policy set POLICY --partners LIST",
        ),
        Word::ModalityNotAllowed => words(
            Side::Ours,
            format!(
                "the user's external access policy, or our entry of {partner}, does not allow this kind of contact"
            ),
            format!(
                "the reason above names which; change it: comity policy set, comity partner set {partner} --modalities"
            ),
        ),
        _ => return None,
    })
}

/// What a partner's server showed us when it connected.
fn about_certificate(word: Word, partner: &str) -> Option<Words> {
    Some(match word {
        Word::CertificateMissing => words(
            Side::Partner,
            format!("a server or phone that speaks for {partner} connected without showing a certificate"),
            format!(
                "ask {partner}'s administrator whether its edge shows its certificate when it connects to us (mutual TLS), \
                 and whether its phones have that edge as their outbound proxy"
            ),
        ),
        Word::CertificateUntrusted => words(
            Side::Partner,
            format!("the certificate that {partner}'s server shows comes from an authority that we do not trust"),
            format!(
                "ask {partner} for a certificate of a public authority, sent with its whole chain; or, if you trust its \
                 authority, add that to the roots in comity.toml"
            ),
        ),
        Word::CertificateExpired => words(
            Side::Partner,
            format!("the certificate of {partner}'s server has expired"),
            format!(
                "ask {partner}'s administrator to renew it; if it ends on a day that is still to come, it is the clock of \
                 this machine that is wrong"
            ),
        ),
        Word::CertificateRevoked => words(
            Side::Partner,
            format!("the certificate of {partner}'s server has been revoked by its authority"),
            format!(
                "ask {partner}'s administrator, by another way than this, what happened, and for a new certificate"
            ),
        ),
        Word::CertificatePurpose => words(
            Side::Partner,
            format!("the certificate of {partner}'s server is not made for servers"),
            format!("ask {partner} for one whose extended key usage has serverAuth"),
        ),
        Word::CertificateName => words(
            Side::Partner,
            format!("the certificate that was shown does not prove {partner}"),
            format!(
                "if the host it names is really {partner}'s edge, enter that: comity partner add {partner} --edge HOST; \
                 else ask {partner} for a certificate that names {partner}, or somebody else uses its name"
            ),
        ),
        Word::CertificatePinChanged => words(
            Side::Partner,
            format!("another certificate was shown for {partner} than the one that is pinned here"),
            format!(
                "ask {partner}'s administrator, by another way than this, whether it was renewed, and what its fingerprint is \
                 (SHA-256); if so: comity partner trust {partner} --pin FINGERPRINT; else somebody else uses its name"
            ),
        ),
        Word::MixedTraffic => words(
            Side::Partner,
            "one connection carried requests of a partner and of users, or of two kinds of sender",
            format!("ask {partner}'s administrator to keep a connection to our edge for federation alone"),
        ),
        Word::RelayDenied => words(
            Side::Partner,
            format!("{partner} asked us to carry a request on to somebody who is not our user"),
            "nothing is to be done here: only our own domains are served",
        ),
        _ => return None,
    })
}

/// The way from us to the partner.
fn about_way(word: Word, partner: &str) -> Option<Words> {
    Some(match word {
        Word::NoRoute => words(
            Side::Partner,
            format!("the DNS does not say where {partner} is reached"),
            format!(
                "see that the domain is spelt right; then ask {partner} to publish _sipfederationtls._tcp.{partner} (SRV), or \
                 enter its edge: comity partner add {partner} --edge HOST; to see each step: comity route {partner}"
            ),
        ),
        Word::PartnerUnreachable => words(
            Side::Network,
            format!("no server of {partner} could be reached"),
            format!("see which step fails: comity route {partner}"),
        ),
        Word::PartnerOverloaded => words(
            Side::Partner,
            format!("{partner}'s server was reached, and says that it is overloaded (503)"),
            format!("try again later; if it lasts, ask {partner}'s administrator, who needs the Call-ID and the time"),
        ),
        Word::PartnerSilent => words(
            Side::Partner,
            format!("{partner}'s server was reached and took the request, but no answer came in time"),
            format!("try again; if it lasts, ask {partner}'s administrator, who needs the Call-ID and the time"),
        ),
        Word::PartnerCertificate => words(
            Side::Partner,
            format!("the server that answered for {partner} could not prove that it is {partner}'s"),
            format!("see its certificate and what is missing: comity route {partner}"),
        ),
        Word::NoAnswer => words(
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
fn about_request(word: Word) -> Option<Words> {
    Some(match word {
        Word::UserUnknown => words(
            Side::Sender,
            "there is no such user here",
            "check the address; to see the users: comity user list; to add one: comity user add NAME@DOMAIN",
        ),
        Word::UserOffline => words(
            Side::Nobody,
            "the user exists, but no phone or client of theirs is signed in",
            "ask the user to sign in; to see who is: comity user list",
        ),
        Word::NoSecureWay => words(
            Side::Nobody,
            "the sender wants TLS on every hop (a sips address), and no device of the user has registered that way",
            "write to the address with sip: in place of sips:, or let the user's phone register a sips Contact over TLS",
        ),
        Word::MailboxFull => words(
            Side::Nobody,
            "the user is away, and as many messages wait as may",
            "ask the user to sign in: what waits is delivered then; to see how much it is: comity user list",
        ),
        Word::NotStored => words(
            Side::Ours,
            "the user is away, and the message could not be written to the store",
            "the reason above says what the store said; check the disk's space and health",
        ),
        Word::AuthenticationRequired => words(
            Side::Sender,
            "the sender did not prove who they are",
            "check the name and the password in the phone; to set a new one: comity user passwd NAME@DOMAIN",
        ),
        Word::AuthenticationFailed => words(
            Side::Sender,
            "the name or the password was wrong",
            "check both in the phone; to see the users: comity user list; to set a new password: comity user passwd \
             NAME@DOMAIN",
        ),
        Word::OutboundUnsupported => words(
            Side::Sender,
            "the phone wants its connection kept (RFC 5626), and a proxy between it and us cannot do that",
            "let the phone connect to this server itself, or turn \"outbound\" (reg-id) off in the phone",
        ),
        Word::OriginNotAllowed => words(
            Side::Ours,
            "a web page wanted to connect whose origin is not in [web] origins",
            "if the page is yours, write its origin, as the log names it, into [web] origins of comity.toml and restart",
        ),
        Word::MixedTraffic => words(
            Side::Sender,
            "a request in our own domain's name came on a partner's connection",
            "see which phone or server sends it: a user of ours signs in here, over a connection of their own",
        ),
        Word::RelayDenied => words(
            Side::Sender,
            "the request asks for what its sender may not have carried on: a registration elsewhere, or somebody else's call",
            "see that the phone's server and domain are ours, and begin the call anew",
        ),
        Word::IdentityMismatch => words(
            Side::Sender,
            "the phone signed in as one user and wrote as another",
            "give the phone the same user as its account and as its sender's address",
        ),
        Word::Overloaded => words(
            Side::Ours,
            "the server was at one of its limits",
            "see how busy it is: comity status; if it lasts, look for the limit in the log",
        ),
        Word::NoAnswer => words(
            Side::Ours,
            "what had to be looked up first (the DNS, or an account) did not come in time",
            "see how busy the server is: comity status; and whether the name servers under [dns] answer",
        ),
        Word::Draining => words(
            Side::Ours,
            "the server was about to end, and took nothing new",
            "try again once it runs: comity status",
        ),
        Word::FlowFailed => words(
            Side::Nobody,
            "the connection that this call or conversation ran over has ended",
            "begin it anew; a phone signs in again by itself",
        ),
        Word::TooManyHops => words(
            Side::Sender,
            "the request passed through too many servers, most likely in a circle",
            "look for a forwarding that leads back to where it came from",
        ),
        Word::LoopDetected => words(
            Side::Ours,
            "the request was sent to the provider that hosts users of ours, and came back for the same user",
            "see that the provider does not send users it does not know back to us: comity provider list",
        ),
        Word::MessageTooLarge => words(
            Side::Sender,
            "the request is larger than a SIP message may be here",
            "send less at once, such as a link instead of a file",
        ),
        Word::TooManyBindings => words(
            Side::Sender,
            "the user has more devices signed in than are allowed",
            "sign out on devices that are not used any more",
        ),
        Word::PresenceDenied => words(
            Side::Nobody,
            "the sender may not see whether this user is there",
            "nothing is to be done, unless the user wants to be seen by the sender",
        ),
        Word::TooManyPublications => words(
            Side::Sender,
            "more devices of the user publish their presence than are allowed",
            "sign out on devices that are not used any more; what they published ends by itself",
        ),
        Word::TooManyWatchers => words(
            Side::Nobody,
            "as many as may already watch whether this user is there",
            "try again later: subscriptions that are not refreshed end by themselves",
        ),
        Word::TooManySubscriptions => words(
            Side::Sender,
            "the sender, or the partner whose user he is, watches as many users or meetings as one may",
            "watch fewer, or sign out on devices that are not used: what is not refreshed ends by itself",
        ),
        Word::PublicationUnknown | Word::SubscriptionUnknown => words(
            Side::Nobody,
            format!("what the sender wanted to renew has ended here, by its time or with a restart ({word})"),
            "nothing is to be done: the sender's software begins anew by itself",
        ),
        Word::MalformedRequest
        | Word::EventUnknown
        | Word::MediaTypeUnsupported
        | Word::SchemeUnsupported
        | Word::MethodNotAllowed
        | Word::IntervalTooBrief
        | Word::OutOfOrder => words(
            Side::Sender,
            format!("the sender's software sent something that is not allowed here ({word})"),
            "the reason above says what; it is for whoever makes or configures that software",
        ),
        _ => return None,
    })
}

/// The partner's own answer. Another Comity says the same words as we do.
fn by_partner(word: Option<Word>, status: u16, partner: &str) -> Words {
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
        (Some(Word::UserOffline), _) | (_, 480) => {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_has_its_advice_for_whomever_it_is_told() {
        for word in Word::ALL {
            for (refuser, Advice { verdict, .. }) in cases(*word, "fabrikam.example") {
                assert!(
                    !verdict.starts_with("the request was refused with"),
                    "{word} says nothing, refused by {refuser:?}"
                );
            }
        }
    }

    #[test]
    fn a_word_that_nobody_knows_is_told_with_its_status() {
        let advice = for_refusal("no-such-word", 499, Refuser::UsToUser, "fabrikam.example");
        assert_eq!(advice.verdict, "the request was refused with 499 no-such-word");
    }
}
