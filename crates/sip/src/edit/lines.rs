//! The header lines of a message with a list of edits: each received as it is, or made of what an edit says and of what is left
//! of the values received.

use smallvec::SmallVec;

use super::{Edit, Name};
use crate::header::grammar::split_list;
use crate::{HeaderName, Message};

/// The header block after all edits, nothing copied yet. Content-Length is the printer's.
pub(super) fn edited<'a>(message: &'a Message, edits: &'a [Edit]) -> impl Iterator<Item = Line<'a>> {
    let slots = message.slots().iter().enumerate();
    let mut lines =
        Lines { message, lines: slots.map(|(index, slot)| Line::Received { index, name: slot.name }).collect() };
    for edit in edits.iter().filter(|edit| !edit.is_on(HeaderName::ContentLength)) {
        lines.apply(edit);
    }
    lines.lines.into_iter()
}

struct Lines<'a> {
    message: &'a Message,
    lines: SmallVec<[Line<'a>; 36]>,
}

/// One header line of the result.
#[derive(Copy, Clone)]
pub(super) enum Line<'a> {
    Received {
        index: usize,
        name: HeaderName,
    },
    /// `first`, ours, then what is left of the values received; either may be empty.
    Edited {
        name: HeaderName,
        raw_name: &'a [u8],
        first: &'a str,
        rest: &'a [u8],
    },
}

impl<'a> Lines<'a> {
    fn apply(&mut self, edit: &'a Edit) {
        match edit {
            Edit::Prepend(name, value) => {
                let top = self.position(*name).unwrap_or(0);
                self.lines.insert(top, Line::new(*name, value));
            }
            Edit::Append(name, value) => self.lines.push(Line::new(*name, value)),
            Edit::Set(name, value) => self.set(name, value),
            Edit::Remove(name) => {
                let message = self.message;
                self.lines.retain(|line| !line.is_named(message, name));
            }
            Edit::RemoveFirstValues(name, count) => self.remove_first_values(*name, *count),
            Edit::ReplaceFirstValue(name, value) => self.replace_first_value(*name, value),
        }
    }

    fn position(&self, name: HeaderName) -> Option<usize> {
        self.lines.iter().position(|line| line.name() == name)
    }

    fn set(&mut self, name: &'a Name, value: &'a str) {
        let new = match name {
            Name::Known(name) => Line::new(*name, value),
            Name::Extension(text) => {
                Line::Edited { name: HeaderName::Other, raw_name: text.as_bytes(), first: value, rest: b"" }
            }
        };
        let message = self.message;
        let mut is_first = true;
        self.lines.retain(|line| {
            let is_hit = line.is_named(message, name);
            if is_hit && is_first {
                *line = new;
                is_first = false;
                return true;
            }
            !is_hit
        });
        if is_first {
            self.lines.push(new);
        }
    }

    fn remove_first_values(&mut self, name: HeaderName, count: usize) {
        for _ in 0..count {
            let Some(at) = self.position(name) else { return };
            match self.lines[at].without_first_value(self.message) {
                Some(line) => self.lines[at] = line,
                None => drop(self.lines.remove(at)),
            }
        }
    }

    fn replace_first_value(&mut self, name: HeaderName, value: &'a str) {
        let Some(at) = self.position(name) else { return };
        let raw_name = self.lines[at].raw_name(self.message);
        let rest = match self.lines[at].without_first_value(self.message) {
            Some(Line::Edited { rest, .. }) => rest,
            _ => b"",
        };
        self.lines[at] = Line::Edited { name, raw_name, first: value, rest };
    }
}

impl<'a> Line<'a> {
    fn new(name: HeaderName, value: &'a str) -> Line<'a> {
        let raw_name = name.canonical().expect("edits by name are of known headers").as_bytes();
        Line::Edited { name, raw_name, first: value, rest: b"" }
    }

    fn name(&self) -> HeaderName {
        match self {
            Line::Received { name, .. } | Line::Edited { name, .. } => *name,
        }
    }

    fn raw_name(&self, message: &'a Message) -> &'a [u8] {
        match self {
            Line::Received { index, .. } => message.raw_name(&message.slots()[*index]),
            Line::Edited { raw_name, .. } => raw_name,
        }
    }

    fn is_named(&self, message: &'a Message, name: &Name) -> bool {
        match name {
            Name::Known(HeaderName::Other) => false,
            Name::Known(name) => self.name() == *name,
            Name::Extension(text) => {
                self.name() == HeaderName::Other && self.raw_name(message).eq_ignore_ascii_case(text.as_bytes())
            }
        }
    }

    /// `None`: it was the only one. A line of ours is a list too: its elements go first.
    fn without_first_value(&self, message: &'a Message) -> Option<Line<'a>> {
        let (ours, theirs) = match self {
            Line::Received { index, .. } => ("", message.value(&message.slots()[*index])),
            Line::Edited { first, rest, .. } => (*first, *rest),
        };
        let (first, rest) = match after_first(ours.as_bytes()) {
            Some(left) => (&ours[ours.len() - left.len()..], theirs),
            None if ours.is_empty() => ("", after_first(theirs).unwrap_or(b"")),
            None => ("", theirs),
        };
        let raw_name = self.raw_name(message);
        let is_left = !first.is_empty() || !rest.is_empty();
        is_left.then_some(Line::Edited { name: self.name(), raw_name, first, rest })
    }
}

/// What follows the first element of a comma list; `None`: nothing.
fn after_first(value: &[u8]) -> Option<&[u8]> {
    let mut list = split_list(value);
    list.next()?;
    let rest = list.rest();
    list.next().is_some().then_some(rest)
}
