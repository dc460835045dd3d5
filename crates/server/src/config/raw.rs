//! What was typed: every known key with its value and line. Meaning comes later, in [`Config`](super::Config).

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::key::{ALL, Key, Kind, Need};
use super::nearest::nearest;
use super::problem::Problems;

/// The values of one file, each of the kind that its key's definition states.
#[derive(Debug, Default)]
pub(super) struct RawConfig {
    values: BTreeMap<(&'static str, &'static str), (Value, usize)>,
}

/// A value and the line where it stands.
#[derive(Debug, Clone)]
pub(super) struct Located<T> {
    pub value: T,
    pub line: usize,
}

#[derive(Debug)]
enum Value {
    Text(String),
    Texts(Vec<Located<String>>),
    Count(u64),
    Switch(bool),
}

impl RawConfig {
    /// Reads the text of a file. Whatever is wrong goes to `problems`; the rest is still read, so that all is reported.
    pub(super) fn read(text: &str, problems: &mut Problems) -> RawConfig {
        let mut reader = Reader { text, problems, raw: RawConfig::default(), seen: BTreeSet::new() };
        let (table, errors) = DeTable::parse_recoverable(text);
        if errors.is_empty() {
            reader.read_top(table.get_ref());
            reader.check_required();
        }
        for error in errors {
            let line = reader.line(&error.span().unwrap_or_default());
            reader.problems.at(line, format!("this is not TOML: {}", error.message().replace('\n', ", ")));
        }
        reader.raw
    }

    pub(super) fn text(&self, key: &Key) -> Option<Located<String>> {
        match self.get(key)? {
            (Value::Text(value), line) => Some(Located { value: value.clone(), line: *line }),
            _ => None,
        }
    }

    pub(super) fn texts(&self, key: &Key) -> Option<Located<Vec<Located<String>>>> {
        match self.get(key)? {
            (Value::Texts(value), line) => Some(Located { value: value.clone(), line: *line }),
            _ => None,
        }
    }

    pub(super) fn count(&self, key: &Key) -> Option<Located<u64>> {
        match self.get(key)? {
            (Value::Count(value), line) => Some(Located { value: *value, line: *line }),
            _ => None,
        }
    }

    pub(super) fn switch(&self, key: &Key) -> Option<bool> {
        match self.get(key)? {
            (Value::Switch(value), _) => Some(*value),
            _ => None,
        }
    }

    /// Where the key's value stands, if it does.
    pub(super) fn line(&self, key: &Key) -> Option<usize> {
        self.get(key).map(|(_, line)| *line)
    }

    fn get(&self, key: &Key) -> Option<&(Value, usize)> {
        self.values.get(&(key.section, key.name))
    }
}

struct Reader<'a> {
    text: &'a str,
    problems: &'a mut Problems,
    raw: RawConfig,
    /// Keys that were written somehow, though perhaps wrongly: a problem that is reported is not reported as an absence too.
    seen: BTreeSet<(&'static str, &'static str)>,
}

