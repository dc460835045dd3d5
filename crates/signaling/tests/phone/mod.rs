//! What a phone says: registers with a digest, and answers by copying what it got. It knows REFER and Replaces, unless it is
//! [`simple`].

use sim::{Line, PASSWORD, World, first_line};
use sip::{Aor, HeaderName, Message, Method, auth};

/// Plays in servers of one worker and of three, with so many seeds each.
pub fn everywhere(seeds: u64, play: impl Fn(u16, u64)) {
    for workers in [1, 3] {
        for seed in 0..seeds {
            println!("workers {workers}, seed {seed}");
            play(workers, seed);
        }
    }
}

/// Registers over a new stream that this worker accepts; leaves the line quiet.
pub fn register(world: &mut World, site: usize, worker: u16, aor: &str) -> Line {
    let line = world.connect(site, worker, None);
    register_on(world, line, aor);
    line
}

/// Registers on a line that is there already; leaves the line quiet.
pub fn register_on(world: &mut World, line: Line, aor: &str) {
    register_and_listen(world, line, aor);
    let more = world.take(line);
    assert!(more.is_empty(), "{:?}", more.iter().map(first_line).collect::<Vec<_>>());
}

/// Registers on a line that is there already; leaves on it what comes after the 200.
pub fn register_and_listen(world: &mut World, line: Line, aor: &str) {
    world.send(line, &registration(line, aor, 1, ""));
    answer_challenge(world, line, aor, 2);
}

/// Registers again, with this CSeq and the one after it; leaves on the line what comes after the 200.
pub fn refresh(world: &mut World, line: Line, aor: &str, cseq: u32) {
    world.send(line, &registration(line, aor, cseq, ""));
    answer_challenge(world, line, aor, cseq + 1);
}

fn registration(line: Line, aor: &str, cseq: u32, authorization: &str) -> String {
    let (user, domain) = aor.split_once('@').unwrap();
    format!(
        "REGISTER sip:{domain} SIP/2.0\nVia: SIP/2.0/TLS phone.invalid;branch=z9hG4bKr{}{cseq};rport\n\
         From: <sip:{aor}>;tag=1\nTo: <sip:{aor}>\nCall-ID: reg-{}-{aor}\nCSeq: {cseq} REGISTER\n\
         Contact: <sip:{user}@phone{}.invalid;transport=tls>\nMax-Forwards: 70\n{SUPPORT}{authorization}Content-Length: 0\n\n",
        line.0, line.0, line.0,
    )
}

/// The same as a phone says it that cannot be moved into another dialog.
pub fn simple(request: &str) -> String {
    request.replace(SUPPORT, "")
}

/// Registers with these header lines too; leaves the line quiet.
pub fn register_with(world: &mut World, line: Line, aor: &str, headers: &str) {
    world.send(line, &registration(line, aor, 1, headers));
    answer_challenge_as(world, line, aor, 2, |request| request.replace(SUPPORT, &format!("{SUPPORT}{headers}")));
}

/// Registers such a phone; leaves the line quiet.
pub fn register_simple(world: &mut World, site: usize, worker: u16, aor: &str) -> Line {
    let line = world.connect(site, worker, None);
    world.send(line, &simple(&registration(line, aor, 1, "")));
    let _ = answer_challenge_as(world, line, aor, 2, simple);
    let more = world.take(line);
    assert!(more.is_empty(), "{:?}", more.iter().map(first_line).collect::<Vec<_>>());
    line
}

/// Registers a device that is wanted so much; leaves the line quiet.
pub fn register_wanted(world: &mut World, site: usize, worker: u16, aor: &str, q: &str) -> Line {
    let line = world.connect(site, worker, None);
    let wanted = |text: &str| text.replace("transport=tls>", &format!("transport=tls>;q={q}"));
    world.send(line, &wanted(&registration(line, aor, 1, "")));
    answer_challenge_as(world, line, aor, 2, wanted);
    assert!(world.take(line).is_empty());
    line
}

/// Registers on a line that is there already as a phone that was started anew, with another user part in its Contact; leaves the
/// line quiet.
pub fn register_renamed(world: &mut World, line: Line, aor: &str, user: &str) {
    let old = format!("Contact: <sip:{}@", aor.split_once('@').unwrap().0);
    let renamed = |text: &str| {
        text.replace(&old, &format!("Contact: <sip:{user}@"))
            .replace("Call-ID: reg", "Call-ID: new")
            .replace("z9hG4bKr", "z9hG4bKn")
    };
    world.send(line, &renamed(&registration(line, aor, 1, "")));
    let _ = answer_challenge_as(world, line, aor, 2, renamed);
    assert!(world.take(line).is_empty());
}

/// Registers a device with a `sips` Contact on a line that is there already; leaves the line quiet.
pub fn register_sips(world: &mut World, line: Line, aor: &str) {
    let secure = |text: &str| text.replace("Contact: <sip:", "Contact: <sips:");
    world.send(line, &secure(&registration(line, aor, 1, "")));
    answer_challenge_as(world, line, aor, 2, secure);
    assert!(world.take(line).is_empty());
}

