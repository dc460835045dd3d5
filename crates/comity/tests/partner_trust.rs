//! A partner whom no public authority vouches for: refused, until its certificate is pinned or its own authority trusted.

#![expect(clippy::unwrap_used, reason = "a test may")]

mod partner;
mod phone;
mod place;
mod served;

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use certificates::{Identity, ServedIdentity};
use phone::Phone;
use place::Authority;
use rustls_pki_types::UnixTime;
use served::Served;
use sip::{HeaderName, Message};

const ALICE: &str = "alice@contoso.example";
const BOB: &str = "bob@fabrikam.example";
const EDGE: Ipv4Addr = Ipv4Addr::new(127, 0, 74, 2);

/// A certificate's files.
struct Shown {
    chain: PathBuf,
    key: PathBuf,
}

impl Shown {
    fn new(folder: &Path, name: &str, authority: &Authority) -> Shown {
        let shown = Shown { chain: folder.join(format!("{name}.pem")), key: folder.join(format!("{name}.key")) };
        authority.issue(&["fabrikam.example", "litware.example"], &shown.chain, &shown.key);
        shown
    }

    fn identity(&self) -> Identity {
        Identity::load(&self.chain, &self.key, UnixTime::now()).unwrap()
    }

    fn fingerprint(&self) -> String {
        let fingerprint = certificates::roots::fingerprint(&self.identity().chain[0]);
        federation::trust::hexadecimal(&fingerprint)
    }

    /// Sends a message of this user over a connection of its own, and returns status and warning.
    fn message(&self, served: &Served, from: &'static str) -> (Option<u16>, String) {
        let identity = ServedIdentity::new(&self.identity()).unwrap();
        let mut line = Phone::over(BOB, partner::connect(EDGE, served.tls_port, Some(&identity)));
        line.send_text(&format!(
            "MESSAGE sip:{ALICE} SIP/2.0\r\nVia: SIP/2.0/TLS edge.fabrikam.example;branch=z9hG4bKa\r\n\
             From: <sip:{from}>;tag=b\r\nTo: <sip:{ALICE}>\r\nCall-ID: {}\r\nCSeq: 1 MESSAGE\r\n\
             Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
            self.fingerprint()
        ));
        let response: Message = line.final_response();
        (response.status(), response.header_text(HeaderName::Warning).unwrap_or_default().to_owned())
    }
}

fn check_refused((status, warning): (Option<u16>, String), word: &str) {
    assert_eq!(status, Some(403), "{warning}");
    assert!(warning.contains(word), "{warning}");
}

#[test]
fn a_pin_and_an_own_authority_hold_for_their_domain_alone_from_the_next_handshake_on() {
    let mut served = Served::start();
    for domain in ["fabrikam.example", "litware.example"] {
        served.run(&["partner", "add", domain]).ok();
    }
    Phone::add_user(&served, ALICE);
    let (own, folder) = (Authority::new(), served.place.path().to_owned());
    let anchor = folder.join("own-ca.pem");
    std::fs::write(&anchor, own.pem()).unwrap();
    let (first, second) = (Shown::new(&folder, "first", &own), Shown::new(&folder, "second", &own));
    check_refused(first.message(&served, BOB), "certificate-untrusted");

    let trust = |arguments: &[&str]| served.run(&[&["partner", "trust", "fabrikam.example"], arguments].concat());
    trust(&["--pin", &first.fingerprint()]).ok();
    assert_eq!(first.message(&served, BOB).0, Some(202));
    check_refused(first.message(&served, "eve@litware.example"), "certificate-untrusted");
    check_refused(second.message(&served, BOB), "certificate-pin-changed");
    let shown = served.run(&["partner", "show", "fabrikam.example"]).ok().stdout;
    assert!(shown.contains(&format!("pinned certificate {}", first.fingerprint())), "{shown}");

    trust(&["--no-pins", "--anchor", anchor.to_str().unwrap()]).ok();
    assert_eq!(second.message(&served, BOB).0, Some(202));
    check_refused(second.message(&served, "eve@litware.example"), "certificate-untrusted");
    let shown = served.run(&["partner", "show", "fabrikam.example"]).ok().stdout;
    assert!(shown.contains("its own authority ") && !shown.contains("pinned certificate "), "{shown}");

    trust(&["--no-anchors"]).ok();
    check_refused(second.message(&served, BOB), "certificate-untrusted");
    let leaf = first.chain.to_str().unwrap();
    trust(&["--anchor", leaf]).fails(&[
        "error: one certificate is not an authority's",
        "next: an authority's certificate says CA:TRUE; to trust one server's certificate alone, pin it (--pin)",
    ]);

    served.wait_until("the alarm", |served| {
        served.log().contains("WARN another certificate was shown than the pinned one")
    });
    let metrics = served.run(&["metrics"]).ok().stdout;
    assert!(metrics.contains("comity_partner_pins_changed_total 1\n"), "{metrics}");
}
