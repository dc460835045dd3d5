//! `[federation]`: whether, and how, other domains are spoken with.

use certificates::RevocationPolicy;
use federation::bodies::{BodyTypes, MediaRange};
use federation::partner::parse_next_hop;
use serde::Serialize;

use super::raw::Located;
use super::{Builder, Listen, key};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct FederationSwitches {
    pub enabled: bool,
    pub discovery: bool,
    pub mark_source_verifiable: bool,
    pub diagnostics_to_partners: bool,
    pub hide_topology: bool,
    /// What is done about lists of revoked certificates.
    pub crl: RevocationPolicy,
    /// With each certificate of ours.
    pub connections_per_partner: u16,
}

impl Builder<'_> {
    pub(super) fn federation(&mut self) -> FederationSwitches {
        FederationSwitches {
            enabled: self.raw.switch(&key::FEDERATION_ENABLED).unwrap_or(true),
            discovery: self.raw.switch(&key::FEDERATION_DISCOVERY).unwrap_or(false),
            mark_source_verifiable: self.raw.switch(&key::FEDERATION_MARK_SOURCE).unwrap_or(true),
            diagnostics_to_partners: self.raw.switch(&key::FEDERATION_DIAGNOSTICS).unwrap_or(false),
            hide_topology: self.raw.switch(&key::FEDERATION_HIDE_TOPOLOGY).unwrap_or(false),
            crl: self.crl(),
            connections_per_partner: self.connections_per_partner(),
        }
    }

    /// "host:port" of the one next hop.
    pub(super) fn default_route(&mut self, (edge, listen): (&str, &Listen), is_told: bool) -> Option<String> {
        let key = &key::FEDERATION_DEFAULT_ROUTE;
        let Located { value, line } = self.raw.text(key)?;
        let place = key.place();
        let conflict = match is_told {
            true => Some("the home says where its edges send: write it in the home's comity.toml"),
            _ if self.raw.switch(&key::FEDERATION_DISCOVERY) == Some(true) => {
                Some("with a default route nothing is found by DNS: set discovery = false, or leave this out")
            }
            _ => None,
        };
        let is_ours = |port: &str| listen.tls.iter().any(|at| at.port().to_string() == port);
        let is_foreign =
            |hop: String| match hop.rsplit_once(':').is_some_and(|(host, port)| host == edge && is_ours(port)) {
                true => Err("that is this server itself: what it sends there would come back".to_owned()),
                false => Ok(hop),
            };
        let read = parse_next_hop(&value).map_err(|error| error.to_string()).and_then(is_foreign);
        match conflict.map_or(read, |conflict| Err(conflict.to_owned())) {
            Ok(edge) => Some(edge),
            Err(error) => {
                self.problems.at(line, format!("{place}: {error}"));
                None
            }
        }
    }

    pub(super) fn body_types(&mut self) -> BodyTypes {
        let Some(typed) = self.raw.texts(&key::FEDERATION_BODY_TYPES) else { return BodyTypes::default() };
        let mut ranges = Vec::new();
        for Located { value, line } in typed.value {
            match value.parse::<MediaRange>() {
                Ok(range) => ranges.push(range),
                Err(error) => self.problems.at(line, format!("{}: {error}", key::FEDERATION_BODY_TYPES.place())),
            }
        }
        BodyTypes::new(ranges)
    }

    fn connections_per_partner(&mut self) -> u16 {
        let Some(Located { value, line }) = self.raw.count(&key::FEDERATION_CONNECTIONS) else {
            return CONNECTIONS_DEFAULT;
        };
        u16::try_from(value).ok().filter(|count| (1..=CONNECTIONS_MAX).contains(count)).unwrap_or_else(|| {
            let place = key::FEDERATION_CONNECTIONS.place();
            self.problems.at(line, format!("{place}: expected a number from 1 to {CONNECTIONS_MAX}, found {value}"));
            CONNECTIONS_DEFAULT
        })
    }

    fn crl(&mut self) -> RevocationPolicy {
        let key = &key::FEDERATION_CRL;
        let Some(Located { value, line }) = self.raw.text(key) else { return RevocationPolicy::default() };
        RevocationPolicy::parse(&value).unwrap_or_else(|| {
            let known = RevocationPolicy::ALL.map(|policy| format!("{:?}", policy.as_str())).join(" or ");
            self.problems.at(line, format!("[{}] {}: expected {known}, found {value:?}", key.section, key.name));
            RevocationPolicy::default()
        })
    }
}

const CONNECTIONS_DEFAULT: u16 = 4;
/// More of them spread no load: each costs both sides a handshake and memory.
const CONNECTIONS_MAX: u16 = 64;
