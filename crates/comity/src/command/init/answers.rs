//! What has to be known to set up a server: from flags, else from questions, else by default.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use server::domain;
use server::network::own_address;

use super::InitArguments;
use super::questions::{Asking, Question};
use crate::failure::Failure;

/// Everything that `comity init` goes by.
#[derive(Debug, PartialEq, Eq)]
pub struct Answers {
    /// At least one, without repetition.
    pub domains: Vec<String>,
    pub edge: String,
    /// At least one, without repetition.
    pub listen: Vec<SocketAddr>,
    pub discovery: bool,
    pub certificate: CertificateChoice,
    /// The authority's directory, where it is ordered.
    pub directory: String,
    /// `None`: as the configuration has it by default.
    pub data: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateChoice {
    /// To start with, beside a request.
    SelfSigned,
    Request,
    /// By the server itself, from an authority that speaks ACME.
    Ordered,
}

impl Answers {
    pub fn collect(arguments: &InitArguments, asking: &mut Asking<'_>) -> Result<Answers, Failure> {
        let domains = match arguments.domains.as_slice() {
            [] => asking.ask(&DOMAINS, None, parse_domains)?,
            domains => without_repetition(domains),
        };
        let edge = match (&arguments.edge, domains.first()) {
            (Some(edge), _) => edge.clone(),
            (None, first) => {
                let usual = first.map(|domain| format!("sip.{domain}"));
                asking.ask(&EDGE, usual.as_deref(), |text| domain::parse(text).map_err(|error| error.to_string()))?
            }
        };
        let listen = match arguments.listen.as_slice() {
            [] => asking.ask(
                &LISTEN,
                Some(usual_addresses(own_address(Ipv6Addr::UNSPECIFIED.into()))),
                parse_addresses,
            )?,
            addresses => without_repetition(addresses),
        };
        let discovery = match arguments.discovery {
            Some(discovery) => discovery,
            None => asking.ask(&DISCOVERY, Some("no"), parse_yes)?,
        };
        let certificate = match (arguments.self_signed, arguments.request, &arguments.acme) {
            (true, ..) => CertificateChoice::SelfSigned,
            (_, true, _) => CertificateChoice::Request,
            (.., Some(_)) => CertificateChoice::Ordered,
            (false, false, None) => asking.ask(&CERTIFICATE, Some("self-signed"), parse_choice)?,
        };
        let directory = arguments.acme.clone().unwrap_or_else(|| DIRECTORY_DEFAULT.to_owned());
        Ok(Answers { domains, edge, listen, discovery, certificate, directory, data: arguments.data.clone() })
    }
}

/// All addresses by IPv4 and, where this machine reaches the internet by IPv6, by that. An address that counts in one network alone,
/// such as `fd00::2`, leads nobody here from outside.
fn usual_addresses(own_ipv6: Option<IpAddr>) -> &'static str {
    match own_ipv6 {
        Some(IpAddr::V6(own)) if own.segments()[0] & 0xe000 == 0x2000 => "0.0.0.0:5061 [::]:5061",
        _ => "0.0.0.0:5061",
    }
}

/// Reads an IP address, with or without a port.
pub fn parse_address(text: &str) -> Result<SocketAddr, String> {
    if let Ok(address) = text.parse::<SocketAddr>() {
        return if address.port() == 0 { Err(format!("{text:?} has port 0; write a real one")) } else { Ok(address) };
    }
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    match bare.parse::<IpAddr>() {
        Ok(ip) => Ok(SocketAddr::new(ip, TLS_PORT)),
        Err(_) => Err(format!("{text:?} is no address of this machine; write one such as 192.0.2.1 or 192.0.2.1:5061")),
    }
}

pub fn parse_yes(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "y" | "yes" | "true" => Ok(true),
        "n" | "no" | "false" => Ok(false),
        _ => Err(format!("{text:?} is neither yes nor no")),
    }
}

/// Reads the URL of an authority's directory.
pub fn parse_directory(text: &str) -> Result<String, String> {
    match text.strip_prefix("https://") {
        Some(rest) if !rest.is_empty() => Ok(text.to_owned()),
        _ => Err(format!("{text:?} is no directory of an authority; it begins with https://")),
    }
}

