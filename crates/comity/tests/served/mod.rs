//! A server of one test, in a folder of its own.

use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::place::{Answer, Authority, Place};

/// Killed when dropped.
pub struct Served {
    pub place: Place,
    pub authority: Authority,
    pub server: Child,
    pub tls_port: u16,
    pub tcp_port: u16,
}

impl Served {
    pub fn start() -> Served {
        Served::start_with("", "127.0.0.1:9")
    }

    /// With these lines at the top of the configuration, and this name server.
    pub fn start_with(lines: &str, dns: &str) -> Served {
        Served::start_as(lines, "", dns)
    }

    /// With these lines under `[listen]`.
    pub fn start_listening(listen: &str) -> Served {
        Served::start_as("", listen, "127.0.0.1:9")
    }

    fn start_as(lines: &str, listen: &str, dns: &str) -> Served {
        Served::spawn(lines, listen, dns, &[]).when_ready()
    }

    pub fn when_ready(mut self) -> Served {
        self.wait_until("the server is ready", |served| served.place.run(&["status"]).code == Some(0));
        self
    }

    /// Without waiting for it, and with these variables in its environment.
    pub fn spawn(lines: &str, listen: &str, dns: &str, environment: &[(&str, &str)]) -> Served {
        let [tls_port, tcp_port] = free_ports();
        let place = Place::new(&format!(
            "tls = [\"127.0.0.1:{tls_port}\"]\ntcp = [\"127.0.0.1:{tcp_port}\"]\nudp = [\"127.0.0.1:{tcp_port}\"]\n{listen}"
        ));
        let file = place.path().join("comity.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        let text = if lines.contains("workers = ") { text.replace("workers = 2\n", "") } else { text };
        std::fs::write(&file, format!("{lines}\n{}", text.replace("127.0.0.1:9", dns))).unwrap();
        let authority = place.certify(&["sip.contoso.example", "contoso.example"]);
        let log = std::fs::File::create(place.path().join("log")).unwrap();
        let server = place
            .command(&["serve"])
            .envs(environment.iter().copied())
            .stderr(log)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Served { place, authority, server, tls_port, tcp_port }
    }

    /// Killed, and started with these lines at the end of its configuration.
    pub fn killed_and_started_with(&mut self, lines: &str) {
        self.server.kill().unwrap();
        self.server.wait().unwrap();
        let file = self.place.path().join("comity.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, format!("{text}\n{lines}")).unwrap();
        let log = std::fs::File::create(self.place.path().join("log")).unwrap();
        self.server = self.place.command(&["serve"]).stderr(log).stdout(Stdio::null()).spawn().unwrap();
        self.wait_until("the server is ready again", |served| served.place.run(&["status"]).code == Some(0));
    }

    /// A meeting of two hours about the budget that is open now, as the command answers it.
    pub fn schedule(&self, organiser: &str, more: &[&str]) -> serde_json::Value {
        let soon = Command::new("date").args(["-u", "-d", "5 minutes", "+%Y-%m-%d %H:%M"]).output().unwrap();
        let soon = String::from_utf8(soon.stdout).unwrap();
        let what = ["meeting", "create", "--organiser", organiser, "--subject", "Budget", "--json"];
        let when = ["--at", soon.trim(), "--zone", "UTC", "--for", "2h"];
        let mut made = self.run(&[&what[..], &when[..], more].concat()).ok().json();
        made["meeting"].take()
    }

    pub fn wait_until(&mut self, what: &str, mut condition: impl FnMut(&mut Served) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !condition(self) {
            assert!(Instant::now() < deadline, "waited too long until {what}; log:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub fn run(&self, arguments: &[&str]) -> Answer {
        let answer = self.place.run(arguments);
        assert!(!answer.stderr.contains("no server is running"), "{}", answer.stderr);
        answer
    }

    pub fn signal(&mut self, name: &str) {
        let id = self.server.id().to_string();
        assert!(std::process::Command::new("kill").args([name, &id]).status().unwrap().success());
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.place.path().join("log")).unwrap()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// Below the ports that the system gives to whoever asks for any: one of those may be another test's before a server has it.
pub fn free_ports<const N: usize>() -> [u16; N] {
    static ASKED: AtomicU32 = AtomicU32::new(0);
    let first = std::process::id().wrapping_mul(61);
    let next = || 10_000 + (first.wrapping_add(ASKED.fetch_add(1, Ordering::Relaxed)) % 9_000) as u16;
    let is_free = |port: &u16| {
        let address = (Ipv4Addr::LOCALHOST, *port);
        TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok()
    };
    [(); N].map(|()| std::iter::repeat_with(next).take(9_000).find(is_free).expect("a free port"))
}
