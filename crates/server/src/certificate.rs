//! Our own certificate, looked at the way a partner will: what it proves, and what it does not.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use certificates::{Identity, LoadError, Roots, ServedIdentity};
use federation::trust::{Anchor, Names, PeerCertificate, Why};
use federation::verification::may_prove;
use net::{InsideTls, TlsClients};
use rustls_pki_types::UnixTime;
use serde::{Deserialize, Serialize};

use crate::acme_service::AcmeStatus;
use crate::config::{AlsoCertificate, Config, PartnerCertificate, Roles};
use crate::moment;
use crate::start_error::StartError;

/// What our certificate says, and what an administrator should know about that.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateReport {
    pub subject: String,
    pub issuer: String,
    /// DNS names, and SIP domains as `sip:` URIs.
    pub names: Vec<String>,
    pub not_after_unix: i64,
    /// One sentence each.
    pub warnings: Vec<String>,
}

/// The certificate that a running server shows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServedCertificate {
    #[serde(flatten)]
    pub report: CertificateReport,
    /// Since when it is served.
    pub since_unix: i64,
    /// Why the files as they are now are not served in its place.
    pub refused: Option<String>,
    /// Those beside the first, for further names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<ServedCertificate>,
    /// The partner to which alone it is shown, if it is not for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub for_partner: Option<String>,
    /// Of the first, where it is ordered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acme: Option<AcmeStatus>,
}

impl ServedCertificate {
    /// This one, then those beside it.
    pub fn all(&self) -> impl Iterator<Item = &ServedCertificate> {
        std::iter::once(self).chain(&self.also)
    }
}

/// Loads our certificate with its key, and the authorities that we trust.
///
/// # Errors
/// Also when the key belongs to another certificate, or the certificate is not valid now.
pub fn load(config: &Config) -> Result<(Identity, Roots), LoadError> {
    let files = &config.certificate;
    Ok((Identity::load(&files.chain, &files.key, UnixTime::now())?, roots(config)?))
}

/// The same of what this partner is shown; whether all others are shown it, too.
///
/// # Errors
/// As [`load`].
pub(crate) fn load_for(config: &Config, partner: &str) -> Result<(Identity, Roots, bool), LoadError> {
    match config.certificate.for_partners.iter().find(|one| one.domain == partner) {
        None => load(config).map(|(identity, roots)| (identity, roots, true)),
        Some(PartnerCertificate { certificate, .. }) => {
            let identity = Identity::load(&certificate.chain(), &certificate.key(), UnixTime::now())?;
            Ok((identity, roots(config)?, false))
        }
    }
}

/// Looks at the certificates beside the first, as [`load`] does; each with what is to be known of it.
///
/// # Errors
/// The first that cannot be served.
pub fn load_also(config: &Config, roots: &Roots) -> Result<Vec<CertificateReport>, LoadError> {
    let load = |also: &AlsoCertificate| {
        let identity = Identity::load(&also.chain(), &also.key(), UnixTime::now())?;
        Ok(report_also(&identity, roots, also))
    };
    config.certificate.also.iter().map(load).collect()
}

/// The same of what single partners are shown; each with its partner.
///
/// # Errors
/// The first that cannot be shown.
pub fn load_for_partners(config: &Config) -> Result<Vec<(String, CertificateReport)>, LoadError> {
    let load = |PartnerCertificate { domain, certificate }: &PartnerCertificate| {
        let identity = Identity::load(&certificate.chain(), &certificate.key(), UnixTime::now())?;
        Ok((domain.clone(), report_apart(&identity, &certificate.chain())))
    };
    config.certificate.for_partners.iter().map(load).collect()
}

/// Loads the authorities that we trust.
///
/// # Errors
/// Where there are none.
pub fn roots(config: &Config) -> Result<Roots, LoadError> {
    let loaded = match &config.certificate.roots {
        Some(file) => Roots::from_pem_files(std::slice::from_ref(file)),
        None => Roots::system(),
    };
    let loaded = loaded.map(|roots| roots.with_revocation(config.federation.crl));
    loaded.map(|roots| if config.dns.validates { roots.with_tlsa() } else { roots })
}

