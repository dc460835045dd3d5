//! What is shown as typed, in the help and in the documents, is understood: no option that is gone, no misspelt command.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::place::Place;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// Every document of the repository.
fn documents() -> Vec<PathBuf> {
    let listed = Command::new("git").args(["ls-files", "*.md"]).current_dir(ROOT).output().unwrap();
    let paths = String::from_utf8(listed.stdout).unwrap();
    paths.lines().map(|path| Path::new(ROOT).join(path)).collect()
}

/// The words after each `comity` that begins a line of a code block, up to a comment, a pipe or a redirection.
fn typed(text: &str) -> Vec<Vec<String>> {
    let mut in_code = false;
    let mut found = Vec::new();
    for line in joined(text).lines().map(str::trim) {
        in_code ^= line.starts_with("```");
        let line = line.trim_start_matches("$ ").trim_start_matches("sudo ");
        let line =
            line.strip_prefix("COMITY_LOG=").and_then(|rest| rest.split_once(' ')).map_or(line, |(_, rest)| rest);
        if let Some(arguments) = line.strip_prefix("comity ").filter(|_| in_code) {
            found.push(words(arguments));
        }
    }
    found
}

/// A line that goes on in the next is one.
fn joined(text: &str) -> String {
    let pieces: Vec<_> =
        text.split(" \\\n").enumerate().map(|(at, piece)| if at == 0 { piece } else { piece.trim_start() }).collect();
    pieces.join(" ")
}

/// As a shell reads them, as far as our documents need it.
fn words(arguments: &str) -> Vec<String> {
    let command = arguments.split("  ").next().unwrap();
    let mut words = Vec::new();
    for (index, piece) in command.split('\'').enumerate() {
        if index % 2 == 1 {
            words.push(piece.to_owned());
            continue;
        }
        let end = piece.find(['|', '>', '<', ';', '&']).unwrap_or(piece.len());
        words.extend(piece[..end].split_whitespace().map(str::to_owned));
        if end < piece.len() {
            break;
        }
    }
    words
}

/// `DOMAIN`, `CALL-ID`: to be replaced by the reader.
fn is_placeholder(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-')
}

#[test]
fn words_are_read_as_a_shell_does() {
    assert_eq!(
        words("partner block a.example --comment 'spam, ticket 42' > x"),
        ["partner", "block", "a.example", "--comment", "spam, ticket 42"]
    );
    assert_eq!(words("drain && sleep 600 && systemctl stop comity"), ["drain"]);
    assert_eq!(words("status --json | jq .users    the count"), ["status", "--json"]);
    assert_eq!(typed("comity no\n```sh\n$ sudo comity check\nCOMITY_LOG=debug comity serve\n```\n").len(), 2);
    assert_eq!(typed("```\ncomity user \\\n    list\n```\n"), [["user", "list"]]);
}

#[test]
fn commands_of_the_documents_are_understood() {
    let place = Place::new("tls = [\"127.0.0.1:5061\"]");
    let mut count = 0;
    for document in documents() {
        for words in typed(&std::fs::read_to_string(&document).unwrap()) {
            if words.iter().any(|word| is_placeholder(word)) {
                continue;
            }
            count += 1;
            let mut arguments: Vec<&str> = words.iter().map(String::as_str).collect();
            // The last word wins over whatever the command would do: it only has to be understood.
            arguments.push("--help");
            let answer = place.run(&arguments);
            assert_eq!(answer.code, Some(0), "{}: comity {}\n{}", document.display(), words.join(" "), answer.stderr);
        }
    }
    assert!(count > 100, "only {count} commands were found");
}
