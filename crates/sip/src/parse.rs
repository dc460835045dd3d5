//! From bytes to the index of a [`crate::Message`]: one pass, nothing copied, nothing allocated up to 32 headers.

use bytes::Bytes;
use smallvec::SmallVec;

use crate::{
    FramingError, HeaderName, MessageLimits, ParseError,
    framing::{HeaderLine, HeaderScanner},
    header::grammar::is_token,
};

/// Offsets into the bytes of a message.
#[derive(Clone, Debug)]
pub(crate) struct Index {
    pub start_line: StartLine,
    pub headers: SmallVec<[HeaderSlot; 32]>,
    /// After the empty line.
    pub body: u16,
}

/// `u16`: the scanner refuses longer header blocks.
#[derive(Copy, Clone, Debug)]
pub(crate) struct HeaderSlot {
    pub start: u16,
    pub name_end: u16,
    pub value_start: u16,
    pub value_end: u16,
    pub name: HeaderName,
}

#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) enum StartLine {
    /// `METHOD SP URI SP SIP/2.0`: where the method and the URI end.
    Request { method_end: u16, uri_end: u16 },
    /// `SIP/2.0 SP 200 SP phrase`: where the phrase ends.
    Response { status: u16, end: u16 },
}

pub(crate) fn parse(bytes: &Bytes, limits: MessageLimits) -> Result<Index, ParseError> {
    if bytes.is_empty() {
        return Err(FramingError::Empty.into());
    }
    if bytes.len() > limits.bytes_max {
        return Err(FramingError::MessageTooLong.into());
    }
    let mut headers = SmallVec::new();
    let mut singletons = 0u128;
    let head = HeaderScanner::new(limits)
        .advance(bytes, |line| {
            let slot = index_header(bytes, line);
            headers.push(slot);
            check_singleton(slot.name, &mut singletons)
        })?
        .ok_or(FramingError::Unterminated)?;
    check_length(bytes.len() - head.length, head.content_length, limits)?;
    let start_line = parse_start_line(&bytes[..head.start_line_end])?;
    Ok(Index { start_line, headers, body: narrow(head.length) })
}

/// Three parts and two spaces, the version in any case (RFC 3261 7.1), a status of 100 to 699 (7.2).
fn parse_start_line(line: &[u8]) -> Result<StartLine, ParseError> {
    let malformed = || ParseError::Invalid("start line");
    if let Some((_, rest)) = line.split_at_checked(VERSION.len()).filter(|(version, _)| is_version(version)) {
        let status = read_status(rest).ok_or_else(malformed)?;
        return Ok(StartLine::Response { status, end: narrow(line.len()) });
    }
    let method_end = memchr::memchr(b' ', line).ok_or_else(malformed)?;
    let uri_end = memchr::memrchr(b' ', line).ok_or_else(malformed)?;
    let uri = line.get(method_end + 1..uri_end).ok_or_else(malformed)?;
    let well_formed = is_token(&line[..method_end])
        && !uri.is_empty()
        && uri.iter().all(u8::is_ascii_graphic)
        && is_version(&line[uri_end + 1..]);
    match well_formed {
        true => Ok(StartLine::Request { method_end: narrow(method_end), uri_end: narrow(uri_end) }),
        false => Err(malformed()),
    }
}

/// Where the phrase of a status line starts: `SIP/2.0 200 `.
pub(crate) const PHRASE_START: usize = VERSION.len() + 5;

pub(crate) const VERSION: &[u8] = b"SIP/2.0";

fn is_version(text: &[u8]) -> bool {
    text.eq_ignore_ascii_case(VERSION)
}

/// Of any version, in any case.
pub(crate) fn is_version_prefix(text: &[u8]) -> bool {
    text.get(..4).is_some_and(|name| name.eq_ignore_ascii_case(&VERSION[..4]))
}

/// ` 200 phrase`; the phrase may be empty, its space not (RFC 4475 3.1.1.13).
fn read_status(rest: &[u8]) -> Option<u16> {
    let [b' ', class @ b'1'..=b'6', tens @ b'0'..=b'9', ones @ b'0'..=b'9', b' ', ..] = *rest else {
        return None;
    };
    let digit = |byte: u8| u16::from(byte - b'0');
    Some(digit(class) * 100 + digit(tens) * 10 + digit(ones))
}

