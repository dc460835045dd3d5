//! `comity serve`

use std::process::ExitCode;

use server::{Server, StartError, Supervision};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::Global;
use crate::configuration;
use crate::failure::Failure;

pub const EXAMPLES: &str = "\
Examples:
  comity serve
  comity serve --config /etc/comity/comity.toml
  COMITY_LOG=debug comity serve            more in the log, which goes to standard error

COMITY_LOG is error, warn, info, debug or trace [default: info], or names parts: info,net=debug.
With info,wire=trace in it, every message is shown, with all that it says of people.
The first SIGTERM or Ctrl-C lets what is under way finish (drain_secs_max); the second does not wait.";

/// Serves until a signal ends it: the first lets what is under way finish, the second does not wait for it.
pub async fn run(global: &Global) -> Result<ExitCode, Failure> {
    let config = configuration::load(global.config_file())?;
    server::logging::start();
    let no_signals = |error: std::io::Error| Failure::told(format!("cannot listen for signals: {error}"));
    let mut signals = EndSignals::new().map_err(no_signals)?;
    let mut running = Server::start(config).await.map_err(not_started)?;
    let supervision = Supervision::ready(&running);
    let lost = tokio::select! {
        () = signals.next() => None,
        thread = running.thread_lost() => Some(thread),
    };
    supervision.stopping(&running);
    if lost.is_none() {
        tokio::select! {
            () = running.drain() => {}
            () = signals.next() => {}
        }
    }
    tokio::select! {
        () = running.stop() => {}
        () = signals.next() => {}
    }
    match lost {
        None => Ok(ExitCode::SUCCESS),
        Some(thread) => {
            Err(Failure::new(format!("{thread} ended by itself"), "report it with the log, and start again"))
        }
    }
}

/// The store's errors leave it to others to say what to do.
fn not_started(error: StartError) -> Failure {
    match error {
        StartError::Store(error) => error.into(),
        other => Failure::told(other),
    }
}

/// SIGTERM and SIGINT: of a service manager, and of a terminal.
struct EndSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl EndSignals {
    fn new() -> std::io::Result<EndSignals> {
        Ok(EndSignals { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
