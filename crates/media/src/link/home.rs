//! Of a home: at which of its edges each bridge is.

use std::collections::BTreeMap;

use crate::{BridgeId, LegId};

/// Edges go by their place in the home's list of them.
#[derive(Debug)]
pub struct HomeBridges {
    edges: Vec<EdgeBridges>,
    bridges_by_id: BTreeMap<BridgeId, Bridge>,
}

#[derive(Debug)]
struct Bridge {
    edge: usize,
    /// Whether its closing was asked for.
    are_closing: BTreeMap<u32, bool>,
}

/// How one edge stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EdgeBridges {
    pub is_connected: bool,
    pub is_draining: bool,
    pub bridges: usize,
    pub legs: usize,
}

/// A leg that is no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gone {
    /// As it was asked to.
    Closed(LegId),
    /// Nobody wanted that.
    Lost(LegId),
}

impl HomeBridges {
    pub fn new(edges: usize) -> HomeBridges {
        HomeBridges { edges: vec![EdgeBridges::default(); edges], bridges_by_id: BTreeMap::new() }
    }

    pub fn edge_is_alive(&mut self, edge: usize, is_draining: bool) {
        if let Some(edge) = self.edges.get_mut(edge) {
            (edge.is_connected, edge.is_draining) = (true, is_draining);
        }
    }

    /// The connection to an edge has ended, and with it every bridge there.
    pub fn edge_is_gone(&mut self, edge: usize) -> Vec<Gone> {
        if let Some(edge) = self.edges.get_mut(edge) {
            *edge = EdgeBridges::default();
        }
        let mut gone = Vec::new();
        self.bridges_by_id.retain(|id, bridge| {
            if bridge.edge != edge {
                return true;
            }
            let legs = bridge.are_closing.iter();
            gone.extend(legs.map(|(serial, is_closing)| left(LegId { bridge: *id, serial: *serial }, *is_closing)));
            false
        });
        gone
    }

    /// The edge at which a leg is to be: where its bridge is, else the one that has the fewest legs.
    ///
    /// # Errors
    /// In words, where no edge can have it.
    pub fn place(&mut self, leg: LegId) -> Result<usize, String> {
        let edge = match self.bridges_by_id.get(&leg.bridge) {
            Some(bridge) => bridge.edge,
            None => self.choose().ok_or_else(|| self.why_nowhere())?,
        };
        let new = Bridge { edge, are_closing: BTreeMap::new() };
        let bridge = self.bridges_by_id.entry(leg.bridge).or_insert(new);
        let (is_new_bridge, is_new_leg) =
            (bridge.are_closing.is_empty(), !bridge.are_closing.contains_key(&leg.serial));
        bridge.are_closing.entry(leg.serial).or_insert(false);
        if let Some(at) = self.edges.get_mut(edge) {
            at.bridges += usize::from(is_new_bridge);
            at.legs += usize::from(is_new_leg);
        }
        Ok(edge)
    }

    fn choose(&self) -> Option<usize> {
        let edges = self.edges.iter().enumerate().filter(|(_, edge)| edge.is_connected && !edge.is_draining);
        edges.min_by_key(|(_, edge)| edge.legs).map(|(number, _)| number)
    }

    fn why_nowhere(&self) -> String {
        match self.edges.iter().any(|edge| edge.is_connected) {
            true => "every edge that takes sound drains",
            false => "no edge that takes sound is connected",
        }
        .to_owned()
    }

    pub fn edge_of(&self, bridge: BridgeId) -> Option<usize> {
        self.bridges_by_id.get(&bridge).map(|bridge| bridge.edge)
    }

    /// Its closing is asked for. `None`: there is no such leg anywhere.
    pub fn close(&mut self, leg: LegId) -> Option<usize> {
        let bridge = self.bridges_by_id.get_mut(&leg.bridge)?;
        *bridge.are_closing.get_mut(&leg.serial)? = true;
        Some(bridge.edge)
    }

    /// The edge says that a leg is no more, or never was. `None`: it has none of that name.
    pub fn closed(&mut self, edge: usize, leg: LegId) -> Option<Gone> {
        let bridge = self.bridges_by_id.get_mut(&leg.bridge).filter(|bridge| bridge.edge == edge)?;
        let is_closing = bridge.are_closing.remove(&leg.serial)?;
        let is_last = bridge.are_closing.is_empty();
        if is_last {
            self.bridges_by_id.remove(&leg.bridge);
        }
        if let Some(at) = self.edges.get_mut(edge) {
            at.bridges -= usize::from(is_last);
            at.legs -= 1;
        }
        Some(left(leg, is_closing))
    }

