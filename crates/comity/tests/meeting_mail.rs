//! Invitations by mail, taken by a mail server of the test's own.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use crate::place::{Answer, Place};

/// A letter as it was handed over.
#[derive(Debug)]
struct Letter {
    from: String,
    to: String,
    /// The header fields and the body, quoted-printable undone.
    text: String,
}

/// Takes letters on loopback, but none for an address that begins with `nobody`. Ends with the test.
fn mail_server() -> (u16, Receiver<Letter>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let (letters, taken) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let letters = letters.clone();
            std::thread::spawn(move || converse(stream, &letters));
        }
    });
    (port, taken)
}

fn converse(stream: TcpStream, letters: &Sender<Letter>) {
    let mut answers = stream.try_clone().unwrap();
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    answers.write_all(b"220 mail.test\r\n").unwrap();
    let (mut from, mut to) = (String::new(), String::new());
    while let Some(line) = lines.next() {
        let answer = match line.split_once([' ', ':']).map_or(line.as_str(), |(verb, _)| verb) {
            "MAIL" => {
                from = line;
                "250 ok"
            }
            "RCPT" if line.contains("<nobody") => "550 5.1.1 no such mailbox",
            "RCPT" => {
                to = line;
                "250 ok"
            }
            "DATA" => {
                answers.write_all(b"354 go on\r\n").unwrap();
                let body: Vec<_> = lines.by_ref().take_while(|line| line != ".").collect();
                let text = body.join("\n").replace("=\n", "").replace("=3D", "=");
                letters.send(Letter { from: from.clone(), to: to.clone(), text }).unwrap();
                "250 taken"
            }
            "QUIT" => "221 bye",
            _ => "250 ok",
        };
        answers.write_all(format!("{answer}\r\n").as_bytes()).unwrap();
    }
}

fn place(mail: &str) -> Place {
    let place = Place::new("tls = [\"127.0.0.1:5061\"]");
    let file = place.path().join("comity.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{text}{mail}")).unwrap();
    place.run(&["user", "add", "alice@contoso.example", "--generate"]).ok();
    place
}

fn create(place: &Place, more: &[&str]) -> Answer {
    let arguments =
        "meeting create --organiser alice@contoso.example --subject Budget --for 45m --zone Europe/Berlin --at";
    let arguments: Vec<_> = arguments.split(' ').chain(["2090-12-01 10:00"]).chain(more.iter().copied()).collect();
    place.run(&arguments)
}

fn next(letters: &Receiver<Letter>) -> Letter {
    letters.recv_timeout(Duration::from_secs(20)).unwrap()
}

#[test]
fn everybody_gets_a_letter_and_who_is_not_reached_is_named() {
    let (port, letters) = mail_server();
    let place = place(&format!(
        "[mail]\nsmtp = \"smtp://127.0.0.1:{port}\"\nstarttls = false\nfrom = \"Meetings <meetings@contoso.example>\"\n"
    ));
    let invited = [
        "--invite",
        "bob@fabrikam.example",
        "--invite",
        "nobody@adatum.example",
        "--invite",
        "carol@northwind.example",
    ];
    let answer = create(&place, &[&invited[..], &["--mail"]].concat());
    assert_eq!(answer.code, Some(3), "{}", answer.stderr);
    assert!(answer.stdout.contains("told by mail: 2 people"), "{}", answer.stdout);
    assert!(answer.stdout.contains("not reached: nobody@adatum.example: 127.0.0.1:"), "{}", answer.stdout);
    assert!(answer.stdout.contains("no such mailbox"), "{}", answer.stdout);

    let letter = next(&letters);
    assert!(letter.from.starts_with("MAIL FROM:<meetings@contoso.example>"), "{letter:?}");
    assert_eq!(
        (letter.to.as_str(), next(&letters).to.as_str()),
        ("RCPT TO:<bob@fabrikam.example>", "RCPT TO:<carol@northwind.example>")
    );
    for words in [
        "From: Meetings <meetings@contoso.example>",
        "Reply-To: alice@contoso.example",
        "Subject: Budget",
        "Auto-Submitted: auto-generated",
        "Content-Type: text/calendar; charset=utf-8; method=REQUEST",
        "Content-Type: application/ics",
        "filename=\"invitation.ics\"",
        "Friday, 2090-12-01 10:00 Europe/Berlin, 45 minutes",
        "SENT-BY=\"mailto:meetings@contoso.example\"",
    ] {
        assert!(letter.text.contains(words), "{words}:\n{}", letter.text);
    }
    assert!(letters.try_recv().is_err());
}

