//! URIs and addresses of record: a URI is made of its parts, is equal to itself, and names one user in one form.

use sip::{Aor, NameAddr, Uri};

/// Two lines are two URIs to be compared.
pub fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (first, second) = text.split_once('\n').unwrap_or((text, ""));
    check_aor(first);
    let Ok(uri) = Uri::parse(first) else { return };
    check_parts(&uri);
    assert!(uri.eq_uri(&uri), "not equal to itself: {uri}");
    if let Ok(other) = Uri::parse(second) {
        assert_eq!(uri.eq_uri(&other), other.eq_uri(&uri), "equal one way: {uri} and {other}");
    }
    if let Ok(aor) = Aor::from_uri(&uri) {
        let printed = aor.uri();
        let again = Uri::parse(&printed).expect("an address of record is a URI");
        assert_eq!(Aor::from_uri(&again), Ok(aor));
    }
}

fn check_parts(uri: &Uri<'_>) {
    assert!(uri.as_str().bytes().all(|byte| byte.is_ascii_graphic() || !byte.is_ascii()), "{uri}");
    // In brackets it is the same one.
    let bracketed = format!("<{uri}>;tag=1");
    let read = NameAddr::parse(&bracketed).expect("a URI in brackets is an address");
    assert_eq!((read.uri(), read.tag()), (*uri, Some("1")));
    if !uri.is_sip() {
        return;
    }
    let user = uri.user().map_or(String::new(), |user| {
        uri.password().map_or(format!("{user}@"), |password| format!("{user}:{password}@"))
    });
    let port = uri.port().map_or(String::new(), |port| format!(":{port}"));
    let mut text = format!("{}:{user}{}{port}", uri.scheme(), uri.host());
    for (name, value) in uri.params() {
        text += &value.map_or(format!(";{name}"), |value| format!(";{name}={value}"));
    }
    text += &uri.headers().map_or(String::new(), |headers| format!("?{headers}"));
    let again = Uri::parse(&text).expect("the parts of a URI are a URI");
    assert_eq!((again.user(), again.password(), again.host()), (uri.user(), uri.password(), uri.host()));
    assert!(again.params().eq(uri.params()) && again.port() == uri.port() && again.headers() == uri.headers());
    assert!(again.eq_uri(uri), "{again} and {uri}");
}

fn check_aor(text: &str) {
    let Ok(aor) = text.parse::<Aor>() else { return };
    assert_eq!(aor.to_string().parse(), Ok(aor.clone()), "read back: another address");
    assert_eq!(aor.uri().parse(), Ok(aor.clone()));
    assert_eq!(Aor::new(aor.user(), aor.domain()), Ok(aor));
}
