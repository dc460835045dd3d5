//! The command line as it is defined, for everything that is made from it: parsing, help, completions, manual, reference.

use std::ffi::OsString;

use clap::builder::StyledStr;
use clap::{Command, CommandFactory};

use super::Arguments;

/// The whole command line; the help names the commands by purpose, in the order in which they are needed.
pub fn definition() -> Command {
    let command = Arguments::command();
    let template = StyledStr::from(help_template(&command));
    command.help_template(template)
}

/// A command and all below it, in the order of the help; what is hidden is left out.
pub fn with_subcommands(command: &Command) -> Vec<&Command> {
    let below = command.get_subcommands().filter(|below| !below.is_hide_set()).flat_map(with_subcommands);
    std::iter::once(command).chain(below).collect()
}

/// What was typed, with `--help` for the word `help` where a command could stand: `comity help partner add`,
/// `comity partner help add`. clap's own command of that name would be a page of the manual beneath each command.
pub fn spelled_out(typed: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut words: Vec<_> = typed.into_iter().collect();
    let program = definition();
    let mut command = &program;
    for at in 1..words.len() {
        if !command.has_subcommands() {
            break;
        }
        if words[at] == "help" {
            words.remove(at);
            words.push("--help".into());
            break;
        }
        match words[at].to_str().and_then(|word| command.find_subcommand(word)) {
            Some(below) => command = below,
            None => break,
        }
    }
    words
}

fn help_template(command: &Command) -> String {
    let heading = command.get_styles().get_header();
    let name = command.get_styles().get_literal();
    let mut template = String::from("{about}\n\n{usage-heading} {usage}\n");
    for (title, names) in groups(command) {
        template.push_str(&format!("\n{heading}{title}:{heading:#}\n"));
        for below in names.iter().filter_map(|name| command.find_subcommand(name)) {
            let about = below.get_about().map(ToString::to_string).unwrap_or_default();
            template.push_str(&format!("  {name}{:11}{name:#}  {about}\n", below.get_name()));
        }
    }
    template.push_str(&format!("\n{heading}Options:{heading:#}\n{{options}}{{after-help}}"));
    template
}

/// Each heading of the help with its commands; what no heading claims comes last.
fn groups(command: &Command) -> Vec<(&'static str, Vec<&str>)> {
    let claimed = |name: &&str| GROUPS.iter().any(|(_, names)| names.contains(name));
    let visible = command.get_subcommands().filter(|below| !below.is_hide_set()).map(Command::get_name);
    let others: Vec<_> = visible.filter(|name| !claimed(name)).collect();
    let mut groups: Vec<_> = GROUPS.iter().map(|(title, names)| (*title, names.to_vec())).collect();
    if !others.is_empty() {
        groups.push(("Others", others));
    }
    groups
}

const GROUPS: [(&str, &[&str]); 5] = [
    ("Set up", &["init", "plan", "check"]),
    ("Run", &["serve", "status", "drain", "metrics", "backup", "restore"]),
    ("Users, partners, meetings", &["user", "partner", "provider", "policy", "consent", "meeting"]),
    ("When something does not work", &["calls", "doctor", "route", "why"]),
    ("To look around, and for your shell", &["demo", "completions", "man"]),
];

/// Whether a word that was typed names a command.
pub fn is_command(word: &str) -> bool {
    definition().find_subcommand(word).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every page of the help, as it is printed.
    fn help_pages() -> Vec<(String, String)> {
        let mut program = definition();
        program.build();
        let page = |command: &Command| (command.to_string(), command.clone().render_help().to_string());
        with_subcommands(&program).into_iter().map(page).collect()
    }

    #[test]
    fn the_word_help_is_understood_where_a_command_could_stand() {
        let spelled = |typed: &str| {
            let words = spelled_out(typed.split(' ').map(OsString::from));
            words.join(" ".as_ref()).into_string().expect("text")
        };
        assert_eq!(spelled("comity help"), "comity --help");
        assert_eq!(spelled("comity help partner add"), "comity partner add --help");
        assert_eq!(spelled("comity partner help"), "comity partner --help");
        assert_eq!(spelled("comity partner help add"), "comity partner add --help");
        assert_eq!(spelled("comity user add help"), "comity user add help");
        assert_eq!(spelled("comity status help"), "comity status help");
        assert_eq!(spelled("comity nothing help"), "comity nothing help");
    }

    #[test]
    fn every_command_stands_under_a_heading_of_the_help() {
        let command = definition();
        let titles: Vec<_> = groups(&command).into_iter().map(|(title, _)| title).collect();
        assert!(!titles.contains(&"Others"), "add the new command to GROUPS");
        for name in GROUPS.iter().flat_map(|(_, names)| *names) {
            assert!(command.find_subcommand(name).is_some(), "there is no command {name}");
        }
    }

    #[test]
    fn help_fits_into_a_hundred_columns_and_shows_examples() {
        for (command, page) in help_pages() {
            let widest = page.lines().max_by_key(|line| line.chars().count()).unwrap();
            assert!(widest.chars().count() <= 100, "{command}: {widest}");
            assert!(page.contains("\nExample"), "{command} shows no example:\n{page}");
        }
    }

    #[test]
    fn what_has_to_be_typed_is_explained() {
        let mut program = definition();
        program.build();
        for command in with_subcommands(&program) {
            for argument in command.get_arguments().filter(|argument| !argument.is_hide_set()) {
                assert!(argument.get_help().is_some(), "{command}: {} says nothing", argument.get_id());
            }
        }
    }
}