#[inline(always)]
fn index_header(bytes: &[u8], line: HeaderLine) -> HeaderSlot {
    HeaderSlot {
        start: narrow(line.start),
        name_end: narrow(line.name_end),
        value_start: narrow(line.value_start),
        value_end: narrow(line.value_end),
        name: HeaderName::parse(&bytes[line.start..line.name_end]),
    }
}

#[inline(always)]
fn check_singleton(name: HeaderName, seen: &mut u128) -> Result<(), ParseError> {
    if !name.is_singleton() {
        return Ok(());
    }
    let bit = 1u128 << name as u32;
    if *seen & bit != 0 {
        return Err(ParseError::Duplicate(name));
    }
    *seen |= bit;
    Ok(())
}

fn check_length(body: usize, stated: Option<usize>, limits: MessageLimits) -> Result<(), FramingError> {
    match stated {
        _ if body > limits.body_max => Err(FramingError::BodyTooLong),
        Some(stated) if stated > body => Err(FramingError::Truncated),
        Some(stated) if stated < body => Err(FramingError::Trailing),
        _ => Ok(()),
    }
}

fn narrow(offset: usize) -> u16 {
    u16::try_from(offset).expect("the scanner keeps the header block within 16 bits")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Edits, Frame, Framer, Message, Method, build, framing::check_datagram};
    use bytes::BytesMut;

    /// Literals are written with LF.
    fn message(text: &str) -> Result<Message, ParseError> {
        Message::parse(Bytes::from(text.replace('\n', "\r\n")))
    }

    /// RFC 4475 3.1.1.1, "a short tortuous INVITE", without its body.
    const WSINV: &str = concat!(
        "INVITE sip:vivekg@chair-dnrc.example.com;unknownparam SIP/2.0\n",
        "TO :\n",
        " sip:vivekg@chair-dnrc.example.com ;   tag    = 1918181833n\n",
        "from   : \"J Rosenberg \\\\\\\"\"       <sip:jdrosen@example.com>\n",
        "  ;\n",
        "  tag = 98asjd8\n",
        "MaX-fOrWaRdS: 0068\n",
        "Call-ID: wsinv.ndaksdj@192.0.2.1\n",
        "Content-Length   : 2\n",
        "cseq: 0009\n",
        "  INVITE\n",
        "Via  : SIP  /   2.0\n",
        " /UDP\n",
        "    192.0.2.2;branch=390skdjuw\n",
        "s :\n",
        "NewFangledHeader:   newfangled value\n",
        " continued newfangled value\n",
        "UnknownHeaderWithUnusualValue: ;;,,;;,;\n",
        "Content-Type: application/sdp\n",
        "Route:\n",
        " <sip:services.example.com;lr;unknownwith=value;unknown-no-value>\n",
        "v:  SIP  / 2.0  / TCP     spindle.example.com   ;\n",
        "  branch  =   z9hG4bK9ikj8  ,\n",
        " SIP  /    2.0   / UDP  192.168.255.111   ; branch=\n",
        " z9hG4bK30239\n",
        "m:\"Quoted string \\\"\\\"\" <sip:jdrosen@example.com> ; newparam =\n",
        "      newvalue ;\n",
        "  secondparam ; q = 0.33\n",
        "\n",
        "hi",
    );

    #[test]
    fn a_short_tortuous_invite() {
        let message = message(WSINV).expect("legal");
        assert_eq!(message.method(), Some(Method::Invite));
        assert_eq!(message.request_uri(), Some("sip:vivekg@chair-dnrc.example.com;unknownparam"));
        assert_eq!(message.headers().count(), 14);
        assert_eq!(message.to().expect("To").tag(), Some("1918181833n"));
        let from = message.from().expect("From");
        assert_eq!((from.display_name().as_deref(), from.tag()), (Some("J Rosenberg \\\""), Some("98asjd8")));
        assert_eq!(message.max_forwards(), Ok(Some(68)));
        assert_eq!(message.call_id(), Ok("wsinv.ndaksdj@192.0.2.1"));
        assert_eq!(message.cseq().map(|cseq| cseq.to_string()), Ok("9 INVITE".to_owned()));
        let vias: Vec<_> = message.vias().map(|via| via.expect("Via")).collect();
        let found: Vec<_> = vias.iter().map(|via| (via.transport, via.host, via.branch())).collect();
        let expected = [
            ("UDP", "192.0.2.2", Some("390skdjuw")),
            ("TCP", "spindle.example.com", Some("z9hG4bK9ikj8")),
            ("UDP", "192.168.255.111", Some("z9hG4bK30239")),
        ];
        assert_eq!(found, expected);
        assert_eq!(message.header(HeaderName::Subject), Some(&b""[..]));
        let fangled: &[u8] = b"newfangled value\r\n continued newfangled value";
        assert_eq!(message.header_by_name("NEWFANGLEDHEADER"), Some(fangled));
        assert!(message.routes().next().expect("one").expect("Route").uri().has_param("lr"));
        let contact = message.contacts().next().expect("one").expect("Contact");
        let contact = contact.address().expect("an address");
        assert_eq!((contact.param("newparam"), contact.param("q")), (Some(Some("newvalue")), Some(Some("0.33"))));
        assert_eq!(message.body(), b"hi");
        assert_eq!(message.check_mandatory(), Ok(()));
    }

    #[test]
    fn wide_range_of_characters() {
        // RFC 4475 3.1.1.2
        let message = message(concat!(
            "!interesting-Method0123456789_*+`.%indeed'~ sip:1_unusual.URI~(to-be!sure)",
            "&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com SIP/2.0\n",
            "Via: SIP/2.0/TCP host1.example.com;branch=z9hG4bK-.!%66*_+`'~\n",
            "To: \"BEL:\\\u{7} NUL:\\\u{0} DEL:\\\u{7f}\" <sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*@example.com>\n",
            "From: token1~` token2'+_ token3*%!.- <sip:mundane@example.com>;fromParam''~+*_!.-%=\"\u{442}\u{435}\";tag=_token~1'+`*%!-.\n",
            "Call-ID: intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{\n",
            "CSeq: 139122385 !interesting-Method0123456789_*+`.%indeed'~\n",
            "Max-Forwards: 255\n",
            "extensionHeader-!.%*+_`'~:\u{fe0f}\u{5927}\n",
            "Content-Length: 0\n\n",
        ))
        .expect("legal");
        assert_eq!(message.check_mandatory(), Ok(()));
        assert_eq!(message.from().expect("From").tag(), Some("_token~1'+`*%!-."));
        assert_eq!(message.call_id(), Ok("intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{"));
        let name = "extensionHeader-!.%*+_`'~";
        assert_eq!(message.header_by_name(name), Some("\u{fe0f}\u{5927}".as_bytes()));
    }

    #[test]
    fn latin_1_in_an_unknown_header_survives() {
        let text = b"OPTIONS sip:a SIP/2.0\r\nX-City: Orl\xe9ans\r\nTo: <sip:a@b>\r\nContent-Length: 0\r\n\r\n";
        let message = Message::parse(Bytes::from_static(text)).expect("legal");
        assert_eq!(message.header_by_name("x-city"), Some(&b"Orl\xe9ans"[..]));
        assert!(message.to().is_ok());
        assert_eq!(&Edits::new().apply(&message)[..], text);
        assert_eq!(&Edits::new().apply_at_border(&message)[..], text);
    }

    #[test]
    fn responses() {
        // RFC 4475 3.1.1.12, 3.1.1.13: a phrase in UTF-8, and none.
        let text = "SIP/2.0 200 = 2**3 * 5**2 \u{43d}\u{43e}\nCall-ID: 1\nCSeq: 35 INVITE\n\n";
        let unusual = message(text).expect("legal");
        assert_eq!((unusual.status(), unusual.method(), unusual.is_request()), (Some(200), None, false));
        assert_eq!(unusual.reason_phrase(), Some("= 2**3 * 5**2 \u{43d}\u{43e}".as_bytes()));
        let empty = message("sip/2.0 100 \n\n").expect("legal");
        assert_eq!((empty.status(), empty.reason_phrase()), (Some(100), Some(&b""[..])));
        assert_eq!(empty.headers().count(), 0);
    }

    #[test]
    fn malformed_start_lines() {
        // RFC 4475 3.1.2.7, 3.1.2.8, 3.1.2.9, 3.1.2.16, 3.1.2.17 and others
        for line in [
            "INVITE <sip:user@example.com> SIP/2.0 ",
            "INVITE sip:user@example.com; lr SIP/2.0",
            "INVITE  sip:user@example.com  SIP/2.0",
            " INVITE sip:a SIP/2.0",
            "OPTIONS sip:t.watson@example.org SIP/7.0",
            "OPTIONS sip:a SIP/2.0 ",
            "OPTIONS SIP/2.0",
            "OPTIONS  SIP/2.0",
            "OP(TIONS sip:a SIP/2.0",
            "OPTIONS\tsip:a SIP/2.0",
            "OPTIONS sip:a\tSIP/2.0",
            "OPTIONS sip:\u{e9} SIP/2.0",
            "SIP/2.0 4294967301 better not break the receiver",
            "SIP/2.0 20 OK",
            "SIP/2.0  200 OK",
            "SIP/2.0 200",
            "SIP/2.0 2000 OK",
            "SIP/2.0 -20 OK",
        ] {
            let parsed = message(&format!("{line}\nCall-ID: 1\n\n")).map(|_| ());
            assert_eq!(parsed, Err(ParseError::Invalid("start line")), "{line}");
        }
        for line in ["OPTIONS sip:a", "GET / HTTP/1.1", ""] {
            let parsed = message(&format!("{line}\nCall-ID: 1\n\n")).map(|_| ());
            assert_eq!(parsed, Err(FramingError::NoSip.into()), "{line}");
        }
    }

    #[test]
    fn malformed_headers() {
        let parse = |headers: &str| message(&format!("OPTIONS sip:a SIP/2.0\n{headers}\n\n"));
        // RFC 4475 3.3.9: two of what there may be one of, in any spelling.
        for (headers, name) in [
            ("To: <sip:a>\nt: <sip:a>", HeaderName::To),
            ("CSeq: 1 A\nCSEQ: 1 A", HeaderName::CSeq),
            ("Call-ID: 1\ni: 1", HeaderName::CallId),
            ("Max-Forwards: 70\nMax-Forwards: 5", HeaderName::MaxForwards),
            ("c: text/plain\nContent-Type: text/plain", HeaderName::ContentType),
        ] {
            assert_eq!(parse(headers).map(|_| ()), Err(ParseError::Duplicate(name)));
        }
        assert!(parse("Via: a\nVia: b\nZ: 1\nZ: 2").is_ok());
        // RFC 4475 3.1.2.2, 3.1.2.3 and their kin
        assert_eq!(parse("l: -999").map(|_| ()), Err(FramingError::ContentLengthMalformed.into()));
        assert_eq!(parse("l: 9999").map(|_| ()), Err(FramingError::Truncated.into()));
        assert_eq!(message("A sip:a SIP/2.0\nl: 1\n\nhi").map(|_| ()), Err(FramingError::Trailing.into()));
        assert_eq!(message("A sip:a SIP/2.0\nl: 0\n").map(|_| ()), Err(FramingError::Unterminated.into()));
        assert_eq!(message("A sip:a SIP/2.0").map(|_| ()), Err(FramingError::Unterminated.into()));
        // RFC 4475 3.1.2.4 and 3.1.2.18: found where they are read.
        let scalars =
            parse("CSeq: 36893488147419103232 REGISTER\nMax-Forwards: 300\nExpires: 10000000000000").expect("framed");
        assert_eq!(scalars.cseq(), Err(ParseError::Malformed(HeaderName::CSeq)));
        assert_eq!(scalars.max_forwards(), Err(ParseError::Malformed(HeaderName::MaxForwards)));
        assert_eq!(scalars.expires(), Err(ParseError::Malformed(HeaderName::Expires)));
        assert_eq!(scalars.call_id(), Err(ParseError::Missing(HeaderName::CallId)));
    }

    #[test]
    fn more_headers_than_fit_inline() {
        let text = format!("OPTIONS sip:a SIP/2.0\n{}\n", "Via: SIP/2.0/UDP a\n".repeat(128));
        assert_eq!(message(&text).expect("the limit").vias().filter(Result::is_ok).count(), 128);
        let text = text.replacen('\n', "\nX: y\n", 1);
        assert_eq!(message(&text).map(|_| ()), Err(FramingError::TooManyHeaders.into()));
    }

    /// Mutations of real messages: whatever comes out, nothing panics, all readers agree on the framing, and
    /// what we would forward is a message again.
    #[test]
    fn mutations_never_panic() {
        let seeds = [
            WSINV.replace('\n', "\r\n"),
            "SIP/2.0 200 OK\r\nVia: SIP/2.0/TLS [::1]:5;branch=z9hG4bK1,SIP/2.0/UDP b\r\nf: \"a\\\"\" <sip:%61@b;lr>;tag=1\r\nTo: <sips:a:b@c?d=e>\r\nCSeq: 1 BYE\r\nl: 3\r\n\r\nabc".to_owned(),
        ];
        let mut random = XorShift(0x9e37_79b9_7f4a_7c15);
        let mut survivors = 0;
        for round in 0..12_000 {
            let mut bytes = seeds[round % 2].clone().into_bytes();
            for _ in 0..=random.below(4) {
                mutate(&mut bytes, &mut random);
            }
            survivors += u32::from(exercise(Bytes::from(bytes)));
        }
        assert!(survivors > 300, "too few mutations were still messages: {survivors}");
    }

    struct XorShift(u64);

    impl XorShift {
        fn below(&mut self, limit: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 % limit as u64) as usize
        }
    }

    fn mutate(bytes: &mut Vec<u8>, random: &mut XorShift) {
        const LETTERS: &[u8] = b"\r\n\t :;,<>\"\\@%=?/[]0-*a\0\xe9";
        let at = random.below(bytes.len().max(1));
        let letter = LETTERS[random.below(LETTERS.len())];
        match random.below(5) {
            _ if bytes.is_empty() => bytes.push(letter),
            0 => bytes[at] = letter,
            1 => bytes.insert(at, letter),
            2 => drop(bytes.remove(at)),
            3 => bytes.truncate(at),
            _ => {
                let end = (at + random.below(40)).min(bytes.len());
                let piece = bytes[at..end].to_vec();
                let to = random.below(bytes.len());
                bytes.splice(to..to, piece);
            }
        }
    }

    fn exercise(bytes: Bytes) -> bool {
        let on_stream = Framer::default().cut(&mut BytesMut::from(&bytes[..]));
        let datagram = check_datagram(bytes.clone());
        if let (Ok(Some(Frame::Message(framed))), Ok(datagram)) = (&on_stream, &datagram) {
            assert_eq!(framed, datagram);
        }
        let Ok(message) = Message::parse(datagram.unwrap_or(bytes)) else { return false };
        read_everything(&message);
        let mut edits = Edits::new();
        edits.prepend(HeaderName::Via, "SIP/2.0/TLS us;branch=z9hG4bK2");
        edits.set(HeaderName::MaxForwards, "69");
        edits.remove_first_value(HeaderName::Route, 1);
        edits.replace_first_value(HeaderName::RecordRoute, "<sip:us;lr>");
        for forwarded in [edits.apply(&message), edits.apply_at_border(&message)] {
            let forwarded = Message::parse(forwarded).expect("what we forward is a message");
            assert_eq!(forwarded.body(), message.body());
            assert_eq!(forwarded.vias().next().expect("ours").expect("ours").host, "us");
        }
        let response = build::response(&message, 400, None, Some("x")).build();
        assert!(Message::parse(response).is_ok());
        true
    }

    fn read_everything(message: &Message) {
        let _ = (message.check_mandatory(), message.expires(), message.request_uri(), message.reason_phrase());
        let addresses = message.routes().chain(message.addresses(HeaderName::From)).chain(message.paths());
        for address in addresses.flatten() {
            let _ = (address.display_name(), address.params().count(), address.uri().params().count());
            assert!(address.uri().eq_uri(&address.uri()));
            if let Ok(aor) = crate::Aor::from_uri(&address.uri()) {
                assert_eq!(aor.to_string().parse(), Ok(aor));
            }
        }
        let _ = message.vias().flatten().filter(|via| via.rport().is_some() || via.received().is_some()).count();
        let _ = message.contacts().flatten().count() + message.option_tags(HeaderName::Supported).count();
    }
}
