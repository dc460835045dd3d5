//! Automation of this repository: `cargo xtask tidy`, `cargo xtask docs`, `cargo xtask dist`, `cargo xtask zoo`, `cargo xtask attack`,
//! `cargo xtask compare`, `cargo xtask instructions`, `cargo xtask flame`.

mod attack;
mod compare;
mod dist;
mod docs;
mod faults;
mod flame;
mod instructions;
mod programs;
mod tidy;
mod zoo;

use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> anyhow::Result<ExitCode> {
    let typed: Vec<String> = std::env::args().skip(1).collect();
    let (task, options) = typed.split_first().map_or((None, &[][..]), |(task, options)| (Some(task), options));
    match task.map(String::as_str) {
        Some("tidy") => tidy::run(&root()),
        Some("docs") => docs::run(&root(), options.first().map(String::as_str)),
        Some("dist") => dist::run(&root(), options),
        Some("compare") => compare::run(&root(), options),
        Some("instructions") => instructions::run(&root(), options.first().map(String::as_str)),
        Some("flame") => flame::run(&root(), options),
        Some("attack") => attack::run(&root(), options),
        Some("zoo") => zoo::run(&root(), options),
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
usage: cargo xtask tidy                        check floors, names, files and documents
       cargo xtask docs [--check]              write the pages of docs/reference, or check that they are fresh
       cargo xtask dist [--profile PROFILE]    make the Debian package, of a release or of a cheaper build
       cargo xtask attack [--long]             attack a server as those do whom nobody entered, and count what came through
       cargo xtask compare kamailio [--json | OPTIONS]   the same work through Comity and a peer, in turn; --help says more
       cargo xtask compare janus [--json | OPTIONS]      the sound of a meeting through our mixer and Janus', in turn; --help says more
       cargo xtask instructions [--write]      count the instructions of the small benches, beside those that the docs keep
       cargo xtask flame [--before COMMIT]     draw where the time of a message goes, and where it went at an earlier commit
       cargo xtask zoo [--dnssec | OPTIONS]    show a server certificates and peers, bad ones and good ones; --help says more";
