//! What a server shows of itself: a certificate that expires, is revoked, is renewed or is somebody else's.

use federation::trust::{Anchor, Names, PeerCertificate, Purposes, Why};

/// A certificate and what time does to it.
#[derive(Debug, Clone)]
pub struct Identity {
    certificate: PeerCertificate,
    /// Seconds since 1970.
    not_before_unix: i64,
    is_revoked: bool,
}

impl Identity {
    /// By a known authority, valid from before the world began to long after.
    pub fn new(names: &[&str]) -> Identity {
        Identity::from(certificate(names))
    }

    /// By an authority that nobody knows.
    pub fn untrusted(names: &[&str]) -> Identity {
        Identity::from(PeerCertificate { chain: Err(Why::UnknownIssuer), ..certificate(names) })
    }

    /// One more host that it names.
    pub fn add_name(&mut self, host: &str) {
        self.certificate.names.dns.push(host.to_owned());
    }

    pub fn expire(&mut self, at_unix: i64) {
        self.certificate.not_after_unix = at_unix;
    }

    pub fn begin(&mut self, at_unix: i64) {
        self.not_before_unix = at_unix;
    }

    pub fn revoke(&mut self) {
        self.is_revoked = true;
    }

    /// The same names with another serial number, valid from now on for a year.
    pub fn renew(&mut self, now_unix: i64) {
        let serial = u64::from_str_radix(&self.certificate.serial, 16).unwrap_or(0) + 1;
        let names = self.certificate.names.clone();
        self.certificate = PeerCertificate {
            names,
            serial: format!("{serial:02x}"),
            fingerprint: [u8::try_from(serial % 256).expect("below 256"); 32],
            not_after_unix: now_unix + 365 * 86_400,
            ..certificate(&["renewed"])
        };
        self.not_before_unix = now_unix;
        self.is_revoked = false;
    }

    /// What a peer whose clock says `now_unix` makes of it in a handshake.
    pub fn seen_at(&self, now_unix: i64) -> PeerCertificate {
        let mut seen = self.certificate.clone();
        seen.validity = match () {
            () if now_unix > seen.not_after_unix => Err(Why::Expired),
            () if now_unix < self.not_before_unix => Err(Why::NotYetValid),
            () => Ok(()),
        };
        if seen.chain.is_ok() {
            if self.is_revoked {
                seen.chain = Err(Why::Revoked);
            } else if now_unix > seen.not_after_unix {
                seen.chain = Err(Why::Expired);
            } else if now_unix < self.not_before_unix {
                seen.chain = Err(Why::NotYetValid);
            }
        }
        seen
    }
}

impl From<PeerCertificate> for Identity {
    fn from(certificate: PeerCertificate) -> Identity {
        Identity { certificate, not_before_unix: 0, is_revoked: false }
    }
}

/// A certificate by a known authority that names these hosts.
pub fn certificate(names: &[&str]) -> PeerCertificate {
    PeerCertificate {
        chain: Ok(Anchor::Public { name: "Test CA".into() }),
        validity: Ok(()),
        dane: None,
        purposes: Purposes { client_auth: false, server_auth: true, sip_domain: false, any: false, stated: true },
        names: Names { sip_uris: Vec::new(), dns: names.iter().map(|name| (*name).to_owned()).collect() },
        fingerprint: [0; 32],
        issuer: "CN=Test CA".into(),
        serial: "01".into(),
        subject: format!("CN={}", names.first().unwrap_or(&"nobody")),
        not_after_unix: 2_000_000_000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_and_revocation_break_a_chain_and_renewal_mends_it() {
        let mut identity = Identity::new(&["sip.contoso.example"]);
        assert!(identity.seen_at(1_800_000_000).chain.is_ok());
        identity.expire(1_800_000_000);
        assert_eq!(identity.seen_at(1_800_000_001).chain, Err(Why::Expired));
        identity.renew(1_800_000_001);
        let renewed = identity.seen_at(1_800_000_002);
        assert!(renewed.chain.is_ok());
        assert_eq!((renewed.serial.as_str(), renewed.names.dns[0].as_str()), ("02", "sip.contoso.example"));
        assert_eq!(identity.seen_at(1_700_000_000).chain, Err(Why::NotYetValid));
        identity.revoke();
        assert_eq!(identity.seen_at(1_800_000_002).chain, Err(Why::Revoked));
    }
}
