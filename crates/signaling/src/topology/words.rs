//! What servers and phones inside say in words, which may be anything: their names, their software, addresses of the network.

use sip::header::Reason;
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
        replace(message, HeaderName::Reason, edits, |reason| Reason::parse(reason).map(|reason| reason.without_text()));
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