fn parse_choice(text: &str) -> Result<CertificateChoice, String> {
    match text.to_ascii_lowercase().as_str() {
        "s" | "self-signed" => Ok(CertificateChoice::SelfSigned),
        "r" | "request" => Ok(CertificateChoice::Request),
        "a" | "acme" => Ok(CertificateChoice::Ordered),
        _ => Err(format!("{text:?} is neither self-signed nor request nor acme")),
    }
}

fn parse_domains(text: &str) -> Result<Vec<String>, String> {
    parse_list(text, |word| domain::parse(word).map_err(|error| error.to_string()))
}

fn parse_addresses(text: &str) -> Result<Vec<SocketAddr>, String> {
    parse_list(text, parse_address)
}

/// Words separated by spaces or commas, at least one.
fn parse_list<T: PartialEq + Clone>(text: &str, parse: impl Fn(&str) -> Result<T, String>) -> Result<Vec<T>, String> {
    let words = text.split([' ', ',', '\t']).filter(|word| !word.is_empty());
    let parsed = words.map(parse).collect::<Result<Vec<T>, String>>()?;
    if parsed.is_empty() { Err("name at least one".to_owned()) } else { Ok(without_repetition(&parsed)) }
}

fn without_repetition<T: PartialEq + Clone>(items: &[T]) -> Vec<T> {
    let mut unique: Vec<T> = Vec::new();
    for item in items {
        if !unique.contains(item) {
            unique.push(item.clone());
        }
    }
    unique
}

const DOMAINS: Question = Question {
    text: "SIP domains, the part after the @ of your users' addresses (several with spaces between)",
    flag: "--domain",
};
const EDGE: Question = Question { text: "Name of this server in the DNS and its certificate", flag: "--edge" };
const LISTEN: Question = Question {
    text: "Addresses to listen on by TLS (0.0.0.0: every IPv4 address of this machine, [::]: every IPv6 address)",
    flag: "--listen",
};
const DISCOVERY: Question = Question {
    text: "Speak with every domain that the DNS finds (yes), or only with partners that you add (no)",
    flag: "--discovery",
};
const CERTIFICATE: Question = Question {
    text: "Certificate: self-signed to start with, only a request for a certificate authority, or ordered by the server from one \
        that speaks ACME (self-signed, request, acme)",
    flag: "--self-signed, --request or --acme",
};
/// Let's Encrypt's.
pub const DIRECTORY_DEFAULT: &str = "https://acme-v02.api.letsencrypt.org/directory";
const TLS_PORT: u16 = federation::partner::EDGE_PORT_DEFAULT;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_addresses_are_of_the_families_that_there_are() {
        let port = |address: &str| address.parse::<SocketAddr>().unwrap();
        for own in [None, "fd00::2".parse().ok(), "fe80::1".parse().ok()] {
            assert_eq!(parse_addresses(usual_addresses(own)).unwrap(), [port("0.0.0.0:5061")], "{own:?}");
        }
        let both = [port("0.0.0.0:5061"), port("[::]:5061")];
        assert_eq!(parse_addresses(usual_addresses("2001:db8::2".parse().ok())).unwrap(), both);
    }

    #[test]
    fn lists_are_read_with_spaces_or_commas_and_lose_repetitions() {
        let domains = parse_domains(" Contoso.Example, fabrikam.example contoso.example. ").unwrap();
        assert_eq!(domains, ["contoso.example", "fabrikam.example"]);
        assert_eq!(parse_domains(" , ").unwrap_err(), "name at least one");
        assert!(parse_domains("contoso.example alice@contoso.example").unwrap_err().contains("after the @"));
    }

    #[test]
    fn an_address_may_lack_its_port() {
        for (text, address) in [
            ("192.0.2.1", "192.0.2.1:5061"),
            ("192.0.2.1:443", "192.0.2.1:443"),
            ("2001:db8::1", "[2001:db8::1]:5061"),
            ("[2001:db8::1]", "[2001:db8::1]:5061"),
        ] {
            assert_eq!(parse_address(text).unwrap().to_string(), address);
        }
        assert!(parse_address("192.0.2.1:0").unwrap_err().contains("port 0"));
        assert!(parse_address("sip.contoso.example").unwrap_err().contains("is no address"));
    }
}
