//! What is wrong with a configuration file: all of it at once, each with its line.

use std::fmt;
use std::path::PathBuf;

/// Everything wrong with one file. `Display` is one line for each problem, `comity.toml:12: ...`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    pub file: PathBuf,
    pub problems: Vec<Problem>,
}

/// One problem; without a line where it is about something absent.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    pub line: Option<usize>,
    pub text: String,
}

impl ConfigError {
    /// Whether a file may not be read by who tried: another user could.
    pub fn is_denied(&self) -> bool {
        let denied = std::io::Error::from_raw_os_error(ACCESS_DENIED).to_string();
        self.problems.iter().any(|problem| problem.text.ends_with(&denied))
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                formatter.write_str("\n")?;
            }
            write!(formatter, "{}", self.file.display())?;
            if let Some(line) = problem.line {
                write!(formatter, ":{line}")?;
            }
            write!(formatter, ": {}", problem.text)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// Collects problems while reading goes on.
#[derive(Debug, Default)]
pub(super) struct Problems(Vec<Problem>);

impl Problems {
    pub(super) fn at(&mut self, line: usize, text: impl Into<String>) {
        self.0.push(Problem { line: Some(line), text: text.into() });
    }

    pub(super) fn absent(&mut self, text: impl Into<String>) {
        self.0.push(Problem { line: None, text: text.into() });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// In the order of the file; what is absent comes last.
    pub(super) fn into_sorted(mut self) -> Vec<Problem> {
        self.0.sort_by_key(|problem| problem.line.unwrap_or(usize::MAX));
        self.0
    }
}

/// EACCES of Linux.
const ACCESS_DENIED: i32 = 13;
