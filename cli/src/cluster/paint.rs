//! Colours for a terminal, and tables.

use std::io::IsTerminal;

/// Whether and how words are coloured.
#[derive(Debug, Clone, Copy)]
pub struct Paint(bool);

impl Paint {
    /// For standard output: colours on a terminal, unless NO_COLOR is set (no-color.org).
    pub fn stdout() -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        Paint(std::io::stdout().is_terminal() && !refused && !dumb)
    }

    /// No colours.
    #[cfg(test)]
    pub const PLAIN: Paint = Paint(false);

    fn with(self, code: &str, words: &str) -> String {
        match self.0 && !words.is_empty() {
            true => format!("\x1b[{code}m{words}\x1b[0m"),
            false => words.into(),
        }
    }

    /// A heading.
    pub fn bold(self, words: &str) -> String {
        self.with("1", words)
    }

    /// What matters less.
    pub fn dim(self, words: &str) -> String {
        self.with("2", words)
    }

    /// What is wrong.
    pub fn bad(self, words: &str) -> String {
        self.with("31", words)
    }

    /// What may be wrong.
    pub fn warn(self, words: &str) -> String {
        self.with("33", words)
    }

    /// A phase, or the state of a stage or a pod, in the colour of what it means. `shown` is what is
    /// printed, such as the state with spaces after it.
    pub fn state(self, state: &str, shown: &str) -> String {
        match state {
            "Succeeded" | "Done" => self.with("32", shown),
            "Running" => self.with("36", shown),
            "Failed" => self.bad(shown),
            "Retrying" | "DoneWithGaps" | "SoftFailed" | "Queued" | "Suspended" => self.warn(shown),
            _ => self.dim(shown),
        }
    }
}

/// Rows below a heading, each column as wide as its widest cell; the last one as long as it is.
/// `painted` may colour a padded cell, told its row (0 is the heading) and column.
pub fn table(rows: &[Vec<String>], indent: &str, painted: impl Fn(usize, usize, &str) -> String) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for (n, row) in rows.iter().enumerate() {
        let mut line = indent.to_owned();
        // What is empty to the end of the row is no column of it.
        let cells = row.iter().rposition(|cell| !cell.is_empty()).map_or(0, |last| last + 1);
        for (column, cell) in row.iter().take(cells).enumerate() {
            let last = column + 1 == cells;
            let padded = if last { cell.clone() } else { format!("{cell:<width$}", width = widths[column]) };
            line.push_str(&painted(n, column, &padded));
            if !last {
                line.push_str("  ");
            }
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [vec!["NAME", "STATE", "WHY"], vec!["encode-720p", "Done", ""], vec!["audio", "Failed", "no disk"]];
        let rows: Vec<Vec<String>> =
            rows.iter().map(|row| row.iter().map(|cell| (*cell).to_owned()).collect()).collect();
        let text = table(&rows, "  ", |_, _, cell| cell.into());
        assert_eq!(text, "  NAME         STATE   WHY\n  encode-720p  Done\n  audio        Failed  no disk\n");
    }

    #[test]
    fn colours_are_left_out_where_nobody_sees_them() {
        assert_eq!(Paint::PLAIN.state("Failed", "Failed "), "Failed ");
        assert_eq!(Paint(true).state("Failed", "Failed "), "\x1b[31mFailed \x1b[0m");
    }
}
