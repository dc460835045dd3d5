//! Numbered messages for who is away, and the database that they are kept in.

use std::ops::Range;
use std::path::Path;

use rusqlite::Connection;
use sip::{HeaderName, Message, Method};

use crate::phone::Phone;

pub fn number(message: &Message) -> String {
    String::from_utf8(message.header_by_name("X-Number").unwrap().to_vec()).unwrap()
}

pub fn send(phone: &mut Phone, to: &str, number: u32) -> Message {
    phone.ask(&Method::Message, &format!("sip:{to}"), to, &format!("X-Number: {number}\r\n"))
}

pub fn word(answer: &Message) -> String {
    String::from_utf8_lossy(answer.header(HeaderName::Warning).unwrap_or_default()).into_owned()
}

/// What would have to be kept is refused, and says why; one after the other, as often as it takes to fill the log's last page.
pub fn check_refused(phone: &mut Phone, to: &str, numbers: Range<u32>) {
    for number in numbers {
        let refused = send(phone, to, number);
        assert_eq!(refused.status(), Some(500), "{refused:?}");
        assert!(word(&refused).contains("\"not-stored\""), "{refused:?}");
    }
}

pub fn check_integrity(folder: &Path) {
    let database = Connection::open(folder.join("data/comity.db")).unwrap();
    let found: String = database.pragma_query_value(None, "integrity_check", |row| row.get(0)).unwrap();
    assert_eq!(found, "ok");
}

/// Signs in, and takes a message, which never overtakes the 200.
pub fn first_message(phone: &mut Phone) -> Message {
    assert_eq!(phone.register().status(), Some(200));
    phone.receive()
}
