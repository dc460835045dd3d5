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
        let Some(state) = self.flows.get(flow) else { return Precedence::Unproven };
        let is_known = match state.kind {
            _ if state.facts.is_inner || !state.users.is_empty() => true,
            FlowKind::Client | FlowKind::Inside => true,
            FlowKind::Undecided => state.facts.direction == Direction::Outbound,
            FlowKind::Partner => self.has_entry(state),
        };
        match state.kind {
            _ if is_known => Precedence::Known,
            FlowKind::Partner => Precedence::Discovered,
            _ => Precedence::Unproven,
        }
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
