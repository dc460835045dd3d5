//! A media thread as the server runs it, with a room on it. The rest of a server has nothing to do while people talk.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use media::{BridgeId, BridgeKind, Clock, LegId, MediaCommand};
use net::media::{MediaInbox, MediaSetup, MediaThreads, PortRange, media_threads};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::{Pid, gettid};
use sdp::{AudioSession, Direction, Encoding, Format};

use super::phones::payload_type;
use super::{CORE, Mixer};
use crate::usage;

/// Stops when dropped.
pub struct MediaThread {
    threads: MediaThreads,
    id: Pid,
    encoding: Encoding,
    legs: u32,
}

impl MediaThread {
    /// # Errors
    /// When it does not start, or has no core of its own.
    pub fn start(encoding: Encoding) -> anyhow::Result<MediaThread> {
        let (threads, inboxes) = media_threads(1);
        let setup = setup(inboxes.into_iter().next().context("one thread has one inbox")?);
        let (tell, told) = mpsc::channel();
        std::thread::spawn(move || {
            let mut core = CpuSet::new();
            let stayed = core.set(CORE).and_then(|()| sched_setaffinity(Pid::from_raw(0), &core));
            // Who started us may be gone.
            let _ = tell.send(stayed.map(|()| gettid()));
            net::media::run(setup)
        });
        let id = told.recv().context("the media thread ended")?.context("no core for the media thread")?;
        Ok(MediaThread { threads, id, encoding, legs: 0 })
    }
}

fn setup(inbox: MediaInbox) -> MediaSetup {
    MediaSetup {
        thread: 0,
        threads: 1,
        addresses: Ok(IpAddr::V4(Ipv4Addr::LOCALHOST).into()),
        ports: PortRange { first: 20_000, last: 31_999 },
        clock: Clock { epoch: Instant::now(), epoch_unix_ms: 1_000_000 },
        inbox,
        deliver: Arc::new(|_| ()),
    }
}

impl Mixer for MediaThread {
    fn join(&mut self, phone: SocketAddr) -> anyhow::Result<SocketAddr> {
        self.legs += 1;
        let leg = LegId { bridge: BridgeId { worker: 0, serial: 1 }, serial: self.legs };
        let (reply, answer) = mpsc::channel();
        self.threads.open_leg(leg, Box::new(move |opened| drop(reply.send(opened))));
        let opened = answer.recv().context("the media thread ended")?.map_err(|error| anyhow!(error))?;
        let session = AudioSession {
            remote: phone,
            remote_rtcp: phone,
            format: Format { payload_type: payload_type(self.encoding), encoding: self.encoding },
            telephone_event: None,
            protection: None,
            direction: Direction::SendRecv,
            packet_ms: 20,
        };
        let kind = BridgeKind::Conference;
        self.threads.command(MediaCommand::Run { leg, kind, session, trusted_source: Some(phone.ip()) });
        Ok(opened.rtp)
    }

    fn processor_time(&self) -> anyhow::Result<Duration> {
        usage::thread_time(self.id.as_raw())
    }
}

impl Drop for MediaThread {
    fn drop(&mut self) {
        self.threads.stop();
    }
}
