//! Whole workers on the loopback: two organisations with two workers each, a name server, and users with phones.

use std::io::{Read, Write};
use std::net::{
    IpAddr, Ipv4Addr, SocketAddr, TcpListener as StdListener, TcpStream as StdStream, UdpSocket as StdUdpSocket,
};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use conference::schedule::Meeting;
use federation::admission::Organisation;
use federation::partner::{Partner, Partners};
use messaging::{MessageId, NewMessage, NotStored, StoredMessage};
use rustls::ClientConfig;
use signaling::{CoreConfig, Handoff, Listener};
use sip::auth::{self, UserHa1};
use sip::{Aor, Frame, HeaderName, Message, Method, RequestBuilder, Transport};

use self::line::Line;
use super::*;
use crate::mailbox::mailbox;
use crate::media::{MediaSetup, MediaThreads};
use crate::testing::name_server::{self, address, srv, srv_of};
use crate::testing::{Authority, Edge};
use crate::{Inbox, ListenerSetup, Networks, Reply, WorkerMessage};

mod alone;
mod balancers;
mod endings;
mod handshakes;
mod line;
mod meeting;
mod moving;
mod pace;
mod sharing;
mod slow_dns;
mod slow_partners;
mod strangers;
mod transports;
mod unreadable;
mod vectors;
mod web_socket;

const WORKERS: u16 = 2;
/// Of a server's listeners, in their order.
const TRANSPORTS: [Transport; 5] = [Transport::Tls, Transport::Tcp, Transport::Udp, Transport::Wss, Transport::Ws];
const PASSWORD: &str = "correct horse";

/// An organisation's server. Stops when dropped.
struct TestServer {
    domain: &'static str,
    tls: SocketAddr,
    tcp: SocketAddr,
    udp: SocketAddr,
    wss: SocketAddr,
    ws: SocketAddr,
    mailboxes: Vec<Mailbox>,
    threads: Vec<thread::JoinHandle<Result<(), NetError>>>,
    media: MediaThreads,
    media_threads: Vec<thread::JoinHandle<Result<(), NetError>>>,
}

/// Everybody whose name does not begin with "no" has an account, and no room for messages.
struct TestAccounts;

impl Accounts for TestAccounts {
    fn credentials(&self, aor: Aor, reply: Reply<Result<Option<UserHa1>, String>>) {
        let exists = !aor.user().starts_with("no");
        reply(Ok(exists.then(|| UserHa1::new(&aor, PASSWORD))));
    }

    fn exists(&self, aor: Aor, reply: Reply<Result<bool, String>>) {
        reply(Ok(!aor.user().starts_with("no")));
    }

    fn store(&self, new: NewMessage, reply: Reply<Result<MessageId, NotStored>>) {
        let exists = !new.aor.user().starts_with("no");
        reply(if exists { Err(NotStored::Full) } else { Err(NotStored::UserUnknown) });
    }

    fn next_stored(&self, _: Aor, _: MessageId, _: u64, reply: Reply<Result<Option<StoredMessage>, String>>) {
        reply(Ok(None));
    }

    fn settle(&self, _: MessageId, _: bool, reply: Reply<Result<(), String>>) {
        reply(Ok(()));
    }

    fn approach(&self, approach: messaging::Approach, reply: Reply<Result<messaging::Approached, String>>) {
        reply(Ok(messaging::judge(&messaging::Known::default(), &approach)));
    }

    fn answer_consent(
        &self,
        _: messaging::ConsentAnswer,
        reply: Reply<Result<Option<messaging::ConsentAnswered>, String>>,
    ) {
        reply(Ok(None));
    }

    fn agree(&self, _: Aor, _: String, _: u64, reply: Reply<Result<u32, String>>) {
        reply(Ok(0));
    }

    fn keep_meeting(&self, _: Meeting) {}

    fn record(&self, _: signaling::Record) {}

    fn keep_suspect(&self, _: federation::ledger::KeptSuspect) {}

    fn keep_answer(&self, _: federation::ledger::KeptAnswer) {}
}

/// What a server needs of its surroundings.
struct TestShell {
    resolver: Resolver,
    limits: Limits,
}

