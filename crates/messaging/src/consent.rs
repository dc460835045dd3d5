//! First contacts: what somebody of a domain without an entry brings to a user who wants to be asked first is held, and the user
//! is asked once (the idea of RFC 5360, in words that any phone shows). Here is what is held and who is asked, as one pure
//! decision; the store does what it says, and `signaling` tells people.
//!
//! What the sender is told depends on nothing but what he sent: whether there is such a user, and what he said of him, he does
//! not learn. So a name that nobody has, and a user who has said no, get the same places for what comes as one who was asked.

use std::fmt;

use bytes::Bytes;
use documents::cpim::{self, CpimMessage};
use sip::{Aor, HeaderName, Message};

/// Names the question about one sender: the part of the address that asks, and takes the answer, after `consent-`. Twelve
/// letters and digits that nobody guesses.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConsentId(String);

/// Somebody comes to a user who is to agree first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approach {
    pub aor: Aor,
    /// `user@domain`, lower case.
    pub sender: String,
    pub brings: Brings,
    pub question: ConsentQuestion,
    /// A user who does not exist is to look like one who was asked.
    pub hides_users: bool,
    pub terms: ConsentTerms,
}

/// What the sender came with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Brings {
    /// What no person notices: nobody is asked because of it.
    Nothing,
    /// Something that cannot wait, such as a call: it is refused, and the user is asked.
    Knock,
    /// It is held, and the user is asked.
    Message(HeldMessage),
}

/// A message as [`crate::NewMessage::request`] has it, and until when it is valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldMessage {
    pub request: Bytes,
    pub expires_unix_ms: u64,
}

/// The message that asks the user, should he have to be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsentQuestion {
    pub id: ConsentId,
    pub request: Bytes,
}

/// For how long, and how much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConsentTerms {
    pub now_unix_ms: u64,
    /// A question that nobody has answered by then, and what was held because of it, is no more.
    pub until_unix_ms: u64,
    /// Of one sender to one user.
    pub held_per_sender: u32,
    /// For one user.
    pub held_per_user: u32,
    /// For all users.
    pub held_max: u32,
}

/// What a user, or the administrator, says of a sender or of a whole domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Nothing yet.
    Asked,
    Allowed,
    Denied,
}

/// What the store knows when somebody comes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Known {
    pub is_user: bool,
    /// Of the sender, else of his domain.
    pub verdict: Option<Verdict>,
    /// What is held of this sender for this user, for this user, and for all.
    pub held_by_sender: u32,
    pub held_for_user: u32,
    pub held_in_all: u32,
}

/// What came of it, once it is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Approached {
    pub is_user: bool,
    /// `None` where nobody has been asked.
    pub verdict: Option<Verdict>,
    /// The question was put among the user's stored messages.
    pub asks: bool,
    pub holding: Holding,
}

/// Whether a place is taken for what came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holding {
    No,
    /// There is no place: the limit that was hit.
    Full(&'static str),
    /// Only that it came is kept.
    Name,
    Whole,
}

/// What an answer of a user did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsentAnswered {
    /// Whom he was asked about.
    pub sender: String,
    /// `None`: nobody understood it.
    pub verdict: Option<Verdict>,
    /// How many messages that were held are on their way now.
    pub released: u32,
}

/// A user's answer to the question of this name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsentAnswer {
    pub aor: Aor,
    pub id: ConsentId,
    /// `None`: nobody understands it, and nothing changes.
    pub reply: Option<ConsentReply>,
    /// The message that tells him what it did.
    pub confirmation: Bytes,
    pub now_unix_ms: u64,
}

/// What a user can answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConsentReply {
    Yes,
    No,
    /// To everybody of the sender's domain.
    Block,
}

/// Decides what is done about somebody who comes.
pub fn judge(known: &Known, approach: &Approach) -> Approached {
    let Known { is_user, verdict, .. } = *known;
    let nothing = Approached { is_user, verdict, asks: false, holding: Holding::No };
    let looks_like_user = is_user || approach.hides_users;
    if approach.brings == Brings::Nothing || !looks_like_user || verdict == Some(Verdict::Allowed) {
        return nothing;
    }
    if let Some(limit) = limit_hit(known, &approach.terms) {
        return Approached { holding: Holding::Full(limit), ..nothing };
    }
    let is_open = is_user && verdict != Some(Verdict::Denied);
    // A question is as old as the last thing that is held because of it.
    let asks = is_open && (verdict.is_none() || known.held_by_sender == 0);
    let holding = match (&approach.brings, is_open) {
        (Brings::Message(_), true) => Holding::Whole,
        _ => Holding::Name,
    };
    Approached { is_user, verdict: verdict.or(asks.then_some(Verdict::Asked)), asks, holding }
}

