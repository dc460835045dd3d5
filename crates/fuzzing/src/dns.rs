//! An answer of the DNS as it comes: of whatever bytes can be read, targets are hosts, an answer is secure where all of it is, and
//! no more TLSA records are kept than there is room for.

use std::time::Duration;

use federation::discovery::{SrvAnswer, SrvFailure};
use hickory_proto::dnssec::Proof;
use hickory_proto::op::Message;
use hickory_proto::rr::{RData, Record};
use net::dns::{srv_answer, take_tlsa};

use crate::choices::Choices;
use crate::discovery::check_answer;

/// The first two bytes say what was validated, a bit for each record; the rest is the answer.
pub fn check(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let validated = u16::from_be_bytes([choices.byte(), choices.byte()]);
    let Ok(mut message) = Message::from_vec(choices.rest()) else { return };
    for (number, record) in message.answers.iter_mut().enumerate() {
        record.proof = if validated >> (number % 16) & 1 == 1 { Proof::Secure } else { Proof::Insecure };
    }
    let records = &message.answers;
    let tlsa = check_tlsa(records);
    let is_srv = |record: &&Record| matches!(record.data, RData::SRV(_));
    match srv_answer("_sipfederationtls._tcp.fabrikam.example".into(), records, Duration::from_secs(300)) {
        Err(SrvFailure::NoRecord) => assert_eq!(records.iter().filter(is_srv).count(), 0),
        Err(failure) => assert_eq!(failure, SrvFailure::Refused),
        Ok(answer) => {
            assert!(!answer.targets.is_empty() && answer.targets.len() <= records.iter().filter(is_srv).count());
            assert_eq!(answer.secure, records.iter().all(|record| record.proof.is_secure()));
            for target in &answer.targets {
                assert!(!target.host.is_empty() && !target.host.bytes().any(|byte| byte.is_ascii_uppercase()));
                assert!(target.host.bytes().all(|byte| byte.is_ascii_graphic()), "{:?}", target.host);
            }
            check_answer(&SrvAnswer { tlsa, ..answer });
        }
    }
}

fn check_tlsa(records: &[Record]) -> Vec<federation::dane::Tlsa> {
    let mut found = Vec::new();
    for _ in 0..3 {
        take_tlsa(&mut found, records);
    }
    let is_secure_one = |record: &Record| record.proof.is_secure() && matches!(record.data, RData::TLSA(_));
    assert!(found.len() <= 16 && found.iter().all(|tlsa| tlsa.content.len() <= 4096));
    assert!(found.is_empty() || records.iter().any(is_secure_one));
    found
}