impl TestServer {
    fn start(domain: &'static str, partner: &str, tls: SocketAddr, edge: &Edge, shell: &TestShell) -> TestServer {
        let mut addresses = vec![tls];
        addresses.extend(TRANSPORTS.into_iter().skip(1).map(|transport| free_port(tls.ip(), transport)));
        let (mailboxes, inboxes): (Vec<_>, Vec<_>) = (0..WORKERS).map(|_| mailbox(1000)).unzip();
        let (media, media_threads) = start_media(&mailboxes);
        let (places, mut threads) = (Arc::<DatagramPlaces>::default(), Vec::new());
        for (worker, inbox) in (0..WORKERS).zip(inboxes) {
            let setup = WorkerSetup {
                core: core_config(domain, partner, worker, &addresses),
                listeners: listeners(&addresses, edge),
                datagram_places: places.clone(),
                origins: Arc::new(Origins::of_domains([domain])),
                challenges: certificates::TlsAlpn::default(),
                tls_clients: crate::TlsClients::of(edge.client.clone()),
                roots: edge.roots.clone(),
                inside: None,
                resolver: shell.resolver.clone(),
                accounts: Arc::new(TestAccounts),
                media: media.clone(),
                mailboxes: mailboxes.clone(),
                inbox,
                limits: shell.limits.clone(),
            };
            let (is_ready, ready) = mpsc::channel();
            threads.push(thread::spawn(move || run(setup, move |bound| is_ready.send(bound).expect("a listener"))));
            addresses = ready.recv().expect("a word").expect("free ports");
        }
        TestServer {
            domain,
            tls: addresses[0],
            tcp: addresses[1],
            udp: addresses[2],
            wss: addresses[3],
            ws: addresses[4],
            mailboxes,
            threads,
            media,
            media_threads,
        }
    }

    fn counters(&self) -> Vec<Counters> {
        let ask = |mailbox: &Mailbox| {
            let (reply, counters) = mpsc::channel();
            mailbox.send(WorkerMessage::Counters(Box::new(move |seen| reply.send(seen).expect("a listener"))));
            counters.recv().expect("an answer")
        };
        self.mailboxes.iter().map(ask).collect()
    }

    fn sum(&self, of: impl Fn(&Counters) -> u64) -> u64 {
        self.counters().iter().map(of).sum()
    }

