//! Keeps every decision, so that `comity why` and `comity partner show` can tell.

use std::time::Instant;

use federation::admission::Admitted;
use federation::decision::{DecisionRecord, Outcome};
use federation::flow::Direction;
use sip::{Message, Refusal, Uri};

use crate::Output;
use crate::core::Core;

impl Core {
    pub(crate) fn record_admitted(&mut self, now: Instant, request: &Message, admitted: &Admitted) {
        self.record(now, request, Outcome::from(admitted));
    }

    /// A challenge is no refusal yet: the answer to it is what counts.
    pub(crate) fn record_refused(&mut self, now: Instant, request: &Message, refusal: &Refusal) {
        if refusal.word != "authentication-required" {
            self.record(now, request, Outcome::from(refusal));
        }
    }

    pub(crate) fn record_routed(&mut self, now: Instant, request: &Message, next_hop: &str) {
        self.record(now, request, Outcome::Routed { next_hop: next_hop.to_owned() });
    }

    fn record(&mut self, now: Instant, request: &Message, outcome: Outcome) {
        let from_domain = request.from().map(|from| from.uri().host_lowercase().to_string()).unwrap_or_default();
        let to_domain = request
            .request_uri()
            .and_then(|uri| Uri::parse(uri).ok())
            .map(|uri| uri.host_lowercase().to_string())
            .unwrap_or_default();
        let outbound = self.organisation.domains.contains(&from_domain);
        let record = DecisionRecord {
            call_id: request.call_id().unwrap_or_default().to_owned(),
            method: request.method().map(|method| method.as_str().to_owned()).unwrap_or_default(),
            from_domain,
            to_domain,
            direction: if outbound { Direction::Outbound } else { Direction::Inbound },
            outcome,
        };
        self.decisions.record(self.unix_ms(now), record.clone());
        self.put(Output::Decided(record));
    }
}
