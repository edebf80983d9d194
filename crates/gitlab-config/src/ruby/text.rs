//! Ruby's string literals.

use super::cursor::{Cursor, is_word, is_word_start};
use crate::node::DEEPEST;

/// A string, or `None` if its value is only known at run time; the cursor is behind it either way.
pub(super) type Text = Option<String>;

/// Whether a text in quotes begins here.
pub(super) fn is_quote(next: char) -> bool {
    matches!(next, '\'' | '"' | '`')
}

/// A text in quotes.
pub(super) fn quoted(cursor: &mut Cursor<'_>) -> Text {
    nested(cursor, 0)
}

/// A symbol, whose colon is next; `None` without having moved if there is none.
pub(super) fn symbol(cursor: &mut Cursor<'_>) -> Text {
    match cursor.second() {
        Some('\'' | '"') => {
            cursor.bump();
            quoted(cursor)
        }
        Some(next) if is_word_start(next) => {
            cursor.bump();
            cursor.word().map(ToOwned::to_owned)
        }
        _ => None,
    }
}

/// `%q(…)`, `%Q(…)`, or the words of `%w(…)`, `%W(…)`, `%i(…)` and `%I(…)`.
pub(super) enum Percent {
    Text(Text),
    Words(Option<Vec<String>>),
}

/// Reads a text that begins with a percent sign, if one does here.
pub(super) fn percent(cursor: &mut Cursor<'_>) -> Option<Percent> {
    let mut signs = cursor.rest().chars().skip(1);
    let (kind, open) = (signs.next()?, signs.next()?);
    if !matches!(kind, 'q' | 'Q' | 'w' | 'W' | 'i' | 'I') || is_word(open) || open.is_whitespace() {
        return None;
    }
    for _ in 0..3 {
        cursor.bump();
    }
    let close = match open {
        '(' => ')',
        '[' => ']',
        '{' => '}',
        '<' => '>',
        same => same,
    };
    let body = Body { open: (open != close).then_some(open), close: Some(close) };
    let text = if kind.is_lowercase() { body.plain(cursor) } else { body.interpolated(cursor, 0) };
    if matches!(kind, 'q' | 'Q') {
        return Some(Percent::Text(text));
    }
    Some(Percent::Words(text.map(|text| text.split_whitespace().map(ToOwned::to_owned).collect())))
}

/// Reads a here-document, if one is named here; its lines are those after this one.
pub(super) fn document(cursor: &mut Cursor<'_>) -> Option<Text> {
    let mut ahead = *cursor;
    if !ahead.eat("<<") {
        return None;
    }
    let (dedents, indents) = (ahead.eat("~"), ahead.eat("-"));
    let (name, is_plain) = match ahead.peek()? {
        quote @ ('\'' | '"') => (quoted(&mut ahead)?, quote == '\''),
        next if is_word_start(next) => (ahead.word()?.to_owned(), false),
        _ => return None,
    };
    let lines = ahead.document(|line| {
        let line = line.trim_end_matches(['\n', '\r']);
        let line = if dedents || indents { line.trim_start_matches([' ', '\t']) } else { line };
        line == name
    });
    *cursor = ahead;
    let text = if dedents { dedented(&lines) } else { lines.concat() };
    if is_plain {
        return Some(Some(text));
    }
    Some(Body { open: None, close: None }.interpolated(&mut Cursor::new(&text), 0))
}

/// The lines without the spaces that all of them begin with.
fn dedented(lines: &[&str]) -> String {
    let indent = |line: &&str| line.len() - line.trim_start_matches([' ', '\t']).len();
    let all = lines.iter().filter(|line| !line.trim().is_empty()).map(indent).min().unwrap_or(0);
    lines.iter().map(|line| line.get(all.min(indent(line))..).unwrap_or_default()).collect()
}

