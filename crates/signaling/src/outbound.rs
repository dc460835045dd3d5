//! Devices with several flows (RFC 5626 section 7): a request goes over one of them, and over another only if that fails.

use std::time::Instant;

use registrar::Binding;
use sip::Aor;
use sip::transaction::ClientTransactionId;

use crate::core::Core;
use crate::flow_table::Whereabouts;
use crate::owner::Target;

impl Core {
    /// The flows that lead to a user's devices, one to each device, most wanted first.
    pub(crate) fn devices(&self, now: Instant, aor: &Aor) -> Vec<Target> {
        let devices = self.location.devices(now, aor).into_iter();
        devices.filter_map(|flows| self.device(aor, &flows)).take(self.limits.branches_max).collect()
    }

    /// `None`: none of its flows is there any more.
    fn device(&self, aor: &Aor, flows: &[&Binding]) -> Option<Target> {
        let us = self.ownership.worker;
        let is_there = |flow: &&&Binding| self.flows.whereabouts(flow.flow.id, us) != Whereabouts::Gone;
        let mut targets = flows.iter().filter(is_there).map(|binding| Target {
            flow: binding.flow.id,
            transport: binding.flow.transport,
            local_port: binding.flow.local_port,
            request_uri: Some(binding.request_uri().to_owned()),
            path: binding.path.clone(),
            leg: Some(self.mint.flow_leg(us, binding.flow.id, aor)),
            q: binding.q,
            others: Vec::new(),
        });
        let first = targets.next()?;
        Some(Target { others: targets.collect(), ..first })
    }

    /// The flow of this branch fails: the device is asked over its next one, if it has one, and somebody still waits. To
    /// be called before the branch is told.
    pub(crate) fn try_other_flow(&mut self, now: Instant, id: ClientTransactionId) {
        let Some((context, others)) = self.owner.take_others(id) else { return };
        let us = self.ownership.worker;
        let mut others =
            others.into_iter().filter(|target| self.flows.whereabouts(target.flow, us) != Whereabouts::Gone);
        if let Some(next) = others.next() {
            let next = Target { others: others.collect(), ..next };
            self.send_branch(now, context, next);
        }
    }
}
