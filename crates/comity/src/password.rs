//! Where a new password comes from: the terminal, standard input, or chance.

use std::io::{self, BufRead, IsTerminal, Write};
use std::process::{Command, Stdio};

use clap::Args;
use rand::seq::IndexedRandom;

use crate::failure::Failure;

/// How the password is given; without a flag it is asked for.
#[derive(Debug, Args)]
pub struct PasswordSource {
    /// Read the password from standard input, to the end of its first line
    #[arg(long, conflicts_with = "generate")]
    password_stdin: bool,
    /// Make a password and print it
    #[arg(long)]
    generate: bool,
}

/// A new password, and whether it is to be shown, since nobody has seen it yet.
pub struct NewPassword {
    pub text: String,
    pub is_generated: bool,
}

impl PasswordSource {
    /// Asks, reads or makes the password.
    pub async fn obtain(&self, aor: &str) -> Result<NewPassword, Failure> {
        let text = match self {
            PasswordSource { generate: true, .. } => return Ok(NewPassword { text: generate(), is_generated: true }),
            PasswordSource { password_stdin: true, .. } => read_line().map_err(unreadable)?,
            _ if io::stdin().is_terminal() => ask_twice(aor).await?,
            _ => {
                let hint = "pipe it in with --password-stdin, or let one be made with --generate";
                return Err(Failure::new("there is no terminal to ask for the password", hint));
            }
        };
        Ok(NewPassword { text, is_generated: false })
    }
}

async fn ask_twice(aor: &str) -> Result<String, Failure> {
    let first = ask(format!("Password for {aor}: ")).await?;
    let second = ask("The same again: ".to_owned()).await?;
    if first == second { Ok(first) } else { Err(Failure::new("the two passwords differ", "try again")) }
}

/// Asks without echo. An interrupt ends the program with the terminal as it was.
async fn ask(prompt: String) -> Result<String, Failure> {
    let quiet = QuietTerminal::enter().map_err(unreadable)?;
    eprint!("{prompt}");
    let _ = io::stderr().flush();
    let line = tokio::select! {
        line = tokio::task::spawn_blocking(read_line) => line,
        _ = tokio::signal::ctrl_c() => {
            drop(quiet);
            eprintln!();
            std::process::exit(EXIT_INTERRUPTED);
        }
    };
    drop(quiet);
    eprintln!();
    line.map_err(io::Error::other).flatten().map_err(unreadable)
}

fn read_line() -> io::Result<String> {
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

fn unreadable(error: io::Error) -> Failure {
    Failure::new(format!("the password cannot be read: {error}"), "pipe it in with --password-stdin")
}

/// A terminal without echo, until dropped. `stty` does it, as everywhere where there is a terminal.
struct QuietTerminal;

impl QuietTerminal {
    fn enter() -> io::Result<QuietTerminal> {
        stty("-echo").map(|()| QuietTerminal)
    }
}

impl Drop for QuietTerminal {
    fn drop(&mut self) {
        // Nothing is left to be done about a terminal that cannot be set.
        let _ = stty("echo");
    }
}

fn stty(setting: &str) -> io::Result<()> {
    let status = Command::new("stty").arg(setting).stdin(Stdio::inherit()).status()?;
    if status.success() { Ok(()) } else { Err(io::Error::other("stty failed")) }
}

/// Sixteen characters that nobody mistakes for each other: about 80 bits.
fn generate() -> String {
    let mut random = rand::rng();
    let mut groups = (0..4).map(|_| {
        let letters = (0..4).filter_map(|_| ALPHABET.choose(&mut random));
        letters.map(|letter| char::from(*letter)).collect::<String>()
    });
    std::array::from_fn::<String, 4, _>(|_| groups.next().unwrap_or_default()).join("-")
}

const ALPHABET: &[u8] = b"abcdefghijkmnpqrstuvwxyz23456789";
const EXIT_INTERRUPTED: i32 = 130;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_passwords_are_long_and_differ() {
        let (one, other) = (generate(), generate());
        assert_eq!(one.len(), 19);
        assert_ne!(one, other);
    }
}
