//! Meetings scheduled, changed and cancelled on the command line, and known to the workers.

use serde_json::Value;

use crate::place::{Answer, Place};
use crate::served::Served;

const LISTEN: &str = "tls = [\"127.0.0.1:5061\"]";

/// Years from now, so that the tests outlive us.
const CREATE: [&str; 12] = [
    "meeting",
    "create",
    "--organiser",
    "alice@contoso.example",
    "--subject",
    "Budget",
    "--at",
    "2090-12-01 10:00",
    "--zone",
    "Europe/Berlin",
    "--for",
    "45m",
];
const SERIES: [&str; 6] = ["--every", "week", "--on", "mon,thu", "--count", "10"];

fn place() -> Place {
    let place = Place::new(LISTEN);
    place.run(&["user", "add", "alice@contoso.example", "--generate"]).ok();
    place
}

fn with<'a>(some: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    [some, more].concat()
}

fn id(answer: &Answer) -> String {
    let json = answer.json();
    json["meeting"]["id"].as_str().unwrap().to_owned()
}

#[test]
fn a_series_is_scheduled_listed_and_shown() {
    let place = place();
    let people =
        ["--invite", "bob@fabrikam.example", "--presenter", "carol@northwind.example", "--invitation", "budget.ics"];
    let arguments = with(&with(&CREATE, &SERIES), &people);
    let told = place.run(&arguments).ok().stdout;
    // The first of December is a Friday.
    assert!(told.contains("it begins 2090-12-04 10:00 Europe/Berlin, the first of the days of the series"), "{told}");
    assert!(told.contains("for the invitees' calendars: budget.ics"), "{told}");
    let invitation = std::fs::read_to_string(place.path().join("budget.ics")).unwrap();
    for line in
        ["METHOD:REQUEST", "DTSTART;TZID=Europe/Berlin:20901204T100000", "RRULE:FREQ=WEEKLY;BYDAY=MO,TH;COUNT=10"]
    {
        assert!(invitation.contains(&format!("{line}\r\n")), "{line}: {invitation}");
    }

    let listed = place.run(&["meeting", "list", "--json"]).ok().json();
    let meeting = &listed[0];
    let id = meeting["id"].as_str().unwrap();
    assert_eq!(meeting["uri"], format!("sip:meet-{id}@contoso.example"));
    assert_eq!((&meeting["state"], &meeting["next"]["start"]), (&"scheduled".into(), &"2090-12-04 10:00".into()));
    assert_eq!(meeting["invitees"][1]["role"], "presenter");

    let shown = place.run(&["meeting", "show", id]).ok().stdout;
    for words in [
        "every week on mon, thu, 10 times",
        "carol@northwind.example  presenter",
        "2090-12-07 10:00",
        "wait in the lobby",
    ] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    // By its address, too.
    let detail = place.run(&["meeting", "show", meeting["uri"].as_str().unwrap(), "--json"]).ok().json();
    assert_eq!(detail["occurrences"].as_array().unwrap().len(), 10);
    assert_eq!(detail["workers"], Value::Null);
}

#[test]
fn a_series_is_on_the_second_tuesday_and_the_last_friday_of_the_month() {
    let place = place();
    let made = place.run(&with(&CREATE, &["--every", "month", "--on", "second tue,last fri", "--json"])).ok();
    let shown = place.run(&["meeting", "show", &id(&made), "--json"]).ok().json();
    let starts: Vec<_> = shown["occurrences"].as_array().unwrap().iter().take(3).map(|found| &found["start"]).collect();
    assert_eq!(starts, ["2090-12-12 10:00", "2090-12-29 10:00", "2091-01-09 10:00"]);
    let text = place.run(&["meeting", "show", &id(&made)]).ok().stdout;
    assert!(text.contains("every month on the second tue, last fri"), "{text}");
}

#[test]
fn what_invitees_have_to_know_counts_as_a_change_and_what_they_need_not_does_not() {
    let place = place();
    let id = id(&place.run(&with(&CREATE, &["--every", "week", "--invite", "bob@fabrikam.example", "--json"])).ok());
    let set = |arguments: &[&str]| place.run(&with(&["meeting", "set", &id], arguments));
    let locked = set(&["--locked", "yes", "--lobby", "Fabrikam.example=refuse", "--json"]).ok().json();
    assert_eq!((&locked["meeting"]["sequence"], &locked["invitation"]), (&0.into(), &Value::Null));
    assert_eq!(locked["meeting"]["settings"]["is_locked"], true);
    assert_eq!(locked["meeting"]["settings"]["lobby"]["by_domain"]["fabrikam.example"], "refuse");

    let later = set(&["--at", "2090-12-01 11:00", "--uninvite", "bob@fabrikam.example", "--json"]).ok().json();
    assert_eq!(later["meeting"]["sequence"], 1);
    assert!(later["invitation"].as_str().unwrap().contains("SEQUENCE:1\r\n"), "{later}");
    assert_eq!(later["meeting"]["invitees"], serde_json::json!([]));
    assert_eq!(later["meeting"]["settings"]["is_locked"], true, "what is not named stays");

    let moved = set(&["--only", "2090-12-08", "--at", "2090-12-09 16:00", "--json"]).ok().json();
    assert!(
        moved["invitation"].as_str().unwrap().contains("RECURRENCE-ID;TZID=Europe/Berlin:20901208T110000"),
        "{moved}"
    );
    let shown = place.run(&["meeting", "show", &id]).ok().stdout;
    assert!(shown.contains("moved from 2090-12-08 11:00"), "{shown}");
}

