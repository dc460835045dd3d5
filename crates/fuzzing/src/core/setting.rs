//! What the workers are told at their start: one organisation, its partners and a meeting.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use conference::schedule::{Meeting, Meetings};
use federation::admission::Organisation;
use federation::inside::{Hop, Inside, Split};
use federation::ledger::DiscoveredTerms;
use federation::partner::{Partner, PartnerKind, Partners};
use signaling::{CallSettings, CoreConfig, Limits, Listener, WorkerId};
use sip::Transport;

/// What of the organisation the workers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Edge and home in one.
    Whole,
    Edge,
    Home,
}

/// Names on the inner side.
pub const EDGE_INSIDE: &str = "edge.inside.example";
pub const HOME_INSIDE: &str = "home.inside.example";

impl Part {
    /// Who is at the other end of a connection on the inner side.
    pub fn other(self) -> &'static str {
        if self == Part::Edge { HOME_INSIDE } else { EDGE_INSIDE }
    }

    /// `style`: whether what is behind the edge is of our kind, and whether users may come in from outside.
    fn split(self, style: u8) -> Split {
        let inside = |name: &str| Inside {
            name: name.to_owned(),
            hops: vec![Hop { host: self.other().to_owned(), port: Some(5071) }],
            transport: Transport::Tls,
            is_comity: style & 1 == 0,
            peer_names: vec![self.other().to_owned()],
            peer_addresses: Vec::new(),
            assert: style & 2 == 0,
            takes_remote_users: style & 4 == 0,
        };
        match self {
            Part::Whole => Split::Whole,
            Part::Edge => Split::Edge(inside(EDGE_INSIDE)),
            Part::Home => Split::Home(inside(HOME_INSIDE)),
        }
    }
}

/// Fabrikam is allowed; Northwind is not known, allowed by its edge's name, or blocked.
pub fn partners(variant: usize) -> Arc<Partners> {
    let partner = |domain: &str, kind| Partner { kind, ..Partner::allowed(domain) };
    let mut list = vec![partner("fabrikam.example", PartnerKind::AllowedDomain)];
    match variant {
        0 => {}
        1 => {
            let edge = "sip.northwind.example:5062".into();
            list.push(partner("northwind.example", PartnerKind::AllowedServer { edge }));
        }
        _ => list.push(partner("northwind.example", PartnerKind::Blocked)),
    }
    Arc::new(Partners::new(list, true, variant == 0))
}

pub fn meetings(is_cancelled: bool) -> Arc<Meetings> {
    let text = include_str!("meeting.json");
    let meeting: Meeting = serde_json::from_str(text).expect("a meeting of ours");
    Arc::new(Meetings::new([Meeting { is_cancelled, ..meeting }]))
}

pub fn config(
    (worker, workers): (WorkerId, u16),
    now: Instant,
    (part, style): (Part, u8),
    calls: CallSettings,
    limits: Limits,
) -> CoreConfig {
    let address = |port| SocketAddr::from(([192, 0, 2, 1], port));
    let whole = Organisation::new(vec!["contoso.example".into()], "sip.contoso.example".into());
    let inner = Listener { transport: Transport::Tls, address: address(5071), is_inner: true };
    CoreConfig {
        worker,
        workers,
        organisation: Arc::new(Organisation { split: part.split(style), ..whole }),
        listeners: [
            Listener { transport: Transport::Tls, address: address(5061), is_inner: false },
            Listener { transport: Transport::Udp, address: address(5060), is_inner: false },
        ]
        .into_iter()
        .chain((part != Part::Whole).then_some(inner))
        .collect(),
        secret: [7; 32],
        pool_secret: None,
        incarnation: 1,
        epoch: now,
        epoch_unix_ms: 1_800_000_000_000,
        partners: partners(0),
        meetings: meetings(false),
        calls,
        discovered: DiscoveredTerms::default(),
        suspects: Arc::default(),
        answers: Arc::default(),
        limits,
        random_seed: 7,
    }
}

/// So small that a short script reaches them.
pub fn small_limits() -> Limits {
    let mut limits = Limits {
        server_transactions_max: 12,
        server_transactions_unproven_max: 6,
        client_transactions_max: 12,
        waiting_max: 6,
        waiting_per_link_max: 2,
        users_per_flow_max: 2,
        branches_max: 3,
        nonces_max: 8,
        decisions_max: 16,
        conferences_max: 3,
        meetings_per_organiser_max: 2,
        calls_between_max: 3,
        calls_between_per_user_max: 2,
        calls_between_per_partner_max: 1,
        calls_proxied_max: 2,
        requests_per_call_max: 3,
        gateways_max: 3,
        gateways_per_user_max: 2,
        gateways_per_partner_max: 1,
        call_records_max: 4,
        call_records_per_user_max: 2,
        ..Limits::default()
    };
    limits.registrar.bindings_per_aor_max = 2;
    limits.presence.subscriptions_max = 4;
    limits.presence.watchers_per_user_max = 3;
    limits.presence.watchers_per_user_of_one_max = 2;
    limits.presence.watchers_per_user_of_partner_max = 1;
    limits.presence.subscriptions_per_user_max = 3;
    limits.presence.subscriptions_per_partner_max = 2;
    limits.presence.publications_per_user_max = 2;
    limits.conference.participants_max = 3;
    limits.conference.requests_max = 6;
    limits.store_and_forward.empty_queues_max = 2;
    limits
}
