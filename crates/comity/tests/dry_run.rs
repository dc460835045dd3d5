//! `comity why --dry-run` says what the server would do: on an edge and home in one, on each of the two alone.

use crate::place::Place;

const ALICE: &str = "alice@contoso.example";

fn place(federation: &str) -> Place {
    let place = Place::new(&format!("tls = [\"127.0.0.1:5061\"]\n[federation]\n{federation}"));
    place.run(&["user", "add", ALICE, "--generate"]).ok();
    place
}

/// Alone: its own lines are put into the configuration.
fn apart(role: &str, inside: &str) -> Place {
    let place = Place::new("tls = [\"127.0.0.1:5061\"]");
    let file = place.path().join("comity.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let text = text.replace("workers = 2\n", &format!("workers = 2\nroles = [\"{role}\"]\n"));
    std::fs::write(&file, format!("{text}[inside]\n{inside}\n")).unwrap();
    place
}

fn tries(place: &Place, from: &str, to: &str) -> String {
    place.run(&["why", "--from", from, "--to", to, "--dry-run"]).ok().stdout
}

fn says(told: &str, lines: &[&str]) {
    for line in lines {
        assert!(told.contains(line), "{line:?} is missing in:\n{told}");
    }
}

#[test]
fn whom_nobody_vouches_for_reaches_only_who_has_let_him_in() {
    let place = place("");
    place.run(&["partner", "add", "fabrikam.example", "--verification", "always-unverifiable"]).ok();
    let told = tries(&place, "bob@fabrikam.example", ALICE);
    says(&told, &["nobody vouches for its senders", "403 source-unverified", "comity user allow"]);
    place.run(&["user", "allow", ALICE, "bob@fabrikam.example"]).ok();
    let told = tries(&place, "bob@fabrikam.example", ALICE);
    says(&told, &["would be delivered", "certain"]);
    place.run(&["partner", "set", "fabrikam.example", "--verification", "use-source-verification"]).ok();
    says(&tries(&place, "bob@fabrikam.example", ALICE), &["has to say with each request", "how sure:   likely"]);
}

#[test]
fn what_proves_a_pinned_domain_is_its_pin() {
    let place = place("");
    let pin = "5a".repeat(32);
    place.run(&["partner", "add", "fabrikam.example"]).ok();
    place.run(&["partner", "trust", "fabrikam.example", "--pin", &pin]).ok();
    let told = tries(&place, "bob@fabrikam.example", ALICE);
    says(&told, &["it is the pinned certificate 5a", "and no other"]);
    assert!(!told.contains("itself, as a sip: URI"), "{told}");
}

#[test]
fn of_a_stranger_it_is_said_what_he_would_be_told() {
    let place = place("discovery = true");
    let told = tries(&place, "eve@c0ntoso.example", ALICE);
    says(&told, &["refused by us: 403 look-alike", "c0ntoso.example looks the same as contoso.example"]);
    let told = tries(&place, "eve@adatum.example", "nobody@contoso.example");
    says(
        &told,
        &[
            "nobody@contoso.example is no user here: refused with 480 user-unavailable",
            "the same of both",
            "the sender's",
        ],
    );
    let told = tries(&place, "eve@adatum.example", ALICE);
    says(&told, &["would be delivered once the server runs", "3 messages and calls a day"]);
    let watches = ["why", "--from", "eve@adatum.example", "--to", ALICE, "--dry-run", "--what", "presence"];
    says(&place.run(&watches).ok().stdout, &["refused by us: 403 presence-denied", "adatum.example has no entry"]);
}

#[test]
fn where_nothing_is_hidden_from_strangers_it_is_said_so() {
    let open = place("discovery = true\n[federation.discovered]\nhide_users = false\nlook_alikes = \"flag\"");
    says(&tries(&open, "eve@adatum.example", "nobody@contoso.example"), &["refused with 404 user-unknown"]);
    says(&tries(&open, "eve@c0ntoso.example", ALICE), &["the administrator is told", "would be delivered"]);
}

#[test]
fn what_is_refused_beside_messages_is_said() {
    let place = place("");
    place.run(&["partner", "add", "fabrikam.example", "--edge", "127.edge.example"]).ok();
    place.run(&["policy", "set", "organisation", "--modalities", "messages,presence"]).ok();
    let told = tries(&place, ALICE, "bob@fabrikam.example");
    says(
        &told,
        &[
            "a message may pass, and not all else",
            "audio: modality-not-allowed would be refused",
            "our side lets it out",
        ],
    );
    assert!(!told.contains("presence: "), "{told}");
}

