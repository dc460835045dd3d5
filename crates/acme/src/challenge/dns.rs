//! DNS-01: a TXT record at `_acme-challenge` of the name, put there and taken away by updates (RFC 2136) that a key signs
//! (TSIG, RFC 8945).

use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hickory_proto::op::update_message::{append, delete_by_rdata};
use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::rdata::TXT;
use hickory_proto::rr::rdata::tsig::{TsigAlgorithm as Algorithm, TsigError};
use hickory_proto::rr::{Name, RData, Record, RecordSet, RecordType, TSigner};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::error::AcmeError;

/// The name server that takes updates for the zones of all names.
#[derive(Clone, Debug)]
pub struct DnsUpdates {
    pub server: SocketAddr,
    pub key: TsigKey,
    /// Until the zone's other servers have what this one has.
    pub wait: Duration,
}

#[derive(Clone)]
pub struct TsigKey {
    pub name: String,
    pub algorithm: TsigAlgorithm,
    pub secret: Vec<u8>,
}

impl std::fmt::Debug for TsigKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("TsigKey").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Those of RFC 8945 section 6 that are neither weak nor truncated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TsigAlgorithm {
    #[default]
    HmacSha256,
    HmacSha384,
    HmacSha512,
}

impl TsigAlgorithm {
    pub const ALL: [TsigAlgorithm; 3] =
        [TsigAlgorithm::HmacSha256, TsigAlgorithm::HmacSha384, TsigAlgorithm::HmacSha512];

    pub fn as_str(self) -> &'static str {
        match self {
            TsigAlgorithm::HmacSha256 => "hmac-sha256",
            TsigAlgorithm::HmacSha384 => "hmac-sha384",
            TsigAlgorithm::HmacSha512 => "hmac-sha512",
        }
    }

    pub fn parse(text: &str) -> Option<TsigAlgorithm> {
        TsigAlgorithm::ALL.into_iter().find(|algorithm| algorithm.as_str() == text)
    }

    fn on_the_wire(self) -> Algorithm {
        match self {
            TsigAlgorithm::HmacSha256 => Algorithm::HmacSha256,
            TsigAlgorithm::HmacSha384 => Algorithm::HmacSha384,
            TsigAlgorithm::HmacSha512 => Algorithm::HmacSha512,
        }
    }
}

pub(crate) struct Answers {
    updates: DnsUpdates,
    signer: TSigner,
    /// Of each name, with its dots at the end.
    zones: Vec<(String, Name)>,
    shown: Vec<(Name, RecordSet)>,
}

impl Answers {
    /// Finds the zone of each name, and that the key is accepted there: taking away what is not there changes nothing.
    pub(super) async fn open(updates: &DnsUpdates, names: &[String]) -> Result<Answers, AcmeError> {
        let mut answers =
            Answers { signer: signer(&updates.key)?, updates: updates.clone(), zones: Vec::new(), shown: Vec::new() };
        for name in names {
            let zone = answers.zone_of(&owner(name)?).await?;
            let probe = delete_by_rdata(record(name, "")?, zone.clone(), false);
            answers.update(probe, name).await?;
            answers.zones.push((name.clone(), zone));
        }
        Ok(answers)
    }

    pub(super) async fn show(&mut self, name: &str, value: &str) -> Result<(), AcmeError> {
        let zone = self.zones.iter().find(|(known, _)| known == name).map(|(_, zone)| zone.clone());
        let zone = zone.ok_or_else(|| AcmeError::Refused {
            what: format!("it asks for a proof of {name}, which was not ordered"),
            retry_after: None,
        })?;
        let record = record(name, value)?;
        self.update(append(record.clone(), zone.clone(), false, false), name).await?;
        self.shown.push((zone, record));
        Ok(())
    }

    pub(super) async fn settle(&self) {
        tokio::time::sleep(self.updates.wait).await;
    }

    pub(super) async fn withdraw(self) {
        for (zone, record) in &self.shown {
            let name = record.name().to_string();
            if let Err(error) = self.update(delete_by_rdata(record.clone(), zone.clone(), false), &name).await {
                tracing::warn!(%error, name, "a record that proved a name to the authority cannot be taken away; it harms nobody");
            }
        }
    }

    /// The name of the SOA record that answers for it; whoever has none names it beside (RFC 2308).
    async fn zone_of(&self, name: &Name) -> Result<Name, AcmeError> {
        let mut query = Message::query();
        query.add_query(Query::query(name.clone(), RecordType::SOA));
        let bytes = self.exchange(&to_bytes(&query)?).await?;
        let answer = Message::from_vec(&bytes).map_err(|error| self.unreadable(&error))?;
        let mut records = answer.answers.iter().chain(&answer.authorities);
        let zone = records.find(|record| record.record_type() == RecordType::SOA).map(|record| record.name.clone());
        zone.filter(|zone| zone.zone_of(name)).ok_or_else(|| {
            let code = answer.response_code;
            let what = format!("the name server {} has no zone for {name} ({code})", self.updates.server);
            AcmeError::here(what, "name the primary server of the zone as dns_server in [certificate.acme]")
        })
    }

