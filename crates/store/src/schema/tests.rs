//! A database of every earlier version, with rows in every table as that version wrote them, read by this one.

use federation::external_access::Scope;
use federation::ledger::KeptAnswer;
use federation::modality::Modalities;
use federation::partner::{EntrySwitch, Partner, PartnerKind, VerificationLevel};
use messaging::MessageId;

use super::*;
use crate::revision::tests::rules;
use crate::{CallQuery, RefusalQuery, Revision, Store, WaitingMessages};

/// What a server of each version wrote into the tables that its step made. Never edit what was released, either: where an
/// old record cannot be read any more, a step has to rewrite it.
const ROWS: &[&str] = &[
    r#"INSERT INTO users VALUES ('alice@contoso.example', '$argon2id$', zeroblob(32), zeroblob(16), 1);
    INSERT INTO partners VALUES ('fabrikam.example', 'allowed-server', 'sip.fabrikam.example:5061', 'theirs', 2);
    INSERT INTO partners VALUES ('adatum.example', 'allowed-domain', NULL, '', 3);
    INSERT INTO partners VALUES ('tailspin.example', 'blocked', NULL, 'spam', 4);
    INSERT INTO server VALUES ('secret', x'0707070707070707070707070707070707070707070707070707070707070707');
    INSERT INTO server VALUES ('incarnation', x'00000029');
    INSERT INTO refusals (at, call_id, from_domain, to_domain, record) VALUES (5, 'a', 'adatum.example', 'contoso.example',
        '{"call_id":"a","method":"MESSAGE","from_domain":"adatum.example","to_domain":"contoso.example",
          "direction":"Inbound","outcome":{"Refused":{"status":403,"word":"domain-not-allowed","reason":"no entry"}},
          "spent_ms":0}');"#,
    "INSERT INTO stored_messages (aor, accepted, expires, was_sent, request)
        VALUES ('alice@contoso.example', 10, 20, 0, CAST('first' AS BLOB)), ('alice@contoso.example', 11, 20, 1, CAST('second' AS BLOB));",
    r#"INSERT INTO meetings VALUES ('one', 'alice@contoso.example', NULL,
        '{"id":"one","organiser":"alice@contoso.example","subject":"Budget","start":"2026-12-01T10:00:00",
          "zone":"Europe/Berlin","minutes":45,"recurrence":null,"exceptions":{},"invitees":[],
          "settings":{"lobby":{"own":"enter","invited":"enter","federated":"wait","by_domain":{}},
            "presenters":"company","is_locked":false,"mute_on_entry":false,"opens_before_mins":10},
          "sequence":0,"is_cancelled":false}', 6);"#,
    r#"INSERT INTO call_records (call_id, aor, other, partner, began, ended, record)
        VALUES ('c1', 'alice@contoso.example', 'bob@fabrikam.example', 'fabrikam.example', 1000, 2000,
        '{"call_id":"c1","user":{"user":"alice","domain":"contoso.example"},"other":"bob@fabrikam.example",
          "partner":"fabrikam.example","direction":"Outbound","kind":"call","way":"proxied","began_unix_ms":1000,
          "ringing_ms":80,"answered_ms":900,"end":{"at_unix_ms":2000,"cause":"by-callee"}}');
    INSERT INTO call_legs (call_id, closed, record) VALUES ('c1', 2000,
        '{"call_id":"c1","who":"bob@fabrikam.example","closed_unix_ms":2000,"report":{"encoding":null,"is_protected":false,
          "packets_received":3,"packets_sent":0,"packets_lost":0,"packets_late":0,"jitter_ms":0.0,"jitter_ms_max":0.0,
          "peer_lost":0,"peer_jitter_ms":0.0,"round_trip_ms":null,"gap_ms_max":0}}');"#,
    "INSERT INTO domain_trust VALUES ('fabrikam.example', 'pin', zeroblob(32), 7);
    INSERT INTO domain_trust VALUES ('fabrikam.example', 'anchor', x'3000', 8);",
    r#"INSERT INTO suspects VALUES ('CN=Some CA', '0a', 3000,
        '{"certificate":{"issuer":"CN=Some CA","serial":"0a"},"domains":["adatum.example"],"since_unix_ms":2000,
          "last_fault_unix_ms":3000,"users":[18446744073709551615]}');"#,
    r#"UPDATE partners SET monitored = 1, verification = 'use-source-verification', modalities = 'messages, presence'
        WHERE domain = 'fabrikam.example';
    INSERT INTO providers VALUES ('cloud', 'edge.cloud.example',
        '{"name":"cloud","edge":"edge.cloud.example:5071","enabled":true,"verification":"always-unverifiable",
          "shared_address_space":true,"hosts_users":true,"comment":"theirs"}', 7);"#,
    r#"INSERT INTO policies VALUES ('sales', '{"name":"sales","federation":true,"partners":{"only":["fabrikam.example"]},
        "modalities":["messages","audio"]}');
    INSERT INTO group_policies VALUES ('floor', 'sales');
    INSERT INTO user_access VALUES ('alice@contoso.example', 'sales', 'floor');
    INSERT INTO user_allows VALUES ('alice@contoso.example', 'bob@fabrikam.example');"#,
    r#"INSERT INTO told VALUES (1, '00112233445566778899aabbccddeeff', 41, 'home.corp.example', 9,
        '{"federation":true,"discovery":false,"mark_source_verifiable":true,"discovered":{"rate":20,"suspect_rate":1,
          "users_max":1000,"hide_users":true,"look_alikes":"refuse-homographs"}}', zeroblob(32));"#,
    "UPDATE partners SET mark_source = 'never' WHERE domain = 'fabrikam.example';",
    r#"INSERT INTO partners_seen VALUES ('fabrikam.example', 1, '', '0a', 5, 6, '{"domain":"fabrikam.example","is_inbound":true,
        "place":"","address":"192.0.2.1","rung":"domain","fingerprint":"0a","subject":"CN=edge","issuer":"CN=Some CA",
        "serial":"01","not_after_unix":7}');"#,
    "INSERT INTO consents VALUES ('alice@contoso.example', 'eve@mallory.example', 'asked', 'abcdefghijkm', 10);
    INSERT INTO held_messages (aor, sender, accepted, expires, until, request)
        VALUES ('alice@contoso.example', 'eve@mallory.example', 10, 20, 20, CAST('hello' AS BLOB));",
    "INSERT INTO turned_to VALUES (-1, 'adatum.example', 4000);
    INSERT INTO knocks (at, user, domain, issuer, serial) VALUES (5000, 7, 'adatum.example', 'CN=Some CA', '0a');",
    "UPDATE partners SET comment = 'changed' WHERE domain = 'fabrikam.example';",
    "INSERT INTO users VALUES ('bob@contoso.example', '$argon2id$', zeroblob(32), zeroblob(16), 8, zeroblob(32), zeroblob(16));",
    "UPDATE partners SET hide_topology = 'always' WHERE domain = 'fabrikam.example';",
];

