//! Every command, as its help says it.

use clap::Command;

use super::markdown::head;
use crate::command::{definition, with_subcommands};

pub fn page() -> String {
    let mut program = definition().term_width(COLUMNS);
    program.build();
    let commands = with_subcommands(&program);
    let sections = commands.into_iter().map(|command| {
        let name = command.get_bin_name().unwrap_or_else(|| command.get_name());
        format!("## {name}\n\n```\n{}\n```\n\n", help(command))
    });
    head("Commands") + INTRODUCTION + &sections.collect::<String>()
}

fn help(command: &Command) -> String {
    let text = command.clone().render_help().to_string();
    let lines: Vec<_> = text.trim().lines().map(str::trim_end).collect();
    lines.join("\n")
}

const COLUMNS: usize = 100;
const INTRODUCTION: &str = "\
The same words as `comity --help`, `comity COMMAND --help` and `man comity`. A command ends with 0 if it did what was asked, with 1
if not, with 2 if it was not understood. What went wrong, and what to do next, is on standard error.

";
