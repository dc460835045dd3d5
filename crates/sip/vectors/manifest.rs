//! Reads the manifest of the test messages: the tables of `manifest.md`, one row a message.

use std::path::Path;

/// One message, and what must come of it.
#[allow(dead_code, reason = "each test reads its own columns")]
pub struct Vector {
    /// Of its file, with the folder: `rfc4475/wsinv`.
    pub name: String,
    pub bytes: Vec<u8>,
    /// `accepted`, or what is wrong with it.
    pub message: String,
    /// The domain of the server that it is sent to.
    pub home: String,
    /// Who else is in that world, and allowed.
    pub partner: String,
    /// What becomes of it on a TLS connection, and in a datagram.
    pub stream: String,
    pub datagram: String,
    /// Why it is not as the RFC would have it, or is not judged.
    pub why: String,
}

/// Every row of every table, in order. Fails on a row without a file, a file without a row, and a skip without a reason.
pub fn vectors() -> Vec<Vector> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../sip/vectors"));
    let manifest = std::fs::read_to_string(folder.join("manifest.md")).expect("the manifest");
    let mut vectors = Vec::new();
    let mut rfc = String::new();
    for line in manifest.lines() {
        if let Some(title) = line.strip_prefix("## RFC ") {
            rfc = format!("rfc{}", title.split(|char: char| !char.is_ascii_digit()).next().expect("a number"));
        }
        if let Some(row) = line.strip_prefix("| `") {
            vectors.push(vector(folder, &rfc, row));
        }
    }
    check_files(folder, &vectors);
    vectors
}

/// The messages of the table of those that are addressed to somebody else, with that Request-URI.
#[allow(dead_code, reason = "one test reads them")]
pub fn readdressed() -> Vec<Vector> {
    let manifest = include_str!("manifest.md");
    let (_, table) = manifest.split_once("\n## Addressed to whom we know").expect("the table");
    let table = table.split("\n## ").next().expect("a section");
    let rows = table.lines().filter_map(|line| line.strip_prefix("| **"));
    let mut all = vectors();
    let mut readdressed = Vec::new();
    for row in rows {
        let cells: Vec<&str> = row.trim_end_matches('|').split('|').map(str::trim).collect();
        let [name, uri, partner, stream, datagram] = cells[..] else { panic!("{row}: {} cells, not 5", cells.len()) };
        let name = format!("rfc5118/{}", name.trim_end_matches('*'));
        let place = all.iter().position(|vector| vector.name == name).expect("a message of the RFC");
        let vector = all.swap_remove(place);
        let text = String::from_utf8(vector.bytes).expect("text");
        let (method, rest) = text.split_once(' ').expect("a request line");
        let (_, rest) = rest.split_once(' ').expect("a request line");
        readdressed.push(Vector {
            bytes: format!("{method} {uri} {rest}").into_bytes(),
            partner: partner.to_owned(),
            stream: stream.to_owned(),
            datagram: datagram.to_owned(),
            ..vector
        });
    }
    assert!(!readdressed.is_empty());
    readdressed
}

fn vector(folder: &Path, rfc: &str, row: &str) -> Vector {
    let cells: Vec<&str> = row.trim_end_matches('|').split('|').map(str::trim).collect();
    let [name, _section, says, message, home, partner, stream, datagram, why] = cells[..] else {
        panic!("{row}: {} cells, not 9", cells.len())
    };
    let name = format!("{rfc}/{}", name.trim_end_matches('`'));
    assert!(!says.is_empty(), "{name}: what does the RFC say?");
    let is_skipped = [message, stream, datagram].contains(&"skipped");
    assert!(!is_skipped || !why.is_empty(), "{name}: a skip needs its reason");
    Vector {
        bytes: std::fs::read(folder.join(format!("{name}.sip"))).unwrap_or_else(|error| panic!("{name}: {error}")),
        name,
        message: message.to_owned(),
        home: home.to_owned(),
        partner: partner.to_owned(),
        stream: stream.to_owned(),
        datagram: datagram.to_owned(),
        why: why.to_owned(),
    }
}

fn check_files(folder: &Path, vectors: &[Vector]) {
    for rfc in ["rfc4475", "rfc5118"] {
        for file in std::fs::read_dir(folder.join(rfc)).expect("the folder of an RFC") {
            let path = file.expect("a file").path();
            let name = format!("{rfc}/{}", path.file_stem().expect("a name").to_string_lossy());
            assert_eq!(vectors.iter().filter(|vector| vector.name == name).count(), 1, "rows for {name}");
        }
    }
}
