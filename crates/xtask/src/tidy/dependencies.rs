//! One page says of every dependency what it is for, and of every second version why there is one. And every crate takes the
//! workspace's lints, which forbid `unsafe`.

use std::collections::{BTreeMap, BTreeSet};

use super::metadata::Metadata;
use super::registers::rows;
use super::{Finding, Source, finding};

pub fn check(metadata: &Metadata, sources: &[Source]) -> Vec<Finding> {
    let mut findings = check_lints(metadata, sources);
    let text = |path: &str| sources.iter().find(|source| source.path == path).map(|source| source.text.as_str());
    let (Some(page), Some(lock)) = (text(PAGE), text(LOCK)) else {
        findings.push(finding(PAGE, format!("it or {LOCK} is missing")));
        return findings;
    };
    findings.extend(compare(page, DIRECT, &uses(metadata)));
    findings.extend(compare(page, SEVERAL, &several_versions(lock)));
    findings
}

/// Each direct dependency that is not ours, with the crates that name it.
fn uses(metadata: &Metadata) -> BTreeMap<String, String> {
    let ours: BTreeSet<&str> = metadata.packages.iter().map(|package| package.name.as_str()).collect();
    let mut users_by_name: BTreeMap<&str, BTreeMap<&str, bool>> = BTreeMap::new();
    for package in &metadata.packages {
        for dependency in package.dependencies.iter().filter(|dependency| !ours.contains(dependency.name.as_str())) {
            let is_for_tests = dependency.kind.as_deref() == Some("dev");
            let users = users_by_name.entry(&dependency.name).or_default();
            users.entry(&package.name).and_modify(|for_tests| *for_tests &= is_for_tests).or_insert(is_for_tests);
        }
    }
    let cell = |users: BTreeMap<&str, bool>| {
        let named = users.iter().map(|(user, for_tests)| format!("{user}{}", if *for_tests { " (tests)" } else { "" }));
        named.collect::<Vec<_>>().join(", ")
    };
    users_by_name.into_iter().map(|(name, users)| (name.to_owned(), cell(users))).collect()
}

/// What Cargo.lock has in more than one version, with all of them.
fn several_versions(lock: &str) -> BTreeMap<String, String> {
    let value =
        |line: &str, key: &str| Some(line.strip_prefix(key)?.strip_prefix(" = \"")?.trim_end_matches('"').to_owned());
    let mut versions_by_name: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (line, next) in lock.lines().zip(lock.lines().skip(1)) {
        if let (Some(name), Some(version)) = (value(line, "name"), value(next, "version")) {
            versions_by_name.entry(name).or_default().push(version);
        }
    }
    versions_by_name.retain(|_, versions| versions.len() > 1);
    versions_by_name.into_iter().map(|(name, versions)| (name, versions.join(", "))).collect()
}

/// The rows below a heading: name, what `wanted` says of it, and a reason.
fn compare(page: &str, heading: &str, wanted: &BTreeMap<String, String>) -> Vec<Finding> {
    let after = page.split_once(heading).map_or("", |(_, after)| after);
    let section = after.split("\n## ").next().unwrap_or_default();
    let mut findings = Vec::new();
    let mut listed = BTreeSet::new();
    for row in rows(section) {
        let [name, said, why] = [0, 1, 2].map(|number| row.cell(number).unwrap_or_default());
        match wanted.get(&name) {
            None => findings.push(finding(PAGE, format!("{name} is not there any more; remove its row"))),
            Some(is) if *is != said => {
                findings.push(finding(PAGE, format!("the second cell of {name} is to be: {is}")))
            }
            Some(_) if why.is_empty() => findings.push(finding(PAGE, format!("{name} has no reason"))),
            Some(_) => {}
        }
        listed.insert(name);
    }
    let unlisted = wanted.keys().filter(|name| !listed.contains(*name));
    let heading = heading.trim();
    findings.extend(
        unlisted.map(|name| finding(PAGE, format!("{name} has no row under \"{heading}\"; say what it is for"))),
    );
    findings
}

