//! What is read by all: the RFCs' test messages, the corpora, and mutations of both with a fixed seed.

use std::path::Path;

/// One input.
pub struct Case {
    pub kind: Kind,
    pub bytes: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Datagram,
    /// Messages one after the other.
    Stream,
}

/// Writes all cases: kind, length in four bytes, bytes.
pub fn write(file: &str) -> Result<(), String> {
    let mut all = Vec::new();
    for case in collect()? {
        all.push(if case.kind == Kind::Stream { b's' } else { b'd' });
        all.extend(u32::try_from(case.bytes.len()).map_err(|error| error.to_string())?.to_be_bytes());
        all.extend(case.bytes);
    }
    std::fs::write(file, all).map_err(|error| format!("{file}: {error}"))
}

pub fn read(file: &str) -> Result<Vec<Case>, String> {
    let all = std::fs::read(file).map_err(|error| format!("{file}: {error}"))?;
    let (mut rest, mut cases) = (&all[..], Vec::new());
    while let [kind, a, b, c, d, after @ ..] = rest {
        let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
        let (bytes, after) = after.split_at_checked(length).ok_or("the cases are cut short")?;
        let kind = if *kind == b's' { Kind::Stream } else { Kind::Datagram };
        cases.push(Case { kind, bytes: bytes.to_vec() });
        rest = after;
    }
    Ok(cases)
}

fn collect() -> Result<Vec<Case>, String> {
    let seeds = seeds()?;
    let mut cases: Vec<Case> = Vec::new();
    for bytes in &seeds {
        cases.push(Case { kind: Kind::Datagram, bytes: bytes.clone() });
        cases.push(Case { kind: Kind::Stream, bytes: [&bytes[..], FOLLOWING].concat() });
    }
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for round in 0..MUTATIONS {
        let mut bytes = seeds[random.below(seeds.len())].clone();
        for _ in 0..=random.below(3) {
            mutate(&mut bytes, &seeds, &mut random);
        }
        let kind = if round % 3 == 0 { Kind::Stream } else { Kind::Datagram };
        if kind == Kind::Stream {
            bytes.extend_from_slice(FOLLOWING);
        }
        cases.push(Case { kind, bytes });
    }
    Ok(cases)
}

fn seeds() -> Result<Vec<Vec<u8>>, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut seeds: Vec<Vec<u8>> = PLAIN.iter().map(|text| text.replace('\n', "\r\n").into_bytes()).collect();
    // Plain ones more often than the torture, whose mutations are mostly refused by all.
    for _ in 0..4 {
        seeds.extend_from_within(..PLAIN.len());
    }
    for folder in ["../sip/vectors/rfc4475", "../sip/vectors/rfc5118", "corpus/message"] {
        seeds.extend(files(&root.join(folder))?);
    }
    // The first bytes of these are choices.
    seeds.extend(files(&root.join("corpus/framing"))?.into_iter().map(|bytes| bytes.get(8..).unwrap_or(&[]).to_vec()));
    Ok(seeds)
}

fn files(folder: &Path) -> Result<Vec<Vec<u8>>, String> {
    let place = |error: std::io::Error| format!("{}: {error}", folder.display());
    let mut paths: Vec<_> = std::fs::read_dir(folder).map_err(place)?.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).map_err(place)).collect()
}

/// Xorshift64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from((self.0 >> 11) % bound.max(1) as u64).expect("the remainder fits")
    }
}

fn mutate(bytes: &mut Vec<u8>, seeds: &[Vec<u8>], random: &mut Random) {
    let at = random.below(bytes.len());
    let letter = LETTERS[random.below(LETTERS.len())];
    match random.below(9) {
        _ if bytes.is_empty() => bytes.push(letter),
        0 => bytes[at] = letter,
        1 | 2 => bytes.insert(at, letter),
        3 => drop(bytes.remove(at)),
        4 => bytes.truncate(at),
        5 => {
            let end = (at + random.below(40)).min(bytes.len());
            let piece = bytes[at..end].to_vec();
            let to = random.below(bytes.len());
            bytes.splice(to..to, piece);
        }
        6 => {
            let other = &seeds[random.below(seeds.len())];
            let from = random.below(other.len());
            bytes.truncate(at);
            bytes.extend_from_slice(&other[from..]);
        }
        _ => {
            let line = LINES[random.below(LINES.len())];
            let end =
                bytes[at..].windows(2).position(|pair| pair == b"\r\n").map_or(bytes.len(), |found| at + found + 2);
            bytes.splice(end..end, line.bytes());
        }
    }
}

