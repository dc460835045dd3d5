//! One organisation: what it is called, what its certificate says, whom it federates with, and its running server.
//!
//! Everything is done with the commands that an administrator would type.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use super::addresses::Place;
use super::phone::{Account, random_word};
use super::pki::CertificateNames;
use super::zones::Zone;

/// The parts that do not change from run to run.
#[derive(Debug)]
pub struct Definition {
    pub domain: &'static str,
    pub edge: &'static str,
    pub names: CertificateNames,
    /// What phones expect in the certificate.
    pub phone_name: &'static str,
    pub discovery: bool,
    pub users: &'static [&'static str],
    pub partners: &'static [Entry],
}

/// A partner entry.
#[derive(Copy, Clone, Debug)]
pub enum Entry {
    /// One of the other organisations, with its edge.
    Pinned(&'static str),
    /// Its edge is found by DNS.
    Allowed(&'static str),
    Blocked(&'static str),
}

/// An organisation of this run.
#[derive(Debug)]
pub struct Organisation {
    pub definition: &'static Definition,
    pub place: Place,
    /// Certificate, configuration, store and log.
    pub folder: PathBuf,
    pub accounts: Vec<Account>,
    program: PathBuf,
}

impl Organisation {
    /// Makes the passwords; nothing is written or started.
    pub fn new(definition: &'static Definition, place: Place, folder: &Path, program: &Path) -> Organisation {
        let account = |user: &&str| Account { aor: format!("{user}@{}", definition.domain), password: random_word() };
        Organisation {
            definition,
            place,
            folder: folder.join(definition.domain),
            accounts: definition.users.iter().map(account).collect(),
            program: program.to_owned(),
        }
    }

    pub fn config_file(&self) -> PathBuf {
        self.folder.join("comity.toml")
    }

    pub fn log_file(&self) -> PathBuf {
        self.folder.join("server.log")
    }

    pub fn account(&self, user: &str) -> &Account {
        let named = |account: &&Account| account.aor.split('@').next() == Some(user);
        self.accounts.iter().find(named).expect("the definitions name every user that is asked for")
    }

    /// As a partner entry names it.
    pub fn edge(&self) -> String {
        format!("{}:{}", self.definition.edge, self.place.tls.port())
    }

    pub fn zone(&self) -> Zone {
        let Definition { domain, edge, .. } = self.definition;
        let address = self.place.tls.ip();
        let hosts = BTreeMap::from([(*domain, address), (*edge, address)]);
        Zone { domain, hosts, edge: Some((edge, self.place.tls.port())) }
    }

    /// What an administrator would write.
    pub fn configuration(&self, dns: SocketAddr, workers: u16, digest: &[String]) -> String {
        let Definition { domain, edge, discovery, .. } = self.definition;
        let Place { tls, plain, wss, ws, media: (first, last) } = self.place;
        format!(
            "domains = [\"{domain}\"]\nedge = \"{edge}\"\ndata = \"data\"\nworkers = {workers}\n\
             drain_secs_max = 1\n\n\
             [certificate]\nchain = \"certificate.pem\"\nkey = \"certificate.key\"\nroots = \"../ca.pem\"\n\n\
             [listen]\ntls = [\"{tls}\"]\ntcp = [\"{plain}\"]\nudp = [\"{plain}\"]\nwss = [\"{wss}\"]\nws = [\"{ws}\"]\n\n\
             [media]\nports = \"{first}-{last}\"\n\n\
             [federation]\nenabled = true\ndiscovery = {discovery}\n\n\
             [dns]\nservers = [\"{dns}\"]\n\n[users]\ndigest = {digest:?}\n"
        )
    }

    /// Waits until the server takes commands; `is_running` says whether there is still something to wait for.
    pub fn wait_until_ready(&self, is_running: impl Fn() -> bool) -> anyhow::Result<()> {
        let deadline = Instant::now() + READY_WITHIN;
        while UnixStream::connect(self.folder.join("data/control.sock")).is_err() {
            if !is_running() || Instant::now() > deadline {
                bail!("the server of {} did not start; its log ends with:\n{}", self.definition.domain, self.log_end());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Adds the users and the partner entries; `edge_of` says where another organisation's edge is.
    pub fn furnish(&self, edge_of: impl Fn(&str) -> String) -> anyhow::Result<()> {
        for Account { aor, password } in &self.accounts {
            self.comity(&["user", "add", aor, "--password-stdin"], password)?;
        }
        for entry in self.definition.partners {
            match *entry {
                Entry::Pinned(domain) => self.partner(&["add", domain, "--edge", &edge_of(domain)])?,
                Entry::Allowed(domain) => self.partner(&["add", domain])?,
                Entry::Blocked(domain) => self.partner(&["block", domain, "--comment", "spam"])?,
            };
        }
        Ok(())
    }

    /// `comity partner ...`
    pub fn partner(&self, arguments: &[&str]) -> anyhow::Result<String> {
        self.comity(&[&["partner"], arguments].concat(), "")
    }

    /// `comity ...` for this organisation; answers what it prints.
    ///
    /// # Errors
    /// With what it printed, when it failed.
    pub fn comity(&self, arguments: &[&str], input: &str) -> anyhow::Result<String> {
        let mut child = Command::new(&self.program)
            .arg("--config")
            .arg(self.config_file())
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut stdin = child.stdin.take().expect("it is piped");
        // A command that does not read closes its end.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        let output = child.wait_with_output()?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if !output.status.success() {
            bail!("comity {}: {}", arguments.join(" "), text(&output.stderr));
        }
        Ok(text(&output.stdout))
    }

    /// The same with `--json`, read back.
    pub fn comity_json(&self, arguments: &[&str]) -> anyhow::Result<serde_json::Value> {
        let text = self.comity(&[&["--json"], arguments].concat(), "")?;
        serde_json::from_str(&text).with_context(|| format!("comity {} --json printed: {text}", arguments.join(" ")))
    }

    /// `comity --json route ...`, which fails where no way holds, and says all the same why.
    pub fn walk(&self, domain: &str) -> anyhow::Result<serde_json::Value> {
        let mut command = Command::new(&self.program);
        let output = command.arg("--config").arg(self.config_file()).args(["--json", "route", domain]).output()?;
        let told = || format!("comity route {domain}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).with_context(told)
    }

    fn log_end(&self) -> String {
        let log = fs::read_to_string(self.log_file()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
    }
}

/// Three ways to be trusted: by the domain, by a pinned edge, by DNS.
pub const ORGANISATIONS: [Definition; 3] = [
    Definition {
        domain: "contoso.example",
        edge: "sip.contoso.example",
        names: CertificateNames { dns: &["sip.contoso.example", "contoso.example"], uris: &["sip:contoso.example"] },
        phone_name: "contoso.example",
        discovery: true,
        users: &["alice", "dave"],
        partners: &[Entry::Pinned("fabrikam.example"), Entry::Blocked("northwind.example")],
    },
    Definition {
        domain: "fabrikam.example",
        edge: "edge.fabrikam.example",
        names: CertificateNames { dns: &["edge.fabrikam.example", "fabrikam.example"], uris: &[] },
        phone_name: "fabrikam.example",
        discovery: false,
        users: &["bob", "erin"],
        partners: &[Entry::Allowed("contoso.example")],
    },
    Definition {
        domain: "litware.example",
        edge: "sip.litware.example",
        names: CertificateNames { dns: &["sip.litware.example"], uris: &[] },
        phone_name: "sip.litware.example",
        discovery: false,
        users: &["carol"],
        partners: &[Entry::Allowed("contoso.example")],
    },
];

const READY_WITHIN: Duration = Duration::from_secs(10);
const LOG_LINES: usize = 10;
