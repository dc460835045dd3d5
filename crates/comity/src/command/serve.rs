//! `comity serve`

use std::process::ExitCode;

use server::Server;
use tokio::signal::unix::{SignalKind, signal};

use super::Global;
use crate::configuration;
use crate::failure::Failure;

pub const EXAMPLES: &str = "\
Examples:
  comity serve
  comity serve --config /etc/comity/comity.toml
  COMITY_LOG=debug comity serve            more in the log, which goes to standard error";

/// Serves until a signal ends it.
pub async fn run(global: &Global) -> Result<ExitCode, Failure> {
    let config = configuration::load(global.config_file())?;
    server::logging::start();
    let no_signals = |error: std::io::Error| Failure::told(format!("cannot listen for signals: {error}"));
    let mut terminate = signal(SignalKind::terminate()).map_err(no_signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(no_signals)?;
    let mut running = Server::start(config).await.map_err(Failure::told)?;
    let lost = tokio::select! {
        _ = terminate.recv() => None,
        _ = interrupt.recv() => None,
        worker = running.worker_lost() => Some(worker),
    };
    running.stop().await;
    match lost {
        None => Ok(ExitCode::SUCCESS),
        Some(worker) => {
            Err(Failure::new(format!("worker {worker} ended by itself"), "report it with the log, and start again"))
        }
    }
}
