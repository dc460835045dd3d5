//! What a server has promised survives the loss of all that it had not made durable when the power went.
//!
//! A real server works while its system calls are traced. Then its folder is put together again as a disk may have it at many
//! moments: with what was synced, and of the rest nothing, all, or whatever chance leaves of it. From each the program has to read
//! every message that was answered with 202 before that moment, and every user, partner and meeting that a command had returned for.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rusqlite::Connection;
use sip::{Message, Method};

use crate::lost_writes::{Disk, Fate};
use crate::phone::Phone;
use crate::place::Place;
use crate::served;
use crate::served::Served;
use crate::traced;
use crate::traced::Event;

const ALICE: &str = "alice@contoso.example";
/// None of them alone may leave so much with anybody.
const WRITERS: [&str; 3] = [ALICE, "dave@contoso.example", "erin@contoso.example"];
const AWAY: [&str; 2] = ["bob@contoso.example", "carol@contoso.example"];

/// Ended when dropped: a tracer that is killed leaves what it traces behind.
struct Traced {
    served: Served,
    file: &'static str,
}

impl Traced {
    fn start(place: Place, ports: [u16; 2], file: &'static str) -> Traced {
        let authority = place.certify(&["sip.contoso.example", "contoso.example"]);
        let server = Traced::spawn(&place, file);
        Traced {
            served: Served { place, authority, server, tls_port: ports[0], tcp_port: ports[1] }.when_ready(),
            file,
        }
    }

    fn start_again(&mut self, file: &'static str) {
        self.file = file;
        self.served.server = Traced::spawn(&self.served.place, file);
        self.served.wait_until("it is ready again", |served| served.place.run(&["status"]).code == Some(0));
    }

    fn spawn(place: &Place, file: &str) -> Child {
        let program = place.command(&["serve"]);
        let mut command = Command::new("strace");
        command.args(traced::ARGUMENTS).arg("--output").arg(place.path().join(file)).arg(program.get_program());
        let log = std::fs::File::create(place.path().join("log")).unwrap();
        command.arg("serve").current_dir(place.path()).env_remove("COMITY_CONFIG").env_remove("COMITY_LOG");
        command.stdout(Stdio::null()).stderr(log).spawn().unwrap()
    }

    fn trace(&self) -> String {
        std::fs::read_to_string(self.served.place.path().join(self.file)).unwrap_or_default()
    }

    /// Answers the events until the server was gone.
    fn end(&mut self, signal: &str) -> Vec<Event> {
        self.signal(signal);
        self.served.server.wait().unwrap();
        traced::events(&self.trace(), self.served.place.path())
    }

    fn signal(&self, name: &str) {
        if let Some(id) = self.trace().split(' ').next().filter(|id| !id.is_empty()) {
            let _ = Command::new("kill").args([name, id]).stderr(Stdio::null()).status();
        }
    }
}

impl Drop for Traced {
    fn drop(&mut self) {
        self.signal("-KILL");
    }
}

/// Sends so many messages to who is away, each a transaction with a Call-ID that says whose and which it is.
fn write_messages(served: &Served, to: &'static str, run: &str, count: u32) {
    let mut writers = WRITERS.map(|writer| Phone::connect(served, writer, Ipv4Addr::LOCALHOST));
    let padding = "x".repeat(1500);
    for number in 0..count {
        let writer = &mut writers[number as usize % WRITERS.len()];
        writer.call_id = format!("{run}-{number}-for-{}", to.replace('@', "-"));
        let answer = writer.ask(&Method::Message, &format!("sip:{to}"), to, &format!("X-Padding: {padding}\r\n"));
        assert_eq!(answer.status(), Some(202), "{answer:?}");
    }
}

/// From a first start on: all that an administrator and users do, at the same time.
fn work(served: &Served, run: &str, count: u32) {
    std::thread::scope(|threads| {
        for to in AWAY {
            threads.spawn(move || write_messages(served, to, run, count));
        }
        for number in 0..count / 4 {
            served.run(&["partner", "add", &format!("{run}-{number}.example")]).ok();
        }
    });
}

/// What somebody was told is there, by the number of the event that told him. Each is named as [`found`] does.
fn promises(events: &[Event], names: &BTreeSet<String>) -> BTreeMap<String, usize> {
    let mut told = BTreeMap::new();
    for (number, event) in events.iter().enumerate() {
        let Event::Told(bytes) = event else { continue };
        let text = String::from_utf8_lossy(bytes);
        for response in text.split("SIP/2.0 ").skip(1).filter(|response| response.starts_with("202")) {
            let call_id = response.lines().find_map(|line| line.strip_prefix("Call-ID: ")).unwrap();
            told.entry(call_id.to_owned()).or_insert(number);
        }
        if text.starts_with("HTTP/1.1 2") {
            for name in names.iter().filter(|name| text.contains(&format!("\"{name}\""))) {
                told.entry(name.clone()).or_insert(number);
            }
        }
    }
    told
}

