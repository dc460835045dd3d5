//! Names say what a thing is. Some words say nothing; some marks must not stay.

use super::{Finding, Source, finding};

pub fn check(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources.iter().filter(|source| source.path.ends_with(".rs")) {
        findings.extend(check_file_name(&source.path));
        for (number, line) in source.text.lines().enumerate() {
            let place = || format!("{}:{}", source.path, number + 1);
            if let Some((name, word)) = defined_name(line).and_then(|name| empty_word(name).map(|word| (name, word))) {
                findings.push(finding(place(), format!("{name}: the word {word:?} says nothing; name what it is")));
            }
            if !source.path.starts_with("crates/xtask/")
                && let Some(mark) = MARKS.iter().find(|mark| line.contains(**mark))
            {
                findings.push(finding(place(), format!("{mark} must not stay")));
            }
        }
    }
    findings
}

fn check_file_name(path: &str) -> Option<Finding> {
    let stem = path.rsplit('/').next()?.strip_suffix(".rs")?;
    let word = empty_word(stem)?;
    Some(finding(path, format!("the word {word:?} in a file's name says nothing")))
}

/// The name that a line defines.
fn defined_name(line: &str) -> Option<&str> {
    let mut words = line.split(|c: char| c.is_whitespace() || c == '(' || c == '<' || c == ':' || c == '{' || c == ';');
    words.find(|word| DEFINES.contains(word))?;
    words.find(|word| !word.is_empty())
}

fn empty_word(name: &str) -> Option<&'static str> {
    if name.starts_with("do_") {
        return Some("do");
    }
    let lower = split_words(name);
    EMPTY.into_iter().find(|empty| lower.iter().any(|word| word == empty))
}

/// `FlowTable` and `flow_table` are both flow, table.
fn split_words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for letter in name.chars() {
        if letter == '_' || letter.is_uppercase() {
            words.push(String::new());
        }
        if letter != '_' {
            words.last_mut().expect("it is never empty").extend(letter.to_lowercase());
        }
    }
    words
}

const DEFINES: [&str; 6] = ["fn", "struct", "enum", "trait", "mod", "type"];
const EMPTY: [&str; 9] = ["manager", "helper", "helpers", "util", "utils", "common", "misc", "data", "process"];
const MARKS: [&str; 4] = ["FIXME", "XXX", "dbg!(", "TODO"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_words_are_found_in_definitions_only() {
        let text = concat!("pub struct Flow", "Manager {\nfn ", "do_it() {}\nstd::process::exit(1);\nlet data = 1;\n")
            .to_owned();
        let found = check(&[Source { path: "crates/net/src/flow.rs".into(), text }]);
        assert_eq!(found.len(), 2, "{found:?}");
    }

    #[test]
    fn a_file_name_is_checked_too() {
        assert!(check_file_name("crates/net/src/util.rs").is_some());
        assert!(check_file_name("crates/net/src/datagram.rs").is_none());
    }
}
