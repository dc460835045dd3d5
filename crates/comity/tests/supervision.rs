//! What a service manager is told, over the datagram socket that it names.

use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use crate::served::Served;

/// Its socket, in a folder that is removed at the end.
struct Supervisor {
    folder: tempfile::TempDir,
    socket: UnixDatagram,
}

impl Supervisor {
    fn new() -> Supervisor {
        let folder = tempfile::tempdir().unwrap();
        let socket = UnixDatagram::bind(folder.path().join("notify")).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Supervisor { folder, socket }
    }

    /// Starts a server and hears that it serves; its watchdog waits for so long.
    fn start(&self, watchdog_usec: &str) -> Served {
        let path = self.folder.path().join("notify");
        let environment = [("NOTIFY_SOCKET", path.to_str().unwrap()), ("WATCHDOG_USEC", watchdog_usec)];
        let served = Served::spawn("", "", "127.0.0.1:9", &environment);
        assert_eq!(self.told(), ["READY=1", "STATUS=serving contoso.example as sip.contoso.example, 2 workers"]);
        served
    }

    fn told(&self) -> Vec<String> {
        let mut text = [0; 4096];
        let length = self.socket.recv(&mut text).unwrap();
        std::str::from_utf8(&text[..length]).unwrap().lines().map(str::to_owned).collect()
    }
}

/// The ten seconds that draining may take, and some for the end.
const STOPPING: [&str; 3] = ["STOPPING=1", "EXTEND_TIMEOUT_USEC=30000000", "STATUS=finishing what is under way"];

#[test]
fn ready_means_that_it_answers_and_stopping_comes_before_the_end() {
    let supervisor = Supervisor::new();
    let mut served = supervisor.start("0");
    TcpStream::connect((Ipv4Addr::LOCALHOST, served.tls_port)).unwrap();
    served.run(&["status"]).ok();
    served.signal("-TERM");
    assert_eq!(supervisor.told(), STOPPING);
    served.wait_until("the server ends", |served| served.server.try_wait().unwrap().is_some());
    supervisor.socket.set_nonblocking(true).unwrap();
    assert!(supervisor.socket.recv(&mut [0; 16]).is_err(), "nobody asked for a watchdog");
}

#[test]
fn a_watchdog_is_fed_until_the_end() {
    let supervisor = Supervisor::new();
    let mut served = supervisor.start("200000");
    for _ in 0..5 {
        assert_eq!(supervisor.told(), ["WATCHDOG=1"]);
    }
    served.signal("-TERM");
    let mut rest = std::iter::repeat_with(|| supervisor.told()).take_while(|told| *told == ["WATCHDOG=1"]);
    assert!(rest.by_ref().count() < 50);
    // Read on: the server waits for a supervisor whose socket is full.
    supervisor.socket.set_nonblocking(true).unwrap();
    served.wait_until("the server ends", |served| {
        while supervisor.socket.recv(&mut [0; 64]).is_ok() {}
        served.server.try_wait().unwrap().is_some()
    });
    assert_eq!(served.server.wait().unwrap().code(), Some(0), "{}", served.log());
}

#[test]
fn without_a_supervisor_nothing_is_amiss() {
    let served = Served::start();
    assert!(!served.log().contains("service manager"), "{}", served.log());
}
