//! `comity metrics`

use std::process::ExitCode;

use super::Global;
use crate::client::Client;
use crate::configuration;
use crate::failure::Failure;

pub const EXAMPLES: &str = "\
Examples:
  comity metrics
  comity metrics | grep comity_requests_refused_total

For Prometheus to fetch them over the network, set metrics = [\"127.0.0.1:9464\"] under [listen]; the node exporter's textfile
collector can take what this command prints. Fails where no server is running.";

/// Prints the text for a scraper; in JSON, that text as one string.
pub async fn run(global: &Global) -> Result<ExitCode, Failure> {
    let config = configuration::load_settings(global.config_file())?;
    let text = Client::to_running_server(&config).await?.get_text("/metrics").await?;
    global.print(&text, || print!("{text}"))
}
