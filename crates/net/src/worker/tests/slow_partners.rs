//! Servers of partners that take no connection, or say nothing on it: each has its time, and then the next one.

use super::slow_dns::{contoso, refused};
use super::*;

/// Listens, and has no room for a connection. For as long as both live.
struct Full {
    address: SocketAddr,
    _listener: socket2::Socket,
    _waiting: Vec<socket2::Socket>,
}

impl Full {
    fn new() -> Full {
        let listener = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
        listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("a free port");
        listener.listen(0).expect("a socket");
        let address = listener.local_addr().expect("bound");
        let connect = || {
            let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
            socket.connect_timeout(&address, Duration::from_millis(200)).is_ok().then_some(socket)
        };
        let waiting = std::iter::from_fn(connect).take(100).collect::<Vec<_>>();
        assert!(waiting.len() < 100, "the system takes them all");
        Full { address: address.as_socket().expect("an address"), _listener: listener, _waiting: waiting }
    }
}

/// The first is full, and the second takes connections for which it then does nothing.
#[test]
fn a_server_has_so_long_for_a_connection_and_so_long_for_its_handshake_and_then_it_is_the_next_one() {
    let full = Full::new();
    let silent = StdListener::bind("127.0.0.1:0").expect("a free port");
    let silent_address = silent.local_addr().expect("bound");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.expect("a runtime");
    let name_server = runtime.block_on(name_server::start([
        ("_sips._tcp.fabrikam.example", srv_of(10, full.address.port(), "full.fabrikam.example")),
        ("_sips._tcp.fabrikam.example", srv_of(20, silent_address.port(), "silent.fabrikam.example")),
        ("full.fabrikam.example", address(Ipv4Addr::LOCALHOST.into())),
        ("silent.fabrikam.example", address(Ipv4Addr::LOCALHOST.into())),
    ]));
    let contoso = contoso(name_server, Limits { connect_secs_max: 1, ..Limits::default() });
    let (status, word, reason) = refused(&contoso, Duration::from_secs(2));
    assert_eq!((status, word.as_str()), (504, "partner-unreachable"));
    let last = format!("{silent_address} did not complete the TLS handshake within 1 s");
    assert!(reason.contains("silent.fabrikam.example") && reason.contains(&last), "{reason}");
    assert_eq!(contoso.sum(|seen| seen.connects_failed), 2, "each server once");
    let taken = silent.accept().expect("its connection, after the full one was given up");
    drop(taken);
}