/// Everything of these kinds in a database, which has to be whole.
fn found(database: &Path) -> Result<BTreeSet<String>, String> {
    let connection = Connection::open(database).map_err(|error| error.to_string())?;
    let whole: String = connection
        .pragma_query_value(None, "integrity_check", |row| row.get(0))
        .map_err(|error| format!("integrity_check: {error}"))?;
    if whole != "ok" {
        return Err(whole);
    }
    let texts = |query: &str| -> Vec<String> {
        let mut statement = connection.prepare(query).unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
    };
    let mut found: BTreeSet<String> = texts("SELECT domain FROM partners").into_iter().collect();
    found.extend(texts("SELECT aor FROM users"));
    found.extend(texts("SELECT id FROM meetings"));
    let mut statement = connection.prepare("SELECT request FROM stored_messages").unwrap();
    let requests = statement.query_map([], |row| row.get::<_, Vec<u8>>(0)).unwrap();
    found
        .extend(requests.map(|request| Message::parse(request.unwrap().into()).unwrap().call_id().unwrap().to_owned()));
    Ok(found)
}

/// The power goes after so many events.
struct PowerCut<'a> {
    events: &'a [Event],
    promises: &'a BTreeMap<String, usize>,
    at: usize,
    fate: Fate,
}

impl PowerCut<'_> {
    /// What is wrong after it; and how much was promised.
    fn check(&self, place: &Place) -> Result<usize, String> {
        let data = place.path().join("data");
        let _ = std::fs::remove_dir_all(&data);
        Disk::after(&self.events[..self.at]).write_to(place.path(), self.fate);
        let promised: BTreeSet<String> =
            self.promises.iter().filter(|(_, told)| **told < self.at).map(|(name, _)| name.clone()).collect();
        if promised.is_empty() && !data.exists() {
            return Ok(0);
        }
        // The program itself is the first to open it.
        let listed = place.run(&["partner", "list", "--json"]);
        if listed.code != Some(0) {
            return Err(listed.stderr);
        }
        let found = found(&data.join("comity.db"))?;
        let lost: Vec<_> = promised.difference(&found).cloned().collect();
        if lost.is_empty() { Ok(promised.len()) } else { Err(format!("lost: {}", lost.join(", "))) }
    }
}

/// Half of them just before or after a sync, the others anywhere.
fn cuts(events: &[Event], count: usize) -> Vec<(usize, Fate)> {
    let syncs: Vec<usize> =
        (0..events.len()).filter(|number| matches!(events[*number], Event::Synced { .. })).collect();
    let cut = |number: usize| {
        let at = match number % 2 {
            0 => syncs[number * syncs.len() / count] + (number / 2) % 2,
            _ => number * events.len() / count,
        };
        let fate = match number % 5 {
            0 => Fate::Lost,
            1 => Fate::Kept,
            _ => Fate::Drawn(number as u64),
        };
        (at, fate)
    };
    (0..count).map(cut).collect()
}

#[test]
#[ignore = "traces a server; ./test power_cuts"]
fn what_was_promised_survives_the_loss_of_all_that_was_not_synced() {
    let count = std::env::var("COMITY_CUTS").map_or(60, |count| count.parse().unwrap());
    let ports = served::free_ports();
    let listen = format!("tls = [\"127.0.0.1:{}\"]\ntcp = [\"127.0.0.1:{}\"]", ports[0], ports[1]);
    let mut traced = Traced::start(Place::new(&listen), ports, "first.trace");
    for aor in WRITERS.into_iter().chain(AWAY) {
        Phone::add_user(&traced.served, aor);
    }
    let meeting = traced.served.schedule(ALICE, &[])["id"].as_str().unwrap().to_owned();
    work(&traced.served, "first", 120);
    let mut events = traced.end("-TERM");
    traced.start_again("second.trace");
    work(&traced.served, "second", 20);
    let begun = events.len();
    events.extend(traced.end("-KILL").into_iter().map(|event| match event {
        Event::Synced { path, began } => Event::Synced { path, began: began + begun },
        event => event,
    }));

    let mut names: BTreeSet<String> = WRITERS.into_iter().chain(AWAY).map(str::to_owned).collect();
    names.insert(meeting);
    names.extend(
        [("first", 30), ("second", 5)]
            .iter()
            .flat_map(|(run, partners)| (0..*partners).map(move |number| format!("{run}-{number}.example"))),
    );
    let promises = promises(&events, &names);
    assert_eq!(promises.len(), names.len() + 280, "all that was done was seen");
    let is_database = |path: &Path| path == Path::new("data/comity.db");
    let into_it = events.iter().filter(|event| matches!(event, Event::Written { path, .. } if is_database(path)));
    assert!(into_it.count() > 10, "what was in the log has come into the database");

    let place = Place::new(&listen);
    let (mut promised, mut wrong) = (0, Vec::new());
    for (at, fate) in cuts(&events, count) {
        match (PowerCut { events: &events, promises: &promises, at, fate }).check(&place) {
            Ok(count) => promised += count,
            Err(what) => wrong.push(format!("after {at} of {} events, {fate:?}: {what}", events.len())),
        }
    }
    let syncs = events.iter().filter(|event| matches!(event, Event::Synced { .. })).count();
    println!(
        "{count} power cuts among {} events, {syncs} of them syncs; {promised} promises checked, {} cuts went wrong",
        events.len(),
        wrong.len()
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
