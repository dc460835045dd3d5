//! A stream connection: its facts, its bytes both ways, and how it ends or moves to another worker.

use std::cell::Cell;
use std::io;
use std::net::Shutdown;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use federation::flow::FlowFacts;
use sip::Frame;
use socket2::{SockRef, Socket, TcpKeepalive};
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::sync::Notify;

use crate::framing::{FrameError, Framing};
use crate::turns::Window;
use crate::wire::{Flushed, Peer, Wire, WireError, read_available};

/// A stream flow of this worker. Buffers exist only while part of a message is in them.
pub(crate) struct StreamFlow {
    facts: FlowFacts,
    stream: Rc<TcpStream>,
    wire: Wire,
    framing: Framing,
    unread: BytesMut,
    /// The peer will send no more.
    peer: Peer,
    /// Messages that could not be read, less those that could be since.
    unreadable: u32,
    /// Whole messages may be left in `unread` from the last turn.
    has_backlog: bool,
    /// Since when nothing is there but part of a message.
    partial_since: Option<Instant>,
    /// Nothing is taken from it before.
    paused_until: Option<Instant>,
    closing_since: Option<Instant>,
    used_at: Instant,
    heard_at: Instant,
    pinged_at: Instant,
    /// In the worker's list of flows to flush.
    is_dirty: bool,
    busy_window: Window,
    /// The task waits until the socket is writable.
    is_write_watched: bool,
    signal: Rc<Signal>,
}

/// A flow on its way to the worker that will own it, with everything read but not yet cut and written but not yet sent.
pub struct MovedFlow {
    facts: FlowFacts,
    socket: std::net::TcpStream,
    wire: Wire,
    framing: Framing,
    unread: BytesMut,
    peer: Peer,
    unreadable: u32,
    closing_since: Option<Instant>,
}

impl MovedFlow {
    pub(crate) fn facts(&self) -> &FlowFacts {
        &self.facts
    }
}

/// How the worker reaches the task that waits on a flow's socket.
pub(crate) struct Signal {
    notify: Notify,
    fate: Cell<Fate>,
}

/// What became of a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Open,
    /// Another worker has it.
    Moved,
    /// Nothing is left to do.
    Ended,
    /// Our last bytes are on their way: closing a socket with unread input would destroy them (RFC 1122 4.2.2.13).
    Lingering,
}

impl StreamFlow {
    /// `unread`: bytes that came with the end of the handshake.
    pub(crate) fn new(
        facts: FlowFacts,
        stream: TcpStream,
        wire: Wire,
        unread: BytesMut,
        framing: Framing,
    ) -> StreamFlow {
        StreamFlow {
            facts,
            stream: Rc::new(stream),
            wire,
            framing,
            has_backlog: !unread.is_empty(),
            unread,
            peer: Peer::Open,
            unreadable: 0,
            partial_since: None,
            paused_until: None,
            closing_since: None,
            used_at: Instant::now(),
            heard_at: Instant::now(),
            pinged_at: Instant::now(),
            is_dirty: false,
            busy_window: Window::default(),
            is_write_watched: false,
            signal: Rc::new(Signal { notify: Notify::new(), fate: Cell::new(Fate::Open) }),
        }
    }

    /// Takes a flow over: from here on its socket belongs to this thread's runtime.
    pub(crate) fn adopt(moved: MovedFlow) -> io::Result<StreamFlow> {
        let stream = TcpStream::from_std(moved.socket)?;
        Ok(StreamFlow {
            facts: moved.facts,
            stream: Rc::new(stream),
            wire: moved.wire,
            framing: moved.framing,
            has_backlog: !moved.unread.is_empty(),
            unread: moved.unread,
            peer: moved.peer,
            unreadable: moved.unreadable,
            partial_since: None,
            paused_until: None,
            closing_since: moved.closing_since,
            used_at: Instant::now(),
            heard_at: Instant::now(),
            pinged_at: Instant::now(),
            is_dirty: false,
            busy_window: Window::default(),
            is_write_watched: false,
            signal: Rc::new(Signal { notify: Notify::new(), fate: Cell::new(Fate::Open) }),
        })
    }

