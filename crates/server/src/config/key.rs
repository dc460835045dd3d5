//! Every key of `comity.toml`, defined once: reading, error messages and the reference text all come from here.

mod acme;
mod federation;
mod inside;

pub use acme::*;
pub use federation::*;
pub use inside::*;

/// One key: where it stands, what it holds and what it means.
#[derive(Debug, PartialEq, Eq)]
pub struct Key {
    /// The name of its `[section]`; empty at the top of the file.
    pub section: &'static str,
    pub name: &'static str,
    pub kind: Kind,
    pub need: Need,
    /// A value as it could stand in the file.
    pub example: &'static str,
    /// What it means, as the rest of a sentence.
    pub doc: &'static str,
}

/// What a key holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    Texts,
    /// One, or a list.
    TextOrTexts,
    /// Relative to the folder of the file.
    Path,
    Count,
    Switch,
}

/// Whether a key must be there, and what holds without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    Required,
    /// Required where this section is absent, and forbidden where it is there.
    Unless(&'static str),
    Default(&'static str),
}

impl Kind {
    /// As in "expected ...".
    pub fn expected(self) -> &'static str {
        match self {
            Kind::Text => "a text in quotes",
            Kind::Texts => "a list of texts in quotes",
            Kind::TextOrTexts => "a text in quotes, or a list of them",
            Kind::Path => "a path in quotes",
            Kind::Count => "a whole number",
            Kind::Switch => "true or false",
        }
    }
}

impl Key {
    /// `[certificate] chain`, or `domains` for a key at the top.
    pub fn place(&self) -> String {
        if self.section.is_empty() { self.name.to_owned() } else { format!("[{}] {}", self.section, self.name) }
    }
}

/// Every key with its meaning and its default, in the form of a file.
pub fn reference() -> String {
    let mut text = String::new();
    let mut section = "";
    for key in ALL {
        if key.section != section {
            section = key.section;
            text.push_str(&format!("\n[{section}]\n"));
        }
        let need = match key.need {
            Need::Required => "required".to_owned(),
            Need::Unless(section) => format!("required unless there is [{section}]"),
            Need::Default(default) => format!("default: {default}"),
        };
        // Some of them exclude others: an edge has a next hop, a home has edges; a certificate is read or ordered.
        let mark = if ["certificate.acme", "inside"].contains(&key.section) { "# " } else { "" };
        text.push_str(&format!("# {}; {need}\n{mark}{} = {}\n", key.doc, key.name, key.example));
    }
    text
}