    /// Waits until there are so many: a worker may be slow to come to it.
    fn expect_at_least(&self, count: u64, of: impl Fn(&Counters) -> u64) {
        let deadline = Instant::now() + Duration::from_secs(5);
        while self.sum(&of) < count {
            assert!(Instant::now() < deadline, "{} of {count}", self.sum(&of));
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        for mailbox in &self.mailboxes {
            mailbox.send(WorkerMessage::Stop);
        }
        for thread in self.threads.drain(..) {
            assert_eq!(thread.join().expect("no panic"), Ok(()));
        }
        self.media.stop();
        for thread in self.media_threads.drain(..) {
            assert_eq!(thread.join().expect("no panic"), Ok(()));
        }
    }
}

/// One media thread for all workers, which tells each of its bridges.
fn start_media(mailboxes: &[Mailbox]) -> (MediaThreads, Vec<thread::JoinHandle<Result<(), NetError>>>) {
    let (media, inboxes) = crate::media::media_threads(1);
    let setups = inboxes.into_iter().map(|inbox| MediaSetup {
        thread: 0,
        threads: 1,
        addresses: Ok(std::net::IpAddr::from([127, 0, 0, 1]).into()),
        ports: crate::media::tests::free_range(4),
        clock: ::media::Clock { epoch: Instant::now(), epoch_unix_ms: 0 },
        inbox,
        deliver: crate::media::to_workers(mailboxes.to_vec()),
    });
    (media, setups.map(|setup| thread::spawn(move || crate::media::run(setup))).collect())
}

fn core_config(domain: &str, partner: &str, worker: u16, addresses: &[SocketAddr]) -> CoreConfig {
    let partner = Partner::allowed(partner);
    let listeners = TRANSPORTS.into_iter().zip(addresses);
    CoreConfig {
        worker,
        workers: WORKERS,
        organisation: Arc::new(Organisation::new(vec![domain.into()], domain.into())),
        listeners: listeners
            .map(|(transport, address)| Listener { transport, address: *address, is_inner: false })
            .collect(),
        secret: [7; 32],
        pool_secret: None,
        incarnation: 1,
        epoch: Instant::now(),
        epoch_unix_ms: 0,
        partners: Arc::new(Partners::new(vec![partner], true, false)),
        meetings: Arc::default(),
        calls: signaling::CallSettings::default(),
        discovered: federation::ledger::DiscoveredTerms::default(),
        suspects: Arc::default(),
        answers: Arc::default(),
        limits: signaling::Limits::default(),
        random_seed: u64::from(worker) + 1,
    }
}

fn listeners(addresses: &[SocketAddr], edge: &Edge) -> Vec<ListenerSetup> {
    let listener = |(transport, address): (Transport, &SocketAddr)| {
        let tls = match transport {
            Transport::Tls => Some(edge.server.clone()),
            Transport::Wss => Some(edge.web_server.clone()),
            _ => None,
        };
        ListenerSetup { transport, address: *address, tls, is_inner: false, balancers: balancers(transport) }
    };
    TRANSPORTS.into_iter().zip(addresses).map(listener).collect()
}

/// In front of the TLS of every server there may be one at this address.
fn balancers(transport: Transport) -> Arc<Networks> {
    let mut balancers = Networks::default();
    if transport == Transport::Tls {
        balancers.add("127.0.99.0/24").expect("a network");
    }
    Arc::new(balancers)
}

/// Below the ports that the system gives to whoever asks for any: one of those may be another test's before it is ours.
fn free_port(ip: IpAddr, transport: Transport) -> SocketAddr {
    static ASKED: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let first = std::process::id().wrapping_mul(61);
    let is_free = |address: &SocketAddr| match transport {
        Transport::Udp => StdUdpSocket::bind(address).is_ok(),
        _ => StdListener::bind(address).is_ok(),
    };
    let mut ports = std::iter::repeat_with(|| {
        let asked = ASKED.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        10_000 + u16::try_from(first.wrapping_add(asked) % 9_000).expect("below 9,000")
    });
    let free = ports.by_ref().take(9_000).map(|port| SocketAddr::new(ip, port)).find(is_free);
    free.expect("a free port")
}

/// A phone: one connection, one user.
struct Phone {
    user: String,
    domain: &'static str,
    line: Line,
    cseq: u32,
}

impl Phone {
    fn connect(server: &TestServer, user: &str) -> Phone {
        Phone::over(Line::tls(server), server, user)
    }

    fn over(line: Line, server: &TestServer, user: &str) -> Phone {
        Phone { user: user.into(), domain: server.domain, line, cseq: 0 }
    }

    fn aor(&self) -> String {
        format!("sip:{}@{}", self.user, self.domain)
    }

    fn send(&mut self, bytes: &[u8]) {
        self.line.send(bytes);
    }

    /// The next frame; `None` at the end of the connection.
    fn next_frame(&mut self) -> Option<Frame> {
        self.line.next_frame()
    }

    fn receive(&mut self) -> Message {
        match self.next_frame() {
            Some(Frame::Message(bytes)) => Message::parse(bytes).expect("a message"),
            other => panic!("{} got {other:?}", self.user),
        }
    }

    fn receive_final(&mut self) -> Message {
        loop {
            let response = self.receive();
            if response.status().expect("a response") >= 200 {
                return response;
            }
        }
    }

    fn request(&mut self, method: Method, uri: &str, to: &str) -> RequestBuilder {
        self.cseq += 1;
        let (aor, cseq) = (self.aor(), self.cseq);
        RequestBuilder::new(&method, uri)
            .header(HeaderName::Via, format!("SIP/2.0/TLS phone.invalid;branch=z9hG4bK{}{cseq};rport", self.user))
            .header(HeaderName::MaxForwards, 70)
            .header(HeaderName::From, format!("<{aor}>;tag=t{}", self.user))
            .header(HeaderName::To, format!("<{to}>"))
            .header(HeaderName::CallId, format!("{}-{}", self.user, method.as_str()))
            .header(HeaderName::CSeq, format!("{cseq} {}", method.as_str()))
    }

