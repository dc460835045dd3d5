//! Requests of discovered partners pass by the worker that owns their ledger, on their way to the owner of their target:
//! there they are counted, and those that are too many end. Nobody else takes that way.

use std::time::Instant;

use federation::admission::{Origin, Tier};
use federation::inside::is_of_nobody;
use federation::ledger::{CertificateId, Entry, KeptSuspect, LedgerSummary, OverLimit};
use federation::look_alike::{LookAlike, TrustedNames};
use sip::refusal::Word;
use sip::{Aor, HeaderName, Message, Method, Refusal, Uri};

use crate::core::Core;
use crate::route::Destination;
use crate::{AdmittedRequest, Handoff, Output, Requester, Upstream};

/// How a request is counted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Metering {
    pub in_dialog: bool,
    /// How many were refused before it where they arrived.
    pub refused: u64,
}

impl Core {
    /// Gives an admitted request on: to its target's owner, or to whoever counts it first.
    pub(crate) fn meter(&mut self, now: Instant, request: AdmittedRequest, in_dialog: bool) {
        let Some(certificate) = self.ledger_of(&request) else { return self.give_to_owner(now, request) };
        let refused = self.take_refused(request.ingress.flow().map(|facts| facts.id));
        let keeper = self.ownership.of_ledger(&certificate);
        if self.ownership.is_ours(keeper) {
            if let Some(request) = self.metered(now, request, Metering { in_dialog, refused }) {
                self.give_to_owner(now, request);
            }
            return;
        }
        self.draft_records(now, &request);
        if let Some(Upstream { requester: Requester::Outside(transaction), .. }) = request.upstream {
            let owner = request.destination.owner(&self.ownership).unwrap_or(keeper);
            self.acceptor.went_by_ledger(transaction, keeper, owner);
        }
        self.hand(keeper, Handoff::Metered { request: Box::new(request), in_dialog, refused });
    }

    /// On the worker that owns the ledger: another one accepted the request.
    pub(crate) fn meter_handed(&mut self, now: Instant, request: AdmittedRequest, metering: Metering) {
        let Some(request) = self.metered(now, request, metering) else { return };
        let owner = request.destination.owner(&self.ownership).unwrap_or(self.ownership.worker);
        match self.ownership.is_ours(owner) {
            true => self.own(now, request),
            false => self.hand(owner, Handoff::Request(Box::new(request))),
        }
    }

    /// Gives the request back, if it is not one too many.
    fn metered(&mut self, now: Instant, request: AdmittedRequest, metering: Metering) -> Option<AdmittedRequest> {
        let Metering { in_dialog, refused } = metering;
        let certificate = self.ledger_of(&request)?;
        let user = self.named_user(&request, in_dialog);
        let domain = request.admitted.domain();
        let is_paced = request.ingress.flow().is_some_and(|facts| facts.is_inner);
        let look_alike = if is_paced { None } else { self.look_alike(&certificate, domain) };
        let is_mimicry = look_alike.as_ref().is_some_and(|found| self.discovered.look_alikes.refuses(found.likeness));
        // What will be refused reaches nobody, and must not take the place of what would.
        let is_counted_at_home = self.organisation.is_edge_only() && self.has_comity_inside();
        let reaches = self.reached_user(&request, in_dialog).filter(|_| !is_mimicry && !is_counted_at_home);
        let is_first = self.ledgers.seen(&certificate, domain).is_none();
        let entry = Entry {
            certificate: &certificate,
            domain,
            look_alike: look_alike.as_ref(),
            user,
            in_dialog,
            reaches,
            is_paced,
        };
        let now_unix_ms = self.unix_ms(now);
        let taken = self.ledgers.take(now_unix_ms, &entry);
        self.ledgers.refused_elsewhere(&certificate, refused);
        let is_noted = is_first && self.ledgers.seen(&certificate, domain).is_some();
        let suspect = self.ledgers.judge(now_unix_ms, &certificate);
        self.keep_suspect(suspect);
        if let Some(look_alike) = look_alike.as_ref().filter(|_| is_noted) {
            self.counts.look_alikes += 1;
            self.put(Output::LookAlike(look_alike.clone()));
        }
        let refusal = match taken {
            Err(over) => {
                if !in_dialog {
                    self.tell_pace(now, &request, over);
                }
                self.over_limit(over, domain)
            }
            Ok(()) => match look_alike.filter(|_| is_mimicry) {
                Some(found) => Refusal::new(403, Word::LookAlike, found.to_string()),
                None => {
                    self.note_knock(now_unix_ms, reaches, domain, certificate);
                    return Some(request);
                }
            },
        };
        if let Some(upstream) = request.upstream {
            self.refuse_owned(now, upstream, &request.message, &refusal);
        }
        None
    }