    /// Makes the flow fit to cross threads. The task that waits on it gives up its half of the socket.
    pub(crate) fn into_moved(self) -> io::Result<MovedFlow> {
        self.signal.decide(Fate::Moved);
        let duplicate: Socket = SockRef::from(&*self.stream).try_clone()?;
        Ok(MovedFlow {
            facts: self.facts,
            socket: duplicate.into(),
            wire: self.wire,
            framing: self.framing,
            unread: self.unread,
            peer: self.peer,
            unreadable: self.unreadable,
            closing_since: self.closing_since,
        })
    }

    pub(crate) fn facts(&self) -> &FlowFacts {
        &self.facts
    }

    /// Whoever shows a certificate is a partner, or of the inner side: we may send it requests on this connection as on one of ours.
    pub(crate) fn expect_server(&self) {
        #[cfg(target_os = "linux")]
        SockRef::from(&*self.stream).set_tcp_user_timeout(Some(UNACKNOWLEDGED_SERVER_TIME)).ok();
    }

    pub(crate) fn stream(&self) -> Rc<TcpStream> {
        self.stream.clone()
    }

    pub(crate) fn signal(&self) -> Rc<Signal> {
        self.signal.clone()
    }

    /// Reads once and decrypts, unless messages of the last turn are still waiting: a peer that sends faster than
    /// we work is slowed down by its own full socket.
    pub(crate) fn receive(&mut self, now: Instant, scratch: &mut [u8]) -> Result<(), WireError> {
        if self.has_backlog || self.is_closing() || self.peer == Peer::Closed || self.paused_until(now).is_some() {
            return Ok(());
        }
        match read_available(&self.stream, scratch)? {
            None => {}
            Some(0) => self.peer = Peer::Closed,
            Some(count) => {
                (self.used_at, self.heard_at) = (now, now);
                self.peer = self.wire.decode(&mut scratch[..count], &mut self.unread)?;
            }
        }
        Ok(())
    }

    /// Takes nothing from it until then: a peer that goes on sending is slowed down by its own full socket.
    pub(crate) fn pause(&mut self, until: Instant) {
        self.paused_until = Some(until);
    }

    /// `None` where what comes is taken.
    pub(crate) fn paused_until(&self, now: Instant) -> Option<Instant> {
        self.paused_until.filter(|until| now < *until && !self.is_closing())
    }

    /// The next frame of what was received.
    pub(crate) fn next_frame(&mut self) -> Result<Option<Frame>, FrameError> {
        let cut = self.framing.cut(&mut self.unread);
        self.framing.move_output(&mut self.wire);
        if self.framing.is_over() {
            self.peer = Peer::Closed;
        }
        let frame = cut?;
        self.has_backlog = frame.is_some();
        if frame.is_some() {
            self.partial_since = None;
        }
        if self.unread.is_empty() {
            // Gives the buffer up: the messages cut from it keep it for as long as they live.
            self.unread = BytesMut::new();
        }
        Ok(frame)
    }

    /// Nothing whole is left: the rest of what is there has its time from now, or from when it had it before.
    pub(crate) fn await_rest(&mut self, now: Instant) {
        let is_partial = !self.unread.is_empty() || self.wire.has_partial();
        self.partial_since = is_partial.then(|| self.partial_since.unwrap_or(now));
    }

    /// A message that was begun so long ago, and of which all that came was read. While we take nothing from it, it is not its fault.
    pub(crate) fn is_partial_longer_than(&self, now: Instant, time: Duration) -> bool {
        let is_ours = self.has_backlog || self.is_closing() || self.paused_until(now).is_some();
        !is_ours && self.partial_since.is_some_and(|since| now.saturating_duration_since(since) >= time)
    }