fn nested(cursor: &mut Cursor<'_>, depth: usize) -> Text {
    let close = cursor.bump();
    let body = Body { open: None, close };
    match close {
        Some('\'') => body.plain(cursor),
        // The output of a command is unknown.
        Some('`') => body.interpolated(cursor, depth).and(None),
        _ => body.interpolated(cursor, depth),
    }
}

/// The content of a string between its delimiters.
struct Body {
    /// The opening delimiter, if it nests.
    open: Option<char>,
    /// The closing delimiter; `None` stands for the end of the input.
    close: Option<char>,
}

impl Body {
    /// A string in which only its end is special.
    fn plain(&self, cursor: &mut Cursor<'_>) -> Text {
        let mut text = String::new();
        let mut open = 0_usize;
        while let Some(next) = cursor.bump() {
            if next == '\\' && cursor.peek().is_some_and(|next| next == '\\' || Some(next) == self.close) {
                text.extend(cursor.bump());
                continue;
            }
            if self.ends(next, &mut open) {
                return Some(text);
            }
            text.push(next);
        }
        self.close.is_none().then_some(text)
    }

    /// A string with escapes and interpolated expressions.
    fn interpolated(&self, cursor: &mut Cursor<'_>, depth: usize) -> Text {
        let mut text = String::new();
        let mut open = 0_usize;
        let mut is_known = true;
        while let Some(next) = cursor.bump() {
            match (next, cursor.peek()) {
                ('\\', _) => is_known &= escape(cursor, &mut text),
                ('#', Some('{')) => {
                    is_known = false;
                    expression(cursor, depth + 1);
                }
                ('#', Some('@' | '$')) => is_known = false,
                _ if self.ends(next, &mut open) => return Some(text).filter(|_| is_known),
                _ => text.push(next),
            }
        }
        Some(text).filter(|_| is_known && self.close.is_none())
    }

    fn ends(&self, next: char, open: &mut usize) -> bool {
        if Some(next) == self.open {
            *open += 1;
        } else if Some(next) == self.close {
            if *open == 0 {
                return true;
            }
            *open -= 1;
        }
        false
    }
}

/// Skips an interpolated expression, whose brace is next.
fn expression(cursor: &mut Cursor<'_>, depth: usize) {
    if depth > DEEPEST {
        return cursor.finish();
    }
    let mut open = 0_usize;
    while let Some(next) = cursor.peek() {
        if is_quote(next) {
            nested(cursor, depth);
            continue;
        }
        cursor.bump();
        match next {
            '{' => open += 1,
            '}' if open <= 1 => return,
            '}' => open -= 1,
            _ => {}
        }
    }
}

/// Adds what an escape stands for, after its backslash; `false` if it is not supported.
fn escape(cursor: &mut Cursor<'_>, text: &mut String) -> bool {
    let Some(next) = cursor.bump() else { return false };
    text.push(match next {
        'n' => '\n',
        't' => '\t',
        'r' => '\r',
        's' => ' ',
        'e' => '\u{1b}',
        '\n' => return true,
        'u' => return code_points(cursor, text),
        // Bytes, control characters and the like.
        '0'..='9' | 'x' | 'c' | 'C' | 'M' | 'a' | 'b' | 'f' | 'v' => return false,
        other => other,
    });
    true
}

/// `\u0041`, or `\u{41 42}`.
fn code_points(cursor: &mut Cursor<'_>, text: &mut String) -> bool {
    let rest = cursor.rest();
    let (digits, length) = match rest.strip_prefix('{').and_then(|rest| rest.split_once('}')) {
        Some((digits, _)) if digits.len() <= 64 => (digits, digits.len() + 2),
        _ => (rest.get(..4).unwrap_or_default(), 4),
    };
    let known: Option<String> = digits
        .split_whitespace()
        .map(|digits| u32::from_str_radix(digits, 16).ok().and_then(char::from_u32))
        .collect();
    let Some(known) = known.filter(|known| !known.is_empty()) else { return false };
    for _ in 0..length {
        cursor.bump();
    }
    text.push_str(&known);
    true
}
