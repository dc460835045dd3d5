use super::*;
use crate::testing::{XorShift, mutate};

/// As baresip publishes itself and notifies its watchers: the person, without activities, before the tuple.
const BARESIP: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"no\"?>\r\n\
    <presence xmlns=\"urn:ietf:params:xml:ns:pidf\"\r\n\
    \x20   xmlns:dm=\"urn:ietf:params:xml:ns:pidf:data-model\"\r\n\
    \x20   xmlns:rpid=\"urn:ietf:params:xml:ns:pidf:rpid\"\r\n\
    \x20   entity=\"sip:alice@contoso.example\">\r\n\
    \x20 <dm:person id=\"p7\"><rpid:activities/></dm:person>\r\n\
    \x20 <tuple id=\"t7\">\r\n    <status>\r\n      <basic>open</basic>\r\n    </status>\r\n\
    \x20   <contact>sip:alice@contoso.example</contact>\r\n  </tuple>\r\n</presence>\r\n";

/// As linphone does: prefixes that are declared late, notes in two places, a person with a timestamp of PIDF.
const LINPHONE: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
    <presence entity=\"sip:bob@fabrikam.example\" xmlns=\"urn:ietf:params:xml:ns:pidf\" \
    xmlns:dm=\"urn:ietf:params:xml:ns:pidf:data-model\" xmlns:rp=\"urn:ietf:params:xml:ns:pidf:rpid\">\
    <tuple id=\"q2xkzs\"><status><basic>open</basic></status>\
    <contact priority=\"0.8\">sip:bob@fabrikam.example;transport=tls</contact>\
    <note xml:lang=\"en\">At my desk</note><timestamp>2026-03-02T09:00:00Z</timestamp></tuple>\
    <dm:person id=\"bygkp1\"><rp:activities><rp:on-the-phone/><rp:note>R&amp;D call</rp:note></rp:activities>\
    <dm:note>Back at 10</dm:note><timestamp>2026-03-02T09:00:00Z</timestamp></dm:person></presence>";

/// As Kamailio composes a NOTIFY of several publications: every element with a prefix, foreign elements among them.
const KAMAILIO: &str = "<?xml version=\"1.0\"?>\n\
    <p:presence xmlns:p=\"urn:ietf:params:xml:ns:pidf\" xmlns:c=\"urn:ietf:params:xml:ns:pidf:cipid\" \
    entity=\"sip:carol@contoso.example\">\n\
    <p:tuple id=\"0x7f01\"><p:status><p:basic>closed</p:basic><c:basic>open</c:basic></p:status></p:tuple>\n\
    <p:tuple id=\"0x7f02\"><p:status><p:basic> open </p:basic></p:status><c:note>x</c:note><contact>sip:x</contact></p:tuple>\n\
    <p:note>Two devices</p:note>\n\
    <d:person xmlns:d=\"urn:ietf:params:xml:ns:pidf:data-model\" id=\"a\">\
    <r:activities xmlns:r=\"urn:ietf:params:xml:ns:pidf:rpid\"><r:busy/><c:away/></r:activities></d:person>\n\
    <d:person xmlns:d=\"urn:ietf:params:xml:ns:pidf:data-model\" id=\"b\">\
    <activities xmlns=\"urn:ietf:params:xml:ns:pidf:rpid\"><busy/><vacation/><other>skiing</other></activities></d:person>\n\
    </p:presence>\n";

const SAMPLES: [&str; 3] = [BARESIP, LINPHONE, KAMAILIO];

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn inside_presence(inner: &str) -> Result<Pidf, DocumentError> {
    let root = "presence xmlns='urn:ietf:params:xml:ns:pidf' xmlns:dm='urn:ietf:params:xml:ns:pidf:data-model' \
                xmlns:rpid='urn:ietf:params:xml:ns:pidf:rpid' entity='sip:a@b'";
    Pidf::parse(format!("<{root}>{inner}</presence>").as_bytes())
}

