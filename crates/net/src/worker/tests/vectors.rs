//! The test messages of RFC 4475 and RFC 5118 through real sockets: what cannot be read is answered as the manifest says, and
//! whatever comes, the server lives on.

use super::*;

#[path = "../../../../sip/vectors/manifest.rs"]
mod manifest;

/// What comes back before the stream ends or is silent: a status, `closed`, or `nothing`.
fn by_tcp(server: SocketAddr, bytes: &[u8], silence: Duration) -> String {
    let mut tcp = StdStream::connect(server).expect("a server");
    tcp.set_read_timeout(Some(silence)).expect("a socket");
    tcp.write_all(bytes).expect("a connection");
    let mut answer = [0; 65_536];
    match tcp.read(&mut answer) {
        Ok(0) => "closed".to_owned(),
        Ok(count) => status(&answer[..count]),
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => "closed".to_owned(),
        Err(_) => "nothing".to_owned(),
    }
}

fn by_udp(server: SocketAddr, bytes: &[u8], silence: Duration) -> String {
    let udp = StdUdpSocket::bind("127.0.0.1:0").expect("a free port");
    udp.set_read_timeout(Some(silence)).expect("a socket");
    udp.send_to(bytes, server).expect("a socket");
    let mut answer = [0; 65_536];
    udp.recv(&mut answer).map_or("nothing".to_owned(), |count| status(&answer[..count]))
}

/// Of the first response; on a stream more may have come with it.
fn status(bytes: &[u8]) -> String {
    let mut words = bytes.split(|byte| *byte == b' ');
    assert_eq!(words.next(), Some(b"SIP/2.0".as_slice()), "a response");
    String::from_utf8_lossy(words.next().expect("a status")).into_owned()
}

#[test]
fn what_cannot_be_read_is_answered_by_sockets_as_in_the_simulated_world() {
    let (contoso, _fabrikam, _name_server) = two_organisations();
    let mut wrong = Vec::new();
    for vector in manifest::vectors() {
        // A Contact is for the registrar to read, and this one is not example.com's.
        let is_unreadable = !["accepted", "malformed Contact"].contains(&&*vector.message);
        // Silence is waited for only as long as an answer from the same machine may take.
        let silence = |expected: &str| Duration::from_millis(if expected == "nothing" { 100 } else { 10_000 });
        for (found, expected) in [
            (by_udp(contoso.udp, &vector.bytes, silence(&vector.datagram)), &vector.datagram),
            (by_tcp(contoso.tcp, &vector.bytes, silence(&vector.stream)), &vector.stream),
        ] {
            // The server is another domain's than the manifest's: what it makes of what it can read is another matter.
            if is_unreadable && found != *expected {
                wrong.push(format!("{}: {found}, not {expected}", vector.name));
            }
        }
    }
    assert_eq!(wrong, [""; 0]);
    let udp = by_udp(contoso.udp, &unproven_register("UDP"), Duration::from_secs(10));
    let tcp = by_tcp(contoso.tcp, &unproven_register("TCP"), Duration::from_secs(10));
    assert_eq!((udp.as_str(), tcp.as_str()), ("401", "401"), "and the server is well");
}
