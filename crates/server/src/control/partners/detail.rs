//! What the workers know of one partner, put together.

use std::collections::BTreeMap;

use certificates::Roots;
use certificates::revocation::Standing;
use federation::decision::{Outcome, Recorded};
use federation::discovery::SrvResult;
use federation::flow::Direction;
use federation::trust::Fingerprint;
use rustls_pki_types::UnixTime;
use signaling::{CertificateSeen, PartnerCounts, PartnerStatus, Trouble};

use super::super::Control;
use super::super::advice;
use super::super::answers::{
    CertificateAnswer, CountsAnswer, DiscoveryAnswer, PartnerAnswer, PartnerDetail, SeenAnswer, TroubleAnswer,
    TrustAnswer, WayAnswer,
};

/// Everything but the connections, the decisions and the advice.
/// With what the DNS said of it, as far as a worker remembers.
pub(super) async fn gather(
    control: &Control,
    domain: String,
    entry: Option<PartnerAnswer>,
) -> (PartnerDetail, Option<SrvResult>) {
    let wanted = domain.clone();
    let look = move |core: &mut signaling::Core, now| {
        let ways: Vec<WayAnswer> = core.decisions().by_domain(&wanted).filter_map(way).collect();
        (core.status().worker, core.partner_status(now, &wanted), ways)
    };
    let mut statuses = control.0.workers.ask(look).await;
    statuses.sort_by_key(|(worker, ..)| *worker);
    let mut ways: Vec<WayAnswer> = Vec::new();
    let mut counts = PartnerCounts::default();
    for (_, status, seen) in &statuses {
        counts += status.counts;
        for way in seen {
            if !ways.contains(way) {
                ways.push(way.clone());
            }
        }
    }
    let srv = statuses.iter().find_map(|(_, status, _)| status.discovery.as_ref().map(|(srv, _)| srv.clone()));
    let detail = PartnerDetail {
        decided_by: None,
        tier: None,
        provider: None,
        provider_modalities: None,
        provider_pins: Vec::new(),
        provider_monitored: false,
        meaning: String::new(),
        shown: None,
        trust: TrustAnswer::default(),
        links: Vec::new(),
        ways,
        discovery: statuses.iter().find_map(|(_, status, _)| discovery(status)),
        troubles: statuses.iter().flat_map(|(worker, status, _)| troubles(*worker, &status.troubles)).collect(),
        ledgers: Vec::new(),
        seen: Vec::new(),
        certificates: certificates(
            statuses.iter().flat_map(|(_, status, _)| &status.certificates),
            &control.0.certificate.roots(),
        ),
        counts: (!statuses.is_empty()).then(|| self::counts(counts)),
        decisions: Vec::new(),
        refusals: Vec::new(),
        advice: advice::nothing_said(),
        edges: Vec::new(),
        domain,
        entry,
    };
    (detail, srv)
}

/// Where a remembered request went; the connection may have ended since.
fn way(recorded: &Recorded) -> Option<WayAnswer> {
    let Outcome::Routed { next_hop, connection: Some(connection) } = &recorded.record.outcome else { return None };
    let rung = connection.rung.as_str().to_owned();
    Some(WayAnswer { target: next_hop.clone(), address: connection.address, rung })
}

fn discovery(status: &PartnerStatus) -> Option<DiscoveryAnswer> {
    let (result, rest): &(SrvResult, _) = status.discovery.as_ref()?;
    let (name, records, failure) = match result {
        Ok(answer) => (Some(answer.name.clone()), answer.targets.clone(), None),
        Err(failure) => (None, Vec::new(), Some(failure.to_string())),
    };
    let (over, stale) = status.discovery_stale.clone().map_or((0, None), |(over, why)| (over.as_secs(), Some(why)));
    let learnt_secs_ago = status.discovery_learnt_ago.map(|ago| ago.as_secs());
    let believed_secs = rest.as_secs();
    Some(DiscoveryAnswer { name, records, failure, learnt_secs_ago, believed_secs, stale, stale_secs: over })
}

pub(in super::super) fn counts(counts: PartnerCounts) -> CountsAnswer {
    let PartnerCounts { admitted, refused, over_share, refused_ours, sent, succeeded, .. } = counts;
    let PartnerCounts { overloaded, held_back, this_hour, last_hour, .. } = counts;
    CountsAnswer {
        admitted,
        refused,
        over_share,
        refused_ours,
        sent,
        succeeded,
        overloaded,
        held_back,
        this_hour,
        last_hour,
    }
}

pub(in super::super) fn troubles(worker: u16, troubles: &[Trouble]) -> impl Iterator<Item = TroubleAnswer> + '_ {
    troubles.iter().map(move |trouble| TroubleAnswer {
        worker,
        place: trouble.place.clone(),
        failures: trouble.failures,
        reason: trouble.reason.clone(),
        failed_secs_ago: trouble.failed_ago.as_secs(),
        avoided_secs: trouble.avoided_for.as_secs(),
    })
}

/// One line for each certificate, way and host.
pub(in super::super) fn certificates<'a>(
    all: impl Iterator<Item = &'a CertificateSeen>,
    roots: &Roots,
) -> Vec<SeenAnswer> {
    let mut seen_by_identity = BTreeMap::new();
    for seen in all {
        let inbound = seen.direction == Direction::Inbound;
        let identity = (inbound, seen.remote.ip(), seen.certificate.fingerprint);
        let answer = seen_by_identity.entry(identity).or_insert_with(|| SeenAnswer {
            inbound,
            connections: 0,
            remote: seen.remote.ip(),
            certificate: CertificateAnswer {
                revocation: revocation(roots, &seen.certificate.fingerprint),
                ..CertificateAnswer::from(&*seen.certificate)
            },
        });
        answer.connections += 1;
    }
    seen_by_identity.into_values().take(CERTIFICATES_MAX).collect()
}

/// What the lists of revoked certificates say by now.
fn revocation(roots: &Roots, fingerprint: &Fingerprint) -> Option<String> {
    let (standing, failure) = roots.revocations().told(fingerprint, UnixTime::now());
    let failure = failure.map(|why| format!(": {why}")).unwrap_or_default();
    Some(match standing {
        Standing::NotLookedUp => return None,
        Standing::NotRevoked => "not on its authority's list".to_owned(),
        Standing::Revoked => "on its authority's list".to_owned(),
        Standing::Unknown => format!("not known, no current list of its authority is held{failure}"),
    })
}

const CERTIFICATES_MAX: usize = 50;