    /// Whose ledger a request is counted in. At home those whom nobody answers are counted, for all edges together; whose
    /// certificate it was the edge knows, which counts the rest.
    fn ledger_of(&self, request: &AdmittedRequest) -> Option<CertificateId> {
        let is_from_edge = request.ingress.flow().is_some_and(|facts| facts.is_inner);
        match is_from_edge && self.is_home_only() && is_of_discovered(request) {
            true => Some(CertificateId { issuer: String::new(), serial: request.admitted.domain().to_owned() }),
            false => certificate_of_discovered(request),
        }
    }

    fn has_comity_inside(&self) -> bool {
        self.organisation.inside().is_some_and(|inside| inside.is_comity)
    }

    /// What a domain is taken for: found out at its first contact, remembered from then on.
    fn look_alike(&mut self, certificate: &CertificateId, domain: &str) -> Option<LookAlike> {
        if let Some(seen) = self.ledgers.seen(certificate, domain) {
            return seen.cloned();
        }
        self.trusted_names().look_alike(domain)
    }

    pub(crate) fn trusted_names(&mut self) -> &TrustedNames {
        let (partners, ours) = (&self.partners, &self.organisation.domains);
        self.trusted_names.get_or_insert_with(|| partners.trusted_names(ours))
    }

    /// The user of ours whom a discovered partner names, as a number that only we can compute.
    fn named_user(&self, request: &AdmittedRequest, in_dialog: bool) -> Option<u64> {
        match &request.destination {
            // What is answered alike for everybody finds nobody, and must not hide among it what does.
            _ if in_dialog || self.is_hidden_probe(request) => None,
            Destination::User(aor) => Some(self.mint.user(aor)),
            // Whether he is there the home knows; that he was asked for is known here.
            Destination::Agent(_) | Destination::Inside { .. } => {
                let uri = Uri::parse(request.message.request_uri()?).ok()?;
                Some(self.mint.user(&Aor::from_uri(&uri).ok()?))
            }
            _ => None,
        }
    }

    pub(crate) fn over_limit(&self, over: OverLimit, domain: &str) -> Refusal {
        match over {
            OverLimit::Rate { per_sec, retry_after_secs } => {
                let reason = format!("{domain} is discovered, and sends more than {per_sec} requests a second");
                Refusal::new(503, Word::RateLimited, reason)
                    .with_header(HeaderName::RetryAfter, retry_after_secs.to_string())
            }
            OverLimit::Users { max } => self.nobody(format!("{domain} is discovered, and has addressed {max} users")),
            OverLimit::UnansweredByUser { max } => {
                let reason =
                    format!("{domain} is discovered, and the user has not answered {max} messages and calls of it");
                Refusal::new(403, Word::Unanswered, reason)
            }
            OverLimit::UnansweredByUsers { max } => Refusal::new(
                403,
                Word::Unanswered,
                format!("{domain} is discovered, and {max} users have not answered it"),
            ),
            OverLimit::UnansweredInHour { max } => {
                let reason = format!(
                    "{domain} is discovered, and nobody gets more than {max} messages and calls an hour of strangers"
                );
                Refusal::new(403, Word::Unanswered, reason)
            }
            OverLimit::Suspect => self.nobody(format!("{domain} is suspect, and addresses somebody new")),
        }
    }

