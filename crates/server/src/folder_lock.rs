//! The lock of a data folder: one process at a time works in it, a server or a command while none runs. The file says which,
//! for whoever finds it locked.

use std::fs::{File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::time::{Duration, Instant};

use crate::config::Config;
use crate::folders;
use crate::start_error::StartError;

/// Held until it is dropped, or its process ends in whichever way.
#[derive(Debug)]
pub struct FolderLock {
    _file: File,
}

/// Who holds the lock of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockHolder {
    /// As it was typed: `comity serve`, `comity partner`.
    pub command: String,
    pub process: u32,
}

impl FolderLock {
    /// Takes the data folder, made where it is absent, for this process alone; `command`: what it was called as.
    ///
    /// # Errors
    /// [`StartError::FolderInUse`], and where the folder cannot be written.
    pub fn take(config: &Config, command: &str) -> Result<FolderLock, StartError> {
        folders::create(&config.data, PRIVATE)
            .map_err(|source| StartError::Folder { path: config.data.clone(), source })?;
        let path = config.lock_path();
        let failed = |source| StartError::Lock { path: path.clone(), source };
        let opened = File::options().read(true).write(true).create(true).truncate(false).mode(PRIVATE_FILE).open(&path);
        let mut file = opened.map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(StartError::FolderInUse { path: config.data.clone(), holder: LockHolder::read(&mut file) });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        let holder = LockHolder { command: command.to_owned(), process: std::process::id() };
        holder.write(&mut file).map_err(failed)?;
        Ok(FolderLock { _file: file })
    }

    /// The same, once a command that works in the folder is done: most take less than a second.
    ///
    /// # Errors
    /// As [`FolderLock::take`]; at once where a server holds it.
    pub async fn wait(config: &Config, command: &str) -> Result<FolderLock, StartError> {
        let deadline = Instant::now() + COMMAND_TIME_MAX;
        loop {
            match FolderLock::take(config, command) {
                Err(StartError::FolderInUse { holder, .. }) if !holder.is_server() && Instant::now() < deadline => {
                    tokio::time::sleep(PAUSE).await;
                }
                taken => return taken,
            }
        }
    }
}

impl LockHolder {
    /// Whether it is a server, and no command that will soon be done.
    pub fn is_server(&self) -> bool {
        self.command == SERVER
    }

    fn write(&self, file: &mut File) -> io::Result<()> {
        file.set_len(0)?;
        file.write_all(format!("{} {}\n", self.process, self.command).as_bytes())
    }

    /// Of a lock that another process holds. It writes who it is just after it has taken it.
    fn read(file: &mut File) -> LockHolder {
        let mut text = String::new();
        let is_read = file.rewind().and_then(|()| file.read_to_string(&mut text)).is_ok();
        let read = text.trim_end().split_once(' ').filter(|_| is_read);
        let read = read.and_then(|(process, command)| Some((process.parse().ok()?, command.to_owned())));
        let (process, command) = read.unwrap_or((0, "another process".to_owned()));
        LockHolder { command, process }
    }
}

impl std::fmt::Display for LockHolder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.process {
            0 => f.write_str(&self.command),
            process => write!(f, "{} (process {process})", self.command),
        }
    }
}

/// The folder of the store and the control socket is for the server's user alone.
pub(crate) const PRIVATE: u32 = 0o700;
const PRIVATE_FILE: u32 = 0o600;

/// How a server calls itself.
pub const SERVER: &str = "comity serve";

/// Longer than a command takes that enters many partners.
const COMMAND_TIME_MAX: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(50);