pub static DOMAINS: Key = Key {
    section: "",
    name: "domains",
    kind: Kind::Texts,
    need: Need::Required,
    example: r#"["contoso.example"]"#,
    doc: "the SIP domains served here: the part after the @ of your users' addresses",
};
pub static EDGE: Key = Key {
    section: "",
    name: "edge",
    kind: Kind::Text,
    need: Need::Required,
    example: r#""sip.contoso.example""#,
    doc: "the name of this server as the DNS and its certificate have it",
};
pub static ROLES: Key = Key {
    section: "",
    name: "roles",
    kind: Kind::Texts,
    need: Need::Default("[\"edge\", \"home\"]"),
    example: r#"["edge", "home"]"#,
    doc: "what this server does: \"edge\" lets partners in and out, \"home\" has the users; alone, each needs [inside]",
};
pub static DATA: Key = Key {
    section: "",
    name: "data",
    kind: Kind::Path,
    need: Need::Default("\"data\""),
    example: r#""data""#,
    doc: "the folder of the database and the control socket, relative to this file",
};
pub static WORKERS: Key = Key {
    section: "",
    name: "workers",
    kind: Kind::Count,
    need: Need::Default("the number of cores, at least 2"),
    example: "4",
    doc: "the number of threads that serve SIP",
};
pub static DRAIN_SECS_MAX: Key = Key {
    section: "",
    name: "drain_secs_max",
    kind: Kind::Count,
    need: Need::Default("10"),
    example: "10",
    doc: "how long a server that is to end waits for what is under way, in seconds",
};
pub static CERTIFICATE_CHAIN: Key = Key {
    section: "certificate",
    name: "chain",
    kind: Kind::Path,
    need: Need::Unless("certificate.acme"),
    example: r#""contoso.pem""#,
    doc: "the server's certificate and its intermediates (PEM, its own first)",
};
pub static CERTIFICATE_KEY: Key = Key {
    section: "certificate",
    name: "key",
    kind: Kind::Path,
    need: Need::Unless("certificate.acme"),
    example: r#""contoso.key""#,
    doc: "the private key of the certificate (PEM)",
};
pub static CERTIFICATE_ROOTS: Key = Key {
    section: "certificate",
    name: "roots",
    kind: Kind::Path,
    need: Need::Default("the system's"),
    example: r#""ca.pem""#,
    doc: "the authorities trusted to name partners (PEM)",
};
pub static CERTIFICATE_ALSO: Key = Key {
    section: "certificate",
    name: "also",
    kind: Kind::Texts,
    need: Need::Default("none"),
    example: r#"["phone.pem", "/etc/letsencrypt/live/fabrikam.example"]"#,
    doc: "further certificates, for phones and browsers that ask for a name that the first one has not, and for domains of ours \
        that it does not prove to partners: a file with its key beside \
        it (phone.pem, phone.key), or a folder as certbot leaves it (fullchain.pem, privkey.pem)",
};
pub static CERTIFICATE_FOR_PARTNERS: Key = Key {
    section: "certificate",
    name: "for_partners",
    kind: Kind::Texts,
    need: Need::Default("none"),
    example: r#"["fabrikam.example = for-fabrikam.pem"]"#,
    doc: "what single partners are shown when this server connects to them, in place of the certificate that all others are: the \
        partner's domain, and the certificate as in also",
};
pub static LISTEN_TLS: Key = Key {
    section: "listen",
    name: "tls",
    kind: Kind::Texts,
    need: Need::Required,
    example: r#"["192.0.2.1:5061"]"#,
    doc: "the addresses where partners and phones connect by TLS",
};
pub static LISTEN_TCP: Key = Key {
    section: "listen",
    name: "tcp",
    kind: Kind::Texts,
    need: Need::Default("none"),
    example: r#"["192.0.2.1:5060"]"#,
    doc: "the addresses for phones by TCP, without encryption",
};
pub static LISTEN_UDP: Key = Key {
    section: "listen",
    name: "udp",
    kind: Kind::Texts,
    need: Need::Default("none"),
    example: r#"["192.0.2.1:5060"]"#,
    doc: "the addresses for phones by UDP, without encryption",
};
pub static LISTEN_WSS: Key = Key {
    section: "listen",
    name: "wss",
    kind: Kind::Texts,
    need: Need::Default("none"),
    example: r#"["192.0.2.1:7443"]"#,
    doc: "the addresses for phones in browsers: WebSockets over TLS, with the server's certificate",
};
pub static LISTEN_WS: Key = Key {
    section: "listen",
    name: "ws",
    kind: Kind::Texts,
    need: Need::Default("none"),
    example: r#"["127.0.0.1:7080"]"#,
    doc: "the addresses for WebSockets without encryption: for a reverse proxy in front that has the TLS",
};
pub static LISTEN_METRICS: Key = Key {
    section: "listen",
    name: "metrics",
    kind: Kind::Texts,
    need: Need::Default("none"),
    example: r#"["127.0.0.1:9464"]"#,
    doc: "the addresses where Prometheus gets the metrics by HTTP, without encryption",
};
pub static LISTEN_HEALTH: Key = Key {
    section: "listen",
    name: "health",
    kind: Kind::Texts,
    need: Need::Default("none"),
    example: r#"["10.0.0.1:8061"]"#,
    doc: "the addresses where load balancers ask by HTTP, GET /health, whether this server can do the work: 200, or 503 with reasons",
};
pub static LISTEN_PROXY_FROM: Key = Key {
    section: "listen",
    name: "proxy_from",
    kind: Kind::Texts,
    need: Need::Default("none"),
    example: r#"["192.0.2.250", "198.51.100.0/28"]"#,
    doc: "the load balancers in front of the addresses for TLS: what they hand on must begin with a PROXY header of version 2, \
        which says who connected",
};
pub static WEB_ORIGINS: Key = Key {
    section: "web",
    name: "origins",
    kind: Kind::Texts,
    need: Need::Default("by https, each domain's own host and all hosts below it"),
    example: r#"["https://phone.contoso.example", "https://*.contoso.example"]"#,
    doc: "the origins of the web pages that may open a WebSocket here, by https or http and with their port if it is not the \
        usual one",
};
pub static MEDIA_AT: Key = Key {
    section: "media",
    name: "at",
    kind: Kind::Text,
    need: Need::Default("\"here\""),
    example: r#""here""#,
    doc: "where the sound of meetings and anchored calls comes together: \"here\", or of a home alone at its \"edges\"",
};
pub static MEDIA_ADDRESS: Key = Key {
    section: "media",
    name: "address",
    kind: Kind::TextOrTexts,
    need: Need::Default(
        "of IPv4 and of IPv6 the first that a listener names, else, where a listener takes all of them, the one that this machine has \
         towards the network",
    ),
    example: r#"["192.0.2.1", "2001:db8::1"]"#,
    doc: "the address that phones are told to send sound to, or one of IPv4 and one of IPv6: a phone is told the one of the kind that \
          it has, else the first; behind a NAT, the public one; an edge alone that has one takes the sound of its home",
};
pub static MEDIA_PORTS: Key = Key {
    section: "media",
    name: "ports",
    kind: Kind::Text,
    need: Need::Default("\"20000-29999\""),
    example: r#""20000-29999""#,
    doc: "the UDP ports for sound, two for each phone in a meeting or in a call whose sound goes through this server",
};
pub static MEDIA_THREADS: Key = Key {
    section: "media",
    name: "threads",
    kind: Kind::Count,
    need: Need::Default("the number of cores, at most 2"),
    example: "2",
    doc: "the number of threads that mix sound",
};
pub static CALLS_BETWEEN: Key = Key {
    section: "calls",
    name: "between",
    kind: Kind::Text,
    need: Need::Default(r#""when-needed""#),
    example: r#""always""#,
    doc: "which calls of our users this server stands between, so that it can move them into a meeting: when-needed (those of \
        phones that do not show REFER and Replaces, and sessions of messages), always or never",
};
pub static CALLS_ANCHOR: Key = Key {
    section: "calls",
    name: "anchor",
    kind: Kind::Text,
    need: Need::Default(r#""when-needed""#),
    example: r#""never""#,
    doc: "whose sound goes through this server: when-needed (of phones that share no encoding, of which only one encrypts, or of which one has IPv4 \
        and the other IPv6), always or never",
};
pub static CALLS_REDIRECTS: Key = Key {
    section: "calls",
    name: "redirects",
    kind: Kind::Switch,
    need: Need::Default("false"),
    example: "true",
    doc: "whether a call of a user goes on to where the one called sends it (301, 302); otherwise his phone is told",
};
pub static USERS_DIGEST: Key = Key {
    section: "users",
    name: "digest",
    kind: Kind::Texts,
    need: Need::Default(r#"["SHA-256", "MD5"]"#),
    example: r#"["SHA-256", "MD5"]"#,
    doc: "the digest algorithms that users may sign in with, most wanted first; some old phones trip over SHA-256",
};
pub static DNS_SERVERS: Key = Key {
    section: "dns",
    name: "servers",
    kind: Kind::Texts,
    need: Need::Default("the system's"),
    example: r#"["192.0.2.53:53"]"#,
    doc: "the DNS servers to ask",
};
pub static DNS_DNSSEC: Key = Key {
    section: "dns",
    name: "dnssec",
    kind: Kind::Switch,
    need: Need::Default("false"),
    example: "true",
    doc: "validate every answer by DNSSEC, here; the servers have to hand on signatures",
};
pub static DNS_TRUST_ANCHOR: Key = Key {
    section: "dns",
    name: "trust_anchor",
    kind: Kind::Path,
    need: Need::Default("the root's"),
    example: r#""root.key""#,
    doc: "a file of DNSKEY records from which DNSSEC begins, in place of the root's",
};
pub static MAIL_SMTP: Key = Key {
    section: "mail",
    name: "smtp",
    kind: Kind::Text,
    need: Need::Default("none: no mail is sent"),
    example: r#""smtp://mail.contoso.example:587""#,
    doc: "the mail server that takes invitations to meetings; smtps:// where it speaks TLS from the first byte",
};
pub static MAIL_STARTTLS: Key = Key {
    section: "mail",
    name: "starttls",
    kind: Kind::Switch,
    need: Need::Default("true"),
    example: "true",
    doc: "whether a connection to smtp:// is encrypted before anything is said on it; false for a server on this machine alone",
};
pub static MAIL_FROM: Key = Key {
    section: "mail",
    name: "from",
    kind: Kind::Text,
    need: Need::Default("the meeting's organiser"),
    example: r#""Meetings <meetings@contoso.example>""#,
    doc: "the address that invitations come from; answers go to the organiser",
};
pub static MAIL_USER: Key = Key {
    section: "mail",
    name: "user",
    kind: Kind::Text,
    need: Need::Default("none: the mail server asks for none"),
    example: r#""comity""#,
    doc: "the user name at the mail server",
};
pub static MAIL_PASSWORD_FILE: Key = Key {
    section: "mail",
    name: "password_file",
    kind: Kind::Path,
    need: Need::Default("none"),
    example: r#""mail.password""#,
    doc: "the file with that user's password, and nothing else",
};
pub static MAIL_ROOTS: Key = Key {
    section: "mail",
    name: "roots",
    kind: Kind::Path,
    need: Need::Default("the system's"),
    example: r#""ca.pem""#,
    doc: "the authorities trusted to name the mail server (PEM)",
};

pub static RECORDS_KEEP_DAYS: Key = Key {
    section: "records",
    name: "keep_days",
    kind: Kind::Count,
    need: Need::Default("30"),
    example: "30",
    doc: "how long records of calls are kept after their end, in days; 0 keeps none",
};

/// All keys, in the order of the reference.
pub static ALL: &[&Key] = &[
    &DOMAINS,
    &EDGE,
    &ROLES,
    &DATA,
    &WORKERS,
    &DRAIN_SECS_MAX,
    &CERTIFICATE_CHAIN,
    &CERTIFICATE_KEY,
    &CERTIFICATE_ROOTS,
    &CERTIFICATE_ALSO,
    &CERTIFICATE_FOR_PARTNERS,
    &ACME_DIRECTORY,
    &ACME_CONTACT,
    &ACME_NAMES,
    &ACME_CHALLENGE,
    &ACME_ROOTS,
    &ACME_HTTP,
    &ACME_DNS_SERVER,
    &ACME_TSIG_NAME,
    &ACME_TSIG_ALGORITHM,
    &ACME_TSIG_SECRET_FILE,
    &ACME_DNS_WAIT_SECS,
    &ACME_RENEW_BEFORE_DAYS,
    &LISTEN_TLS,
    &LISTEN_TCP,
    &LISTEN_UDP,
    &LISTEN_WSS,
    &LISTEN_WS,
    &LISTEN_METRICS,
    &LISTEN_HEALTH,
    &LISTEN_PROXY_FROM,
    &WEB_ORIGINS,
    &MEDIA_AT,
    &MEDIA_ADDRESS,
    &MEDIA_PORTS,
    &MEDIA_THREADS,
    &INSIDE_NEXT_HOP,
    &INSIDE_EDGES,
    &INSIDE_LISTEN,
    &INSIDE_PROXY_FROM,
    &INSIDE_NAME,
    &INSIDE_PEERS,
    &INSIDE_CHAIN,
    &INSIDE_KEY,
    &INSIDE_ROOTS,
    &INSIDE_ASSERT,
    &INSIDE_CONTROL,
    &INSIDE_CONTROL_PORT,
    &INSIDE_REMOTE_USERS,
    &FEDERATION_ENABLED,
    &FEDERATION_DISCOVERY,
    &FEDERATION_DEFAULT_ROUTE,
    &FEDERATION_MARK_SOURCE,
    &FEDERATION_DIAGNOSTICS,
    &FEDERATION_HIDE_TOPOLOGY,
    &FEDERATION_BODY_TYPES,
    &FEDERATION_CRL,
    &FEDERATION_CONNECTIONS,
    &DISCOVERED_RATE,
    &DISCOVERED_SUSPECT_RATE,
    &DISCOVERED_USERS_MAX,
    &DISCOVERED_UNANSWERED_PER_USER,
    &DISCOVERED_UNANSWERED_USERS,
    &DISCOVERED_UNANSWERED_PER_HOUR,
    &DISCOVERED_HELD_PER_SENDER,
    &DISCOVERED_HELD_PER_USER,
    &DISCOVERED_HELD_MAX,
    &DISCOVERED_HELD_DAYS,
    &DISCOVERED_LOOK_ALIKES,
    &DISCOVERED_HIDE_USERS,
    &CALLS_BETWEEN,
    &CALLS_ANCHOR,
    &CALLS_REDIRECTS,
    &USERS_DIGEST,
    &DNS_SERVERS,
    &DNS_DNSSEC,
    &DNS_TRUST_ANCHOR,
    &MAIL_SMTP,
    &MAIL_STARTTLS,
    &MAIL_FROM,
    &MAIL_USER,
    &MAIL_PASSWORD_FILE,
    &MAIL_ROOTS,
    &RECORDS_KEEP_DAYS,
];