    fn register(&mut self) {
        let registrar = format!("sip:{}", self.domain);
        let contact = format!("<sip:{}@phone.invalid;transport=tls>", self.user);
        let aor = self.aor();
        let first = self.request(Method::Register, &registrar, &aor).header(HeaderName::Contact, &contact);
        self.send(&first.build());
        let challenge = self.receive();
        assert_eq!(challenge.status(), Some(401), "{challenge:?}");
        let answer = self.answer(&challenge, HeaderName::WwwAuthenticate, &Method::Register, &registrar, b"");
        let second = self
            .request(Method::Register, &registrar, &aor)
            .header(HeaderName::Contact, &contact)
            .header(HeaderName::Authorization, answer);
        self.send(&second.build());
        let response = self.receive();
        assert_eq!(response.status(), Some(200), "{response:?}");
    }

    /// What proves the password for a request that was challenged in this header.
    fn answer(&self, challenge: &Message, header: HeaderName, method: &Method, uri: &str, body: &[u8]) -> String {
        let challenges = challenge.header_all(header).map(|value| std::str::from_utf8(value).expect("ASCII"));
        let challenges: Vec<&str> = challenges.collect();
        auth::answer(&challenges, &self.user, PASSWORD, method, uri, body, "c", 1)
            .expect("a challenge that we understand")
    }

