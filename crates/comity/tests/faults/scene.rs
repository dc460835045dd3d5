//! A server of contoso.example, with Alice, who writes to Bob at fabrikam.example: a partner whose names, certificate and edge
//! are the test's.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use certificates::{Identity, ServedIdentity};
use rustls_pki_types::UnixTime;
use sip::{HeaderName, Message};

use super::edge::{self, Manner};
use super::zone::Zone;
use crate::partner;
use crate::phone::Phone;
use crate::place::Authority;
use crate::served::Served;

pub const ALICE: &str = "alice@contoso.example";
pub const BOB: &str = "bob@fabrikam.example";
pub const EDGE: Ipv4Addr = Ipv4Addr::new(127, 0, 80, 2);
/// As Alice's phone chooses it; Bob's too, where he writes.
pub const CALL_ID: &str = "of-alice-contoso.example";
pub const ALICE_AT: Ipv4Addr = Ipv4Addr::new(127, 0, 80, 1);

pub struct Scene {
    pub served: Served,
    pub zone: Zone,
    /// Those that the system chose.
    pub ports: Vec<u16>,
}

impl Scene {
    /// The partner has an entry.
    pub fn new() -> Scene {
        let scene = Scene::with(Zone::new(), "");
        scene.served.run(&["partner", "add", "fabrikam.example"]).ok();
        scene
    }

    /// With these lines at the top of the configuration, and no entry.
    pub fn with(zone: Zone, lines: &str) -> Scene {
        let served = Served::start_with(lines, &zone.address.to_string());
        Phone::add_user(&served, ALICE);
        Scene { served, zone, ports: Vec::new() }
    }

    pub fn folder(&self) -> PathBuf {
        self.served.place.path().to_owned()
    }

    /// A certificate for the partner's edge from the authority that both trust.
    pub fn certificate(&self, names: &[&str]) -> Arc<ServedIdentity> {
        self.certificate_as(&self.served.authority, Authority::wish(names))
    }

    pub fn certificate_as(&self, authority: &Authority, wish: rcgen::CertificateParams) -> Arc<ServedIdentity> {
        let (chain, key) = (self.folder().join("edge.pem"), self.folder().join("edge.key"));
        let begin = u64::try_from(wish.not_before.unix_timestamp()).unwrap();
        authority.issue_as(wish, &chain, &key);
        // Loaded while it is valid, whenever that is.
        let then = UnixTime::since_unix_epoch(Duration::from_secs(begin + 1));
        ServedIdentity::new(&Identity::load(&chain, &key, then).unwrap()).unwrap()
    }

    /// A new certificate of ours, for clients too.
    pub fn gets_client_auth(&mut self) {
        let mut wish = Authority::wish(&["sip.contoso.example", "contoso.example"]);
        wish.extended_key_usages.push(rcgen::ExtendedKeyUsagePurpose::ClientAuth);
        let [chain, key] = ["contoso.pem", "contoso.key"].map(|name| self.folder().join(name));
        self.served.authority.issue_as(wish, &chain, &key);
        self.served.wait_until("it is shown", |served| served.log().contains("a new certificate is served"));
    }

    /// The DNS leads to this edge.
    pub fn edge(&mut self, identity: &Arc<ServedIdentity>, manner: Manner) {
        let port = edge::serve(EDGE, edge::tolerant(identity), manner);
        self.found_at(port);
    }

    pub fn found_at(&mut self, port: u16) {
        self.ports.push(port);
        self.zone.host("sip.fabrikam.example", EDGE);
        self.zone.leads_to("sip.fabrikam.example", port);
    }

    /// Alice writes, and is answered so.
    pub fn alice_writes(&self) -> (u16, String) {
        let mut alice = Phone::connect(&self.served, ALICE, ALICE_AT);
        told(&alice.message(BOB))
    }

    /// A 408 to a message is told to nobody (RFC 4320 section 4.2), so that she would wait in vain.
    pub fn alice_writes_and_goes_on(&self) -> Phone {
        let mut alice = Phone::connect(&self.served, ALICE, ALICE_AT);
        alice.offer_proof(&sip::Method::Message, &format!("sip:{BOB}"), BOB, "");
        alice
    }

    /// The partner's edge sends a message of Bob's, over a connection with this certificate.
    pub fn bob_writes(&self, identity: Option<&Arc<ServedIdentity>>, times: usize) -> (u16, String) {
        let mut line = Phone::over(BOB, partner::connect(EDGE, self.served.tls_port, identity));
        let answers = (0..times).map(|number| {
            // The last one is that which is asked about.
            let call_id = if number + 1 == times { CALL_ID.to_owned() } else { format!("{number}") };
            line.send_text(&format!(
                "MESSAGE sip:{ALICE} SIP/2.0\r\nVia: SIP/2.0/TLS sip.fabrikam.example;branch=z9hG4bK{number}\r\n\
                 From: <sip:{BOB}>;tag=b\r\nTo: <sip:{ALICE}>\r\nCall-ID: {call_id}\r\nCSeq: {number} MESSAGE\r\n\
                 Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
            ));
            told(&line.final_response())
        });
        let last = answers.last().unwrap();
        drop(line);
        self.wait_until_it_has_gone();
        last
    }

    /// A connection that sent too much is not looked at for a while, not even whether it has ended.
    fn wait_until_it_has_gone(&self) {
        let stands = || self.served.run(&["partner", "show", "fabrikam.example"]).stdout.contains("connection from");
        let deadline = Instant::now() + Duration::from_secs(5);
        while stands() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn told(answer: &Message) -> (u16, String) {
    let warning = answer.header_text(HeaderName::Warning).unwrap_or_default();
    (answer.status().unwrap(), warning.split('"').nth(1).unwrap_or_default().to_owned())
}