/// As the server of that version left it.
fn database_of(version: usize, path: &Path) {
    let connection = Connection::open(path).unwrap();
    connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA foreign_keys = ON").unwrap();
    for (step, rows) in STEPS.iter().zip(ROWS).take(version) {
        connection.execute_batch(step).unwrap();
        connection.execute_batch(rows).unwrap();
    }
    connection.pragma_update(None, "user_version", version as i64).unwrap();
    for table in tables(&connection) {
        let count = |table: &str| format!("SELECT count(*) FROM {table}");
        let rows: i64 = connection.query_row(&count(&table), [], |row| row.get(0)).unwrap();
        assert!(rows > 0, "version {version}: ROWS has nothing for {table}");
    }
}

fn tables(connection: &Connection) -> Vec<String> {
    let mut statement = connection
        .prepare("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name")
        .unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

/// Every statement by which a schema is made, without what the order of making changes.
fn definitions(connection: &Connection) -> Vec<String> {
    let mut statement =
        connection.prepare("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY type, name").unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

/// What the first version had.
fn check_users_partners_refusals(store: &Store) {
    let alice = "alice@contoso.example".parse().unwrap();
    assert_eq!(store.users().unwrap()[0].aor, alice);
    assert!(store.ha1(&alice).unwrap().is_some_and(|ha1| ha1.of_address.is_none()));
    let partners = store.partners().unwrap();
    let kinds: Vec<_> = partners.iter().map(|found| (found.partner.domain.as_str(), &found.partner.kind)).collect();
    assert!(matches!(
        kinds[..],
        [
            ("adatum.example", PartnerKind::AllowedDomain),
            ("fabrikam.example", PartnerKind::AllowedServer { .. }),
            ("tailspin.example", PartnerKind::Blocked)
        ]
    ));
    let refusals = store.refusals(&RefusalQuery { limit: 10, ..RefusalQuery::default() }).unwrap();
    assert_eq!((refusals.len(), refusals[0].at_unix_ms, refusals[0].record.call_id.as_str()), (1, 5, "a"));
    assert_eq!(store.secret([8; 32]).unwrap(), [7; 32]);
    assert_eq!(store.next_incarnation().unwrap(), 42);
}

fn check_messages(store: &Store) {
    let alice = "alice@contoso.example".parse().unwrap();
    assert_eq!(store.waiting_messages().unwrap(), WaitingMessages { count: 2, oldest_unix_ms: Some(10) });
    let first = store.next_message(&alice, MessageId(0), 12).unwrap().unwrap();
    let second = store.next_message(&alice, first.id, 12).unwrap().unwrap();
    assert_eq!((&first.request[..], first.is_repeat), (&b"first"[..], false));
    assert_eq!((&second.request[..], second.is_repeat), (&b"second"[..], true));
}

fn check_meetings(store: &Store) {
    let meetings = store.meetings(0).unwrap();
    assert_eq!((meetings.len(), meetings[0].created_unix), (1, 6));
    assert_eq!((meetings[0].meeting.subject.as_str(), meetings[0].meeting.minutes), ("Budget", 45));
}

fn check_calls(store: &Store) {
    let calls = store.calls(&CallQuery { limit: 10, ..CallQuery::default() }).unwrap();
    assert_eq!((calls.len(), calls[0].record.answered_ms, calls[0].legs.len()), (1, Some(900), 1));
    assert_eq!(calls[0].legs[0].report.packets_received, 3);
}

fn check_domain_trust(store: &Store) {
    let trust = store.domain_trust().unwrap();
    assert_eq!((trust.len(), &trust["fabrikam.example"].pins[..]), (1, &[[0; 32]][..]));
    assert_eq!(trust["fabrikam.example"].anchors, [vec![0x30, 0]]);
}

fn check_suspects(store: &Store) {
    let suspects = store.suspects(0).unwrap();
    assert_eq!((suspects.len(), suspects[0].users.as_slice()), (1, [u64::MAX].as_slice()));
}

fn check_terms_and_providers(store: &Store) {
    let fabrikam = store.partner("fabrikam.example").unwrap().unwrap().partner;
    assert_eq!((fabrikam.monitored, fabrikam.verification), (true, VerificationLevel::UseSourceVerification));
    assert_eq!(fabrikam.modalities.to_string(), "messages, presence");
    // An entry of before keeps what it meant.
    assert_eq!(store.partner("adatum.example").unwrap().unwrap().partner, Partner::allowed("adatum.example"));
    let providers = store.providers().unwrap();
    assert_eq!((providers.len(), providers[0].added_unix), (1, 7));
    let cloud = &providers[0].provider;
    assert_eq!((cloud.edge.as_str(), cloud.takes_missing_users()), ("edge.cloud.example:5071", true));
    assert_eq!((cloud.monitored, cloud.modalities), (false, Modalities::ALL));
}

fn check_access(store: &Store) {
    let alice = "alice@contoso.example".parse().unwrap();
    let access = store.external_access().unwrap();
    let (policy, scope) = access.policy_of(Some(&alice));
    assert_eq!((policy.map(|policy| policy.name.as_str()), scope), (Some("sales"), Scope::User));
    assert_eq!(policy.map(|policy| policy.modalities.to_string()).as_deref(), Some("messages, audio"));
    assert!(access.lets_reach(&alice, "bob@fabrikam.example"));
}

fn check_told(store: &Store) {
    let (own, told) = (store.revision().unwrap(), store.told().unwrap().unwrap());
    assert_eq!((own.epoch.len(), told.revision.number, told.home.as_str()), (32, 41, "home.corp.example"));
    assert_eq!((told.rules.discovered.users_max, told.pool_secret), (1000, crate::PoolSecret([0; 32])));
}

fn check_mark_source(store: &Store) {
    let marks = ["fabrikam.example", "adatum.example"]
        .map(|domain| store.partner(domain).unwrap().unwrap().partner.mark_source);
    assert_eq!(marks, [EntrySwitch::Never, EntrySwitch::ByDefault]);
}

fn check_partners_seen(store: &Store) {
    let seen = store.seen_of("fabrikam.example").unwrap();
    assert_eq!((seen.len(), seen[0].first_unix, seen[0].last_unix, seen[0].seen.not_after_unix), (1, 5, 6, 7));
}

fn check_consents(store: &Store) {
    let alice = "alice@contoso.example".parse().unwrap();
    let consents = store.consents(Some(&alice), 12).unwrap();
    assert_eq!((consents.len(), consents[0].held, consents[0].until_unix_ms), (1, 1, Some(20)));
    assert_eq!(store.held_messages().unwrap().asked, 1);
}

fn check_answers(store: &Store) {
    let answers = store.answers(6000).unwrap();
    assert!(matches!(&answers[0], KeptAnswer::TurnedTo { at_unix_ms: 4000, user: u64::MAX, .. }), "{answers:?}");
    assert!(matches!(&answers[1], KeptAnswer::Knock { at_unix_ms: 5000, user: 7, .. }), "{answers:?}");
}

fn check_changed(store: &Store) {
    let now = store.revision().unwrap();
    let since = |number| Revision { number, ..now.clone() };
    store.note_rules(&rules()).unwrap();
    store.pool_secret([1; 32]).unwrap();
    assert!(store.changes(&since(0)).unwrap().is_none());
    let changes = store.changes(&since(now.number - 1)).unwrap().unwrap();
    assert_eq!(changes.partners["fabrikam.example"].as_ref().unwrap().partner.comment, "changed");
}

fn check_ha1_of_address(store: &Store) {
    let bob = "bob@contoso.example".parse().unwrap();
    assert!(store.ha1(&bob).unwrap().is_some_and(|ha1| ha1.of_address.is_some()));
}

fn check_hide_topology(store: &Store) {
    let hidden = ["fabrikam.example", "adatum.example"]
        .map(|domain| store.partner(domain).unwrap().unwrap().partner.hide_topology);
    assert_eq!(hidden, [EntrySwitch::Always, EntrySwitch::ByDefault]);
}

/// What each step brought, looked at by what reads it.
const CHECKS: &[fn(&Store)] = &[
    check_users_partners_refusals,
    check_messages,
    check_meetings,
    check_calls,
    check_domain_trust,
    check_suspects,
    check_terms_and_providers,
    check_access,
    check_told,
    check_mark_source,
    check_partners_seen,
    check_consents,
    check_answers,
    check_changed,
    check_ha1_of_address,
    check_hide_topology,
];

/// Hashes of each step and of its rows, as they were released. The databases above are made by these steps, so that nothing else
/// would notice that one is edited: a server of before has taken the step as it was.
const RELEASED: &[(u64, u64)] = &[
    (0xf6298f1b83a8f4ce, 0x831a373e3106c99f),
    (0x52ab8e4f323ab685, 0xb10bfb1a7d53bf56),
    (0xcbd29ec905c72068, 0x6e396e97287c0e93),
    (0x723d9db191994df6, 0xfc4bfd342e158cf8),
    (0x857a62933e311582, 0x57f1880c2269f3e8),
    (0x9b14ef6b2075fbf2, 0x6aff7d23a10531df),
    (0x5d72d1e99e875ba0, 0x0342b61cea5a5324),
    (0x9c5859c3f009e2ff, 0x05d17a7ca8f7ddc6),
    (0x74f48f0d44cca8e7, 0x343935ebf418bd79),
    (0x0af069bc7466cc54, 0x721fc24b9fb37881),
    (0xa3f2414d4ec67de4, 0xe98317762f92545a),
    (0x9b8749503e57d0a3, 0x2b11ea32951fa13a),
    (0xd5d267b176c839c3, 0xbf9bb7686ffd3701),
    (0xf9ba388171afa336, 0x7afcf0f2c134a575),
    (0x8426fe14153d6d75, 0x49832e6409380cde),
    (0xd5cc8008c8f6c814, 0xf58182ad26b9e229),
];

/// FNV-1a.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[test]
fn no_step_that_was_released_is_edited() {
    assert_eq!(RELEASED.len(), STEPS.len(), "a new step needs its hashes");
    for (version, ((step, rows), released)) in (1..).zip(STEPS.iter().zip(ROWS).zip(RELEASED)) {
        let (step, rows) = (hash(step), hash(rows));
        let is_released = (step, rows) == *released;
        assert!(is_released, "version {version} is (0x{step:016x}, 0x{rows:016x}): append a step, edit none");
    }
}

#[test]
fn every_earlier_version_is_brought_up_to_date_and_read() {
    assert_eq!((ROWS.len(), CHECKS.len()), (STEPS.len(), STEPS.len()), "a new step needs rows and a check");
    let folder = tempfile::tempdir().unwrap();
    let fresh = definitions(Store::open(&folder.path().join("fresh.db")).unwrap().connection());
    for version in 1..=STEPS.len() {
        let path = folder.path().join(format!("version-{version}.db"));
        database_of(version, &path);
        let store = Store::open(&path).unwrap();
        assert_eq!(definitions(store.connection()), fresh, "version {version} has become another schema");
        for check in &CHECKS[..version] {
            check(&store);
        }
        let found: String = store.connection().pragma_query_value(None, "integrity_check", |row| row.get(0)).unwrap();
        assert_eq!(found, "ok");
        let orphans = store.connection().prepare("PRAGMA foreign_key_check").unwrap().exists([]).unwrap();
        assert!(!orphans, "version {version}");
        // What came later begins empty, and can be written.
        let contents = store.contents().unwrap();
        assert_eq!([contents.stored_messages, contents.meetings, contents.call_records], {
            let since = |step: usize, rows: u64| if version >= step { rows } else { 0 };
            [since(2, 2), since(3, 1), since(4, 1)]
        });
        for rows in &ROWS[version..] {
            store.connection().execute_batch(rows).unwrap();
        }
    }
}

#[test]
fn opening_twice_takes_each_step_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("comity.db");
    drop(Store::open(&path).unwrap());
    let store = Store::open(&path).unwrap();
    let version: i64 = store.connection().pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    assert_eq!(version, STEPS.len() as i64);
}

#[test]
fn a_database_of_a_newer_version_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("comity.db");
    let store = Store::open(&path).unwrap();
    store.connection().pragma_update(None, "user_version", STEPS.len() as i64 + 1).unwrap();
    drop(store);
    let before = std::fs::read(&path).unwrap();
    let error = Store::open(&path).unwrap_err();
    let (found, known) = (STEPS.len() + 1, STEPS.len());
    let told = format!("was written by a newer version (schema {found}, this one knows {known})");
    assert!(error.to_string().ends_with(&told), "{error}");
    assert_eq!(error.hint().unwrap(), "run the version that wrote it, or restore an older copy");
    assert_eq!(std::fs::read(&path).unwrap(), before);
}
