//! A home that has its sound at its edges, as processes: who may have sound there, what becomes of it when he goes, and which edge
//! gets it.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use media::link::{FrameReader, FromEdge, FromHome, PROTOCOL, frame};
use media::{BridgeId, LegId};
use rustls::{ClientConnection, StreamOwned};

use crate::apart;
use crate::apart::{Apart, Side};
use crate::partner;
use crate::place::Authority;
use crate::served::free_ports;

/// Somebody at the control address of an edge.
struct Caller {
    stream: StreamOwned<ClientConnection, TcpStream>,
    reader: FrameReader,
}

impl Caller {
    /// With a certificate of this name; the status that comes back, and what is said with it.
    fn ask(apart: &Apart, (authority, name): (&Authority, &str), protocol: &str) -> (Caller, u16, String) {
        let identity = partner::identity(apart.home.place.path(), authority, &[name]);
        let mut stream = partner::connect(Ipv4Addr::new(127, 0, 81, 5), apart.control, Some(&identity));
        let head = format!(
            "POST /edge/sound HTTP/1.1\r\nhost: edge\r\nconnection: upgrade\r\nupgrade: {protocol}\r\ncontent-length: 0\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = Vec::new();
        let mut byte = [0];
        while !answer.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
            answer.push(byte[0]);
        }
        let mut answer = String::from_utf8(answer).unwrap();
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        if status != 101 {
            // Some end without a goodbye of TLS, and some wait for another request.
            let length =
                answer.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse().unwrap();
            let mut body = vec![0; length];
            stream.read_exact(&mut body).unwrap();
            answer.push_str(&String::from_utf8(body).unwrap());
        }
        (Caller { stream, reader: FrameReader::default() }, status, answer)
    }

    fn of_home(apart: &Apart) -> Caller {
        let (caller, status, answer) = Caller::ask(apart, (&apart.authority, "home.corp.example"), PROTOCOL);
        assert_eq!(status, 101, "{answer}");
        caller
    }

    /// The next that is not only a sign of life; `None`: it has ended.
    fn hear(&mut self) -> Option<FromEdge> {
        loop {
            match self.reader.cut().unwrap() {
                Some(FromEdge::Alive { .. }) => {}
                Some(message) => return Some(message),
                None => {
                    let mut bytes = [0; 4096];
                    match self.stream.read(&mut bytes) {
                        Ok(0) | Err(_) => return None,
                        Ok(count) => self.reader.feed(&bytes[..count]),
                    }
                }
            }
        }
    }

    /// The port that a leg got.
    fn open(&mut self, serial: u32) -> u16 {
        let leg = LegId { bridge: BridgeId { worker: 0, serial: 1 }, serial };
        self.stream.write_all(&frame(&FromHome::Open { leg })).unwrap();
        match self.hear() {
            Some(FromEdge::Opened { opened: Ok(opened), .. }) => opened.rtp.port(),
            other => panic!("no port: {other:?}"),
        }
    }
}

fn add(side: &Side, text: &str) {
    let file = side.place.path().join("comity.toml");
    let before = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{before}{text}")).unwrap();
}

/// Room for four legs.
fn takes_sound(side: &Side) {
    let [first] = free_ports();
    let first = first.next_multiple_of(2);
    add(side, &format!("[media]\naddress = \"127.0.0.1\"\nports = \"{first}-{}\"\nthreads = 1\n", first + 7));
}

fn is_taken(port: u16) -> bool {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_err()
}

