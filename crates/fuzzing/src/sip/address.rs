//! Name-addr and Contact: one value is one element of a list, and its parts put together again say the same.

use sip::header::grammar::split_list;
use sip::{ContactValue, HeaderName, NameAddr};

pub fn check(bytes: &[u8]) {
    if matches!(ContactValue::parse(bytes), Ok(ContactValue::Star)) {
        return assert_eq!(bytes, b"*");
    }
    let Ok(address) = NameAddr::parse_in(HeaderName::Contact, bytes) else { return };
    let elements: Vec<&[u8]> = split_list(bytes).collect();
    assert_eq!(elements, [address.as_str().as_bytes()], "others would read another number of addresses");
    let mut text = format!("<{}>", address.uri());
    for param in address.params() {
        text += &param.value.map_or(format!(";{}", param.name), |value| format!(";{}={value}", param.name));
    }
    check_again(&address, &text);
    if let Some(name) = address.display_name() {
        let quoted = name.replace('\\', "\\\\").replace('"', "\\\"");
        let named = format!("\"{quoted}\" {text}");
        check_again(&address, &named);
        let again = NameAddr::parse(&named).expect("just read");
        assert_eq!(again.display_name(), Some(name));
    }
}

fn check_again(address: &NameAddr<'_>, text: &str) {
    let again = NameAddr::parse(text).expect("the parts of an address are an address");
    assert_eq!((again.uri(), again.tag()), (address.uri(), address.tag()));
    assert!(again.params().eq(address.params()));
}
