//! `cargo xtask instructions`: how many instructions the benches of that name count, beside those that
//! docs/internals/instructions.md keeps. A report, which nothing fails on.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;

/// By package, function and case, as the page's rows are.
type Counts = BTreeMap<String, u64>;

/// Prints the table; with `--write`, also keeps it.
pub fn run(root: &Path, option: Option<&str>) -> anyhow::Result<ExitCode> {
    let page = root.join(PAGE);
    let text = std::fs::read_to_string(&page).with_context(|| format!("{PAGE} cannot be read"))?;
    let kept = read_rows(&text);
    install(root)?;
    let counted = count(root)?;
    print(&kept, &counted);
    match option {
        None => {}
        Some("--write") => std::fs::write(&page, write_rows(&text, &counted)).context("the page cannot be written")?,
        Some(other) => bail!("instructions knows --write only, not {other:?}"),
    }
    Ok(ExitCode::SUCCESS)
}

/// As the steps of ./test install what they need.
fn install(root: &Path) -> anyhow::Result<()> {
    let needs = format!(
        ". scripts/toolchain.sh; need_packages valgrind=valgrind && need_cargo_tool {RUNNER} {RUNNER} {RUNNER_VERSION}"
    );
    let status = Command::new("bash").args(["-c", &needs]).current_dir(root).status().context("bash")?;
    ensure!(status.success(), "valgrind and {RUNNER} are needed, and could not be installed");
    Ok(())
}

fn count(root: &Path) -> anyhow::Result<Counts> {
    let mut command = Command::new(env!("CARGO"));
    command.arg("bench").args(PACKAGES.iter().flat_map(|package| ["--package", package]));
    command.args(["--bench", "instructions", "--", "--output-format=json"]);
    let installed = root.join("target/tools/bin").join(RUNNER);
    if installed.exists() {
        command.env("GUNGRAUN_RUNNER", installed);
    }
    let output = command.current_dir(root).stderr(Stdio::inherit()).output().context("cargo bench")?;
    ensure!(output.status.success(), "the benches could not be run");
    String::from_utf8(output.stdout)?.lines().filter(|line| line.starts_with('{')).map(read_summary).collect()
}

/// One line of gungraun's, which says everything about one bench.
fn read_summary(line: &str) -> anyhow::Result<(String, u64)> {
    let summary: Value = serde_json::from_str(line)?;
    let text = |key: &str| summary[key].as_str().unwrap_or_default();
    let package = text("package_dir").rsplit('/').next().unwrap_or_default();
    let name = format!("{package} {} {}", text("function_name"), text("id"));
    let counted = summary.pointer("/profiles/0/data/total/metrics/Ir/values/new").and_then(Value::as_u64);
    Ok((name, counted.with_context(|| format!("gungraun counted nothing: {line}"))?))
}

fn print(kept: &Counts, counted: &Counts) {
    println!("{:<40} {:>10} {:>10} {:>8}", "", "kept", "now", "change");
    for (name, now) in counted {
        match kept.get(name) {
            None => println!("{name:<40} {:>10} {now:>10}", "-"),
            Some(before) => {
                let change = 100.0 * (*now as f64 - *before as f64) / *before as f64;
                println!("{name:<40} {before:>10} {now:>10} {change:>+7.1} %");
            }
        }
    }
}

/// The rows of the page's table: `| package function case | instructions |`.
fn read_rows(page: &str) -> Counts {
    let cells = page.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |")?.split_once(" | "));
    cells.filter_map(|(name, count)| Some((name.to_owned(), count.replace(',', "").parse().ok()?))).collect()
}

/// The page with these rows in its table, which is its last.
fn write_rows(page: &str, counted: &Counts) -> String {
    let rule = "| --- | --- |\n";
    let head = page.split_once(rule).map_or(page, |(head, _)| head);
    let rows: String = counted.iter().map(|(name, count)| format!("| {name} | {} |\n", grouped(*count))).collect();
    format!("{head}{rule}{rows}")
}

/// Thousands with commas.
fn grouped(count: u64) -> String {
    match count / 1_000 {
        0 => count.to_string(),
        thousands => format!("{},{:03}", grouped(thousands), count % 1_000),
    }
}

const PAGE: &str = "docs/internals/instructions.md";
const PACKAGES: &[&str] = &["sip", "federation", "signaling"];
const RUNNER: &str = "gungraun-runner";
/// The bench's own gungraun has to be of the same version.
const RUNNER_VERSION: &str = "0.20.0";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_as_they_are_written() {
        let counted = Counts::from([("sip parse invite".to_owned(), 1_010_253), ("sip header to".to_owned(), 87)]);
        let page =
            write_rows("# Instructions\n\n| Bench | Instructions |\n| --- | --- |\n| sip gone | 1 |\n", &counted);
        assert!(page.starts_with("# Instructions\n\n| Bench"), "{page}");
        assert!(page.contains("| sip parse invite | 1,010,253 |\n"), "{page}");
        assert_eq!(read_rows(&page), counted);
    }

    #[test]
    fn a_summary_names_its_bench() {
        let line = r#"{"package_dir":"crates/sip","function_name":"parse","id":"invite","profiles":[{"data":{"total":{
            "metrics":{"Ir":{"values":{"new":10253,"old":10608}}}}}}]}"#;
        assert_eq!(read_summary(line).ok(), Some(("sip parse invite".to_owned(), 10_253)));
        assert!(read_summary(r#"{"package_dir":"crates/sip"}"#).is_err());
    }
}
