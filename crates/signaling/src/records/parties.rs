//! Who takes part in a call, and what follows from it: whom a record is about, and who may say that the call is over.

use federation::admission::Origin;
use federation::flow::Direction;
use sip::{Aor, Uri};

use super::HungUp;
use crate::agent::AgentKey;
use crate::call_record::{CallKind, CallRecord, Ending, Way};
use crate::core::Core;
use crate::route::Destination;
use crate::{AdmittedRequest, Ingress};

/// One side of a call.
pub(super) enum Party {
    User(Aor),
    Meeting { aor: Aor, id: String },
    Partner { address: String, domain: String },
}

impl Core {
    pub(super) fn callee(&self, request: &AdmittedRequest) -> Option<Party> {
        let called = Uri::parse(request.message.request_uri()?).ok()?;
        Some(match &request.destination {
            Destination::User(aor) => Party::User(aor.clone()),
            Destination::Agent(AgentKey::Conference(id)) => {
                Party::Meeting { aor: id.aor(&called.host_lowercase()), id: id.to_string() }
            }
            Destination::Agent(AgentKey::Call { .. } | AgentKey::Gateway { .. }) | Destination::Partner { .. } => {
                let domain = called.host_lowercase().to_string();
                match Aor::from_uri(&called) {
                    Ok(aor) if self.organisation.is_local(&domain) => Party::User(aor),
                    _ => Party::Partner { address: address(&called), domain },
                }
            }
            _ => return None,
        })
    }
}

/// Why the call of this record is over; `None`: who says so has no part in it.
pub(super) fn ending(record: &CallRecord, by: &HungUp) -> Option<Ending> {
    match by {
        HungUp::User(aor) if *aor == record.user => Some(record.hung_up_by(true)),
        HungUp::User(aor) if aor.to_string() == record.other => Some(record.hung_up_by(false)),
        HungUp::Partner(domain) if record.partner.as_ref() == Some(domain) => Some(record.hung_up_by(false)),
        HungUp::PartnerGone(domain) if record.partner.as_ref() == Some(domain) => Some(Ending::ConnectionLost),
        HungUp::User(_) | HungUp::Partner(_) | HungUp::PartnerGone(_) => None,
        HungUp::Callee => Some(Ending::ByCallee),
        HungUp::Meeting => Some(Ending::ByMeeting),
        HungUp::Nobody => Some(Ending::ConnectionLost),
    }
}

pub(super) fn caller(request: &AdmittedRequest) -> Option<Party> {
    Some(match (&request.ingress, request.admitted.origin()) {
        (Ingress::Agent(AgentKey::Conference(id)), Origin::User { aor }) => {
            Party::Meeting { aor: aor.clone(), id: id.to_string() }
        }
        (Ingress::Flow(_), Origin::User { aor }) => Party::User(aor.clone()),
        (Ingress::Flow(_), Origin::Partner { domain, .. }) => {
            let address = request.message.from().map(|from| address(&from.uri())).unwrap_or_default();
            Party::Partner { address, domain: domain.clone() }
        }
        // Those behind an edge keep their own records.
        (Ingress::Flow(_), Origin::Inside { .. } | Origin::Remote { .. }) => return None,
        // The second dialog of a call is known by its first.
        _ => return None,
    })
}

fn address(uri: &Uri<'_>) -> String {
    Aor::from_uri(uri).map_or_else(|_| uri.host_lowercase().to_string(), |aor| aor.to_string())
}

/// `None`: the call is not about this side.
pub(super) fn begin(
    us: &Party,
    them: &Party,
    direction: Direction,
    call_id: &str,
    began_unix_ms: u64,
) -> Option<CallRecord> {
    let (user, meeting) = match (us, them) {
        (Party::User(aor), Party::Meeting { id, .. }) => (aor, Some(id)),
        (Party::User(aor), _) => (aor, None),
        (Party::Meeting { aor, id }, Party::Partner { .. }) => (aor, Some(id)),
        _ => return None,
    };
    let (other, partner) = match them {
        Party::User(aor) | Party::Meeting { aor, .. } => (aor.to_string(), None),
        Party::Partner { address, domain } => (address.clone(), Some(domain.clone())),
    };
    Some(CallRecord {
        call_id: call_id.to_owned(),
        user: user.clone(),
        other,
        partner,
        direction,
        kind: if meeting.is_some() { CallKind::Meeting } else { CallKind::Call },
        way: meeting.map_or(Way::Proxied, |id| Way::Meeting(id.clone())),
        began_unix_ms,
        ringing_ms: None,
        answered_ms: None,
        end: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn party(aor: &str) -> Party {
        Party::User(aor.parse().unwrap())
    }

    fn record(user: &str, call_id: &str) -> CallRecord {
        begin(&party(user), &party("bob@a.example"), Direction::Outbound, call_id, 1).unwrap()
    }

    #[test]
    fn who_has_no_part_in_a_call_cannot_end_it() {
        let partner = Party::Partner { address: "bob@b.example".to_owned(), domain: "b.example".to_owned() };
        let with_partner = begin(&party("alice@a.example"), &partner, Direction::Outbound, "c", 1).unwrap();
        let by = |by: HungUp| ending(&with_partner, &by);
        assert_eq!(by(HungUp::User("alice@a.example".parse().unwrap())), Some(Ending::ByCaller));
        assert_eq!(by(HungUp::User("mallory@a.example".parse().unwrap())), None);
        assert_eq!(by(HungUp::Partner("b.example".to_owned())), Some(Ending::ByCallee));
        assert_eq!(by(HungUp::Partner("c.example".to_owned())), None);
        assert_eq!(by(HungUp::PartnerGone("b.example".to_owned())), Some(Ending::ConnectionLost));
        assert_eq!(by(HungUp::PartnerGone("c.example".to_owned())), None);
        assert_eq!(by(HungUp::Meeting), Some(Ending::ByMeeting));
        let inside = record("alice@a.example", "c");
        assert_eq!(ending(&inside, &HungUp::User("bob@a.example".parse().unwrap())), Some(Ending::ByCallee));
        assert_eq!(ending(&inside, &HungUp::Partner("a.example".to_owned())), None);
    }
}
