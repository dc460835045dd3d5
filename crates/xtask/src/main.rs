//! Automation of this repository: `cargo xtask tidy`, `cargo xtask docs`.

mod docs;
mod tidy;

use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> anyhow::Result<ExitCode> {
    let mut typed = std::env::args().skip(1);
    let (task, option) = (typed.next(), typed.next());
    match task.as_deref() {
        Some("tidy") => tidy::run(&root()),
        Some("docs") => docs::run(&root(), option.as_deref()),
        Some(other) => {
            eprintln!("xtask: there is no task {other:?}");
            eprintln!("{USAGE}");
            Ok(ExitCode::from(2))
        }
        None => {
            eprintln!("{USAGE}");
            Ok(ExitCode::from(2))
        }
    }
}

/// The repository's root: two floors above this crate.
fn root() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).expect("this crate lies in crates/xtask").to_path_buf()
}

const USAGE: &str = "\
usage: cargo xtask tidy            check floors, names, files and documents
       cargo xtask docs [--check]  write the pages of docs/reference, or check that they are fresh";
