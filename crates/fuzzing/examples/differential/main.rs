//! The same bytes through our parser and through those of others: `interop/differential/run` says how.
//!
//! `cases FILE` writes the cases; `compare CASES TABLE NAME=LINES ...` holds what the libraries printed against what we read, and
//! fails at a disagreement that the table does not know.

mod cases;
mod compare;
mod ours;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words[..] {
        ["cases", file] => cases::write(file),
        ["compare", cases, table, ref lines @ ..] => compare::run(cases, table, lines),
        _ => Err("differential cases FILE | compare CASES TABLE NAME=LINES ...".to_owned()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}
