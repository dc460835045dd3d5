//! No file that nothing leads to, and none that has outgrown its name.

use std::collections::HashSet;

use super::{Finding, Source, finding};

pub fn check(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let reached = reached_modules(sources);
    for source in sources {
        if is_module(&source.path) && !reached.contains(&source.path) {
            findings.push(finding(&source.path, "no module declares this file"));
        }
        let lines = source.text.lines().count();
        if source.path.ends_with(".rs") && lines > LINES_MAX {
            findings.push(finding(&source.path, format!("{lines} lines, more than {LINES_MAX}: split it")));
        }
        if source.path.starts_with("interop/") && !is_named_elsewhere(source, sources) {
            findings.push(finding(&source.path, "no other file names this one"));
        }
    }
    findings
}

/// A Rust file below some `src` that is not a root of its crate.
fn is_module(path: &str) -> bool {
    path.ends_with(".rs") && path.contains("/src/") && !is_root(path)
}

fn is_root(path: &str) -> bool {
    path.ends_with("/src/lib.rs") || path.ends_with("/src/main.rs") || path.contains("/src/bin/")
}

fn reached_modules(sources: &[Source]) -> HashSet<String> {
    let mut reached = HashSet::new();
    let mut pending: Vec<&Source> = sources.iter().filter(|source| is_root(&source.path)).collect();
    while let Some(source) = pending.pop() {
        for module in declared_modules(&source.text) {
            let folder = module_folder(&source.path);
            for candidate in [format!("{folder}/{module}.rs"), format!("{folder}/{module}/mod.rs")] {
                if let Some(found) = sources.iter().find(|other| other.path == candidate)
                    && reached.insert(candidate)
                {
                    pending.push(found);
                }
            }
        }
    }
    reached
}

/// The folder in which the modules that a file declares are looked for.
fn module_folder(path: &str) -> String {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    match name {
        "lib.rs" | "main.rs" | "mod.rs" => folder.to_owned(),
        other => format!("{folder}/{}", other.trim_end_matches(".rs")),
    }
}

fn declared_modules(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| {
        let line = line.trim();
        let rest = line
            .strip_prefix("mod ")
            .or_else(|| line.strip_prefix("pub mod "))
            .or_else(|| line.strip_prefix("pub(crate) mod "))
            .or_else(|| line.strip_prefix("pub(super) mod "))?;
        rest.strip_suffix(';')
    })
}

fn is_named_elsewhere(source: &Source, sources: &[Source]) -> bool {
    let name = source.path.rsplit('/').next().unwrap_or(&source.path);
    let folder = source.path.trim_end_matches(name).trim_end_matches('/');
    let module = name.strip_suffix(".py");
    let imports = module.map(|module| [format!("\nfrom {module} import "), format!("\nimport {module}\n")]);
    sources.iter().filter(|other| other.path != source.path).any(|other| {
        let named = other.text.contains(name) && (name != "run" || other.text.contains(folder));
        named || imports.as_ref().is_some_and(|ways| ways.iter().any(|import| other.text.contains(import)))
    })
}

const LINES_MAX: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &str, text: &str) -> Source {
        Source { path: path.into(), text: text.into() }
    }

    #[test]
    fn a_file_that_no_module_declares_is_found() {
        let sources = [
            source("crates/a/src/lib.rs", "mod flow;\npub mod tls;\n"),
            source("crates/a/src/flow.rs", "mod kind;\n"),
            source("crates/a/src/flow/kind.rs", ""),
            source("crates/a/src/tls/mod.rs", ""),
            source("crates/a/src/dead.rs", ""),
        ];
        assert_eq!(check(&sources), [finding("crates/a/src/dead.rs", "no module declares this file")]);
    }
}
