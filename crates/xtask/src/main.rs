//! Automation of this repository: `cargo xtask tidy`.

mod tidy;

use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> anyhow::Result<ExitCode> {
    let task = std::env::args().nth(1);
    match task.as_deref() {
        Some("tidy") => tidy::run(&root()),
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

const USAGE: &str = "usage: cargo xtask tidy    check floors, names, files and documents";