fn answer_challenge(world: &mut World, line: Line, aor: &str, cseq: u32) {
    let _ = answer_challenge_as(world, line, aor, cseq, str::to_owned);
}

fn answer_challenge_as(
    world: &mut World,
    line: Line,
    aor: &str,
    cseq: u32,
    written: impl Fn(&str) -> String,
) -> Message {
    answer_challenge_between(world, [line, line], aor, cseq, written)
}

/// Registers by UDP a phone that speaks from one port and listens at another; leaves both lines quiet.
pub fn register_between(world: &mut World, [speaks, listens]: [Line; 2], aor: &str) {
    let via = format!("SIP/2.0/UDP {};", world.line_address(listens).unwrap());
    let written = |text: &str| text.replace("SIP/2.0/TLS phone.invalid;", &via).replacen(";rport", "", 1);
    world.send(speaks, &written(&registration(speaks, aor, 1, "")));
    answer_challenge_between(world, [speaks, listens], aor, 2, written);
    assert!(world.take(speaks).is_empty() && world.take(listens).is_empty());
}

fn answer_challenge_between(
    world: &mut World,
    [line, listens]: [Line; 2],
    aor: &str,
    cseq: u32,
    written: impl Fn(&str) -> String,
) -> Message {
    let (user, domain) = (aor.parse::<Aor>().unwrap(), aor.split_once('@').unwrap().1);
    let challenge = world.only(listens);
    assert_eq!(challenge.status(), Some(401), "{}", first_line(&challenge));
    let values: Vec<&str> =
        challenge.header_all(HeaderName::WwwAuthenticate).map(|value| std::str::from_utf8(value).unwrap()).collect();
    let uri = format!("sip:{domain}");
    let value = auth::answer(&values, user.user(), PASSWORD, &Method::Register, &uri, b"", "cnonce", 1).unwrap();
    world.send(line, &written(&registration(line, aor, cseq, &format!("Authorization: {value}\n"))));
    let answer = world.take_response(listens);
    assert_eq!(answer.status(), Some(200), "{}", first_line(&answer));
    answer
}

/// Registers this line as one of several flows of a device (RFC 5626); answers the 200.
pub fn register_flow(world: &mut World, line: Line, aor: &str, reg_id: u32) -> Message {
    register_flow_with(world, line, aor, reg_id, "")
}

/// The same with more header lines.
pub fn register_flow_with(world: &mut World, line: Line, aor: &str, reg_id: u32, headers: &str) -> Message {
    let headers = format!("Supported: outbound\n{headers}Max-Forwards");
    let written = |text: &str| {
        let contact = format!("transport=tls>;reg-id={reg_id};+sip.instance=\"<urn:uuid:1>\"\n");
        text.replacen("transport=tls>\n", &contact, 1).replacen("Max-Forwards", &headers, 1)
    };
    world.send(line, &written(&registration(line, aor, 1, "")));
    answer_challenge_as(world, line, aor, 2, written)
}

/// A request of a new dialog, or outside any.
pub fn request(method: &str, from: &str, to: &str, call_id: &str) -> String {
    let user = from.split_once('@').unwrap().0;
    let support = if method == "INVITE" { SUPPORT } else { "" };
    format!(
        "{method} sip:{to} SIP/2.0\nVia: SIP/2.0/TLS phone.invalid;branch=z9hG4bK{method}{call_id};rport\n\
         From: <sip:{from}>;tag=caller\nTo: <sip:{to}>\nCall-ID: {call_id}\nCSeq: 1 {method}\n\
         Contact: <sip:{user}@phone.invalid;transport=tls>\nMax-Forwards: 70\n{support}Content-Length: 0\n\n"
    )
}

/// The ACK to what an INVITE was refused with (RFC 3261 section 17.1.1.3).
pub fn acknowledge(invite: &str, refusal: &Message) -> String {
    let to = invite.lines().find(|line| line.starts_with("To: ")).unwrap();
    let ack = invite.replacen("INVITE ", "ACK ", 1).replace("CSeq: 1 INVITE", "CSeq: 1 ACK");
    ack.replace(to, &format!("To: {}", refusal.to().unwrap().as_str()))
}

/// The same once more, with the password that was asked for.
pub fn answered(request: &str, challenge: &Message, aor: &str) -> String {
    let values: Vec<&str> =
        challenge.header_all(HeaderName::ProxyAuthenticate).map(|value| std::str::from_utf8(value).unwrap()).collect();
    let mut words = request.split(' ');
    let (method, uri) = (Method::parse(words.next().unwrap().as_bytes()).unwrap(), words.next().unwrap());
    let user = aor.parse::<Aor>().unwrap();
    let value = auth::answer(&values, user.user(), PASSWORD, &method, uri, b"", "cnonce", 1).unwrap();
    let again = request.replacen("Max-Forwards", &format!("Proxy-Authorization: {value}\nMax-Forwards"), 1);
    again.replacen("CSeq: 1", "CSeq: 2", 1).replacen("branch=z9hG4bK", "branch=z9hG4bKagain", 1)
}