    /// What was received, and is in no frame yet.
    pub(crate) fn unread(&self) -> &[u8] {
        &self.unread
    }

    /// When it was busy last, for [`BusyFlows::note`](crate::turns::BusyFlows::note).
    pub(crate) fn busy_window(&mut self) -> &mut Window {
        &mut self.busy_window
    }

    pub(crate) fn message_was_read(&mut self) {
        self.unreadable = self.unreadable.saturating_sub(1);
    }

    /// How many more such messages there were than others.
    pub(crate) fn message_was_unreadable(&mut self) -> u32 {
        self.unreadable += 1;
        self.unreadable
    }

    /// A message that has no sure end came: the peer is told so when the flow ends, if it can be.
    pub(crate) fn message_was_ambiguous(&mut self) {
        self.framing.message_was_ambiguous();
    }

    /// Queues a message or a keep-alive; [`StreamFlow::flush`] writes it.
    pub(crate) fn queue(&mut self, now: Instant, bytes: Bytes) {
        self.used_at = now;
        self.framing.queue(bytes, &mut self.wire);
    }

    /// Asks a peer of which nothing came for this long whether it is there, if its framing has a way to: proxies between
    /// us end what is silent.
    pub(crate) fn ping_after(&mut self, now: Instant, time: Duration) -> bool {
        let is_due = now.saturating_duration_since(self.heard_at.max(self.pinged_at)) >= time;
        let is_asked = is_due && !self.is_closing() && self.framing.ping(&mut self.wire);
        if is_asked {
            self.pinged_at = now;
        }
        is_asked
    }

    /// A peer that was asked whether it is there, and has not answered.
    pub(crate) fn is_unanswered_for(&self, now: Instant, time: Duration) -> bool {
        self.framing.has_pings() && now.saturating_duration_since(self.heard_at) >= time
    }

    pub(crate) fn flush(&mut self) -> io::Result<Flushed> {
        self.wire.flush(&self.stream)
    }

    pub(crate) fn queued_bytes(&self) -> usize {
        self.wire.queued_bytes()
    }

    /// Marks the flow for flushing. `true`: it was not marked yet.
    pub(crate) fn mark_dirty(&mut self) -> bool {
        !std::mem::replace(&mut self.is_dirty, true)
    }

    pub(crate) fn mark_clean(&mut self) {
        self.is_dirty = false;
    }

    /// Reads no more; ends when the queue is written.
    pub(crate) fn close(&mut self, now: Instant) {
        if self.closing_since.is_none() {
            self.closing_since = Some(now);
            self.unread = BytesMut::new();
        }
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing_since.is_some()
    }

    pub(crate) fn is_closing_longer_than(&self, now: Instant, time: Duration) -> bool {
        self.closing_since.is_some_and(|since| now.duration_since(since) >= time)
    }

    pub(crate) fn is_idle_longer_than(&self, now: Instant, time: Duration) -> bool {
        now.saturating_duration_since(self.used_at) >= time
    }

    /// The peer closed its half, and all that it sent before was worked off.
    pub(crate) fn is_finished(&self) -> bool {
        self.peer == Peer::Closed && !self.has_backlog
    }

    pub(crate) fn has_backlog(&self) -> bool {
        self.has_backlog
    }

    /// What the task is to wait for. A closing flow does not read, and must not be woken by input.
    pub(crate) fn watch(&mut self) -> Interest {
        self.is_write_watched = self.queued_bytes() > 0;
        match (self.is_closing(), self.is_write_watched) {
            (true, _) => Interest::WRITABLE,
            (false, true) => Interest::READABLE | Interest::WRITABLE,
            (false, false) => Interest::READABLE,
        }
    }

    /// The same while nothing is taken from it.
    pub(crate) fn watch_output(&mut self) -> bool {
        self.is_write_watched = self.queued_bytes() > 0;
        self.is_write_watched
    }

