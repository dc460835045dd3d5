//! The keys of `[certificate.acme]`.

use super::{Key, Kind, Need};

pub static ACME_DIRECTORY: Key = Key {
    section: SECTION,
    name: "directory",
    kind: Kind::Text,
    need: Need::Default("none: the certificate is read from chain and key"),
    example: r#""https://acme-v02.api.letsencrypt.org/directory""#,
    doc: "the directory of the authority (ACME) that the certificate is ordered from; who names it agrees to its terms",
};
pub static ACME_CONTACT: Key = Key {
    section: SECTION,
    name: "contact",
    kind: Kind::Texts,
    need: Need::Default("none"),
    example: r#"["hostmaster@contoso.example"]"#,
    doc: "the mail addresses to which the authority may write",
};
pub static ACME_NAMES: Key = Key {
    section: SECTION,
    name: "names",
    kind: Kind::Texts,
    need: Need::Default("the edge and the domains"),
    example: r#"["sip.contoso.example", "contoso.example"]"#,
    doc: "the names to order; each has to be proven",
};
pub static ACME_CHALLENGE: Key = Key {
    section: SECTION,
    name: "challenge",
    kind: Kind::Text,
    need: Need::Default("\"http-01\""),
    example: r#""http-01""#,
    doc: "how the names are proven: \"http-01\" on port 80, \"tls-alpn-01\" on port 443, or \"dns-01\" by a record in the DNS",
};
pub static ACME_ROOTS: Key = Key {
    section: SECTION,
    name: "roots",
    kind: Kind::Path,
    need: Need::Default("the system's"),
    example: r#""acme-ca.pem""#,
    doc: "the authorities that vouch for the server behind directory (PEM): for a private one",
};
pub static ACME_HTTP: Key = Key {
    section: SECTION,
    name: "http",
    kind: Kind::Texts,
    need: Need::Default("port 80 of the addresses in [listen] tls"),
    example: r#"["192.0.2.1:80"]"#,
    doc: "for http-01: the addresses on which challenges are answered while an order waits; the authority comes to port 80",
};
pub static ACME_DNS_SERVER: Key = Key {
    section: SECTION,
    name: "dns_server",
    kind: Kind::Texts,
    need: Need::Default("none"),
    example: r#"["192.0.2.53:53"]"#,
    doc: "for dns-01: the one primary name server that takes updates (RFC 2136) for the zones of all names, by TCP",
};
pub static ACME_TSIG_NAME: Key = Key {
    section: SECTION,
    name: "tsig_name",
    kind: Kind::Text,
    need: Need::Default("none"),
    example: r#""comity.contoso.example""#,
    doc: "for dns-01: the name of the key that signs the updates (TSIG)",
};
pub static ACME_TSIG_ALGORITHM: Key = Key {
    section: SECTION,
    name: "tsig_algorithm",
    kind: Kind::Text,
    need: Need::Default("\"hmac-sha256\""),
    example: r#""hmac-sha256""#,
    doc: "for dns-01: the algorithm of that key, \"hmac-sha256\", \"hmac-sha384\" or \"hmac-sha512\"",
};
pub static ACME_TSIG_SECRET_FILE: Key = Key {
    section: SECTION,
    name: "tsig_secret_file",
    kind: Kind::Path,
    need: Need::Default("none"),
    example: r#""tsig.secret""#,
    doc: "for dns-01: the file with the secret of that key, in base64",
};
pub static ACME_DNS_WAIT_SECS: Key = Key {
    section: SECTION,
    name: "dns_wait_secs",
    kind: Kind::Count,
    need: Need::Default("10"),
    example: "10",
    doc: "for dns-01: how long the zone's other name servers take to have what the first one has, in seconds",
};
pub static ACME_RENEW_BEFORE_DAYS: Key = Key {
    section: SECTION,
    name: "renew_before_days",
    kind: Kind::Count,
    need: Need::Default("a third of the certificate's life"),
    example: "30",
    doc: "how long before its end the certificate is replaced, in days",
};

const SECTION: &str = "certificate.acme";
