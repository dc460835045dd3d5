//! Names: the SRV records of a domain by the one discovery rule, and the addresses of a host.
//!
//! Answers are kept by TTL within the resolver; a question that is asked again costs nothing, unless it is asked anew.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use federation::dane::Tlsa;
use federation::discovery::{HostAnswer, HostFailure, SrvFailure, SrvResult, SrvTarget, srv_names};
use hickory_proto::dnssec::TrustAnchors;
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{Name, RecordType};
use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError as DnsNetError};
use hickory_resolver::{TokioResolver, system_conf};

use serde::Serialize;

use crate::{NetError, dns};

/// Asks the DNS. Cheap to clone; clones share what was learnt.
#[derive(Clone)]
pub struct Resolver {
    resolver: TokioResolver,
    settings: Arc<Settings>,
}

/// What the configuration says of the DNS.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DnsSettings {
    /// None: those of the operating system.
    pub servers: Vec<SocketAddr>,
    /// Validate by DNSSEC, here: a name server's word for it (the AD bit) is worth no more than the way to it.
    pub validates: bool,
    /// A file of DNSKEY records to begin from, in place of the root's.
    pub trust_anchor: Option<PathBuf>,
}

impl DnsSettings {
    /// These servers, and no validation.
    pub fn of(servers: &[SocketAddr]) -> DnsSettings {
        DnsSettings { servers: servers.to_vec(), ..DnsSettings::default() }
    }
}

struct Settings {
    config: ResolverConfig,
    options: ResolverOpts,
    anchors: Option<Arc<TrustAnchors>>,
}

impl Resolver {
    /// Asks the servers by UDP and, for what does not fit, by TCP.
    pub fn new(settings: &DnsSettings) -> Result<Resolver, NetError> {
        let DnsSettings { servers, .. } = settings;
        let (config, mut options) = if servers.is_empty() {
            system_conf::read_system_conf().map_err(|error| NetError::Resolver { reason: error.to_string() })?
        } else {
            let servers = servers.iter().copied().map(name_server).collect();
            (ResolverConfig::from_name_servers(servers), ResolverOpts::default())
        };
        options.use_hosts_file = if servers.is_empty() { ResolveHosts::Always } else { ResolveHosts::Never };
        options.timeout = ATTEMPT_TIME;
        options.attempts = ATTEMPTS;
        options.ip_strategy = LookupIpStrategy::Ipv6AndIpv4;
        options.cache_size = ANSWERS_MAX;
        options.positive_max_ttl = Some(POSITIVE_LIFE_MAX);
        options.negative_max_ttl = Some(NEGATIVE_LIFE_MAX);
        Resolver::build(Arc::new(Settings { config, options, anchors: anchors(settings)? }))
    }

    /// The same settings with sockets and memory of its own. Connections to name servers belong to the runtime that
    /// made them, so every worker takes one of these.
    pub(crate) fn separate(&self) -> Result<Resolver, NetError> {
        Resolver::build(self.settings.clone())
    }

    /// Asks anew from now on, whatever is remembered.
    pub(crate) fn forget(&self) {
        self.resolver.clear_cache();
    }

    fn build(settings: Arc<Settings>) -> Result<Resolver, NetError> {
        let mut builder = TokioResolver::builder_with_config(settings.config.clone(), TokioRuntimeProvider::default())
            .with_options(settings.options.clone());
        if let Some(anchors) = &settings.anchors {
            builder = builder.with_trust_anchor(anchors.clone());
        }
        let resolver = builder.build().map_err(|error| NetError::Resolver { reason: error.to_string() })?;
        Ok(Resolver { resolver, settings })
    }

    /// `_sipfederationtls._tcp.DOMAIN`, and only where that has no record `_sips._tcp.DOMAIN` (RFC 3263 4.1).
    pub async fn srv(&self, domain: &str) -> SrvResult {
        let [federation_name, sips_name] = srv_names(domain.trim_end_matches('.'));
        match self.srv_name(federation_name).await {
            Err(SrvFailure::NoRecord) => self.srv_name(sips_name).await,
            result => result,
        }
    }

    /// As [`Resolver::srv`], of the name servers and not of memory: for whoever remembers it himself and asks before its time
    /// is over.
    pub async fn srv_anew(&self, domain: &str) -> SrvResult {
        for name in srv_names(domain.trim_end_matches('.')) {
            self.forget_name(&name, &[RecordType::SRV]);
        }
        self.srv(domain).await
    }

