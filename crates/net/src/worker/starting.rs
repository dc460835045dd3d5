//! A worker's sockets bound, and its state made.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use signaling::Core;
use sip::Transport;
use tokio::net::TcpListener;
use tokio::sync::Notify;

use super::{Alarms, Shared, Worker};
use crate::occupancy::Occupancy;
use crate::turns::BusyFlows;
use crate::udp::{DatagramSocket, PLACES_MAX};
use crate::{Counters, Inbox, ListenerSetup, NetError, Networks, WorkerSetup, setup};

/// A bound socket, ready for its task.
pub(crate) struct Listening {
    pub(crate) number: u8,
    pub(crate) address: SocketAddr,
    pub(crate) is_inner: bool,
    pub(crate) balancers: Arc<Networks>,
    pub(crate) kind: ListeningKind,
}

pub(crate) enum ListeningKind {
    Stream { socket: TcpListener, transport: Transport, tls: Option<Arc<rustls::ServerConfig>> },
    Datagram(Rc<DatagramSocket>),
}

pub(super) fn start(setup: WorkerSetup) -> Result<(Shared, Inbox, Vec<Listening>), NetError> {
    if setup.listeners.len() > PLACES_MAX {
        return Err(NetError::TooManyListeners);
    }
    let listeners = setup
        .listeners
        .into_iter()
        .enumerate()
        .map(|(number, listener)| listen(u8::try_from(number).unwrap_or(u8::MAX), listener))
        .collect::<Result<Vec<_>, _>>()?;
    let mut core = setup.core;
    // Every worker has sockets of its own at the same addresses.
    if core.worker == 0 {
        listeners.iter().for_each(Listening::log);
    }
    // Where port 0 was asked for, the core is to write the port that we got.
    for (listener, bound) in core.listeners.iter_mut().zip(&listeners) {
        listener.address = bound.address;
    }
    let resolver = setup.resolver.separate()?;
    let id = core.worker;
    let worker = Rc::new_cyclic(|me| {
        RefCell::new(Worker {
            id,
            core: Core::new(core),
            now: Instant::now(),
            flows: HashMap::new(),
            datagram_sockets: listeners.iter().map(Listening::datagram_socket).collect(),
            datagram_places: setup.datagram_places,
            limits: Rc::new(setup.limits),
            counters: Counters { worker: id, ..Counters::default() },
            alarms: Alarms::default(),
            occupancy: Occupancy::default(),
            busy_flows: BusyFlows::default(),
            strangers: Rc::default(),
            roots: setup.roots,
            inside: setup.inside,
            origins: setup.origins,
            challenges: setup.challenges,
            tls_clients: setup.tls_clients,
            resolver,
            accounts: setup.accounts,
            media: setup.media,
            mailboxes: setup.mailboxes,
            scratch: vec![0; SCRATCH_BYTES],
            dirty: Vec::new(),
            ended: VecDeque::new(),
            moving: None,
            serials: 0,
            sleeps_until: None,
            rearm: Rc::new(Notify::new()),
            is_stopping: false,
            acceptors: Vec::new(),
            is_draining: false,
            me: me.clone(),
        })
    });
    Ok((worker, setup.inbox, listeners))
}

fn listen(number: u8, listener: ListenerSetup) -> Result<Listening, NetError> {
    let ListenerSetup { transport, address, tls, is_inner, balancers } = listener;
    if transport.is_secure() && tls.is_none() {
        return Err(NetError::NoCertificate { transport, address });
    }
    let socket = setup::listen(transport, address)?;
    let bound = socket.local_addr().ok().and_then(|bound| bound.as_socket()).unwrap_or(address);
    let registered = match transport {
        Transport::Udp => DatagramSocket::new(socket).map(|socket| ListeningKind::Datagram(Rc::new(socket))),
        Transport::Tcp | Transport::Tls | Transport::Ws | Transport::Wss => {
            let tls = tls.filter(|_| transport.is_secure());
            TcpListener::from_std(socket.into()).map(|socket| ListeningKind::Stream { socket, transport, tls })
        }
    };
    let kind = registered.map_err(|error| NetError::Runtime { reason: error.to_string() })?;
    Ok(Listening { number, address: bound, is_inner, balancers, kind })
}

impl Listening {
    fn log(&self) {
        let transport = match &self.kind {
            ListeningKind::Stream { transport, .. } => *transport,
            ListeningKind::Datagram(_) => Transport::Udp,
        };
        tracing::info!(%transport, address = %self.address, inner = self.is_inner, "listening");
    }

    fn datagram_socket(&self) -> Option<Rc<DatagramSocket>> {
        match &self.kind {
            ListeningKind::Datagram(socket) => Some(socket.clone()),
            ListeningKind::Stream { .. } => None,
        }
    }
}

/// More than the largest datagram.
const SCRATCH_BYTES: usize = 1 << 16;
