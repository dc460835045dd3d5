//! What a phone that knows only messages can ask of a meeting: by a text that begins with `/`.

use sip::Aor;

/// A text that is for the meeting and not for those in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wish {
    /// `/add bob@fabrikam.example`; `None`: what follows is no address.
    Add(Option<Aor>),
    /// `/who`
    Who,
    /// `/leave`
    Leave,
}

impl Wish {
    /// `None`: it is said to the others.
    pub fn read(text: &[u8]) -> Option<Wish> {
        let text = std::str::from_utf8(text).ok()?.trim();
        let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        match (word.to_ascii_lowercase().as_str(), rest.trim()) {
            ("/add", address) => {
                let bare = address.trim_start_matches("sip:");
                Some(Wish::Add(bare.parse().ok()))
            }
            ("/who", "") => Some(Wish::Who),
            ("/leave", "") => Some(Wish::Leave),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_words_are_for_the_meeting_and_all_others_for_those_in_it() {
        let bob = || "bob@fabrikam.example".parse().ok();
        for (text, expected) in [
            ("/add bob@fabrikam.example", Some(Wish::Add(bob()))),
            (" /ADD  sip:bob@fabrikam.example\r\n", Some(Wish::Add(bob()))),
            ("/add bob", Some(Wish::Add(None))),
            ("/add", Some(Wish::Add(None))),
            ("/who", Some(Wish::Who)),
            ("/leave\n", Some(Wish::Leave)),
            ("/leave it", None),
            ("/address", None),
            ("who", None),
            ("", None),
        ] {
            assert_eq!(Wish::read(text.as_bytes()), expected, "{text:?}");
        }
    }
}
