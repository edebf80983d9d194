//! Results on standard output, everything else on standard error.

use std::io::{self, ErrorKind, Write as _};

use anyhow::Context as _;

use crate::logging;

/// Prints a result. A reader that has gone away (`| head`) is no error, so that the exit status stays true.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    print_bytes(text.as_bytes())
}

/// Prints a result that may be a piece of a text.
pub(crate) fn print_bytes(bytes: &[u8]) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(error).context("the result cannot be written")
        }
        _ => Ok(()),
    }
}

/// Prints a result and ends the line.
pub(crate) fn print_line(text: &str) -> anyhow::Result<()> {
    print(&format!("{text}\n"))
}

/// Says something besides the result.
pub(crate) fn say(text: &str) {
    logging::say(text);
}

/// Says why the program could not do what was asked.
pub(crate) fn complain(sentence: &str) {
    say(&format!("stocktake: {sentence}"));
}

/// Rows in columns; the columns from `right` on are aligned to the right.
pub(crate) fn table(rows: &[Vec<String>], right: usize) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
            if column >= right { format!("{cell:>width$}") } else { format!("{cell:width$}") }
        });
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let rows = [["model", "n"], ["a", "10"]].map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(table(&rows, 1), "model   n\na      10\n");
        assert_eq!(table(&rows, 2), "model  n\na      10\n");
    }
}
