//! A server started, commanded over its control socket, and stopped.

use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use crate::place::Place;
use crate::served::Served;

#[test]
fn a_server_is_commanded_over_its_socket() {
    let served = Served::start();
    let socket = std::fs::metadata(served.place.path().join("data/control.sock")).unwrap();
    assert_eq!(socket.permissions().mode() & 0o777, 0o600);

    served.run(&["user", "add", "alice@contoso.example", "--generate"]).ok();
    let users = served.run(&["user", "list", "--json"]).ok().json();
    assert_eq!(users[0]["aor"], "alice@contoso.example");
    assert_eq!(users[0]["registrations"], 0);
    served.run(&["partner", "add", "fabrikam.example", "--edge", "sip.fabrikam.example"]).ok();
    served.run(&["partner", "block", "adatum.example"]).ok();
    served.run(&["partner", "add", "adatum.example"]).fails(&[
        "error: adatum.example is blocked",
        "next: first lift the block: comity partner unblock adatum.example",
    ]);

    let status = served.run(&["status", "--json"]).ok().json();
    assert_eq!((&status["users"], &status["partners"]), (&1.into(), &2.into()));
    assert_eq!(status["workers"].as_array().unwrap().len(), 2);
    assert_eq!(status["workers"][1]["core"]["worker"], 1);
    assert!(status["workers"][0]["sockets"]["messages_received"].is_u64(), "{status}");
    let shown = served.run(&["status"]).ok().stdout;
    assert!(shown.contains("sip.contoso.example") && shown.contains("WORKER"), "{shown}");
    assert!(served.run(&["partner", "show", "fabrikam.example"]).ok().stdout.contains("no connections to it"));
    served.run(&["user", "remove", "alice@contoso.example"]).ok();
}

#[test]
fn it_listens_and_ends_cleanly_on_either_signal() {
    for signal in ["-TERM", "-INT"] {
        let mut served = Served::start();
        TcpStream::connect((Ipv4Addr::LOCALHOST, served.tls_port)).unwrap();
        served.signal(signal);
        served.wait_until("the server ends", |served| served.server.try_wait().unwrap().is_some());
        assert_eq!(served.server.wait().unwrap().code(), Some(0), "{}", served.log());
        assert!(!served.place.path().join("data/control.sock").exists());
        assert!(served.log().contains("stopped"), "{}", served.log());
    }
}

#[test]
fn a_second_server_is_refused_and_harms_nothing() {
    let served = Served::start();
    let second = served.place.run(&["serve"]);
    assert_eq!(second.code, Some(1));
    let holder =
        format!("error: comity serve (process {}) works in data; to see it: comity status", served.server.id());
    assert!(second.stderr.contains(&holder), "{}", second.stderr);
    served.run(&["status"]).ok();

    // The same port from another folder.
    let other = Place::new(&format!("tls = [\"127.0.0.1:{}\"]", served.tls_port));
    other.certify(&["sip.contoso.example"]);
    let answer = other.run(&["serve"]);
    assert_eq!(answer.code, Some(1));
    assert!(answer.stderr.contains(&format!("cannot listen on 127.0.0.1:{}", served.tls_port)), "{}", answer.stderr);
    assert!(other.run(&["check"]).ok().stdout.contains("warning: cannot listen on"));
}

#[test]
fn what_a_crash_leaves_behind_is_no_hindrance() {
    let mut served = Served::start();
    served.run(&["partner", "block", "adatum.example"]).ok();
    served.signal("-KILL");
    served.server.wait().unwrap();
    assert!(served.place.path().join("data/control.sock").exists());
    served
        .place
        .run(&["status"])
        .fails(&["error: no server is running with comity.toml", "next: start it: comity serve"]);
    assert!(served.place.run(&["partner", "list"]).ok().stdout.contains("adatum.example"));
    served.server = served.place.command(&["serve"]).stderr(Stdio::null()).spawn().unwrap();
    served.wait_until("the server is back", |served| served.place.run(&["status"]).code == Some(0));
    assert!(served.run(&["partner", "list"]).ok().stdout.contains("adatum.example"));
}
