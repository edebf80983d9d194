//! The columns that a text takes on a screen, and lines that fit into them.

use std::borrow::Cow;

use stocktake_domain::Quoted;
use unicode_width::UnicodeWidthStr;

/// How a command to be typed begins.
const COMMAND: &str = "stocktake ";

/// The columns in which a text is shown.
pub(crate) fn width(text: &str) -> usize {
    UnicodeWidthStr::width(text)
}

/// The line, cut to the columns there are: what is wrong loses its end, and only then the path its beginning. It is measured
/// as it will be shown, with what is unsafe quoted.
pub(crate) fn fitted(label: &str, where_: &str, what: &str, columns: Option<usize>) -> String {
    let (where_, what) = (Quoted(where_).to_string(), Quoted(what).to_string());
    let line = format!("{label}  {where_}  {what}");
    let Some(columns) = columns.filter(|columns| width(&line) > *columns) else { return line };
    let room = columns.saturating_sub(width(label) + 2);
    if width(&where_) <= room {
        return format!("{}…", beginning(&line, columns.saturating_sub(1)).trim_end());
    }
    format!("{label}  …{}", end(&where_, room.saturating_sub(1)))
}

/// The lines with a break instead of a space wherever one is wider than the columns there are. A command to be typed is not
/// broken if it fits into a line of its own; nor is a word, however long it is.
pub(crate) fn broken(lines: &str, columns: usize) -> Cow<'_, str> {
    if lines.lines().all(|line| width(line) <= columns) {
        return Cow::Borrowed(lines);
    }
    let mut broken = String::with_capacity(lines.len());
    for line in lines.split_inclusive('\n') {
        let (mut used, mut is_empty) = (0, true);
        for piece in pieces(line, columns) {
            let more = width(piece.trim_end());
            if !is_empty && used + more > columns && broken.ends_with(' ') {
                broken.pop();
                broken.push('\n');
                used = 0;
            }
            broken.push_str(piece);
            is_empty &= piece.trim_end().is_empty();
            used += width(piece.trim_end_matches('\n'));
        }
    }
    Cow::Owned(broken)
}

/// The words of a line, each with the space behind it. A command that fits into the columns is one word.
fn pieces(line: &str, columns: usize) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = line;
    while !rest.is_empty() {
        let is_command = rest.starts_with(COMMAND);
        let end = if is_command { rest.find(['.', ';', ',', ')']) } else { None }.unwrap_or(rest.len());
        let command = rest.get(..end).unwrap_or(rest);
        let end = if is_command && width(command.trim_end()) < columns { end } else { 0 };
        let word = rest.get(end..).and_then(|rest| rest.find(' ')).map_or(rest.len(), |at| end + at + 1);
        let (piece, behind) = rest.split_at(word);
        pieces.push(piece);
        rest = behind;
    }
    pieces
}

/// As much of the beginning of a text as these columns have room for.
fn beginning(text: &str, columns: usize) -> &str {
    let mut ends = text.char_indices().map(|(at, c)| at + c.len_utf8()).collect::<Vec<_>>().into_iter().rev();
    let fits = ends.find_map(|end| text.get(..end).filter(|text| width(text) <= columns));
    fits.unwrap_or_default()
}

/// As much of its end.
fn end(text: &str, columns: usize) -> &str {
    let mut starts = text.char_indices().map(|(at, _)| at);
    let fits = starts.find_map(|start| text.get(start..).filter(|text| width(text) <= columns));
    fits.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_broken_at_spaces_and_not_in_commands() {
        let text = "All is well: all 3 records were read. Read everything again now: stocktake verify --all\nshort\n";
        assert_eq!(
            broken(text, 40),
            "All is well: all 3 records were read.\nRead everything again now:\nstocktake verify --all\nshort\n"
        );
        assert_eq!(broken(text, 200), text);
        assert_eq!(broken("a stocktake verify --all\n", 12), "a stocktake\nverify --all\n");
        assert_eq!(broken("    0123456789\n", 10), "    0123456789\n");
        assert_eq!(broken("a 0123456789012345 b\n", 10), "a\n0123456789012345\nb\n");
        assert_eq!(broken("stocktake verify. Then more\n", 20), "stocktake verify.\nThen more\n");
        for columns in 1..100 {
            let broken = broken(text, columns);
            assert_eq!(broken.replace('\n', " "), text.replace('\n', " "));
            let widest = broken.lines().map(width).max().unwrap();
            assert!(widest <= columns.max("everything".len()), "{columns}: {broken}");
        }
    }

    #[test]
    fn a_line_is_measured_as_it_is_shown() {
        for name in ["a\u{202e}\n\u{202e}b", "写真写真写真写真", "a\u{301}bc"] {
            for columns in 12..60 {
                let line = fitted("ALTERED", name, "nothing there", Some(columns));
                assert!(width(&line) <= columns, "{columns}: {line}");
            }
        }
        assert_eq!(fitted("ALTERED", "写真写真写真", "", Some(16)), "ALTERED  …真写真");
    }
}
