//! A server that is killed at random moments, with messages, registrations, a meeting and administrators under way. What
//! it promised has to be there when it is started again.
//!
//! `COMITY_KILLS` says how often, `COMITY_KILLS_SEED` at which moments. The step `kills` of `./test` runs it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, TcpStream};
use std::process::Stdio;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use rusqlite::Connection;
use sip::Method;

use crate::load;
use crate::load::administrator::Kind;
use crate::load::meeting::{Attendee, GUESTS, ORGANISER};
use crate::load::{Door, Ledger, Load, RECEIVERS, RESTLESS, SENDERS};
use crate::phone::Phone;
use crate::served::Served;

/// One kill, and what was found after it.
struct Kill {
    after_ms: u64,
    ready_ms: u128,
    ledger: Ledger,
    /// In the database as the kill left it: number of each message, and whether it was on its way to a device.
    left: BTreeMap<u64, bool>,
    repeats: usize,
    lost: Vec<u64>,
}

#[test]
#[ignore = "takes a minute; ./test kills"]
fn nothing_that_was_promised_is_lost_to_a_kill() {
    let kills = from_environment("COMITY_KILLS", 5);
    let seed = from_environment("COMITY_KILLS_SEED", 1);
    let mut random = SmallRng::seed_from_u64(seed);
    let mut served = Served::start();
    for aor in SENDERS.iter().chain(&RECEIVERS).chain(&GUESTS).chain(&[RESTLESS, ORGANISER]) {
        Phone::add_user(&served, aor);
    }
    let meeting = schedule(&served);
    let numbers = Arc::new(AtomicU64::new(1));
    println!("seed {seed}");
    println!("kill  after ms  promised  in store  on way  entered  visits  said  sign-ins  ready ms  repeats  lost");
    let mut total = (0, 0, 0);
    let mut met = (0, 0, 0);
    let mut entered = [0; Kind::ALL.len()];
    for number in 1..=kills {
        let kill = kill_once(&mut served, &meeting, &numbers, &mut random);
        kill.print(number);
        total = (total.0 + kill.ledger.acknowledged.len(), total.1 + kill.repeats, total.2 + kill.lost.len());
        met = (met.0 + kill.ledger.visits, met.1 + kill.ledger.said, met.2 + kill.ledger.heard);
        for (sum, kind) in entered.iter_mut().zip(Kind::ALL) {
            *sum += kind.noted(&kill.ledger).len();
        }
        assert!(kill.lost.is_empty(), "promised and lost; seed {seed}");
    }
    let (promised, repeats, lost) = total;
    println!("{kills} kills, {promised} messages promised, {lost} lost, {repeats} came twice");
    println!("{} visits of the meeting, {} messages in it, heard {} times", met.0, met.1, met.2);
    println!(
        "entered: {}",
        Kind::ALL.iter().zip(entered).map(|(kind, sum)| format!("{sum} x {kind:?}")).collect::<Vec<_>>().join(", ")
    );
    assert!(promised > 0, "nothing was under way");
    assert!(met.0 > 0 && met.2 > 0, "nobody met");
    assert!(entered.iter().all(|sum| *sum > 0), "not all was entered");
}

