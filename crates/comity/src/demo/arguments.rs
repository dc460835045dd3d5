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
    /// Put configurations, certificates, stores and logs into this folder and leave them there
    #[arg(long, value_name = "DIR")]
    pub folder: Option<PathBuf>,
    /// Digest algorithms to offer, most wanted first; a phone that knows only MD5 may trip over SHA-256
    #[arg(long, value_name = "NAMES", value_delimiter = ',', default_values = ["SHA-256", "MD5"])]
    pub digest: Vec<String>,
}
