//! `GET /api/status`

use axum::Json;
use axum::extract::State;
use federation::partner::Provider;
use signaling::{CoreStatus, LinkStatus, Reached};
use sip::Transport;
use store::{Store, Told, now_unix};

use super::answers::{
    CallsAnswer, EdgesAnswer, ListenerAnswer, MessagesAnswer, MonitoredAnswer, StatusAnswer, ToldAnswer,
    UnwritableAnswer, WorkerAnswer,
};
use super::error::ControlError;
use super::providers::detail::is_at;
use super::{Control, Known};
use crate::config::{Config, Roles};
use crate::from_home::HomeSound;

pub(super) async fn show(State(control): State<Control>) -> Result<Json<StatusAnswer>, ControlError> {
    let Known { config, store, workers, started, certificate, .. } = &*control.0;
    let a_day_ago = (now_unix().unsigned_abs() - DAY_SECS) * 1000;
    let facts = move |store: &Store| {
        let ended = store.calls_ended_since(a_day_ago)?;
        Ok((store.users_count()?, store.partners()?.len(), store.waiting_messages()?, ended))
    };
    let (users, partners, messages, ended_last_day) = store.read(facts).await?;
    let (cores, sockets, health) =
        tokio::join!(workers.ask(|core, _| core.status()), workers.counters(), control.health());
    let switches = control.switches().await?;
    let registrations = cores.iter().map(|core: &CoreStatus| core.bindings as u64).sum();
    Ok(Json(StatusAnswer {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        uptime_secs: started.elapsed().as_secs(),
        domains: config.domains.clone(),
        edge: config.edge.clone(),
        listeners: listeners(config),
        federation: switches.is_some_and(|switches| switches.enabled),
        discovery: switches.is_some_and(|switches| switches.discovery),
        users,
        partners: partners as u64,
        registrations,
        messages: MessagesAnswer {
            stored: messages.count,
            oldest_unix: messages.oldest_unix_ms.map(|at| at / 1000),
            repeats: cores.iter().map(|core| core.stored_repeats).sum(),
        },
        calls: CallsAnswer {
            under_way: cores.iter().map(|core| core.calls_under_way as u64).sum(),
            messages: cores.iter().map(|core| core.message_sessions_under_way as u64).sum(),
            in_meetings: cores.iter().map(|core| core.meeting_calls_under_way as u64).sum(),
            ended_last_day,
        },
        unwritable: store.unwritable().map(|found| UnwritableAnswer { since_unix: found.since_unix, why: found.why }),
        health,
        certificate: certificate.get(),
        edges: edges(&control).await?,
        told: told(&control).await?,
        monitored: monitored(&control, &cores).await?,
        workers: (0..config.workers).map(|worker| worker_answer(worker, &cores, &sockets)).collect(),
    }))
}

async fn edges(control: &Control) -> Result<Option<EdgesAnswer>, ControlError> {
    let edges = control.edges().states();
    if edges.is_empty() {
        return Ok(None);
    }
    Ok(Some(EdgesAnswer { revision: control.store().read(Store::revision).await?, edges }))
}

async fn told(control: &Control) -> Result<Option<ToldAnswer>, ControlError> {
    if !control.config().is_told() {
        return Ok(None);
    }
    let heard_unix = control.home_word().heard_unix();
    let sound = control.home_word().sound().map(HomeSound::answer);
    Ok(Some(match control.store().read(Store::told).await? {
        Some(Told { revision, home, at_unix, .. }) => {
            ToldAnswer { revision: Some(revision), home: Some(home), told_unix: Some(at_unix), heard_unix, sound }
        }
        None => ToldAnswer { revision: None, home: None, told_unix: None, heard_unix, sound },
    }))
}

async fn monitored(control: &Control, cores: &[CoreStatus]) -> Result<Vec<MonitoredAnswer>, ControlError> {
    if control.config().roles == Roles::Home {
        return Ok(Vec::new());
    }
    let (partners, providers) = control.store().read(|store| Ok((store.partners()?, store.providers()?))).await?;
    let partners = partners.into_iter().map(|entry| entry.partner).filter(|partner| partner.monitored);
    let providers = providers.into_iter().map(|entry| entry.provider).filter(|it| it.monitored && it.enabled);
    let away = control.workers().ask(|core, _| core.partners_away()).await.concat();
    let endings = control.partner_watch().endings();
    let links = || cores.iter().flat_map(|core| &core.links).filter(|link| link.state == "up");
    let stands = |domain: String| MonitoredAnswer {
        connections: links().filter(|link| link.domain == domain).count(),
        away: away.iter().find(|it| it.domain == domain).map(|it| it.reach.as_str().to_owned()),
        not_after_unix: endings.iter().filter(|it| it.domain == domain).map(|it| it.not_after_unix).min(),
        is_provider: false,
        domain,
    };
    let first_away = |it: &Reached| format!("{}: {}", it.domain, it.reach.as_str());
    let provider_stands = |provider: Provider| {
        let is_there = |link: &&LinkStatus| link.host.as_ref().is_some_and(|host| is_at(&provider, host));
        let is_its = |name: &Option<String>| name.as_ref() == Some(&provider.name);
        MonitoredAnswer {
            connections: links().filter(is_there).count(),
            away: away.iter().find(|it| is_its(&it.provider)).map(first_away),
            not_after_unix: endings.iter().filter(|it| is_its(&it.provider)).map(|it| it.not_after_unix).min(),
            is_provider: true,
            domain: provider.name.clone(),
        }
    };
    let all = providers.map(provider_stands).chain(partners.map(|partner| stands(partner.domain)));
    Ok(all.take(MONITORED_SHOWN).collect())
}

fn worker_answer(worker: u16, cores: &[CoreStatus], sockets: &[net::Counters]) -> WorkerAnswer {
    let sockets = sockets.iter().find(|counters| counters.worker == worker);
    let sockets = sockets.and_then(|counters| match serde_json::to_value(counters) {
        Ok(serde_json::Value::Object(counters)) => Some(counters),
        _ => None,
    });
    WorkerAnswer { worker, core: cores.iter().find(|core| core.worker == worker).cloned(), sockets }
}

fn listeners(config: &Config) -> Vec<ListenerAnswer> {
    config
        .listeners()
        .map(|(transport, address)| ListenerAnswer { transport: Transport::as_str(transport).to_owned(), address })
        .collect()
}

const DAY_SECS: u64 = 86_400;
const MONITORED_SHOWN: usize = 100;