fn contact(text: &str) -> Result<Option<Contact>, DocumentError> {
    let mut pidf = inside_presence(&format!("<tuple id='t'>{text}</tuple>"))?;
    Ok(pidf.tuples.remove(0).contact)
}

#[test]
fn as_baresip_sends_it() {
    let contact = Contact { uri: "sip:alice@contoso.example".into(), priority_thousandths: None };
    let tuple = Tuple { id: "t7".into(), basic: Some(Basic::Open), contact: Some(contact), ..Tuple::default() };
    let person = Some(Person { id: "p7".into(), ..Person::default() });
    let expected = Pidf { entity: "sip:alice@contoso.example".into(), tuples: vec![tuple], person, notes: vec![] };
    assert_eq!(Pidf::parse(BARESIP.as_bytes()), Ok(expected));
    for (word, basic) in [("closed", Some(Basic::Closed)), ("unknown", None), ("?", None)] {
        let pidf = Pidf::parse(BARESIP.replace(">open<", &format!(">{word}<")).as_bytes());
        assert_eq!(pidf.expect("still presence").tuples[0].basic, basic);
    }
}

/// As Asterisk does: a person without an id.
#[test]
fn a_person_may_be_nameless() {
    let pidf = Pidf::parse(BARESIP.replace(" id=\"p7\"", "").as_bytes()).expect("still presence");
    assert_eq!(pidf.person, Some(Person::default()));
}

#[test]
fn as_linphone_sends_it() {
    let uri = "sip:bob@fabrikam.example;transport=tls".into();
    let tuple = Tuple {
        id: "q2xkzs".into(),
        basic: Some(Basic::Open),
        contact: Some(Contact { uri, priority_thousandths: Some(800) }),
        notes: strings(&["At my desk"]),
        timestamp: Some("2026-03-02T09:00:00Z".into()),
    };
    let notes = strings(&["R&D call", "Back at 10"]);
    let person = Some(Person { id: "bygkp1".into(), activities: vec![Activity::OnThePhone], notes });
    let expected = Pidf { entity: "sip:bob@fabrikam.example".into(), tuples: vec![tuple], person, notes: vec![] };
    assert_eq!(Pidf::parse(LINPHONE.as_bytes()), Ok(expected));
}

#[test]
fn as_kamailio_sends_it() {
    let tuple = |id: &str, basic| Tuple { id: id.into(), basic: Some(basic), ..Tuple::default() };
    let unknown = |name: &str| Activity::Unknown(name.into());
    let activities = vec![Activity::Busy, unknown("vacation"), unknown("other")];
    let expected = Pidf {
        entity: "sip:carol@contoso.example".into(),
        tuples: vec![tuple("0x7f01", Basic::Closed), tuple("0x7f02", Basic::Open)],
        person: Some(Person { id: "a".into(), activities, notes: vec![] }),
        notes: strings(&["Two devices"]),
    };
    assert_eq!(Pidf::parse(KAMAILIO.as_bytes()), Ok(expected));
}

#[test]
fn printed_as_phones_look_for_it() {
    let printed = Pidf::parse(LINPHONE.as_bytes()).expect("presence").print();
    let expected = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
        <presence xmlns=\"urn:ietf:params:xml:ns:pidf\" xmlns:dm=\"urn:ietf:params:xml:ns:pidf:data-model\" \
        xmlns:rpid=\"urn:ietf:params:xml:ns:pidf:rpid\" entity=\"sip:bob@fabrikam.example\">\
        <tuple id=\"q2xkzs\"><status><basic>open</basic></status>\
        <contact priority=\"0.800\">sip:bob@fabrikam.example;transport=tls</contact>\
        <note>At my desk</note><timestamp>2026-03-02T09:00:00Z</timestamp></tuple>\
        <dm:person id=\"bygkp1\"><rpid:activities><rpid:on-the-phone/></rpid:activities>\
        <dm:note>R&amp;D call</dm:note><dm:note>Back at 10</dm:note></dm:person></presence>";
    assert_eq!(printed, expected);
}

