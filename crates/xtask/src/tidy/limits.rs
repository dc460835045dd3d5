//! docs/internals/limits.md lists every limit that the code has: each field of each `Limits` struct has a row with the
//! default that the code gives it, each row its field or constant, and each test that a row names is there.

use std::collections::BTreeMap;

use super::{Finding, Source, finding};

pub fn check(sources: &[Source]) -> Vec<Finding> {
    let Some(page) = sources.iter().find(|source| source.path == PAGE) else {
        return vec![finding(PAGE, "is missing")];
    };
    let rows: Vec<Row<'_>> = page.text.lines().filter_map(row).collect();
    let fields = fields(sources);
    let mut findings = Vec::new();
    for (name, default) in &fields {
        match rows.iter().find(|row| row.name == *name) {
            None => findings.push(finding(PAGE, format!("{name} has no row"))),
            Some(row) if row.default != default.as_deref().unwrap_or("-") => {
                let default = default.as_deref().unwrap_or("-, for it is set by its user");
                findings.push(finding(PAGE, format!("{name} says `{}`; the code says {default}", row.default)));
            }
            Some(_) => {}
        }
    }
    for row in &rows {
        let is_there = fields.contains_key(row.name) || constant(sources, row.name) == Some(row.default);
        if !is_there {
            findings.push(finding(PAGE, format!("there is no {} of `{}`", row.name, row.default)));
        }
        findings.extend(check_test(sources, row));
    }
    findings
}

/// `| name | default | at it | counted | test |`, with backticks around names.
struct Row<'a> {
    name: &'a str,
    default: &'a str,
    test: &'a str,
}

fn row(line: &str) -> Option<Row<'_>> {
    let cells: Vec<&str> = line.strip_prefix("| `")?.strip_suffix('|')?.split(" | ").map(str::trim).collect();
    let [name, default, _, _, test] = cells.as_slice() else { return None };
    Some(Row { name: name.trim_matches('`'), default: default.trim_matches('`'), test: test.trim() })
}

/// `crate::Struct.field` and its default, if there is one for all.
fn fields(sources: &[Source]) -> BTreeMap<String, Option<String>> {
    let mut fields = BTreeMap::new();
    for source in sources.iter().filter(|source| is_product(&source.path)) {
        let code = source.text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        let krate = source.path.split('/').nth(1).unwrap_or_default();
        for (name, body) in blocks(code, "struct ").filter(|(name, _)| name.ends_with("Limits")) {
            let defaults = defaults(code, name);
            for line in body.lines().filter_map(|line| line.trim().strip_prefix("pub ")) {
                let Some((field, kind)) = line.trim_end_matches(',').split_once(": ") else { continue };
                if !kind.ends_with("Limits") {
                    fields.insert(format!("{krate}::{name}.{field}"), defaults.get(field).cloned());
                }
            }
        }
    }
    fields
}

/// What `impl Default`, or a constant of the type, gives each field.
fn defaults(code: &str, name: &str) -> BTreeMap<String, String> {
    let opening = format!("{name} {{");
    let given = code.split(&opening).skip(1).filter(|rest| rest.starts_with(['\n', ' ']));
    let mut defaults = BTreeMap::new();
    for body in given.filter_map(|rest| rest.split_once('}')).map(|(body, _)| body) {
        let pairs = body.split([',', '\n']).filter_map(|part| part.trim().split_once(": "));
        for (field, value) in pairs.filter(|(field, _)| !field.contains(' ')) {
            defaults.entry(field.to_owned()).or_insert_with(|| value.to_owned());
        }
    }
    defaults
}

/// Each item that begins with this word, its name and what stands in its braces.
fn blocks<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
    code.split(word).skip(1).filter_map(|rest| {
        let (name, rest) = rest.split_once(" {\n")?;
        Some((name, rest.split_once("\n}")?.0)).filter(|(name, _)| name.chars().all(char::is_alphanumeric))
    })
}

