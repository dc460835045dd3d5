//! `GET /api/doctor` and `GET /api/doctor/{domain}`: everything that can be looked at is looked at, and judged.
//!
//! Here the evidence is gathered, by the same walk as `route`. What it means is judged by [`own`] and [`partner`], which are
//! pure.

mod own;
mod partner;

use std::net::SocketAddr;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use axum::Json;
use axum::extract::{Path, State};
use net::Question;
use plan::{Plan, RecordType, Topology};
use sip::header::date::unix_secs;
use sip::{HeaderName, Message, Method, RequestBuilder};

use self::own::{OwnEvidence, Planned};
use self::partner::{Asked, Greeted};
use super::Control;
use super::answers::{DoctorAnswer, RouteAnswer};
use super::error::ControlError;
use super::partners::foreign_domain;
use super::route::{Tools, walk_to};
use crate::certificate;
use crate::config::Roles;

pub(super) async fn of_server(State(control): State<Control>) -> Result<Json<DoctorAnswer>, ControlError> {
    let config = control.config();
    let mut walked = Vec::new();
    // As partners walk it: to the edges, which look themselves.
    for domain in config.domains.iter().filter(|_| config.roles != Roles::Home) {
        let tools = Tools::of(&control, domain).await?;
        walked.push(walk_to(&control, &tools, domain.clone(), None).await?);
    }
    let workers = control.workers().ask(|core, _| core.status().worker).await.len();
    let served = control.0.certificate.get();
    let evidence = OwnEvidence {
        workers,
        served_until_unix: Some(served.report.not_after_unix).filter(|until| workers > 0 && *until > now_unix()),
        failing: control.health().await.failing,
        certificate: certificate::load(config)
            .map(|(identity, roots)| certificate::evidence(&identity, &roots, config))
            .map_err(|error| error.to_string()),
        planned: planned(config),
        is_federating: config.federation.enabled,
        walked,
        now_unix: now_unix(),
    };
    Ok(Json(DoctorAnswer { domain: None, findings: own::judge(&evidence) }))
}

pub(super) async fn of_partner(
    State(control): State<Control>,
    Path(domain): Path<String>,
) -> Result<Json<DoctorAnswer>, ControlError> {
    let domain = foreign_domain(&control, &domain)?;
    let tools = Tools::of(&control, &domain).await?;
    let walked = walk_to(&control, &tools, domain.clone(), None).await?;
    let greeted = greet(&control, &tools, &walked).await;
    let findings = partner::judge(&walked, greeted.as_ref());
    Ok(Json(DoctorAnswer { domain: Some(domain), findings }))
}

/// The SRV records that each of our domains is to have.
fn planned(config: &crate::config::Config) -> Vec<Planned> {
    let plan = Plan::of(&Topology::from(config));
    let records = plan.dns.into_iter().filter(|record| record.kind == RecordType::Srv);
    records.map(|record| Planned { owner: record.owner, data: record.data }).collect()
}

/// Asks the server at the end of the way, if there is one, whether it speaks SIP and lets us in: OPTIONS (RFC 3261 section 11).
async fn greet(control: &Control, tools: &Tools, walked: &RouteAnswer) -> Option<Greeted> {
    let way = walked.way.as_ref()?;
    let (host, port) = way.target.rsplit_once(':')?;
    let steps = walked.targets.iter().flat_map(|target| &target.addresses);
    let proven = steps.filter(|step| step.address == way.address).find_map(|step| step.certificate.clone())?;
    let question = Question {
        remote: SocketAddr::new(way.address, port.parse().ok()?),
        server_name: host.to_owned(),
        request: options(control, &walked.domain).build(),
    };
    let began = Instant::now();
    let is_proven = |fingerprint: &str| fingerprint == proven.fingerprint;
    let answer = tools.put(question, is_proven).await;
    let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    Some(Greeted { took_ms, now_unix: now_unix(), answer: answer.map(|message| asked(&message)) })
}

fn asked(message: &Message) -> Asked {
    Asked {
        status: message.status().unwrap_or_default(),
        word: signaling::word_of(message),
        diagnostics: sip::Diagnostics::of_message(message),
        date_unix: message.header_text(HeaderName::Date).and_then(unix_secs),
    }
}

fn options(control: &Control, domain: &str) -> RequestBuilder {
    let config = control.config();
    let (edge, own) = (&config.edge, config.domains.first().map(String::as_str).unwrap_or_default());
    let id = format!("{:016x}", rand::random::<u64>());
    RequestBuilder::new(&Method::Options, format!("sip:{domain}"))
        .header(HeaderName::Via, format!("SIP/2.0/TLS {edge};branch=z9hG4bK{id}"))
        .header(HeaderName::MaxForwards, 70)
        .header(HeaderName::From, format!("<sip:{own}>;tag={id}"))
        .header(HeaderName::To, format!("<sip:{domain}>"))
        .header(HeaderName::CallId, format!("doctor-{id}@{edge}"))
        .header(HeaderName::CSeq, "1 OPTIONS")
        .header(HeaderName::Accept, "*/*")
}

fn now_unix() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
