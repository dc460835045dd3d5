//! Log lines on standard error.
//!
//! From info up, lines carry no address and no URI of a person; who needs them turns debug on. What libraries say is not shown
//! unless the filter names them: they know nothing of this promise.

use std::io::IsTerminal;

use tracing::Metadata;
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, fmt, registry};

/// Starts logging. `COMITY_LOG`, else `RUST_LOG`, says what is logged, as in `debug` or `info,net=debug`; with `wire=trace`
/// in it, every message is.
pub fn start() {
    let (Filter { filter, text }, unreadable) = Filter::of_environment();
    let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal()).with_target(false);
    let is_wanted = filter_fn(move |metadata| is_wanted(metadata, &text));
    // A second call finds logging started already, which is as good.
    let _ = registry().with(filter).with(is_wanted).with(lines).try_init();
    for problem in unreadable {
        tracing::warn!("{problem}");
    }
}

struct Filter {
    filter: EnvFilter,
    text: String,
}

impl Filter {
    /// And what could not be read, in words for the administrator.
    fn of_environment() -> (Filter, Vec<String>) {
        let mut unreadable = Vec::new();
        for name in ["COMITY_LOG", "RUST_LOG"] {
            let Some(text) = std::env::var(name).ok().filter(|text| !text.trim().is_empty()) else { continue };
            match read(&text) {
                Ok(filter) => return (Filter { filter, text }, unreadable),
                Err(error) => unreadable.push(format!(
                    "{name} is not understood ({error}): write a level, or parts with a level each, as in info,net=debug"
                )),
            }
        }
        (Filter { filter: EnvFilter::new(USUAL), text: USUAL.to_owned() }, unreadable)
    }
}

/// To the library a word alone that is no level is the name of a part, and all other parts are off: a misspelt level would
/// end the log.
fn read(text: &str) -> Result<EnvFilter, String> {
    let is_known = |word: &str| word.is_empty() || word.parse::<LevelFilter>().is_ok() || OURS.contains(&word);
    let mut words = text.split(',').map(str::trim).filter(|part| !part.contains(['=', '[']));
    match words.find(|word| !is_known(word)) {
        Some(word) => Err(format!("{word} is no level")),
        None => EnvFilter::try_new(text).map_err(|error| error.to_string()),
    }
}

/// Ours always, subject to the filter's levels; the rest where the filter names it.
fn is_wanted(metadata: &Metadata<'_>, text: &str) -> bool {
    let source = metadata.target().split("::").next().unwrap_or_default();
    OURS.contains(&source) || names(text).any(|name| name == source)
}

/// The crates and targets that a filter's text names, as in `info,net=debug`.
fn names(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(|directive| directive.trim().split(['=', ':', '[']).next().unwrap_or_default())
}

const USUAL: &str = "info";
/// Our crates that can be in the program. The target `wire` is not among them: whole messages are shown only to who asks.
const OURS: [&str; 17] = [
    "acme",
    "certificates",
    "comity",
    "conference",
    "documents",
    "federation",
    "media",
    "messaging",
    "net",
    "plan",
    "presence",
    "registrar",
    "sdp",
    "server",
    "signaling",
    "sip",
    "store",
];

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn every_crate_that_is_shipped_is_ours() {
        let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let name = |entry: std::io::Result<std::fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
        let mut names: Vec<String> = std::fs::read_dir(crates).unwrap().map(name).collect();
        names.retain(|name| !["bench", "floods", "fuzzing", "sim", "xtask"].contains(&name.as_str()));
        names.sort();
        assert_eq!(names, OURS);
    }

    #[test]
    fn a_misspelt_level_is_told_and_does_not_end_the_log() {
        for text in ["inof", "verbose", "info,nett", "net=loud", "info, net=debug"] {
            assert!(read(text).is_err(), "{text}");
        }
        for text in
            ["info", "DEBUG", "off", "info,net=debug", "net", "trace,wire=trace", "hickory_net=debug", "[flow]=debug"]
        {
            assert!(read(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn a_filter_names_what_it_asks_for() {
        let named: Vec<&str> = names("info, hickory_net=debug,wire[flow]=trace,net::udp=off").collect();
        assert_eq!(named, ["info", "hickory_net", "wire", "net"]);
    }
}
