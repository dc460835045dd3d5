//! The reference pages of docs/, written from the definitions that the program itself works with.

mod border;
mod commands;
mod configuration;
mod markdown;
mod metrics;
mod refusals;

use std::io;
use std::path::Path;

/// A page: the name of its file and its text.
pub type Page = (&'static str, String);

pub fn pages() -> Vec<Page> {
    vec![
        ("border.md", border::page()),
        ("commands.md", commands::page()),
        ("configuration.md", configuration::page()),
        ("metrics.md", metrics::page()),
        ("refusals.md", refusals::page()),
    ]
}

/// Writes every page into this folder, which is made if need be.
pub fn write(folder: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    pages().into_iter().try_for_each(|(name, text)| std::fs::write(folder.join(name), text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_has_one_title_says_where_it_comes_from_and_names_what_it_is_about() {
        let wanted = [
            ("border.md", "| `Alert-Info` | removed |"),
            ("commands.md", "## comity partner add\n"),
            ("configuration.md", "| `tls` |"),
            ("metrics.md", "`comity_uptime_seconds`"),
            ("refusals.md", "## certificate-name\n"),
        ];
        let pages = pages();
        assert_eq!(pages.len(), wanted.len());
        for ((name, text), (file, part)) in pages.iter().zip(wanted) {
            assert_eq!(*name, file);
            assert!(text.starts_with("# ") && text.contains(markdown::ORIGIN), "{text}");
            assert!(text.contains(part), "{name} lacks {part}");
        }
    }
}