#[test]
fn other_roots_and_missing_parts_are_refused() {
    let parse = |text: &str| Pidf::parse(text.as_bytes());
    assert!(matches!(parse("<presence entity='sip:a@b'/>"), Err(DocumentError::Root(_))));
    assert!(matches!(parse(&BARESIP.replace("ns:pidf\"", "ns:other\"")), Err(DocumentError::Root(_))));
    for namespace in ["urn:ietf:params:xml:ns:pid", "urn:ietf:params:xml:ns:pidf:", "URN:ietf:params:xml:ns:pidf", ""] {
        let text = format!("<presence xmlns='{namespace}' entity='sip:a@b'/>");
        assert!(matches!(parse(&text), Err(DocumentError::Root(_))), "{namespace}");
    }
    assert!(matches!(parse("<tuple xmlns='urn:ietf:params:xml:ns:pidf'/>"), Err(DocumentError::Root(_))));
    assert_eq!(parse("<presence xmlns='urn:ietf:params:xml:ns:pidf'/>"), Err(DocumentError::Missing("entity")));
    assert_eq!(parse(&BARESIP.replace("sip:alice", "sip:al ice")), Err(DocumentError::Malformed("entity")));
    assert_eq!(inside_presence("<tuple/>"), Err(DocumentError::Missing("id of a tuple")));
    assert_eq!(inside_presence("<tuple id=' '/>"), Err(DocumentError::Malformed("id of a tuple")));
    assert_eq!(contact("<contact>sip:a@b&#13;&#10;X: y</contact>"), Err(DocumentError::Malformed("contact")));
    assert_eq!(contact("<contact/>"), Ok(None));
    let person = inside_presence("<dm:person><rpid:activities><rpid:away/></rpid:activities></dm:person>");
    assert_eq!(person.expect("without id").person.expect("one").activities, [Activity::Away]);
}

#[test]
fn priorities() {
    let priority = |text: &str| contact(&format!("<contact priority='{text}'>sip:a@b</contact>"));
    for (text, expected) in [("0", 0), ("1", 1000), ("0.5", 500), ("0.25", 250), ("1.000", 1000), ("0.8000001", 800)] {
        assert_eq!(priority(text).expect(text).expect("one").priority_thousandths, Some(expected), "{text}");
    }
    for text in ["", "2", "-1", "1.001", "0.", ".5", "0.x", "1e0", "0,5", "NaN"] {
        assert_eq!(priority(text), Err(DocumentError::Malformed("priority of a contact")), "{text}");
    }
}

#[test]
fn limits() {
    let bounded = |piece: &str, max: usize, around: (&str, &str)| {
        let repeated = |count: usize| inside_presence(&format!("{}{}{}", around.0, piece.repeat(count), around.1));
        assert!(repeated(max).is_ok(), "{piece}");
        assert!(matches!(repeated(max + 1), Err(DocumentError::TooMany { max: limit, .. }) if limit == max), "{piece}");
    };
    bounded("<tuple id='t'/>", TUPLES_MAX, ("", ""));
    bounded("<note/>", NOTES_MAX, ("", ""));
    bounded("<note/>", NOTES_MAX, ("<tuple id='t'>", "</tuple>"));
    bounded("<dm:note/>", NOTES_MAX, ("<dm:person id='p'>", "</dm:person>"));
    let activities = |count: usize| (0..count).map(|n| format!("<rpid:a{n}/>")).collect::<String>();
    let person = |count| format!("<dm:person><rpid:activities>{}</rpid:activities></dm:person>", activities(count));
    assert!(inside_presence(&person(ACTIVITIES_MAX)).is_ok());
    assert!(matches!(inside_presence(&person(ACTIVITIES_MAX + 1)), Err(DocumentError::TooMany { .. })));

    let note = |chars: usize| inside_presence(&format!("<note>{}</note>", "\u{e9}".repeat(chars)));
    assert!(note(NOTE_CHARS_MAX).is_ok());
    assert_eq!(note(NOTE_CHARS_MAX + 1), Err(DocumentError::TooLong { what: "note", max: NOTE_CHARS_MAX }));
    let id = |chars: usize| inside_presence(&format!("<tuple id='{}'/>", "t".repeat(chars)));
    assert!(id(TEXT_CHARS_MAX).is_ok());
    assert!(matches!(id(TEXT_CHARS_MAX + 1), Err(DocumentError::TooLong { .. })));
}

