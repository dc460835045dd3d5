//! References within a call that outlive it (RFC 5057 section 3.2): whoever was sent elsewhere by REFER tells how that went in the
//! dialog of the call, and the other has hung up by then (RFC 5359 section 2.4).

use std::time::{Duration, Instant};

use sip::header::refer_sub::wants_subscription;
use sip::{HeaderName, Message, Method};

use super::{Call, PAIRS_MAX, Passed};
use crate::b2bua::dialogs::Pair;

/// The two dialogs of a session that has ended, for what is still told in them.
#[derive(Debug)]
pub(super) struct Ended {
    pub pair: Pair,
    pub until: Instant,
}

impl Call {
    /// The session of this pair has ended; its dialogs have, too, unless a reference goes on in them.
    pub(super) fn end_pair(&mut self, now: Instant, tag: &str) {
        let Some(at) = self.pairs.iter().position(|pair| pair.tag() == tag) else { return };
        let pair = self.pairs.remove(at);
        if pair.references > 0 {
            if self.ended.len() >= PAIRS_MAX {
                self.ended.remove(0);
            }
            self.ended.push(Ended { pair, until: now + REFERENCE_TIME });
        }
    }

    /// A REFER that is accepted begins a subscription in its dialog, and the NOTIFY that says so ends it.
    pub(super) fn count_references(&mut self, passed: &Passed, response: &Message) {
        let Some((tag, _)) = &passed.pair else { return };
        let mut pairs = self.pairs.iter_mut().chain(self.ended.iter_mut().map(|ended| &mut ended.pair));
        let Some(pair) = pairs.find(|pair| pair.tag() == tag) else { return };
        if begins_reference(&passed.request, response) {
            pair.references = (pair.references + 1).min(REFERENCES_MAX);
        } else if ends_reference(&passed.request, response) {
            pair.references = pair.references.saturating_sub(1);
        }
        self.ended.retain(|ended| ended.pair.references > 0);
    }
}

fn begins_reference(request: &Message, response: &Message) -> bool {
    let is_accepted = request.method() == Some(Method::Refer) && matches!(response.status(), Some(200..=299));
    is_accepted && wants_subscription(response)
}

fn ends_reference(request: &Message, response: &Message) -> bool {
    let of = |name| request.header_text(name).unwrap_or_default().split(';').next().unwrap_or_default().trim();
    request.method() == Some(Method::Notify)
        && response.status() >= Some(200)
        && of(HeaderName::Event).eq_ignore_ascii_case("refer")
        && of(HeaderName::SubscriptionState).eq_ignore_ascii_case("terminated")
}

/// As long as a call that rings is waited for (RFC 3261 16.6, Timer C).
const REFERENCE_TIME: Duration = Duration::from_secs(180);
const REFERENCES_MAX: u8 = 16;
