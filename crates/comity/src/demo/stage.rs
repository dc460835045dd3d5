//! What has to be cleared away, however the demo ends: the servers' processes and the folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;

/// Shared by the main thread and the one that hears signals.
#[derive(Clone, Default)]
pub struct Stage {
    props: Arc<Mutex<Props>>,
}

#[derive(Default)]
struct Props {
    servers: Vec<(String, Child)>,
    folder: Option<PathBuf>,
    /// Set when it was cleared: whoever comes later starts nothing any more.
    cleared: bool,
}

/// Clears the stage when the main thread leaves, also by a panic.
pub struct ClearOnDrop(pub Stage);

impl Drop for ClearOnDrop {
    fn drop(&mut self) {
        // Told already where it was asked for.
        let _ = self.0.clear();
    }
}

impl Stage {
    /// From now on this folder is removed at the end.
    pub fn remove_at_end(&self, folder: &Path) {
        self.props().folder = Some(folder.to_owned());
    }

    /// Starts a server that ends with the demo. To be called on the main thread: where the machine can do it, the
    /// kernel ends the server when the thread that started it is gone, so that even a killed demo leaves none.
    pub fn start(&self, name: &str, program: &Path, arguments: &[&str], log: fs::File) -> anyhow::Result<()> {
        let mut props = self.props();
        anyhow::ensure!(!props.cleared, "the demo is ending");
        let mut command = if Path::new(SETPRIV).exists() {
            let mut command = Command::new(SETPRIV);
            command.args(["--pdeathsig", "TERM"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        // Out of the terminal's group: Ctrl-C is ours to pass on.
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let child = command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
        props.servers.push((name.to_owned(), child));
        Ok(())
    }

    /// The first server that ended without being asked, and how.
    pub fn ended(&self) -> Option<(String, ExitStatus)> {
        let mut props = self.props();
        props.servers.iter_mut().find_map(|(name, child)| Some((name.clone(), child.try_wait().ok()??)))
    }

    /// Asks all servers to end, kills those that do not, then removes the folder. Safe to call again.
    ///
    /// # Errors
    /// When a server had to be killed or ended with a failure; everything is cleared then, too.
    pub fn clear(&self) -> anyhow::Result<()> {
        let mut props = self.props();
        props.cleared = true;
        let outcome = end_servers(std::mem::take(&mut props.servers));
        if let Some(folder) = props.folder.take() {
            fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
        }
        outcome
    }

    fn props(&self) -> MutexGuard<'_, Props> {
        self.props.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn end_servers(servers: Vec<(String, Child)>) -> anyhow::Result<()> {
    if servers.is_empty() {
        return Ok(());
    }
    let pids = servers.iter().map(|(_, child)| child.id().to_string());
    // The standard library can only kill; every shell can ask.
    let asked = Command::new("sh").args(["-c", "kill -TERM \"$@\"", "sh"]).args(pids).stderr(Stdio::null()).status();
    let deadline = Instant::now() + if asked.is_ok() { END_WITHIN } else { Duration::ZERO };
    let mut failures = Vec::new();
    for (name, mut child) in servers {
        match wait_until(&mut child, deadline) {
            Some(status) if status.success() => {}
            Some(status) => failures.push(format!("{name} ended with {status}")),
            None => {
                failures.push(format!("{name} did not end within {} s and was killed", END_WITHIN.as_secs()));
                // It may have ended just now.
                let _ = child.kill();
                let _ = child.wait();
            }
        }
    }
    anyhow::ensure!(failures.is_empty(), "{}", failures.join("; "));
    Ok(())
}

fn wait_until(child: &mut Child, deadline: Instant) -> Option<ExitStatus> {
    loop {
        if let Ok(Some(status)) = child.try_wait() {
            return Some(status);
        }
        if Instant::now() >= deadline {
            return None;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

const SETPRIV: &str = "/usr/bin/setpriv";
const END_WITHIN: Duration = Duration::from_secs(5);