    /// The SRV records of exactly this name.
    pub async fn srv_name(&self, name: String) -> SrvResult {
        let query = absolute(&name).map_err(SrvFailure::ServFail)?;
        let mut answer = match self.resolver.lookup(query, RecordType::SRV).await {
            Ok(lookup) => dns::srv_answer(name, lookup.answers(), time_left(&lookup))?,
            Err(error) => return Err(srv_failure(&error)),
        };
        if answer.secure {
            answer.tlsa = self.tlsa(&answer.targets).await;
        }
        Ok(answer)
    }

    /// Whether there is a domain of this name at all, with whatever records; `None` where no answer says so.
    pub async fn exists(&self, domain: &str) -> Option<bool> {
        match self.resolver.lookup(absolute(domain).ok()?, RecordType::SOA).await {
            Ok(_) => Some(true),
            Err(DnsNetError::Dns(DnsError::NoRecordsFound(found))) => match found.response_code {
                ResponseCode::NXDomain => Some(false),
                ResponseCode::NoError => Some(true),
                _ => None,
            },
            Err(_) => None,
        }
    }

    /// The validated records of the first targets, one after the other: there are two or three, and few have any.
    async fn tlsa(&self, targets: &[SrvTarget]) -> Vec<Tlsa> {
        let mut found = Vec::new();
        for target in targets.iter().take(TLSA_TARGETS_MAX) {
            let Ok(query) = absolute(&format!("_{}._tcp.{}", target.port, target.host)) else { continue };
            let Ok(lookup) = self.resolver.lookup(query, RecordType::TLSA).await else { continue };
            dns::take_tlsa(&mut found, lookup.answers());
        }
        found
    }

    /// AAAA, then A; an IP literal, in brackets or not, is its own answer. Never empty. The error is for the operator.
    pub async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, HostFailure> {
        Ok(self.host(host).await?.addresses)
    }

    /// As [`Resolver::addresses`], of the name servers and not of memory, with how long it holds.
    pub async fn addresses_anew(&self, host: &str) -> Result<HostAnswer, HostFailure> {
        self.forget_name(host, &[RecordType::A, RecordType::AAAA]);
        self.host(host).await
    }

    fn forget_name(&self, name: &str, types: &[RecordType]) {
        if let Ok(name) = absolute(name) {
            types.iter().for_each(|record_type| self.resolver.clear_lookup_cache(name.clone(), *record_type));
        }
    }

    async fn host(&self, host: &str) -> Result<HostAnswer, HostFailure> {
        let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
        if let Ok(literal) = bare.parse() {
            return Ok(HostAnswer { addresses: vec![literal], ttl: POSITIVE_LIFE_MAX });
        }
        let lookup = self
            .resolver
            .lookup_ip(absolute(bare).map_err(HostFailure::Unanswered)?)
            .await
            .map_err(|error| host_failure(bare, &error))?;
        let mut addresses: Vec<IpAddr> = lookup.iter().collect();
        // IPv6 first (RFC 8305 section 4), where there is any here.
        addresses.sort_by_key(|address| match address {
            IpAddr::V6(_) if has_route(*address) => 0,
            IpAddr::V4(_) => 1,
            IpAddr::V6(_) => 2,
        });
        if addresses.is_empty() {
            return Err(HostFailure::NoAddress(bare.to_owned()));
        }
        let ttl = lookup.valid_until().saturating_duration_since(Instant::now());
        Ok(HostAnswer { addresses, ttl })
    }
}

fn name_server(address: SocketAddr) -> NameServerConfig {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
        connection.port = address.port();
        connection
    });
    NameServerConfig::new(address.ip(), true, connections.into())
}

/// With the root at its end, so that no search domain is ever appended.
fn absolute(name: &str) -> Result<Name, String> {
    let mut absolute = Name::from_ascii(name).map_err(|error| format!("{name} is no domain name: {error}"))?;
    absolute.set_fqdn(true);
    Ok(absolute)
}

fn time_left(lookup: &Lookup) -> Duration {
    lookup.valid_until().saturating_duration_since(Instant::now())
}