/// The value of `path NAME`.
fn constant<'a>(sources: &'a [Source], name: &str) -> Option<&'a str> {
    let (path, name) = name.split_once(' ')?;
    let text = &sources.iter().find(|source| source.path == format!("crates/{path}"))?.text;
    let (_, rest) = text.split_once(&format!("const {name}: "))?;
    rest.split_once(" = ")?.1.split_once(';').map(|(value, _)| value)
}

/// `path fn`, or a dash and why there is none.
fn check_test(sources: &[Source], row: &Row<'_>) -> Option<Finding> {
    let Some(test) = row.test.strip_prefix('`') else {
        let is_reason = row.test.starts_with("- ") && !row.test.contains("of its own yet");
        return (!is_reason).then(|| finding(PAGE, format!("{} names no test, nor why there is none", row.name)));
    };
    let test = test.trim_matches('`');
    let (path, function) = test.split_once(' ').unwrap_or((test, ""));
    let source = sources.iter().find(|source| source.path == format!("crates/{path}"));
    let is_there = source.is_some_and(|source| source.text.contains(&format!("fn {function}(")));
    (!is_there).then(|| finding(PAGE, format!("{}: there is no test {test}", row.name)))
}

fn is_product(path: &str) -> bool {
    let is_beside =
        ["xtask", "sim", "fuzzing", "floods"].iter().any(|krate| path.starts_with(&format!("crates/{krate}/")));
    path.starts_with("crates/") && path.contains("/src/") && path.ends_with(".rs") && !is_beside
}

const PAGE: &str = "docs/internals/limits.md";

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: &str = "pub struct Limits {\n    /// Why.\n    pub flows_max: usize,\n    pub other: OtherLimits,\n}\n\n\
        impl Default for Limits {\n    fn default() -> Limits {\n        Limits {\n            flows_max: 4 << 20,\n        }\n    }\n}\n\
        const PAIRS_MAX: usize = 16;\n";

    fn found(rows: &str) -> Vec<String> {
        let source = |path: &str, text: &str| Source { path: path.into(), text: text.into() };
        let test = source("crates/a/tests/t.rs", "#[test]\nfn holds() {}\n");
        let sources = [source(PAGE, rows), source("crates/a/src/limits.rs", CODE), test];
        check(&sources).into_iter().map(|finding| finding.what).collect()
    }

    const ROW: &str = "| `a::Limits.flows_max` | `4 << 20` | 503 | `flows_max` | `a/tests/t.rs holds` |\n";

    #[test]
    fn a_limit_has_its_row_with_its_default() {
        assert_eq!(found(ROW), [""; 0]);
        assert_eq!(found(""), ["a::Limits.flows_max has no row"]);
        assert_eq!(found(&ROW.replace("20", "21")), ["a::Limits.flows_max says `4 << 21`; the code says 4 << 20"]);
    }

    #[test]
    fn a_row_has_its_limit() {
        let more = |row: &str| found(&format!("{ROW}{row}\n"));
        assert_eq!(more("| `a/src/limits.rs PAIRS_MAX` | `16` | 503 | no | - it is small |"), [""; 0]);
        let gone = "| `a::Limits.gone_max` | `1` | 503 | no | - it is small |";
        assert_eq!(more(gone), ["there is no a::Limits.gone_max of `1`"]);
        assert_eq!(more("| `a/src/limits.rs PAIRS_MAX` | `17` | 503 | no | - it is small |").len(), 1);
    }

    #[test]
    fn a_test_that_a_row_names_is_there() {
        let renamed = ROW.replace("holds", "held");
        assert_eq!(found(&renamed), ["a::Limits.flows_max: there is no test a/tests/t.rs held"]);
        for vague in ["no", "- none of its own yet"] {
            let found = found(&ROW.replace("`a/tests/t.rs holds`", vague));
            assert_eq!(found, ["a::Limits.flows_max names no test, nor why there is none"]);
        }
    }
}
