//! From the settings of Lync to ours: every one that has a place here, and of each other why it has none.

mod read;

use federation::external_access::{FirstContact, PartnerScope};
use federation::modality::Modalities;
use federation::partner::{SourceMark, VerificationLevel};
use server::control::answers::{Entered, EnteredPartner, Import, NewPartner, NewPolicy, NewProvider, PartnerWord};
use server::domain;

use self::read::Record;

/// What a file of Lync comes to.
#[derive(Debug, Default)]
pub(super) struct Mapped {
    pub(super) transfer: Import,
    /// Lines for comity.toml.
    pub(super) settings: Vec<String>,
    /// What has no place here: object, property and value, and why.
    pub(super) rest: Vec<String>,
}

/// Reads what the cmdlets printed.
///
/// # Errors
/// In words, where it cannot be read.
pub(super) fn read(bytes: &[u8]) -> Result<Mapped, String> {
    let mut mapped = Mapped::default();
    for record in read::records(bytes)? {
        mapped.take(&record);
    }
    Ok(mapped)
}

impl Mapped {
    fn take(&mut self, record: &Record) {
        let is = |name: &str| record.has(name);
        if is("EnableFederationAccess") {
            self.policy(record);
        } else if is("AllowFederatedUsers") {
            self.access_edge(record);
        } else if is("EnabledSharedAddressSpace") {
            self.provider(record);
        } else if is("ProxyFqdn") && is("Domain") {
            self.allowed(record);
        } else if is("Domain") {
            self.blocked(record);
        } else {
            let name = record.get("Identity").or_else(|| record.get("Name")).unwrap_or("an object");
            self.rest.push(format!("{name}: what this describes is not known here"));
        }
    }

    fn allowed(&mut self, record: &Record) {
        let Some(domain) = self.domain(record) else { return };
        let edge = record.get("ProxyFqdn").filter(|edge| !edge.is_empty()).and_then(|edge| self.edge(&domain, edge));
        let kind = if edge.is_some() { PartnerWord::AllowedServer } else { PartnerWord::AllowedDomain };
        let partner = NewPartner {
            verification: self.level(&domain, record, VerificationLevel::UseSourceVerification),
            monitored: is_true(record.get("MarkForMonitoring")),
            ..NewPartner::of(kind, edge, comment(record))
        };
        self.transfer.partner.push(EnteredPartner { domain: domain.clone(), entry: partner });
        self.others(record, &domain, &["Domain", "ProxyFqdn", "VerificationLevel", "MarkForMonitoring", "Comment"]);
    }

    fn blocked(&mut self, record: &Record) {
        let Some(domain) = self.domain(record) else { return };
        let partner = NewPartner::of(PartnerWord::Blocked, None, comment(record));
        self.transfer.partner.push(EnteredPartner { domain: domain.clone(), entry: partner });
        self.others(record, &domain, &["Domain", "Comment"]);
    }

    fn provider(&mut self, record: &Record) {
        let name = plain(record.get("Identity").or_else(|| record.get("Name")).unwrap_or("provider"));
        let Some(edge) = self.edge(&name, record.get("ProxyFqdn").unwrap_or_default()) else { return };
        let shared_address_space = is_true(record.get("EnabledSharedAddressSpace"));
        let hosts = is_true(record.get("HostsOCSUsers"));
        if hosts && !shared_address_space {
            self.rest.push(format!("{name}: HostsOCSUsers counts only in a shared address space"));
        }
        let provider = NewProvider {
            edge,
            enabled: is_true(record.get("Enabled")),
            verification: self.level(&name, record, VerificationLevel::AlwaysVerifiable),
            shared_address_space,
            hosts_users: hosts && shared_address_space,
            mark_source: SourceMark::default(),
            clearing_house: false,
            monitored: false,
            modalities: Modalities::ALL,
            pins: Vec::new(),
            comment: comment(record),
        };
        self.transfer.provider.push(Entered { name: name.clone(), entry: provider });
        let known = ["Name", "ProxyFqdn", "EnabledSharedAddressSpace", "HostsOCSUsers", "Enabled", "VerificationLevel"];
        self.others(record, &name, &known);
    }

