//! One media thread: its engine, its legs' sockets, and the loop that joins them.
//!
//! As on a worker, state is borrowed in synchronous code only. Every entry ends with [`Shell::perform`].

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ::media::{Clock, LegId, MediaCommand, MediaEvent, MediaNode, OpenedLeg, Output, PacketKind};
use sdp::LocalAddresses;
use socket2::SockRef;
use tokio::net::UdpSocket;
use tokio::task::{AbortHandle, LocalSet, spawn_local};

use super::handle::{MediaInbox, MediaRequest};
use super::ports::{Pair, PortPool, Ports};
use super::{MediaCounters, PortRange};
use crate::NetError;

/// Everything that one media thread needs.
pub struct MediaSetup {
    /// Its number, and how many there are.
    pub thread: u16,
    pub threads: u16,
    /// What phones are told to send to; the error says why there is none, and what to do.
    pub addresses: Result<LocalAddresses, String>,
    pub ports: PortRange,
    pub clock: Clock,
    pub inbox: MediaInbox,
    /// Takes events, on the thread; must not block.
    pub deliver: Arc<dyn Fn(MediaEvent) + Send + Sync>,
}

/// Runs a media thread until it is stopped, or nobody is left who could stop it.
///
/// # Errors
/// Where the thread cannot have a runtime.
pub fn run(setup: MediaSetup) -> Result<(), NetError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| NetError::Runtime { reason: error.to_string() })?;
    let (shell, inbox) = Shell::new(setup);
    LocalSet::new().block_on(&runtime, serve(shell, inbox));
    Ok(())
}

/// Where sockets are bound: to the address that phones are told, unless it is a NAT's.
fn bound_to(address: IpAddr) -> IpAddr {
    match std::net::UdpSocket::bind(SocketAddr::new(address, 0)) {
        Ok(_) => address,
        Err(error) => {
            tracing::debug!(%address, %error, "the media address is not this machine's: listening on all of them");
            match address {
                IpAddr::V4(_) => std::net::Ipv4Addr::UNSPECIFIED.into(),
                IpAddr::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
            }
        }
    }
}

struct Shell {
    node: MediaNode,
    ports: Result<Sockets, String>,
    legs: BTreeMap<LegId, OpenLeg>,
    deliver: Arc<dyn Fn(MediaEvent) + Send + Sync>,
    counters: MediaCounters,
    scratch: Vec<u8>,
}

struct Sockets {
    told: LocalAddresses,
    pool: PortPool,
}

struct OpenLeg {
    /// Of each address that we have.
    pairs: Vec<LegSockets>,
    port: u16,
    opened_at: Instant,
    /// Whether the leg was ever used.
    has_run: bool,
    tasks: Vec<AbortHandle>,
}

/// Those of one address.
struct LegSockets {
    is_ipv4: bool,
    rtp: Rc<UdpSocket>,
    rtcp: Rc<UdpSocket>,
}

