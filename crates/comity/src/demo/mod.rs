//! `comity demo`: several federated organisations on this machine.

use std::process::ExitCode;

use clap::Args;

#[derive(Debug, Args)]
pub struct DemoArguments {}

pub fn run(_arguments: DemoArguments) -> anyhow::Result<ExitCode> {
    anyhow::bail!("the demo is not built into this binary")
}
