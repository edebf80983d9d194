//! Texts from outside (paths, owners, what a system said), as they can be shown among other text.

use std::fmt::{self, Write as _};

/// What a spreadsheet takes for the beginning of something to calculate; the wide forms in East Asian locales.
const CALCULATED: [char; 10] =
    ['=', '+', '-', '@', '\t', '\r', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}'];

/// A text from outside in one line: control characters, line breaks and marks that change the direction of writing are
/// written as `\n` or `\u{202e}`, so that they neither reach a terminal nor make a text look like another.
///
/// Quoting what was quoted changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quoted<'a>(pub &'a str);

/// The same as a cell of a table that a spreadsheet may read: one that would be calculated begins with `'`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuotedCell<'a>(pub &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        while let Some((before, c, behind)) = split_at_unsafe(rest) {
            f.write_str(before)?;
            match c {
                '\n' => f.write_str("\\n")?,
                '\r' => f.write_str("\\r")?,
                '\t' => f.write_str("\\t")?,
                c => write!(f, "\\u{{{:x}}}", u32::from(c))?,
            }
            rest = behind;
        }
        f.write_str(rest)
    }
}

impl fmt::Display for QuotedCell<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.len() > 1 && self.0.starts_with(CALCULATED) {
            f.write_char('\'')?;
        }
        Quoted(self.0).fmt(f)
    }
}

/// Whether the character does something else than to stand for itself: controls, line breaks, the marks of the
/// Unicode Bidirectional Algorithm (<https://www.unicode.org/reports/tr9/>), and what is drawn as nothing, so that two
/// names look alike: spaces without width, the empty pattern of braille, tags.
pub fn is_unsafe_to_show(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}' | '\u{2066}'..='\u{2069}'
                | '\u{2800}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}'
        )
}

fn split_at_unsafe(text: &str) -> Option<(&str, char, &str)> {
    let (at, c) = text.char_indices().find(|(_, c)| is_unsafe_to_show(*c))?;
    Some((text.get(..at)?, c, text.get(at + c.len_utf8()..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_something_is_written_out_and_the_rest_stays() {
        for (text, shown) in [
            ("ab/ä \u{1f600}\\n.bin", "ab/ä \u{1f600}\\n.bin"),
            ("a\nchecked 0\r\t", "a\\nchecked 0\\r\\t"),
            ("\u{1b}[31m\u{7f}\u{9b}\0", "\\u{1b}[31m\\u{7f}\\u{9b}\\u{0}"),
            ("a\u{202e}nib.exe\u{2028}\u{2066}\u{200f}", "a\\u{202e}nib.exe\\u{2028}\\u{2066}\\u{200f}"),
        ] {
            let quoted = Quoted(text).to_string();
            assert_eq!(quoted, shown);
            assert_eq!(Quoted(&quoted).to_string(), shown);
        }
    }

    #[test]
    fn a_cell_is_never_calculated() {
        for (text, shown) in [
            ("=HYPERLINK(\"x\")", "'=HYPERLINK(\"x\")"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@a", "'@a"),
            ("\t=1", "'\\t=1"),
            ("\r=1", "'\\r=1"),
            ("a=1", "a=1"),
            ("-", "-"),
            ("", ""),
        ] {
            assert_eq!(QuotedCell(text).to_string(), shown);
        }
    }
}