    /// What a discovered partner is told of a user who does not exist, or who is not there for him.
    pub(crate) fn nobody(&self, reason: impl Into<String>) -> Refusal {
        match self.discovered.hide_users {
            true => Refusal::new(480, Word::UserUnavailable, reason),
            false => Refusal::new(404, Word::UserUnknown, reason),
        }
    }

    /// The user whom a request named does not exist: his ledger is to know, if he has one.
    pub(crate) fn missed(&mut self, now: Instant, request: &AdmittedRequest) {
        let Some(certificate) = certificate_of_discovered(request) else { return };
        let Some(user) = self.named_user(request, false) else { return };
        let keeper = self.ownership.of_ledger(&certificate);
        match self.ownership.is_ours(keeper) {
            true => self.count_missed(now, &certificate, user),
            false => self.hand(keeper, Handoff::Missed { certificate, user }),
        }
    }

    /// What is behind this edge says that the user does not exist: gives back a request that is counted.
    pub(crate) fn missing_inside(&self, request: &AdmittedRequest, response: &Message) -> Option<AdmittedRequest> {
        let Destination::Inside { .. } = request.destination else { return None };
        let is_comity = self.organisation.inside()?.is_comity;
        (is_of_discovered(request) && is_of_nobody(response, is_comity)).then(|| request.clone())
    }

    pub(crate) fn count_missed(&mut self, now: Instant, certificate: &CertificateId, user: u64) {
        let suspect = self.ledgers.missed(self.unix_ms(now), certificate, user);
        self.keep_suspect(suspect);
    }

    fn keep_suspect(&mut self, suspect: Option<KeptSuspect>) {
        if let Some(suspect) = suspect {
            self.put(Output::KeepSuspect(Box::new(suspect)));
        }
    }

    /// Whether a request is of somebody from whom it is hidden who our users are.
    pub(crate) fn hides_users_from(&self, request: &AdmittedRequest) -> bool {
        self.discovered.hide_users && is_of_discovered(request) && !request.admitted.has_consent()
    }

    /// Whether a request finds out about a user without reaching him: where users are hidden, only what people notice comes
    /// to them.
    pub(crate) fn is_hidden_probe(&self, request: &AdmittedRequest) -> bool {
        let reaches_people = matches!(request.message.method(), Some(Method::Invite | Method::Message | Method::Ack));
        !reaches_people && self.hides_users_from(request)
    }

    /// The ledgers that this worker owns; of what an edge has counted, the edge tells.
    pub fn ledgers(&mut self, now: Instant) -> Vec<LedgerSummary> {
        let now_unix_ms = self.unix_ms(now);
        if self.is_home_only() { Vec::new() } else { self.ledgers.summaries(now_unix_ms) }
    }
}

pub(crate) fn is_of_discovered(request: &AdmittedRequest) -> bool {
    matches!(request.admitted.origin(), Origin::Partner { standing: Tier::Discovered, .. })
}

/// `None` for whoever has no ledger.
fn certificate_of_discovered(request: &AdmittedRequest) -> Option<CertificateId> {
    // What comes by the inner side was counted at the edge; the certificate there is the edge's, whoever sends.
    let facts = request.ingress.flow().filter(|facts| is_of_discovered(request) && !facts.is_inner)?;
    facts.secure_certificate().map(CertificateId::from)
}

/// Whether a call came to nobody's knowledge: it leaves no record.
pub(crate) fn is_unrecorded(status: u16, word: Option<&str>) -> bool {
    let of_ledger = [(503, Word::RateLimited), (403, Word::Unanswered)];
    of_ledger.iter().any(|(of, name)| *of == status && word == Some(name.as_str()))
}
