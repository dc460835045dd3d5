//! docs/internals/limits.md lists every limit that the code has: each field of each `Limits` struct has a row with the
//! default that the code gives it, each row its field or constant, and each test that a row names is there. So has each constant
//! that ends in `_MAX`, in the crates that peers speak with; `BESIDE` has those that bound nothing of a peer's.

use std::collections::{BTreeMap, BTreeSet};

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
    for constant in constants(sources) {
        if !rows.iter().any(|row| row.name == constant) && !BESIDE.contains(&constant.as_str()) {
            findings.push(finding(
                PAGE,
                format!("{constant} has no row; what is no peer's to reach is for BESIDE of tidy"),
            ));
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
        let is_listed = |name: &str| name.ends_with("Limits") || name == TERMS;
        for (name, body) in blocks(code, "struct ").filter(|(name, _)| is_listed(name)) {
            let defaults = defaults(code, name);
            for line in body.lines().filter_map(|line| line.trim().strip_prefix("pub ")) {
                let Some((field, kind)) = line.trim_end_matches(',').split_once(": ") else { continue };
                if !kind.ends_with("Limits") && (name != TERMS || kind == "u32") {
                    fields.insert(format!("{krate}::{name}.{field}"), defaults.get(field).cloned());
                }
            }
        }
    }
    fields
}

/// Each `path NAME_MAX` of the crates that peers speak with.
fn constants(sources: &[Source]) -> BTreeSet<String> {
    let is_of_test = |path: &str| path.ends_with("/tests.rs") || path.contains("/tests/") || path.contains("/testing/");
    let is_ours = |path: &str| SPOKEN_WITH.iter().any(|krate| path.starts_with(&format!("crates/{krate}/src/")));
    let mut constants = BTreeSet::new();
    for source in sources.iter().filter(|source| is_ours(&source.path) && !is_of_test(&source.path)) {
        let code = source.text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        for line in code.lines().filter(|line| !line.starts_with([' ', '/'])) {
            let Some(name) =
                line.split_once("const ").and_then(|(_, rest)| rest.split_once(": ")).map(|(name, _)| name)
            else {
                continue;
            };
            if name.ends_with("_MAX") {
                constants.insert(format!("{} {name}", source.path.trim_start_matches("crates/")));
            }
        }
    }
    constants
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
/// What discovered partners may do: limits among settings.
const TERMS: &str = "DiscoveredTerms";
const SPOKEN_WITH: [&str; 4] = ["conference", "federation", "net", "signaling"];
/// Times and sizes of ours, of the protocols, and of sentences; what an organiser may schedule, who is told what is too much.
const BESIDE: &[&str] = &[
    "conference/src/focus/joining.rs DISPLAY_CHARS_MAX",
    "conference/src/focus/writing.rs INVITATION_NAMES_MAX",
    "conference/src/focus/writing.rs LISTED_NAMES_MAX",
    "conference/src/id.rs ID_BYTES_MAX",
    "conference/src/policy/admission.rs RETRY_AFTER_SECS_MAX",
    "conference/src/schedule/invitation/content_line.rs LINE_BYTES_MAX",
    "conference/src/schedule/invitation/time_zone.rs CHANGES_MAX",
    "conference/src/schedule/meeting.rs MINUTES_MAX",
    "conference/src/schedule/meeting.rs OPENS_BEFORE_MINS_MAX",
    "conference/src/schedule/meeting.rs SUBJECT_CHARS_MAX",
    "conference/src/schedule/occurrence.rs EXCEPTIONS_MAX",
    "conference/src/schedule/occurrence.rs OCCURRENCES_MAX",
    "conference/src/schedule/opening.rs OVERRUN_SECS_MAX",
    "conference/src/schedule/recurrence.rs INTERVAL_MAX",
    "federation/src/discovery.rs LIFE_MAX",
    "federation/src/discovery.rs NEGATIVE_LIFE_MAX",
    "federation/src/discovery/memory.rs STALE_MAX",
    "federation/src/health.rs BACKOFF_DOUBLINGS_MAX",
    "federation/src/health.rs BACKOFF_MAX",
    "federation/src/health.rs REASON_CHARS_MAX",
    "federation/src/inside.rs NAMED_MAX",
    "federation/src/verification.rs LISTED_MAX",
    "net/src/media/ports.rs ATTEMPTS_MAX",
    "net/src/resolver.rs NEGATIVE_LIFE_MAX",
    "net/src/resolver.rs POSITIVE_LIFE_MAX",
    "net/src/tls.rs RECORD_BYTES_MAX",
    "net/src/udp.rs DATAGRAM_BYTES_MAX",
    "net/src/web_socket/origins.rs HOST_BYTES_MAX",
    "net/src/wire.rs SLICES_MAX",
    "net/src/worker/sweeping.rs CLOCK_OFF_MS_MAX",
    "signaling/src/consent/words.rs USER_CHARS_MAX",
    "signaling/src/decisions.rs WORD_CHARS_MAX",
    "signaling/src/input.rs BEGINNING_CHARS_MAX",
    "signaling/src/outbound.rs DATAGRAM_BYTES_MAX",
    "signaling/src/token.rs POOL_SECRETS_MAX",
    "signaling/src/unreadable.rs SURPLUS_BYTES_MAX",
];

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
    fn a_constant_that_peers_may_reach_has_its_row() {
        let source = |path: &str, text: &str| Source { path: path.into(), text: text.into() };
        let code = "/// const OLD_MAX: usize = 1;\npub(super) const PEERS_MAX: usize = 16;\nconst OTHER: u8 = 1;\n\
            #[cfg(test)]\nmod tests {\nconst TRIES_MAX: u8 = 2;\n";
        let found = |path: &str, rows: &str| {
            let findings = check(&[source(PAGE, rows), source(path, code)]);
            findings.into_iter().map(|finding| finding.what).collect::<Vec<_>>()
        };
        let missing = found("crates/net/src/a.rs", "");
        assert_eq!(missing.len(), 1);
        assert!(missing[0].starts_with("net/src/a.rs PEERS_MAX has no row"), "{missing:?}");
        assert_eq!(found("crates/net/src/a.rs", "| `net/src/a.rs PEERS_MAX` | `16` | no | no | - small |\n"), [""; 0]);
        for other in ["crates/net/src/a/tests.rs", "crates/store/src/a.rs"] {
            assert_eq!(found(other, ""), [""; 0], "{other}");
        }
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