    fn say(&mut self, to: &str, text: &str) {
        let message = self.request(Method::Message, to, to).body("text/plain", text).build();
        self.send(&message);
    }
}

fn anonymous() -> Arc<ClientConfig> {
    Arc::new(certificates::tls::recording_client_config(None).expect("a client"))
}

/// Contoso and Fabrikam, which find each other by SRV, and the runtime of their name server.
fn two_organisations() -> (TestServer, TestServer, tokio::runtime::Runtime) {
    two_organisations_within(Limits::default())
}

fn two_organisations_within(limits: Limits) -> (TestServer, TestServer, tokio::runtime::Runtime) {
    two_organisations_at(Ipv4Addr::LOCALHOST.into(), limits)
}

fn two_organisations_at(ip: IpAddr, limits: Limits) -> (TestServer, TestServer, tokio::runtime::Runtime) {
    let authority = Authority::new();
    let (contoso, fabrikam) = (free_port(ip, Transport::Tls), free_port(ip, Transport::Tls));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.expect("a runtime");
    let name_server = runtime.block_on(name_server::start([
        ("_sipfederationtls._tcp.contoso.example", srv(contoso.port(), "contoso.example")),
        ("_sips._tcp.fabrikam.example", srv(fabrikam.port(), "fabrikam.example")),
        ("contoso.example", address(ip)),
        ("fabrikam.example", address(ip)),
    ]));
    let shell = TestShell {
        resolver: Resolver::new(&crate::DnsSettings::of(&[name_server])).expect("explicit servers need no files"),
        limits,
    };
    let start = |domain, partner, address| TestServer::start(domain, partner, address, &authority.edge(domain), &shell);
    let contoso = start("contoso.example", "fabrikam.example", contoso);
    let fabrikam = start("fabrikam.example", "contoso.example", fabrikam);
    (contoso, fabrikam, runtime)
}

/// One message there, and its 200 back.
fn exchange(from: &mut Phone, to: &mut Phone) {
    let text = format!("hello {}", to.user);
    from.say(&to.aor(), &text);
    let message = to.receive();
    assert_eq!(message.body(), text.as_bytes());
    to.send(&sip::build::response(&message, 200, None, Some("there")).build());
    let response = from.receive_final();
    assert_eq!(response.status(), Some(200), "{response:?}");
}

#[test]
fn users_of_two_organisations_exchange_messages_whatever_worker_has_them() {
    const PAIRS: usize = 8;
    let (contoso, fabrikam, _name_server) = two_organisations();
    for pair in 0..PAIRS {
        let mut alice = Phone::connect(&contoso, &format!("alice{pair}"));
        let mut bob = Phone::connect(&fabrikam, &format!("bob{pair}"));
        alice.register();
        bob.register();
        exchange(&mut alice, &mut bob);
        exchange(&mut bob, &mut alice);
    }
    // Where the kernel puts a connection is chance; that none of sixteen landed with the wrong worker is none.
    assert!(contoso.sum(|seen| seen.flows_adopted) + fabrikam.sum(|seen| seen.flows_adopted) > 0);
    for server in [&contoso, &fabrikam] {
        let (given, adopted) = (server.sum(|seen| seen.flows_given_away), server.sum(|seen| seen.flows_adopted));
        assert_eq!(given, adopted);
        assert_eq!(server.sum(|seen| seen.transmits_without_flow), 0);
        assert_eq!(server.sum(|seen| seen.parse_errors + seen.framing_errors + seen.tls_errors), 0);
    }
    // Whoever writes first opens the connections; the other may answer and write over them.
    assert!(contoso.sum(|seen| seen.flows_connected) + fabrikam.sum(|seen| seen.flows_connected) >= 1);
}

/// A request that is answered by 401.
fn unproven_register(transport: &str) -> Bytes {
    RequestBuilder::new(&Method::Register, "sip:contoso.example")
        .header(HeaderName::Via, format!("SIP/2.0/{transport} phone.invalid;branch=z9hG4bK1;rport"))
        .header(HeaderName::MaxForwards, 70)
        .header(HeaderName::From, "<sip:alice@contoso.example>;tag=1")
        .header(HeaderName::To, "<sip:alice@contoso.example>")
        .header(HeaderName::CallId, "unproven")
        .header(HeaderName::CSeq, "1 REGISTER")
        .header(HeaderName::Contact, "<sip:alice@phone.invalid>")
        .build()
}

#[test]
fn a_stream_without_borders_is_closed() {
    let (contoso, _fabrikam, _name_server) = two_organisations();
    let mut phone = Phone::connect(&contoso, "mallory");
    phone.send(b"\r\n\r\nMESSAGE sip:a@b SIP/2.0\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n");
    assert_eq!(phone.next_frame(), Some(Frame::Pong));
    assert_eq!(phone.next_frame(), None);
    assert_eq!(contoso.sum(|seen| seen.framing_errors), 1);
    assert_eq!(contoso.sum(|seen| seen.flows_ended), 1);
}

/// The test's servers start in 1970.
#[test]
fn a_clock_that_was_wrong_at_the_start_is_read_again() {
    let (contoso, _fabrikam, _name_server) = two_organisations();
    for mailbox in &contoso.mailboxes {
        let (told, hears) = std::sync::mpsc::channel();
        mailbox.send(WorkerMessage::Inspect(Box::new(move |core, now| told.send(core.unix_ms(now)).expect("heard"))));
        let since_1970 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a late year");
        let off = u128::from(hears.recv().expect("an answer")).abs_diff(since_1970.as_millis());
        assert!(off < 5_000, "{off} ms");
    }
}

#[test]
fn a_peer_that_asks_and_never_reads_is_ended() {
    let limits = Limits { output_bytes_max: 100_000, ..Limits::default() };
    let (contoso, _fabrikam, _name_server) = two_organisations_within(limits);
    let mut peer = StdStream::connect(contoso.tcp).expect("a server");
    peer.set_write_timeout(Some(Duration::from_secs(30))).expect("a socket");
    // All the same request: each gets the same answer again.
    let requests = unproven_register("TCP").repeat(50);
    let failed = (0..2000).find_map(|_| peer.write_all(&requests).err()).expect("an end before a hundred thousand");
    assert!(!matches!(failed.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut), "{failed}");
    assert_eq!(contoso.sum(|seen| seen.slow_readers_ended), 1);
    assert_eq!(contoso.sum(|seen| seen.flows as u64), 0);
}

#[test]
fn a_partner_that_cannot_be_reached_is_an_answer() {
    let (contoso, fabrikam, _name_server) = two_organisations();
    drop(fabrikam);
    let mut alice = Phone::connect(&contoso, "alice");
    alice.register();
    alice.say("sip:bob@fabrikam.example", "anybody there?");
    let status = alice.receive_final().status().expect("a response");
    assert!(status >= 400, "{status}");
    assert!(contoso.sum(|seen| seen.connects_failed) >= 1);
}