#[test]
fn what_is_asked_about_is_decided_about() {
    let place = place("");
    place.run(&["partner", "add", "fabrikam.example", "--modalities", "presence,audio"]).ok();
    place.run(&["partner", "set", "fabrikam.example", "--edge", "127.edge.example"]).ok();
    let asks = |from: &str, to: &str, what: &str| {
        place.run(&["why", "--from", from, "--to", to, "--dry-run", "--what", what]).ok().stdout
    };
    for (from, to) in [(ALICE, "bob@fabrikam.example"), ("bob@fabrikam.example", ALICE)] {
        for (what, named) in
            [("messages", "a message"), ("video", "a call with video"), ("meetings", "a request to or from a meeting")]
        {
            let told = asks(from, to, what);
            says(&told, &[&format!("{named} is refused by us: 403 modality-not-allowed"), "how sure:   certain"]);
        }
        let told = asks(from, to, "audio");
        says(
            &told,
            &["a call with audio may pass, and not all else", "messages: modality-not-allowed would be refused"],
        );
        assert!(!told.contains("refused by us"), "{told}");
        says(&tries(&place, from, to), &["a message is refused by us"]);
    }
    let wrong = place.run(&["why", "--from", ALICE, "--to", "b@x.example", "--dry-run", "--what", "smoke"]);
    says(&wrong.stderr, &["invalid value 'smoke' for '--what", "possible values: messages, presence, audio"]);
}

#[test]
fn an_edge_alone_leaves_users_to_its_home_and_a_home_alone_the_way_to_its_edges() {
    let edge = apart("edge", "next_hop = \"home.corp.example\"\nlisten = [\"127.0.0.1:5071\"]");
    edge.run(&["partner", "add", "fabrikam.example"]).ok();
    let told = tries(&edge, "bob@fabrikam.example", ALICE);
    says(&told, &["handed to what is behind this edge", "home.corp.example", "how sure:   likely"]);
    let told = tries(&edge, ALICE, "bob@fabrikam.example");
    assert!(told.contains("known inside") && !told.contains("no user here"), "{told}");
    let home = apart("home", "edges = [\"edge1.corp.example:5071\"]\nlisten = [\"127.0.0.1:5071\"]");
    home.run(&["user", "add", ALICE, "--generate"]).ok();
    home.run(&["partner", "add", "fabrikam.example"]).ok();
    let told = tries(&home, ALICE, "bob@fabrikam.example");
    says(&told, &["to one of our edges", "edge1.corp.example:5071", "comity route fabrikam.example"]);
    let refused = home.run(&["route", "fabrikam.example"]);
    says(&refused.stderr, &["through its edges", "next: on an edge of it: comity route fabrikam.example"]);
}

#[test]
fn of_a_meeting_it_is_said_whether_it_would_let_somebody_in() {
    let place = place("");
    place.run(&["partner", "add", "fabrikam.example"]).ok();
    let new = [
        "meeting",
        "create",
        "--organiser",
        ALICE,
        "--subject",
        "Plans",
        "--at",
        "2040-05-07 10:00",
        "--zone",
        "UTC",
        "--for",
        "1h",
    ];
    let created = place.run(&[&new[..], &["--invite", "bob@fabrikam.example"]].concat()).ok().stdout;
    let id = created.split_whitespace().nth(1).unwrap();
    let meeting = format!("meet-{id}@contoso.example");
    let told = tries(&place, "bob@fabrikam.example", &meeting);
    says(&told, &["refused by us: 480 meeting-not-open", "the meeting is not open yet", "certain"]);
    says(&tries(&place, ALICE, &meeting), &[&format!("{meeting} is a meeting: {ALICE} comes in"), "certain"]);
    says(&tries(&place, "bob@fabrikam.example", "meet-none@contoso.example"), &["404 meeting-unknown"]);
    says(&tries(&place, ALICE, "meet@contoso.example"), &["is where meetings begin", "a meeting would begin"]);
    let told = tries(&place, "bob@fabrikam.example", "meet@contoso.example");
    says(&told, &["verdict:    only our own users begin meetings here"]);
    let asks = |to: &str, what: &str| {
        place.run(&["why", "--from", ALICE, "--to", to, "--dry-run", "--what", what]).ok().stdout
    };
    says(&asks("meet-none@contoso.example", "presence"), &["404 meeting-unknown"]);
    says(&asks(&meeting, "presence"), &["489 event-unknown"]);
    says(&asks(&meeting, "files"), &["488 media-unacceptable"]);
    says(&asks(&meeting, "video"), &["comes in", "a meeting has no pictures"]);
    place.run(&["partner", "set", "fabrikam.example", "--modalities", "messages,audio"]).ok();
    says(&tries(&place, "bob@fabrikam.example", &meeting), &["refused by us: 403 modality-not-allowed"]);
    says(&tries(&place, ALICE, "meet@fabrikam.example"), &["refused by us: 403 modality-not-allowed"]);
}