    fn policy(&mut self, record: &Record) {
        let identity = record.get("Identity").unwrap_or("Global");
        let name = match identity.split_once(':') {
            Some((_, name)) => plain(name),
            None if identity.eq_ignore_ascii_case("global") => federation::external_access::ORGANISATION.to_owned(),
            None => plain(identity),
        };
        if identity.to_ascii_lowercase().starts_with("site:") {
            self.rest
                .push(format!("{name}: it was given to a site; give it to a group: comity policy group GROUP {name}"));
        }
        let federation = is_true(record.get("EnableFederationAccess"));
        let outside = record.get("EnableOutsideAccess").is_none_or(|value| is_true(Some(value)));
        let (partners, modalities) = (PartnerScope::All, Modalities::ALL);
        let policy =
            NewPolicy { federation, partners, modalities, outside, route: None, first_contact: FirstContact::Deliver };
        self.transfer.policy.push(Entered { name: name.clone(), entry: policy });
        self.others(record, &name, &["EnableFederationAccess", "EnableOutsideAccess"]);
    }

    /// One object for the whole organisation; its place here is comity.toml.
    fn access_edge(&mut self, record: &Record) {
        let mut known = Vec::new();
        for (property, section, key) in SETTINGS {
            let Some(value) = record.get(property) else { continue };
            let value = value.to_ascii_lowercase();
            if ["true", "false"].contains(&value.as_str()) || value.parse::<u64>().is_ok() {
                self.settings.push(format!("[{section}] {key} = {value}"));
                known.push(*property);
            }
        }
        let is_by_default_route =
            record.get("RoutingMethod").is_some_and(|way| way.eq_ignore_ascii_case("UseDefaultRouting"));
        if let Some(host) = record.get("DefaultRouteFqdn").filter(|host| is_by_default_route && !host.is_empty()) {
            self.settings.push(format!("[federation] default_route = \"sip:{host}:5061;transport=tls\""));
            known.extend(["RoutingMethod", "DefaultRouteFqdn"]);
        }
        if let Some(kept) = record.get("KeepCrlsUpToDateForPeers") {
            let policy = if is_true(Some(kept)) { "when-available" } else { "off" };
            self.settings.push(format!("[federation] crl = \"{policy}\""));
            known.push("KeepCrlsUpToDateForPeers");
        }
        if let Some(outside) = record.get("AllowOutsideUsers") {
            self.settings.push(format!("[inside] remote_users = {} (on an edge alone)", is_true(Some(outside))));
            known.push("AllowOutsideUsers");
        }
        self.others(record, "AccessEdgeConfiguration", &known);
    }

    /// Every property that was not taken, and why.
    fn others(&mut self, record: &Record, object: &str, taken: &[&str]) {
        for (property, value) in record.iter() {
            let is_taken = taken.iter().chain(BOOKKEEPING).any(|known| known.eq_ignore_ascii_case(property));
            if !is_taken {
                let why = REASONS.iter().find(|(known, _)| known.eq_ignore_ascii_case(property));
                let why = why.map_or("it has no place here", |(_, why)| why);
                self.rest.push(format!("{object}: {property} = {value:?}: {why}"));
            }
        }
    }

    fn domain(&mut self, record: &Record) -> Option<String> {
        let text = record.get("Domain").or_else(|| record.get("Identity")).unwrap_or_default();
        let read = domain::parse(text);
        read.inspect_err(|error| self.rest.push(format!("{text:?}: {error}"))).ok()
    }

    fn edge(&mut self, object: &str, text: &str) -> Option<String> {
        let read = domain::parse_edge(text);
        read.inspect_err(|error| self.rest.push(format!("{object}: its ProxyFqdn {error}"))).ok()
    }

    fn level(&mut self, object: &str, record: &Record, usual: VerificationLevel) -> VerificationLevel {
        match record.get("VerificationLevel").map(str::to_ascii_lowercase).as_deref() {
            Some("alwaysverifiable") => VerificationLevel::AlwaysVerifiable,
            Some("alwaysunverifiable") => VerificationLevel::AlwaysUnverifiable,
            Some("usesourceverification") => VerificationLevel::UseSourceVerification,
            None | Some("") => usual,
            Some(other) => {
                self.rest.push(format!("{object}: VerificationLevel {other:?} is not known; nobody is vouched for"));
                VerificationLevel::AlwaysUnverifiable
            }
        }
    }
}