impl Drop for OpenLeg {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

async fn serve(shell: Rc<RefCell<Shell>>, mut inbox: MediaInbox) {
    let mut sweep = tokio::time::interval(SWEEP_INTERVAL);
    let mut requests = Vec::new();
    loop {
        let deadline = shell.borrow().node.poll_timeout();
        tokio::select! {
            count = inbox.receiver.recv_many(&mut requests, REQUESTS_PER_TURN_MAX) => {
                if count == 0 {
                    break;
                }
                for request in requests.drain(..) {
                    if matches!(request, MediaRequest::Stop) {
                        return shell.borrow_mut().close_all();
                    }
                    take_request(&shell, request);
                }
                // However much more there is: the sockets have their turn.
                tokio::task::yield_now().await;
            }
            () = sleep_until(deadline) => shell.borrow_mut().handle_timeout(),
            _ = sweep.tick() => shell.borrow_mut().sweep(Instant::now()),
        }
    }
    shell.borrow_mut().close_all();
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}

fn take_request(shell: &Rc<RefCell<Shell>>, request: MediaRequest) {
    match request {
        MediaRequest::OpenLeg { leg, reply } => reply(open_leg(shell, leg)),
        MediaRequest::Command(command) => shell.borrow_mut().command(command),
        MediaRequest::Counters(reply) => reply(shell.borrow().counters()),
        MediaRequest::Stop => {}
    }
}

/// A leg that is open already keeps its ports and gets fresh keys.
fn open_leg(shell: &Rc<RefCell<Shell>>, leg: LegId) -> Result<OpenedLeg, String> {
    let port = shell.borrow().legs.get(&leg).map(|open| open.port);
    let port = match port {
        Some(port) => port,
        None => {
            let ports = shell.borrow_mut().take_ports()?;
            let port = ports.port;
            let open = start_leg(shell, leg, ports);
            shell.borrow_mut().legs.insert(leg, open);
            port
        }
    };
    shell.borrow().told(port)
}

fn start_leg(shell: &Rc<RefCell<Shell>>, leg: LegId, ports: Ports) -> OpenLeg {
    let sockets = |pair: Pair| LegSockets { is_ipv4: pair.is_ipv4, rtp: Rc::new(pair.rtp), rtcp: Rc::new(pair.rtcp) };
    let pairs: Vec<_> = ports.pairs.into_iter().map(sockets).collect();
    let task =
        |kind, socket: &Rc<UdpSocket>| spawn_local(receive(shell.clone(), (leg, kind), socket.clone())).abort_handle();
    let both = pairs.iter().flat_map(|pair| [(PacketKind::Rtp, &pair.rtp), (PacketKind::Rtcp, &pair.rtcp)]);
    let tasks = both.map(|(kind, socket)| task(kind, socket)).collect();
    OpenLeg { pairs, port: ports.port, opened_at: Instant::now(), has_run: false, tasks }
}

/// The task of one socket.
async fn receive(shell: Rc<RefCell<Shell>>, of: (LegId, PacketKind), socket: Rc<UdpSocket>) {
    // An error means that the runtime is shutting down.
    while socket.readable().await.is_ok() {
        shell.borrow_mut().take_packets(of, &socket);
        tokio::task::yield_now().await;
    }
}

impl Shell {
    fn new(setup: MediaSetup) -> (Rc<RefCell<Shell>>, MediaInbox) {
        let MediaSetup { thread, inbox, deliver, clock, .. } = setup;
        let shell = Shell {
            node: MediaNode::new(clock, rand::random()),
            ports: setup.addresses.map(|told| Sockets {
                told,
                pool: PortPool::new(
                    [Some(told.first), told.other].into_iter().flatten().map(bound_to).collect(),
                    setup.ports,
                    (thread, setup.threads),
                    rand::random_range(0..1 << 16),
                ),
            }),
            legs: BTreeMap::new(),
            deliver,
            counters: MediaCounters { thread, ..MediaCounters::default() },
            scratch: vec![0; SCRATCH_BYTES],
        };
        (Rc::new(RefCell::new(shell)), inbox)
    }

    fn take_ports(&mut self) -> Result<Ports, String> {
        let opened = self.ports.as_mut().map_err(|reason| reason.clone()).and_then(|ports| ports.pool.open());
        match &opened {
            Ok(_) => self.counters.legs_opened += 1,
            Err(reason) => {
                self.counters.legs_refused += 1;
                tracing::debug!(reason, "a leg gets no ports");
            }
        }
        opened
    }

    fn told(&self, port: u16) -> Result<OpenedLeg, String> {
        let told = self.ports.as_ref().map_err(Clone::clone)?.told;
        let mut random = [0; sdp::Keys::BYTES];
        rand::fill(&mut random);
        Ok(OpenedLeg {
            rtp: SocketAddr::new(told.first, port),
            rtcp: SocketAddr::new(told.first, port + 1),
            other_address: told.other,
            keys: sdp::Keys::cut(&random),
        })
    }