#[test]
fn what_xml_cannot_hold_is_replaced_in_print() {
    let activities = ["a b", "note", "", "\u{e9}", "x/><y"].map(|name| Activity::Unknown(name.into())).to_vec();
    let person = Some(Person { id: "p".into(), activities, notes: strings(&["\0\u{1b}[1m\u{ffff}"]) });
    let pidf = Pidf { entity: "sip:a@b".into(), person, ..Pidf::default() };
    let person = Pidf::parse(pidf.print().as_bytes()).expect("a document").person.expect("a person");
    assert_eq!(person.activities, [Activity::Unknown("unknown".into())]);
    assert_eq!(person.notes, ["\u{fffd}\u{fffd}[1m\u{fffd}"]);
}

#[test]
fn what_is_printed_is_read_back_as_the_same() {
    for seed in 1..=3_000u64 {
        let pidf = random_pidf(&mut XorShift(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        assert_eq!(Pidf::parse(pidf.print().as_bytes()), Ok(pidf), "seed {seed}");
    }
}

#[test]
fn no_truncation_is_a_document() {
    for sample in SAMPLES {
        let end = sample.trim_end().len();
        assert!(Pidf::parse(&sample.as_bytes()[..end]).is_ok());
        for length in 0..end {
            assert!(Pidf::parse(&sample.as_bytes()[..length]).is_err(), "{length} bytes of {sample}");
        }
    }
}

/// Whatever comes out, nothing panics, and what was read is read again from print.
#[test]
fn mutations_never_panic() {
    let mut random = XorShift(0x9e37_79b9_7f4a_7c15);
    let mut survivors = 0;
    for round in 0..12_000 {
        let mut bytes = SAMPLES[round % SAMPLES.len()].as_bytes().to_vec();
        for _ in 0..=random.below(4) {
            mutate(&mut bytes, &mut random);
        }
        if let Ok(pidf) = Pidf::parse(&bytes) {
            survivors += 1;
            assert_eq!(Pidf::parse(pidf.print().as_bytes()).as_ref(), Ok(&pidf), "round {round}");
        }
    }
    assert!(survivors > 1_000, "too few mutations were still documents: {survivors}");
}

fn random_pidf(random: &mut XorShift) -> Pidf {
    let tuples = (0..random.below(4)).map(|_| random_tuple(random)).collect();
    let person = Person { id: random.name(), activities: random_activities(random), notes: random.notes() };
    Pidf { entity: format!("sip:{}", random.name()), tuples, person: random.some(person), notes: random.notes() }
}

fn random_tuple(random: &mut XorShift) -> Tuple {
    let priority = random.below(1001) as u16;
    let contact = Contact { uri: format!("sip:{}", random.name()), priority_thousandths: random.some(priority) };
    Tuple {
        id: random.name(),
        basic: [None, Some(Basic::Open), Some(Basic::Closed)][random.below(3)],
        contact: random.some(contact),
        notes: random.notes(),
        timestamp: random.some("2026-03-02T09:00:00.5+01:00".to_owned()),
    }
}

fn random_activities(random: &mut XorShift) -> Vec<Activity> {
    let unknown = Activity::Unknown(format!("x{}", random.text("ab-_.0", 8)));
    let mut activities = vec![Activity::OnThePhone, Activity::Meeting, Activity::Away, Activity::Busy, unknown];
    activities.rotate_left(random.below(5));
    activities.truncate(random.below(6));
    activities
}
