//! Scenarios: plays in plain text, one sentence a line, each sentence an act or something that must come to be so.
//!
//! A file begins with its stage: the sentences that come before every play in it. A line that begins with `==` names a
//! play. Lines that begin with `#` say why.

mod access;
mod acts;
mod cast;
mod closing;
mod consent;
mod edges;
mod expectations;
mod file;
mod form;
mod meetings;
mod run;
mod troubles;

use std::path::{Path, PathBuf};

pub use file::{Play, ScenarioFile};
pub use form::{Form, Words};
pub use run::{Failure, Run, Setting, run};

/// The files of plays in a folder, by name.
///
/// # Errors
/// When it cannot be read, or has none.
pub fn all(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let shown = folder.display();
    let entries = std::fs::read_dir(folder).map_err(|error| format!("{shown}: cannot be read: {error}"))?;
    let is_play = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "play");
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(is_play).collect();
    paths.sort();
    if paths.is_empty() { Err(format!("{shown}: there is no file of plays")) } else { Ok(paths) }
}

/// Every sentence that a play can say.
pub fn forms() -> impl Iterator<Item = &'static Form> {
    let of_people = [cast::FORMS, access::FORMS, acts::FORMS, expectations::FORMS, meetings::FORMS, consent::FORMS];
    of_people.into_iter().chain([edges::FORMS, troubles::FORMS]).flatten()
}
