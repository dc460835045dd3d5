//! The names of meetings, and of the address that makes new ones.

use std::fmt;

use serde::{Deserialize, Serialize};
use sip::Aor;

/// Names a conference within this organisation: the part of its URI after `meet-`. Lower-case letters and digits; who knows it
/// can knock, so it is not to be guessed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ConferenceId(String);

/// What a user part of one of our domains stands for, where it stands for no user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MeetingAddress {
    /// Whoever calls it begins a meeting (RFC 4579 section 5.4).
    Factory,
    Conference(ConferenceId),
}

impl ConferenceId {
    /// From 64 random bits.
    pub fn new(random: u64) -> ConferenceId {
        let letters = (0..ID_LETTERS).map(|place| ALPHABET[(random >> (5 * place)) as usize % ALPHABET.len()]);
        ConferenceId(letters.map(char::from).collect())
    }

    /// `None` for what no meeting can be called.
    pub fn parse(text: &str) -> Option<ConferenceId> {
        let is_plain = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        (is_plain && (1..=ID_BYTES_MAX).contains(&text.len())).then(|| ConferenceId(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The address of its URI, `meet-ID@DOMAIN`.
    pub fn aor(&self, domain: &str) -> Aor {
        let text = format!("{CONFERENCE_PREFIX}{}@{domain}", self.0);
        text.parse().expect("letters and digits before a domain of ours are an address")
    }
}

impl fmt::Display for ConferenceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl MeetingAddress {
    /// Reads the user part of an address of ours; `None`: it is a user's.
    pub fn read(user: &str) -> Option<MeetingAddress> {
        let user = user.to_ascii_lowercase();
        match user.strip_prefix(CONFERENCE_PREFIX) {
            Some(id) => ConferenceId::parse(id).map(MeetingAddress::Conference),
            None => (user == FACTORY).then_some(MeetingAddress::Factory),
        }
    }
}

/// The user part of the factory's address.
pub const FACTORY: &str = "meet";
/// What the user part of every conference begins with: no user may be called so.
pub const CONFERENCE_PREFIX: &str = "meet-";

/// Without those that are mistaken for each other when read aloud or typed.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
const ID_LETTERS: usize = 12;
const ID_BYTES_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_reads_back_as_the_conference_it_names() {
        for random in [0, 1, u64::MAX, 0x0123_4567_89ab_cdef] {
            let id = ConferenceId::new(random);
            let aor = id.aor("contoso.example");
            assert_eq!(MeetingAddress::read(aor.user()), Some(MeetingAddress::Conference(id)));
        }
        assert_ne!(ConferenceId::new(1), ConferenceId::new(2));
    }

    #[test]
    fn users_are_no_meetings() {
        assert_eq!(MeetingAddress::read("meet"), Some(MeetingAddress::Factory));
        assert_eq!(MeetingAddress::read("MEET-AB2"), MeetingAddress::read("meet-ab2"));
        for user in ["alice", "meeting", "meet-", "meet-a_b", "meet-a.b"] {
            assert_eq!(MeetingAddress::read(user), None, "{user}");
        }
    }
}
