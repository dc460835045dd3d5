//! Scheduled meetings that are changed while people are in them, of one and of three workers.

use std::sync::Arc;

use conference::ConferenceId;
use conference::schedule::{
    Attendance, Frequency, Invitee, Meeting, MeetingRole, MeetingSettings, Meetings, Recurrence, RecurrenceEnd,
    parse_local,
};
use signaling::Input;
use sim::{Line, World, allowed, first_line};
use sip::{HeaderName, Message};

use crate::phone;

const ALICE: &str = "alice@contoso.example";
const BOB: &str = "bob@fabrikam.example";
const ADDRESS: &str = "meet-budget@contoso.example";
const SDP: &str = "v=0\no=- 1 1 IN IP4 192.0.2.1\ns=-\nc=IN IP4 192.0.2.1\nt=0 0\nm=audio 40000 RTP/AVP 0\n";

/// Alice's, open day and night, with bob invited.
fn meeting() -> Meeting {
    let bob = Invitee { address: BOB.parse().unwrap(), role: MeetingRole::Attendee, attendance: Attendance::Required };
    Meeting {
        id: ConferenceId::parse("budget").unwrap(),
        organiser: ALICE.parse().unwrap(),
        subject: "Budget".to_owned(),
        start: parse_local("1970-01-01 00:00").unwrap(),
        zone: "UTC".parse().unwrap(),
        minutes: 24 * 60,
        recurrence: Some(Recurrence { frequency: Frequency::Day, interval: 1, end: RecurrenceEnd::Never }),
        exceptions: Default::default(),
        invitees: vec![bob],
        settings: MeetingSettings::default(),
        sequence: 0,
        is_cancelled: false,
    }
}

struct Room {
    world: World,
    contoso: usize,
    alice: Line,
    bob: Line,
}

fn everywhere(play: impl Fn(Room)) {
    for workers in [1, 3] {
        for seed in 0..6 {
            println!("workers {workers}, seed {seed}");
            let mut world = World::new(seed);
            let contoso = world.organisation("contoso.example", workers, &[allowed("fabrikam.example")], false);
            let fabrikam = world.organisation("fabrikam.example", workers, &[allowed("contoso.example")], false);
            world.user(contoso, ALICE);
            world.user(fabrikam, BOB);
            let worker = u16::try_from(seed % u64::from(workers)).unwrap();
            let alice = phone::register(&mut world, contoso, worker, ALICE);
            let bob = phone::register(&mut world, fabrikam, 0, BOB);
            play(Room { world, contoso, alice, bob });
        }
    }
}

impl Room {
    fn schedule(&mut self, meeting: Meeting) {
        let meetings = Arc::new(Meetings::new([meeting]));
        self.world.on_cores(self.contoso, |core, now| core.handle_input(now, Input::Meetings(meetings.clone())));
    }

    /// The final answer, acknowledged.
    fn join(&mut self, line: Line, from: &str, call_id: &str) -> Message {
        let invite = phone::request("INVITE", from, ADDRESS, call_id);
        self.world.send(line, &phone::with_body(&invite, "", "application/sdp", SDP));
        let answer = self.world.take_response(line);
        if answer.status() == Some(200) {
            self.world.send(line, &phone::by_caller("ACK", &answer, 1));
        }
        answer
    }
}

fn word(refused: &Message) -> String {
    let warning = refused.header_text(HeaderName::Warning).unwrap_or_else(|| panic!("{}", first_line(refused)));
    warning.split('"').nth(1).unwrap().to_owned()
}

#[test]
fn a_change_of_the_settings_holds_for_who_comes_next() {
    everywhere(|mut room| {
        room.schedule(meeting());
        assert_eq!(room.join(room.alice, ALICE, "a1").status(), Some(200));
        let mut locked = meeting();
        locked.settings.is_locked = true;
        room.schedule(locked.clone());
        assert_eq!(word(&room.join(room.bob, BOB, "b1")), "meeting-locked");
        // What says nothing of the lock leaves it.
        room.schedule(Meeting { subject: "Budget of next year".to_owned(), ..locked });
        assert_eq!(word(&room.join(room.bob, BOB, "b2")), "meeting-locked");
        room.schedule(meeting());
        assert_eq!(room.join(room.bob, BOB, "b3").status(), Some(200));
    });
}

#[test]
fn a_meeting_that_is_cancelled_ends_and_is_entered_no_more() {
    everywhere(|mut room| {
        room.schedule(meeting());
        assert_eq!(room.join(room.alice, ALICE, "a1").status(), Some(200));
        assert_eq!(room.join(room.bob, BOB, "b1").status(), Some(200));
        room.schedule(Meeting { is_cancelled: true, ..meeting() });
        for line in [room.alice, room.bob] {
            let bye = room.world.only(line);
            assert!(first_line(&bye).starts_with("BYE "), "{}", first_line(&bye));
            room.world.send(line, &phone::answer(&bye, "200 OK", "callee"));
        }
        let refused = room.join(room.alice, ALICE, "a2");
        assert!(refused.status() >= Some(400), "{}", first_line(&refused));
        assert_eq!(word(&refused), "meeting-over");
        room.world.assert_quiet();
    });
}
