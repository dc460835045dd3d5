//! The page of typical faults: what the program says of each, from the golden texts of its tests.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context;

/// Writes `faults.md` into the folder.
pub fn write_page(root: &Path, folder: &Path) -> anyhow::Result<()> {
    let golden = root.join(GOLDEN);
    let mut files: Vec<_> = std::fs::read_dir(&golden)
        .with_context(|| golden.display().to_string())?
        .map(|entry| Ok(entry?.path()))
        .collect::<anyhow::Result<_>>()?;
    files.sort();
    let mut page = HEAD.to_owned();
    for file in files {
        let text = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        page += &section(&name, &text);
    }
    let to = folder.join("faults.md");
    std::fs::write(&to, page).with_context(|| to.display().to_string())
}

/// What `why` says in full; of the other commands how they end, where that is something else.
fn section(name: &str, text: &str) -> String {
    let mut commands = text.split("\n$ ").map(|told| told.trim_start_matches("$ ").trim_end());
    let why = commands.next().unwrap_or_default();
    let mut section = format!("\n## {}\n\n```\n$ {why}\n```\n", title(name));
    for other in commands {
        let (command, _) = other.split_once('\n').unwrap_or((other, ""));
        match ending(other) == ending(why) {
            true => {
                let _ = write!(section, "\n`{command}` ends with the same.\n");
            }
            false => {
                let _ = write!(section, "\n```\n$ {command}\n...\n{}\n```\n", ending(other));
            }
        }
    }
    section
}

fn ending(text: &str) -> &str {
    text.rfind("verdict: ").map_or(text, |at| &text[at..])
}

/// `srv-missing` as `Srv missing`, but for what is written in capitals.
fn title(name: &str) -> String {
    let words = name.split('-').map(|word| match word {
        "srv" | "dns" | "sip" => word.to_uppercase(),
        "auth" => "auth purpose".to_owned(),
        _ => word.to_owned(),
    });
    let title = words.collect::<Vec<_>>().join(" ");
    title[..1].to_uppercase() + &title[1..]
}

const GOLDEN: &str = "crates/comity/tests/faults/golden";
const HEAD: &str = "\
# Typical faults

<!-- Written from the golden texts of the tests by `cargo xtask docs`; edit the code instead. -->

Each of these faults is made for real by a test, and this is what `comity why`, `comity partner show` and `comity route` say of it. The
partner is fabrikam.example, and we are contoso.example. What is different each time stands as CALL-ID, DATE, TIME, N and SERIAL. The
last four lines of each answer are what to read first: what it comes down to, how sure that is, what to do next, and on whose side.
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_ends_otherwise_is_shown() {
        let text = "$ comity why X\nsent\n\nverdict: a\nnext: b\n\n$ comity partner show Y\nmuch\n\nverdict: a\nnext: b\n\n\
            $ comity route Y\nverdict: c\n";
        let expected = "\n## SRV missing\n\n```\n$ comity why X\nsent\n\nverdict: a\nnext: b\n```\n\n\
            `comity partner show Y` ends with the same.\n\n```\n$ comity route Y\n...\nverdict: c\n```\n";
        assert_eq!(section("srv-missing", text), expected);
    }
}