    fn take_packets(&mut self, of: (LegId, PacketKind), socket: &UdpSocket) {
        let now = Instant::now();
        for _ in 0..PACKETS_PER_TURN_MAX {
            match socket.try_recv_from(&mut self.scratch) {
                Ok((len, source)) => self.node.handle_packet(now, of, source, &self.scratch[..len]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // An ICMP message about an earlier packet of ours: the phone is not there, or not yet.
                Err(error) => tracing::trace!(%error, "receiving a packet failed"),
            }
        }
        self.perform();
    }

    fn handle_timeout(&mut self) {
        self.node.handle_timeout(Instant::now());
        self.perform();
    }

    fn command(&mut self, command: MediaCommand) {
        let of_leg = match &command {
            MediaCommand::Run { leg, .. }
            | MediaCommand::Mute { leg, .. }
            | MediaCommand::Hold { leg, .. }
            | MediaCommand::Close { leg } => Some(*leg),
            MediaCommand::Announce { .. } => None,
        };
        let is_closing = matches!(command, MediaCommand::Close { .. });
        if let Some(leg) = of_leg {
            match self.legs.get_mut(&leg) {
                Some(open) => open.has_run |= matches!(command, MediaCommand::Run { .. }),
                None if is_closing => {}
                None => return tracing::debug!(?leg, "a command for a leg that is not open"),
            }
        }
        self.node.handle_command(Instant::now(), command);
        self.perform();
        if let Some(leg) = of_leg.filter(|_| is_closing) {
            self.free(leg);
        }
    }

    /// Sends what the engine puts out, and delivers what it tells.
    fn perform(&mut self) {
        while let Some(output) = self.node.poll_output() {
            match output {
                Output::Event(event) => (self.deliver)(event),
                Output::Transmit { leg, kind, to, bytes } => self.transmit((leg, kind), to, &bytes),
            }
        }
    }

    fn transmit(&mut self, (leg, kind): (LegId, PacketKind), to: SocketAddr, bytes: &[u8]) {
        let Some(open) = self.legs.get(&leg) else { return };
        let Some(pair) = open.pairs.iter().find(|pair| pair.is_ipv4 == to.is_ipv4()) else {
            self.counters.packets_unsent += 1;
            return;
        };
        let socket = match kind {
            PacketKind::Rtp => &pair.rtp,
            PacketKind::Rtcp => &pair.rtcp,
        };
        // Past the runtime, which would have to see a socket as ready before it lets anything be sent by it.
        if let Err(error) = SockRef::from(&**socket).send_to(bytes, &to.into()) {
            self.counters.packets_unsent += 1;
            tracing::trace!(%error, "sending a packet failed");
        }
    }

    fn free(&mut self, leg: LegId) {
        if let (Some(open), Ok(ports)) = (self.legs.remove(&leg), &mut self.ports) {
            ports.pool.give_back(open.port);
        }
    }

    /// Ends what was opened and never used: whoever asked for it is gone.
    fn sweep(&mut self, now: Instant) {
        let is_unused = |open: &OpenLeg| !open.has_run && now.duration_since(open.opened_at) >= UNUSED_TIME;
        let unused: Vec<LegId> = self.legs.iter().filter(|(_, open)| is_unused(open)).map(|(leg, _)| *leg).collect();
        for leg in unused {
            self.counters.legs_expired += 1;
            self.command(MediaCommand::Close { leg });
        }
    }

    fn close_all(&mut self) {
        let legs: Vec<LegId> = self.legs.keys().copied().collect();
        for leg in legs {
            self.command(MediaCommand::Close { leg });
        }
    }

    fn counters(&self) -> MediaCounters {
        let counts = self.node.counts();
        MediaCounters {
            bridges: self.node.bridges(),
            legs: self.legs.len(),
            legs_max: self.ports.as_ref().map_or(0, |ports| ports.pool.len()),
            packets_received: counts.packets_received,
            packets_sent: counts.packets_sent,
            packets_malformed: counts.packets_malformed,
            packets_refused: counts.packets_refused,
            packets_stray: counts.packets_stray,
            frames_skipped: counts.frames_skipped,
            ..self.counters.clone()
        }
    }
}

/// Longer than a phone may ring.
const UNUSED_TIME: Duration = Duration::from_secs(300);
const SWEEP_INTERVAL: Duration = Duration::from_secs(5);
const REQUESTS_PER_TURN_MAX: usize = 64;
const PACKETS_PER_TURN_MAX: usize = 16;
/// More than the largest datagram.
const SCRATCH_BYTES: usize = 1 << 16;

#[cfg(test)]
mod tests;
