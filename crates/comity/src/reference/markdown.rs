//! What all pages share.

/// The head of a page: its title, and that nobody should edit it.
pub fn head(title: &str) -> String {
    format!("# {title}\n\n{ORIGIN}\n\n")
}

/// A table; a cell may hold anything but a line break.
pub fn table(headings: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let escaped = |cells: Vec<String>| cells.into_iter().map(|cell| cell.replace('|', "\\|")).collect();
    let mut text = line(headings.iter().map(|heading| (*heading).to_owned()).collect());
    text.push_str(&line(headings.iter().map(|_| "---".to_owned()).collect()));
    rows.into_iter().for_each(|row| text.push_str(&line(escaped(row))));
    text
}

pub fn code(text: &str) -> String {
    format!("`{text}`")
}

pub const ORIGIN: &str = "<!-- Written from the code by `cargo xtask docs`; edit the code instead. -->";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_in_a_cell_does_not_end_it() {
        let text = table(&["A", "B"], [vec!["yes|no".to_owned(), code("b")]]);
        assert_eq!(text, "| A | B |\n| --- | --- |\n| yes\\|no | `b` |\n");
    }
}
