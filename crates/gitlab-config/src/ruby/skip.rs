//! Skips an expression that is not understood, up to its end.

use super::cursor::{Cursor, is_word_start};
use super::text;

/// Where an expression ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// With its line, or before a semicolon.
    Statement,
    /// Before the next comma or the bracket around it.
    Element,
}

impl End {
    /// Whether an expression of this kind ends here; skips the spaces before.
    pub(super) fn is_next(self, cursor: &mut Cursor<'_>) -> bool {
        match self {
            Self::Element => {
                cursor.blanks();
                matches!(cursor.peek(), None | Some(',' | ')' | ']' | '}'))
            }
            Self::Statement => {
                cursor.spaces();
                matches!(cursor.peek(), None | Some('\n' | ';' | '#')) && !is_continued(*cursor)
            }
        }
    }
}

/// Whether the next line continues this one with a method call.
fn is_continued(mut cursor: Cursor<'_>) -> bool {
    if cursor.peek() == Some(';') {
        return false;
    }
    cursor.blanks();
    let call = cursor.rest().strip_prefix("&.").or_else(|| cursor.rest().strip_prefix('.'));
    call.is_some_and(|call| call.starts_with(is_word_start))
}

/// Skips one expression.
pub(super) struct Skip {
    end: End,
    /// Brackets that are open.
    open: usize,
    /// The last character that is not a space.
    last: char,
    /// Whether the next `do` belongs to a loop that has been counted.
    is_loop: bool,
    /// Whether the next word follows a keyword, and so begins an expression.
    after_keyword: bool,
}

impl Skip {
    /// Begins after the character `last`, for example an equals sign.
    pub(super) fn after(last: char, end: End) -> Self {
        Self { end, open: 0, last, is_loop: false, after_keyword: false }
    }

    /// After the head word of a loop, whose `do` opens no block of its own.
    pub(super) fn of_loop(is_loop: bool) -> Self {
        Self { is_loop, after_keyword: true, ..Self::after(' ', End::Statement) }
    }

    /// Skips the expression. `blocks` counts the blocks whose `end` is still to come.
    pub(super) fn run(mut self, cursor: &mut Cursor<'_>, blocks: &mut usize) {
        while let Some(next) = cursor.peek() {
            if self.ends(next, cursor) {
                return;
            }
            let next = cursor.peek().unwrap_or(next);
            if is_word_start(next) {
                self.word(cursor, blocks);
                continue;
            }
            if next == '#' {
                cursor.comment();
                continue;
            }
            if !self.skip_text(next, cursor) {
                self.bracket(next);
                cursor.bump();
            }
            if !next.is_whitespace() {
                self.last = next;
                self.after_keyword = false;
            }
        }
    }

    fn ends(&self, next: char, cursor: &mut Cursor<'_>) -> bool {
        if self.open > 0 {
            return false;
        }
        match (self.end, next) {
            (End::Element, ',' | ')' | ']' | '}') | (End::Statement, ';') => true,
            (End::Statement, '\n') => {
                if matches!(self.last, ',' | '\\' | '.' | '=' | '+' | '&') {
                    return false;
                }
                let ends = !is_continued(*cursor);
                if !ends {
                    cursor.blanks();
                }
                ends
            }
            _ => false,
        }
    }

    fn bracket(&mut self, next: char) {
        match next {
            '(' | '[' | '{' => self.open += 1,
            ')' | ']' | '}' => self.open = self.open.saturating_sub(1),
            _ => {}
        }
    }

    fn skip_text(&self, next: char, cursor: &mut Cursor<'_>) -> bool {
        match next {
            '<' => text::document(cursor).is_some(),
            '%' => text::percent(cursor).is_some(),
            '/' => self.skip_pattern(cursor),
            quote if text::is_quote(quote) => {
                text::quoted(cursor);
                true
            }
            _ => false,
        }
    }

    /// Skips a regular expression; a slash begins one where it cannot be a division.
    fn skip_pattern(&self, cursor: &mut Cursor<'_>) -> bool {
        if !self.after_keyword && !"=(,[{!~|&?:;<>+-*".contains(self.last) {
            return false;
        }
        let mut is_escaped = true;
        let mut line = cursor.rest().chars().take_while(|next| *next != '\n');
        let length = line.position(|next| {
            let is_end = next == '/' && !is_escaped;
            is_escaped = next == '\\' && !is_escaped;
            is_end
        });
        let Some(length) = length else { return false };
        for _ in 0..=length {
            cursor.bump();
        }
        true
    }

    /// Counts what a word opens and closes.
    fn word(&mut self, cursor: &mut Cursor<'_>, blocks: &mut usize) {
        let is_named = matches!(cursor.last(), Some('.' | ':' | '@' | '$'));
        let word = cursor.word().unwrap_or_default();
        let is_label = cursor.peek() == Some(':') && cursor.second() != Some(':');
        let begins = self.after_keyword || "=(,[{".contains(self.last);
        self.last = 'a';
        self.after_keyword = false;
        if is_named || is_label || self.end == End::Element {
            return;
        }
        match word {
            "end" => *blocks = blocks.saturating_sub(1),
            "do" if self.is_loop => self.is_loop = false,
            "do" | "begin" | "case" | "def" | "class" | "module" => *blocks += 1,
            "if" | "unless" | "while" | "until" if begins => *blocks += 1,
            _ => {}
        }
        self.after_keyword = matches!(
            word,
            "if" | "unless" | "while" | "until" | "and" | "or" | "not" | "when" | "then" | "else" | "return"
        );
    }
}
