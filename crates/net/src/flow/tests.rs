//! Flows over real sockets of the loopback, without a core.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener as StdListener, TcpStream as StdStream};
use std::thread;

use federation::flow::Direction;
use rustls::{ClientConnection, StreamOwned};
use rustls_pki_types::ServerName;
use sip::{FlowId, MessageLimits, Transport};
use tokio::runtime::Runtime;

use super::*;
use crate::testing::{Authority, Edge};
use crate::tls::TlsWire;
use crate::wire::PlainWire;

type TlsClient = StreamOwned<ClientConnection, StdStream>;

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

fn listener() -> (StdListener, SocketAddr) {
    let listener = StdListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    (listener, address)
}

/// Accepts on the current runtime.
fn accept(listener: &StdListener) -> TcpStream {
    let (stream, _) = listener.accept().expect("a connection");
    stream.set_nonblocking(true).expect("a socket");
    TcpStream::from_std(stream).expect("within a runtime")
}

fn flow(stream: TcpStream, wire: Wire, unread: BytesMut) -> StreamFlow {
    let facts = FlowFacts {
        id: FlowId::Stream { worker: 0, serial: 1 },
        transport: Transport::Tcp,
        local: stream.local_addr().expect("connected"),
        remote: stream.peer_addr().expect("connected"),
        direction: Direction::Inbound,
        certificate: None,
        is_inner: false,
    };
    StreamFlow::new(facts, stream, wire, unread, Framing::new(Transport::Tcp, MessageLimits::default()))
}

/// Waits for the next whole message, or for the end (`None`).
async fn next_message(flow: &mut StreamFlow) -> Option<Bytes> {
    let (signal, stream) = (flow.signal(), flow.stream());
    let mut scratch = [0; 4096];
    loop {
        while let Some(frame) = flow.next_frame().expect("well framed") {
            if let Frame::Message(bytes) = frame {
                return Some(bytes);
            }
        }
        if flow.is_finished() {
            return None;
        }
        signal.wait(&stream, flow.watch()).await;
        flow.receive(Instant::now(), &mut scratch).expect("a healthy connection");
        flow.flush().expect("a healthy connection");
    }
}

async fn flush_all(flow: &mut StreamFlow) {
    while flow.flush().expect("a healthy connection") == Flushed::Pending {
        flow.signal().wait(&flow.stream(), flow.watch()).await;
    }
}

