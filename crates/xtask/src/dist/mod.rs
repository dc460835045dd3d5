//! `cargo xtask dist`: the Debian package, in target/dist. What is in it: `contents`; where that lies: `tree`.

mod contents;
mod licences;
mod tree;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, bail, ensure};

use tree::Tree;

/// Builds the program and packs it.
///
/// # Errors
/// When a program that this needs is missing or fails.
pub fn run(root: &Path, arguments: &[String]) -> anyhow::Result<ExitCode> {
    let profile = match arguments {
        [] => "dist",
        [option, profile] if option == "--profile" => profile,
        _ => {
            eprintln!("usage: cargo xtask dist [--profile PROFILE]");
            return Ok(ExitCode::from(2));
        }
    };
    let program = build(root, profile)?;
    let target = root.join("target/dist");
    // As Debian's tools expect it: the package within its source.
    let tree = Tree::new(&target.join("source/debian/comity"))?;
    tree.folder("DEBIAN")?;
    let version = env!("CARGO_PKG_VERSION");
    contents::place(&tree, root, &program)?;
    contents::describe(&tree, root, version)?;
    remove_packages(&target)?;
    let architecture = output(Command::new("dpkg").arg("--print-architecture"))?;
    let package = target.join(format!("comity_{version}_{}.deb", architecture.trim()));
    pack(tree.path(), &package, profile)?;
    println!("{}", package.display());
    Ok(ExitCode::SUCCESS)
}

/// Of earlier versions: whoever takes "the package" from there means the one that is made now.
fn remove_packages(folder: &Path) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "deb") {
            std::fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// Cargo says where the program is.
fn build(root: &Path, profile: &str) -> anyhow::Result<PathBuf> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--locked", "--package", "comity", "--profile", profile]).current_dir(root);
    let messages = output(cargo.arg("--message-format=json-render-diagnostics"))?;
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let mut programs = messages.filter_map(|message| message["executable"].as_str().map(PathBuf::from));
    programs.next_back().context("cargo built no program")
}

/// The strongest compression is for what is handed out, and not worth a minute of a test.
fn pack(tree: &Path, package: &Path, profile: &str) -> anyhow::Result<()> {
    let level = if profile == "dist" { "-z9" } else { "-z1" };
    output(Command::new("dpkg-deb").args(["--root-owner-group", "-Zxz", level, "--build"]).args([tree, package]))?;
    Ok(())
}

/// Runs a program to its end and returns what it printed.
fn output(command: &mut Command) -> anyhow::Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = match command.stderr(std::process::Stdio::inherit()).output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            bail!("{program} is missing; install: binutils dpkg-dev gzip")
        }
        output => output.with_context(|| program.clone())?,
    };
    ensure!(output.status.success(), "{program}: {}", output.status);
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
