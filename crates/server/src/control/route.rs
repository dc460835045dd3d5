//! `GET /api/route/{domain}`: the way to a domain, walked now, with what each step showed.
//!
//! It walks as a worker would (the same entry, resolver settings, certificate and ladder), but remembers nothing and
//! uses nothing that a worker remembers. Nothing is sent over the connections that it makes. What it comes down to is
//! said by [`conclusion`], and of a domain of ours by [`own`].

mod conclusion;
mod own;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use certificates::{Roots, ServedIdentity};
use federation::discovery::{HostFailure, SrvFailure, SrvResult, srv_names};
use federation::flow::ConnectFailure;
use federation::partner::{Standing, Way};
use federation::route::{NextHopTarget, RoutePlan, plan};
use federation::trust::PeerCertificate;
use federation::verification::{Claim, Role, Verdict, judge};
use net::{Probe, Resolver, probe};
use sip::Aor;

use super::answers::{
    AddressStep, CertificateAnswer, PartnerAnswer, QueryStep, RefusalAnswer, RouteAnswer, TargetStep,
};
use super::error::ControlError;
use super::partners::{meaning, sip_domain};
use super::{Control, FederationTerms, Parameters, partners_of};
use crate::certificate;
use crate::config::{Config, Roles};
use crate::{domain, domain_trust};

pub(super) async fn show(
    State(control): State<Control>,
    Path(domain): Path<String>,
    Parameters(sender): Parameters<Sender>,
) -> Result<Json<RouteAnswer>, ControlError> {
    let domain = sip_domain(&domain)?;
    if control.0.config.roles == Roles::Home {
        let error = "this home reaches other organisations through its edges, and walks no way itself";
        return Err(ControlError::unprocessable(error, format!("on an edge of it: comity route {domain}")));
    }
    let tools = Tools::of(&control, &domain).await?;
    Ok(Json(walk_to(&control, &tools, domain, sender.user()?).await?))
}

/// Whose requests are to go there; of nobody in particular if absent.
#[derive(serde::Deserialize)]
pub(super) struct Sender {
    #[serde(default)]
    user: Option<String>,
}

impl Sender {
    fn user(self) -> Result<Option<Aor>, ControlError> {
        let read = |text: String| super::policies::own_user(&text);
        self.user.map(read).transpose()
    }
}

/// A partner's domain, or one of ours as partners walk it.
pub(super) async fn walk_to(
    control: &Control,
    tools: &Tools,
    domain: String,
    user: Option<Aor>,
) -> Result<RouteAnswer, ControlError> {
    let is_ours = control.0.config.domains.contains(&domain);
    let switches = control.switches().await?;
    let terms = FederationTerms::of(&control.0.config);
    let wanted = domain.clone();
    let read = move |store: &store::Store| {
        let entry = store.partner(&wanted)?.map(PartnerAnswer::from);
        let partners = partners_of(store, &terms)?;
        let of_wildcard = partners.standing(&wanted).entry().filter(|entry| entry.domain != wanted);
        let of_wildcard = of_wildcard.map(|entry| store.partner(&entry.domain)).transpose()?.flatten();
        Ok((entry, of_wildcard.map(PartnerAnswer::from), partners))
    };
    let (entry, of_wildcard, partners) = control.0.store.read(read).await?;
    if is_ours {
        let meaning = own::meaning(&domain);
        let claim = Claim { edge: None, relays: &[], providers: &[], deputy: None, ..partners.claim(&domain) };
        let answer = RouteAnswer::begin(domain.clone(), entry, meaning);
        return Ok(own::conclude(walk(tools, (Way::by_dns(Standing::Discovered), claim), answer).await));
    }
    let usual = partners.usual_way(&domain);
    let meaning = match &of_wildcard {
        Some(deciding) => {
            let meaning = meaning(Some(deciding), switches, &usual);
            format!("{meaning}; so says the entry of {}", domain::shown(&deciding.domain))
        }
        None => meaning(entry.as_ref(), switches, &usual),
    };
    let way = partners.way(&domain, user.as_ref());
    // A domain that is not in the list is looked at all the same: so an administrator sees before adding it.
    let way = match way.standing {
        Standing::Unknown => Way { standing: Standing::Discovered, ..way },
        _ => way,
    };
    let answer = RouteAnswer::begin(domain.clone(), entry, meaning);
    let walked = walk(tools, (way, partners.claim(&domain)), answer).await;
    Ok(conclusion::conclude(walked, partners.standing(&domain)))
}

/// What one walk needs: made for it alone, so that nothing in it is old.
pub(super) struct Tools {
    resolver: Resolver,
    roots: Roots,
    tls: Arc<rustls::ClientConfig>,
    limits: net::Limits,
    own_certificate: OwnCertificate,
}

/// What is wrong with the certificate that we show.
#[derive(Default)]
struct OwnCertificate {
    problem: Option<String>,
    warnings: Vec<String>,
}

