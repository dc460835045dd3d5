//! `[federation]`: whether, and how, other domains are spoken with.

use certificates::RevocationPolicy;
use serde::Serialize;

use super::raw::Located;
use super::{Builder, key};

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
