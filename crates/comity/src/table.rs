//! Tables for people: aligned columns without lines, so that they survive being copied into a mail.

use comfy_table::{ContentArrangement, Table, presets};

/// A table with these headings; cells may not hold line breaks.
pub struct Columns(Table);

impl Columns {
    pub fn new(headings: &[&str]) -> Columns {
        let mut columns = Columns::plain();
        columns.0.set_header(headings.iter().copied());
        columns
    }

    /// Without headings: names on the left, values on the right.
    pub fn plain() -> Columns {
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
        Columns(table)
    }

    pub fn row<const N: usize>(&mut self, cells: [String; N]) -> &mut Columns {
        self.0.add_row(cells);
        self
    }

    pub fn print(self) {
        self.lines().for_each(|line| println!("{line}"));
    }

    /// As [`Columns::print`], a step to the right.
    pub fn print_indented(self) {
        self.lines().for_each(|line| println!("  {line}"));
    }

    fn lines(mut self) -> impl Iterator<Item = String> {
        for column in self.0.column_iter_mut() {
            column.set_padding((0, 2));
        }
        let lines: Vec<_> = self.0.lines().map(|line| line.trim_end().to_owned()).collect();
        lines.into_iter()
    }
}

/// `1 user`, `2 users`.
pub fn count(number: u64, one: &str, many: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {many}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_lines_end_with_text() {
        let mut table = Columns::new(&["DOMAIN", "KIND"]);
        table.row(["fabrikam.example".to_owned(), "blocked".to_owned()]);
        table.row(["a.example".to_owned(), String::new()]);
        let lines: Vec<_> = table.lines().collect();
        assert_eq!(lines, ["DOMAIN            KIND", "fabrikam.example  blocked", "a.example"]);
    }
}
