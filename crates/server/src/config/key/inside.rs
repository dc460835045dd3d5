//! The keys of `[inside]`.

use super::{Key, Kind, Need};

pub static INSIDE_NEXT_HOP: Key = Key {
    section: SECTION,
    name: "next_hop",
    kind: Kind::Text,
    need: Need::Default("none; an edge alone needs it"),
    example: r#""sip:pbx.corp.example;transport=tls""#,
    doc: "what is behind this edge: HOST:PORT of a home of Comity, or sip:HOST:PORT;transport=T (tls, tcp or udp) of any other SIP server",
};
pub static INSIDE_EDGES: Key = Key {
    section: SECTION,
    name: "edges",
    kind: Kind::Texts,
    need: Need::Default("none; a home alone needs it"),
    example: r#"["edge1.corp.example:5061"]"#,
    doc: "the inner names of the edges before this home",
};
pub static INSIDE_LISTEN: Key = Key {
    section: SECTION,
    name: "listen",
    kind: Kind::Texts,
    need: Need::Default("none; an edge or a home alone needs it"),
    example: r#"["10.0.0.1:5061"]"#,
    doc: "the addresses of the inner side, over the same transport as the next hop unless ;transport=T says another",
};
pub static INSIDE_PROXY_FROM: Key = Key {
    section: SECTION,
    name: "proxy_from",
    kind: Kind::Texts,
    need: Need::Default("none"),
    example: r#"["10.0.0.250"]"#,
    doc: "the load balancers in front of the inner addresses for TLS, which begin with a PROXY header of version 2",
};
pub static INSIDE_NAME: Key = Key {
    section: SECTION,
    name: "name",
    kind: Kind::Text,
    need: Need::Default("the same as edge"),
    example: r#""edge1.corp.example""#,
    doc: "the name by which the inner side reaches this server",
};
pub static INSIDE_PEERS: Key = Key {
    section: SECTION,
    name: "peers",
    kind: Kind::Texts,
    need: Need::Default("the next hop, or the edges"),
    example: r#"["pbx2.corp.example"]"#,
    doc: "who else may speak on the inner side: names that certificates have, or addresses where [inside] listen has TCP or UDP",
};
pub static INSIDE_CHAIN: Key = Key {
    section: SECTION,
    name: "chain",
    kind: Kind::Path,
    need: Need::Default("the one of [certificate]"),
    example: r#""inside.pem""#,
    doc: "the certificate for the inner side, which may be of an authority of your own (PEM)",
};
pub static INSIDE_KEY: Key = Key {
    section: SECTION,
    name: "key",
    kind: Kind::Path,
    need: Need::Default("the one of [certificate]"),
    example: r#""inside.key""#,
    doc: "the private key of the certificate for the inner side (PEM)",
};
pub static INSIDE_ROOTS: Key = Key {
    section: SECTION,
    name: "roots",
    kind: Kind::Path,
    need: Need::Default("the ones of [certificate]"),
    example: r#""inside-ca.pem""#,
    doc: "the authorities trusted on the inner side (PEM)",
};
pub static INSIDE_CONTROL: Key = Key {
    section: SECTION,
    name: "control",
    kind: Kind::Texts,
    need: Need::Default("[]: an edge's partners are entered on the edge itself, and a home tells each name in edges"),
    example: r#"["10.0.0.1:5062"]"#,
    doc: "of an edge: addresses where its home, a Comity, tells it partners, rules and keys; of a home whose edges share one name in \
        edges: the name of each, HOST:PORT, which its certificate has to have",
};
pub static INSIDE_CONTROL_PORT: Key = Key {
    section: SECTION,
    name: "control_port",
    kind: Kind::Count,
    need: Need::Default("5062"),
    example: "5062",
    doc: "the port of the control addresses of a home's edges",
};
pub static INSIDE_ASSERT: Key = Key {
    section: SECTION,
    name: "assert",
    kind: Kind::Switch,
    need: Need::Default("false"),
    example: "true",
    doc: "whether a partner's request goes to the next hop with P-Asserted-Identity (RFC 3325)",
};
pub static INSIDE_REMOTE_USERS: Key = Key {
    section: SECTION,
    name: "remote_users",
    kind: Kind::Switch,
    need: Need::Default("false"),
    example: "true",
    doc: "whether users sign in through this edge from outside; what is behind it asks them for their passwords",
};

const SECTION: &str = "inside";