#[test]
fn a_meeting_is_cancelled_in_part_and_then_wholly() {
    let place = place();
    let id = id(&place.run(&with(&CREATE, &["--every", "week", "--invite", "bob@fabrikam.example", "--json"])).ok());
    place.run(&["meeting", "cancel", &id, "--only", "2090-12-08", "--invitation", "one.ics"]).ok();
    let one = std::fs::read_to_string(place.path().join("one.ics")).unwrap();
    assert!(one.contains("METHOD:CANCEL") && one.contains("RECURRENCE-ID;TZID=Europe/Berlin:20901208T100000"), "{one}");
    let shown = place.run(&["meeting", "show", &id, "--json"]).ok().json();
    let starts: Vec<_> = shown["occurrences"].as_array().unwrap().iter().take(2).map(|found| &found["start"]).collect();
    assert_eq!(starts, ["2090-12-01 10:00", "2090-12-15 10:00"]);

    assert!(place.run(&["meeting", "cancel", &id]).ok().stdout.contains("cancelled: nobody comes in any more"));
    let again = place.run(&["meeting", "cancel", &id]);
    again.fails(&[&format!("error: meeting {id} is cancelled"), "next: schedule a new one: comity meeting create"]);
    assert_eq!(place.run(&["meeting", "list", "--json"]).ok().json(), serde_json::json!([]));
    assert_eq!(place.run(&["meeting", "list", "--all", "--json"]).ok().json()[0]["state"], "cancelled");
    let invitation = place.run(&["meeting", "invite", &id]).ok().stdout;
    assert!(invitation.contains("METHOD:CANCEL") && invitation.contains("SEQUENCE:2"), "{invitation}");
}

#[test]
fn what_cannot_be_scheduled_says_what_to_do() {
    let place = place();
    let changed = |from: &str, to: &'static str| {
        let arguments: Vec<_> = CREATE.iter().map(|word| if *word == from { to } else { word }).collect();
        place.run(&arguments)
    };
    changed("alice@contoso.example", "bob@contoso.example")
        .fails(&["error: there is no user bob@contoso.example", "next: to see the users: comity user list"]);
    changed("alice@contoso.example", "bob@fabrikam.example").fails(&[
        "error: fabrikam.example is not a domain of this server",
        "next: the domains served here are: contoso.example",
    ]);
    changed("2090-12-01 10:00", "1999-12-01 10:00").fails(&[
        "error: the meeting lies in the past",
        "next: give a date and time to come, by the clocks of the meeting's zone",
    ]);
    changed("45m", "48h").fails(&["error: a meeting of 2880 minutes", "next: a meeting lasts from 1 to 1440 minutes"]);
    let zone = changed("Europe/Berlin", "Berlin").stderr;
    assert!(zone.contains("there is no time zone \"Berlin\"; name it as the IANA database does"), "{zone}");
    place
        .run(&["meeting", "show", "none"])
        .fails(&["error: there is no meeting none", "next: to see the meetings: comity meeting list --all"]);
    let twice = place.run(&with(&CREATE, &["--invite", "alice@contoso.example"]));
    twice.fails(&[
        "error: alice@contoso.example is invited twice",
        "next: name each person once, and not the organiser",
    ]);
    let series = |every: &'static str, on: &'static str| place.run(&with(&CREATE, &["--every", every, "--on", on]));
    series("month", "tue").fails(&["error: tue is no day of the month", "next: write such as --on 'second tue'"]);
    series("week", "last fri").fails(&["error: last fri is no day of the week", "next: write such as --on mon,thu"]);
    series("day", "mon")
        .fails(&["error: every day is not on mon alone", "next: write --every week, or leave --on out"]);
    assert!(series("month", "fifth tue").stderr.contains("write such as 'second tue' or 'last fri'"));
    let unwritable = place.run(&with(&CREATE, &["--invitation", "absent/budget.ics"]));
    assert!(unwritable.stderr.contains("cannot write absent/budget.ics"), "{}", unwritable.stderr);
    assert_eq!(place.run(&["meeting", "list", "--json"]).ok().json(), serde_json::json!([]), "nothing was made of it");
}

#[test]
fn no_user_has_the_address_of_a_meeting() {
    let place = Place::new(LISTEN);
    for name in ["meet@contoso.example", "Meet-budget@contoso.example"] {
        place.run(&["user", "add", name, "--generate"]).fails(&[
            "error: meet and names that begin with meet- are meetings' addresses",
            "next: choose another name for the user",
        ]);
    }
    place.run(&["user", "add", "meeting@contoso.example", "--generate"]).ok();
}

#[test]
fn every_worker_knows_every_change_and_after_a_crash_again() {
    let mut served = Served::start();
    served.run(&["user", "add", "alice@contoso.example", "--generate"]).ok();
    let id = id(&served.run(&with(&CREATE, &["--json"])).ok());
    let workers = |served: &Served| served.run(&["meeting", "show", &id, "--json"]).ok().json()["workers"].clone();
    assert_eq!(workers(&served), 2);
    served.run(&["meeting", "set", &id, "--mute-on-entry", "yes"]).ok();
    assert_eq!(workers(&served), 2);

    served.signal("-KILL");
    served.server.wait().unwrap();
    served.server = served.place.command(&["serve"]).stderr(std::process::Stdio::null()).spawn().unwrap();
    served.wait_until("the server is back", |served| served.place.run(&["status"]).code == Some(0));
    assert_eq!(workers(&served), 2);
    let shown = served.run(&["meeting", "show", &id]).ok().stdout;
    assert!(shown.contains("known to      2 workers"), "{shown}");
}