/// A target with the certificates that its addresses showed, in the order of its addresses.
type Seen = (TargetStep, Vec<Option<Arc<PeerCertificate>>>);

impl Tools {
    /// For the way to this partner, which may be shown a certificate of its own.
    pub(super) async fn of(control: &Control, domain: &str) -> Result<Tools, ControlError> {
        let authorities = control.0.store.read(domain_trust::authorities).await?;
        let mut tools = Tools::new(&control.0.config, domain)?;
        // The lists of revoked certificates that the server holds are fetched in the background, not here.
        tools.roots = tools.roots.sharing_revocations(&control.0.certificate.roots());
        domain_trust::enforce(&tools.roots, &authorities);
        Ok(tools)
    }

    /// Asks one server, once its certificate is the one that was proven. The error is for the operator.
    pub(super) async fn put(
        &self,
        question: net::Question,
        is_proven: impl FnOnce(&str) -> bool,
    ) -> Result<sip::Message, String> {
        let is_proven = |certificate: &PeerCertificate| is_proven(&certificate.fingerprint_hex());
        net::ask((self.tls.clone(), &self.roots), question, is_proven, &self.limits).await
    }

    fn new(config: &Config, domain: &str) -> Result<Tools, ControlError> {
        let refuse = |error: String| {
            ControlError::new(StatusCode::INTERNAL_SERVER_ERROR, error, "see what is wrong: comity check")
        };
        let resolver = Resolver::new(&config.dns).map_err(|error| refuse(error.to_string()))?;
        let (served, roots, own_certificate) = match certificate::load_for(config, domain) {
            Ok((identity, roots, is_for_all)) => {
                let served = ServedIdentity::new(&identity).map_err(|error| refuse(error.to_string()))?;
                // What the names of another have to be is between the partner and us.
                let warnings = if is_for_all { certificate::doubts(&identity, &roots, config) } else { Vec::new() };
                (Some(served), roots, OwnCertificate { warnings, problem: None })
            }
            Err(error) => {
                let own = OwnCertificate { problem: Some(error.to_string()), ..OwnCertificate::default() };
                (None, roots_alone(config), own)
            }
        };
        let tls =
            certificates::tls::recording_client_config(served.as_ref()).map_err(|error| refuse(error.to_string()))?;
        Ok(Tools { resolver, roots, tls: Arc::new(tls), limits: net::Limits::default(), own_certificate })
    }
}

/// Those whom we trust, where our own certificate is no good: the partner's can still be judged.
fn roots_alone(config: &Config) -> Roots {
    certificate::roots(config).unwrap_or_default()
}

async fn walk(tools: &Tools, (way, claim): (Way<'_>, Claim<'_>), mut answer: RouteAnswer) -> RouteAnswer {
    let domain = answer.domain.clone();
    answer.own_certificate_problem.clone_from(&tools.own_certificate.problem);
    answer.own_certificate_warnings.clone_from(&tools.own_certificate.warnings);
    let mut srv = None;
    let mut random = |bound: u32| rand::random::<u32>() % bound.max(1);
    let targets = loop {
        match plan(&domain, way, srv.as_ref(), &mut random) {
            RoutePlan::Targets(targets) => break targets,
            RoutePlan::Needs => srv = Some(look_up(tools, &domain, &mut answer.queries).await),
            RoutePlan::Refused(refusal) => {
                if matches!(srv, Some(Err(SrvFailure::NoRecord))) {
                    let asked = tokio::time::timeout(RESOLVE_TIME, tools.resolver.exists(&domain)).await;
                    answer.domain_exists = asked.ok().flatten();
                }
                answer.refusal = Some(RefusalAnswer::from(&refusal));
                break Vec::new();
            }
        }
    };
    answer.led_by = match (way.edge, way.last_resort, &srv) {
        (Some(_), ..) => Some(way.by.to_string()),
        (None, Some(edge), Some(Err(SrvFailure::NoRecord))) => Some(format!("the clearing house, {edge}")),
        _ => None,
    };
    let mut seen = look_at(tools, targets).await;
    if srv.is_none() && (Judgement { claim, srv: None }).needs_srv(&seen) {
        srv = Some(look_up(tools, &domain, &mut answer.queries).await);
    }
    Judgement { claim, srv: srv.as_ref() }.write(&mut seen);
    answer.targets = seen.into_iter().map(|(step, _)| step).collect();
    answer
}

/// Asks the DNS by the one discovery rule, one name after the other.
async fn look_up(tools: &Tools, domain: &str, queries: &mut Vec<QueryStep>) -> SrvResult {
    let mut result = Err(SrvFailure::NoRecord);
    for name in srv_names(domain) {
        let asked = Instant::now();
        let answered = tokio::time::timeout(RESOLVE_TIME, tools.resolver.srv_name(name.clone())).await;
        result = answered.unwrap_or(Err(SrvFailure::Timeout));
        let (records, ttl_secs, failure) = match &result {
            Ok(found) => (found.targets.clone(), Some(found.ttl.as_secs()), None),
            Err(failure) => (Vec::new(), None, Some(failure.to_string())),
        };
        queries.push(QueryStep { name, took_ms: millis(asked.elapsed()), records, ttl_secs, failure });
        if !matches!(result, Err(SrvFailure::NoRecord)) {
            break;
        }
    }
    result
}

