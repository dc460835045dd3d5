//! `comity man`: the pages of the manual, from the same definitions as the help.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Command};
use clap_mangen::Man;

use super::Global;
use crate::failure::Failure;

pub const EXAMPLES: &str = "\
Examples:
  comity man | man -l -                    read comity(1) now
  comity man --directory /usr/local/share/man/man1
  man comity-partner-add                   afterwards

With --directory every command has a page of its own, named as comity-partner-add(1).";

#[derive(Debug, Args)]
pub struct ManArguments {
    /// Write comity.1 and the page of every command into this folder, which is made if need be
    #[arg(long, value_name = "DIR")]
    directory: Option<PathBuf>,
}

/// Prints one page, or writes all.
pub fn run(global: &Global, arguments: &ManArguments) -> Result<ExitCode, Failure> {
    let mut program = super::definition();
    program.build();
    let Some(directory) = &arguments.directory else {
        let (_, text) = page(&program).map_err(Failure::told)?;
        return global.print(&text, || print!("{text}"));
    };
    let written = write_pages(&program, directory).map_err(|error| {
        let problem = format!("the manual cannot be written to {}: {error}", directory.display());
        Failure::new(problem, "name a folder that you may write to: comity man --directory DIR")
    })?;
    global.print(&written, || println!("{} pages are in {}", written.len(), directory.display()))
}

/// The files, in the order of the commands.
fn write_pages(program: &Command, directory: &Path) -> io::Result<Vec<PathBuf>> {
    std::fs::create_dir_all(directory)?;
    let mut written = Vec::new();
    for command in super::with_subcommands(program) {
        let (name, text) = page(command)?;
        let file = directory.join(name);
        std::fs::write(&file, text)?;
        written.push(file);
    }
    Ok(written)
}

/// The name of a page's file, and the page.
fn page(command: &Command) -> io::Result<(String, String)> {
    let man = Man::new(command.clone()).source(concat!("comity ", env!("CARGO_PKG_VERSION"))).manual("Comity");
    let mut text = Vec::new();
    man.render_title(&mut text)?;
    man.render_name_section(&mut text)?;
    man.render_synopsis_section(&mut text)?;
    man.render_description_section(&mut text)?;
    man.render_options_section(&mut text)?;
    if command.get_subcommands().any(|below| !below.is_hide_set()) {
        man.render_subcommands_section(&mut text)?;
    }
    let mut text = String::from_utf8_lossy(&text).into_owned();
    if let Some(after) = command.get_after_help() {
        text.push_str(&closing_sections(&after.to_string()));
    }
    Ok((man.get_filename(), text))
}

/// What follows the options in the help. Examples keep their lines and columns; the rest is running text.
fn closing_sections(after: &str) -> String {
    let mut text = String::new();
    for paragraph in after.split("\n\n") {
        match paragraph.strip_prefix("Examples:\n").or_else(|| paragraph.strip_prefix("Example:\n")) {
            Some(examples) => text.push_str(&format!(".SH EXAMPLES\n.nf\n{}.fi\n", escaped(examples))),
            None => text.push_str(&format!(".SH NOTES\n{}", escaped(paragraph))),
        }
    }
    text
}

/// As roff reads it literally: no line may begin as a request does, and no hyphen may become a dash.
fn escaped(text: &str) -> String {
    text.lines().fold(String::new(), |escaped, line| {
        let line = line.replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\(aq");
        escaped + "\\&" + &line + "\n"
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_so_that_roff_prints_it_as_it_is() {
        assert_eq!(escaped(".x\n  a --b 'c' \\"), "\\&.x\n\\&  a \\-\\-b \\(aqc\\(aq \\e\n");
    }

    #[test]
    fn examples_and_notes_have_sections_of_their_own() {
        let sections = closing_sections("Examples:\n  comity serve\n\nNote well.");
        assert_eq!(sections, ".SH EXAMPLES\n.nf\n\\&  comity serve\n.fi\n.SH NOTES\n\\&Note well.\n");
    }
}
