//! Two pages list what the code says of others: every RFC it names, and every peer's bug that it puts up with. What is in the
//! code has its row, what has a row is in the code, and every file that a row names is there.

use std::collections::BTreeSet;

use super::{Finding, Source, finding};

pub fn check(sources: &[Source]) -> Vec<Finding> {
    let page = |path: &str| sources.iter().find(|source| source.path == path);
    let mut findings = Vec::new();
    match page(QUIRKS) {
        Some(page) => findings.extend(check_quirks(sources, page)),
        None => findings.push(finding(QUIRKS, "is missing")),
    }
    match page(SPECIFICATIONS) {
        Some(page) => findings.extend(check_specifications(sources, page)),
        None => findings.push(finding(SPECIFICATIONS, "is missing")),
    }
    findings.extend([QUIRKS, SPECIFICATIONS].into_iter().filter_map(page).flat_map(|page| check_paths(sources, page)));
    findings
}

/// A mark and its row name the same product and file.
fn check_quirks(sources: &[Source], page: &Source) -> Vec<Finding> {
    let marks: BTreeSet<(String, String)> = code(sources).flat_map(marks).collect();
    let listed: BTreeSet<(String, String)> =
        rows(&page.text).filter_map(|row| Some((row.cell(3)?, row.cell(0)?))).collect();
    let of = |(path, product): &(String, String)| format!("COMPAT({product}) in {path}");
    let unlisted =
        marks.difference(&listed).map(|mark| finding(&mark.0, format!("{} has no row in {QUIRKS}", of(mark))));
    let stale =
        listed.difference(&marks).map(|row| finding(QUIRKS, format!("there is no {}; remove its row", of(row))));
    unlisted.chain(stale).collect()
}

/// Each mark of a file, with the file.
fn marks(source: &Source) -> Vec<(String, String)> {
    let after = source.text.split(MARK).skip(1).filter_map(|rest| rest.split_once(')'));
    after.map(|(product, _)| (source.path.clone(), product.to_owned())).collect()
}

fn check_specifications(sources: &[Source], page: &Source) -> Vec<Finding> {
    let listed: BTreeSet<String> = rows(&page.text).filter_map(|row| row.cell(0)).collect();
    let mut findings = Vec::new();
    for source in code(sources) {
        for number in numbers(&source.text).into_iter().filter(|number| !listed.contains(number)) {
            findings.push(finding(&source.path, format!("names RFC {number}, which has no row in {SPECIFICATIONS}")));
        }
    }
    findings
}

/// The RFCs that a text names.
fn numbers(text: &str) -> BTreeSet<String> {
    let after = text.split("RFC ").skip(1);
    let digits = after.map(|rest| rest.chars().take_while(char::is_ascii_digit).collect::<String>());
    digits.filter(|digits| digits.len() > 2).collect()
}

fn check_paths(sources: &[Source], page: &Source) -> Vec<Finding> {
    let is_there = |path: &str| {
        let folder = format!("{}/", path.trim_end_matches('/'));
        sources.iter().any(|source| source.path == path || source.path.starts_with(&folder))
    };
    let named = page.text.split('`').skip(1).step_by(2).filter(|piece| piece.starts_with("crates/"));
    named.filter(|path| !is_there(path)).map(|path| finding(&page.path, format!("{path} is not there"))).collect()
}

/// Rust of the product and its tests, but for this rule's own examples.
fn code(sources: &[Source]) -> impl Iterator<Item = &Source> {
    let is_code = |source: &&Source| source.path.starts_with("crates/") && source.path.ends_with(".rs");
    sources.iter().filter(is_code).filter(|source| !source.path.starts_with("crates/xtask/"))
}

/// A row of a table, without its heading.
pub(super) struct Row<'a> {
    cells: Vec<&'a str>,
}

impl Row<'_> {
    /// Without backticks; `None` where there is no such cell.
    pub(super) fn cell(&self, number: usize) -> Option<String> {
        self.cells.get(number).map(|cell| cell.trim_matches('`').to_owned())
    }
}

pub(super) fn rows(page: &str) -> impl Iterator<Item = Row<'_>> {
    let lines = page.lines().zip(page.lines().skip(1).chain([""]));
    let is_rule = |line: &str| line.starts_with("| ---");
    let rows = lines.filter(move |(line, next)| line.starts_with("| ") && !is_rule(line) && !is_rule(next));
    rows.map(|(line, _)| Row { cells: line.trim_matches('|').split('|').map(str::trim).collect() })
}

const MARK: &str = "COMPAT(";
const QUIRKS: &str = "docs/internals/quirks.md";
const SPECIFICATIONS: &str = "docs/internals/specifications.md";

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &str, text: &str) -> Source {
        Source { path: path.into(), text: text.into() }
    }

    fn found(quirks: &str, specifications: &str, code: &str) -> Vec<String> {
        let quirks =
            format!("# Quirks\n\n| Product | Does | We | Where | Test |\n| --- | --- | --- | --- | --- |\n{quirks}");
        let specifications = format!("# Specifications\n\n| RFC | Does |\n| --- | --- |\n{specifications}");
        let sources =
            [source(QUIRKS, &quirks), source(SPECIFICATIONS, &specifications), source("crates/a/src/lib.rs", code)];
        check(&sources).into_iter().map(|finding| finding.what).collect()
    }

    #[test]
    fn a_mark_has_its_row_and_a_row_its_mark() {
        let row = "| snom 8 | lies | believe it | `crates/a/src/lib.rs` | |\n";
        let mark = "// COMPAT(snom 8): it lies.\n";
        assert_eq!(found(row, "", mark), [""; 0]);
        assert_eq!(
            found("", "", mark),
            ["COMPAT(snom 8) in crates/a/src/lib.rs has no row in docs/internals/quirks.md"]
        );
        assert_eq!(found(row, "", ""), ["there is no COMPAT(snom 8) in crates/a/src/lib.rs; remove its row"]);
        assert_eq!(found(row, "", &mark.replace('8', "9")).len(), 2, "another version is another bug");
    }

    #[test]
    fn an_rfc_has_its_row() {
        let code = "//! RFC 3261 section 16, RFC 9999.\n";
        assert_eq!(found("", "| 3261 | all |\n| 9999 | none |\n", code), [""; 0]);
        assert_eq!(
            found("", "| 3261 | all |\n", code),
            ["names RFC 9999, which has no row in docs/internals/specifications.md"]
        );
    }

    #[test]
    fn a_file_that_a_row_names_is_there() {
        let named = "| 3261 | `crates/a/src`, `crates/a/src/lib.rs`, `crates/b` |\n";
        assert_eq!(found("", named, ""), ["crates/b is not there"]);
    }
}
