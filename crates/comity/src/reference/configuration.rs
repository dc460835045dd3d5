//! Every key of comity.toml.

use server::config::{KEYS, Key, Need};

use super::markdown::{code, head, table};

pub fn page() -> String {
    let mut page = head("Configuration: comity.toml") + INTRODUCTION;
    let mut rest = KEYS;
    while let Some(first) = rest.first() {
        let (section, after) = rest.split_at(rest.iter().take_while(|key| key.section == first.section).count());
        page.push_str(&section_text(first.section, section));
        rest = after;
    }
    page
}

fn section_text(name: &str, keys: &[&Key]) -> String {
    let heading = if name.is_empty() { "At the top".to_owned() } else { format!("[{name}]") };
    let rows = keys.iter().map(|key| {
        let default = match key.need {
            Need::Required => "required".to_owned(),
            Need::Unless(section) => format!("required, unless there is `[{section}]`"),
            Need::Default(value) => value.to_owned(),
        };
        vec![code(key.name), key.doc.to_owned(), key.kind.expected().to_owned(), default, code(key.example)]
    });
    format!("## {heading}\n\n{}\n", table(&["Key", "Meaning", "Holds", "Default", "Example"], rows))
}

const INTRODUCTION: &str = "\
One file in the form of TOML. `comity init` writes it with every key explained, `comity check` says what is wrong with it, line by
line, and what it means to the server; `comity check --keys` prints this list. A key that is not here is refused. Users and
partners are not in it: they change at run time, with `comity user` and `comity partner`.

The server reads the file when it starts: after a change, `comity check`, then start it again. The files of the certificate are
read again by themselves when they change.

";