fn limit_hit(known: &Known, terms: &ConsentTerms) -> Option<&'static str> {
    let counted = [
        ("held_per_sender", known.held_by_sender, terms.held_per_sender),
        ("held_per_user", known.held_for_user, terms.held_per_user),
        ("held_max", known.held_in_all, terms.held_max),
    ];
    counted.into_iter().find(|(_, held, max)| held >= max).map(|(limit, ..)| limit)
}

impl Verdict {
    pub const ALL: [Verdict; 3] = [Verdict::Asked, Verdict::Allowed, Verdict::Denied];

    pub const fn as_str(self) -> &'static str {
        match self {
            Verdict::Asked => "asked",
            Verdict::Allowed => "allowed",
            Verdict::Denied => "denied",
        }
    }

    pub fn named(text: &str) -> Option<Verdict> {
        Verdict::ALL.into_iter().find(|verdict| verdict.as_str() == text)
    }
}

impl ConsentReply {
    /// Reads the one word that counts, however it is capitalised and whatever mark follows it.
    pub fn read(text: &str) -> Option<ConsentReply> {
        let word = text.trim().trim_end_matches(['.', '!', ',']).trim_end().to_ascii_lowercase();
        match word.as_str() {
            "yes" | "y" => Some(ConsentReply::Yes),
            "no" | "n" => Some(ConsentReply::No),
            "block" => Some(ConsentReply::Block),
            _ => None,
        }
    }

    /// The same of a MESSAGE, in whatever a phone may wrap a text.
    pub fn of_message(message: &Message) -> Option<ConsentReply> {
        let media_type = message.header_text(HeaderName::ContentType).unwrap_or("text/plain");
        let media_type = media_type.split(';').next().unwrap_or_default().trim();
        let text = match media_type.eq_ignore_ascii_case(cpim::CONTENT_TYPE) {
            true => CpimMessage::parse(message.body()).ok()?.content,
            false => message.body().to_vec(),
        };
        ConsentReply::read(std::str::from_utf8(&text).ok()?)
    }

    pub fn verdict(self) -> Verdict {
        match self {
            ConsentReply::Yes => Verdict::Allowed,
            ConsentReply::No | ConsentReply::Block => Verdict::Denied,
        }
    }
}

impl ConsentId {
    /// From 64 random bits.
    pub fn new(random: u64) -> ConsentId {
        let letters = (0..ID_LETTERS).map(|place| ALPHABET[(random >> (5 * place)) as usize % ALPHABET.len()]);
        ConsentId(letters.map(char::from).collect())
    }