    async fn update(&self, mut update: Message, name: &str) -> Result<(), AcmeError> {
        let unsigned =
            |error: &dyn std::fmt::Display| AcmeError::here(format!("no update can be signed: {error}"), KEY);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let verifier = update.finalize(&self.signer, now).map_err(|error| unsigned(&error))?;
        let bytes = self.exchange(&to_bytes(&update)?).await?;
        let answer = Message::from_vec(&bytes).map_err(|error| self.unreadable(&error))?;
        if answer.response_code != ResponseCode::NoError {
            return Err(self.refused(&answer, name));
        }
        let verified = verifier.map(|mut verifier| verifier.verify(&bytes).map(drop)).unwrap_or(Ok(()));
        verified.map_err(|error| {
            let what =
                format!("the answer of the name server {} is not signed as it should be: {error}", self.updates.server);
            AcmeError::here(what, KEY)
        })
    }

    fn refused(&self, answer: &Message, name: &str) -> AcmeError {
        let server = self.updates.server;
        let key = &self.updates.key.name;
        let (why, advice) = match answer.signature().and_then(|signature| signature.data.error) {
            Some(TsigError::BadKey) => (format!("it does not know the key {key} (BADKEY)"), KEY),
            Some(TsigError::BadSig) => (format!("the secret of the key {key} is not the one it has (BADSIG)"), KEY),
            Some(TsigError::BadTime) => ("its clock and ours are too far apart (BADTIME)".to_owned(), CLOCK),
            _ => (format!("it answers {}", answer.response_code), ALLOW),
        };
        AcmeError::here(
            format!("the name server {server} does not let us update _acme-challenge.{name}: {why}"),
            advice,
        )
    }

    async fn exchange(&self, request: &[u8]) -> Result<Vec<u8>, AcmeError> {
        let exchanged = timeout(ANSWER_TIME, exchange(self.updates.server, request)).await;
        let exchanged = exchanged.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()));
        exchanged.map_err(|error| {
            let what = format!("the name server {} does not answer: {error}", self.updates.server);
            AcmeError::here(what, "see that dns_server in [certificate.acme] is right, and that it answers by TCP")
        })
    }

    fn unreadable(&self, error: &dyn std::fmt::Display) -> AcmeError {
        let what = format!("the answer of the name server {} cannot be read: {error}", self.updates.server);
        AcmeError::here(what, "see that dns_server in [certificate.acme] is a name server")
    }
}

/// By TCP, on which nobody answers in another's name and nothing is cut off.
async fn exchange(server: SocketAddr, request: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(request.len()).map_err(|_| std::io::ErrorKind::InvalidInput)?;
    stream.write_all(&[&length.to_be_bytes(), request].concat()).await?;
    let length = stream.read_u16().await?;
    let mut response = vec![0; usize::from(length)];
    stream.read_exact(&mut response).await?;
    Ok(response)
}

fn signer(key: &TsigKey) -> Result<TSigner, AcmeError> {
    let unusable = |error: &dyn std::fmt::Display| AcmeError::here(format!("the key {}: {error}", key.name), KEY);
    let name = Name::from_ascii(&key.name).map_err(|error| unusable(&error))?;
    let made = TSigner::new(key.secret.clone(), key.algorithm.on_the_wire(), name, FUDGE_SECS);
    made.map_err(|error| unusable(&error))
}

/// Where the record of a name is.
fn owner(name: &str) -> Result<Name, AcmeError> {
    Name::from_ascii(format!("_acme-challenge.{name}.")).map_err(|error| {
        AcmeError::here(format!("no record can be put at _acme-challenge.{name}: {error}"), "use a shorter name")
    })
}

fn record(name: &str, value: &str) -> Result<RecordSet, AcmeError> {
    let txt = RData::TXT(TXT::new(vec![value.to_owned()]));
    Ok(RecordSet::from(Record::from_rdata(owner(name)?, TTL_SECS, txt)))
}

fn to_bytes(message: &Message) -> Result<Vec<u8>, AcmeError> {
    message.to_vec().map_err(|error| AcmeError::here(format!("a DNS message cannot be written: {error}"), "report it"))
}

const KEY: &str =
    "see that tsig_name, tsig_algorithm and the secret in tsig_secret_file are those that the name server has";
const CLOCK: &str = "set the clock of this machine by NTP";
const ALLOW: &str = "let the key update TXT records there (BIND: update-policy; Knot: acl)";
/// What RFC 8945 section 10 recommends.
const FUDGE_SECS: u16 = 300;
/// Nobody is to remember it.
const TTL_SECS: u32 = 1;
const ANSWER_TIME: Duration = Duration::from_secs(10);