/// How the inner side is connected to with this certificate of ours, and whom it trusts: the same authorities as outside, where
/// [inside] says nothing else.
///
/// # Errors
/// As [`load`].
pub(crate) fn inside(
    config: &Config,
    identity: &Arc<ServedIdentity>,
    roots: &Roots,
) -> Result<Option<InsideTls>, StartError> {
    let Some(inside) = &config.inside else { return Ok(None) };
    let roots = match &inside.roots {
        Some(file) => Roots::from_pem_files(std::slice::from_ref(file))?,
        None => roots.clone(),
    };
    let client = Arc::new(certificates::tls::recording_client_config(Some(identity))?);
    Ok(Some(InsideTls { client, roots }))
}

/// How partners are connected to with each of our certificates, those for single partners last.
pub(crate) fn clients(
    identity: &Arc<ServedIdentity>,
    for_partners: &[Arc<ServedIdentity>],
) -> Result<TlsClients, rustls::Error> {
    let client = |identity| certificates::tls::recording_client_config(Some(identity)).map(Arc::new);
    let mut clients = identity.all().chain(for_partners).map(client).collect::<Result<Vec<_>, _>>()?.into_iter();
    let first = clients.next().expect("an identity is at least itself");
    Ok(TlsClients { first, further: clients.collect() })
}

/// The number of the certificate that can prove each domain of ours to partners. Nothing is said of those which the first one
/// proves, or none does.
pub(crate) fn by_domain(config: &Config, identity: &Arc<ServedIdentity>, roots: &Roots) -> BTreeMap<String, u16> {
    let now = UnixTime::now();
    let names: Vec<Names> = identity.all().map(|one| certificates::facts(&one.chain(), roots, now).names).collect();
    let number = |domain: &String| {
        let position = names.iter().position(|names| may_prove(names, domain))?;
        Some((domain.clone(), u16::try_from(position).ok().filter(|number| *number > 0)?))
    };
    config.domains.iter().filter_map(number).collect()
}

/// The number of the certificate that each single partner is shown, as [`clients`] counts them.
pub(crate) fn by_partner(config: &Config) -> BTreeMap<String, u16> {
    let first = 1 + config.certificate.also.len();
    let numbered = config.certificate.for_partners.iter().zip(first..);
    numbered.filter_map(|(one, number)| Some((one.domain.clone(), u16::try_from(number).ok()?))).collect()
}

/// Judges our certificate by the rules that partners apply to it.
pub fn report(identity: &Identity, roots: &Roots, config: &Config) -> CertificateReport {
    report_of(identity, roots, |facts| doubts_about(facts, config))
}

/// The same of one beside it, which partners are shown only for domains that the first does not prove; each warning names its file.
pub fn report_also(identity: &Identity, roots: &Roots, also: &AlsoCertificate) -> CertificateReport {
    let mut report = report_of(identity, roots, |facts| doubts_of_clients(facts).collect());
    let file = also.chain();
    report.warnings.iter_mut().for_each(|warning| *warning = format!("{}: {warning}", file.display()));
    report
}

/// The same of one that is shown on the inner side alone, or to one partner: its names and authorities are between the two.
pub(crate) fn report_apart(identity: &Identity, file: &Path) -> CertificateReport {
    let mut report = report_of(identity, &Roots::empty(), |_| Vec::new());
    report.warnings.iter_mut().for_each(|warning| *warning = format!("{}: {warning}", file.display()));
    report
}

fn report_of(
    identity: &Identity,
    roots: &Roots,
    doubts: impl FnOnce(&PeerCertificate) -> Vec<String>,
) -> CertificateReport {
    let now = UnixTime::now();
    let facts = certificates::facts(&identity.chain, roots, now);
    let now_unix = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let names =
        facts.names.dns.iter().cloned().chain(facts.names.sip_uris.iter().map(|domain| format!("sip:{domain}")));
    let mut warnings = doubts(&facts);
    warnings.extend(expiry_warning(facts.not_after_unix, now_unix));
    CertificateReport {
        names: names.collect(),
        subject: facts.subject,
        issuer: facts.issuer,
        not_after_unix: facts.not_after_unix,
        warnings,
    }
}

/// Our certificate as partners judge it, for the doctor.
pub(crate) struct CertificateEvidence {
    pub names: Vec<String>,
    pub issuer: String,
    pub not_after_unix: i64,
    /// As [`doubts`].
    pub doubts: Vec<String>,
    /// It says so, or says nothing of purposes.
    pub is_for_clients: bool,
}

