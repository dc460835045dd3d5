//! A flow on its way from one worker to another, one step at a time.

use bytes::BytesMut;
use federation::flow::{Direction, FlowFacts, FlowKind};
use signaling::Output;
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::framing::Framing;
use crate::wire::{PlainWire, Wire};

const MAIL_TIME: Duration = Duration::from_millis(100);
const FLOW: FlowId = FlowId::Stream { worker: 0, serial: 1 };

/// Both workers, and what they were sent. No loop runs: the test is the loop.
struct Pair {
    workers: Vec<Shared>,
    inboxes: Vec<Inbox>,
}

impl Pair {
    /// With queues that have no room for what may be lost.
    fn start() -> Pair {
        let edge = Authority::new().edge("contoso.example");
        let (mailboxes, inboxes): (Vec<_>, Vec<_>) = (0..WORKERS).map(|_| mailbox(0)).unzip();
        let start = |(worker, inbox)| {
            let setup = WorkerSetup {
                inside: None,
                core: core_config("contoso.example", "fabrikam.example", worker, &[]),
                listeners: Vec::new(),
                datagram_places: Arc::default(),
                origins: Arc::new(Origins::of_domains([])),
                challenges: certificates::TlsAlpn::default(),
                tls_clients: crate::TlsClients::of(edge.client.clone()),
                roots: edge.roots.clone(),
                resolver: Resolver::new(&crate::DnsSettings::of(&[SocketAddr::from(([127, 0, 0, 1], 1))]))
                    .expect("explicit servers"),
                accounts: Arc::new(TestAccounts),
                media: crate::media::MediaThreads::default(),
                mailboxes: mailboxes.clone(),
                inbox,
                limits: Limits::default(),
            };
            let (worker, inbox, _) = super::start(setup).expect("nothing to bind");
            (worker, inbox)
        };
        let (workers, inboxes) = (0..WORKERS).zip(inboxes).map(start).unzip();
        Pair { workers, inboxes }
    }

    async fn mail(&mut self, worker: usize) -> Vec<WorkerMessage> {
        let inbox = &mut self.inboxes[worker].urgent;
        // Nothing at all is an answer too.
        let first = tokio::time::timeout(MAIL_TIME, inbox.receive()).await.ok().flatten();
        first.into_iter().chain(std::iter::from_fn(|| inbox.take())).collect()
    }
}

async fn flow() -> (StreamFlow, StdStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let peer = StdStream::connect(listener.local_addr().expect("bound")).expect("a server");
    let (stream, _) = listener.accept().await.expect("a connection");
    (accepted(FLOW, stream, BytesMut::new()), peer)
}

/// A flow of a connection that was accepted, over which these bytes have come.
pub(super) fn accepted(id: FlowId, stream: TcpStream, read: BytesMut) -> StreamFlow {
    let facts = FlowFacts {
        id,
        transport: Transport::Tcp,
        local: stream.local_addr().expect("connected"),
        remote: stream.peer_addr().expect("connected"),
        direction: Direction::Inbound,
        certificate: None,
        is_inner: false,
    };
    let framing = Framing::new(Transport::Tcp, sip::MessageLimits::default());
    StreamFlow::new(facts, stream, Wire::Plain(PlainWire::default()), read, framing)
}

/// What the core puts out to give a flow away.
fn move_out(worker: &Shared) {
    let mut worker = worker.borrow_mut();
    let known = Handoff::FlowMoved { flow: FLOW, kind: FlowKind::Client, users: Vec::new() };
    worker.perform(Output::MoveFlow { flow: FLOW, to: 1 });
    worker.perform(Output::Handoff { to: 1, handoff: known });
}

#[tokio::test(flavor = "current_thread")]
async fn a_flow_arrives_with_what_is_known_of_it_in_one_message() {
    let local = LocalSet::new();
    let test = async {
        let mut pair = Pair::start();
        let (flow, _peer) = flow().await;
        let permit = pair.workers[0].borrow().occupancy.enter(flow.facts().remote.ip());
        pair.workers[0].borrow_mut().keep(flow, permit);
        move_out(&pair.workers[0]);
        let mail = pair.mail(1).await;
        assert!(matches!(&mail[..], [WorkerMessage::Adopt { .. }]), "{} messages", mail.len());

        let mut adopter = pair.workers[1].borrow_mut();
        adopter.take_mail(mail.into_iter());
        let status = adopter.core.status();
        assert_eq!((status.flows, status.client_flows), (1, 1));
        assert_eq!(pair.workers[0].borrow().counters.flows_given_away, 1);
    };
    local.run_until(test).await;
}

#[tokio::test(flavor = "current_thread")]
async fn a_flow_that_is_gone_before_it_moves_is_forgotten() {
    let local = LocalSet::new();
    let test = async {
        let mut pair = Pair::start();
        move_out(&pair.workers[0]);
        let mail = pair.mail(1).await;
        assert!(!mail.iter().any(|message| matches!(message, WorkerMessage::Adopt { .. })));
        assert_eq!(pair.workers[0].borrow().ended, [FLOW]);
        assert_eq!(pair.workers[0].borrow().counters.flows_given_away, 0);
    };
    local.run_until(test).await;
}
