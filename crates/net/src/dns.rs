//! What the records of an answer of the DNS say to us, once they are read.

use std::time::Duration;

use federation::dane::Tlsa;
use federation::discovery::{SrvAnswer, SrvFailure, SrvResult, SrvTarget};
use hickory_proto::rr::rdata::SRV;
use hickory_proto::rr::{RData, Record};

/// The servers that SRV records among these name (RFC 2782); `ttl`: for how long they hold. TLSA records are asked for afterwards.
///
/// # Errors
/// There are no such records, or their only target is the root: nothing is offered there.
pub fn srv_answer(name: String, answers: &[Record], ttl: Duration) -> SrvResult {
    let secure = is_secure(answers);
    let records: Vec<&SRV> = answers
        .iter()
        .filter_map(|record| match &record.data {
            RData::SRV(srv) => Some(srv),
            _ => None,
        })
        .collect();
    if records.is_empty() {
        return Err(SrvFailure::NoRecord);
    }
    let targets: Vec<SrvTarget> =
        records.iter().filter(|record| !record.target.is_root()).map(|record| srv_target(record)).collect();
    if targets.is_empty() {
        return Err(SrvFailure::Refused);
    }
    Ok(SrvAnswer { name, targets, ttl, secure, tlsa: Vec::new() })
}

/// Every record that led to the answer was validated, aliases included.
fn is_secure(records: &[Record]) -> bool {
    !records.is_empty() && records.iter().all(|record| record.proof.is_secure())
}

/// The validated ones among these, as long as there is room for them.
pub fn take_tlsa(found: &mut Vec<Tlsa>, records: &[Record]) {
    let secure = records.iter().filter(|record| record.proof.is_secure()).filter_map(|record| match &record.data {
        RData::TLSA(tlsa) if tlsa.cert_data.len() <= TLSA_BYTES_MAX => Some(Tlsa {
            usage: tlsa.cert_usage.into(),
            selector: tlsa.selector.into(),
            matching: tlsa.matching.into(),
            content: tlsa.cert_data.clone(),
        }),
        _ => None,
    });
    found.extend(secure.take(TLSA_RECORDS_MAX.saturating_sub(found.len())));
}

pub(crate) fn srv_target(record: &SRV) -> SrvTarget {
    let host = record.target.to_ascii().trim_end_matches('.').to_ascii_lowercase();
    SrvTarget { priority: record.priority, weight: record.weight, port: record.port, host }
}

const TLSA_RECORDS_MAX: usize = 16;
/// Longer than any certificate that is worth a comparison.
const TLSA_BYTES_MAX: usize = 4096;

#[cfg(test)]
mod tests {
    use hickory_proto::dnssec::Proof;
    use hickory_proto::rr::rdata::TLSA;
    use hickory_proto::rr::rdata::tlsa::{CertUsage, Matching, Selector};

    use super::*;
    use crate::testing::name_server::name;

    fn tlsa(content: Vec<u8>, proof: Proof) -> Record {
        let tlsa = TLSA::new(CertUsage::DaneEe, Selector::Spki, Matching::Sha256, content);
        let mut record = Record::from_rdata(name("_5061._tcp.edge.example"), 300, RData::TLSA(tlsa));
        record.proof = proof;
        record
    }

    #[test]
    fn a_tlsa_record_too_long_for_a_certificate_is_passed_over() {
        let records = [4097, 4096].map(|length| tlsa(vec![1; length], Proof::Secure));
        let mut found = Vec::new();
        take_tlsa(&mut found, &records);
        assert_eq!(found.iter().map(|tlsa| tlsa.content.len()).collect::<Vec<_>>(), [4096]);
    }

    #[test]
    fn of_many_tlsa_records_the_first_are_taken_whoever_has_them() {
        let record = |number: u8, proof| tlsa(vec![number; 32], proof);
        let records = |numbers: std::ops::Range<u8>, proof| numbers.map(|n| record(n, proof)).collect::<Vec<_>>();
        let mut found = Vec::new();
        take_tlsa(&mut found, &records(100..200, Proof::Insecure));
        take_tlsa(&mut found, &records(0..10, Proof::Secure));
        take_tlsa(&mut found, &records(10..200, Proof::Secure));
        take_tlsa(&mut found, &records(0..10, Proof::Secure));
        let taken: Vec<u8> = found.iter().map(|tlsa| tlsa.content[0]).collect();
        assert_eq!(taken, (0..16).collect::<Vec<u8>>());
    }
}
