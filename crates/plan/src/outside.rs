//! Users outside, who sign in by an edge: what that asks of the firewall, the DNS and the certificate besides what partners do.

use sip::Transport;

use crate::dns::{Record, RecordType};
use crate::topology::Topology;

impl Topology {
    /// Whether users sign in by this edge, which has none itself.
    pub(crate) fn takes_remote_users(&self) -> bool {
        self.is_edge_alone() && self.half.as_ref().is_some_and(|half| half.takes_remote_users)
    }

    /// Where phones outside connect by TLS: on the port that every network lets out, if one listens there.
    fn phone_port(&self) -> u16 {
        let has_web_port = self.listeners_by(Transport::Tls).any(|address| address.port() == WEB_PORT);
        if has_web_port { WEB_PORT } else { self.edge_port() }
    }

    /// Whether some DNS record leads to this port.
    pub(crate) fn is_published(&self, port: u16) -> bool {
        port == self.edge_port() || (self.takes_remote_users() && port == self.phone_port())
    }
}

/// For phones that ask for another name than partners do, as those of Lync and its like. A phone that knows RFC 3263 alone
/// asks for the one that partners ask for, too.
pub(crate) fn record(topology: &Topology, domain: &str) -> Option<Record> {
    topology.takes_remote_users().then(|| Record {
        zone: domain.to_owned(),
        owner: format!("_sip._tls.{domain}."),
        kind: RecordType::Srv,
        data: format!("0 0 {} {}.", topology.phone_port(), topology.edge),
        reason: "phones outside that ask as Lync's do; outside alone".to_owned(),
    })
}

/// What they will miss.
pub(crate) fn warnings(topology: &Topology) -> Vec<String> {
    if !topology.takes_remote_users() {
        return Vec::new();
    }
    let mut warnings = Vec::new();
    let by_web_port = [Transport::Tls, Transport::Wss]
        .into_iter()
        .flat_map(|transport| topology.listeners_by(transport))
        .any(|address| address.port() == WEB_PORT);
    if !by_web_port {
        warnings.push(format!(
            "Phones outside connect to port {}. Many networks of guests let out 443 alone: with [listen] tls or wss on that \
             port, too, they can be used from there.",
            topology.edge_port()
        ));
    }
    let sound = match topology.media {
        Some(_) => {
            "Sound goes through this edge where the home says at = \"edges\" under [media]: that of meetings, and with [calls] \
             anchor = \"always\" that of calls. Phones inside need a way to its address, too."
        }
        None => {
            "No sound goes through this edge. Phones outside that cannot send to each other, or to phones inside, need a home \
             with [calls] anchor = \"always\", and either sound at this edge ([media] address here, and at = \"edges\" \
             under [media] at the home), or a firewall that lets UDP through to the home's [media] address and ports: see \
             the plan of the home."
        }
    };
    warnings.push(format!(
        "{sound} For domain names, phones outside look up {}: that name has to lead here outside, and to the home inside.",
        topology.domains.iter().map(|domain| format!("_sips._tcp.{domain}")).collect::<Vec<_>>().join(", ")
    ));
    warnings
}

/// Of HTTPS.
const WEB_PORT: u16 = 443;