/// How long a server takes that has much in its store, killed or ended in good order before. The best of some starts counts: what
/// else the machine does makes single ones slow, and what the server does makes all of them slow.
#[test]
#[ignore = "a measurement; ./test kills"]
fn a_server_with_100_000_users_is_ready_again() {
    let mut served = Served::start();
    for aor in [RESTLESS, ORGANISER] {
        Phone::add_user(&served, aor);
    }
    let meeting = schedule(&served);
    let line = "X-Number: 1\r\n";
    let door = Door { tcp_port: served.tcp_port, folder: served.place.path().to_owned() };
    let mut phone = load::connect(&door, RESTLESS);
    assert_eq!(phone.ask(&Method::Message, &format!("sip:{ORGANISER}"), ORGANISER, line).status(), Some(202));
    let database = door.folder.join("data/comity.db");
    fill_store(&database);
    let mut last_meeting = String::new();
    for meetings in [1..MEETINGS_OFTEN, MEETINGS_OFTEN..MEETINGS_MAX] {
        let count = meetings.end;
        last_meeting = add_meetings(&database, &meeting, meetings);
        for end in ["-TERM", "-KILL"] {
            let ready_ms = [(); STARTS].map(|()| {
                served.signal(end);
                served.server.wait().unwrap();
                start_again(&mut served, &door)
            });
            println!("{USERS} users, {count} meetings, after SIG{}: ready again after {ready_ms:?} ms", &end[1..]);
            let best = ready_ms.into_iter().min().unwrap();
            assert!(best < READY_MS_MAX, "ready again after {best} ms at best");
        }
    }
    let status = served.run(&["status", "--json"]).ok().json();
    let counts = ["users", "partners"].map(|name| status[name].as_u64().unwrap());
    assert_eq!(counts, [USERS + 2, PARTNERS], "the store is what it was meant to be");
    assert_eq!(status["messages"]["stored"], USERS + 1);
    assert_eq!(served.run(&["meeting", "show", &last_meeting, "--json"]).ok().json()["workers"], 2);
}

/// Rows like those that a server made, under other names.
fn fill_store(path: &std::path::Path) {
    let mut database = Connection::open(path).unwrap();
    let all = database.transaction().unwrap();
    let insert = |number: u64, text: &str| all.prepare_cached(text).unwrap().execute([number.cast_signed()]).unwrap();
    for number in 0..USERS {
        insert(
            number,
            "INSERT INTO users (aor, password, ha1_sha256, ha1_md5, created)
             SELECT 'user' || ?1 || '@contoso.example', password, ha1_sha256, ha1_md5, created FROM users
             WHERE aor = 'restless@contoso.example'",
        );
        insert(
            number,
            "INSERT INTO stored_messages (aor, accepted, expires, was_sent, request)
             SELECT 'user' || ?1 || '@contoso.example', accepted, expires, 0, request FROM stored_messages WHERE id = 1",
        );
    }
    for number in 0..PARTNERS {
        insert(
            number,
            "INSERT INTO partners (domain, kind, edge, comment, added) VALUES ('p' || ?1 || '.example', 'allowed-domain', NULL, '', 1)",
        );
    }
    all.commit().unwrap();
}

/// Answers the ID of the last.
fn add_meetings(path: &std::path::Path, meeting: &str, numbers: std::ops::Range<u64>) -> String {
    let mut database = Connection::open(path).unwrap();
    let all = database.transaction().unwrap();
    let mut id = String::new();
    for number in numbers {
        id = format!("{}{}", &meeting[..6], base_8(number));
        all.execute(
            "INSERT INTO meetings SELECT ?1, organiser, ends, replace(record, ?2, ?1), created FROM meetings WHERE id = ?2",
            [&id, meeting],
        )
        .unwrap();
    }
    all.commit().unwrap();
    id
}

/// Six letters that a meeting's ID may have.
fn base_8(number: u64) -> String {
    (0..6).map(|place| char::from(b"23456789"[(number >> (3 * place) & 7) as usize])).collect()
}

const STARTS: usize = 3;
const READY_MS_MAX: u128 = 1_000;
const USERS: u64 = 100_000;
const PARTNERS: u64 = 1_000;
const MEETINGS_OFTEN: u64 = 1_000;
/// As many as may be to take place.
const MEETINGS_MAX: u64 = 20_000;

fn from_environment(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap())
}

impl Kill {
    fn print(&self, number: u64) {
        let on_way = self.left.values().filter(|is_sent| **is_sent).count();
        let Ledger { acknowledged, registrations, visits, said, .. } = &self.ledger;
        let (promised, stored) = (acknowledged.len(), self.left.len());
        let entered: usize = Kind::ALL.iter().map(|kind| kind.noted(&self.ledger).len()).sum();
        let (after, ready, repeats, lost) = (self.after_ms, self.ready_ms, self.repeats, self.lost.len());
        println!(
            "{number:>4}  {after:>8}  {promised:>8}  {stored:>8}  {on_way:>6}  {entered:>7}  {visits:>6}  {said:>4}  \
             {registrations:>8}  {ready:>8}  {repeats:>7}  {lost:>4}"
        );
    }
}

