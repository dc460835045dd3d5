//! The ports of ours, as they are said to peers.

use federation::flow::{Direction, FlowFacts};
use sip::Transport;

use super::Core;

impl Core {
    /// The port of ours that a peer reaches us on, for a flow over this transport.
    pub(crate) fn listening_port(&self, transport: Transport) -> u16 {
        self.listeners
            .iter()
            .find(|listener| listener.transport == transport && !listener.is_inner)
            .map_or(DEFAULT_TLS_PORT, |listener| listener.address.port())
    }

    /// The same for the inner side; there we may have no listener of this transport, and answers come as they went.
    pub(crate) fn inner_port(&self, transport: Transport) -> u16 {
        let inner = || self.listeners.iter().filter(|listener| listener.is_inner);
        let found = inner().find(|listener| listener.transport == transport).or_else(|| inner().next());
        found.map_or_else(|| transport.default_port(), |listener| listener.address.port())
    }

    /// The port of ours in a flow: of a connection that we opened, the one we listen on.
    pub(crate) fn our_port(&self, facts: &FlowFacts) -> u16 {
        match facts.direction {
            Direction::Inbound => facts.local.port(),
            Direction::Outbound if facts.is_inner => self.inner_port(facts.transport),
            Direction::Outbound => self.listening_port(facts.transport),
        }
    }
}

const DEFAULT_TLS_PORT: u16 = 5061;
