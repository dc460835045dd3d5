//! An edge and its home as two processes, on addresses of their own.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::partner;
use crate::phone::Phone;
use crate::place::{Answer, Authority, Place};
use crate::served::free_ports;
use certificates::ServedIdentity;
use sip::Message;

/// One of the two; killed when dropped.
pub struct Side {
    pub place: Place,
    server: Option<Child>,
}

impl Side {
    /// With a certificate for the outer side, and one for the inner side that names this.
    pub fn new(configuration: &str, authority: &Authority, inner_name: &str) -> Side {
        let place = Place::new("");
        std::fs::write(place.path().join("comity.toml"), configuration).unwrap();
        std::fs::write(place.path().join("ca.pem"), authority.pem()).unwrap();
        let file = |name: &str| place.path().join(name);
        authority.issue(&["sip.contoso.example", "contoso.example"], &file("contoso.pem"), &file("contoso.key"));
        authority.issue(&[inner_name], &file("inside.pem"), &file("inside.key"));
        Side { place, server: None }
    }

    /// Serves when this returns.
    pub fn start(&mut self) {
        let log = std::fs::File::options().append(true).create(true).open(self.place.path().join("log")).unwrap();
        let mut command = self.place.command(&["serve"]);
        self.server = Some(command.stderr(log).stdout(Stdio::null()).spawn().unwrap());
        self.wait_until("it serves", |side| side.place.run(&["status"]).code == Some(0));
    }

    /// As a power cut does it.
    pub fn kill(&mut self) {
        if let Some(mut server) = self.server.take() {
            let _ = server.kill();
            let _ = server.wait();
        }
    }

    /// How long it took.
    pub fn wait_until(&self, what: &str, mut condition: impl FnMut(&Side) -> bool) -> Duration {
        let began = Instant::now();
        while !condition(self) {
            assert!(began.elapsed() < Duration::from_secs(60), "waited too long until {what}; log:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        began.elapsed()
    }

    pub fn run(&self, arguments: &[&str]) -> Answer {
        let answer = self.place.run(arguments);
        assert!(!answer.stderr.contains("no server is running"), "{}\n{}", answer.stderr, self.log());
        answer
    }

    pub fn status(&self) -> serde_json::Value {
        self.run(&["status", "--json"]).ok().json()
    }

    /// The domains of the entries that it has.
    pub fn partners(&self) -> Vec<String> {
        let list = self.run(&["partner", "list", "--json"]).ok().json();
        let domain = |entry: &serde_json::Value| entry["domain"].as_str().unwrap().to_owned();
        list.as_array().unwrap().iter().map(domain).collect()
    }

    /// Resident memory of its process.
    pub fn memory_mb(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.server.as_ref().unwrap().id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() >> 10
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.place.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Both, and who issued their certificates. Neither runs yet.
pub struct Apart {
    pub authority: Authority,
    pub edge: Side,
    pub home: Side,
    /// Where partners come to.
    pub outer: u16,
    /// Where the home comes to.
    pub control: u16,
    /// Each partner keeps its certificate.
    partners: RefCell<BTreeMap<String, Arc<ServedIdentity>>>,
}

impl Apart {
    /// The edge's certificate has this name, and not always the one that it should have.
    pub fn new(edge_name: &str) -> Apart {
        let authority = Authority::new();
        let dns = partner::name_server(HOSTS);
        let [outer, edge_inner, control, home_outer, home_inner] = free_ports();
        let edge = configuration("edge", outer, edge_inner, dns)
            + &format!("name = \"edge.corp.example\"\nnext_hop = \"home.corp.example:{home_inner}\"\n")
            + &format!("control = [\"127.0.0.1:{control}\"]\n");
        let home = configuration("home", home_outer, home_inner, dns)
            + &format!("name = \"home.corp.example\"\nedges = [\"edge.corp.example:{edge_inner}\"]\n")
            + &format!("control_port = {control}\n");
        let edge = Side::new(&edge, &authority, edge_name);
        let home = Side::new(&home, &authority, "home.corp.example");
        Apart { authority, edge, home, outer, control, partners: RefCell::default() }
    }

    /// Sends a message of bob@`domain` to alice, or to another user, from outside.
    pub fn message(&self, domain: &str) -> Message {
        self.message_to("alice", domain)
    }

    pub fn message_to(&self, user: &str, domain: &str) -> Message {
        let issue = || partner::identity(self.home.place.path(), &self.authority, &[domain]);
        let identity = self.partners.borrow_mut().entry(domain.to_owned()).or_insert_with(issue).clone();
        let from = Ipv4Addr::new(127, 0, 81, 2);
        let mut line = Phone::over("bob@fabrikam.example", partner::connect(from, self.outer, Some(&identity)));
        line.send_text(&format!(
            "MESSAGE sip:{user}@contoso.example SIP/2.0\r\nVia: SIP/2.0/TLS edge.{domain};branch=z9hG4bK{user}\r\n\
             From: <sip:bob@{domain}>;tag=b\r\nTo: <sip:{user}@contoso.example>\r\nCall-ID: of-{domain}\r\n\
             CSeq: 1 MESSAGE\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
        ));
        line.final_response()
    }
}

/// Two edges that share one name, behind which SIP finds them, and have one each for what their home tells them; and the home.
pub fn behind_one_name() -> ([Side; 2], Side) {
    let (authority, dns) = (Authority::new(), partner::name_server(HOSTS));
    let [inner, home_outer, home_inner] = free_ports();
    let mut control = Vec::new();
    let edges = ["edge1.corp.example", "edge2.corp.example"].map(|name| {
        let [outer, own_inner, own_control] = free_ports();
        control.push(format!("{name}:{own_control}"));
        let edge = configuration("edge", outer, own_inner, dns)
            + &format!("name = \"edges.corp.example\"\nnext_hop = \"home.corp.example:{home_inner}\"\n")
            + &format!("control = [\"127.0.0.1:{own_control}\"]\n");
        Side::new(&edge, &authority, name)
    });
    let home = configuration("home", home_outer, home_inner, dns)
        + &format!("name = \"home.corp.example\"\nedges = [\"edges.corp.example:{inner}\"]\ncontrol = {control:?}\n");
    (edges, Side::new(&home, &authority, "home.corp.example"))
}

fn configuration(role: &str, outer: u16, inner: u16, dns: SocketAddr) -> String {
    format!(
        "domains = [\"contoso.example\"]\nedge = \"sip.contoso.example\"\nworkers = 2\nroles = [\"{role}\"]\n\
         [certificate]\nchain = \"contoso.pem\"\nkey = \"contoso.key\"\nroots = \"ca.pem\"\n\
         [listen]\ntls = [\"127.0.0.1:{outer}\"]\n[dns]\nservers = [\"{dns}\"]\n\
         [inside]\nlisten = [\"127.0.0.1:{inner}\"]\nchain = \"inside.pem\"\nkey = \"inside.key\"\n"
    )
}

const HOSTS: &[(&str, Ipv4Addr)] = &[
    ("edge.corp.example", Ipv4Addr::LOCALHOST),
    ("edge1.corp.example", Ipv4Addr::LOCALHOST),
    ("edge2.corp.example", Ipv4Addr::LOCALHOST),
    ("edges.corp.example", Ipv4Addr::LOCALHOST),
    ("home.corp.example", Ipv4Addr::LOCALHOST),
];
