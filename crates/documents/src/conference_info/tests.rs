use super::*;
use crate::testing::{XorShift, mutate};

/// As another focus might write it: a prefix, blanks, elements that we do not know, an endpoint without entity.
const FOREIGN: &str = "<?xml version='1.0' encoding='UTF-8'?>\r\n\
    <ci:conference-info xmlns:ci='urn:ietf:params:xml:ns:conference-info' xmlns:x='urn:x' \
    entity='sip:conf233@example.com' version='1'>\r\n\
    \x20<ci:conference-description><ci:subject>Agenda: This month's goals</ci:subject><ci:service-uris><ci:entry>\
    <ci:uri>http://sharepoint/salesgroup/</ci:uri></ci:entry></ci:service-uris></ci:conference-description>\r\n\
    \x20<ci:conference-state><ci:user-count> 33 </ci:user-count><ci:locked>1</ci:locked></ci:conference-state>\r\n\
    \x20<ci:users>\r\n<ci:user entity='sip:bob@example.com' state='full'><ci:display-text>Bob Hoskins</ci:display-text>\
    <ci:associated-aors state='full'><ci:entry><ci:uri>mailto:bob@example.com</ci:uri></ci:entry></ci:associated-aors>\
    <ci:endpoint><ci:display-text>Bob's Laptop</ci:display-text><ci:status>levitating</ci:status>\
    <ci:joining-method>dialed-out</ci:joining-method><ci:media id='1'><ci:type>audio</ci:type><ci:label>34567</ci:label>\
    <ci:src-id>432424</ci:src-id><ci:status>sendrecv</ci:status></ci:media><x:mood>good</x:mood></ci:endpoint></ci:user>\
    </ci:users><x:more/></ci:conference-info>";

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn full() -> ConferenceInfo {
    let uri =
        UriEntry { uri: "sip:meet-ab2@contoso.example".into(), display_text: None, purpose: some("participation") };
    let media = Media {
        id: "1".into(),
        display_text: some("sound"),
        media_type: some("audio"),
        label: some("a"),
        src_id: some("7"),
        status: Some(MediaStatus::Sendrecv),
    };
    let endpoint = Endpoint {
        entity: "sip:alice@192.0.2.1".into(),
        state: State::Full,
        display_text: some("desk"),
        status: Some(EndpointStatus::Connected),
        joining_method: Some(JoiningMethod::DialedIn),
        joining_info: Some(Execution {
            when: some("2026-03-02T09:00:00Z"),
            reason: some("asked"),
            by: some("sip:bob@b"),
        }),
        disconnection_method: Some(DisconnectionMethod::Booted),
        disconnection_info: Some(Execution::default()),
        media: vec![media],
    };
    let alice = User {
        entity: "sip:alice@contoso.example".into(),
        display_text: some("Alice & <Co>"),
        roles: vec!["organiser".into(), "presenter".into()],
        endpoints: vec![endpoint],
        ..User::default()
    };
    let bob = User { entity: "sip:bob@b".into(), state: State::Deleted, ..User::default() };
    ConferenceInfo {
        entity: "sip:meet-ab2@contoso.example".into(),
        state: State::Full,
        version: Some(3),
        description: Some(ConferenceDescription {
            display_text: some("Weekly"),
            subject: some("Goals"),
            free_text: some("Bring cake"),
            conf_uris: vec![uri],
            maximum_user_count: Some(9),
        }),
        host_info: Some(HostInfo {
            display_text: some("Contoso"),
            web_page: some("https://contoso.example"),
            uris: vec![],
        }),
        conference_state: Some(ConferenceState { user_count: Some(1), active: Some(true), locked: Some(false) }),
        users: Some(Users { state: State::Partial, users: vec![alice, bob] }),
    }
}

/// The order is the schema's (RFC 4575 section 6), and a validator would insist on it.
#[test]
fn as_it_is_printed() {
    let expected = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
        <conference-info xmlns=\"urn:ietf:params:xml:ns:conference-info\" entity=\"sip:meet-ab2@contoso.example\" \
        state=\"full\" version=\"3\"><conference-description><display-text>Weekly</display-text><subject>Goals</subject>\
        <free-text>Bring cake</free-text><conf-uris><entry><uri>sip:meet-ab2@contoso.example</uri>\
        <purpose>participation</purpose></entry></conf-uris><maximum-user-count>9</maximum-user-count>\
        </conference-description><host-info><display-text>Contoso</display-text>\
        <web-page>https://contoso.example</web-page></host-info><conference-state><user-count>1</user-count>\
        <active>true</active><locked>false</locked></conference-state><users state=\"partial\">\
        <user entity=\"sip:alice@contoso.example\" state=\"full\"><display-text>Alice &amp; &lt;Co&gt;</display-text>\
        <roles><entry>organiser</entry><entry>presenter</entry></roles><endpoint entity=\"sip:alice@192.0.2.1\">\
        <display-text>desk</display-text><status>connected</status><joining-method>dialed-in</joining-method>\
        <joining-info><when>2026-03-02T09:00:00Z</when><reason>asked</reason><by>sip:bob@b</by></joining-info>\
        <disconnection-method>booted</disconnection-method><disconnection-info></disconnection-info><media id=\"1\">\
        <display-text>sound</display-text><type>audio</type><label>a</label><src-id>7</src-id><status>sendrecv</status>\
        </media></endpoint></user><user entity=\"sip:bob@b\" state=\"deleted\"></user></users></conference-info>";
    assert_eq!(full().print(), expected);
    assert_eq!(ConferenceInfo::parse(expected.as_bytes()), Ok(full()));
}

