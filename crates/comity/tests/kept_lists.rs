//! Lists of revoked certificates over a restart without a network, for each policy.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use certificates::{Identity, ServedIdentity};
use rustls_pki_types::UnixTime;
use sip::HeaderName;

use crate::partner;
use crate::phone::Phone;
use crate::served::Served;

const BOB: &str = "bob@fabrikam.example";

/// A web server with one list, while it is on.
fn web_server(is_on: &Arc<AtomicBool>) -> (u16, std::sync::mpsc::Sender<Vec<u8>>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let (port, is_on) = (listener.local_addr().unwrap().port(), is_on.clone());
    let (give, given) = std::sync::mpsc::channel::<Vec<u8>>();
    std::thread::spawn(move || {
        let list = given.recv().unwrap();
        for mut stream in listener.incoming().flatten().filter(|_| is_on.load(Ordering::Relaxed)) {
            let _ = stream.read(&mut [0; 4096]);
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", list.len());
            let _ = stream.write_all(&[head.as_bytes(), &list].concat());
        }
    });
    (port, give)
}

/// What a message of Bob is answered, by its public word or its status.
fn answered(served: &Served, identity: &Arc<ServedIdentity>) -> String {
    let stream = partner::connect(Ipv4Addr::new(127, 0, 75, 2), served.tls_port, Some(identity));
    let mut line = Phone::over(BOB, stream);
    line.send(&sip::Method::Message, "sip:nobody@contoso.example", "nobody@contoso.example", "");
    let response = line.final_response();
    let warning = response.header_text(HeaderName::Warning).unwrap_or_default();
    let words = ["certificate-revoked", "certificate-untrusted"];
    words
        .into_iter()
        .find(|word| warning.contains(word))
        .map_or_else(|| format!("{:?}", response.status()), str::to_owned)
}

fn expect(served: &mut Served, identity: &Arc<ServedIdentity>, answer: &str) {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let now = answered(served, identity);
        if now == answer {
            return;
        }
        assert!(Instant::now() < deadline, "{now}, not {answer}; log:\n{}", served.log());
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn start_again(served: &mut Served) {
    served.signal("-TERM");
    served.server.wait().unwrap();
    let log = std::fs::File::create(served.place.path().join("log")).unwrap();
    served.server = served.place.command(&["serve"]).stderr(log).stdout(Stdio::null()).spawn().unwrap();
    served.wait_until("the server is ready again", |served| served.place.run(&["status"]).code == Some(0));
}

/// Starts with the network, then again without it, then without what was kept; `answers` are of these three.
fn play(policy: &str, revoked: &[u64], answers: [&str; 3]) {
    let is_on = Arc::new(AtomicBool::new(true));
    let (port, give) = web_server(&is_on);
    let mut served = Served::start_with("", "127.0.0.1:9");
    let file = served.place.path().join("comity.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{text}[federation]\ncrl = \"{policy}\"\n")).unwrap();
    let (pem, key) = (served.place.path().join("bob.pem"), served.place.path().join("bob.key"));
    let url = format!("http://127.0.0.1:{port}/list.crl");
    served.authority.issue_with_list(&["edge.fabrikam.example", "fabrikam.example"], &url, &pem, &key);
    give.send(served.authority.list(revoked)).unwrap();
    let identity = ServedIdentity::new(&Identity::load(&pem, &key, UnixTime::now()).unwrap()).unwrap();
    served.run(&["partner", "add", "fabrikam.example", "--edge", "edge.fabrikam.example"]).ok();
    start_again(&mut served);
    expect(&mut served, &identity, answers[0]);
    is_on.store(false, Ordering::Relaxed);
    start_again(&mut served);
    expect(&mut served, &identity, answers[1]);
    let _ = std::fs::remove_dir_all(served.place.path().join("data/crl"));
    start_again(&mut served);
    std::thread::sleep(Duration::from_secs(3));
    expect(&mut served, &identity, answers[2]);
}

const ADMITTED: &str = "Some(404)";

#[test]
fn required_accepts_by_a_list_that_was_kept_and_refuses_without_one() {
    play("required", &[1], [ADMITTED, ADMITTED, "certificate-untrusted"]);
}

#[test]
fn what_a_kept_list_names_is_refused_where_lists_count_when_they_are_there() {
    play("when-available", &[77], ["certificate-revoked", "certificate-revoked", ADMITTED]);
}

#[test]
fn where_lists_are_off_none_is_kept_and_nobody_is_refused() {
    play("off", &[77], [ADMITTED, ADMITTED, ADMITTED]);
}