#[test]
fn an_update_goes_to_who_is_invited_and_a_cancellation_to_who_is_no_more() {
    let (port, letters) = mail_server();
    let place = place(&format!("[mail]\nsmtp = \"smtp://127.0.0.1:{port}\"\nstarttls = false\n"));
    let made = create(&place, &["--invite", "bob@fabrikam.example", "--json"]).ok().json();
    let id = made["meeting"]["id"].as_str().unwrap();
    let change = ["--uninvite", "bob@fabrikam.example", "--invite", "carol@northwind.example", "--mail", "--json"];
    let told = place.run(&[&["meeting", "set", id], &change[..]].concat()).ok().json();
    assert_eq!(told["mail"]["sent"], serde_json::json!(["carol@northwind.example", "bob@fabrikam.example"]));
    let (update, withdrawal) = (next(&letters), next(&letters));
    assert!(update.to.contains("carol") && update.text.contains("Subject: Updated: Budget"), "{update:?}");
    assert!(
        update.text.contains("From: alice@contoso.example") && update.text.contains("method=REQUEST"),
        "{update:?}"
    );
    assert!(withdrawal.to.contains("bob") && withdrawal.text.contains("method=CANCEL"), "{withdrawal:?}");

    // Settings are no concern of the invitees.
    let told = place.run(&["meeting", "set", id, "--locked", "yes", "--mail", "--json"]).ok().json();
    assert_eq!(told["mail"]["sent"], serde_json::json!([]));
    assert!(letters.try_recv().is_err());

    place.run(&["meeting", "invite", id, "--mail"]).ok();
    assert!(next(&letters).text.contains("method=REQUEST"));
    place.run(&["meeting", "cancel", id, "--mail"]).ok();
    let cancelled = next(&letters);
    assert!(
        cancelled.text.contains("Subject: Cancelled: Budget") && cancelled.text.contains("method=CANCEL"),
        "{cancelled:?}"
    );
}

#[test]
fn without_a_mail_server_nothing_is_made_and_with_a_dead_one_the_meeting_is() {
    let none = place("");
    create(&none, &["--invite", "bob@fabrikam.example", "--mail"]).fails(&[
        "error: comity.toml names no mail server",
        "next: add [mail] with smtp = \"smtp://HOST:587\", or leave --mail out and send the file of --invitation",
    ]);
    assert_eq!(none.run(&["meeting", "list", "--json"]).ok().json(), serde_json::json!([]));

    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let dead = place(&format!("[mail]\nsmtp = \"smtp://127.0.0.1:{port}\"\n"));
    let answer = create(&dead, &["--invite", "bob@fabrikam.example", "--invite", "carol@northwind.example", "--mail"]);
    assert_eq!(answer.code, Some(3), "{}", answer.stderr);
    assert_eq!(answer.stdout.matches("not reached: ").count(), 2, "{}", answer.stdout);
    assert!(answer.stdout.contains("refused") && answer.stdout.contains("meeting invite"), "{}", answer.stdout);
    assert_eq!(dead.run(&["meeting", "list", "--json"]).ok().json().as_array().unwrap().len(), 1);
}

#[test]
fn what_is_to_be_encrypted_is_not_sent_in_the_clear() {
    let (port, letters) = mail_server();
    let place = place(&format!("[mail]\nsmtp = \"smtp://127.0.0.1:{port}\"\n"));
    let answer = create(&place, &["--invite", "bob@fabrikam.example", "--mail"]);
    assert_eq!(answer.code, Some(3), "{}", answer.stdout);
    assert!(letters.try_recv().is_err(), "{}", answer.stdout);
}
