//! To which of a user's devices a request goes, and when (RFC 3261 section 16.6): to those that are wanted alike at once, and
//! with an INVITE to the less wanted ones (a lower q) when the others have refused or rung for long enough.

use std::collections::VecDeque;
use std::time::Instant;

use sip::Method;
use sip::proxy::breadth::{MAX_BREADTH, breadth, share};

use crate::AdmittedRequest;
use crate::core::Core;
use crate::owner::{ContextId, Target, devices_named};

/// Devices whose turn has not come.
#[derive(Default)]
pub(crate) struct Later {
    groups: VecDeque<Vec<Target>>,
    /// When the next of them are called, whatever those before do.
    pub moves_on_at: Option<Instant>,
}

impl Later {
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// Nobody else is to be called any more.
    pub fn give_up(&mut self) {
        *self = Later::default();
    }
}

impl Core {
    /// A branch to each of these, the most wanted first.
    pub(crate) fn fork(&mut self, now: Instant, request: AdmittedRequest, targets: Vec<Target>) {
        let Some(upstream) = request.upstream else { return };
        // What cannot be read is refused with the first branch.
        let breadth = breadth(&request.message).unwrap_or(MAX_BREADTH);
        let groups = groups(request.message.method(), targets, breadth);
        self.record_routed(now, &request.message, &turns_named(&groups));
        let context = self.open_context(now, upstream, request);
        self.owner.set_later(context, Later { groups, moves_on_at: None });
        self.call_next(now, context);
        self.drain_context(now, context);
    }

    /// It is the next devices' turn; after the last of them what is known is the answer.
    pub(crate) fn call_next(&mut self, now: Instant, id: ContextId) {
        let moves_on_at = now + self.limits.ring_time();
        let Some((targets, is_last)) = self.owner.take_next(id, |later| {
            let targets = later.groups.pop_front().unwrap_or_default();
            later.moves_on_at = (!later.is_empty()).then_some(moves_on_at);
            (targets, later.is_empty())
        }) else {
            return;
        };
        for target in targets {
            self.send_branch(now, id, target);
        }
        if is_last {
            self.owner.close(id);
        }
    }
}

/// A request other than INVITE is no use to a device that gets it late, and waits for nobody; unless there are more devices
/// than it may be sent to at once. Those who are asked together share its breadth; whoever comes after them has it whole.
fn groups(method: Option<Method>, targets: Vec<Target>, breadth: u32) -> VecDeque<Vec<Target>> {
    let at_once_max = usize::try_from(breadth).unwrap_or(usize::MAX).max(1);
    let mut groups: VecDeque<Vec<Target>> = VecDeque::new();
    for target in targets {
        let is_alike = |group: &&mut Vec<Target>| {
            let waits_for_nobody = method != Some(Method::Invite);
            group.len() < at_once_max && (waits_for_nobody || group.first().is_some_and(|first| first.q == target.q))
        };
        match groups.back_mut().filter(is_alike) {
            Some(group) => group.push(target),
            None => groups.push_back(vec![target]),
        }
    }
    for group in &mut groups {
        let branches = group.len();
        for (index, target) in group.iter_mut().enumerate() {
            let share = Some(share(breadth, branches, index));
            target.breadth = share;
            // Only one flow of a device is tried at a time.
            target.others.iter_mut().for_each(|other| other.breadth = share);
        }
    }
    groups
}

/// As a decision names them.
fn turns_named(groups: &VecDeque<Vec<Target>>) -> String {
    let named: Vec<String> = groups.iter().map(|group| devices_named(group.len())).collect();
    named.join(", then ")
}
