//! One entry from outside: when it is, and where its outcome goes.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;

use crate::clock::Clock;
use crate::command::{LegId, MediaEvent};
use crate::node::{NodeCounts, Output};
use crate::random::Random;

/// Which of a leg's two ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PacketKind {
    Rtp,
    Rtcp,
}

pub struct Entry<'a> {
    pub now: Instant,
    pub clock: &'a Clock,
    pub random: &'a mut Random,
    pub outputs: &'a mut VecDeque<Output>,
    pub counts: &'a mut NodeCounts,
    /// The packet in hand, opened.
    pub buffer: &'a mut Vec<u8>,
}

impl Entry<'_> {
    pub fn tell(&mut self, event: MediaEvent) {
        self.outputs.push_back(Output::Event(event));
    }

    pub fn transmit(&mut self, leg: LegId, kind: PacketKind, to: SocketAddr, bytes: Vec<u8>) {
        self.counts.packets_sent += 1;
        self.outputs.push_back(Output::Transmit { leg, kind, to, bytes });
    }
}
