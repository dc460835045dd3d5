//! Links between documents lead somewhere, and every page of the book is in its table of contents.

use super::{Finding, Source, finding};

pub fn check(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources.iter().filter(|source| source.path.ends_with(".md")) {
        for (line, link) in links(&source.text) {
            if let Some(what) = problem(&source.path, link, sources) {
                findings.push(finding(format!("{}:{line}", source.path), what));
            }
        }
    }
    findings.extend(check_contents(sources));
    findings
}

/// Pages that the table of contents does not name.
fn check_contents(sources: &[Source]) -> Vec<Finding> {
    let Some(contents) = sources.iter().find(|source| source.path == CONTENTS) else { return Vec::new() };
    let named: Vec<String> = links(&contents.text).into_iter().map(|(_, link)| resolved(CONTENTS, link)).collect();
    let pages = sources.iter().map(|source| &source.path);
    let pages = pages.filter(|path| path.starts_with(BOOK) && path.ends_with(".md") && *path != CONTENTS);
    pages.filter(|path| !named.contains(path)).map(|path| finding(path, format!("is not in {CONTENTS}"))).collect()
}

fn problem(from: &str, link: &str, sources: &[Source]) -> Option<String> {
    let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
    let path = if file.is_empty() { from.to_owned() } else { resolved(from, file) };
    let folder = format!("{}/", path.trim_end_matches('/'));
    let Some(target) = sources.iter().find(|source| source.path == path) else {
        let is_folder = sources.iter().any(|source| source.path.starts_with(&folder));
        return (!is_folder).then(|| format!("the link {link} leads to no file"));
    };
    let is_there = anchor.is_empty() || !path.ends_with(".md") || anchors(&target.text).iter().any(|is| is == anchor);
    (!is_there).then(|| format!("the link {link} leads to no heading of {path}"))
}

/// The path from the root that a link on a page means.
fn resolved(from: &str, link: &str) -> String {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in link.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            name => parts.push(name),
        }
    }
    parts.join("/")
}

/// Each link within the repository, with its line; code holds none.
fn links(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    for (number, line) in prose(text) {
        // Every second piece stands between backticks.
        for piece in line.split('`').step_by(2) {
            let targets = piece.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
            let within = targets.map(|(target, _)| target).filter(|target| !target.is_empty() && !target.contains(':'));
            found.extend(within.map(|target| (number, target)));
        }
    }
    found
}

/// The anchors of a page's headings, as GitHub and mdBook make them.
fn anchors(text: &str) -> Vec<String> {
    let headings = prose(text).filter(|(_, line)| line.starts_with('#'));
    let anchor = |heading: &str| {
        let kept = heading.trim_start_matches('#').trim().chars();
        let kept = kept.filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter));
        kept.collect::<String>().to_lowercase().replace(' ', "-")
    };
    headings.map(|(_, line)| anchor(line)).collect()
}

/// The numbered lines outside of code blocks.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut in_code = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        let is_fence = line.trim_start().starts_with("```");
        in_code ^= is_fence;
        (!in_code && !is_fence).then_some((index + 1, line))
    })
}

const BOOK: &str = "docs/";
pub const CONTENTS: &str = "docs/SUMMARY.md";

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &str, text: &str) -> Source {
        Source { path: path.into(), text: text.into() }
    }

    #[test]
    fn a_link_to_nothing_is_found_and_code_is_left_alone() {
        let page = "# Page\n\nSee [a](other.md), [b](gone.md), [c](other.md#the-one), [d](other.md#none),\n\
                    [e](../crates), [f](#page), `[g](no.md)`, [h](https://example.org/x.md)\n```\n[i](no.md)\n```\n";
        let sources = [
            source("docs/page.md", page),
            source("docs/other.md", "# Other\n\n## The \"one\"\n"),
            source("crates/a/src/lib.rs", ""),
        ];
        let found: Vec<_> = check(&sources).into_iter().map(|finding| finding.what).collect();
        assert_eq!(
            found,
            ["the link gone.md leads to no file", "the link other.md#none leads to no heading of docs/other.md"]
        );
    }

    #[test]
    fn a_page_that_the_contents_do_not_name_is_found() {
        let contents = source(CONTENTS, "# Summary\n\n- [One](one.md)\n- [Draft]()\n");
        let found = check(&[contents, source("docs/one.md", "# One\n"), source("docs/sub/two.md", "# Two\n")]);
        assert_eq!(found, [finding("docs/sub/two.md", "is not in docs/SUMMARY.md")]);
    }
}
