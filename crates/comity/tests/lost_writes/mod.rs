//! What may be on a disk after a power cut: all that was synced, and of the rest anything.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::traced::Event;

/// What becomes of what was not synced.
#[derive(Debug, Clone, Copy)]
pub enum Fate {
    Lost,
    Kept,
    /// Each write lost, kept or torn, each name there or not, as this number draws it.
    Drawn(u64),
}

/// A file: its content that is on disk, and what was done since, by number of the event.
#[derive(Debug, Default, Clone)]
struct Content {
    synced: Vec<u8>,
    later: Vec<(usize, Change)>,
}

#[derive(Debug, Clone)]
enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Cut { len: usize },
}

/// Which file a name names, on disk and since.
#[derive(Debug, Default)]
struct Name {
    synced: Option<usize>,
    later: Vec<(usize, Option<usize>)>,
}

#[derive(Debug, Default)]
pub struct Disk {
    names: BTreeMap<PathBuf, Name>,
    contents: Vec<Content>,
}

impl Disk {
    /// After these events.
    pub fn after(events: &[Event]) -> Disk {
        let mut disk = Disk::default();
        for (number, event) in events.iter().enumerate() {
            disk.take(number, event);
        }
        disk
    }

    fn take(&mut self, number: usize, event: &Event) {
        match event {
            Event::Created(path) if self.current(path).is_none() => {
                self.contents.push(Content::default());
                let created = Some(self.contents.len() - 1);
                self.names.entry(path.clone()).or_default().later.push((number, created));
            }
            Event::Removed(path) => self.names.entry(path.clone()).or_default().later.push((number, None)),
            Event::Written { path, offset, bytes } => {
                self.change(path, number, Change::Write { offset: *offset, bytes: bytes.clone() });
            }
            Event::Cut { path, len } => self.change(path, number, Change::Cut { len: *len }),
            Event::Synced { path, began } => self.sync(path, *began),
            Event::Created(_) | Event::Told(_) => {}
        }
    }

    fn current(&self, path: &Path) -> Option<usize> {
        let name = self.names.get(path)?;
        name.later.last().map_or(name.synced, |(_, file)| *file)
    }

    fn change(&mut self, path: &Path, number: usize, change: Change) {
        let file = self.current(path).unwrap_or_else(|| panic!("{} was never made", path.display()));
        self.contents[file].later.push((number, change));
    }

    /// A folder's names, or a file's content.
    fn sync(&mut self, path: &Path, began: usize) {
        for (_, name) in self.names.iter_mut().filter(|(named, _)| named.parent() == Some(path)) {
            while name.later.first().is_some_and(|(number, _)| *number < began) {
                name.synced = name.later.remove(0).1;
            }
        }
        if let Some(file) = self.current(path) {
            let Content { synced, later } = &mut self.contents[file];
            while later.first().is_some_and(|(number, _)| *number < began) {
                later.remove(0).1.apply(synced, |_| true);
            }
        }
    }

    /// Puts what is there then below a folder.
    pub fn write_to(&self, folder: &Path, fate: Fate) {
        let mut draw = Draw(match fate {
            Fate::Drawn(seed) => seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            _ => 1,
        });
        for (path, name) in &self.names {
            let kept = match fate {
                Fate::Lost => 0,
                Fate::Kept => name.later.len(),
                Fate::Drawn(_) => draw.below(name.later.len() + 1),
            };
            let file = if kept == 0 { name.synced } else { name.later[kept - 1].1 };
            let is_there = path.parent().is_none_or(|parent| folder.join(parent).is_dir());
            // Shared memory of the processes that have the database open means nothing to those that come.
            let is_memory = path.to_string_lossy().ends_with("-shm") || path.to_string_lossy().ends_with(".sock");
            let Some(file) = file.filter(|_| is_there && !is_memory) else { continue };
            match path == Path::new("data") {
                true => std::fs::create_dir(folder.join(path)).unwrap(),
                false => std::fs::write(folder.join(path), self.contents[file].after_cut(fate, &mut draw)).unwrap(),
            }
        }
    }
}

impl Content {
    fn after_cut(&self, fate: Fate, draw: &mut Draw) -> Vec<u8> {
        let mut bytes = self.synced.clone();
        for (_, change) in &self.later {
            match (fate, draw.below(3)) {
                (Fate::Lost, _) | (Fate::Drawn(_), 0) => {}
                (Fate::Kept, _) | (Fate::Drawn(_), 1) => change.apply(&mut bytes, |_| true),
                (Fate::Drawn(_), _) => change.apply(&mut bytes, |_| draw.below(2) == 0),
            }
        }
        bytes
    }
}

impl Change {
    /// Those sectors of it that `lands` says, by their number.
    fn apply(&self, to: &mut Vec<u8>, mut lands: impl FnMut(usize) -> bool) {
        match self {
            Change::Cut { len } => to.resize(*len, 0),
            Change::Write { offset, bytes } => {
                for (number, sector) in bytes.chunks(SECTOR).enumerate().filter(|(number, _)| lands(*number)) {
                    let start = offset + number * SECTOR;
                    to.resize(to.len().max(start + sector.len()), 0);
                    to[start..start + sector.len()].copy_from_slice(sector);
                }
            }
        }
    }
}

/// Xorshift64: one seed draws the same again.
struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % bound
    }
}

/// A disk writes it whole, or not at all.
const SECTOR: usize = 512;
