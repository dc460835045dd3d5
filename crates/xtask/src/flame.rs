//! `cargo xtask flame`: pictures of where the time of a message goes, for docs/internals/performance.md.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;

use crate::programs;

/// Draws it as it is now; with `--before COMMIT`, also as it was then.
pub fn run(root: &Path, options: &[String]) -> anyhow::Result<ExitCode> {
    let before = match options {
        [] => None,
        [flag, commit] if flag == "--before" => Some(commit),
        _ => bail!("flame knows --before COMMIT only, not {:?}", options.join(" ")),
    };
    install(root)?;
    let built = programs::build(root, "release", &["comity", "bench"])?;
    let kept = root.join("target/flame");
    std::fs::create_dir_all(&kept).with_context(|| format!("{} cannot be made", kept.display()))?;
    for program in ["comity", "bench"] {
        std::fs::copy(built.join(program), kept.join(program))
            .with_context(|| format!("{program} cannot be copied"))?;
    }
    draw(&kept, root, "after")?;
    if let Some(commit) = before {
        let built = Tree::check_out(root, commit)?.build_server()?;
        // The bench measures the server beside it: the same for both.
        std::fs::copy(built.join("comity"), kept.join("comity")).context("comity cannot be copied")?;
        draw(&kept, root, "before")?;
    }
    Ok(ExitCode::SUCCESS)
}

fn install(root: &Path) -> anyhow::Result<()> {
    let needs = ". scripts/toolchain.sh; need_packages perf=linux-perf";
    let status = Command::new("bash").args(["-c", needs]).current_dir(root).status().context("bash")?;
    ensure!(status.success(), "perf is needed, and could not be installed");
    Ok(())
}

/// Of the server in this folder of programs.
fn draw(programs: &Path, root: &Path, name: &str) -> anyhow::Result<()> {
    let profile = programs.join("flame.perf");
    let picture = root.join(PAGES).join(format!("flame-{name}.svg"));
    let mut measure = Command::new(programs.join("bench"));
    measure.args(["alone", "comity", "message", "--perf"]).arg(&profile).stderr(Stdio::inherit());
    let output = measure.output().context("bench alone")?;
    ensure!(output.status.success(), "the server could not be measured");
    let measured: Value = serde_json::from_slice(&output.stdout).context("bench alone")?;
    let micros = measured.pointer("/figures/cpu_us").and_then(Value::as_f64).context("bench alone told no time")?;
    let title = format!("A partner's MESSAGE, {name}: {micros:.1} µs of processor time, that of the recorder included");
    let mut flame = Command::new(programs.join("bench"));
    flame.arg("flame").arg(&profile).args(["--title", &title, "--to"]).arg(&picture);
    ensure!(flame.status().context("bench flame")?.success(), "the picture could not be drawn");
    println!("{}", picture.display());
    std::fs::remove_file(&profile).context("the profile cannot be removed")
}

/// An earlier commit, beside this one for as long as it is needed.
struct Tree<'a> {
    root: &'a Path,
    folder: PathBuf,
}

impl Tree<'_> {
    fn check_out<'a>(root: &'a Path, commit: &str) -> anyhow::Result<Tree<'a>> {
        let tree = Tree { root, folder: root.join("target/flame/before") };
        // One that was interrupted leaves it.
        tree.remove();
        let git = git(root).args(["worktree", "add", "--force", "--detach"]).arg(&tree.folder).arg(commit).status();
        ensure!(git.context("git")?.success(), "{commit} cannot be checked out");
        Ok(tree)
    }

    /// Not among the programs of this commit: cargo names the crates of both alike, and would then take the earlier ones
    /// for this commit's, whose files are older. Answers where the program is.
    fn build_server(&self) -> anyhow::Result<PathBuf> {
        let built = self.root.join("target/flame/built");
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--release", "--package", "comity", "--target-dir"]).arg(&built);
        ensure!(
            cargo.current_dir(&self.folder).status().context("cargo build")?.success(),
            "that commit cannot be built"
        );
        Ok(built.join("release"))
    }

    fn remove(&self) {
        // What is left of it is under target/, and does no harm.
        let mut git = git(self.root);
        let _ = git.args(["worktree", "remove", "--force"]).arg(&self.folder).stderr(Stdio::null()).status();
    }
}

impl Drop for Tree<'_> {
    fn drop(&mut self) {
        self.remove();
    }
}

fn git(root: &Path) -> Command {
    let mut git = Command::new("git");
    git.current_dir(root);
    git
}

const PAGES: &str = "docs/internals";
