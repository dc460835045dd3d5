//! What every server is given: who it is, how many partners it has, what is behind it, and on which cores it runs.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use serde::Serialize;

use crate::certificate;
use crate::load::Door;

/// One job of one server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Scene {
    pub job: Job,
    /// In the list of partners, one of them [`PARTNER`].
    pub partners: usize,
    pub workers: usize,
    /// What is behind an edge.
    #[serde(skip)]
    pub inside: SocketAddr,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Job {
    /// Before another server; partners come by mutual TLS.
    Edge,
    /// Users sign in over TLS: so many, `user0` and so on, with [`PASSWORD`].
    Registrar { users: usize },
}

/// A server that runs. Killed when dropped, with all that it started.
pub struct Running {
    folder: tempfile::TempDir,
    child: Child,
    pub tls: SocketAddr,
    plain: SocketAddr,
    /// From the start of the process until it takes connections.
    pub ready_after: Duration,
    partner: Arc<ClientConfig>,
    phone: Arc<ClientConfig>,
}

/// A place for a server: its folder, with certificates, and its ports.
pub struct Place {
    pub folder: tempfile::TempDir,
    pub tls: SocketAddr,
    pub plain: SocketAddr,
}

impl Place {
    /// # Errors
    /// When there is no room.
    pub fn prepare() -> anyhow::Result<Place> {
        let folder = tempfile::tempdir()?;
        certificate::write_all(folder.path())?;
        let held = [0, 1].map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)));
        let [tls, plain] = held;
        let (tls, plain) = (tls?, plain?);
        Ok(Place { folder, tls: tls.local_addr()?, plain: plain.local_addr()? })
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts a program there on the cores given, and waits until it takes connections.
    ///
    /// # Errors
    /// When it does not within a minute; with its log.
    pub fn start(self, program: &Path, arguments: &[&str], cores: &str) -> anyhow::Result<Running> {
        let begun = Instant::now();
        let child = Command::new("taskset")
            .args(["-c", cores])
            .arg(program)
            .args(arguments)
            .current_dir(self.folder.path())
            .env_remove("COMITY_CONFIG")
            .stdout(Stdio::null())
            .stderr(File::create(self.path("log"))?)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let path = |name| self.folder.path().join(name);
        let partner = certificate::client_config(Some((&path("partner.pem"), &path("partner.key"))))?;
        let phone = certificate::client_config(None)?;
        let Place { folder, tls, plain } = self;
        let mut running = Running { folder, child, tls, plain, ready_after: Duration::ZERO, partner, phone };
        running.wait_until_ready(begun)?;
        Ok(running)
    }
}

impl Running {
    fn wait_until_ready(&mut self, begun: Instant) -> anyhow::Result<()> {
        while TcpStream::connect(self.tls).is_err() {
            let ended = self.child.try_wait()?;
            ensure!(ended.is_none() && begun.elapsed() < READY_WITHIN, "it does not become ready:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
        self.ready_after = begun.elapsed();
        Ok(())
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// As the partner's edge.
    pub fn partner_door(&self) -> Door {
        Door::Tls(self.tls, self.partner.clone(), server_name())
    }

    /// As a phone.
    pub fn phone_door(&self) -> Door {
        Door::Tls(self.tls, self.phone.clone(), server_name())
    }

    /// As a phone that has no connection.
    pub fn datagram_door(&self) -> Door {
        Door::Udp(self.plain)
    }

    /// The end of its log.
    pub fn log(&self) -> String {
        let text = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        let mut last: Vec<&str> = text.lines().rev().take(20).collect();
        last.reverse();
        last.join("\n")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let members = crate::usage::members(self.child.id());
        for pid in members.into_iter().rev() {
            if let Ok(pid) = i32::try_from(pid) {
                let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL);
            }
        }
        let _ = self.child.wait();
    }
}

/// The partners' domains, the one that asks among them.
pub fn partners(count: usize) -> impl Iterator<Item = String> {
    std::iter::once(PARTNER.to_owned()).chain((1..count).map(|number| format!("partner{number}.example")))
}

fn server_name() -> ServerName<'static> {
    ServerName::try_from(EDGE).expect("a DNS name")
}

pub const DOMAIN: &str = "contoso.example";
pub const EDGE: &str = "sip.contoso.example";
pub const PARTNER: &str = "fabrikam.example";
pub const PASSWORD: &str = "correct horse";
const READY_WITHIN: Duration = Duration::from_secs(60);
