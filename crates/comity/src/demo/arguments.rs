//! What can be typed after `comity demo`.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::Args;

pub const EXAMPLES: &str = "\
Examples:
  comity demo                              look around, register a phone; Ctrl-C ends it
  comity demo --check                      check that the three federate, then end
  comity demo --address 192.0.2.10         for phones on the network, too

It needs no configuration and no root, and writes to a temporary folder of its own.";

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
    /// Where the demo's DNS listens: test programs whose resolvers know one port ask for 53
    #[arg(long, value_name = "PORT", default_value_t = 5300, hide = true)]
    pub dns_port: u16,
    /// Run no checks; write what test programs need into this folder, and serve until standard input closes
    #[arg(long, value_name = "DIR", hide = true, conflicts_with_all = ["check", "keep"])]
    pub hold_for_tests: Option<PathBuf>,
}
