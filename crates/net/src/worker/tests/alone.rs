//! One worker by itself, which runs no further than a test lets it.

use bytes::BytesMut;

use super::moving::accepted;
use super::*;
use crate::turn::Next;
use crate::turns::BEHIND_BYTES;

/// A worker of Contoso that listens here by TCP alone.
fn contoso(address: SocketAddr, limits: Limits) -> WorkerSetup {
    let edge = Authority::new().edge("contoso.example");
    let (mailbox, inbox) = mailbox(1);
    WorkerSetup {
        core: core_config("contoso.example", "fabrikam.example", 0, &[address]),
        listeners: vec![ListenerSetup {
            transport: Transport::Tcp,
            address,
            tls: None,
            is_inner: false,
            balancers: Arc::default(),
        }],
        datagram_places: Arc::default(),
        origins: Arc::new(Origins::of_domains([])),
        challenges: certificates::TlsAlpn::default(),
        tls_clients: crate::TlsClients::of(edge.client.clone()),
        roots: edge.roots.clone(),
        inside: None,
        resolver: Resolver::new(&crate::DnsSettings::of(&[address])).expect("explicit servers need no files"),
        accounts: Arc::new(TestAccounts),
        media: MediaThreads::default(),
        mailboxes: vec![mailbox],
        inbox,
        limits,
    }
}

#[test]
fn an_address_in_use_is_reported_before_anything_runs() {
    let taken = StdListener::bind("127.0.0.1:0").expect("a free port");
    let setup = contoso(taken.local_addr().expect("bound"), Limits::default());
    let mut heard = None;
    let result = run(setup, |ready| heard = Some(ready));
    assert!(matches!(result, Err(NetError::Bind { .. })));
    assert_eq!(heard.expect("a word").err(), result.err());
}

/// A flow over which these bytes have come, and its peer.
fn flow(bytes: &[u8]) -> (StreamFlow, StdStream) {
    let listener = StdListener::bind("127.0.0.1:0").expect("a free port");
    let peer = StdStream::connect(listener.local_addr().expect("bound")).expect("a listener");
    let (stream, _) = listener.accept().expect("a connection");
    stream.set_nonblocking(true).expect("a socket");
    let stream = tokio::net::TcpStream::from_std(stream).expect("within a runtime");
    (accepted(FlowId::Stream { worker: 0, serial: 1 }, stream, BytesMut::from(bytes)), peer)
}

/// RFC 5626 3.5.1. Nothing is read of what is queued.
#[test]
fn who_has_not_read_his_answers_is_answered_no_keep_alives() {
    const PINGS: usize = 1 << 18;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let tasks = LocalSet::new();
    let _within = (runtime.enter(), tasks.enter());
    let (worker, ..) = start(contoso(([127, 0, 0, 1], 0).into(), Limits::default())).expect("a worker");
    let (flow, _peer) = flow(&b"\r\n\r\n".repeat(PINGS));
    let id = flow.facts().id;
    let permit = worker.borrow().occupancy.enter(flow.facts().remote.ip());
    worker.borrow_mut().open(flow, permit);
    while matches!(worker.borrow_mut().turn(id, false), Next::Again) {}
    assert_eq!(worker.borrow().flows[&id].queued_bytes(), BEHIND_BYTES + 2, "of {}", 2 * PINGS);
}

/// Nothing goes out before the test waits for that.
#[test]
fn who_has_not_read_his_answers_has_one_message_at_a_turn_until_he_has() {
    const AT_A_TURN: usize = 5;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let tasks = LocalSet::new();
    let _within = (runtime.enter(), tasks.enter());
    let limits = Limits { messages_per_turn_max: AT_A_TURN, turn_millis_max: 60_000, ..Limits::default() };
    let (worker, ..) = start(contoso(([127, 0, 0, 1], 0).into(), limits)).expect("a worker");
    let (flow, mut peer) = flow(&unproven_register("TCP").repeat(4 * AT_A_TURN));
    let (id, stream) = (flow.facts().id, flow.stream());
    let permit = worker.borrow().occupancy.enter(flow.facts().remote.ip());
    worker.borrow_mut().open(flow, permit);

    let turn = || {
        let mut worker = worker.borrow_mut();
        let before = worker.counters.messages_received;
        assert!(matches!(worker.turn(id, false), Next::Again), "there is more");
        worker.counters.messages_received - before
    };
    let queued = || worker.borrow().flows[&id].queued_bytes();
    assert_eq!((turn(), queued() > 0), (AT_A_TURN as u64, true));
    let rest = BEHIND_BYTES - queued();
    worker.borrow_mut().queue(id, vec![b'x'; rest].into());
    assert_eq!((queued(), turn()), (BEHIND_BYTES, AT_A_TURN as u64));
    for _ in 0..3 {
        let before = queued();
        assert_eq!((turn(), queued() > before), (1, true), "{before} bytes wait");
    }

    let expected = queued();
    runtime.block_on(stream.writable()).expect("a connection");
    let reading = thread::spawn(move || peer.read_exact(&mut vec![0; expected]));
    while queued() > 0 {
        worker.borrow_mut().mark_dirty(id);
        worker.borrow_mut().finish();
        runtime.block_on(tokio::task::yield_now());
    }
    reading.join().expect("no panic").expect("all of it");
    assert_eq!(turn(), AT_A_TURN as u64);
}
