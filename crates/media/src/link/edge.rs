//! Of an edge: which legs here are of which connection of its home, under names of our own: two lives of a home, or two
//! homes, may call different bridges the same.

use std::collections::BTreeMap;

use crate::{BridgeId, LegId, MediaCommand, MediaEvent};

/// A connection of a home, from its beginning to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SessionId(u64);

#[derive(Debug, Default)]
pub struct EdgeLegs {
    last_session: u64,
    last_bridge: u64,
    /// The home's name of each bridge, and ours.
    bridges_by_session: BTreeMap<SessionId, BTreeMap<BridgeId, BridgeId>>,
    /// By our name: whose it is, and what he calls its bridge.
    owners_by_leg: BTreeMap<LegId, (SessionId, BridgeId)>,
}

impl EdgeLegs {
    pub fn begin(&mut self) -> SessionId {
        self.last_session += 1;
        let session = SessionId(self.last_session);
        self.bridges_by_session.insert(session, BTreeMap::new());
        session
    }

    /// What is to be opened for this leg of his; `None`: the session is over.
    pub fn open(&mut self, session: SessionId, leg: LegId) -> Option<LegId> {
        let bridges = self.bridges_by_session.get_mut(&session)?;
        let next = BridgeId { worker: 0, serial: self.last_bridge + 1 };
        let bridge = *bridges.entry(leg.bridge).or_insert(next);
        self.last_bridge = self.last_bridge.max(bridge.serial);
        let ours = LegId { bridge, ..leg };
        self.owners_by_leg.insert(ours, (session, leg.bridge));
        Some(ours)
    }

    /// What the media threads are to do; `None`: nothing that it speaks of is here.
    pub fn command(&self, session: SessionId, command: MediaCommand) -> Option<MediaCommand> {
        let bridge = *self.bridges_by_session.get(&session)?.get(&command.bridge())?;
        let is_here = command.leg().is_none_or(|leg| self.owners_by_leg.contains_key(&LegId { bridge, ..leg }));
        is_here.then(|| command.of_bridge(bridge))
    }

    /// Whom an event is for, as he knows it; a leg that is closed is forgotten.
    pub fn event(&mut self, event: MediaEvent) -> Option<(SessionId, MediaEvent)> {
        let leg = event.leg();
        let (session, bridge) = *self.owners_by_leg.get(&leg)?;
        if matches!(event, MediaEvent::Closed { .. }) {
            self.forget(leg);
        }
        Some((session, event.of_bridge(bridge)))
    }

    /// It could not be opened, or is closed.
    pub fn forget(&mut self, leg: LegId) {
        let Some((session, bridge)) = self.owners_by_leg.remove(&leg) else { return };
        if !self.legs_of(leg.bridge)
            && let Some(bridges) = self.bridges_by_session.get_mut(&session)
        {
            bridges.remove(&bridge);
        }
    }

    fn legs_of(&self, bridge: BridgeId) -> bool {
        let first = LegId { bridge, serial: 0 };
        self.owners_by_leg.range(first..).next().is_some_and(|(leg, _)| leg.bridge == bridge)
    }

    /// Nothing that he has stays here: what closes it all.
    pub fn end(&mut self, session: SessionId) -> Vec<MediaCommand> {
        self.bridges_by_session.remove(&session);
        let legs = self.owners_by_leg.extract_if(.., |_, (owner, _)| *owner == session);
        legs.map(|(leg, _)| MediaCommand::Close { leg }).collect()
    }

    pub fn sessions(&self) -> usize {
        self.bridges_by_session.len()
    }

    pub fn bridges(&self) -> usize {
        self.bridges_by_session.values().map(BTreeMap::len).sum()
    }

    pub fn legs(&self) -> usize {
        self.owners_by_leg.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LegReport;

    fn leg(bridge: u64, serial: u32) -> LegId {
        LegId { bridge: BridgeId { worker: 3, serial: bridge }, serial }
    }

    fn closed(leg: LegId) -> MediaEvent {
        MediaEvent::Closed { leg, report: LegReport::default() }
    }

    #[test]
    fn two_who_call_a_bridge_the_same_have_two() {
        let mut legs = EdgeLegs::default();
        let (first, second) = (legs.begin(), legs.begin());
        let ours =
            [(first, leg(9, 1)), (second, leg(9, 1)), (first, leg(9, 2))].map(|(of, leg)| legs.open(of, leg).unwrap());
        assert!(ours[0].bridge == ours[2].bridge && ours[0].bridge != ours[1].bridge, "{ours:?}");
        let mute = |leg| MediaCommand::Mute { leg, is_muted: true };
        assert_eq!(legs.command(second, mute(leg(9, 1))), Some(mute(ours[1])));
        assert_eq!(legs.command(second, mute(leg(9, 2))), None, "the other's leg");
        assert_eq!(
            legs.event(MediaEvent::Heard { leg: ours[1] }),
            Some((second, MediaEvent::Heard { leg: leg(9, 1) }))
        );
        assert_eq!((legs.sessions(), legs.bridges(), legs.legs()), (2, 2, 3));
    }

    #[test]
    fn a_session_that_ends_leaves_nothing_and_hears_nothing() {
        let mut legs = EdgeLegs::default();
        let (first, second) = (legs.begin(), legs.begin());
        let ours = legs.open(first, leg(1, 1)).unwrap();
        let others = legs.open(second, leg(1, 1)).unwrap();
        assert_eq!(legs.end(first), [MediaCommand::Close { leg: ours }]);
        assert_eq!((legs.event(closed(ours)), legs.open(first, leg(1, 1))), (None, None));
        assert_eq!(legs.event(closed(others)), Some((second, closed(leg(1, 1)))));
        assert_eq!((legs.sessions(), legs.bridges(), legs.legs()), (1, 0, 0));
        assert!(legs.end(second).is_empty());
    }

    #[test]
    fn a_bridge_that_is_begun_anew_is_another() {
        let mut legs = EdgeLegs::default();
        let session = legs.begin();
        let before = legs.open(session, leg(1, 1)).unwrap();
        assert_eq!(legs.open(session, leg(1, 1)), Some(before), "asked twice, opened once");
        legs.event(closed(before));
        let after = legs.open(session, leg(1, 1)).unwrap();
        assert_ne!(before, after);
        legs.forget(after);
        assert_eq!((legs.bridges(), legs.legs()), (0, 0));
    }
}
