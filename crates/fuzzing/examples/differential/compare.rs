//! What the others printed, held against what we read. Each disagreement is of a class, and each class is in the table, with who
//! is right; where a message ends is beyond the table: there the others must agree, or we must have refused.

use std::collections::BTreeMap;

use crate::cases::{self, Case, Kind};
use crate::ours::{self, Fields};

/// Counts of one class, and its first case.
type Found = BTreeMap<(String, String), (usize, usize)>;

/// `lines`: `osip=FILE`, `sofia=FILE`, one line a case each.
pub fn run(cases: &str, table: &str, lines: &[&str]) -> Result<(), String> {
    let cases = cases::read(cases)?;
    let known = read_table(table)?;
    let mut found = Found::new();
    let mut agreed = 0;
    for named in lines {
        let (library, file) = named.split_once('=').ok_or("NAME=LINES")?;
        let text = std::fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
        if text.lines().count() != cases.len() {
            return Err(format!("{file}: {} lines for {} cases", text.lines().count(), cases.len()));
        }
        for (number, (case, line)) in cases.iter().zip(text.lines()).enumerate() {
            let classes = classes(case, line);
            agreed += usize::from(classes.is_empty());
            for class in classes {
                found.entry((library.to_owned(), class)).or_insert((0, number)).0 += 1;
            }
        }
    }
    report(&found, &known, &cases, agreed)
}

/// What the table knows: of a library, a class.
struct Known(Vec<(String, String)>);

impl Known {
    fn has(&self, library: &str, class: &str) -> bool {
        self.0.iter().any(|(of, pattern)| matches(of, library) && matches(pattern, class))
    }
}

/// A star stands for any text.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((before, after)) => {
            text.len() >= before.len() + after.len() && text.starts_with(before) && text.ends_with(after)
        }
    }
}

/// Columns: library, class, who is right, and why; tabs between them.
fn read_table(file: &str) -> Result<Known, String> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
    let rows = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let read = rows.map(|row| {
        let cells: Vec<&str> = row.split('\t').collect();
        let [library, class, _verdict, _why] = cells[..] else {
            return Err(format!("{file}: {row}: not four columns"));
        };
        Ok((library.to_owned(), class.to_owned()))
    });
    Ok(Known(read.collect::<Result<_, String>>()?))
}

fn report(found: &Found, known: &Known, cases: &[Case], agreed: usize) -> Result<(), String> {
    let mut unknown = Vec::new();
    for ((library, class), (count, first)) in found {
        println!("{count:6}  {library}\t{class}");
        if !known.has(library, class) || class.starts_with(BORDER) {
            let bytes = String::from_utf8_lossy(&cases[*first].bytes);
            unknown.push(format!("{library}\t{class}\n  first in case {first}: {:?}", bytes.as_ref()));
        }
    }
    println!("{} cases, {agreed} comparisons without a disagreement, {} classes", cases.len(), found.len());
    match unknown.is_empty() {
        true => Ok(()),
        false => Err(format!("not in the table:\n{}", unknown.join("\n"))),
    }
}

/// None: we agree.
fn classes(case: &Case, line: &str) -> Vec<String> {
    let (_, said) = line.split_once(' ').unwrap_or((line, ""));
    if said.starts_with("crashed") {
        return vec!["crashed".to_owned()];
    }
    match (case.kind, said.strip_prefix("ends=")) {
        (Kind::Stream, Some(ends)) => of_stream(&case.bytes, ends),
        (Kind::Stream, None) => of_first(&case.bytes, said),
        (Kind::Datagram, _) => of_datagram(ours::datagram(&case.bytes), said),
    }
}

fn of_datagram(ours: Result<Fields, String>, said: &str) -> Vec<String> {
    match (ours, said.strip_prefix("accepted")) {
        (Err(_), None) => Vec::new(),
        (Err(why), Some(_)) => vec![format!("accepts: {why}")],
        (Ok(fields), None) => vec![refusal(&fields, &why(said))],
        (Ok(fields), Some(theirs)) => of_fields(&fields, theirs),
    }
}

/// Where what a library stumbled over is outside of the grammar, or odd by itself, nothing else needs to be looked for.
fn refusal(fields: &Fields, why: &str) -> String {
    let header = long_name(why);
    let kind = match header {
        "via" => "_via",
        "from" | "to" | "contact" | "route" | "record-route" => "_address",
        _ => "",
    };
    let odd = fields.get(kind).filter(|odd| !odd.is_empty());
    let what = match (is_outside(fields, header), odd) {
        (true, _) => OUTSIDE,
        (false, Some(odd)) => odd,
        (false, None) => &suspect(fields),
    };
    format!("refuses: {what} ({why})")
}

fn is_outside(fields: &Fields, header: &str) -> bool {
    fields.get("_outside").is_some_and(|outside| !header.is_empty() && outside.split(' ').any(|name| name == header))
}

