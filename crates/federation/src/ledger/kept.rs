//! What is known over restarts of who has answered whom: whoever was written to may go on, and whoever was not answered does not
//! begin anew.

use serde::{Deserialize, Serialize};

use super::{CertificateId, Known, Ledger, Ledgers};

/// One thing of it. Users are numbers that only this server can compute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeptAnswer {
    /// A user of ours has turned to a domain.
    TurnedTo { at_unix_ms: u64, user: u64, domain: String },
    /// A message or a call of a domain that he had not turned to was let through to him.
    Knock { at_unix_ms: u64, user: u64, domain: String, certificate: CertificateId },
}

impl Ledgers {
    /// Takes up what was known before the server started: first to whom users have turned, then who has knocked, each in the
    /// order in which it came to be.
    pub fn restore_answer(&mut self, kept: &KeptAnswer) {
        match kept {
            KeptAnswer::TurnedTo { user, domain, .. } => {
                self.acquaintances.insert(*user, domain, self.limits.acquaintances_max);
            }
            KeptAnswer::Knock { at_unix_ms, user, domain, certificate } => {
                let has_answered = self.acquaintances.knows(*user, domain, self.limits.acquaintances_max);
                if !has_answered {
                    self.recipients.take(*at_unix_ms, *user, u32::MAX, self.limits.recipients_max);
                }
                self.restore_knock((*at_unix_ms, *user), domain, certificate, has_answered);
            }
        }
    }

    fn restore_knock(
        &mut self,
        (at_unix_ms, user): (u64, u64),
        domain: &str,
        certificate: &CertificateId,
        has_answered: bool,
    ) {
        let (is_new, domains_max) =
            (!self.ledgers_by_certificate.contains_key(certificate), self.limits.ledger_domains_max);
        if self.names >= self.limits.ledger_names_max
            || is_new && self.ledgers_by_certificate.len() >= self.limits.ledgers_max
        {
            return;
        }
        let fresh = || Ledger { first_unix_ms: at_unix_ms, ..Ledger::default() };
        let ledger = self.ledgers_by_certificate.entry(certificate.clone()).or_insert_with(fresh);
        if ledger.domains.len() < domains_max && !ledger.domains.contains_key(domain) {
            ledger.domains.insert(domain.to_owned(), Known::Restored);
        }
        let before = ledger.names.len();
        ledger.last_unix_ms = ledger.last_unix_ms.max(at_unix_ms);
        ledger.names.address(at_unix_ms, user, true);
        if has_answered {
            ledger.names.answered(user);
        }
        self.names += ledger.names.len() - before;
    }
}