pub(crate) fn evidence(identity: &Identity, roots: &Roots, config: &Config) -> CertificateEvidence {
    let facts = certificates::facts(&identity.chain, roots, UnixTime::now());
    let doubts = doubts_about(&facts, config);
    let uris = facts.names.sip_uris.iter().map(|domain| format!("sip:{domain}"));
    CertificateEvidence {
        doubts,
        names: facts.names.dns.iter().cloned().chain(uris).collect(),
        issuer: facts.issuer,
        not_after_unix: facts.not_after_unix,
        is_for_clients: !facts.purposes.stated || facts.purposes.client_auth || facts.purposes.any,
    }
}

/// Why partners and phones may refuse our certificate, whatever the day; one sentence each.
pub fn doubts(identity: &Identity, roots: &Roots, config: &Config) -> Vec<String> {
    doubts_about(&certificates::facts(&identity.chain, roots, UnixTime::now()), config)
}

fn doubts_about(facts: &PeerCertificate, config: &Config) -> Vec<String> {
    let beside = names_beside(config);
    let is_proven =
        |domain: &&String| proves(facts, &config.edge, domain) || beside.iter().any(|names| may_prove(names, domain));
    let mut warnings = Vec::new();
    let names_edge = facts.names.dns.contains(&config.edge);
    // Partners meet the edges.
    if config.roles == Roles::Home {
        let unnamed = (!names_edge)
            .then(|| format!("the certificate does not name {}: phones of the inside will refuse it", config.edge));
        return unnamed.into_iter().chain(doubts_of_clients(facts)).collect();
    }
    if !names_edge {
        warnings.push(format!(
            "the certificate does not name the edge {}: partners whose entry names it will refuse us",
            config.edge
        ));
    }
    let accepted_by = match names_edge {
        true => format!("only partners who enter {} as its edge will accept us", config.edge),
        false => "no partner will accept us that does not pin it".to_owned(),
    };
    warnings.extend(config.domains.iter().filter(|domain| !is_proven(domain)).map(|domain| {
        format!(
            "the certificate does not prove {domain}: it names neither the domain nor an edge directly below it, \
             so that {accepted_by}"
        )
    }));
    warnings.extend(doubts_of_clients(facts));
    warnings
}

/// Keys that everybody who can sign in on this machine may read; one sentence each.
pub fn open_keys(config: &Config) -> Vec<String> {
    let files = &config.certificate;
    let inside = config.inside.iter().filter_map(|inside| inside.certificate.as_ref()).map(|(_, key)| key.clone());
    let further =
        files.also.iter().chain(files.for_partners.iter().map(|one| &one.certificate)).map(AlsoCertificate::key);
    let is_open = |key: &PathBuf| std::fs::metadata(key).is_ok_and(|found| found.permissions().mode() & 0o004 != 0);
    let open = [files.key.clone()].into_iter().chain(further).chain(inside).filter(is_open);
    let told = |key: PathBuf| {
        let key = key.display();
        format!("everybody on this machine may read the key {key}, and speak in your name then: chmod o-r {key}")
    };
    open.map(told).collect()
}

/// What the certificates beside the first one name.
fn names_beside(config: &Config) -> Vec<Names> {
    let now = UnixTime::now();
    let load = |also: &AlsoCertificate| Identity::load(&also.chain(), &also.key(), now).ok();
    let beside = config.certificate.also.iter().filter_map(load);
    beside.map(|identity| certificates::facts(&identity.chain, &Roots::empty(), now).names).collect()
}

fn doubts_of_clients(facts: &PeerCertificate) -> impl Iterator<Item = String> + use<> {
    let is_for_servers = !facts.purposes.stated || facts.purposes.server_auth || facts.purposes.any;
    let purpose = "the certificate is not meant for servers (no serverAuth): phones will refuse it";
    let purpose = (!is_for_servers).then(|| purpose.to_owned());
    purpose.into_iter().chain(chain_warning(&facts.chain))
}

/// When it ends. It was loaded, so that it can be read.
pub(crate) fn not_after_unix(identity: &Identity) -> i64 {
    certificates::facts(&identity.chain, &Roots::empty(), UnixTime::now()).not_after_unix
}

/// That the certificate ends soon, or has ended; `None` while there is time.
pub fn expiry_warning(not_after_unix: i64, now_unix: i64) -> Option<String> {
    let secs_left = not_after_unix - now_unix;
    let date = moment::date(not_after_unix);
    match secs_left / 86_400 {
        _ if secs_left < 0 => {
            Some(format!("the certificate expired on {date}: renew it, partners and phones refuse it"))
        }
        left if left < EXPIRY_WARNING_DAYS => {
            Some(format!("the certificate expires in {} on {date}: renew it", days(left)))
        }
        _ => None,
    }
}