fn is_true(value: Option<&str>) -> bool {
    value.is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

/// On one line, as comments are here.
fn comment(record: &Record) -> String {
    let one_line = |character: char| if character.is_control() { ' ' } else { character };
    record.get("Comment").unwrap_or_default().chars().map(one_line).take(COMMENT_CHARS_MAX).collect()
}

/// A name of theirs as a name can be here.
fn plain(name: &str) -> String {
    let allowed = |character: char| character.is_ascii_alphanumeric() || "-_.".contains(character);
    let plain: String = name.trim().chars().map(|it| if allowed(it) { it } else { '-' }).take(64).collect();
    if plain.is_empty() { "unnamed".to_owned() } else { plain }
}

const COMMENT_CHARS_MAX: usize = 500;

/// Property of the Access Edge configuration, section and key of comity.toml.
const SETTINGS: &[(&str, &str, &str)] = &[
    ("AllowFederatedUsers", "federation", "enabled"),
    ("EnablePartnerDiscovery", "federation", "discovery"),
    ("MarkSourceVerifiableOnOutgoingMessages", "federation", "mark_source_verifiable"),
    ("DiscoveredPartnerStandardRate", "federation.discovered", "rate"),
    ("MaxContactsPerDiscoveredPartner", "federation.discovered", "users_max"),
    ("OutgoingTlsCountForFederatedPartners", "federation", "connections_per_partner"),
];

/// What objects of PowerShell and of the management store carry for themselves.
const BOOKKEEPING: &[&str] = &[
    "Identity",
    "Element",
    "Key",
    "Anchor",
    "ScopeClass",
    "TypedIdentity",
    "ConfigId",
    "RunspaceId",
    "PSComputerName",
    "PSShowComputerName",
    "XsAnyElements",
    "XsAnyAttributes",
];

/// Why a property has no place here.
const REASONS: &[(&str, &str)] = &[
    ("AllowAnonymousUsers", "each meeting says whether guests come in: comity meeting create --help"),
    ("AutodiscoverUrl", "phones are not told where else to sign in"),
    (
        "BeClearingHouse",
        "partners are not carried on to each other; to use one: comity provider set NAME --clearing-house yes",
    ),
    ("CertificatesDeletedPercentage", "certificates are kept with their connections"),
    ("DefaultRouteFqdn", "it counts with RoutingMethod UseDefaultRouting alone"),
    ("Description", "a policy has its name alone; a partner and a provider have comments"),
    ("DiscoveredPartnerReportPeriodMinutes", "the report in the log comes every hour: comity partner report"),
    ("DiscoveredPartnerVerificationLevel", "a discovered partner's domain is proven by its certificate"),
    ("EnableArchivingDisclaimer", "nothing is added to messages"),
    ("EnableDiscoveredPartnerContactsLimit", "the limit is always on: [federation.discovered] users_max says where"),
    ("EnablePublicCloudAccess", "there are no public providers; enter one as a hosting provider"),
    ("EnablePublicCloudAudioVideoAccess", "name the modalities: comity policy set NAME --modalities"),
    ("EnableUserReplicator", "users are kept in one place"),
    ("EnableXmppAccess", "there is no XMPP gateway"),
    ("IsLocal", "it says where Lync itself runs"),
    ("IsPublicProvider", "there are no public providers; enter one as a hosting provider"),
    ("MaxAcceptedCertificatesStored", "certificates are kept with their connections"),
    ("MaxRejectedCertificatesStored", "certificates are kept with their connections"),
    ("Priority", "the user's own policy comes first, then the group's, then the organisation's"),
    ("RoutingMethod", "UseDefaultRouting is [federation] default_route; without one the DNS is asked"),
    ("SipClientPort", "it is for clients of the provider"),
];

#[cfg(test)]
mod tests;
