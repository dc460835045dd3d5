//! A picture of where a server's time went: what perf recorded, as an SVG in which who calls is below and who is called above.

mod drawing;
mod stacks;
mod symbol;

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, ensure};
use clap::Args;

use stacks::Frame;

#[derive(Args)]
pub struct FlameArguments {
    /// What perf recorded, as `alone` lets it
    #[arg(value_name = "FILE")]
    perf: PathBuf,
    /// What is above the picture
    #[arg(long)]
    title: String,
    /// The picture
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
}

/// # Errors
/// When perf cannot read it, or recorded nothing.
pub fn draw(arguments: &FlameArguments) -> anyhow::Result<()> {
    let output = Command::new("perf")
        .args(["script", "--no-inline", "-F", "ip,sym", "-i"])
        .arg(&arguments.perf)
        .output()
        .context("perf is not installed: apt-get install linux-perf")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "perf script: {said}");
    let whole = Frame::read(&String::from_utf8_lossy(&output.stdout));
    ensure!(whole.samples() > 0, "perf recorded nothing in {}", arguments.perf.display());
    let picture = drawing::draw(whole.above_trunk(), &arguments.title);
    fs::write(&arguments.to, picture).with_context(|| format!("{} cannot be written", arguments.to.display()))
}
