//! What of a configuration the world outside has to match, for a plan.

use plan::{Listener, MediaPorts, Topology};

use super::Config;

impl From<&Config> for Topology {
    fn from(config: &Config) -> Topology {
        Topology {
            domains: config.domains.clone(),
            edge: config.edge.clone(),
            listeners: config.listeners().map(|(transport, address)| Listener { transport, address }).collect(),
            metrics: config.listen.metrics.clone(),
            media: MediaPorts {
                address: config.media.address,
                first: config.media.ports.first,
                last: config.media.ports.last,
            },
            federation: config.federation.enabled,
            discovery: config.federation.discovery,
            dns_servers: config.dns.servers.clone(),
            mail_server: config.mail.as_ref().filter(|mail| !mail.is_here()).map(|mail| (mail.host.clone(), mail.port)),
            certificate_file: config.certificate.chain.display().to_string(),
        }
    }
}
