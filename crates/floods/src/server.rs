//! The server under attack: the program itself, with its defaults, in a folder of its own.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use certificates::{Identity, ServedIdentity};
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustls_pki_types::UnixTime;

use crate::memory;

/// Killed when dropped.
pub struct Server {
    folder: tempfile::TempDir,
    program: PathBuf,
    child: Child,
    authority: Authority,
    pub doors: Doors,
}

/// Which all here trust.
type Authority = Issuer<'static, KeyPair>;

/// Where it listens, and with what a partner of it proves itself.
#[derive(Clone)]
pub struct Doors {
    pub tls: u16,
    /// TCP and UDP.
    pub plain: u16,
    pub web_socket: u16,
    pub partner: Arc<ServedIdentity>,
    /// Of another partner.
    pub loud_partner: Arc<ServedIdentity>,
    /// Of an honest partner without an entry, where those are let in.
    pub discovered: Option<Arc<ServedIdentity>>,
}

impl Server {
    /// Starts it and waits until it is ready; the users are there, each with [`PASSWORD`].
    ///
    /// # Errors
    /// When it does not start within a minute; with its log.
    pub fn start(users: &[&str]) -> anyhow::Result<Server> {
        Server::start_with(users, false)
    }

    /// The same, and partners without an entry are let in.
    ///
    /// # Errors
    /// As of [`Server::start`].
    pub fn start_open(users: &[&str]) -> anyhow::Result<Server> {
        Server::start_with(users, true)
    }

    fn start_with(users: &[&str], discovery: bool) -> anyhow::Result<Server> {
        let folder = tempfile::tempdir()?;
        let program = std::env::current_exe()?.with_file_name("comity");
        ensure!(program.exists(), "there is no {}; build it first: cargo build -p comity", program.display());
        let [tls, plain, web_socket] = free_ports()?;
        fs::write(folder.path().join("comity.toml"), configuration(tls, plain, web_socket, discovery))?;
        let authority = authority(folder.path())?;
        certify(folder.path(), &authority, &[&format!("sip.{DOMAIN}"), DOMAIN], "server")?;
        let partner = certify(folder.path(), &authority, &[&format!("edge.{PARTNER}"), PARTNER], "partner")?;
        let loud_partner =
            certify(folder.path(), &authority, &[&format!("edge.{LOUD_PARTNER}"), LOUD_PARTNER], "loud-partner")?;
        let discovered = match discovery {
            true => Some(certify(folder.path(), &authority, &[DISCOVERED], "discovered")?),
            false => None,
        };
        let child = Command::new(&program)
            .arg("serve")
            .current_dir(folder.path())
            .env_remove("COMITY_CONFIG")
            .stdout(Stdio::null())
            .stderr(File::create(folder.path().join("log"))?)
            .spawn()?;
        let doors = Doors { tls, plain, web_socket, partner, loud_partner, discovered };
        let server = Server { folder, program, child, authority, doors };
        server.wait_until_ready()?;
        for user in users {
            server.run(&["user", "add", user, "--password-stdin"], &format!("{PASSWORD}\n"))?;
        }
        for partner in [PARTNER, LOUD_PARTNER] {
            server.run(&["partner", "add", partner, "--edge", &format!("edge.{partner}")], "")?;
        }
        Ok(server)
    }

    /// A certificate for a domain, with which its edge proves itself.
    pub fn certify(&self, domain: &str) -> anyhow::Result<Arc<ServedIdentity>> {
        certify(self.folder.path(), &self.authority, &[domain], domain)
    }

    /// A metric without labels.
    pub fn metric(&self, name: &str) -> anyhow::Result<u64> {
        let text = self.run(&["metrics"], "")?;
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        Ok(line.with_context(|| format!("there is no {name}"))?.parse()?)
    }

