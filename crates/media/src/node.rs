//! The media engine of one thread: its bridges, and the beat of their frames.
//!
//! Commands, packets and times go in; packets and events come out. Nothing here waits, and nothing that a stranger sends makes
//! anything grow.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::bridge::Bridge;
use crate::clock::Clock;
use crate::command::{BridgeId, BridgeKind, LegId, LegReport, MediaCommand, MediaEvent};
use crate::entry::{Entry, PacketKind};
use crate::random::Random;

pub struct MediaNode {
    clock: Clock,
    random: Random,
    bridges_by_id: BTreeMap<BridgeId, Bridge>,
    /// The next frame of all bridges.
    tick_at: Option<Instant>,
    outputs: VecDeque<Output>,
    counts: NodeCounts,
    buffer: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// From one of the leg's ports.
    Transmit {
        leg: LegId,
        kind: PacketKind,
        to: SocketAddr,
        bytes: Vec<u8>,
    },
    Event(MediaEvent),
}

/// What has been since the node began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NodeCounts {
    /// RTP that counted.
    pub packets_received: u64,
    pub packets_sent: u64,
    /// No RTP or RTCP.
    pub packets_malformed: u64,
    /// From where they may not come, or not genuine.
    pub packets_refused: u64,
    /// Replayed, or far from all others of their source.
    pub packets_stray: u64,
    /// Frames that were left out, because the node could not keep up.
    pub frames_skipped: u64,
}

impl MediaNode {
    pub fn new(clock: Clock, seed: [u8; 32]) -> MediaNode {
        MediaNode {
            clock,
            random: Random::new(seed),
            bridges_by_id: BTreeMap::new(),
            tick_at: None,
            outputs: VecDeque::new(),
            counts: NodeCounts::default(),
            buffer: Vec::new(),
        }
    }

    pub fn counts(&self) -> NodeCounts {
        self.counts
    }

    pub fn bridges(&self) -> usize {
        self.bridges_by_id.len()
    }

    pub fn handle_command(&mut self, now: Instant, command: MediaCommand) {
        if let MediaCommand::Close { leg } = command {
            return self.close(now, leg);
        }
        let id = command.bridge();
        let kind = match &command {
            MediaCommand::Run { kind, .. } => *kind,
            _ => BridgeKind::Conference,
        };
        self.tick_at.get_or_insert(now + FRAME_TIME);
        let (bridges, mut entry) = self.enter(now);
        let bridge = bridges.entry(id).or_insert_with(|| Bridge::new(kind));
        match command {
            MediaCommand::Run { leg, kind, session, trusted_source } => {
                bridge.run(&mut entry, (leg, kind), session, trusted_source);
            }
            MediaCommand::Mute { leg, is_muted } => bridge.mute(leg, is_muted),
            MediaCommand::Hold { leg, is_held } => bridge.hold(leg, is_held),
            MediaCommand::Announce { to, announcement, .. } => bridge.announce(to, announcement),
            MediaCommand::Close { .. } => {}
        }
        self.forget_if_empty(id);
    }

    /// Every closing is answered, also of a leg that never ran.
    fn close(&mut self, now: Instant, leg: LegId) {
        let (bridges, mut entry) = self.enter(now);
        let is_closed = bridges.get_mut(&leg.bridge).is_some_and(|bridge| bridge.close(&mut entry, leg));
        if !is_closed {
            entry.tell(MediaEvent::Closed { leg, report: LegReport::default() });
        }
        self.forget_if_empty(leg.bridge);
    }

    fn forget_if_empty(&mut self, bridge: BridgeId) {
        if self.bridges_by_id.get(&bridge).is_some_and(|bridge| bridge.legs() == 0) {
            self.bridges_by_id.remove(&bridge);
        }
        if self.bridges_by_id.is_empty() {
            self.tick_at = None;
        }
    }

    /// A datagram that came to one of a leg's ports.
    pub fn handle_packet(&mut self, now: Instant, (leg, kind): (LegId, PacketKind), source: SocketAddr, bytes: &[u8]) {
        let (bridges, mut entry) = self.enter(now);
        if let Some(bridge) = bridges.get_mut(&leg.bridge) {
            bridge.handle_packet(&mut entry, (leg, kind), source, bytes);
        }
    }

    /// When [`MediaNode::handle_timeout`] is to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.tick_at
    }

    /// Makes the frames that are due. One that is late by a few frames makes them all; by more, it leaves out the rest, since
    /// nobody can hear them in time.
    pub fn handle_timeout(&mut self, now: Instant) {
        let Some(mut tick_at) = self.tick_at else { return };
        let mut made = 0;
        while tick_at <= now && made < FRAMES_MADE_UP_MAX {
            self.tick(tick_at.max(now));
            tick_at += FRAME_TIME;
            made += 1;
        }
        if tick_at <= now {
            let missed = now.duration_since(tick_at).as_nanos() / FRAME_TIME.as_nanos() + 1;
            let missed = u32::try_from(missed).unwrap_or(u32::MAX / 960);
            tick_at += FRAME_TIME * missed;
            self.counts.frames_skipped += u64::from(missed);
            self.bridges_by_id.values_mut().for_each(|bridge| bridge.skip(missed));
        }
        self.tick_at = Some(tick_at);
    }

    fn tick(&mut self, now: Instant) {
        let (bridges, mut entry) = self.enter(now);
        bridges.values_mut().for_each(|bridge| bridge.tick(&mut entry));
    }

    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn enter(&mut self, now: Instant) -> (&mut BTreeMap<BridgeId, Bridge>, Entry<'_>) {
        let entry = Entry {
            now,
            clock: &self.clock,
            random: &mut self.random,
            outputs: &mut self.outputs,
            counts: &mut self.counts,
            buffer: &mut self.buffer,
        };
        (&mut self.bridges_by_id, entry)
    }
}

const FRAME_TIME: Duration = Duration::from_millis(20);
const FRAMES_MADE_UP_MAX: u32 = 3;

#[cfg(test)]
mod tests;
