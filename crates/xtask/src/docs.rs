//! The pages of docs/reference, written by the program itself (`comity reference FOLDER`, hidden from its help), and one from its
//! tests.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::Context;

/// The text of each page, by the name of its file.
type Pages = BTreeMap<String, String>;

/// Writes the pages; with `--check`, fails on one that is not as it would be written.
pub fn run(root: &Path, option: Option<&str>) -> anyhow::Result<ExitCode> {
    let kept = root.join(FOLDER);
    match option {
        None => {
            write_pages(root, &kept)?;
            println!("docs: the pages of {FOLDER} are written");
            Ok(ExitCode::SUCCESS)
        }
        Some("--check") => {
            let fresh = root.join("target/reference");
            if fresh.exists() {
                std::fs::remove_dir_all(&fresh).context("target/reference cannot be emptied")?;
            }
            write_pages(root, &fresh)?;
            let stale = stale(&read_pages(&fresh)?, &read_pages(&kept)?);
            stale.iter().for_each(|problem| eprintln!("{FOLDER}/{problem}"));
            Ok(if stale.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Some(other) => anyhow::bail!("docs knows --check only, not {other:?}"),
    }
}

fn write_pages(root: &Path, folder: &Path) -> anyhow::Result<()> {
    let status = Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--package", "comity", "--", "reference"])
        .arg(folder)
        .current_dir(root)
        .status()
        .context("cargo run")?;
    anyhow::ensure!(status.success(), "the program could not be built, or could not write to {}", folder.display());
    crate::faults::write_page(root, folder)
}

fn read_pages(folder: &Path) -> anyhow::Result<Pages> {
    let mut pages = Pages::new();
    if !folder.exists() {
        return Ok(pages);
    }
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        pages.insert(name, text);
    }
    Ok(pages)
}

fn stale(fresh: &Pages, kept: &Pages) -> Vec<String> {
    let mut problems = Vec::new();
    for (name, text) in fresh {
        match kept.get(name) {
            None => problems.push(format!("{name}: is missing; write it: cargo xtask docs")),
            Some(kept) if kept != text => {
                let line = 1 + text.lines().zip(kept.lines()).take_while(|(fresh, kept)| fresh == kept).count();
                problems.push(format!("{name}:{line}: is stale; write it again: cargo xtask docs"));
            }
            Some(_) => {}
        }
    }
    let left = kept.keys().filter(|name| !fresh.contains_key(*name));
    problems.extend(left.map(|name| format!("{name}: nothing writes this page; remove it")));
    problems
}

const FOLDER: &str = "docs/reference";

#[cfg(test)]
mod tests {
    use super::*;

    fn pages(of: &[(&str, &str)]) -> Pages {
        of.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn a_page_that_is_missing_stale_or_left_over_is_told() {
        let fresh = pages(&[("a.md", "# A\n"), ("b.md", "# B\nnew\n"), ("c.md", "# C\n")]);
        let kept = pages(&[("a.md", "# A\n"), ("b.md", "# B\nold\n"), ("d.md", "# D\n")]);
        let told = [
            "b.md:2: is stale; write it again: cargo xtask docs",
            "c.md: is missing; write it: cargo xtask docs",
            "d.md: nothing writes this page; remove it",
        ];
        assert_eq!(stale(&fresh, &kept), told);
        assert_eq!(stale(&fresh, &fresh), [""; 0]);
    }
}
