//! An administrator who enters one thing after the other, over the control socket: a command without a server would change the
//! database itself.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Mutex;

use serde_json::{Value, json};

use super::meeting::ORGANISER;
use super::{Door, Ledger};
use crate::phone::PASSWORD;

/// What is entered.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    Partner,
    User,
    Meeting,
    Policy,
}

/// Until the server ends.
pub fn administer(door: &Door, seed: u64, kind: Kind, ledger: &Mutex<Ledger>) {
    for number in 0.. {
        match enter(door, kind, &format!("{}-{seed:x}", number + 1)) {
            Ok(Some(name)) => kind.note(&mut ledger.lock().unwrap(), name),
            Ok(None) | Err(_) => return,
        }
    }
}

/// The name of what was entered; `None` from a server that ended before its answer was whole.
fn enter(door: &Door, kind: Kind, text: &str) -> std::io::Result<Option<String>> {
    let (method, path, body, name) = kind.request(text);
    let body = body.to_string();
    let mut socket = UnixStream::connect(door.folder.join("data/control.sock"))?;
    write!(
        socket,
        "{method} {path} HTTP/1.1\r\nHost: comity\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer)?;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 20"), "{answer}");
    let told = answer.split_once("\r\n\r\n").and_then(|(_, body)| serde_json::from_str::<Value>(body).ok());
    // A meeting's name is the server's choice.
    Ok(told.map(|told| told["meeting"]["id"].as_str().map_or(name, str::to_owned)))
}

impl Kind {
    pub const ALL: [Kind; 4] = [Kind::Partner, Kind::User, Kind::Meeting, Kind::Policy];

    /// Those of this kind that were entered.
    pub fn noted(self, ledger: &Ledger) -> &BTreeSet<String> {
        match self {
            Kind::Partner => &ledger.partners,
            Kind::User => &ledger.users,
            Kind::Meeting => &ledger.meetings,
            Kind::Policy => &ledger.policies,
        }
    }

    fn note(self, ledger: &mut Ledger, name: String) {
        let noted = match self {
            Kind::Partner => &mut ledger.partners,
            Kind::User => &mut ledger.users,
            Kind::Meeting => &mut ledger.meetings,
            Kind::Policy => &mut ledger.policies,
        };
        noted.insert(name);
    }

    /// The command that lists all of it, and under which name each is.
    pub fn list(self) -> (&'static [&'static str], &'static str) {
        match self {
            Kind::Partner => (&["partner", "list", "--json"], "domain"),
            Kind::User => (&["user", "list", "--json"], "aor"),
            Kind::Meeting => (&["meeting", "list", "--json"], "id"),
            Kind::Policy => (&["policy", "list", "--json"], "name"),
        }
    }

    fn request(self, text: &str) -> (&'static str, String, Value, String) {
        match self {
            Kind::Partner => {
                let domain = format!("p{text}.example");
                ("PUT", format!("/api/partners/{domain}"), json!({"kind": "allowed-domain"}), domain)
            }
            Kind::User => {
                let aor = format!("new{text}@contoso.example");
                ("POST", "/api/users".to_owned(), json!({"aor": aor, "password": PASSWORD}), aor)
            }
            Kind::Meeting => {
                let when = json!({"at": "2090-12-01 10:00", "zone": "UTC", "minutes": 45});
                let mut meeting = json!({"organiser": ORGANISER, "subject": text});
                meeting.as_object_mut().unwrap().extend(when.as_object().unwrap().clone());
                ("POST", "/api/meetings".to_owned(), meeting, String::new())
            }
            Kind::Policy => {
                let name = format!("policy{text}");
                ("PUT", format!("/api/policies/{name}"), json!({"federation": false}), name)
            }
        }
    }
}
