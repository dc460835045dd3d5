//! `comity completions SHELL`

use std::process::ExitCode;

use clap::Args;
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
    clap_complete::generate(arguments.shell, &mut super::definition(), NAME, &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    global.print(&script, || print!("{script}"))
}

const NAME: &str = "comity";
