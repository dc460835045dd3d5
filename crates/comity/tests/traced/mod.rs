//! What a server does to its files, and what it tells the world, in order: read from a trace of its system calls.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// One thing that was done. A path is that of a file or folder in the folder that is watched, or that folder.
#[derive(Debug)]
pub enum Event {
    Created(PathBuf),
    Removed(PathBuf),
    Written {
        path: PathBuf,
        offset: usize,
        bytes: Vec<u8>,
    },
    Cut {
        path: PathBuf,
        len: usize,
    },
    /// All that was written to it before the event of this number is on disk.
    Synced {
        path: PathBuf,
        began: usize,
    },
    /// Over a socket.
    Told(Vec<u8>),
}

/// What `strace` is to be told, but for the file that it writes.
pub const ARGUMENTS: &[&str] =
    &["--follow-forks", "--seccomp-bpf", "-xx", "--decode-fds=path", "--string-limit=1000000", CALLS];

const CALLS: &str = "--trace=openat,pwrite64,write,writev,sendto,sendmsg,ftruncate,fsync,fdatasync,unlink,mkdir";

/// A trace that is read line by line.
pub struct Reading<'a> {
    /// Where the server ran.
    place: &'a Path,
    events: Vec<Event>,
    /// What a thread is in the middle of: its call, and how many events there were when it began.
    begun: HashMap<String, (String, usize)>,
}

/// The events of a trace, on files below `place` alone.
pub fn events(trace: &str, place: &Path) -> Vec<Event> {
    let mut reading = Reading { place, events: Vec::new(), begun: HashMap::new() };
    trace.lines().for_each(|line| reading.line(line));
    reading.events
}

impl Reading<'_> {
    fn line(&mut self, line: &str) {
        let Some((thread, rest)) = line.split_once(' ') else { return };
        let rest = rest.trim_start();
        if let Some(begun) = rest.strip_suffix(" <unfinished ...>") {
            self.begun.insert(thread.to_owned(), (begun.to_owned(), self.events.len()));
            self.entered(begun);
        } else if let Some((_, end)) = rest.split_once(" resumed>").filter(|_| rest.starts_with("<... ")) {
            if let Some((begun, at)) = self.begun.remove(thread) {
                self.left(&format!("{begun}{end}"), at);
            }
        } else if rest.contains('(') {
            self.entered(rest);
            self.left(rest, self.events.len());
        }
    }

    /// From here on it may have happened.
    fn entered(&mut self, call: &str) {
        let Some((name, arguments)) = call.split_once('(') else { return };
        let bytes = || strings(arguments).concat();
        match (name, self.file(arguments)) {
            ("pwrite64", Some(path)) => {
                let numbers: Vec<usize> = arguments.rsplit('"').next().map(numbers).unwrap_or_default();
                let [_, offset] = numbers[..2] else { panic!("{arguments}") };
                self.events.push(Event::Written { path, offset, bytes: bytes() });
            }
            ("ftruncate", Some(path)) => {
                let len = numbers(arguments.split_once('>').map_or("", |(_, rest)| rest))[0];
                self.events.push(Event::Cut { path, len });
            }
            // Who has the folder, for people to read: what holds is the kernel's lock.
            ("write", Some(path)) if path.ends_with("comity.lock") => {}
            ("write", Some(path)) => panic!("{} is written to where it ends, which is not understood", path.display()),
            ("write" | "writev" | "sendto" | "sendmsg", None) if is_socket(arguments) => {
                self.events.push(Event::Told(bytes()));
            }
            _ => {}
        }
    }

    /// It has happened.
    fn left(&mut self, call: &str, began: usize) {
        let Some((name, arguments)) = call.split_once('(') else { return };
        let failed = arguments.rsplit_once(" = ").is_none_or(|(_, result)| result.starts_with('-'));
        let named = || Some(self.below(&self.place.join(text(strings(arguments).first()?))));
        match name {
            _ if failed => {}
            "fsync" | "fdatasync" => {
                if let Some(path) = self.file(arguments) {
                    self.events.push(Event::Synced { path, began });
                }
            }
            "openat" if arguments.contains("O_CREAT") => {
                self.events.extend(named().flatten().map(Event::Created));
            }
            "mkdir" => self.events.extend(named().flatten().map(Event::Created)),
            "unlink" => self.events.extend(named().flatten().map(Event::Removed)),
            _ => {}
        }
    }

    /// The file that the first argument is open on: `5<\x2f\x74\x6d\x70>`.
    fn file(&self, arguments: &str) -> Option<PathBuf> {
        let (name, _) = arguments.split_once('<')?.1.split_once('>')?;
        self.below(Path::new(&text(&unescaped(name))))
    }

    fn below(&self, path: &Path) -> Option<PathBuf> {
        let path = path.strip_prefix(self.place).ok()?;
        (path.as_os_str().is_empty() || path.starts_with("data")).then(|| path.to_owned())
    }
}

fn is_socket(arguments: &str) -> bool {
    let name = arguments.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    name.is_some_and(|(name, _)| unescaped(name).starts_with(b"socket:"))
}

/// Every string among the arguments.
fn strings(arguments: &str) -> Vec<Vec<u8>> {
    arguments.split('"').skip(1).step_by(2).map(unescaped).collect()
}

/// `\x61\x62` is `ab`.
fn unescaped(text: &str) -> Vec<u8> {
    text.split("\\x").skip(1).map(|digits| u8::from_str_radix(&digits[..2], 16).unwrap()).collect()
}

fn numbers(text: &str) -> Vec<usize> {
    let words = text.split(|character: char| !character.is_ascii_digit());
    words.filter(|word| !word.is_empty()).map(|word| word.parse().unwrap()).collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}