/// Of a header that is named in another way.
fn long_name(name: &str) -> &str {
    LONG_NAMES.iter().find(|(other, _)| *other == name).map_or(name, |(_, long)| long)
}

const OUTSIDE: &str = "a value outside the grammar";
/// Compact names of headers, and what else the libraries say for them.
const LONG_NAMES: [(&str, &str); 8] = [
    ("v", "via"),
    ("f", "from"),
    ("t", "to"),
    ("m", "contact"),
    ("vias", "via"),
    ("contacts", "contact"),
    ("routes", "route"),
    ("record_routes", "record-route"),
];

/// The library's word for it.
fn why(said: &str) -> String {
    said.split_once("why=").map_or("no words", |(_, why)| why).replace("%20", " ").to_lowercase()
}

fn of_fields(ours: &Fields, theirs: &str) -> Vec<String> {
    let theirs: Fields = theirs
        .split(' ')
        .filter_map(|field| field.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    // What a library does not show is not compared.
    let is_other = |ours: &str, theirs: &str| match (ours.parse::<u64>(), theirs.parse::<u64>()) {
        // Leading zeros are no other number.
        (Ok(ours), Ok(theirs)) => ours != theirs,
        _ => ours != theirs && ours != "-",
    };
    let differs = |name: &&String| theirs.get(*name).is_some_and(|theirs| is_other(&ours[*name], theirs));
    let names = ours.keys().filter(|name| !name.starts_with('_')).filter(differs);
    names.map(|name| difference(name, ours)).collect()
}

/// A border of another place is a border that a smuggler looks for.
const BORDER: &str = "BORDER";

/// Of a library that cuts streams. Until we refuse, all ends are to be the same.
fn of_stream(bytes: &[u8], ends: &str) -> Vec<String> {
    let cut = ours::stream(bytes);
    let mut theirs = ends.split(',').filter(|end| !end.is_empty());
    for (index, end) in cut.ends.iter().enumerate() {
        let readable = &cut.messages[index];
        let their_end = theirs.next();
        let said = their_end.map(|end| end.trim_end_matches('!'));
        match (said.and_then(|end| end.parse::<usize>().ok()), readable) {
            (Some(their_end), _) if their_end == *end => {}
            // It goes no further, so nothing is smuggled through both.
            _ if said == Some("refused") => return vec![format!("stream refused: {}", reason(readable))],
            (Some(_) | None, Err(why)) => return vec![format!("stream: we answer 400 and close: {why}")],
            (Some(their_end), Ok(_)) => return vec![format!("{BORDER} at {their_end}, ours at {end}")],
            (None, Ok(fields)) if suspect(fields) == ours::QUOTED_NUL => {
                return vec![format!("stream without an end: {}", ours::QUOTED_NUL)];
            }
            (None, Ok(fields)) => return vec![format!("{BORDER} not seen, ours at {end}: {}", suspect(fields))],
        }
        // Whoever refuses the message closes the stream.
        if readable.is_err() || their_end.is_some_and(|end| end.ends_with('!')) {
            return Vec::new();
        }
    }
    match (theirs.next(), cut.error) {
        (None | Some("refused"), _) => Vec::new(),
        (Some(_), Some(why)) => vec![format!("stream goes on: {why}")],
        (Some(end), None) => vec![format!("{BORDER} at {end}, ours not seen")],
    }
}

/// Of a library that is given the whole stream for its first message.
fn of_first(bytes: &[u8], said: &str) -> Vec<String> {
    let cut = ours::stream(bytes);
    let Some(theirs) = said.strip_prefix("accepted") else { return Vec::new() };
    match (cut.messages.first(), cut.error) {
        (Some(Ok(fields)), _) => {
            let said = |name: &str| theirs.split(' ').find_map(|field| field.strip_prefix(name)?.strip_prefix('='));
            let differs =
                |name: &&str| said(name).is_some_and(|theirs| fields.get(*name).is_some_and(|ours| ours != theirs));
            ["length", "body"].into_iter().filter(differs).map(|name| border_class(name, fields)).collect()
        }
        (Some(Err(why)), _) => vec![format!("stream accepts: {why}")],
        (None, Some(why)) => vec![format!("stream accepts: {why}")],
        (None, None) => vec!["stream accepts: what is incomplete".to_owned()],
    }
}

fn border_class(name: &str, fields: &Fields) -> String {
    format!("{BORDER} of the first message, by its {name}: {}", suspect(fields))
}

fn reason(readable: &Result<Fields, String>) -> String {
    readable.as_ref().map_or_else(Clone::clone, suspect)
}

/// What of an accepted message others may stumble over.
fn suspect(fields: &Fields) -> String {
    fields.get("_suspect").cloned().unwrap_or_else(|| "nothing that we know of".to_owned())
}

fn difference(name: &str, ours: &Fields) -> String {
    let what = if is_outside(ours, long_name(name)) { OUTSIDE.to_owned() } else { suspect(ours) };
    format!("{name}: {what}")
}