    /// Whether the edge has this leg.
    pub fn has(&self, edge: usize, leg: LegId) -> bool {
        let bridge = self.bridges_by_id.get(&leg.bridge).filter(|bridge| bridge.edge == edge);
        bridge.is_some_and(|bridge| bridge.are_closing.contains_key(&leg.serial))
    }

    pub fn edge(&self, number: usize) -> EdgeBridges {
        self.edges.get(number).copied().unwrap_or_default()
    }

    pub fn edges(&self) -> impl Iterator<Item = EdgeBridges> {
        self.edges.iter().copied()
    }
}

fn left(leg: LegId, is_closing: bool) -> Gone {
    if is_closing { Gone::Closed(leg) } else { Gone::Lost(leg) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leg(bridge: u64, serial: u32) -> LegId {
        LegId { bridge: BridgeId { worker: 0, serial: bridge }, serial }
    }

    #[test]
    fn all_legs_of_a_bridge_are_at_one_edge_and_bridges_are_shared_out() {
        let mut bridges = HomeBridges::new(3);
        assert_eq!(bridges.place(leg(1, 1)), Err("no edge that takes sound is connected".to_owned()));
        bridges.edge_is_alive(1, true);
        assert_eq!(bridges.place(leg(1, 1)), Err("every edge that takes sound drains".to_owned()));
        bridges.edge_is_alive(0, false);
        bridges.edge_is_alive(1, false);
        let placed = [leg(1, 1), leg(1, 2), leg(2, 1), leg(1, 3), leg(3, 1), leg(4, 1)].map(|leg| bridges.place(leg));
        assert_eq!(placed, [Ok(0), Ok(0), Ok(1), Ok(0), Ok(1), Ok(1)]);
        assert_eq!(bridges.edge(0), EdgeBridges { is_connected: true, is_draining: false, bridges: 1, legs: 3 });
        bridges.edge_is_alive(0, true);
        assert_eq!((bridges.place(leg(1, 4)), bridges.place(leg(5, 1))), (Ok(0), Ok(1)), "what is there stays there");
        assert_eq!((bridges.edge_of(leg(5, 1).bridge), bridges.edge_of(leg(6, 1).bridge)), (Some(1), None));
    }

    #[test]
    fn an_edge_that_goes_takes_its_legs_with_it_and_no_others() {
        let mut bridges = HomeBridges::new(2);
        bridges.edge_is_alive(0, false);
        bridges.edge_is_alive(1, false);
        for one in [leg(1, 1), leg(1, 2), leg(2, 1)] {
            bridges.place(one).unwrap();
        }
        assert_eq!((bridges.close(leg(1, 2)), bridges.close(leg(1, 9))), (Some(0), None));
        assert_eq!(bridges.edge_is_gone(0), [Gone::Lost(leg(1, 1)), Gone::Closed(leg(1, 2))]);
        assert_eq!(bridges.edge(0), EdgeBridges::default());
        assert!(bridges.has(1, leg(2, 1)) && !bridges.has(0, leg(2, 1)));
        assert_eq!(bridges.place(leg(1, 1)), Ok(1), "it can be had again, elsewhere");
    }

    #[test]
    fn a_bridge_ends_with_its_last_leg_and_only_its_edge_may_end_it() {
        let mut bridges = HomeBridges::new(2);
        bridges.edge_is_alive(0, false);
        bridges.place(leg(1, 1)).unwrap();
        bridges.place(leg(1, 2)).unwrap();
        assert_eq!(bridges.closed(1, leg(1, 1)), None);
        bridges.close(leg(1, 1));
        assert_eq!(bridges.closed(0, leg(1, 1)), Some(Gone::Closed(leg(1, 1))));
        assert_eq!(bridges.closed(0, leg(1, 1)), None);
        assert_eq!(bridges.closed(0, leg(1, 2)), Some(Gone::Lost(leg(1, 2))));
        assert_eq!(bridges.edge(0).bridges, 0);
    }
}