    fn wait_until_ready(&self) -> anyhow::Result<()> {
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.run(&["status"], "").is_err() {
            ensure!(Instant::now() < deadline, "the server does not become ready:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    /// Runs a command of the program in the folder; answers what it prints.
    pub fn run(&self, arguments: &[&str], input: &str) -> anyhow::Result<String> {
        let mut child = Command::new(&self.program)
            .args(arguments)
            .current_dir(self.folder.path())
            .env_remove("COMITY_CONFIG")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        // A command that wants no input may have ended before it is written.
        let _ = child.stdin.take().context("no standard input")?.write_all(input.as_bytes());
        let output = child.wait_with_output()?;
        if !output.status.success() {
            bail!("comity {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// How often each limit was met since the start.
    pub fn limits_met(&self) -> anyhow::Result<BTreeMap<String, u64>> {
        let text =
            self.run(&["metrics"], "").with_context(|| format!("the server does not answer:\n{}", self.log()))?;
        let hits = text.lines().filter_map(|line| line.strip_prefix("comity_limit_hits_total{limit=\""));
        Ok(hits
            .filter_map(|rest| rest.split_once("\"} "))
            .map(|(limit, count)| (limit.to_owned(), count.parse().unwrap_or(0)))
            .collect())
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its resident memory in bytes; an error when it is no longer there.
    pub fn memory(&self) -> anyhow::Result<u64> {
        memory::resident(self.pid()).with_context(|| format!("the server has ended:\n{}", self.log()))
    }

    /// The end of its log.
    pub fn log(&self) -> String {
        let text = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        let mut last: Vec<&str> = text.lines().rev().take(30).collect();
        last.reverse();
        last.join("\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn configuration(tls: u16, plain: u16, web_socket: u16, discovery: bool) -> String {
    let mut text = format!("domains = [\"{DOMAIN}\"]\nedge = \"sip.{DOMAIN}\"\nworkers = 2\n");
    text.push_str("[certificate]\nchain = \"server.pem\"\nkey = \"server.key\"\nroots = \"ca.pem\"\n[listen]\n");
    for (kind, port) in [("tls", tls), ("tcp", plain), ("udp", plain), ("ws", web_socket)] {
        let _ = writeln!(text, "{kind} = [\"127.0.0.1:{port}\"]");
    }
    let _ = writeln!(text, "[federation]\ndiscovery = {discovery}");
    // Nobody answers there.
    text.push_str("[dns]\nservers = [\"127.0.0.1:9\"]\n");
    text
}

fn authority(folder: &Path) -> anyhow::Result<Authority> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate()?;
    fs::write(folder.join("ca.pem"), params.self_signed(&key)?.pem())?;
    Ok(Issuer::new(params, key))
}

/// A certificate with these names, in files of this name.
fn certify(folder: &Path, authority: &Authority, names: &[&str], file: &str) -> anyhow::Result<Arc<ServedIdentity>> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())?;
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let [chain, private] = ["pem", "key"].map(|kind| folder.join(format!("{file}.{kind}")));
    fs::write(&chain, params.signed_by(&key, authority)?.pem())?;
    fs::write(&private, key.serialize_pem())?;
    Ok(ServedIdentity::new(&Identity::load(&chain, &private, UnixTime::now())?)?)
}

/// All held before the first is let go: the system may give a port that is free again to the next who asks.
fn free_ports<const N: usize>() -> anyhow::Result<[u16; N]> {
    let mut held = Vec::new();
    for _ in 0..N {
        held.push(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?);
    }
    let mut ports = [0; N];
    for (port, listener) in ports.iter_mut().zip(&held) {
        *port = listener.local_addr()?.port();
    }
    Ok(ports)
}

pub const DOMAIN: &str = "contoso.example";
pub const PARTNER: &str = "fabrikam.example";
/// Another one, which floods.
pub const LOUD_PARTNER: &str = "litware.example";
/// Honest, and without an entry.
pub const DISCOVERED: &str = "adatum.example";
pub const PASSWORD: &str = "correct horse";