    /// Output is pending: the task must know, if it does not watch for it already.
    pub(crate) fn wake_to_write(&self) {
        if !self.is_write_watched {
            self.signal.notify.notify_one();
        }
    }

    /// Ends the flow. With [`Fate::Lingering`] the peer is told, and the task stays until the peer has closed too.
    pub(crate) fn end(mut self, fate: Fate) {
        if fate == Fate::Lingering {
            self.framing.say_goodbye(&mut self.wire);
            self.wire.say_goodbye();
            // Best effort: the queue was empty, so that only a full socket could refuse the few bytes.
            self.wire.flush(&self.stream).ok();
            SockRef::from(&*self.stream).shutdown(Shutdown::Write).ok();
        }
        self.signal.decide(fate);
    }
}

impl Signal {
    pub(crate) fn fate(&self) -> Fate {
        self.fate.get()
    }

    fn decide(&self, fate: Fate) {
        self.fate.set(fate);
        self.notify.notify_one();
    }

    /// Returns when the worker has something to say, or the socket is ready; if either is so already, then after the
    /// other tasks have had their turn, so that a peer that never stops sending starves nobody.
    pub(crate) async fn wait(&self, stream: &TcpStream, interest: Interest) {
        let mut ready = std::pin::pin!(self.ready(stream, interest));
        let mut is_first = true;
        let was_ready = std::future::poll_fn(|context| {
            let was_first = std::mem::replace(&mut is_first, false);
            ready.as_mut().poll(context).map(|()| was_first)
        });
        if was_ready.await {
            tokio::task::yield_now().await;
        }
    }

    /// Returns then, or earlier when the worker has something to say or, if that is watched, the socket takes output.
    pub(crate) async fn wait_until(&self, moment: Instant, output: Option<&TcpStream>) {
        let output = async {
            match output {
                Some(stream) => drop(stream.writable().await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.notify.notified() => {}
            () = tokio::time::sleep_until(moment.into()) => {}
            () = output => tokio::task::yield_now().await,
        }
    }

    async fn ready(&self, stream: &TcpStream, interest: Interest) {
        tokio::select! {
            biased;
            () = self.notify.notified() => {}
            // An error shows in the read or the write that follows.
            _ = stream.ready(interest) => {}
        }
    }
}

/// Reads and discards until the peer has closed too, for a moment at most.
pub(crate) async fn linger(stream: &TcpStream) {
    let drain = async {
        while stream.readable().await.is_ok() {
            match read_available(stream, &mut [0; 1024]) {
                Ok(Some(0)) | Err(_) => break,
                Ok(_) => {}
            }
        }
    };
    tokio::time::timeout(LINGER_TIME, drain).await.ok();
}

/// What every stream socket gets: no waiting for a fuller packet, and notice when the peer is silently gone.
pub(crate) fn tune(stream: &TcpStream, unacknowledged_time: Duration) -> io::Result<()> {
    let socket = SockRef::from(stream);
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE_TIME).with_interval(KEEPALIVE_INTERVAL))?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(unacknowledged_time))?;
    #[cfg(not(target_os = "linux"))]
    let _ = unacknowledged_time;
    Ok(())
}

/// How long an ended flow waits for its peer to have read everything.
pub(crate) const LINGER_TIME: Duration = Duration::from_secs(1);
const KEEPALIVE_TIME: Duration = Duration::from_secs(120);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(20);
/// Bytes that the peer's host does not acknowledge for this long: it is gone. A phone may be without a network for a while.
pub(crate) const UNACKNOWLEDGED_TIME: Duration = Duration::from_secs(60);
/// The same of a server that we have connected to: there is another way to it, or another server, for which requests wait.
pub(crate) const UNACKNOWLEDGED_SERVER_TIME: Duration = Duration::from_secs(8);

#[cfg(test)]
mod tests;