    /// Reads the user part of an address of ours; `None`: it asks nobody anything.
    pub fn of_user(user: &str) -> Option<ConsentId> {
        let user = user.to_ascii_lowercase();
        let id = user.strip_prefix(CONSENT_PREFIX)?;
        let is_plain = id.bytes().all(|byte| ALPHABET.contains(&byte));
        (is_plain && id.len() == ID_LETTERS).then(|| ConsentId(id.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The address that asks, `consent-ID@DOMAIN`.
    pub fn aor(&self, domain: &str) -> Aor {
        let text = format!("{CONSENT_PREFIX}{}@{domain}", self.0);
        text.parse().expect("letters and digits before a domain of ours are an address")
    }
}

impl fmt::Display for ConsentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What the user part of every address that asks begins with: no user may be called so.
pub const CONSENT_PREFIX: &str = "consent-";

/// Without those that are mistaken for each other when read aloud or typed.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
const ID_LETTERS: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    fn approach(brings: Brings) -> Approach {
        Approach {
            aor: "alice@contoso.example".parse().unwrap(),
            sender: "eve@mallory.example".into(),
            brings,
            question: ConsentQuestion { id: ConsentId::new(1), request: Bytes::new() },
            hides_users: true,
            terms: ConsentTerms {
                now_unix_ms: 0,
                until_unix_ms: 10,
                held_per_sender: 3,
                held_per_user: 5,
                held_max: 7,
            },
        }
    }

    fn message() -> Approach {
        approach(Brings::Message(HeldMessage { request: Bytes::new(), expires_unix_ms: 10 }))
    }

    const ALICE: Known = Known { is_user: true, verdict: None, held_by_sender: 0, held_for_user: 0, held_in_all: 0 };

    fn after(verdict: Verdict, held: u32) -> Known {
        Known { verdict: Some(verdict), held_by_sender: held, held_for_user: held, held_in_all: held, ..ALICE }
    }

    #[test]
    fn a_user_is_asked_once_while_something_of_the_sender_is_held() {
        let first = judge(&ALICE, &message());
        assert_eq!((first.asks, first.holding), (true, Holding::Whole));
        let second = judge(&after(Verdict::Asked, 1), &message());
        assert_eq!((second.asks, second.holding), (false, Holding::Whole));
        let long_after = judge(&after(Verdict::Asked, 0), &message());
        assert!(long_after.asks, "the question was forgotten with what was held");
        let call = judge(&ALICE, &approach(Brings::Knock));
        assert_eq!((call.asks, call.holding), (true, Holding::Name));
    }

    #[test]
    fn who_was_refused_and_who_does_not_exist_look_like_who_was_asked_and_nothing_of_it_is_kept() {
        let nobody = Known { is_user: false, ..ALICE };
        for known in [after(Verdict::Denied, 0), nobody] {
            let approached = judge(&known, &message());
            assert_eq!((approached.asks, approached.holding), (false, Holding::Name));
        }
        for held in 0..4 {
            let full = |known: Known| matches!(judge(&known, &message()).holding, Holding::Full(_));
            let asked = after(Verdict::Asked, held);
            assert_eq!(full(asked), held == 3);
            assert_eq!(full(asked), full(after(Verdict::Denied, held)));
            assert_eq!(full(asked), full(Known { is_user: false, verdict: None, ..asked }));
        }
    }

    #[test]
    fn nothing_is_held_for_who_does_not_exist_where_that_is_no_secret() {
        let open = Approach { hides_users: false, ..message() };
        let nobody = judge(&Known { is_user: false, ..ALICE }, &open);
        assert_eq!((nobody.asks, nobody.holding), (false, Holding::No));
    }

    #[test]
    fn what_is_held_is_bounded_by_sender_by_user_and_in_all() {
        let full = |by_sender, for_user, in_all| {
            let known = Known {
                held_by_sender: by_sender,
                held_for_user: for_user,
                held_in_all: in_all,
                ..after(Verdict::Asked, 0)
            };
            judge(&known, &message()).holding
        };
        assert_eq!(full(2, 4, 6), Holding::Whole);
        assert_eq!(full(3, 4, 6), Holding::Full("held_per_sender"));
        assert_eq!(full(2, 5, 6), Holding::Full("held_per_user"));
        assert_eq!(full(2, 4, 7), Holding::Full("held_max"));
        let asked_nobody = judge(&Known { held_for_user: 5, ..ALICE }, &message());
        assert!(!asked_nobody.asks, "there is no place for what would be asked about");
    }

    #[test]
    fn what_nobody_notices_asks_nobody_and_who_was_allowed_goes_on() {
        let look = judge(&ALICE, &approach(Brings::Nothing));
        assert_eq!((look.asks, look.holding), (false, Holding::No));
        let allowed = judge(&after(Verdict::Allowed, 3), &message());
        assert_eq!((allowed.verdict, allowed.holding), (Some(Verdict::Allowed), Holding::No));
    }

    #[test]
    fn one_word_answers_and_nothing_else_does() {
        for (text, reply) in [
            ("yes", Some(ConsentReply::Yes)),
            (" Yes.\r\n", Some(ConsentReply::Yes)),
            ("NO!", Some(ConsentReply::No)),
            ("block", Some(ConsentReply::Block)),
            ("yes please, but not today", None),
            ("Who is that?", None),
            ("", None),
        ] {
            assert_eq!(ConsentReply::read(text), reply, "{text:?}");
        }
    }

    #[test]
    fn an_address_reads_back_as_the_question_that_it_asks() {
        for random in [0, 1, u64::MAX, 0x0123_4567_89ab_cdef] {
            let id = ConsentId::new(random);
            assert_eq!(ConsentId::of_user(id.aor("contoso.example").user()), Some(id));
        }
        for user in ["alice", "consent-", "consent-officer", "consent-abcdefghijk1", "meet-abcdefghijkm"] {
            assert_eq!(ConsentId::of_user(user), None, "{user}");
        }
    }
}
