//! `comity plan`

use std::process::ExitCode;

use plan::{Plan, Topology};

use super::Global;
use crate::configuration;
use crate::failure::Failure;

pub const EXAMPLES: &str = "\
Examples:
  comity plan                              certificate, ports and DNS of ./comity.toml
  comity plan > plan.md                    for the people who run the DNS and the firewall
  comity plan --json | jq .dns";

/// Needs neither a server nor the certificate.
pub fn run(global: &Global) -> Result<ExitCode, Failure> {
    let config = configuration::load_settings(global.config_file())?;
    let plan = Plan::of(&Topology::from(&config));
    global.print(&plan, || print!("{}", plan.markdown()))
}