/// What a second message, or what a smuggler would have for one, begins with.
const FOLLOWING: &[u8] = b"OPTIONS sip:second@b.example SIP/2.0\r\nVia: SIP/2.0/TCP c.example;branch=z9hG4bKsecond\r\n\
    From: <sip:c@c.example>;tag=9\r\nTo: <sip:b@b.example>\r\nCall-ID: second\r\nCSeq: 9 OPTIONS\r\nMax-Forwards: 9\r\n\
    Content-Length: 0\r\n\r\n";
const MUTATIONS: usize = 6_000;
const LETTERS: &[u8] = b"\r\n\t :;,<>\"\\@%=?/[]0-*a\0\xe9";
const LINES: [&str; 17] = [
    "X-Nul: a\0b\r\n",
    "X-Nul: \"a\\\0b\"\r\n",
    "Subject: \0\r\n",
    "Content-Length: 0\r\n",
    "l: 5\r\n",
    "Content-Length : 3\r\n",
    "Content-Length: +3\r\n",
    "Content-Length: 3, 4\r\n",
    "Content-Length:\r\n 3\r\n",
    "X-Empty:\r\n",
    " folded: more\r\n",
    "Via: SIP/2.0/UDP d.example;branch=z9hG4bKd, SIP/2.0/UDP e.example\r\n",
    "Contact: <sip:f@f.example>, \"G, g\" <sip:g@g.example>;q=0.1\r\n",
    "Route: <sip:h.example;lr>,,<sip:i.example;lr>\r\n",
    "From: <sip:other@o.example>;tag=other\r\n",
    "\r\n",
    "\n",
];
const PLAIN: [&str; 4] = [
    "INVITE sip:bob@b.example SIP/2.0\nVia: SIP/2.0/TCP a.example:5060;branch=z9hG4bK1\nMax-Forwards: 70\n\
     From: \"Alice\" <sip:alice@a.example>;tag=1\nTo: <sip:bob@b.example>\nCall-ID: 1@a.example\nCSeq: 1 INVITE\n\
     Contact: <sip:alice@a.example;transport=tcp>\nContent-Type: text/plain\nContent-Length: 5\n\nhello",
    "SIP/2.0 180 Ringing\nVia: SIP/2.0/TCP p.example;branch=z9hG4bKp, SIP/2.0/TCP a.example;branch=z9hG4bK1\n\
     Record-Route: <sip:p.example;lr>\nFrom: <sip:alice@a.example>;tag=1\nTo: <sip:bob@b.example>;tag=2\nCall-ID: 1@a.example\n\
     CSeq: 1 INVITE\nContact: <sip:bob@b.example>\nContent-Length: 0\n\n",
    "MESSAGE sip:bob@b.example SIP/2.0\nv: SIP/2.0/UDP a.example;branch=z9hG4bK2;rport\nMax-Forwards: 70\n\
     Route: <sip:p.example;lr>, <sip:q.example;lr>\nf: sip:alice@a.example;tag=3\nt: sip:bob@b.example\ni: 2\nCSeq: 2 MESSAGE\n\
     X-Folded: one\n two\nSubject: a, b\nc: text/plain\nl: 12\n\nhi\r\n\r\nthere.",
    "REGISTER sip:b.example SIP/2.0\nVia: SIP/2.0/UDP [2001:db8::1]:5062;branch=z9hG4bK3\nMax-Forwards: 70\n\
     From: <sip:bob@b.example>;tag=4\nTo: <sip:bob@b.example>\nCall-ID: 3\nCSeq: 3 REGISTER\n\
     Contact: <sip:bob@[2001:db8::1]>;expires=60, <sip:bob@c.example>\nExpires: 600\nContent-Length: 0\n\n",
];
