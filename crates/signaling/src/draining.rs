//! A server that is about to end: nothing new is taken. An edge alone lets its connections go, too, as soon as nothing is
//! under way on them: whoever keeps one would go on sending there, although another edge would do it.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use federation::flow::FlowKind;
use sip::FlowId;

use crate::Output;
use crate::core::Core;
use crate::schedule::Machine;

impl Core {
    pub(crate) fn drain(&mut self, now: Instant) {
        self.is_draining = true;
        self.let_go_of_idle_flows(now);
    }

    /// Looks again until nobody is connected any more. What is within a call comes by another edge of the pool.
    pub(crate) fn let_go_of_idle_flows(&mut self, now: Instant) {
        if !self.organisation.is_edge_only() {
            return;
        }
        let busy: BTreeSet<FlowId> = self.transactions.flows_under_way().collect();
        let flows: Vec<(FlowId, bool)> =
            self.flows.iter().map(|state| (state.facts.id, state.kind == FlowKind::Undecided)).collect();
        if !flows.is_empty() {
            self.schedule.push(now + LOOK_PAUSE, Machine::Draining);
        }
        // What has just been opened carries something that is on its way, perhaps of a call.
        for (flow, _) in flows.into_iter().filter(|(flow, is_new)| !is_new && !busy.contains(flow)) {
            self.links.let_go(flow);
            self.put(Output::CloseFlow { flow });
        }
    }
}

/// Between two looks at what is idle by now.
const LOOK_PAUSE: Duration = Duration::from_millis(200);