fn check_lints(metadata: &Metadata, sources: &[Source]) -> Vec<Finding> {
    let lacks =
        |path: &str, line: &str| !sources.iter().any(|source| source.path == path && source.text.contains(line));
    let manifests = metadata.packages.iter().map(|package| format!("crates/{}/Cargo.toml", package.name));
    let without = manifests.filter(|manifest| lacks(manifest, "[lints]\nworkspace = true\n"));
    let mut findings: Vec<_> =
        without.map(|manifest| finding(manifest, "write [lints] workspace = true: it forbids unsafe")).collect();
    if lacks("Cargo.toml", "[workspace.lints.rust]\nunsafe_code = \"forbid\"\n") {
        findings.push(finding("Cargo.toml", "[workspace.lints.rust] begins with unsafe_code = \"forbid\""));
    }
    findings
}

const PAGE: &str = "docs/internals/dependencies.md";
const LOCK: &str = "Cargo.lock";
const DIRECT: &str = "\n## Direct\n";
const SEVERAL: &str = "\n## Several versions\n";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const GOOD: &str = "# Dependencies\n\n## Direct\n\n| Name | Used by | For |\n| --- | --- | --- |\n\
        | `bytes` | net, sip (tests) | sharing |\n\n## Several versions\n\n| Name | Versions | Why |\n| --- | --- | --- |\n\
        | `nom` | 7.1.3, 8.0.0 | others |\n\n## Unsafe\n";
    const TWO: &str = "[[package]]\nname = \"nom\"\nversion = \"7.1.3\"\n\n[[package]]\nname = \"nom\"\nversion = \"8.0.0\"\n\n\
        [[package]]\nname = \"bytes\"\nversion = \"1.12.0\"\n";
    const LINTS: &str = "[package]\n\n[lints]\nworkspace = true\n";
    const WORKSPACE: &str = "[workspace.lints.rust]\nunsafe_code = \"forbid\"\n";

    fn found(page: &str, lock: &str, lints: &str) -> Vec<String> {
        let metadata = json!({ "packages": [
            { "name": "net", "dependencies": [{ "name": "bytes", "kind": null }, { "name": "bytes", "kind": "dev" },
                { "name": "sip", "kind": null }] },
            { "name": "sip", "dependencies": [{ "name": "bytes", "kind": "dev" }] },
        ]});
        let files = [
            (PAGE, page),
            (LOCK, lock),
            ("Cargo.toml", WORKSPACE),
            ("crates/net/Cargo.toml", lints),
            ("crates/sip/Cargo.toml", LINTS),
        ];
        let sources = files.map(|(path, text)| Source { path: path.to_owned(), text: text.to_owned() });
        let metadata = serde_json::from_value(metadata).unwrap();
        check(&metadata, &sources).into_iter().map(|finding| finding.what).collect()
    }

    #[test]
    fn each_dependency_has_its_row_and_each_row_its_dependency() {
        assert_eq!(found(GOOD, TWO, LINTS), [""; 0]);
        let without = GOOD.replace("| `bytes` | net, sip (tests) | sharing |\n", "");
        assert_eq!(found(&without, TWO, LINTS), ["bytes has no row under \"## Direct\"; say what it is for"]);
        let other = GOOD.replace("net, sip (tests)", "net");
        assert_eq!(found(&other, TWO, LINTS), ["the second cell of bytes is to be: net, sip (tests)"]);
        assert_eq!(found(&GOOD.replace("| sharing |", "| |"), TWO, LINTS), ["bytes has no reason"]);
    }

    #[test]
    fn a_second_version_has_its_reason_for_as_long_as_it_is_there() {
        let one = TWO.replacen("\"nom\"", "\"winnow\"", 1);
        assert_eq!(found(GOOD, &one, LINTS), ["nom is not there any more; remove its row"]);
        let three = TWO.replacen("\"bytes\"", "\"nom\"", 1);
        assert_eq!(found(GOOD, &three, LINTS), ["the second cell of nom is to be: 7.1.3, 8.0.0, 1.12.0"]);
        assert_eq!(found(&GOOD.replace("`nom`", "`syn`"), TWO, LINTS).len(), 2);
    }

    #[test]
    fn no_crate_is_without_the_lint_against_unsafe() {
        assert_eq!(found(GOOD, TWO, "[package]\n"), ["write [lints] workspace = true: it forbids unsafe"]);
    }
}
