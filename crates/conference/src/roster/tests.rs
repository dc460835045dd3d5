use documents::conference_info::MediaStatus;

use super::*;

const ALICE: &str = "sip:alice@contoso.example";
const BOB: &str = "sip:bob@fabrikam.example";

fn roster() -> Roster {
    let description = RosterDescription { subject: Some("Goals".to_owned()), participants_max: Some(9) };
    Roster::new("sip:meet-ab2@contoso.example".to_owned(), description)
}

fn entry(role: &str, status: EndpointStatus) -> RosterEntry {
    let media = Media {
        id: "audio".to_owned(),
        media_type: Some("audio".to_owned()),
        status: Some(MediaStatus::Sendrecv),
        ..Media::default()
    };
    let endpoint = RosterEndpoint {
        entity: "1".to_owned(),
        status,
        joining_method: JoiningMethod::DialedIn,
        joined_unix: Some(1_772_442_000),
        media: vec![media],
    };
    RosterEntry { display: None, role: role.to_owned(), endpoints: vec![endpoint] }
}

fn connected() -> RosterEntry {
    entry("attendee", EndpointStatus::Connected)
}

/// The state, and who is in the document how.
fn summary(document: &ConferenceInfo) -> String {
    let users = document.users.as_ref().expect("is always there");
    assert_eq!(document.state, users.state);
    let users = users.users.iter().map(|user| format!(" {} {}", user.entity, user.state.as_str()));
    format!("{}{}", document.state.as_str(), users.collect::<String>())
}

/// What a subscriber knows who keeps to RFC 4575 section 4.
#[derive(Default)]
struct Subscriber {
    mark: Option<RosterMark>,
    document: ConferenceInfo,
    users: BTreeMap<String, User>,
}

impl Subscriber {
    fn told(&mut self, roster: &Roster, is_owed: bool) -> Option<State> {
        let occasion = Occasion { resource: &(), sent: self.mark.as_ref(), is_owed, is_whole: is_owed };
        let Told { body, mark } = roster.tell(&occasion)?;
        let document = ConferenceInfo::parse(body.as_bytes()).expect("is well formed");
        assert_eq!(document.version, Some(self.mark.map_or(1, |mark| mark.version + 1)));
        let users = document.users.clone().expect("is always there");
        if users.state == State::Full {
            self.users.clear();
        }
        for user in users.users {
            match user.state {
                State::Deleted => drop(self.users.remove(&user.entity).expect("he knows who left")),
                _ => drop(self.users.insert(user.entity.clone(), user)),
            }
        }
        let state = document.state;
        let description = document.description.clone().or(self.document.description.take());
        (self.mark, self.document) = (Some(mark), ConferenceInfo { description, ..document });
        Some(state)
    }

    /// He knows what he would know from the whole.
    fn check(&self, roster: &Roster) {
        let full = roster.full(self.mark.expect("he was told").version);
        let expected = full.users.expect("is always there").users.into_iter();
        let expected: BTreeMap<_, _> = expected.map(|user| (user.entity.clone(), user)).collect();
        assert_eq!(self.users, expected);
        assert_eq!(self.document.conference_state, full.conference_state);
        assert_eq!(self.document.description, full.description);
    }
}

#[test]
fn as_it_is_printed() {
    let mut roster = roster();
    roster.put(ALICE, entry("organiser", EndpointStatus::Connected));
    roster.put(BOB, entry("attendee", EndpointStatus::Pending));
    let text = roster.full(1).print();
    let expected = "entity=\"sip:meet-ab2@contoso.example\" state=\"full\" version=\"1\"><conference-description>\
        <subject>Goals</subject><conf-uris><entry><uri>sip:meet-ab2@contoso.example</uri><purpose>participation</purpose>\
        </entry></conf-uris><maximum-user-count>9</maximum-user-count></conference-description><conference-state>\
        <user-count>1</user-count><active>true</active><locked>false</locked></conference-state><users state=\"full\">\
        <user entity=\"sip:alice@contoso.example\" state=\"full\"><roles><entry>organiser</entry></roles>\
        <endpoint entity=\"1\"><status>connected</status><joining-method>dialed-in</joining-method><joining-info>\
        <when>2026-03-02T09:00:00Z</when></joining-info><media id=\"audio\"><type>audio</type><status>sendrecv</status>\
        </media></endpoint></user><user entity=\"sip:bob@fabrikam.example\" state=\"full\">";
    assert!(text.contains(expected), "{text}");
}

