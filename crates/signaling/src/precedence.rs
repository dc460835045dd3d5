//! Whose messages come first where there are more than a worker can do at once: of those who are known here.

use federation::flow::{Direction, FlowKind};
use federation::partner::Standing;
use sip::FlowId;

use crate::core::Core;
use crate::flow_table::FlowState;

/// What a flow has shown so far of who is at its other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precedence {
    /// A user of ours, a partner with an entry, our own inner side, or a server that we have connected to.
    Known,
    /// Nothing: whoever signs in begins like that, and so does everybody else.
    Unproven,
    /// A partner without an entry, of whom there may be as many as there are domains.
    Discovered,
}

impl Core {
    /// Changes with what is admitted on the flow, and with the partners.
    pub fn precedence_of(&self, flow: FlowId) -> Precedence {
        self.flows.get(flow).map_or(Precedence::Unproven, |state| precedence(state, || self.has_entry(state)))
    }

    /// Whether any of the domains that spoke on it is one that an administrator has entered.
    fn has_entry(&self, state: &FlowState) -> bool {
        let proven = state.proven.iter().map(|proven| &proven.domain);
        proven.chain(&state.partner).any(|domain| {
            let standing = self.partners.standing(domain);
            matches!(standing, Standing::Allowed(_) | Standing::Shared(_) | Standing::Cleared(_))
        })
    }
}

fn precedence(state: &FlowState, has_entry: impl Fn() -> bool) -> Precedence {
    let is_known = match state.kind {
        _ if state.facts.is_inner || !state.users.is_empty() => true,
        FlowKind::Client | FlowKind::Inside => true,
        FlowKind::Undecided => state.facts.direction == Direction::Outbound,
        FlowKind::Partner => has_entry(),
    };
    match state.kind {
        _ if is_known => Precedence::Known,
        FlowKind::Partner => Precedence::Discovered,
        _ => Precedence::Unproven,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow_table::FlowTable;
    use crate::flow_table::tests::facts;

    /// What is said of a flow of this kind, which anybody could have opened, after `change`.
    fn judged(kind: FlowKind, change: impl Fn(&mut FlowState)) -> Precedence {
        let (mut table, id) = (FlowTable::default(), FlowId::Stream { worker: 0, serial: 1 });
        table.open(facts(id));
        let state = table.get_mut(id).expect("it was opened");
        state.kind = kind;
        change(state);
        precedence(state, || false)
    }

    #[test]
    fn one_thing_that_was_shown_is_enough() {
        use Precedence::{Discovered, Known, Unproven};
        let nothing = |_: &mut FlowState| {};
        let kinds = [FlowKind::Undecided, FlowKind::Partner, FlowKind::Client, FlowKind::Inside];
        assert_eq!(kinds.map(|kind| judged(kind, nothing)), [Unproven, Discovered, Known, Known]);
        let user = |state: &mut FlowState| state.users.push("alice@contoso.example".parse().expect("an AOR"));
        assert_eq!(kinds.map(|kind| judged(kind, user)), [Known; 4]);
        assert_eq!(kinds.map(|kind| judged(kind, |state| state.facts.is_inner = true)), [Known; 4]);
        let outbound = |state: &mut FlowState| state.facts.direction = Direction::Outbound;
        assert_eq!(kinds.map(|kind| judged(kind, outbound)), [Known, Discovered, Known, Known]);
    }
}
