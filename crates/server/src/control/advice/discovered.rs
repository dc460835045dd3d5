//! What partners without an entry are refused.

use sip::refusal::Word;

use super::super::answers::Side;
use super::{Words, words};

pub(super) fn about_discovered(word: Word, partner: &str) -> Option<Words> {
    Some(match word {
        Word::LookAlike => words(
            Side::Nobody,
            format!(
                "{partner} has no entry here, and looks like a domain that is trusted here, so that people could take it for that"
            ),
            format!(
                "the reason above says which; if {partner} is honest, and you know it: comity partner add {partner}; else: \
                 comity partner block {partner}"
            ),
        ),
        Word::RateLimited => words(
            Side::Partner,
            format!("{partner} has no entry here, and sends more than a partner without one may"),
            format!(
                "see how much: comity partner show {partner}; if you know it, an entry lifts the limit: comity partner add \
                 {partner}"
            ),
        ),
        Word::Unanswered => words(
            Side::Nobody,
            format!("{partner} has no entry here, and may not write to and call who has not answered it so often"),
            format!(
                "nothing where the user wants it so; else he writes or calls himself, or you enter the partner: comity partner add \
                 {partner}"
            ),
        ),
        Word::ConsentNeeded => words(
            Side::Nobody,
            format!("the user wants to be asked before somebody of {partner}, which has no entry here, reaches him"),
            "nothing where the user wants it so; see what was asked and said: comity consent list; decide for the user: comity \
             consent allow USER SENDER",
        ),
        Word::UserUnavailable => words(
            Side::Nobody,
            format!(
                "the user does not exist, is not signed in, has not agreed to hear from the sender, or is one too many for \
                 {partner}, which has no entry here and is not told which of these it is"
            ),
            format!(
                "the reason above says which; to let {partner} know, and leave messages for users who are away: comity partner \
                 add {partner}"
            ),
        ),
        _ => return None,
    })
}