fn kill_once(served: &mut Served, meeting: &str, numbers: &Arc<AtomicU64>, random: &mut SmallRng) -> Kill {
    let door = Door { tcp_port: served.tcp_port, folder: served.place.path().to_owned() };
    let told_before = told_of(served, meeting);
    let (after_ms, seed) = (random.random_range(20..1000), random.random());
    let mut load = Load::start(&door, numbers, seed);
    load.meet(&door, meeting);
    for kind in [Kind::User, Kind::Meeting, Kind::Policy] {
        load.administer(&door, seed, kind);
    }
    std::thread::sleep(Duration::from_millis(after_ms));
    served.server.kill().unwrap();
    served.server.wait().unwrap();
    let ledger = load.end();
    let left = left_behind(served);
    let ready_ms = start_again(served, &door);

    check_ended(served);
    meet_again(&door, meeting);
    assert_eq!(told_of(served, meeting), told_before, "the meeting is not what it was");
    deliver_all(served, &door, &ledger);
    let ledger = std::mem::take(&mut *ledger.lock().unwrap());
    check_entered(served, &door, &ledger);
    check_integrity(&served.place.path().join("data/comity.db"));
    let twice: Vec<u64> = ledger.came.iter().filter(|(_, times)| **times > 1).map(|(number, _)| *number).collect();
    for number in &twice {
        assert_eq!(left.get(number), Some(&true), "{number} came twice and was not on its way at the kill");
        assert_eq!(ledger.came[number], 2, "{number} came more than twice");
    }
    let counted = served.run(&["status", "--json"]).ok().json()["messages"]["repeats"].as_u64().unwrap();
    assert!(counted >= twice.len() as u64, "{twice:?} came twice, the server counted {counted}");
    let lost = ledger.acknowledged.iter().filter(|number| !ledger.came.contains_key(number)).copied().collect();
    Kill { after_ms, ready_ms, left, repeats: twice.len(), lost, ledger }
}

/// The database and its log, looked at as a copy: opening it would repair what the server has to repair itself.
fn left_behind(served: &Served) -> BTreeMap<u64, bool> {
    let copy = tempfile::tempdir().unwrap();
    for name in ["comity.db", "comity.db-wal"] {
        std::fs::copy(served.place.path().join("data").join(name), copy.path().join(name)).unwrap();
    }
    let database = check_integrity(&copy.path().join("comity.db"));
    load::stored_numbers(&database)
}

fn check_integrity(path: &std::path::Path) -> Connection {
    let database = Connection::open(path).unwrap();
    let found: String = database.pragma_query_value(None, "integrity_check", |row| row.get(0)).unwrap();
    assert_eq!(found, "ok");
    database
}

/// Milliseconds from the start of the program until a phone is signed in.
fn start_again(served: &mut Served, door: &Door) -> u128 {
    let log = std::fs::File::options().append(true).open(served.place.path().join("log")).unwrap();
    let begin = Instant::now();
    served.server = served.place.command(&["serve"]).stderr(log).stdout(Stdio::null()).spawn().unwrap();
    while TcpStream::connect((Ipv4Addr::LOCALHOST, door.tcp_port)).is_err() {
        assert!(begin.elapsed() < Duration::from_secs(30), "it does not start again:\n{}", served.log());
        std::thread::sleep(Duration::from_millis(2));
    }
    assert_eq!(load::connect(door, RESTLESS).register().status(), Some(200));
    begin.elapsed().as_millis()
}

