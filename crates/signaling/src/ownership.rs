//! Which worker owns what. Every worker computes the same answer from the same name, so nobody has to ask.

use conference::ConferenceId;
use federation::admission::Organisation;
use federation::ledger::CertificateId;
use sip::{Aor, Message};

use crate::WorkerId;

/// How many workers this process has, and which one we are.
#[derive(Debug, Clone, Copy)]
pub struct Ownership {
    pub worker: WorkerId,
    pub workers: u16,
}

impl Ownership {
    /// The owner of a user's bindings and client flow.
    pub fn of_aor(&self, aor: &Aor) -> WorkerId {
        self.pick(hash(&[aor.user().as_bytes(), b"@", aor.domain().as_bytes()]))
    }

    /// The owner of a conference: its focus, its roster and its dialogs.
    pub fn of_conference(&self, id: &ConferenceId) -> WorkerId {
        self.pick(hash(&[b"conference", id.as_str().as_bytes()]))
    }

    /// The owner of connection number `index` to a partner.
    pub fn of_partner(&self, domain: &str, index: u16) -> WorkerId {
        self.pick(hash(&[domain.as_bytes(), b"#", &index.to_be_bytes()]))
    }

    /// The owner of the server transactions of requests that come as datagrams: whichever worker the kernel gives a
    /// retransmission to, it meets the transaction that it repeats, and the nonce that it answers.
    pub fn of_datagrams(&self, call_id: &str) -> WorkerId {
        self.pick(hash(&[b"datagram", call_id.as_bytes()]))
    }

    /// Who keeps the record of a call while it is under way.
    pub fn of_call(&self, call_id: &str) -> WorkerId {
        self.pick(hash(&[b"call", call_id.as_bytes()]))
    }

    /// Who counts what discovered partners with this certificate ask.
    pub fn of_ledger(&self, certificate: &CertificateId) -> WorkerId {
        self.pick(hash(&[b"ledger", certificate.issuer.as_bytes(), b"#", certificate.serial.as_bytes()]))
    }

    pub fn is_ours(&self, worker: WorkerId) -> bool {
        worker == self.worker
    }

    /// Every worker but us.
    pub fn others(&self) -> impl Iterator<Item = WorkerId> + use<> {
        let us = self.worker;
        (0..self.workers).filter(move |worker| *worker != us)
    }

    fn pick(&self, hash: u64) -> WorkerId {
        u16::try_from(hash % u64::from(self.workers.max(1))).expect("the remainder of a u16 fits")
    }
}

/// The number of the partner connection that carries this dialog: one Call-ID, one connection, so nothing overtakes.
pub fn partner_connection(call_id: &str, connections: u16) -> u16 {
    u16::try_from(hash(&[call_id.as_bytes()]) % u64::from(connections.max(1))).expect("the remainder of a u16 fits")
}

/// The number of the connection to a partner that this message takes. There are so many with each certificate of ours; which one
/// it is to be, the partner says, where it is shown one of its own, else the domain of ours that the message is from, or to.
pub(crate) fn partner_connection_of(message: &Message, organisation: &Organisation, connections: u16) -> u16 {
    let ends = [message.from(), message.to()].into_iter().flatten();
    let domains: Vec<String> = ends.map(|end| end.uri().host_lowercase().into_owned()).collect();
    let for_partner = domains.iter().find_map(|domain| organisation.certificate_for(domain));
    let ours = domains.iter().find(|domain| organisation.is_local(domain));
    let for_ours = || ours.map_or(0, |domain| organisation.certificate_of(domain));
    let certificate = for_partner.unwrap_or_else(for_ours);
    let first = certificate.saturating_mul(connections.max(1));
    first.saturating_add(partner_connection(message.call_id().unwrap_or_default(), connections))
}

/// FNV-1a with a final mix: the same on every node and in every release, as ownership between nodes must be.
fn hash(parts: &[&[u8]]) -> u64 {
    let mut state = 0xcbf2_9ce4_8422_2325_u64;
    for byte in parts.iter().flat_map(|part| part.iter()) {
        state = (state ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    }
    state ^= state >> 33;
    state = state.wrapping_mul(0xff51_afd7_ed55_8ccd);
    state ^ (state >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_workers_agree_and_all_get_some() {
        let mut owned = [0_u32; 3];
        for number in 0..300 {
            let aor: Aor = format!("user{number}@contoso.example").parse().unwrap();
            let by: Vec<_> = (0..3).map(|worker| Ownership { worker, workers: 3 }.of_aor(&aor)).collect();
            assert!(by.iter().all(|owner| *owner == by[0]));
            owned[usize::from(by[0])] += 1;
        }
        assert!(owned.iter().all(|count| *count > 60), "{owned:?}");
    }

    #[test]
    fn one_call_id_keeps_one_connection() {
        assert_eq!(partner_connection("a@b", 4), partner_connection("a@b", 4));
        let used: std::collections::BTreeSet<_> =
            (0..100).map(|n| partner_connection(&format!("{n}@host"), 4)).collect();
        assert_eq!(used.len(), 4);
    }
}
