//! The house rules that a machine can check. Each rule is a file; each finding says where and what to do.

mod dependencies;
mod documents;
mod files;
mod floors;
mod limits;
mod links;
mod metadata;
mod programs;
mod registers;
mod words;

use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::Context;
use metadata::Metadata;

/// Something that breaks a rule: where, and what to do about it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    pub place: String,
    pub what: String,
}

/// A file of the repository.
pub struct Source {
    /// Relative to the root, with forward slashes.
    pub path: String,
    pub text: String,
}

/// Runs every rule and prints what it found.
pub fn run(root: &Path) -> anyhow::Result<ExitCode> {
    let sources = read_sources(root)?;
    let metadata = read_metadata(root)?;
    let mut findings = Vec::new();
    findings.extend(floors::check(&metadata, &sources));
    findings.extend(dependencies::check(&metadata, &sources));
    findings.extend(words::check(&sources));
    findings.extend(files::check(&sources));
    findings.extend(documents::check(&sources));
    findings.extend(links::check(&sources));
    findings.extend(registers::check(&sources));
    findings.extend(limits::check(&sources));
    findings.extend(programs::check(&sources));
    findings.sort();
    for Finding { place, what } in &findings {
        println!("{place}: {what}");
    }
    println!("tidy: {} files, {} findings", sources.len(), findings.len());
    Ok(if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

pub fn finding(place: impl Into<String>, what: impl Into<String>) -> Finding {
    Finding { place: place.into(), what: what.into() }
}

fn read_sources(root: &Path) -> anyhow::Result<Vec<Source>> {
    let listed = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .context("git is needed to list the files of the repository")?;
    let mut sources = Vec::new();
    for path in String::from_utf8_lossy(&listed.stdout).lines() {
        let Ok(bytes) = std::fs::read(root.join(path)) else { continue };
        sources.push(Source { path: path.to_owned(), text: String::from_utf8_lossy(&bytes).into_owned() });
    }
    Ok(sources)
}

fn read_metadata(root: &Path) -> anyhow::Result<Metadata> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(root)
        .output()
        .context("cargo metadata")?;
    anyhow::ensure!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}