#[test]
fn as_another_focus_writes_it() {
    let info = ConferenceInfo::parse(FOREIGN.as_bytes()).expect("a roster");
    assert_eq!((info.entity.as_str(), info.state, info.version), ("sip:conf233@example.com", State::Full, Some(1)));
    assert_eq!(info.description.expect("is there").subject, some("Agenda: This month's goals"));
    let state = ConferenceState { user_count: Some(33), active: None, locked: Some(true) };
    assert_eq!(info.conference_state, Some(state));
    let users = info.users.expect("is there").users;
    assert_eq!((users.len(), users[0].display_text.as_deref()), (1, Some("Bob Hoskins")));
    let media = Media {
        id: "1".into(),
        media_type: some("audio"),
        label: some("34567"),
        src_id: some("432424"),
        status: Some(MediaStatus::Sendrecv),
        ..Media::default()
    };
    let endpoint = Endpoint {
        display_text: some("Bob's Laptop"),
        joining_method: Some(JoiningMethod::DialedOut),
        media: vec![media],
        ..Endpoint::default()
    };
    assert_eq!(users[0].endpoints, [endpoint]);
}

#[test]
fn every_word_leads_back_to_itself() {
    for text in "pending dialing-out dialing-in alerting on-hold connected muted-via-focus disconnecting disconnected"
        .split(' ')
    {
        assert_eq!(EndpointStatus::named(text).map(EndpointStatus::as_str), Some(text));
    }
    assert_eq!(EndpointStatus::ALL.len(), 9);
    assert_eq!((MediaStatus::named("sendrecv"), MediaStatus::named("SENDRECV")), (Some(MediaStatus::Sendrecv), None));
}

fn inside(inner: &str) -> Result<ConferenceInfo, DocumentError> {
    let root = "conference-info xmlns='urn:ietf:params:xml:ns:conference-info' entity='sip:a@b'";
    ConferenceInfo::parse(format!("<{root}>{inner}</conference-info>").as_bytes())
}

fn user(inner: &str) -> Result<ConferenceInfo, DocumentError> {
    inside(&format!("<users><user entity='sip:a@b'>{inner}</user></users>"))
}

#[test]
fn what_is_no_roster_is_refused() {
    let parse = |text: &str| ConferenceInfo::parse(text.as_bytes());
    assert!(matches!(parse("<conference-info entity='sip:a@b'/>"), Err(DocumentError::Root(_))));
    assert_eq!(parse(&FOREIGN.replace(" entity='sip:conf", " e='sip:conf")), Err(DocumentError::Missing("entity")));
    assert_eq!(parse(&FOREIGN.replace("version='1'>", "version='-1'>")), Err(DocumentError::Malformed("version")));
    assert_eq!(
        parse(&FOREIGN.replace("state='full'><ci:d", "state='new'><ci:d")),
        Err(DocumentError::Malformed("state"))
    );
    assert_eq!(inside("<users><user/></users>"), Err(DocumentError::Missing("entity of a user")));
    assert_eq!(user("<endpoint><media/></endpoint>"), Err(DocumentError::Missing("id of a medium")));
    let uris = "<conference-description><conf-uris><entry/></conf-uris></conference-description>";
    assert_eq!(inside(uris), Err(DocumentError::Missing("uri of an entry")));
    let state = |inner: &str| inside(&format!("<conference-state>{inner}</conference-state>"));
    assert_eq!(state("<locked>yes</locked>"), Err(DocumentError::Malformed("locked")));
    assert_eq!(state("<user-count>4294967296</user-count>"), Err(DocumentError::Malformed("user-count")));
    assert_eq!(
        user("<endpoint><joining-info><by>sip:a b</by></joining-info></endpoint>"),
        Err(DocumentError::Malformed("by"))
    );
}

