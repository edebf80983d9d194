//! The columns that a text takes on a screen, and lines that fit into them.

use stocktake_domain::Quoted;
use unicode_width::UnicodeWidthStr;

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