/// Those to begin from, where anything is to be validated.
fn anchors(settings: &DnsSettings) -> Result<Option<Arc<TrustAnchors>>, NetError> {
    let read = |file: &PathBuf| {
        TrustAnchors::from_file(file)
            .map_err(|error| NetError::Resolver { reason: format!("{}: {error}", file.display()) })
    };
    let anchors = settings.validates.then(|| settings.trust_anchor.as_ref().map_or(Ok(TrustAnchors::default()), read));
    Ok(anchors.transpose()?.map(Arc::new))
}

fn srv_failure(error: &DnsNetError) -> SrvFailure {
    match error {
        DnsNetError::Timeout => SrvFailure::Timeout,
        DnsNetError::Dns(DnsError::NoRecordsFound(found)) => match found.response_code {
            ResponseCode::NXDomain | ResponseCode::NoError => SrvFailure::NoRecord,
            code => SrvFailure::ServFail(code.to_string()),
        },
        other => SrvFailure::ServFail(other.to_string()),
    }
}

fn host_failure(host: &str, error: &DnsNetError) -> HostFailure {
    HostFailure::Unanswered(match srv_failure(error) {
        SrvFailure::NoRecord => return HostFailure::NoAddress(host.to_owned()),
        SrvFailure::Timeout => format!("the name servers did not answer for {host}"),
        SrvFailure::ServFail(what) => format!("the lookup of {host} failed: {what}"),
        SrvFailure::Refused => format!("the lookup of {host} was refused"),
    })
}

/// Whether the routing table leads there; nothing is sent. Without this every connection of a host that has no IPv6
/// would begin with an address that cannot work.
fn has_route(address: IpAddr) -> bool {
    let probe = || {
        let socket = UdpSocket::bind("[::]:0")?;
        socket.connect(SocketAddr::new(address, DISCARD_PORT))
    };
    probe().is_ok()
}

/// One attempt at one server; the worker bounds the whole question.
const ATTEMPT_TIME: Duration = Duration::from_secs(2);
/// After the first.
const ATTEMPTS: usize = 1;
const POSITIVE_LIFE_MAX: Duration = Duration::from_secs(3600);
/// A record that an administrator just added is to be seen soon.
const NEGATIVE_LIFE_MAX: Duration = Duration::from_secs(60);
const DISCARD_PORT: u16 = 9;
const TLSA_TARGETS_MAX: usize = 4;
/// Of each resolver. An answer by TCP may take a megabyte here; where domains and their servers are is remembered elsewhere, and
/// what many names have in common, such as the keys of their parents, is asked for most often and stays.
const ANSWERS_MAX: u64 = 128;

#[cfg(test)]
mod tests {
    use hickory_proto::rr::rdata::SRV;

    use super::*;
    use crate::testing::name_server::{self, address, name, srv};

    async fn resolver() -> Resolver {
        let server = name_server::start([
            ("_sipfederationtls._tcp.both.example", srv(5061, "Edge.both.example")),
            ("_sips._tcp.both.example", srv(5062, "other.both.example")),
            ("_sips._tcp.sips.example", srv(5061, "edge.sips.example")),
            ("_sipfederationtls._tcp.refusing.example", srv(0, ".")),
            ("_sips._tcp.refusing.example", srv(5061, "edge.refusing.example")),
            ("edge.both.example", address([127, 0, 0, 7].into())),
        ]);
        Resolver::new(&DnsSettings::of(&[server.await])).expect("explicit servers need no files")
    }

    #[tokio::test(flavor = "current_thread")]
    async fn the_federation_name_comes_first_and_sips_is_the_fallback() {
        let resolver = resolver().await;
        let answer = resolver.srv("both.example").await.expect("a record");
        assert_eq!(answer.name, "_sipfederationtls._tcp.both.example");
        assert_eq!(
            answer.targets,
            [SrvTarget { priority: 10, weight: 20, port: 5061, host: "edge.both.example".into() }]
        );
        assert!(answer.ttl <= Duration::from_secs(300) && answer.ttl > Duration::from_secs(290));
        assert!(!answer.secure);

        let answer = resolver.srv("sips.example.").await.expect("a record");
        assert_eq!((answer.name.as_str(), answer.targets.len()), ("_sips._tcp.sips.example", 1));
    }