#[test]
fn limits() {
    let bounded = |read: &dyn Fn(usize) -> Result<ConferenceInfo, DocumentError>, max: usize| {
        assert!(read(max).is_ok(), "{max}");
        assert!(matches!(read(max + 1), Err(DocumentError::TooMany { max: limit, .. }) if limit == max), "{max}");
    };
    bounded(&|count| inside(&format!("<users>{}</users>", "<user entity='sip:a@b'/>".repeat(count))), USERS_MAX);
    bounded(&|count| user(&"<endpoint/>".repeat(count)), ENDPOINTS_MAX);
    bounded(&|count| user(&format!("<roles>{}</roles>", "<entry>x</entry>".repeat(count))), ROLES_MAX);
    bounded(&|count| user(&format!("<endpoint>{}</endpoint>", "<media id='1'/>".repeat(count))), MEDIA_MAX);
    let uris = |count: usize| {
        let entries = "<entry><uri>sip:a@b</uri></entry>".repeat(count);
        inside(&format!("<host-info><uris>{entries}</uris></host-info>"))
    };
    bounded(&uris, URIS_MAX);
    bounded(&|count| inside(&"<x/>".repeat(count - 1)), ELEMENTS_MAX);
    let named = |chars: usize| user(&format!("<display-text>{}</display-text>", "\u{e9}".repeat(chars)));
    assert!(named(512).is_ok());
    assert_eq!(named(513), Err(DocumentError::TooLong { what: "display-text", max: 512 }));
}

#[test]
fn ninety_participants_of_whom_all_is_said_fit() {
    let mut info = full();
    let mut users = info.users.take().expect("is there");
    let alice = users.users.swap_remove(0);
    users.users = (0..90).map(|n| User { entity: format!("sip:user{n}@contoso.example"), ..alice.clone() }).collect();
    info.users = Some(users);
    assert!(info.print().len() < BYTES_MAX, "{}", info.print().len());
    assert_eq!(ConferenceInfo::parse(info.print().as_bytes()), Ok(info));
}

#[test]
fn what_is_printed_is_read_back_as_the_same() {
    for seed in 1..=2_000u64 {
        let info = random_info(&mut XorShift(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        assert_eq!(ConferenceInfo::parse(info.print().as_bytes()), Ok(info), "seed {seed}");
    }
}

/// Whatever comes out, nothing panics, and what was read is read again from print.
#[test]
fn mutations_never_panic() {
    let samples = [FOREIGN.to_owned(), full().print()];
    let mut random = XorShift(0x9e37_79b9_7f4a_7c15);
    let mut survivors = 0;
    for round in 0..8_000 {
        let mut bytes = samples[round % samples.len()].clone().into_bytes();
        for _ in 0..=random.below(4) {
            mutate(&mut bytes, &mut random);
        }
        if let Ok(info) = ConferenceInfo::parse(&bytes) {
            survivors += 1;
            assert_eq!(ConferenceInfo::parse(info.print().as_bytes()).as_ref(), Ok(&info), "round {round}");
        }
    }
    assert!(survivors > 300, "too few mutations were still documents: {survivors}");
}

#[test]
fn no_truncation_is_a_document() {
    for sample in [FOREIGN.to_owned(), full().print()] {
        for length in 0..sample.len() {
            assert!(ConferenceInfo::parse(&sample.as_bytes()[..length]).is_err(), "{length} bytes of {sample}");
        }
    }
}

fn random_info(random: &mut XorShift) -> ConferenceInfo {
    let version = random.below(100) as u32;
    let user_count = random.below(9) as u32;
    let conference_state =
        ConferenceState { user_count: random.some(user_count), active: random.some(true), locked: random.some(false) };
    let users = Users { state: State::Partial, users: (0..random.below(4)).map(|_| random_user(random)).collect() };
    ConferenceInfo {
        entity: format!("sip:{}", random.name()),
        state: State::ALL[random.below(3)],
        version: random.some(version),
        description: random_description(random),
        host_info: None,
        conference_state: random.some(conference_state),
        users: random.some(users),
    }
}

fn random_description(random: &mut XorShift) -> Option<ConferenceDescription> {
    let uris = (0..random.below(3)).map(|_| UriEntry {
        uri: format!("sip:{}", random.name()),
        display_text: random_prose(random),
        purpose: random.some("participation".to_owned()),
    });
    let conf_uris = uris.collect();
    let description = ConferenceDescription {
        display_text: random_prose(random),
        subject: random_prose(random),
        conf_uris,
        ..ConferenceDescription::default()
    };
    random.some(description)
}

fn random_user(random: &mut XorShift) -> User {
    User {
        entity: format!("sip:{}", random.name()),
        state: State::ALL[random.below(3)],
        display_text: random_prose(random),
        roles: (0..random.below(3)).map(|_| random.name()).collect(),
        endpoints: (0..random.below(3)).map(|_| random_endpoint(random)).collect(),
    }
}

fn random_endpoint(random: &mut XorShift) -> Endpoint {
    let status = EndpointStatus::ALL[random.below(EndpointStatus::ALL.len())];
    let media = Media { id: random.name(), status: Some(MediaStatus::ALL[random.below(4)]), ..Media::default() };
    let info =
        Execution { when: random.some("2026-03-02T09:00:00Z".to_owned()), reason: random_prose(random), by: None };
    Endpoint {
        entity: random.text("ab:@<&\"'>", 9),
        state: State::ALL[random.below(3)],
        status: random.some(status),
        joining_method: random.some(JoiningMethod::FocusOwner),
        joining_info: random.some(info),
        media: random.some(media).into_iter().collect(),
        ..Endpoint::default()
    }
}

fn random_prose(random: &mut XorShift) -> Option<String> {
    random.notes().pop()
}
