//! What an edge tells its home in a header: what is printed reads the same, and nothing says two things.

use federation::admission::Origin;
use federation::inside::{admitted_value, gone_value, read_admitted, read_gone, read_remote, remote_value};
use federation::is_dns_name;

pub fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let told = [check_admitted(text), check_remote(text), check_gone(text)];
    assert!(told.iter().filter(|is_told| **is_told).count() < 2, "{text:?} says {told:?}");
}

fn check_admitted(text: &str) -> bool {
    let Some(origin) = read_admitted(text) else { return false };
    let Origin::Partner { domain, .. } = &origin else { panic!("{text:?} is told of {origin:?}") };
    assert!(is_dns_name(domain), "{text:?}");
    assert_eq!(admitted_value(&origin).and_then(|value| read_admitted(&value)), Some(origin));
    true
}

fn check_remote(text: &str) -> bool {
    let Some(remote) = read_remote(text) else { return false };
    assert_eq!(read_remote(&remote_value(&remote)), Some(remote));
    true
}

fn check_gone(text: &str) -> bool {
    let Some(token) = read_gone(text) else { return false };
    assert_eq!(read_gone(&gone_value(token)), Some(token));
    true
}
