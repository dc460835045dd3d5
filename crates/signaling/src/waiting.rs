//! How many requests of one flow wait for what their admission needs: answers come in the order of the questions, so who
//! asks for much at a time would make all others wait.

use std::collections::BTreeMap;

use sip::FlowId;

#[derive(Debug, Default)]
pub(crate) struct AdmissionsByFlow {
    /// Without those that have none.
    counts: BTreeMap<FlowId, usize>,
}

impl AdmissionsByFlow {
    pub(crate) fn count(&self, flow: FlowId) -> usize {
        self.counts.get(&flow).copied().unwrap_or(0)
    }

    pub(crate) fn begin(&mut self, flow: FlowId) {
        *self.counts.entry(flow).or_default() += 1;
    }

    pub(crate) fn end(&mut self, flow: FlowId) {
        let left = self.count(flow).saturating_sub(1);
        match left {
            0 => drop(self.counts.remove(&flow)),
            _ => drop(self.counts.insert(flow, left)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_flow_is_counted_and_none_is_left_behind() {
        let [one, other] = [1, 2].map(|serial| FlowId::Stream { worker: 0, serial });
        let mut admissions = AdmissionsByFlow::default();
        [one, one, other].into_iter().for_each(|flow| admissions.begin(flow));
        assert_eq!([one, other].map(|flow| admissions.count(flow)), [2, 1]);
        [one, other, one].into_iter().for_each(|flow| admissions.end(flow));
        assert!(admissions.counts.is_empty());
    }
}
