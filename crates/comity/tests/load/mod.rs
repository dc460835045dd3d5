//! What people and an administrator do while a server may be killed, and a ledger of what they were promised.

pub mod administrator;
pub mod meeting;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use rusqlite::Connection;
use sip::{Message, Method};

use crate::partner;
use crate::phone::Phone;
use administrator::{Kind, administer};
use meeting::{GUESTS, ORGANISER, come_and_go, signed_in, stay};

pub const SENDERS: [&str; 3] = ["sender0@contoso.example", "sender1@contoso.example", "sender2@contoso.example"];
/// The first is signed in throughout, the next two come while messages are sent to them, the last stays away.
pub const RECEIVERS: [&str; 4] =
    ["present@contoso.example", "early@contoso.example", "late@contoso.example", "away@contoso.example"];
/// Signs in again and again.
pub const RESTLESS: &str = "restless@contoso.example";

/// What was promised, and what came, since the server was last started in good order.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Numbers of messages whose sender got 200 or 202.
    pub acknowledged: BTreeSet<u64>,
    /// How often each came to a device.
    pub came: BTreeMap<u64, u32>,
    /// Answers to senders, by status.
    pub statuses: BTreeMap<u16, u32>,
    /// What the control API said was entered: domains, addresses, IDs and names.
    pub partners: BTreeSet<String>,
    pub users: BTreeSet<String>,
    pub meetings: BTreeSet<String>,
    pub policies: BTreeSet<String>,
    pub registrations: u32,
    /// How often somebody came into the meeting and left it.
    pub visits: u32,
    /// Messages in the meeting whose writer got 200, and how many came to the others.
    pub said: u32,
    pub heard: u32,
}

/// All that is done at the same time. Ends with the server.
pub struct Load {
    pub ledger: Arc<Mutex<Ledger>>,
    threads: Vec<JoinHandle<()>>,
}

/// Where the server is.
#[derive(Clone, Debug)]
pub struct Door {
    pub tcp_port: u16,
    pub folder: PathBuf,
}

impl Load {
    pub fn start(door: &Door, numbers: &Arc<AtomicU64>, seed: u64) -> Load {
        let mut load = Load { ledger: Arc::default(), threads: Vec::new() };
        for (index, aor) in RECEIVERS[..3].iter().enumerate() {
            let mut phone = connect(door, aor);
            let pause = Duration::from_millis(index as u64 * 150);
            load.spawn(move |ledger| {
                std::thread::sleep(pause);
                take_messages(&mut phone, ledger);
            });
        }
        for (index, aor) in SENDERS.iter().enumerate() {
            let (mut phone, numbers) = (connect(door, aor), numbers.clone());
            let mut random = SmallRng::seed_from_u64(seed ^ (index as u64 + 1));
            load.spawn(move |ledger| {
                let mut next = || (random.random_range(0..RECEIVERS.len()), numbers.fetch_add(1, Ordering::Relaxed));
                while let (to, number) = next()
                    && send_one(&mut phone, RECEIVERS[to], number, ledger).is_ok()
                {}
            });
        }
        let mut restless = connect(door, RESTLESS);
        load.spawn(move |ledger| {
            while let Ok(answer) = restless.try_register() {
                assert_eq!(answer.status(), Some(200));
                ledger.lock().unwrap().registrations += 1;
            }
        });
        load.administer(door, seed, Kind::Partner);
        load
    }

    /// An administrator enters one of this kind after the other.
    pub fn administer(&mut self, door: &Door, seed: u64, kind: Kind) {
        let door = door.clone();
        self.spawn(move |ledger| administer(&door, seed, kind, ledger));
    }

    /// The organiser is in the meeting throughout, the guests come, write and leave, again and again.
    pub fn meet(&mut self, door: &Door, meeting: &str) {
        let organiser = meeting::Attendee::join(signed_in(door, ORGANISER), meeting).unwrap();
        self.spawn(move |ledger| stay(organiser, ledger));
        for aor in GUESTS {
            let (phone, meeting) = (signed_in(door, aor), meeting.to_owned());
            self.spawn(move |ledger| come_and_go(phone, &meeting, ledger));
        }
    }

    /// What was promised until the server was gone.
    pub fn end(self) -> Arc<Mutex<Ledger>> {
        for thread in self.threads {
            thread.join().unwrap();
        }
        self.ledger
    }

    fn spawn(&mut self, work: impl FnOnce(&Mutex<Ledger>) + Send + 'static) {
        let ledger = self.ledger.clone();
        self.threads.push(std::thread::spawn(move || work(&ledger)));
    }
}

pub fn connect(door: &Door, aor: &'static str) -> Phone {
    connect_with_line(door, aor).0
}

/// A phone, and what to pull out for it to end.
pub fn connect_with_line(door: &Door, aor: &'static str) -> (Phone, TcpStream) {
    let line = partner::connect_plain(Ipv4Addr::LOCALHOST, door.tcp_port);
    line.set_nodelay(true).unwrap();
    let mut phone = Phone::over(aor, line.try_clone().unwrap());
    // Its transactions are new ones, whatever it or another of the same user did before.
    phone.call_id = format!("line-{}", LINES.fetch_add(1, Ordering::Relaxed));
    (phone, line)
}

static LINES: AtomicU64 = AtomicU64::new(1);

/// Signs in and takes what comes, until the server is gone or the line is pulled out.
pub fn take_messages(phone: &mut Phone, ledger: &Mutex<Ledger>) {
    // A message may overtake the 200, which another worker sends.
    let mut next = phone.try_register();
    while let Ok(message) = next {
        if message.method() == Some(Method::Message) {
            *ledger.lock().unwrap().came.entry(number_of(&message)).or_default() += 1;
            let _ = phone.try_answer(&message, 200);
        } else {
            assert_eq!(message.status(), Some(200), "{} cannot sign in", phone.aor);
        }
        next = phone.try_receive();
    }
}

pub fn send_one(phone: &mut Phone, to: &str, number: u64, ledger: &Mutex<Ledger>) -> std::io::Result<u16> {
    let line = format!("X-Number: {number}\r\n");
    let status = phone.try_ask(&Method::Message, &format!("sip:{to}"), to, &line)?.status().unwrap();
    let mut ledger = ledger.lock().unwrap();
    *ledger.statuses.entry(status).or_default() += 1;
    if matches!(status, 200 | 202) {
        ledger.acknowledged.insert(number);
    }
    Ok(status)
}

fn number_of(message: &Message) -> u64 {
    let value = message.header_by_name("X-Number").unwrap();
    std::str::from_utf8(value).unwrap().parse().unwrap()
}

/// The numbers of the messages in a database, each with whether it was on its way to a device.
pub fn stored_numbers(database: &Connection) -> BTreeMap<u64, bool> {
    let mut statement = database.prepare("SELECT request, was_sent FROM stored_messages").unwrap();
    let read = |row: &rusqlite::Row<'_>| Ok((number_in(&row.get::<_, Vec<u8>>(0)?), row.get(1)?));
    statement.query_map([], read).unwrap().collect::<Result<_, _>>().unwrap()
}

fn number_in(request: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(request);
    text.lines().find_map(|line| line.strip_prefix("X-Number: ")).unwrap().trim().parse().unwrap()
}