#[test]
fn what_changed_and_no_more() {
    let mut roster = roster();
    assert!(roster.put(ALICE, connected()));
    let first = roster.revision();
    assert_eq!(summary(&roster.since(first, 2).expect("is known")), "partial");
    assert!(!roster.put(ALICE, connected()), "nothing is different");
    assert_eq!(roster.revision(), first);
    assert!(roster.put(BOB, entry("attendee", EndpointStatus::Pending)));
    let second = roster.revision();
    assert!(roster.put(BOB, connected()));
    let partial = roster.since(first, 2).expect("is known");
    assert_eq!(summary(&partial), "partial sip:bob@fabrikam.example full");
    assert_eq!((partial.description, partial.version), (None, Some(2)));
    assert_eq!(partial.conference_state.expect("is always there").user_count, Some(2));
    assert!(roster.remove(BOB) && !roster.remove(BOB));
    assert_eq!(summary(&roster.since(second, 3).expect("is known")), "partial sip:bob@fabrikam.example deleted");
    assert_eq!(summary(&roster.full(3)), "full sip:alice@contoso.example full");
    roster.put(BOB, connected());
    let back = roster.since(second, 4).expect("is known");
    assert_eq!(summary(&back), "partial sip:bob@fabrikam.example full", "he is back");
}

#[test]
fn the_lock_and_the_description_are_told_when_they_change() {
    let mut roster = roster();
    let first = roster.revision();
    assert!(roster.set_locked(true) && !roster.set_locked(true));
    let partial = roster.since(first, 2).expect("is known");
    assert_eq!((partial.conference_state.expect("is there").locked, partial.description), (Some(true), None));
    assert!(roster.set_description(RosterDescription::default()));
    let partial = roster.since(first, 3).expect("is known");
    assert_eq!(partial.description.expect("has changed").subject, None);
}

#[test]
fn who_was_told_too_long_ago_is_told_the_whole() {
    let mut roster = roster();
    let first = roster.revision();
    for n in 0..=GONE_MAX {
        let entity = format!("sip:guest{n}@fabrikam.example");
        roster.put(&entity, connected());
        if n == GONE_MAX {
            assert!(roster.since(first, 2).is_some(), "all who left are remembered");
        }
        roster.remove(&entity);
    }
    assert_eq!(roster.since(first, 2), None);
    assert_eq!(roster.gone.len(), GONE_MAX);
    // The first guest had come and gone with the second revision.
    assert!(roster.since(Revision(2), 2).is_some());
    assert_eq!(roster.since(Revision(1), 2), None);
    assert_eq!(roster.since(Revision(roster.revision().0 + 1), 2), None, "of another run");
}

#[test]
fn a_subscriber_is_told_the_whole_and_then_what_changed() {
    let mut roster = roster();
    let mut subscriber = Subscriber::default();
    roster.put(ALICE, connected());
    assert_eq!(subscriber.told(&roster, true), Some(State::Full));
    assert_eq!(subscriber.told(&roster, false), None, "there is nothing new");
    roster.put(BOB, connected());
    assert_eq!(subscriber.told(&roster, false), Some(State::Partial));
    subscriber.check(&roster);
    assert_eq!(subscriber.told(&roster, true), Some(State::Full), "he asked");
    let mark = subscriber.mark;
    roster.remove(BOB);
    let occasion = Occasion { resource: &(), sent: mark.as_ref(), is_owed: false, is_whole: true };
    let whole = roster.tell(&occasion).expect("there is something new");
    assert!(whole.body.contains("state=\"full\" version=\"4\""), "he did not take the last: {}", whole.body);
}

#[test]
fn a_roster_that_is_too_long_for_a_message_says_less() {
    let told = |participants: usize, display: &str| {
        let mut roster = roster();
        for n in 0..participants {
            let display = Some(display.to_owned());
            roster.put(&format!("sip:guest{n:03}@fabrikam.example"), RosterEntry { display, ..connected() });
        }
        let mut subscriber = Subscriber::default();
        subscriber.told(&roster, true);
        assert!(fitting(roster.full(1)).len() <= DOCUMENT_BYTES_MAX);
        let count = subscriber.document.conference_state.as_ref().and_then(|state| state.user_count);
        assert_eq!(count, u32::try_from(participants).ok());
        (subscriber.users.len(), subscriber.users.values().filter(|user| !user.endpoints.is_empty()).count())
    };
    assert_eq!(told(100, "Guest"), (100, 100));
    assert_eq!(told(250, "Guest"), (250, 0));
    assert_eq!(told(250, &"\u{e9}".repeat(500)), (31, 0));
}

/// Whatever happens, and however rarely he is told: he knows what he would know from the whole.
#[test]
fn parts_add_up_to_the_whole() {
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut below = |limit: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % limit
    };
    let (mut roster, mut subscriber, mut partial) = (roster(), Subscriber::default(), 0);
    subscriber.told(&roster, true);
    for _ in 0..3_000 {
        let entity = format!("sip:guest{}@fabrikam.example", below(6));
        let status = EndpointStatus::ALL[usize::try_from(below(9)).expect("is small")];
        match below(8) {
            0 => drop(roster.set_locked(below(2) == 0)),
            1..=3 => drop(roster.remove(&entity)),
            _ => drop(roster.put(&entity, entry("attendee", status))),
        }
        if below(5) == 0 {
            partial += u32::from(subscriber.told(&roster, below(20) == 0) == Some(State::Partial));
            subscriber.check(&roster);
        }
    }
    assert!(partial > 300, "{partial}");
}