    #[tokio::test(flavor = "current_thread")]
    async fn no_record_a_refusal_and_a_failure_are_three_things() {
        let resolver = resolver().await;
        assert_eq!(resolver.srv("nothing.example").await, Err(SrvFailure::NoRecord));
        assert_eq!(resolver.srv("refusing.example").await, Err(SrvFailure::Refused));
        assert!(matches!(resolver.srv("elsewhere.test").await, Err(SrvFailure::ServFail(_))));
        assert!(resolver.srv("no name").await.is_err());
    }

    #[tokio::test(flavor = "current_thread")]
    async fn hosts_and_literals_have_addresses() {
        let resolver = resolver().await;
        let v4 = "127.0.0.7".parse::<IpAddr>().expect("an address");
        assert_eq!(resolver.addresses("edge.both.example").await, Ok(vec![v4]));
        assert_eq!(resolver.addresses("127.0.0.7").await, Ok(vec![v4]));
        assert_eq!(resolver.addresses("[::1]").await, Ok(vec!["::1".parse().expect("an address")]));
        let error = resolver.addresses("missing.both.example").await.expect_err("no such host");
        assert_eq!(error, HostFailure::NoAddress("missing.both.example".to_owned()));
    }

    #[tokio::test(flavor = "current_thread")]
    async fn of_many_servers_the_first_few_are_asked_for_their_tlsa_records() {
        let speaking = name_server::start([("edge.many.example", address([127, 0, 0, 7].into()))]).await;
        let (server, questions) = name_server::heard_about(RecordType::TLSA, speaking);
        let resolver = Resolver::new(&DnsSettings::of(&[server])).expect("explicit servers need no files");
        let targets: Vec<SrvTarget> = (0..3 * TLSA_TARGETS_MAX)
            .map(|number| dns::srv_target(&SRV::new(10, 20, 5061, name(&format!("edge{number}.many.example")))))
            .collect();
        assert_eq!(resolver.tlsa(&targets).await, []);
        let asked: Vec<String> = questions.try_iter().collect();
        let expected = (0..TLSA_TARGETS_MAX).map(|number| format!("_5061._tcp.edge{number}.many.example."));
        assert_eq!(asked, expected.collect::<Vec<_>>());
    }

    /// More names than are remembered, one after the other and then all of them again.
    #[tokio::test(flavor = "current_thread")]
    async fn so_many_answers_are_remembered_and_others_are_asked_for_again() {
        const NAMES: usize = 1_000;
        let names: Vec<String> = (0..NAMES).map(|number| format!("edge{number}.many.example")).collect();
        let records = names.iter().map(|name| (name.as_str(), address([127, 0, 0, 7].into())));
        let (server, questions) = name_server::heard_about(RecordType::A, name_server::start(records).await);
        let resolver = Resolver::new(&DnsSettings::of(&[server])).expect("explicit servers need no files");
        let ask_all = async || {
            for name in &names {
                assert!(resolver.addresses(name).await.is_ok(), "{name}");
            }
            questions.try_iter().count()
        };
        assert_eq!(ask_all().await, NAMES);
        let again = ask_all().await;
        let remembered = NAMES - again;
        assert!(remembered <= 2 * ANSWERS_MAX as usize, "{remembered}");
    }

    #[tokio::test(flavor = "current_thread")]
    async fn what_is_asked_anew_is_not_told_from_memory() {
        let resolver = resolver().await;
        let host = "edge.both.example";
        let _ = (resolver.srv("both.example").await, resolver.addresses(host).await);
        // Memory counts in whole seconds.
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        let srv_ttl = |answer: SrvResult| answer.expect("a record").ttl;
        let remembered = srv_ttl(resolver.srv("both.example").await);
        assert!(srv_ttl(resolver.srv_anew("both.example").await) > remembered + Duration::from_millis(500));
        let remembered = resolver.host(host).await.expect("an address");
        let anew = resolver.addresses_anew(host).await.expect("an address");
        assert_eq!(anew.addresses, remembered.addresses);
        assert!(anew.ttl > remembered.ttl + Duration::from_millis(500));
    }

    #[tokio::test(flavor = "current_thread")]
    async fn servers_that_do_not_answer_are_a_failure_in_bounded_time() {
        let closed = UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port");
        let resolver = Resolver::new(&DnsSettings::of(&[closed])).expect("explicit servers need no files");
        let failure = resolver.srv("both.example").await.expect_err("nobody listens");
        assert!(failure.is_temporary(), "{failure:?}");
    }
}
