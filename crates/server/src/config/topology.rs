//! What of a configuration the world outside has to match, for a plan.

use plan::{Half, Hop, Listener, MediaPorts, Order, Proof, Role, Topology};

use super::{Acme, AcmeChallenge, Config, Inside, MediaAt, Roles};

impl From<&Config> for Topology {
    fn from(config: &Config) -> Topology {
        Topology {
            domains: config.domains.clone(),
            edge: config.edge.clone(),
            listeners: config.listeners().map(|(transport, address)| Listener { transport, address }).collect(),
            metrics: config.listen.metrics.clone(),
            health: config.listen.health.clone(),
            media: (config.media.at == MediaAt::Here).then_some(MediaPorts {
                addresses: config.media.addresses.clone(),
                first: config.media.ports.first,
                last: config.media.ports.last,
            }),
            federation: config.federation.enabled,
            discovery: config.federation.discovery,
            dns_servers: config.dns.servers.clone(),
            mail_server: config.mail.as_ref().filter(|mail| !mail.is_here()).map(|mail| (mail.host.clone(), mail.port)),
            half: config.inside.as_ref().map(|inside| half(config.roles, inside)),
            pool: None,
            certificate_file: config.certificate.chain.display().to_string(),
            order: config.certificate.acme.as_ref().map(order),
        }
    }
}

fn order(acme: &Acme) -> Order {
    let proof = match &acme.challenge {
        AcmeChallenge::Http01 { listen } => Proof::Http(listen.clone()),
        AcmeChallenge::TlsAlpn01 => Proof::TlsAlpn,
        AcmeChallenge::Dns01 { server, .. } => Proof::Dns(*server),
    };
    Order { directory: acme.directory.clone(), names: acme.names.clone(), proof }
}

fn half(roles: Roles, inside: &Inside) -> Half {
    let rules = &inside.rules;
    let hop = |hop: &federation::inside::Hop| Hop {
        host: hop.host.clone(),
        port: hop.port.unwrap_or_else(|| rules.transport.default_port()),
        transport: rules.transport,
    };
    Half {
        role: if roles == Roles::Home { Role::Home } else { Role::Edge },
        name: rules.name.clone(),
        listeners: inside.listen.clone(),
        hops: rules.hops.iter().map(hop).collect(),
        is_comity: rules.is_comity,
        takes_remote_users: rules.takes_remote_users,
        control: inside.control_hops.iter().map(|hop| control(hop, inside.control_port)).collect(),
        control_port: match roles {
            Roles::Home => Some(inside.control_port),
            _ => inside.control.first().map(|address| address.port()),
        },
        certificate_file: inside.certificate.as_ref().map(|(chain, _)| chain.display().to_string()),
    }
}

fn control(hop: &federation::inside::Hop, port: u16) -> Hop {
    Hop { host: hop.host.clone(), port: hop.port.unwrap_or(port), transport: sip::Transport::Tls }
}