/// Everybody signs in again and takes what waits.
fn deliver_all(served: &mut Served, door: &Door, ledger: &Arc<Mutex<Ledger>>) {
    let take = |aor: &&'static str| {
        let ((mut phone, line), ledger) = (load::connect_with_line(door, aor), ledger.clone());
        (std::thread::spawn(move || load::take_messages(&mut phone, &ledger)), line)
    };
    let phones: Vec<_> = RECEIVERS.iter().map(take).collect();
    served.wait_until("all that was stored is delivered", |served| {
        served.run(&["status", "--json"]).ok().json()["messages"]["stored"] == 0
    });
    for (phone, line) in phones {
        line.shutdown(std::net::Shutdown::Both).unwrap();
        phone.join().unwrap();
    }
    let signed_in = |served: &Served| {
        let users = served.run(&["user", "list", "--json"]).ok().json();
        users.as_array().unwrap().iter().map(|user| user["registrations"].as_u64().unwrap()).sum::<u64>()
    };
    served.wait_until("everybody is away again", |served| signed_in(served) == 0);
}

/// All that an administrator was told is entered is there, a user may sign in, and every worker knows a meeting.
fn check_entered(served: &Served, door: &Door, ledger: &Ledger) {
    let gone = |kind: &Kind| {
        let (command, name) = kind.list();
        let listed = served.run(command).ok().json();
        let listed: BTreeSet<&str> = listed.as_array().unwrap().iter().map(|one| one[name].as_str().unwrap()).collect();
        let gone: Vec<&String> = kind.noted(ledger).iter().filter(|name| !listed.contains(name.as_str())).collect();
        gone.iter().map(|name| format!("{kind:?} {name}")).collect::<Vec<_>>()
    };
    let gone: Vec<String> = Kind::ALL.iter().flat_map(gone).collect();
    assert!(gone.is_empty(), "entered and gone: {gone:?}");
    if let Some(aor) = ledger.users.last() {
        assert_eq!(load::connect(door, aor.clone().leak()).register().status(), Some(200), "{aor} cannot sign in");
    }
    if let Some(id) = ledger.meetings.last() {
        assert_eq!(served.run(&["meeting", "show", id, "--json"]).ok().json()["workers"], 2);
    }
}

/// Of a meeting that a kill has ended nobody is left, and no record says that somebody is still in it.
fn check_ended(served: &Served) {
    assert_eq!(served.run(&["meeting", "running", "--json"]).ok().json(), serde_json::json!([]));
    for aor in GUESTS.iter().chain(&[ORGANISER]) {
        let calls = served.run(&["calls", "--user", aor, "--json"]).ok().json();
        let open: Vec<_> = calls.as_array().unwrap().iter().filter(|call| call["end"].is_null()).collect();
        assert!(open.is_empty(), "{open:?}");
    }
}

/// Everybody comes in again, and hears what the last to come says.
fn meet_again(door: &Door, meeting: &str) {
    let join = |aor: &&'static str| {
        let mut attendee = Attendee::join(load::meeting::signed_in(door, aor), meeting).unwrap();
        attendee.write().unwrap();
        attendee
    };
    let all: Vec<Attendee> = GUESTS.iter().chain(&[ORGANISER]).map(join).collect();
    for (attendee, still_to_come) in all.into_iter().zip((0..=GUESTS.len() as u32).rev()) {
        let mut attendee = attendee;
        while attendee.heard < still_to_come {
            attendee.hear().unwrap();
        }
        attendee.leave().unwrap();
    }
}

/// A series that is open now; answers its ID.
fn schedule(served: &Served) -> String {
    let series = ["--every", "day", "--count", "10", "--invite", "bob@fabrikam.example"];
    served.schedule(ORGANISER, &series)["id"].as_str().unwrap().to_owned()
}

/// What is known of the meeting, but for which workers know it.
fn told_of(served: &Served, meeting: &str) -> serde_json::Value {
    let mut told = served.run(&["meeting", "show", meeting, "--json"]).ok().json();
    assert_eq!(told["workers"], 2);
    assert_eq!(told["subject"], "Budget");
    told.as_object_mut().unwrap().remove("workers");
    told
}
