//! `comity completions SHELL`

use std::process::ExitCode;

use clap::{Args, Command};
use clap_complete::Shell;

use super::Global;
use crate::failure::Failure;

pub const EXAMPLES: &str = "\
Examples:
  comity completions bash > /etc/bash_completion.d/comity
  comity completions zsh > /usr/share/zsh/site-functions/_comity
  comity completions fish > ~/.config/fish/completions/comity.fish
  source <(comity completions bash)        for this shell only, to try it

Start a new shell afterwards. Bash needs the package bash-completion to read the folder by itself.";

#[derive(Debug, Args)]
pub struct CompletionsArguments {
    /// The shell that you type in
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints a script for the shell to read.
pub fn run(global: &Global, arguments: &CompletionsArguments) -> Result<ExitCode, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut without_hidden(&super::definition()), NAME, &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    global.print(&script, || print!("{script}"))
}

/// What the help does not show, the Tab key does not offer.
fn without_hidden(command: &Command) -> Command {
    let mut shown = Command::new(command.get_name().to_owned()).disable_help_subcommand(true);
    if let Some(about) = command.get_about() {
        shown = shown.about(about.clone());
    }
    if let Some(version) = command.get_version() {
        shown = shown.version(version.to_owned());
    }
    let arguments = command.get_arguments().filter(|argument| !argument.is_hide_set());
    let below = command.get_subcommands().filter(|below| !below.is_hide_set());
    shown.args(arguments.cloned()).subcommands(below.map(without_hidden))
}

const NAME: &str = "comity";