impl Reader<'_> {
    fn read_top(&mut self, table: &DeTable<'_>) {
        for (name, value) in table {
            match value.get_ref().as_table() {
                Some(inner) if is_section(name.get_ref()) => self.read_section(name.get_ref(), inner),
                Some(_) => self.unknown_section(name),
                None if is_section(name.get_ref()) => {
                    let line = self.line(&name.span());
                    self.problems.at(line, format!("expected a section [{0}], found a key \"{0}\"", name.get_ref()));
                }
                None => self.read_key("", name, value),
            }
        }
    }

    fn read_section(&mut self, section: &str, table: &DeTable<'_>) {
        for (name, value) in table {
            let inner = format!("{section}.{}", name.get_ref());
            match value.get_ref().as_table() {
                Some(table) if is_section(&inner) => self.read_section(&inner, table),
                _ => self.read_key(section, name, value),
            }
        }
    }

    fn read_key(&mut self, section: &str, name: &Spanned<impl AsRef<str>>, value: &Spanned<DeValue<'_>>) {
        let typed = name.get_ref().as_ref();
        let Some(key) = ALL.iter().find(|key| key.section == section && key.name == typed) else {
            return self.unknown_key(section, typed, self.line(&name.span()));
        };
        self.seen.insert((key.section, key.name));
        let line = self.line(&value.span());
        match self.read_value(key, value, line) {
            Ok(value) => drop(self.raw.values.insert((key.section, key.name), (value, line))),
            Err(problem) => self.problems.at(line, problem),
        }
    }

    fn read_value(&mut self, key: &Key, value: &Spanned<DeValue<'_>>, line: usize) -> Result<Value, String> {
        let wrong = |found: &str| {
            let article = if found.starts_with(['a', 'i', 'o']) { "an" } else { "a" };
            format!(
                "{}: expected {}, found {article} {found}; for example: {} = {}",
                key.place(),
                key.kind.expected(),
                key.name,
                key.example
            )
        };
        let value = value.get_ref();
        match key.kind {
            Kind::Text | Kind::Path => {
                value.as_str().map(|text| Value::Text(text.to_owned())).ok_or_else(|| wrong(value.type_str()))
            }
            Kind::Switch => value.as_bool().map(Value::Switch).ok_or_else(|| wrong(value.type_str())),
            Kind::Count => {
                let integer = value.as_integer().ok_or_else(|| wrong(value.type_str()))?;
                let parsed = u64::from_str_radix(integer.as_str(), integer.radix());
                parsed.map(Value::Count).map_err(|_| wrong("negative or overlong number"))
            }
            Kind::Texts | Kind::TextOrTexts => {
                if let (Kind::TextOrTexts, Some(text)) = (key.kind, value.as_str()) {
                    return Ok(Value::Texts(vec![Located { value: text.to_owned(), line }]));
                }
                let array = value.as_array().ok_or_else(|| wrong(value.type_str()))?;
                let mut texts = Vec::new();
                for item in array.iter() {
                    let text = item.get_ref().as_str();
                    let text = text.ok_or_else(|| wrong(&format!("{} in the list", item.get_ref().type_str())))?;
                    texts.push(Located { value: text.to_owned(), line: self.line(&item.span()) });
                }
                Ok(Value::Texts(texts))
            }
        }
    }

    fn unknown_key(&mut self, section: &str, typed: &str, line: usize) {
        let here = || ALL.iter().filter(|key| key.section == section);
        let elsewhere = ALL.iter().find(|key| key.name == typed);
        let meant = nearest(typed, here().map(|key| key.name));
        let meant = here().find(|key| Some(key.name) == meant);
        self.seen.extend(elsewhere.or(meant).map(|key| (key.section, key.name)));
        let advice = match (elsewhere, meant) {
            // TOML gives a key to the section above it: the commonest way to get here.
            (Some(key), _) if key.section.is_empty() => {
                "it belongs at the top of the file, before the first [section]".to_owned()
            }
            (Some(key), _) => format!("it belongs in [{}]", key.section),
            (None, Some(key)) => format!("did you mean \"{}\"?", key.name),
            (None, None) => {
                format!("the keys there are: {}", here().map(|key| key.name).collect::<Vec<_>>().join(", "))
            }
        };
        self.problems.at(line, format!("unknown key \"{typed}\" {}; {advice}", place(section)));
    }

    fn unknown_section(&mut self, name: &Spanned<impl AsRef<str>>) {
        let typed = name.get_ref().as_ref();
        let line = self.line(&name.span());
        let advice = match nearest(typed, sections()) {
            Some(section) => {
                self.seen.extend(ALL.iter().filter(|key| key.section == section).map(|key| (key.section, key.name)));
                format!("did you mean [{section}]?")
            }
            None => format!("the sections are: [{}]", sections().collect::<Vec<_>>().join("], [")),
        };
        self.problems.at(line, format!("unknown section [{typed}]; {advice}"));
    }

    fn check_required(&mut self) {
        let is_needed = |key: &&&Key| match key.need {
            Need::Required => true,
            Need::Unless(section) => !self.seen.iter().any(|(seen, _)| *seen == section),
            Need::Default(_) => false,
        };
        for key in ALL.iter().filter(is_needed) {
            if !self.seen.contains(&(key.section, key.name)) {
                let Key { name, doc, example, .. } = key;
                let place = place(key.section);
                self.problems.absent(format!("missing key \"{name}\" {place}: {doc}; for example: {name} = {example}"));
            }
        }
    }

    /// Counted from 1.
    fn line(&self, span: &Range<usize>) -> usize {
        let before = self.text.as_bytes().get(..span.start).unwrap_or(self.text.as_bytes());
        before.iter().filter(|byte| **byte == b'\n').count() + 1
    }
}

fn place(section: &str) -> String {
    if section.is_empty() { "at the top of the file".to_owned() } else { format!("in [{section}]") }
}

fn sections() -> impl Iterator<Item = &'static str> {
    let mut last = "";
    let named = ALL.iter().map(|key| key.section);
    named.filter(move |section| std::mem::replace(&mut last, section) != *section)
}

fn is_section(name: &str) -> bool {
    sections().any(|section| section == name)
}
