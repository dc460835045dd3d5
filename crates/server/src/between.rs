//! What a home and its edges have between them beside SIP, put together: the home calls, the edges listen.

use store::{Rules, Store, StoreError, Told};

use crate::config::{Config, Roles};
use crate::control::Control;
use crate::edges::{Caller, EdgeTasks, FarSound, SoundTasks, Way};
use crate::from_home::{Inner, log_what_is_known, open_listeners};
use crate::listening::Listening;
use crate::start::Start;
use crate::start_error::StartError;

/// One of both at most has anything to do. Ends when it is dropped.
#[derive(Default)]
pub(crate) struct Between {
    _listeners: Listening,
    _tasks: EdgeTasks,
    _sound: SoundTasks,
}

impl Between {
    /// # Errors
    /// Where an edge cannot listen for its home.
    pub(crate) async fn open(
        config: &Config,
        start: &Start,
        control: &Control,
        far_sound: Option<FarSound>,
    ) -> Result<Between, StartError> {
        let (identity, Some(tls), resolver) = start.inner() else { return Ok(Between::default()) };
        let Some(inside) = &config.inside else { return Ok(Between::default()) };
        let inner = Inner { identity: identity.clone(), roots: tls.roots.clone() };
        let way = Way {
            port: inside.control_port,
            ports_by_edge: inside.control_hops.iter().filter_map(|hop| Some((hop.host.clone(), hop.port?))).collect(),
            rules: inside.rules.clone(),
            tls: tls.clone(),
            resolver: resolver.clone(),
            life: format!("{:016x}", rand::random::<u64>()),
        };
        let sound = far_sound.map(|sound| SoundTasks::start(sound, &way, control.edges()));
        let caller = Caller { way, store: control.store().clone(), edges: control.edges().clone() };
        Ok(Between {
            _listeners: open_listeners(config, inner, control).await?,
            _tasks: EdgeTasks::start(&caller),
            _sound: sound.unwrap_or_default(),
        })
    }
}

/// Before anything is served: a home notes what its configuration says and has a secret for its edges; of an edge, what it
/// was told last.
pub(crate) fn prepare(store: &Store, config: &Config) -> Result<Option<Told>, StoreError> {
    if config.roles == Roles::Home {
        store.note_rules(&rules(config))?;
        store.pool_secret(rand::random())?;
        store.prune_changed()?;
    }
    if !config.is_told() {
        return Ok(None);
    }
    log_what_is_known(store)?;
    store.told()
}

/// What edges go by of a home's configuration.
fn rules(config: &Config) -> Rules {
    Rules {
        federation: config.federation.enabled,
        discovery: config.federation.discovery,
        mark_source_verifiable: config.federation.mark_source_verifiable,
        diagnostics_to_partners: config.federation.diagnostics_to_partners,
        default_route: config.default_route.clone(),
        discovered: config.discovered,
    }
}
