//! Aligned columns: as wide as their widest cell, two spaces apart, numbers to the right.

use super::paint::Paint;

/// A table under construction.
#[derive(Debug)]
pub struct Table {
    heads: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Makes an empty table. A head that starts with `>` is a column of numbers, and stands to the right.
    #[must_use]
    pub fn new(heads: &[&'static str]) -> Self {
        Self { heads: heads.to_vec(), rows: Vec::new() }
    }

    /// Adds a row; cells beyond the heads are left out, missing ones are empty.
    pub fn row<I: IntoIterator<Item = String>>(&mut self, cells: I) {
        // A line feed in a cell would be a line of the table.
        let in_one_line = |cell: String| if cell.contains('\n') { cell.replace('\n', "\\n") } else { cell };
        let mut cells: Vec<String> = cells.into_iter().take(self.heads.len()).map(in_one_line).collect();
        cells.resize(self.heads.len(), String::new());
        self.rows.push(cells);
    }

    /// Draws it, with a newline after each line.
    #[must_use]
    pub fn render(&self, paint: Paint) -> String {
        let names: Vec<&str> = self.heads.iter().map(|head| head.trim_start_matches('>')).collect();
        let widths: Vec<usize> = names
            .iter()
            .enumerate()
            .map(|(at, name)| self.rows.iter().map(|row| width(&row[at])).fold(width(name), usize::max))
            .collect();
        let line = |cells: &mut dyn Iterator<Item = &str>| {
            let mut out = String::new();
            for (at, cell) in cells.enumerate() {
                let gap = " ".repeat(widths[at].saturating_sub(width(cell)));
                let between = if at == 0 { "" } else { "  " };
                out.push_str(between);
                if self.heads[at].starts_with('>') {
                    out.push_str(&gap);
                    out.push_str(cell);
                } else {
                    out.push_str(cell);
                    out.push_str(&gap);
                }
            }
            out.trim_end().to_owned()
        };
        let mut text = String::new();
        if names.iter().any(|name| !name.is_empty()) {
            text.push_str(&paint.bold(&line(&mut names.iter().copied())));
            text.push('\n');
        }
        for row in &self.rows {
            text.push_str(&line(&mut row.iter().map(String::as_str)));
            text.push('\n');
        }
        text
    }
}

/// Columns that a cell takes; what paints it takes none.
fn width(cell: &str) -> usize {
    let mut columns = 0;
    let mut chars = cell.chars();
    while let Some(c) = chars.next() {
        if c == '\x1b' {
            for c in chars.by_ref() {
                if c == 'm' {
                    break;
                }
            }
        } else {
            columns += 1;
        }
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_numbers_stand_to_the_right() {
        let mut table = Table::new(&["NAME", ">PID", "PHASE"]);
        table.row(["web".to_owned(), "7".to_owned(), Paint::when(true).green("running")]);
        table.row(["long-name".to_owned(), "12345".to_owned(), "done".to_owned()]);
        table.row(["short\nline".to_owned()]);
        insta::assert_snapshot!(table.render(Paint::PLAIN).replace('\x1b', "^"), @r"
        NAME           PID  PHASE
        web              7  ^[32mrunning^[0m
        long-name    12345  done
        short\nline
        ");
    }
}