/// All targets at once: what one of them takes is not added to what the others take.
async fn look_at(tools: &Tools, targets: Vec<NextHopTarget>) -> Vec<Seen> {
    let looks: Vec<_> = targets.into_iter().take(TARGETS_MAX).map(|target| look_at_target(tools, target)).collect();
    all(looks).await
}

async fn look_at_target(tools: &Tools, target: NextHopTarget) -> Seen {
    let asked = Instant::now();
    let found = tokio::time::timeout(RESOLVE_TIME, tools.resolver.addresses(&target.host)).await;
    let found = found.unwrap_or_else(|_| {
        Err(HostFailure::Unanswered(format!("the name servers did not answer for {}", target.host)))
    });
    let lookup_ms = millis(asked.elapsed());
    let (addresses, failure) = match found {
        Ok(addresses) => (addresses, None),
        Err(failure) => (Vec::new(), Some(failure.to_string())),
    };
    let looks = addresses.into_iter().take(ADDRESSES_MAX).map(|address| look_at_address(tools, &target, address));
    let (addresses, certificates) = all(looks.collect()).await.into_iter().unzip();
    (TargetStep { host: target.host.clone(), port: target.port, lookup_ms, addresses, failure }, certificates)
}

async fn look_at_address(
    tools: &Tools,
    target: &NextHopTarget,
    address: IpAddr,
) -> (AddressStep, Option<Arc<PeerCertificate>>) {
    let remote = SocketAddr::new(address, target.port);
    let Probe { tcp, tls, certificate, hung_up } =
        probe(tools.tls.clone(), &tools.roots, remote, &target.host, &tools.limits).await;
    let (tcp_ms, tcp_failure) = timed(Some(tcp));
    let (tls_ms, tls_failure) = timed(tls);
    let failure = tcp_failure.or(tls_failure);
    let step = AddressStep {
        address,
        tcp_ms,
        tls_ms,
        failed_at: failure.as_ref().map(|failure| failure.at),
        failure: failure.map(|failure| failure.what),
        certificate: certificate.as_deref().map(CertificateAnswer::from),
        rung: None,
        refusal: None,
        hung_up,
    };
    (step, certificate)
}

/// What the ladder is asked with.
struct Judgement<'a> {
    claim: Claim<'a>,
    srv: Option<&'a SrvResult>,
}

impl Judgement<'_> {
    fn of(&self, certificate: &PeerCertificate) -> Verdict {
        judge(certificate, Role::Server, &self.claim, self.srv)
    }

    fn needs_srv(&self, seen: &[Seen]) -> bool {
        let mut certificates = seen.iter().flat_map(|(_, certificates)| certificates.iter().flatten());
        certificates.any(|certificate| matches!(self.of(certificate), Verdict::Needs))
    }

    /// Writes beside each certificate which rung holds, or why none does.
    fn write(&self, seen: &mut [Seen]) {
        for (target, certificates) in seen {
            for (step, certificate) in target.addresses.iter_mut().zip(certificates) {
                match certificate.as_deref().map(|certificate| self.of(certificate)) {
                    Some(Verdict::Proven(rung)) => step.rung = Some(rung.as_str().to_owned()),
                    Some(Verdict::Failed(refusal)) => step.refusal = Some(RefusalAnswer::from(&refusal)),
                    Some(Verdict::Needs) | None => {}
                }
            }
        }
    }
}

/// Runs them side by side on this task; the answers keep their order.
async fn all<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    let mut running: Vec<_> = futures.into_iter().map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|context| {
        for (future, output) in running.iter_mut().filter(|(_, output)| output.is_none()) {
            if let std::task::Poll::Ready(ready) = future.as_mut().poll(context) {
                *output = Some(ready);
            }
        }
        match running.iter().all(|(_, output)| output.is_some()) {
            true => std::task::Poll::Ready(()),
            false => std::task::Poll::Pending,
        }
    })
    .await;
    running.into_iter().filter_map(|(_, output)| output).collect()
}

fn timed(step: Option<Result<Duration, ConnectFailure>>) -> (Option<u64>, Option<ConnectFailure>) {
    match step {
        Some(Ok(took)) => (Some(millis(took)), None),
        Some(Err(failure)) => (None, Some(failure)),
        None => (None, None),
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Targets that are looked at; a partner has two or three.
const TARGETS_MAX: usize = 8;
/// Of each target.
const ADDRESSES_MAX: usize = 4;
/// For each question to the DNS.
const RESOLVE_TIME: Duration = Duration::from_secs(5);
