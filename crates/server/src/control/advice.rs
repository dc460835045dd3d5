//! What to do about a refusal, and whose side it is: the words for an administrator who does not know the code.
//!
//! Pure. The word of a refusal says what happened; who refused whom says what can be done about it.

pub(super) mod alert;
mod by_partner;
pub mod diagnostics;
mod discovered;
mod inside;
mod meeting;
mod policy;
mod reason;
mod request;
mod way;

use sip::Diagnostics;
use sip::refusal::{Told, Word};

use self::by_partner::by_partner;
use self::discovered::about_discovered;
use self::inside::about_inside;
use self::meeting::{about_meeting, about_session};
use self::policy::about_policy;
pub(super) use self::reason::{dns_silent, for_reason};
use self::request::about_request;
use self::way::{about_certificate, about_way};
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
    Advice { verdict, next, side, sure: sureness(known, status, refuser) }
}

/// Until something is known.
pub(super) fn nothing_said() -> Advice {
    Advice { verdict: String::new(), next: String::new(), side: Side::Nobody, sure: Sure::Seen }
}

/// What we refuse we know the reason of; why somebody does not answer, nobody can know who only waits.
fn sureness(word: Option<Word>, status: u16, refuser: Refuser) -> Sure {
    match (refuser, word) {
        (Refuser::Partner, None) if status == 504 => Sure::Open,
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

/// The advice for a block that is another entry's: that is what there is to lift.
pub(super) fn for_block_by(entry: &str, domain: &str) -> Advice {
    let Advice { verdict, side, sure, .. } = for_refusal(Word::DomainBlocked.as_str(), 403, Refuser::UsToUser, domain);
    let next = format!("if it should not be, lift the block of that entry: comity partner unblock '{entry}'");
    Advice { verdict: format!("{verdict}, by the entry of {entry}"), next, side, sure }
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

const WORDLESS: [(&str, u16); 12] = [
    ("300 to 399", 302),
    ("401, 407", 401),
    ("403", 403),
    ("404, 604", 404),
    ("408", 408),
    ("504", 504),
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
