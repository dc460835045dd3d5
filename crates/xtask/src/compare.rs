//! `cargo xtask compare`: ours and a peer, in turn on this machine; docs/internals/performance.md.

use std::path::Path;
use std::process::ExitCode;

use crate::programs;

/// Builds what a release is, and hands over to the bench. Janus mixes, and is compared with our mixer alone.
pub fn run(root: &Path, options: &[String]) -> anyhow::Result<ExitCode> {
    let (packages, command, options): (&[&str], _, _) = match options {
        [peer, options @ ..] if peer == "janus" => (&["bench"], "mixer", options),
        options => (&["comity", "bench"], "compare", options),
    };
    let folder = programs::build(root, "release", packages)?;
    let options: Vec<&str> = std::iter::once(command).chain(options.iter().map(String::as_str)).collect();
    programs::hand_over(&folder.join("bench"), &options)
}
