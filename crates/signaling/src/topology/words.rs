//! What servers and phones inside say in words, which may be anything: their names, their software, addresses of the network.

use sip::refusal::Word;
use sip::{Edits, HeaderName, Message};

use super::texts;
use crate::core::Core;

impl Core {
    /// Words of ours pass; a cause is a number, and stays; all else is not for a partner.
    pub(super) fn conceal_words(&self, message: &Message, edits: &mut Edits) {
        for name in [HeaderName::Server, HeaderName::UserAgent, HeaderName::ErrorInfo] {
            if message.header(name).is_some() {
                edits.remove(name);
            }
        }
        if message.status().is_some() {
            edits.set_usual_phrase();
        }
        replace(message, HeaderName::Warning, edits, |warning| self.concealed_warning(warning));
        replace(message, HeaderName::Reason, edits, |reason| Some(without_text(reason)));
    }

    /// RFC 3261 section 20.43: a code, who warns, and a text between quotation marks.
    fn concealed_warning(&self, warning: &str) -> Option<String> {
        let mut parts = warning.splitn(3, ' ');
        let (code, _, text) = (parts.next()?, parts.next()?, parts.next()?);
        let word = Word::named(text.trim().trim_matches('"')).map_or("", Word::as_str);
        Some(format!("{code} {} \"{word}\"", self.organisation.edge))
    }
}

fn replace(message: &Message, name: HeaderName, edits: &mut Edits, shown: impl Fn(&str) -> Option<String>) {
    let said = texts(message, name);
    if said.is_empty() {
        return;
    }
    edits.remove(name);
    said.iter().filter_map(|value| shown(value)).for_each(|value| edits.append(name, value));
}

/// `Q.850;cause=16;text="..."` (RFC 3326 section 2): semicolons in the text are within quotation marks.
pub(crate) fn without_text(reason: &str) -> String {
    let mut kept = Vec::new();
    let (mut part, mut is_quoted, mut is_escaped) = (String::new(), false, false);
    for character in reason.chars().chain([';']) {
        match character {
            ';' if !is_quoted => kept.push(std::mem::take(&mut part)),
            _ => {
                is_quoted ^= character == '"' && !is_escaped;
                part.push(character);
            }
        }
        is_escaped = character == '\\' && !is_escaped;
    }
    let is_text = |part: &String| {
        part.trim_start().split('=').next().is_some_and(|name| name.trim_end().eq_ignore_ascii_case("text"))
    };
    kept.retain(|part| !is_text(part));
    kept.join(";")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_keeps_its_cause_alone() {
        assert_eq!(without_text("Q.850;cause=16;text=\"Terminated; see gw1.inside\""), "Q.850;cause=16");
        assert_eq!(without_text("SIP ;text=\"a \\\" b; c\" ;cause=600"), "SIP ;cause=600");
        assert_eq!(without_text("Q.850;cause=31"), "Q.850;cause=31");
    }
}
