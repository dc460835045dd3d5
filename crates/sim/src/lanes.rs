//! Whatever is on its way. Within a lane things keep their order; which lane goes first is drawn.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;
use federation::flow::FlowFacts;
use media::MediaEvent;
use signaling::{Answer, Handoff, QuestionId};
use sip::FlowId;

use crate::random::Random;
use crate::world::Line;

/// One end of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    Site { site: usize, flow: FlowId },
    Line(Line),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LaneKey {
    /// From one worker of a site to another; what may wait is overtaken by the rest.
    Mail { site: usize, from: u16, to: u16, may_wait: bool },
    /// Towards one end of a stream.
    Stream(End),
    /// For one thing alone: a datagram, an answer.
    Single(u64),
}

/// What is on its way.
pub enum Parcel {
    Mail {
        site: usize,
        to: u16,
        mail: Mail,
    },
    Bytes {
        to: End,
        bytes: Bytes,
    },
    Fin {
        to: End,
    },
    PacketToSite {
        site: usize,
        line: Line,
        bytes: Bytes,
    },
    PacketToLine {
        line: Line,
        bytes: Bytes,
    },
    Dial {
        asker: Asker,
        remote: SocketAddr,
        is_inner: bool,
        /// Which of its own the asker shows.
        certificate: u16,
    },
    Answer {
        asker: Asker,
        answer: Answer,
    },
    /// A media thread says something, in this life of the organisation.
    Sound {
        site: usize,
        incarnation: u32,
        event: Box<MediaEvent>,
    },
}

/// What goes from worker to worker.
pub enum Mail {
    Handoff(Box<Handoff>),
    /// A flow, and what is known of it.
    Adopt {
        facts: Box<FlowFacts>,
        known: Box<Handoff>,
    },
}

/// The worker that asked, as it was then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asker {
    pub site: usize,
    pub worker: u16,
    pub incarnation: u32,
    pub id: QuestionId,
}

#[derive(Default)]
pub struct Lanes {
    queues_by_key: BTreeMap<LaneKey, VecDeque<(Instant, Parcel)>>,
    serial: u64,
}

impl Lanes {
    /// Arrives at `due`, but never before what was put on the same lane earlier.
    pub fn put(&mut self, key: LaneKey, due: Instant, parcel: Parcel) {
        let queue = self.queues_by_key.entry(key).or_default();
        let due = queue.back().map_or(due, |(last, _)| due.max(*last));
        queue.push_back((due, parcel));
    }

    /// Arrives at `due`, whatever else does.
    pub fn put_single(&mut self, due: Instant, parcel: Parcel) {
        self.serial += 1;
        self.put(LaneKey::Single(self.serial), due, parcel);
    }

    /// Takes the first parcel of one of the lanes on which something is due.
    pub fn take_due(
        &mut self,
        now: Instant,
        random: &mut Random,
        is_open: impl Fn(&LaneKey) -> bool,
    ) -> Option<Parcel> {
        let is_due = |queue: &VecDeque<(Instant, Parcel)>| queue.front().is_some_and(|(due, _)| *due <= now);
        let ready = |(key, queue): &(&LaneKey, &VecDeque<_>)| is_due(queue) && is_open(key);
        let keys: Vec<LaneKey> = self.queues_by_key.iter().filter(ready).map(|(key, _)| *key).collect();
        let key = keys.get(random.below(keys.len()))?;
        let queue = self.queues_by_key.get_mut(key)?;
        let (_, parcel) = queue.pop_front()?;
        if queue.is_empty() {
            self.queues_by_key.remove(key);
        }
        Some(parcel)
    }

    pub fn next_due(&self, is_open: impl Fn(&LaneKey) -> bool) -> Option<Instant> {
        let open = self.queues_by_key.iter().filter(|(key, _)| is_open(key));
        open.filter_map(|(_, queue)| queue.front().map(|(due, _)| *due)).min()
    }

    /// What is on a lane is lost.
    pub fn clear(&mut self, key: LaneKey) {
        self.queues_by_key.remove(&key);
    }

    /// What is on the lanes between the workers of a site is lost.
    pub fn clear_mail(&mut self, of: usize) {
        self.queues_by_key.retain(|key, _| !matches!(key, LaneKey::Mail { site, .. } if *site == of));
    }
}
