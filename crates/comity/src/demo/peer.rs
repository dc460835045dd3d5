//! A place in the world that no server of ours fills: what a test program needs to run somebody else's server there.
//!
//! Only while the demo is held for tests.

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use super::addresses::Place;
use super::pki::{Authority, CertificateNames};
use super::zones::Zone;

/// Where that server is to listen, and the certificates to try with it, and with ours.
#[derive(Debug)]
pub struct Peer {
    pub place: Place,
    /// A folder for each certificate: who vouches for it, then whom it names.
    pub certificates: PathBuf,
}

impl Peer {
    /// Writes the certificates into a folder of its own below `folder`.
    pub fn create(place: Place, authority: &Authority, folder: &Path) -> anyhow::Result<Peer> {
        let certificates = folder.join("certificates");
        let unknown = Authority::unknown()?;
        for (issuer, authority) in [("trusted", authority), ("unknown", &unknown)] {
            for (label, names) in CERTIFICATES {
                let folder = certificates.join(issuer).join(label);
                fs::create_dir_all(&folder)?;
                authority.certify(names)?.write(&folder)?;
            }
        }
        Ok(Peer { place, certificates })
    }

    /// Of its own domain, and of one that it has only at home: its certificates name the edge, and not that one.
    pub fn zones(&self) -> [Zone; 2] {
        let address = self.place.tls.ip();
        let mut hosts = BTreeMap::from([DOMAIN, EDGE, INNER_EDGE, BEHIND].map(|host| (host, address)));
        hosts.extend([(INNER_SIDE, beside(address, 10)), (HOME, beside(address, 20))]);
        let edge = Some((EDGE, self.place.tls.port()));
        [Zone { domain: DOMAIN, hosts, edge }, Zone { domain: HOSTED_DOMAIN, hosts: BTreeMap::new(), edge }]
    }

    /// Lines of NAME=value.
    pub fn environment(&self) -> String {
        let Place { tls, plain, .. } = self.place;
        let certificates = self.certificates.display();
        format!("PEER_EDGE={EDGE}\nPEER_TLS={tls}\nPEER_PLAIN={plain}\nCERTIFICATES={certificates}\n")
    }
}

/// So many addresses further on loopback; elsewhere there is only the one.
fn beside(address: IpAddr, hosts: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) if v4.is_loopback() => {
            let [.., last] = v4.octets();
            Ipv4Addr::from_bits(v4.to_bits() - u32::from(last) + u32::from(last.saturating_add(hosts))).into()
        }
        other => other,
    }
}

const DOMAIN: &str = "wingtip.example";
const HOSTED_DOMAIN: &str = "proseware.example";
const EDGE: &str = "sip.wingtip.example";
/// Where the peer has an edge apart: its name on the inner side, and the server behind it.
const INNER_EDGE: &str = "edge.wingtip.example";
const BEHIND: &str = "pbx.wingtip.example";
/// Where it is a Comity in two, on addresses of their own: the edge's inner side, and the home.
const INNER_SIDE: &str = "inner.wingtip.example";
const HOME: &str = "home.wingtip.example";

/// Of the peer; of nobody whom it could be; and of two organisations, for those who claim to be them.
const CERTIFICATES: [(&str, CertificateNames); 4] = [
    ("wingtip", CertificateNames { dns: &[EDGE, DOMAIN], uris: &["sip:wingtip.example"] }),
    ("mallory", CertificateNames { dns: &["sip.mallory.example"], uris: &[] }),
    ("contoso", CertificateNames { dns: &["sip.contoso.example", "contoso.example"], uris: &[] }),
    ("fabrikam", CertificateNames { dns: &["edge.fabrikam.example", "fabrikam.example"], uris: &[] }),
];
