//! The keys of `[federation]` and `[federation.discovered]`.

use super::{Key, Kind, Need};

pub static FEDERATION_ENABLED: Key = Key {
    section: "federation",
    name: "enabled",
    kind: Kind::Switch,
    need: Need::Default("true"),
    example: "true",
    doc: "whether other domains are spoken with at all",
};
pub static FEDERATION_DISCOVERY: Key = Key {
    section: "federation",
    name: "discovery",
    kind: Kind::Switch,
    need: Need::Default("false"),
    example: "false",
    doc: "whether domains without a partner entry are found by DNS and allowed",
};
pub static FEDERATION_DEFAULT_ROUTE: Key = Key {
    section: "federation",
    name: "default_route",
    kind: Kind::Text,
    need: Need::Default("none"),
    example: "\"sip:sbc.corp.example:5061;transport=tls\"",
    doc: "the one next hop for every domain that is not ours, unless its entry blocks it or names an edge; its certificate has to name \
        the host. Discovery has to be off: an unlisted domain is spoken with through this alone",
};
pub static DISCOVERED_RATE: Key = Key {
    section: "federation.discovered",
    name: "rate",
    kind: Kind::Count,
    need: Need::Default("20"),
    example: "20",
    doc: "how many requests a second a partner without an entry may send",
};
pub static DISCOVERED_SUSPECT_RATE: Key = Key {
    section: "federation.discovered",
    name: "suspect_rate",
    kind: Kind::Count,
    need: Need::Default("1"),
    example: "1",
    doc: "how many requests a second one may send that tried names of users who do not exist",
};
pub static DISCOVERED_USERS_MAX: Key = Key {
    section: "federation.discovered",
    name: "users_max",
    kind: Kind::Count,
    need: Need::Default("1000"),
    example: "1000",
    doc: "how many of your users, there or not, one may address within seven days",
};
pub static DISCOVERED_UNANSWERED_PER_USER: Key = Key {
    section: "federation.discovered",
    name: "unanswered_per_user",
    kind: Kind::Count,
    need: Need::Default("3"),
    example: "3",
    doc: "how many messages and calls one may bring a user of yours within a day before he answers",
};
pub static DISCOVERED_UNANSWERED_USERS: Key = Key {
    section: "federation.discovered",
    name: "unanswered_users",
    kind: Kind::Count,
    need: Need::Default("30"),
    example: "30",
    doc: "how many users of yours who have not answered one may write to and call; each who has makes room for as many again",
};
pub static DISCOVERED_UNANSWERED_PER_HOUR: Key = Key {
    section: "federation.discovered",
    name: "unanswered_per_hour",
    kind: Kind::Count,
    need: Need::Default("10"),
    example: "10",
    doc: "how many messages and calls all of them together may bring a user who has not answered them, within an hour",
};
pub static DISCOVERED_HELD_PER_SENDER: Key = Key {
    section: "federation.discovered",
    name: "held_per_sender",
    kind: Kind::Count,
    need: Need::Default("3"),
    example: "3",
    doc: "of how many messages and calls of one sender is kept that they wait for a user to agree",
};
pub static DISCOVERED_HELD_PER_USER: Key = Key {
    section: "federation.discovered",
    name: "held_per_user",
    kind: Kind::Count,
    need: Need::Default("50"),
    example: "50",
    doc: "the same of all senders, for one user",
};
pub static DISCOVERED_HELD_MAX: Key = Key {
    section: "federation.discovered",
    name: "held_max",
    kind: Kind::Count,
    need: Need::Default("10000"),
    example: "10000",
    doc: "the same for all users",
};
pub static DISCOVERED_HELD_DAYS: Key = Key {
    section: "federation.discovered",
    name: "held_days",
    kind: Kind::Count,
    need: Need::Default("7"),
    example: "7",
    doc: "how many days a user has to say whether he agrees, before what is held for him is discarded",
};
pub static DISCOVERED_LOOK_ALIKES: Key = Key {
    section: "federation.discovered",
    name: "look_alikes",
    kind: Kind::Text,
    need: Need::Default("\"refuse-homographs\""),
    example: "\"refuse-homographs\"",
    doc: "what is done about domains that look like yours or like an allowed partner's: \"flag\" shows them to you, \
        \"refuse-homographs\" refuses those that look the same and shows those that are one letter away, \"refuse\" refuses both",
};
pub static DISCOVERED_HIDE_USERS: Key = Key {
    section: "federation.discovered",
    name: "hide_users",
    kind: Kind::Switch,
    need: Need::Default("true"),
    example: "true",
    doc: "whether one cannot tell a user who is away from one who does not exist; messages for users who are away are refused then",
};
pub static FEDERATION_MARK_SOURCE: Key = Key {
    section: "federation",
    name: "mark_source_verifiable",
    kind: Kind::Switch,
    need: Need::Default("true"),
    example: "true",
    doc: "whether what our users send to partners is marked as coming from a user whose password was checked",
};
pub static FEDERATION_DIAGNOSTICS: Key = Key {
    section: "federation",
    name: "diagnostics_to_partners",
    kind: Kind::Switch,
    need: Need::Default("false"),
    example: "true",
    doc: "whether partners are told why we refuse by an id of Lync's, too (ms-diagnostics-public); our own users always are",
};
pub static FEDERATION_CONNECTIONS: Key = Key {
    section: "federation",
    name: "connections_per_partner",
    kind: Kind::Count,
    need: Need::Default("4"),
    example: "4",
    doc: "how many connections of ours a partner has, at most 64; all messages of one call take the same",
};
pub static FEDERATION_CRL: Key = Key {
    section: "federation",
    name: "crl",
    kind: Kind::Text,
    need: Need::Default(r#""when-available""#),
    example: r#""required""#,
    doc: "lists of revoked certificates of partners: when-available (what a list names is refused), required (so is what no current \
        list is held for) or off",
};
pub static FEDERATION_BODY_TYPES: Key = Key {
    section: "federation",
    name: "body_types",
    kind: Kind::Texts,
    need: Need::Default(r#"["*/*"]"#),
    example: r#"["text/*", "application/sdp", "application/*"]"#,
    doc: "the types of bodies that pass between partners and us, such as text/plain or text/*; of a body of several parts, each part's. \
        What does not pass is refused with 415; a few types never do (docs/reference/border.md)",
};
pub static FEDERATION_HIDE_TOPOLOGY: Key = Key {
    section: "federation",
    name: "hide_topology",
    kind: Kind::Switch,
    need: Need::Default("false"),
    example: "true",
    doc: "whether partners see this edge's name alone in Via, Record-Route, Contact and Warning, and no name or address behind it; where a \
        partner's or a provider's entry says nothing (--hide-topology)",
};
