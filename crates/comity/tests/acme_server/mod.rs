//! A private authority that speaks ACME (Debian's pebble), and the name server that it asks (Debian's knot), which takes
//! signed updates for contoso.example. Both end with the test.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::place::{Authority, Place};
use crate::served::free_ports;

/// Ended when dropped.
pub struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub struct AcmeServer {
    folder: PathBuf,
    port: u16,
    management: u16,
    /// Where it comes to look at challenges.
    pub http_port: u16,
    pub tls_port: u16,
    /// For phones: free, and nothing of the authority.
    pub tcp_port: u16,
    pub dns: SocketAddr,
    life_secs: u32,
    /// Vouches for the authority's own server, and for partners.
    pub authority: Authority,
    pebble: Option<Program>,
    _knot: Program,
}

impl AcmeServer {
    /// In the folder of a place, whose authority vouches for it. What it issues lives for this long.
    pub fn start(place: &Place, life_secs: u32) -> AcmeServer {
        let folder = place.path().to_owned();
        let authority = place.certify(&["unused.example"]);
        authority.issue(&["127.0.0.1"], &folder.join("pebble.pem"), &folder.join("pebble.key"));
        let [port, management, http_port, tls_port, tcp_port, dns] = free_ports();
        let dns = SocketAddr::from((Ipv4Addr::LOCALHOST, dns));
        let knot = start_knot(&folder, dns);
        let pebble = None;
        let mut server = AcmeServer {
            folder,
            port,
            management,
            http_port,
            tls_port,
            tcp_port,
            dns,
            life_secs,
            authority,
            pebble,
            _knot: knot,
        };
        server.come_back();
        server
    }

    pub fn directory(&self) -> String {
        format!("https://127.0.0.1:{}/dir", self.port)
    }

    pub fn go_away(&mut self) {
        self.pebble = None;
    }

    /// Without its accounts, orders and root: it keeps nothing.
    pub fn come_back(&mut self) {
        self.come_back_looking_at(self.http_port);
    }

    /// It comes to this port for HTTP-01.
    pub fn come_back_looking_at(&mut self, http_port: u16) {
        let AcmeServer { port, management, tls_port, life_secs, .. } = self;
        let settings = serde_json::json!({ "pebble": {
            "listenAddress": format!("127.0.0.1:{port}"),
            "managementListenAddress": format!("127.0.0.1:{management}"),
            "certificate": "pebble.pem",
            "privateKey": "pebble.key",
            "httpPort": http_port,
            "tlsPort": tls_port,
            "certificateValidityPeriod": life_secs,
        }});
        std::fs::write(self.folder.join("pebble.json"), settings.to_string()).unwrap();
        let mut command = Command::new("pebble");
        command.args(["-strict", "-config", "pebble.json", "-dnsserver", &self.dns.to_string()]);
        // One nonce in twenty is refused, as RFC 8555 section 6.5 lets a server do at any time.
        command.env("PEBBLE_VA_NOSLEEP", "1").env("PEBBLE_WFE_NONCEREJECT", "5");
        self.pebble = Some(start(command, &self.folder, "pebble.log"));
        expect_listening(SocketAddr::from((Ipv4Addr::LOCALHOST, self.port)), &self.folder.join("pebble.log"));
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("pebble.log")).unwrap_or_default()
    }
}

fn start_knot(folder: &Path, address: SocketAddr) -> Program {
    std::fs::create_dir(folder.join("knot")).unwrap();
    let settings = format!(
        "server:\n  listen: 127.0.0.1@{port}\n  rundir: {folder}/knot\ndatabase:\n  storage: {folder}/knot\n\
         log:\n  - target: stderr\n    any: info\n\
         key:\n  - id: {KEY_NAME}\n    algorithm: hmac-sha256\n    secret: {KEY_SECRET}\n\
         acl:\n  - id: updates\n    key: {KEY_NAME}\n    action: update\n\
         zone:\n  - domain: contoso.example\n    storage: {folder}/knot\n    file: contoso.zone\n    acl: updates\n",
        port = address.port(),
        folder = folder.display(),
    );
    let zone = "$ORIGIN contoso.example.\n$TTL 1\n@ SOA ns hostmaster 1 3600 600 86400 1\n@ NS ns\nns A 127.0.0.1\n\
        @ A 127.0.0.1\nsip A 127.0.0.1\n";
    std::fs::write(folder.join("knot.conf"), settings).unwrap();
    std::fs::write(folder.join("knot/contoso.zone"), zone).unwrap();
    let mut command = Command::new("/usr/sbin/knotd");
    command.args(["-c", "knot.conf"]);
    let knot = start(command, folder, "knot.log");
    expect_listening(address, &folder.join("knot.log"));
    knot
}

fn start(mut command: Command, folder: &Path, log: &str) -> Program {
    let log = std::fs::File::create(folder.join(log)).unwrap();
    let started = command.current_dir(folder).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn();
    Program(started.unwrap_or_else(|error| panic!("{command:?}: {error}; ./test acme installs it")))
}

fn expect_listening(address: SocketAddr, log: &Path) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while TcpStream::connect(address).is_err() {
        assert!(Instant::now() < deadline, "nobody listens; {}", std::fs::read_to_string(log).unwrap_or_default());
        std::thread::sleep(Duration::from_millis(50));
    }
}

pub const KEY_NAME: &str = "comity.contoso.example";
pub const KEY_SECRET: &str = "c2VjcmV0IG9mIGEgdGVzdCwgbm90IG9mIGEgc2VydmVy";
