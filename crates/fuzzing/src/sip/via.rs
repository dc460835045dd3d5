//! Via: one value is one element of a list, and its parts put together again say the same.

use sip::Via;
use sip::header::grammar::split_list;

pub fn check(bytes: &[u8]) {
    let Ok(via) = Via::parse(bytes) else { return };
    let elements: Vec<&[u8]> = split_list(bytes).collect();
    assert_eq!(elements, [via.as_str().as_bytes()], "others would read another number of hops");
    let mut text = format!("SIP/2.0/{} {}", via.transport, via.host);
    if let Some(port) = via.port {
        text += &format!(":{port}");
    }
    for param in via.params() {
        text += &param.value.map_or(format!(";{}", param.name), |value| format!(";{}={value}", param.name));
    }
    let again = Via::parse(text.as_bytes()).expect("the parts of a Via are a Via");
    assert_eq!((again.transport, again.host, again.port), (via.transport, via.host, via.port));
    assert_eq!((again.branch(), again.received(), again.rport()), (via.branch(), via.received(), via.rport()));
    assert!(again.params().eq(via.params()));
    assert!(!via.host.is_empty() && !via.host.contains([' ', ';', ',', '/']), "{via:?}");
}
