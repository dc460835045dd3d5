//! Who may open a WebSocket, from the configuration to the metrics.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::served;
use crate::served::Served;

/// The first line and the last of what is answered to a page of this origin.
fn opened(port: u16, origin: &str) -> (String, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let request = format!(
        "GET / HTTP/1.1\r\nHost: sip.contoso.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Protocol: sip\r\nOrigin: {origin}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut bytes = [0; 1024];
    let count = stream.read(&mut bytes).unwrap();
    let answer = String::from_utf8_lossy(&bytes[..count]).into_owned();
    let line = |line: Option<&str>| line.unwrap_or_default().to_owned();
    (line(answer.lines().next()), line(answer.lines().last()))
}

fn metric(served: &Served, start: &str) -> String {
    let text = served.run(&["metrics"]).ok().stdout;
    let line = text.lines().find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("no {start}"));
    line.rsplit(' ').next().unwrap().to_owned()
}

#[test]
fn pages_of_our_domains_may_and_others_are_refused_counted_and_told() {
    let [port] = served::free_ports();
    let served = Served::start_listening(&format!("ws = [\"127.0.0.1:{port}\"]"));
    for origin in ["https://contoso.example", "https://phone.contoso.example"] {
        assert_eq!(opened(port, origin).0, "HTTP/1.1 101 Switching Protocols", "{origin}");
    }
    for origin in ["https://evil.example", "https://contoso.example.evil.example", "null"] {
        let refused = ("HTTP/1.1 403 Forbidden".to_owned(), "origin-not-allowed".to_owned());
        assert_eq!(opened(port, origin), refused, "{origin}");
    }
    let refused = "comity_requests_refused_total{direction=\"outbound\",word=\"origin-not-allowed\"}";
    assert_eq!(metric(&served, refused), "3");
    assert_eq!(metric(&served, "comity_web_sockets_total{result=\"opened\"}"), "2");
    assert_eq!(metric(&served, "comity_web_sockets_total{result=\"refused\"}"), "3");
    let log = served.log();
    assert!(log.contains("origin=\"https://evil.example\""), "{log}");
    // Each worker says so once a minute at most.
    let told = log.lines().filter(|line| line.contains("origin-not-allowed")).count();
    assert!((1..=2).contains(&told), "{log}");
    let status = served.run(&["status"]).ok().stdout;
    assert!(status.contains(&format!("WS 127.0.0.1:{port}")), "{status}");
}

#[test]
fn pages_that_are_named_may_and_no_others() {
    let [port] = served::free_ports();
    let listen = format!("ws = [\"127.0.0.1:{port}\"]\n[web]\norigins = [\"http://localhost:3000\"]");
    let served = Served::start_listening(&listen);
    assert_eq!(opened(port, "http://localhost:3000").0, "HTTP/1.1 101 Switching Protocols");
    assert_eq!(opened(port, "https://contoso.example").0, "HTTP/1.1 403 Forbidden");
    let checked = served.place.run(&["check"]).ok().stdout;
    assert!(checked.contains("[web]\norigins = [\"http://localhost:3000\"]"), "{checked}");
}