/// The same with this body, and further headers.
pub fn with_body(request: &str, headers: &str, content_type: &str, body: &str) -> String {
    let length =
        format!("Content-Length: {}\nContent-Type: {content_type}\n{headers}", body.replace('\n', "\r\n").len());
    request.replace("Content-Length: 0\n", &length) + body
}

/// The other side's answer to a request it received.
pub fn answer(request: &Message, status: &str, contact: &str) -> String {
    let mut text = format!("SIP/2.0 {status}\n");
    for header in request.headers() {
        let value = std::str::from_utf8(header.value).unwrap();
        match header.name {
            HeaderName::Via => text += &format!("Via: {value}\n"),
            HeaderName::From => text += &format!("From: {value}\n"),
            HeaderName::To if request.to().unwrap().tag().is_none() => text += &format!("To: {value};tag=callee\n"),
            HeaderName::To => text += &format!("To: {value}\n"),
            HeaderName::CallId => text += &format!("Call-ID: {value}\n"),
            HeaderName::CSeq => text += &format!("CSeq: {value}\n"),
            HeaderName::RecordRoute => text += &format!("Record-Route: {value}\n"),
            _ => {}
        }
    }
    text + &format!("Contact: <sip:{contact}@phone.invalid;transport=tls>\nContent-Length: 0\n\n")
}

/// A request of the caller within the dialog that this 2xx made: its route set is the Record-Route reversed.
pub fn by_caller(method: &str, ok: &Message, cseq: u32) -> String {
    let routes: Vec<String> = ok.record_routes().map(|route| route.unwrap().as_str().to_owned()).collect();
    within(method, ok, cseq, routes.into_iter().rev(), ok.from().unwrap().as_str(), ok.to().unwrap().as_str())
}

/// A request of the callee within the dialog that this INVITE made.
pub fn by_callee(method: &str, invite: &Message, cseq: u32) -> String {
    let routes: Vec<String> = invite.record_routes().map(|route| route.unwrap().as_str().to_owned()).collect();
    let from = format!("{};tag=callee", invite.to().unwrap().as_str());
    within(method, invite, cseq, routes.into_iter(), &from, invite.from().unwrap().as_str())
}

fn within(
    method: &str,
    dialog: &Message,
    cseq: u32,
    routes: impl Iterator<Item = String>,
    from: &str,
    to: &str,
) -> String {
    let contact = dialog.contacts().next().unwrap().unwrap();
    let routes: String = routes.map(|route| format!("Route: {route}\n")).collect();
    format!(
        "{method} {} SIP/2.0\nVia: SIP/2.0/TLS phone.invalid;branch=z9hG4bK{method}{cseq}in;rport\n{routes}From: {from}\n\
         To: {to}\nCall-ID: {}\nCSeq: {cseq} {method}\nMax-Forwards: 70\nContent-Length: 0\n\n",
        contact.address().unwrap().uri().as_str(),
        dialog.call_id().unwrap(),
    )
}

const SUPPORT: &str =
    "Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, REFER, NOTIFY, MESSAGE, INFO, UPDATE\nSupported: replaces\n";

/// Plain sound at this port.
pub fn described(port: u16) -> String {
    format!("v=0\no=- 1 1 IN IP4 192.0.2.1\ns=-\nc=IN IP4 192.0.2.1\nt=0 0\nm=audio {port} RTP/AVP 0\n")
}

/// What a phone answers to this offer: plain or protected as it is.
pub fn answer_to(offer: &Message, port: u16) -> String {
    let offered = String::from_utf8_lossy(offer.body());
    let answer = described(port);
    match offered.lines().find(|line| line.starts_with("a=crypto:1 ")) {
        Some(crypto) if offered.contains("RTP/SAVP") => answer.replace("RTP/AVP", "RTP/SAVP") + crypto + "\n",
        _ => answer,
    }
}

/// As a server passes on what it got, for this Request-URI; the n-th time.
pub fn passed_on(received: &Message, uri: &str, n: usize) -> String {
    let text = String::from_utf8(received.as_bytes().to_vec()).unwrap().replace("\r\n", "\n");
    let (start, rest) = text.split_once('\n').unwrap();
    let method = start.split(' ').next().unwrap();
    format!("{method} {uri} SIP/2.0\nVia: SIP/2.0/TLS elsewhere.invalid;branch=z9hG4bKround{n}\n{rest}")
}

/// On how many branches a request may still be (RFC 5393 section 5).
pub fn breadth(message: &Message) -> u32 {
    message.max_breadth().unwrap().unwrap()
}
