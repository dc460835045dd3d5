//! The effective configuration, in the form of a file: `comity check` prints it.

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;

use federation::ledger::DiscoveredTerms;
use signaling::CallSettings;

use super::certificate_files::{CertificateFiles, PartnerCertificate};
use super::{Config, FederationSwitches, Listen, texts};

impl fmt::Display for Config {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = |path: &Path| format!("{:?}", path.display().to_string());
        let roots = match &self.certificate.roots {
            Some(roots) => format!("roots = {}", path(roots)),
            None => "# roots: the system's".to_owned(),
        };
        let servers = match self.dns.servers.as_slice() {
            [] => "# servers: the system's".to_owned(),
            servers => format!("servers = {}", list(servers)),
        };
        writeln!(formatter, "domains = {:?}\nedge = {:?}", self.domains, self.edge)?;
        writeln!(formatter, "roles = {}", self.roles)?;
        writeln!(formatter, "data = {}\nworkers = {}", path(&self.data), self.workers)?;
        writeln!(formatter, "drain_secs_max = {}\n", self.drain_secs_max)?;
        let CertificateFiles { chain, key, also, for_partners, acme, .. } = &self.certificate;
        match acme {
            None => writeln!(formatter, "[certificate]\nchain = {}\nkey = {}\n{roots}", path(chain), path(key))?,
            Some(_) => writeln!(formatter, "[certificate]\n{roots}")?,
        }
        let also: Vec<String> = also.iter().map(|also| also.0.display().to_string()).collect();
        let written = |one: &PartnerCertificate| format!("{} = {}", one.domain, one.certificate.0.display());
        let for_partners: Vec<String> = for_partners.iter().map(written).collect();
        writeln!(formatter, "also = {also:?}\nfor_partners = {for_partners:?}\n")?;
        if let Some(acme) = acme {
            writeln!(formatter, "{acme}\n")?;
        }
        let Listen { tls, tcp, udp, wss, ws, metrics, health, proxy_from } = &self.listen;
        writeln!(formatter, "[listen]\ntls = {}\ntcp = {}\nudp = {}", list(tls), list(tcp), list(udp))?;
        writeln!(formatter, "wss = {}\nws = {}\nmetrics = {}", list(wss), list(ws), list(metrics))?;
        writeln!(formatter, "health = {}\nproxy_from = {:?}\n", list(health), proxy_from.written())?;
        writeln!(formatter, "[web]\norigins = {:?}\n", texts(&self.origins))?;
        if let Some(inside) = &self.inside {
            writeln!(formatter, "{inside}")?;
        }
        writeln!(formatter, "{}\n", self.media)?;
        let FederationSwitches { enabled, discovery, mark_source_verifiable, .. } = self.federation;
        let FederationSwitches { diagnostics_to_partners, hide_topology, crl, .. } = self.federation;
        let connections_per_partner = self.federation.connections_per_partner;
        writeln!(formatter, "[federation]\nenabled = {enabled}\ndiscovery = {discovery}")?;
        match &self.default_route {
            Some(edge) => writeln!(formatter, "default_route = \"sip:{edge};transport=tls\"")?,
            None => writeln!(formatter, "# default_route: every domain is reached by its entry or the DNS")?,
        }
        writeln!(formatter, "mark_source_verifiable = {mark_source_verifiable}")?;
        writeln!(formatter, "diagnostics_to_partners = {diagnostics_to_partners}\nhide_topology = {hide_topology}")?;
        writeln!(formatter, "body_types = {:?}\ncrl = {:?}", self.body_types.written(), crl.as_str())?;
        writeln!(formatter, "connections_per_partner = {connections_per_partner}\n")?;
        let DiscoveredTerms { rate, suspect_rate, users_max, hide_users, look_alikes, .. } = self.discovered;
        let DiscoveredTerms { unanswered_per_user, unanswered_users, unanswered_per_hour, .. } = self.discovered;
        writeln!(formatter, "[federation.discovered]\nrate = {rate}\nsuspect_rate = {suspect_rate}")?;
        writeln!(formatter, "users_max = {users_max}\nunanswered_per_user = {unanswered_per_user}")?;
        writeln!(formatter, "unanswered_users = {unanswered_users}\nunanswered_per_hour = {unanswered_per_hour}")?;
        let DiscoveredTerms { held_per_sender, held_per_user, held_max, held_days, .. } = self.discovered;
        writeln!(formatter, "held_per_sender = {held_per_sender}\nheld_per_user = {held_per_user}")?;
        writeln!(formatter, "held_max = {held_max}\nheld_days = {held_days}")?;
        writeln!(formatter, "look_alikes = {:?}\nhide_users = {hide_users}\n", look_alikes.as_str())?;
        let CallSettings { between, anchor, redirects } = self.calls;
        writeln!(formatter, "[calls]\nbetween = {:?}\nanchor = {:?}", between.as_str(), anchor.as_str())?;
        writeln!(formatter, "redirects = {redirects}\n")?;
        let digest: Vec<&str> = self.digest.iter().map(|algorithm| algorithm.as_str()).collect();
        writeln!(formatter, "[users]\ndigest = {digest:?}\n")?;
        let anchor = match &self.dns.trust_anchor {
            Some(file) => format!("trust_anchor = {}", path(file)),
            None => "# trust_anchor: the root's".to_owned(),
        };
        write!(formatter, "[dns]\n{servers}\ndnssec = {}\n{anchor}\n\n", self.dns.validates)?;
        write!(formatter, "[records]\nkeep_days = {}", self.keep_days)?;
        self.mail.as_ref().map_or(Ok(()), |mail| write!(formatter, "\n\n{mail}"))
    }
}

pub(super) fn list(addresses: &[SocketAddr]) -> String {
    format!("{:?}", addresses.iter().map(SocketAddr::to_string).collect::<Vec<_>>())
}