fn message(body: &str) -> String {
    format!(
        "MESSAGE sip:bob@fabrikam.example SIP/2.0\r\n\
         Via: SIP/2.0/TLS client.example;branch=z9hG4bK1\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn tls_client(edge: &Edge, address: SocketAddr) -> TlsClient {
    let name = ServerName::try_from("contoso.example").expect("a name");
    let connection = ClientConnection::new(edge.client.clone(), name).expect("a client");
    StreamOwned::new(connection, StdStream::connect(address).expect("a listener"))
}

async fn accept_tls(edge: &Edge, listener: &StdListener) -> StreamFlow {
    let stream = accept(listener);
    let mut tls = TlsWire::server(edge.server.clone()).expect("a server");
    let mut unread = BytesMut::new();
    tls.handshake(&stream, &mut unread).await.expect("a handshake");
    flow(stream, Wire::Tls(tls), unread)
}

#[test]
fn messages_are_cut_from_reads_of_one_byte_and_no_buffer_stays() {
    let (listener, address) = listener();
    let client = thread::spawn(move || {
        let mut client = StdStream::connect(address).expect("a listener");
        client.set_nodelay(true).expect("a socket");
        for byte in format!("{}\r\n\r\n{}", message("one"), message("")).bytes() {
            client.write_all(&[byte]).expect("a reader");
        }
    });
    runtime().block_on(async {
        let mut flow = flow(accept(&listener), Wire::Plain(PlainWire::default()), BytesMut::new());
        assert_eq!(next_message(&mut flow).await.expect("a message"), message("one"));
        assert_eq!(next_message(&mut flow).await.expect("a message"), message(""));
        assert_eq!(flow.unread.capacity(), 0);
        assert_eq!(next_message(&mut flow).await, None);
    });
    client.join().expect("a client");
}

#[test]
fn what_comes_while_a_flow_is_paused_is_taken_when_its_time_has_come() {
    let (listener, address) = listener();
    let mut peer = StdStream::connect(address).expect("a listener");
    runtime().block_on(async {
        let mut flow = flow(accept(&listener), Wire::Plain(PlainWire::default()), BytesMut::new());
        let (now, pause) = (Instant::now(), Duration::from_secs(3600));
        flow.pause(now + pause);
        peer.write_all(message("late").as_bytes()).expect("a reader");
        flow.stream().readable().await.expect("a socket");
        flow.receive(now, &mut [0; 4096]).expect("a healthy connection");
        assert_eq!(flow.next_frame().expect("well framed"), None);
        assert_eq!(flow.paused_until(now), Some(now + pause));
        flow.receive(now + pause, &mut [0; 4096]).expect("a healthy connection");
        assert!(matches!(flow.next_frame(), Ok(Some(Frame::Message(_)))));
        flow.pause(now + pause);
        flow.close(now);
        assert_eq!(flow.paused_until(now), None, "what ends does not wait");
    });
}

#[cfg(target_os = "linux")]
#[test]
fn a_server_that_is_silently_gone_is_given_up_sooner_than_a_phone() {
    let (listener, address) = listener();
    let _peer = StdStream::connect(address).expect("a listener");
    runtime().block_on(async {
        let stream = accept(&listener);
        tune(&stream, UNACKNOWLEDGED_TIME).expect("a socket");
        let flow = flow(stream, Wire::Plain(PlainWire::default()), BytesMut::new());
        let given = || SockRef::from(&*flow.stream()).tcp_user_timeout().expect("a socket");
        assert_eq!(given(), Some(UNACKNOWLEDGED_TIME));
        flow.expect_server();
        assert_eq!(given(), Some(UNACKNOWLEDGED_SERVER_TIME));
    });
}

#[test]
fn a_paused_flow_is_woken_by_its_worker_and_by_room_for_output() {
    let (listener, address) = listener();
    let _peer = StdStream::connect(address).expect("a listener");
    runtime().block_on(async {
        let flow = flow(accept(&listener), Wire::Plain(PlainWire::default()), BytesMut::new());
        let (signal, stream, far) = (flow.signal(), flow.stream(), Instant::now() + Duration::from_secs(3600));
        let within = |wait| tokio::time::timeout(Duration::from_millis(500), wait);
        assert!(within(signal.wait_until(far, None)).await.is_err());
        within(signal.wait_until(far, Some(&stream))).await.expect("the socket takes output");
        flow.wake_to_write();
        within(signal.wait_until(far, None)).await.expect("the worker has something to say");
        within(signal.wait_until(Instant::now(), None)).await.expect("its time has come");
    });
}

#[test]
fn records_of_tls_come_in_pieces_and_no_buffer_stays() {
    let edge = Authority::new().edge("contoso.example");
    let (listener, address) = listener();
    let mut client = tls_client(&edge, address);
    let client = thread::spawn(move || {
        client.flush().expect("a handshake");
        client.sock.set_nodelay(true).expect("a socket");
        let mut records = Vec::new();
        for text in [message("one"), message("two")] {
            client.conn.writer().write_all(text.as_bytes()).expect("room");
            client.conn.write_tls(&mut records).expect("room");
        }
        for byte in records {
            client.sock.write_all(&[byte]).expect("a reader");
        }
        let mut answer = [0; 40_000];
        client.read_exact(&mut answer).expect("an answer of several records");
        answer
    });
    runtime().block_on(async {
        let mut flow = accept_tls(&edge, &listener).await;
        assert_eq!(next_message(&mut flow).await.expect("a message"), message("one"));
        assert_eq!(next_message(&mut flow).await.expect("a message"), message("two"));
        flow.queue(Instant::now(), Bytes::from_static(&[b'x'; 40_000]));
        flush_all(&mut flow).await;
        let Wire::Tls(tls) = &flow.wire else { panic!("it is TLS") };
        assert_eq!((flow.unread.capacity(), tls.kept_bytes()), (0, 0));
    });
    assert!(client.join().expect("a client") == [b'x'; 40_000]);
}

/// The handshake on one thread, half a message and an unwritten answer with it to another thread, the rest there.
#[test]
fn a_tls_flow_moves_between_threads_with_all_it_holds() {
    let edge = Authority::new().edge("contoso.example");
    let (listener, address) = listener();
    let mut client = tls_client(&edge, address);
    let client = thread::spawn(move || {
        let (head, tail) = (message("moved"), message("after"));
        client.write_all(&head.as_bytes()[..40]).expect("a reader");
        let mut answer = [0; 6];
        client.read_exact(&mut answer).expect("an answer from the new owner");
        client.write_all(&head.as_bytes()[40..]).expect("a reader");
        client.write_all(tail.as_bytes()).expect("a reader");
        client.conn.send_close_notify();
        client.flush().expect("a reader");
        answer
    });

    let moved = runtime().block_on(async {
        let mut flow = accept_tls(&edge, &listener).await;
        let certificate = match &flow.wire {
            Wire::Tls(tls) => tls.peer_certificate(&edge.roots),
            Wire::Plain(_) => None,
        };
        let certificate = certificate.expect("the client showed a certificate");
        assert!(certificate.chain.is_ok(), "{:?}", certificate.chain);
        assert_eq!(certificate.names.sip_uris, ["contoso.example"]);
        let (signal, stream) = (flow.signal(), flow.stream());
        while flow.unread.is_empty() {
            signal.wait(&stream, Interest::READABLE).await;
            flow.receive(Instant::now(), &mut [0; 4096]).expect("a healthy connection");
            assert_eq!(flow.next_frame().expect("well framed"), None);
        }
        flow.queue(Instant::now(), Bytes::from_static(b"answer"));
        let moved = flow.into_moved().expect("a socket to duplicate");
        assert_eq!(signal.fate(), Fate::Moved);
        signal.wait(&stream, Interest::READABLE).await;
        moved
    });

    let adopter = thread::spawn(move || {
        runtime().block_on(async {
            let mut flow = StreamFlow::adopt(moved).expect("a socket");
            assert_eq!(flow.facts().id, FlowId::Stream { worker: 0, serial: 1 });
            flush_all(&mut flow).await;
            assert_eq!(next_message(&mut flow).await.expect("a message"), message("moved"));
            assert_eq!(next_message(&mut flow).await.expect("a message"), message("after"));
            assert_eq!(next_message(&mut flow).await, None);
        });
    });
    adopter.join().expect("the new owner");
    assert_eq!(&client.join().expect("a client"), b"answer");
}

/// Half a frame, a ping that is answered by the new owner, and what was queued for the client with it.
#[test]
fn a_web_socket_moves_between_threads_with_all_it_holds() {
    let (listener, address) = listener();
    let client = thread::spawn(move || {
        let stream = StdStream::connect(address).expect("a listener");
        let mut client = tungstenite::WebSocket::from_raw_socket(stream, tungstenite::protocol::Role::Client, None);
        let mut frame = vec![0x81, 0x80 | 126];
        let text = message("moved");
        frame.extend(u16::try_from(text.len()).expect("short").to_be_bytes());
        frame.extend([0; 4]);
        frame.extend(text.as_bytes());
        client.get_mut().write_all(&frame[..40]).expect("a reader");
        let answer = client.read().expect("an answer from the new owner");
        client.get_mut().write_all(&frame[40..]).expect("a reader");
        client.send(tungstenite::Message::Ping(Bytes::from_static(b"?"))).expect("a reader");
        let pong = client.read().expect("an answer from the new owner");
        client.close(None).expect("a reader");
        (answer, pong, client.read())
    });
    let moved = runtime().block_on(async {
        let mut flow = flow(accept(&listener), Wire::Plain(PlainWire::default()), BytesMut::new());
        flow.framing = Framing::new(Transport::Wss, MessageLimits::default());
        flow.stream().readable().await.expect("a socket");
        flow.receive(Instant::now(), &mut [0; 4096]).expect("a healthy connection");
        assert!(matches!(flow.next_frame(), Ok(None)));
        flow.queue(Instant::now(), Bytes::from_static(b"answer"));
        flow.into_moved().expect("a socket to duplicate")
    });
    let adopter = thread::spawn(move || {
        runtime().block_on(async {
            let mut flow = StreamFlow::adopt(moved).expect("a socket");
            flush_all(&mut flow).await;
            assert_eq!(next_message(&mut flow).await.expect("a message"), message("moved"));
            assert_eq!(next_message(&mut flow).await, None);
            flush_all(&mut flow).await;
        });
    });
    adopter.join().expect("the new owner");
    let (answer, pong, end) = client.join().expect("a client");
    assert_eq!(answer, tungstenite::Message::text("answer"));
    assert_eq!(pong, tungstenite::Message::Pong(Bytes::from_static(b"?")));
    assert!(matches!(end, Ok(tungstenite::Message::Close(_))), "{end:?}");
}

#[test]
fn the_queue_of_a_peer_that_does_not_read_grows_and_is_known() {
    let edge = Authority::new().edge("contoso.example");
    let (listener, address) = listener();
    let mut client = tls_client(&edge, address);
    let (done, until_done) = std::sync::mpsc::channel::<()>();
    let client = thread::spawn(move || {
        client.write_all(b"\r\n\r\n").expect("a reader");
        until_done.recv().ok();
        let mut received = Vec::new();
        client.read_to_end(&mut received).ok();
        received.len()
    });
    const CHUNK: usize = 10_000;
    let mut sent = 0;
    runtime().block_on(async {
        let mut flow = accept_tls(&edge, &listener).await;
        for _ in 0..10_000 {
            flow.queue(Instant::now(), Bytes::from_static(&[b'x'; CHUNK]));
            sent += CHUNK;
            flow.flush().expect("a healthy connection");
            if flow.queued_bytes() > 1 << 20 {
                break;
            }
            tokio::task::yield_now().await;
        }
        assert!(flow.queued_bytes() > 1 << 20, "{}", flow.queued_bytes());
        assert!(flow.watch().is_writable());
        drop(done);
        flush_all(&mut flow).await;
        assert_eq!(flow.queued_bytes(), 0);
        let stream = flow.stream();
        flow.end(Fate::Lingering);
        // Our socket still holds what the client sent first: closed like this, it would take the output with it.
        linger(&stream).await;
    });
    assert_eq!(client.join().expect("a client"), sent, "nothing is lost or doubled");
}

#[test]
fn plain_output_goes_out_in_order_whatever_the_socket_takes() {
    let (listener, address) = listener();
    let client = thread::spawn(move || {
        let mut client = StdStream::connect(address).expect("a listener");
        let mut received = Vec::new();
        client.read_to_end(&mut received).expect("an orderly end");
        received
    });
    let mut expected = Vec::new();
    runtime().block_on(async {
        let mut flow = flow(accept(&listener), Wire::Plain(PlainWire::default()), BytesMut::new());
        for number in 0..40_000_u32 {
            let bytes = number.to_be_bytes().repeat(50);
            expected.extend_from_slice(&bytes);
            flow.queue(Instant::now(), bytes.into());
        }
        assert_eq!(flow.queued_bytes(), expected.len());
        flush_all(&mut flow).await;
        assert_eq!(flow.queued_bytes(), 0);
        flow.end(Fate::Lingering);
    });
    assert!(client.join().expect("a client") == expected);
}

#[test]
fn a_closing_flow_reads_no_more_and_is_not_woken_by_input() {
    let (listener, address) = listener();
    let mut client = StdStream::connect(address).expect("a listener");
    runtime().block_on(async {
        let mut flow = flow(accept(&listener), Wire::Plain(PlainWire::default()), BytesMut::new());
        let start = Instant::now();
        flow.close(start);
        client.write_all(message("late").as_bytes()).expect("a reader");
        flow.stream().readable().await.expect("a socket");
        flow.receive(start, &mut [0; 4096]).expect("nothing to go wrong");
        assert!(matches!(flow.next_frame(), Ok(None)));
        assert!(!flow.watch().is_readable());
        assert!(flow.is_closing_longer_than(start + Duration::from_secs(10), Duration::from_secs(10)));
        assert!(!flow.is_closing_longer_than(start + Duration::from_secs(9), Duration::from_secs(10)));
    });
}

#[test]
fn the_rest_of_a_message_has_its_time_from_when_it_began() {
    let (listener, address) = listener();
    let mut client = StdStream::connect(address).expect("a listener");
    runtime().block_on(async {
        let mut flow = flow(accept(&listener), Wire::Plain(PlainWire::default()), BytesMut::new());
        let (start, stream) = (Instant::now(), flow.stream());
        let (five, six) = (start + Duration::from_secs(5), start + Duration::from_secs(6));
        let is_slow = |flow: &StreamFlow, now| flow.is_partial_longer_than(now, Duration::from_secs(6));
        let whole = message("slow");
        for (at, piece) in [(start, &whole[..10]), (five, &whole[10..20])] {
            client.write_all(piece.as_bytes()).expect("a reader");
            stream.readable().await.expect("a socket");
            flow.receive(at, &mut [0; 4096]).expect("a healthy connection");
            assert!(matches!(flow.next_frame(), Ok(None)));
            flow.await_rest(at);
        }
        assert!(!is_slow(&flow, five) && is_slow(&flow, six));
        flow.pause(six + Duration::from_secs(1));
        assert!(!is_slow(&flow, six), "we do not read");
        let (rest, next) = (&whole[20..], &message("next")[..10]);
        client.write_all(format!("{rest}{next}").as_bytes()).expect("a reader");
        stream.readable().await.expect("a socket");
        let later = six + Duration::from_secs(2);
        flow.receive(later, &mut [0; 4096]).expect("a healthy connection");
        assert!(matches!(flow.next_frame(), Ok(Some(Frame::Message(_)))));
        assert!(matches!(flow.next_frame(), Ok(None)));
        flow.await_rest(later);
        assert!(!is_slow(&flow, later + Duration::from_secs(5)), "the next one has its own time");
    });
}

#[test]
fn part_of_a_record_of_tls_is_part_of_a_message() {
    let edge = Authority::new().edge("contoso.example");
    let (listener, address) = listener();
    let mut client = tls_client(&edge, address);
    let client = thread::spawn(move || {
        client.flush().expect("a handshake");
        let mut record = Vec::new();
        client.conn.writer().write_all(b"OPTIONS").expect("room");
        client.conn.write_tls(&mut record).expect("room");
        client.sock.write_all(&record[..record.len() - 1]).expect("a reader");
        client
    });
    runtime().block_on(async {
        let mut flow = accept_tls(&edge, &listener).await;
        let (now, stream) = (Instant::now(), flow.stream());
        while !flow.wire.has_partial() {
            flow.await_rest(now);
            assert!(!flow.is_partial_longer_than(now, Duration::ZERO), "nothing has come");
            stream.readable().await.expect("a socket");
            flow.receive(now, &mut [0; 4096]).expect("a healthy connection");
            assert!(matches!(flow.next_frame(), Ok(None)));
        }
        flow.await_rest(now);
        assert!(flow.unread.is_empty() && flow.is_partial_longer_than(now, Duration::ZERO));
    });
    drop(client.join().expect("a client"));
}
