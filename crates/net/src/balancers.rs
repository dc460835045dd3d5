//! Connections that load balancers hand on: whose they are is read before anything counts them, within a time and a
//! number of their own.

use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use crate::proxy_protocol::{Source, Unintroduced, Verdict, judge};
use crate::tcp::Acceptor;
use crate::wire::read_available;
use crate::worker::Worker;

/// Why nobody knows whose connection a balancer handed on.
#[derive(Debug, thiserror::Error)]
enum IntroductionFailure {
    #[error("its PROXY header did not come in time")]
    Slow,
    #[error(transparent)]
    Refused(#[from] Unintroduced),
    /// It looked whether somebody is here, and went.
    #[error("it only looked")]
    Looked,
    #[error(transparent)]
    Lost(#[from] io::Error),
}

impl Acceptor {
    /// Takes a connection from one of the addresses that [`Acceptor::balancers`] has.
    pub(crate) fn take_introduced(&self, stream: TcpStream, balancer: SocketAddr) {
        match self.handshakes.introductions.clone().try_acquire_owned() {
            Ok(place) => drop(tokio::task::spawn_local(self.clone().introduce(stream, balancer, place))),
            Err(_) => self.worker.borrow_mut().introductions_full(),
        }
    }

    async fn introduce(self, stream: TcpStream, balancer: SocketAddr, place: OwnedSemaphorePermit) {
        let time = self.worker.borrow().limits.introduction_time();
        let introduced = timeout(time, whose(&stream)).await.unwrap_or(Err(IntroductionFailure::Slow));
        drop(place);
        match introduced {
            Ok(Source::Peer(peer)) => self.admit(stream, peer),
            Ok(Source::Balancer) => self.admit(stream, balancer),
            Err(failure) => self.worker.borrow_mut().introduction_failed(balancer, &failure),
        }
    }
}

/// Reads the header and no byte of what follows.
async fn whose(stream: &TcpStream) -> Result<Source, IntroductionFailure> {
    let mut header = Vec::new();
    loop {
        match judge(&header) {
            Verdict::Complete { source: Source::Balancer, .. } => return if_it_goes_on(stream).await,
            Verdict::Complete { source, .. } => return Ok(source),
            Verdict::Refused(reason) => return Err(reason.into()),
            Verdict::Incomplete { bytes_missing } => read_more(stream, &mut header, bytes_missing).await?,
        }
    }
}

async fn read_more(stream: &TcpStream, header: &mut Vec<u8>, bytes: usize) -> Result<(), IntroductionFailure> {
    stream.readable().await?;
    let known = header.len();
    header.resize(known + bytes, 0);
    let read = read_available(stream, &mut header[known..])?;
    header.truncate(known + read.unwrap_or(0));
    match read {
        Some(0) if known == 0 => Err(IntroductionFailure::Looked),
        Some(0) => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
        _ => Ok(()),
    }
}

/// Most balancers only look whether the port is open; some go on to a handshake.
async fn if_it_goes_on(stream: &TcpStream) -> Result<Source, IntroductionFailure> {
    match stream.peek(&mut [0]).await {
        Ok(0) | Err(_) => Err(IntroductionFailure::Looked),
        Ok(_) => Ok(Source::Balancer),
    }
}

impl Worker {
    fn introductions_full(&mut self) {
        self.counters.introductions_full += 1;
        self.alarms.introductions_full.ring(Instant::now(), "introductions_max", self.limits.introductions_max);
    }

    fn introduction_failed(&mut self, balancer: SocketAddr, failure: &IntroductionFailure) {
        if matches!(failure, IntroductionFailure::Looked) {
            tracing::trace!(%balancer, "a load balancer looked whether somebody is here");
            return;
        }
        self.counters.handshakes_failed += 1;
        self.counters.introductions_refused += 1;
        tracing::debug!(%balancer, %failure, "a load balancer's connection was refused");
        if self.alarms.introductions.is_due(Instant::now()) {
            let balancer = balancer.ip();
            tracing::warn!(%balancer, reason = %failure, "connections of a load balancer are refused");
        }
    }
}
