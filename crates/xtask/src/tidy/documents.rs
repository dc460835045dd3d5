//! Documents: one title each, and a map that stays short enough to be read.

use super::{Finding, Source, finding, links};

pub fn check(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    // The parts of a book have titles of their own in its table of contents.
    for source in sources.iter().filter(|source| source.path.ends_with(".md") && source.path != links::CONTENTS) {
        let titles = titles(&source.text);
        if titles != 1 {
            findings.push(finding(&source.path, format!("{titles} titles of the first level; a document has one")));
        }
    }
    if let Some(map) = sources.iter().find(|source| source.path == "ARCHITECTURE.md") {
        let lines = map.text.lines().count();
        if lines > MAP_LINES_MAX {
            findings.push(finding(&map.path, format!("{lines} lines; a map of the house has at most {MAP_LINES_MAX}")));
        }
    }
    for name in REQUIRED {
        if !sources.iter().any(|source| source.path == name) {
            findings.push(finding(name, "is missing"));
        }
    }
    findings
}

fn titles(text: &str) -> usize {
    let mut in_code = false;
    let mut count = 0;
    for line in text.lines() {
        if line.starts_with("```") {
            in_code = !in_code;
        }
        count += usize::from(!in_code && line.starts_with("# "));
    }
    count
}

const MAP_LINES_MAX: usize = 200;
const REQUIRED: [&str; 7] =
    ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "LICENSE-MIT", "LICENSE-APACHE"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_in_a_code_block_is_no_title() {
        assert_eq!(titles("# One\n```\n# a shell comment\n```\n## Two\n"), 1);
        assert_eq!(titles("# One\n# Two\n"), 2);
    }
}
