//! From the settings of Lync to ours: every one that has a place here, and of each other why it has none.

mod read;

use std::collections::BTreeMap;

use federation::partner::VerificationLevel;
use server::control::answers::{Entered, EnteredPartner, Import, NewPartner, NewPolicy, NewProvider, PartnerWord};
use server::domain;

use self::read::Record;
use super::imported;

/// What a file of Lync comes to.
#[derive(Debug, Default)]
pub(super) struct Mapped {
    pub(super) transfer: Import,
    /// Lines for comity.toml.
    pub(super) settings: Vec<String>,
    /// What has no place here: object, property and value, and why.
    pub(super) rest: Vec<String>,
}

/// What is entered here already, by its name: what Lync's objects do not say stays as it is there.
#[derive(Debug, Default)]
pub(super) struct Known<'a> {
    partners: BTreeMap<&'a str, &'a NewPartner>,
    providers: BTreeMap<&'a str, &'a NewProvider>,
    policies: BTreeMap<&'a str, &'a NewPolicy>,
}

impl Known<'_> {
    pub(super) fn of(now: &Import) -> Known<'_> {
        Known {
            partners: now.partner.iter().map(|it| (it.domain.as_str(), &it.entry)).collect(),
            providers: now.provider.iter().map(|it| (it.name.as_str(), &it.entry)).collect(),
            policies: now.policy.iter().map(|it| (it.name.as_str(), &it.entry)).collect(),
        }
    }

    /// A new one has the level that Lync gives one.
    fn partner(&self, domain: &str) -> NewPartner {
        let usual = || NewPartner {
            verification: VerificationLevel::UseSourceVerification,
            ..NewPartner::of(PartnerWord::AllowedDomain, None, String::new())
        };
        self.partners.get(domain).map_or_else(usual, |known| (*known).clone())
    }

    /// A new one counts where Lync says so.
    fn provider(&self, name: &str) -> NewProvider {
        let usual = || NewProvider { enabled: false, ..imported::new_provider(name, "") };
        self.providers.get(name).map_or_else(usual, |known| (*known).clone())
    }

    fn policy(&self, name: &str) -> NewPolicy {
        self.policies.get(name).map_or_else(|| imported::new_policy(name), |known| (*known).clone())
    }
}

/// Reads what the cmdlets printed.
///
/// # Errors
/// In words, where it cannot be read.
pub(super) fn read(bytes: &[u8], known: &Known<'_>) -> Result<Mapped, String> {
    let mut mapped = Mapped::default();
    let text = read::decoded(bytes)?;
    for record in read::records(&text)? {
        mapped.take(&record, known);
    }
    let is_another_file = mapped.transfer == Import::default()
        && mapped.settings.is_empty()
        && mapped.rest.is_empty()
        && !read::lists_nothing(&text);
    if is_another_file {
        return Err("there is nothing that Lync prints of federation in it".to_owned());
    }
    Ok(mapped)
}

impl Mapped {
    fn take(&mut self, record: &Record, known: &Known<'_>) {
        let is = |name: &str| record.has(name);
        if is("EnableFederationAccess") {
            self.policy(record, known);
        } else if is("AllowFederatedUsers") {
            self.access_edge(record);
        } else if is("EnabledSharedAddressSpace") {
            self.provider(record, known);
        } else if is("ProxyFqdn") && is("Domain") {
            self.allowed(record, known);
        } else if is("Domain") {
            self.blocked(record, known);
        } else {
            let name = record.get("Identity").or_else(|| record.get("Name")).unwrap_or("an object");
            self.rest.push(format!("{name}: what this describes is not known here"));
        }
    }

    fn allowed(&mut self, record: &Record, known: &Known<'_>) {
        let Some(domain) = self.domain(record) else { return };
        let known = known.partner(&domain);
        let edge = match record.get("ProxyFqdn").filter(|edge| !edge.is_empty()) {
            // An edge that cannot be read does not open the domain to whichever the DNS names.
            Some(edge) => self.edge(&domain, edge).or(known.edge),
            None => None,
        };
        let partner = NewPartner {
            kind: if edge.is_some() { PartnerWord::AllowedServer } else { PartnerWord::AllowedDomain },
            edge,
            verification: self.level(&domain, record, known.verification),
            monitored: record.get("MarkForMonitoring").map_or(known.monitored, |value| is_true(Some(value))),
            comment: comment(record).unwrap_or(known.comment),
            ..known
        };
        self.transfer.partner.push(EnteredPartner { domain: domain.clone(), entry: partner });
        self.others(record, &domain, &["Domain", "ProxyFqdn", "VerificationLevel", "MarkForMonitoring", "Comment"]);
    }

    fn blocked(&mut self, record: &Record, known: &Known<'_>) {
        let Some(domain) = self.domain(record) else { return };
        let known = known.partner(&domain);
        let partner = NewPartner::of(PartnerWord::Blocked, None, comment(record).unwrap_or(known.comment));
        self.transfer.partner.push(EnteredPartner { domain: domain.clone(), entry: partner });
        self.others(record, &domain, &["Domain", "Comment"]);
    }

    fn provider(&mut self, record: &Record, known: &Known<'_>) {
        let name = plain(record.get("Identity").or_else(|| record.get("Name")).unwrap_or("provider"));
        let Some(edge) = self.edge(&name, record.get("ProxyFqdn").unwrap_or_default()) else { return };
        let known = known.provider(&name);
        let says = |property: &str, known: bool| record.get(property).map_or(known, |value| is_true(Some(value)));
        let shared_address_space = says("EnabledSharedAddressSpace", known.shared_address_space);
        let hosts = says("HostsOCSUsers", known.hosts_users);
        if hosts && !shared_address_space {
            self.rest.push(format!("{name}: HostsOCSUsers counts only in a shared address space"));
        }
        let provider = NewProvider {
            edge,
            enabled: says("Enabled", known.enabled),
            verification: self.level(&name, record, known.verification),
            shared_address_space,
            hosts_users: hosts && shared_address_space,
            comment: comment(record).unwrap_or(known.comment),
            ..known
        };
        self.transfer.provider.push(Entered { name: name.clone(), entry: provider });
        let known = ["Name", "ProxyFqdn", "EnabledSharedAddressSpace", "HostsOCSUsers", "Enabled", "VerificationLevel"];
        self.others(record, &name, &known);
    }

    fn policy(&mut self, record: &Record, known: &Known<'_>) {
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
        let known = known.policy(&name);
        let policy = NewPolicy {
            federation: is_true(record.get("EnableFederationAccess")),
            outside: record.get("EnableOutsideAccess").map_or(known.outside, |value| is_true(Some(value))),
            ..known
        };
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
        if let Some(text) = record.get("DefaultRouteFqdn").filter(|text| is_by_default_route && !text.is_empty()) {
            match domain::parse(text) {
                Ok(host) => {
                    self.settings.push(format!("[federation] default_route = \"sip:{host}:5061;transport=tls\""));
                }
                Err(error) => {
                    self.rest.push(format!("AccessEdgeConfiguration: its DefaultRouteFqdn {text:?}: {error}"))
                }
            }
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

/// On one line, as comments are here; none where it is empty.
fn comment(record: &Record) -> Option<String> {
    let one_line = |character: char| if character.is_control() { ' ' } else { character };
    let comment = record.get("Comment").filter(|comment| !comment.is_empty())?;
    Some(comment.chars().map(one_line).take(COMMENT_CHARS_MAX).collect())
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
