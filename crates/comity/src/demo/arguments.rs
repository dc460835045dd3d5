//! What can be typed after `comity demo`.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::Args;

/// Three organisations, their DNS and their certificates, in one command.
#[derive(Debug, Args)]
pub struct DemoArguments {
    /// End after the checks; the exit code says whether all passed
    #[arg(long)]
    pub check: bool,
    /// Serve phones on the network from this address of this machine, each organisation on a port of its own
    #[arg(long, value_name = "IP")]
    pub address: Option<IpAddr>,
    /// Worker threads of each organisation's server
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub workers: u16,
    /// Keep the folder with configurations, certificates, stores and logs when the demo ends
    #[arg(long)]
    pub keep: bool,
    /// Digest algorithms to offer to phones, the most wanted first
    #[arg(long, value_name = "NAMES", value_delimiter = ',', default_values = ["SHA-256", "MD5"], hide = true)]
    pub digest: Vec<String>,
    /// Run no checks; write what test programs need into this folder, and serve until standard input closes
    #[arg(long, value_name = "DIR", hide = true, conflicts_with_all = ["check", "address", "keep"])]
    pub hold_for_tests: Option<PathBuf>,
}
