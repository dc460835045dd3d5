//! The licences of the libraries in the program. Most of them ask for their text to go wherever the library goes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};
use serde::Deserialize;

use super::output;

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    license: Option<String>,
    manifest_path: String,
    /// `None` for a crate of this repository.
    source: Option<String>,
}

/// Every library with its licence, then every text once, with those who have it.
pub fn of_dependencies(root: &Path) -> anyhow::Result<String> {
    let linked = linked(root)?;
    let mut cargo = Command::new(env!("CARGO"));
    // Of other platforms, a machine that only ever built this has no sources.
    cargo.args(["metadata", "--format-version", "1", "--locked", "--offline", "--filter-platform", &host(root)?]);
    cargo.current_dir(root);
    let metadata: Metadata = serde_json::from_str(&output(&mut cargo)?)?;
    let mut list = String::new();
    let mut names_by_text = BTreeMap::<String, Vec<String>>::new();
    for package in metadata.packages.iter().filter(|package| package.source.is_some()) {
        let name = format!("{} {}", package.name, package.version);
        if linked.contains(&name) {
            list.push_str(&format!("{name}: {}\n", package.license.as_deref().unwrap_or("see its text")));
            for text in package.texts()? {
                names_by_text.entry(text).or_default().push(name.clone());
            }
        }
    }
    ensure!(!names_by_text.is_empty(), "no licence was found: are the libraries' sources there?");
    let texts = names_by_text.iter().map(|(text, names)| format!("{RULE}\n{}\n\n{text}\n", names.join(", ")));
    Ok(list + "\n" + &texts.collect::<String>())
}

/// Name and version of all that is linked into the program; what only builds or tests it is not.
fn linked(root: &Path) -> anyhow::Result<BTreeSet<String>> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["tree", "--package", "comity", "--edges", "normal", "--prefix", "none", "--format", "{p}"]);
    let printed = output(cargo.args(["--locked", "--offline"]).current_dir(root))?;
    Ok(printed.lines().filter_map(name_and_version).collect())
}

/// The platform that the program is built for, as Rust names it.
fn host(root: &Path) -> anyhow::Result<String> {
    let printed = output(Command::new("rustc").args(["--version", "--verbose"]).current_dir(root))?;
    let host = printed.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc names no host")?.to_owned())
}

/// From `serde v1.0.1 (proc-macro)`.
fn name_and_version(line: &str) -> Option<String> {
    let (name, rest) = line.split_once(" v")?;
    Some(format!("{name} {}", rest.split(' ').next()?))
}

impl Package {
    fn texts(&self) -> anyhow::Result<Vec<String>> {
        let folder = Path::new(&self.manifest_path).parent().context("a manifest lies in a folder")?;
        let mut texts = Vec::new();
        for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().to_uppercase();
            let is_licence = BEGINNINGS.iter().any(|beginning| name.starts_with(beginning));
            if is_licence && entry.file_type()?.is_file() {
                texts.push(String::from_utf8_lossy(&fs::read(entry.path())?).trim().replace("\r\n", "\n"));
            }
        }
        Ok(texts)
    }
}

const BEGINNINGS: [&str; 5] = ["LICENSE", "LICENCE", "COPYING", "NOTICE", "UNLICENSE"];
const RULE: &str = "================================================================================";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_tree_is_read() {
        assert_eq!(name_and_version("serde v1.0.1 (proc-macro)").as_deref(), Some("serde 1.0.1"));
        assert_eq!(name_and_version("sip v0.1.0 (/src/crates/sip) (*)").as_deref(), Some("sip 0.1.0"));
        assert_eq!(name_and_version(""), None);
    }
}