fn within(time: Duration, what: &str, condition: impl Fn() -> bool) {
    let until = Instant::now() + time;
    while !condition() {
        assert!(Instant::now() < until, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn nobody_but_the_home_has_sound_at_an_edge_and_none_where_there_is_none() {
    let mut apart = Apart::new("edge.corp.example");
    apart.edge.start();
    let home = "home.corp.example";
    let (_, status, answer) = Caller::ask(&apart, (&apart.authority, home), PROTOCOL);
    assert_eq!(status, 404, "{answer}");
    assert!(answer.contains("set address under [media] at the edge"), "{answer}");
    apart.edge.kill();
    takes_sound(&apart.edge);
    apart.edge.start();
    let stranger = Authority::new();
    for who in [(&apart.authority, "phone.corp.example"), (&stranger, home)] {
        assert_eq!(Caller::ask(&apart, who, PROTOCOL).1, 403);
    }
    let (_, status, answer) = Caller::ask(&apart, (&apart.authority, home), "comity-sound/2");
    assert_eq!(status, 426, "{answer}");
    assert!(answer.contains("comity-sound/1 here") && answer.contains("update the older one"), "{answer}");
    assert_eq!(apart.edge.status()["told"]["sound"]["legs"], 0);
}

#[test]
fn what_a_home_has_at_an_edge_goes_with_its_connection_however_that_ends() {
    let mut apart = Apart::new("edge.corp.example");
    takes_sound(&apart.edge);
    apart.edge.start();
    // It hangs up.
    let mut home = Caller::of_home(&apart);
    let ports = [home.open(1), home.open(2)];
    assert!(ports.into_iter().all(is_taken));
    let sound = apart.edge.status()["told"]["sound"].clone();
    assert_eq!(
        (&sound["homes"][0], &sound["bridges"], &sound["legs"]),
        (&"home.corp.example".into(), &1.into(), &2.into())
    );
    let text = apart.edge.run(&["status"]).ok().stdout;
    assert!(text.contains("of home.corp.example: bridges 1, legs 2"), "{text}");
    drop(home);
    within(Duration::from_secs(5), "its ports are free", || !ports.into_iter().any(is_taken));
    // It says what is not understood.
    let mut home = Caller::of_home(&apart);
    let port = home.open(1);
    home.stream.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    assert_eq!(home.hear(), None);
    within(Duration::from_secs(5), "its port is free", || !is_taken(port));
    // It comes again, and forgets that it was there.
    let mut before = Caller::of_home(&apart);
    let port = before.open(1);
    let mut home = Caller::of_home(&apart);
    assert_eq!(before.hear(), None);
    within(Duration::from_secs(5), "its port is free", || !is_taken(port));
    // It falls silent, as a machine does that lost its power.
    let port = home.open(1);
    within(Duration::from_secs(20), "its port is free", || !is_taken(port));
    assert_eq!(home.hear(), None);
    assert!(apart.edge.log().contains("nothing was heard for 10 s"), "{}", apart.edge.log());
}

#[test]
fn a_home_knows_which_of_its_edges_take_its_sound_and_why_others_do_not() {
    let ([mut first, mut second], mut home) = apart::behind_one_name();
    takes_sound(&first);
    add(&home, "[media]\nat = \"edges\"\n");
    for side in [&mut first, &mut second, &mut home] {
        side.start();
    }
    let sound = |home: &Side, edge: usize| home.status()["edges"]["edges"][edge]["sound"].clone();
    home.wait_until("one takes its sound, and one does not", |home| {
        sound(home, 0)["is_connected"] == true && !sound(home, 1)["why"].is_null()
    });
    let why = sound(&home, 1)["why"].as_str().unwrap().to_owned();
    assert!(why.contains("this edge takes no sound of its home; set address under [media] at the edge"), "{why}");
    let text = home.run(&["status"]).ok().stdout;
    assert!(text.contains("sound at edge1.corp.example: bridges 0, legs 0"), "{text}");
    assert!(text.contains(&format!("sound at edge2.corp.example: none, {why}")), "{text}");
    first.wait_until("the edge says whose sound it takes", |edge| {
        edge.status()["told"]["sound"]["homes"][0] == "home.corp.example"
    });
    first.kill();
    home.wait_until("the home knows", |home| sound(home, 0)["is_connected"] == false);
    assert!(home.log().contains("no sound goes by this edge"), "{}", home.log());
    first.start();
    home.wait_until("the edge is back", |home| sound(home, 0)["is_connected"] == true);
    home.kill();
    first.wait_until("the home is gone", |edge| edge.status()["told"]["sound"]["homes"][0].is_null());
}