/// Rungs 3 and 4 of the ladder; a DNS name counts as the domain only beside no `sip:` URI (RFC 5922 section 7.1).
fn proves(facts: &PeerCertificate, edge: &str, domain: &str) -> bool {
    let names = &facts.names;
    let has = |list: &[String], name: &str| list.iter().any(|item| item == name);
    let by_domain = has(&names.sip_uris, domain) || (names.sip_uris.is_empty() && has(&names.dns, domain));
    let by_edge = edge.split_once('.').is_some_and(|(_, parent)| parent == domain) && has(&names.dns, edge);
    by_domain || by_edge
}

fn chain_warning(chain: &Result<Anchor, Why>) -> Option<String> {
    match chain {
        Ok(_) => None,
        Err(why) => Some(format!(
            "the trusted authorities do not vouch for the certificate ({why}): partners who trust the same ones will refuse us"
        )),
    }
}

pub(crate) fn days(count: i64) -> String {
    match count {
        ..=0 => "less than a day".to_owned(),
        1 => "1 day".to_owned(),
        count => format!("{count} days"),
    }
}

pub(crate) const EXPIRY_WARNING_DAYS: i64 = 30;

#[cfg(test)]
mod tests {
    use federation::trust::{Names, Purposes};

    use super::*;

    const NOW: i64 = 1_700_000_000;

    fn config() -> Config {
        let text = "domains = [\"contoso.example\", \"contoso.test\"]\nedge = \"sip.contoso.example\"\n\
            [certificate]\nchain = \"c.pem\"\nkey = \"c.key\"\n[listen]\ntls = [\"127.0.0.1:5061\"]\n";
        Config::parse(Path::new("comity.toml"), text, &|_| Ok(())).unwrap()
    }

    fn facts(dns: &[&str], sip_uris: &[&str]) -> PeerCertificate {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        PeerCertificate {
            chain: Ok(Anchor::Public { name: "CN=Test".to_owned() }),
            validity: Ok(()),
            dane: None,
            purposes: Purposes { server_auth: true, stated: true, ..Purposes::default() },
            names: Names { dns: owned(dns), sip_uris: owned(sip_uris) },
            fingerprint: [0; 32],
            issuer: String::new(),
            serial: String::new(),
            subject: String::new(),
            not_after_unix: NOW + 90 * 86_400,
        }
    }

    #[test]
    fn a_certificate_with_every_name_has_no_warning() {
        let complete = facts(&["sip.contoso.example", "contoso.test"], &[]);
        assert_eq!(doubts_about(&complete, &config()), [] as [&str; 0]);
        let by_uri = facts(&["sip.contoso.example"], &["contoso.example", "contoso.test"]);
        assert_eq!(doubts_about(&by_uri, &config()), [] as [&str; 0]);
    }

    #[test]
    fn missing_names_are_told_by_what_will_fail() {
        let found = doubts_about(&facts(&["www.contoso.example"], &[]), &config());
        assert_eq!(found.len(), 3);
        assert!(found[0].contains("does not name the edge sip.contoso.example"));
        assert!(found[1].contains("does not prove contoso.example"));
        assert!(found[2].contains("does not prove contoso.test"));
        assert!(found[2].contains("no partner will accept us"), "whoever enters the edge does not either");
        let found = doubts_about(&facts(&["sip.contoso.example"], &[]), &config());
        assert!(found.len() == 1 && found[0].contains("only partners who enter sip.contoso.example"), "{found:?}");
    }

    #[test]
    fn purpose_and_chain_are_told() {
        let mut soon = facts(&["sip.contoso.example", "contoso.test"], &[]);
        soon.purposes.server_auth = false;
        soon.chain = Err(Why::UnknownIssuer);
        let found = doubts_about(&soon, &config());
        assert_eq!(found.len(), 2);
        assert!(found[0].contains("no serverAuth"));
        assert!(found[1].contains("do not vouch"));
    }

    #[test]
    fn expiry_is_told_from_thirty_days_on() {
        let warning = |secs_left: i64| expiry_warning(NOW + secs_left, NOW);
        assert_eq!(warning(30 * 86_400), None);
        assert!(warning(30 * 86_400 - 1).is_some_and(|text| text.contains("expires in 29 days on 2023-12-14")));
        assert!(warning(3600).is_some_and(|text| text.contains("in less than a day")));
        assert!(warning(-1).is_some_and(|text| text.contains("expired on 2023-11-14")));
    }
}
