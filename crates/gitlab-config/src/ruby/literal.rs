//! Literals.

use std::collections::BTreeMap;

use super::Reader;
use super::cursor::is_word;
use super::skip::{End, Skip};
use super::text::{self, Percent};
use crate::node::{DEEPEST, Node, UnknownReason, Value};

impl Reader<'_> {
    /// Reads the value that begins here, and skips the rest of its expression.
    pub(super) fn value(&mut self, depth: usize, end: End) -> Node {
        let line = self.cursor.line();
        let literal = if depth > DEEPEST { None } else { self.literal(depth) };
        while self.cursor.eat(".freeze") {}
        let ends = end.is_next(&mut self.cursor);
        let value = match literal {
            Some(value) if ends => value,
            Some(_) if self.is_modified() => Value::Unknown(UnknownReason::Conditional),
            _ => Value::Unknown(UnknownReason::Calculated),
        };
        if !ends {
            Skip::after('=', end).run(&mut self.cursor, &mut self.blocks);
        }
        Node::new(line, value)
    }

    /// Whether a condition follows.
    fn is_modified(&self) -> bool {
        let mut ahead = self.cursor;
        matches!(ahead.word(), Some("if" | "unless"))
    }

    /// The literal that begins here; `None` if there is another expression, or one inside the literal.
    fn literal(&mut self, depth: usize) -> Option<Value> {
        match self.cursor.peek()? {
            '\'' | '"' | '`' => text::quoted(&mut self.cursor).map(Value::Text),
            ':' => text::symbol(&mut self.cursor).map(Value::Text),
            '<' => text::document(&mut self.cursor)?.map(Value::Text),
            '%' => match text::percent(&mut self.cursor)? {
                Percent::Text(text) => text.map(Value::Text),
                Percent::Words(words) => words.map(|words| self.words(words)),
            },
            '[' => self.list(depth),
            '{' => {
                self.cursor.bump();
                self.map(depth, '}')
            }
            '-' | '0'..='9' => self.number(),
            _ => self.constant(),
        }
    }

    fn words(&self, words: Vec<String>) -> Value {
        let line = self.cursor.line();
        Value::List(words.into_iter().map(|word| Node::new(line, Value::Text(word))).collect())
    }

    fn number(&mut self) -> Option<Value> {
        let rest = self.cursor.rest();
        let is_part = |(at, next): (usize, char)| {
            next.is_ascii_digit()
                || matches!((at, next), (0, '-') | (1.., '_'))
                || (next == '.'
                    && rest
                        .get(at + 1..)
                        .is_some_and(|rest| rest.starts_with(|next: char| next.is_ascii_digit())))
        };
        let length = rest.char_indices().take_while(|next| is_part(*next)).count();
        let number: String = rest.get(..length)?.chars().filter(|next| *next != '_').collect();
        for _ in 0..length {
            self.cursor.bump();
        }
        number.ends_with(|next: char| next.is_ascii_digit()).then_some(Value::Number(number))
    }

    fn constant(&mut self) -> Option<Value> {
        let mut ahead = self.cursor;
        let value = match ahead.word()? {
            "true" => Value::Flag(true),
            "false" => Value::Flag(false),
            "nil" => Value::Nil,
            _ => return None,
        };
        self.cursor = ahead;
        Some(value)
    }

    fn list(&mut self, depth: usize) -> Option<Value> {
        self.cursor.bump();
        let mut items = Vec::new();
        loop {
            self.cursor.blanks();
            if self.cursor.eat("]") {
                return Some(Value::List(items));
            }
            if matches!(self.cursor.peek(), None | Some(')' | '}')) {
                return None;
            }
            items.push(self.value(depth + 1, End::Element));
            self.cursor.eat(",");
        }
    }

    /// The pairs of a hash, after its opening brace.
    pub(super) fn map(&mut self, depth: usize, close: char) -> Option<Value> {
        let mut pairs = Some(BTreeMap::new());
        loop {
            self.cursor.blanks();
            match self.cursor.peek() {
                Some(next) if next == close => {
                    self.cursor.bump();
                    return pairs.map(Value::Map);
                }
                None | Some(')' | ']' | '}') => return None,
                Some(_) => {}
            }
            if let Some(key) = self.key() {
                self.cursor.blanks();
                let value = self.value(depth + 1, End::Element);
                if let Some(pairs) = &mut pairs {
                    pairs.insert(key, value);
                }
            } else {
                // A hash that is merged in may change any key.
                pairs = None;
                Skip::after(',', End::Element).run(&mut self.cursor, &mut self.blocks);
            }
            self.cursor.eat(",");
        }
    }

    /// A key and the sign after it: `'a' =>`, `:a =>`, `a:`, or `'a':`.
    fn key(&mut self) -> Option<String> {
        let start = self.cursor;
        let (key, may_be_label) = match start.peek()? {
            '\'' | '"' => (text::quoted(&mut self.cursor), true),
            ':' => (text::symbol(&mut self.cursor), false),
            '0'..='9' => (self.number().and_then(number), false),
            _ => (self.cursor.word().map(ToOwned::to_owned), true),
        };
        let is_word = start.peek().is_some_and(is_word) && may_be_label;
        let is_label = may_be_label && self.cursor.peek() == Some(':') && self.cursor.second() != Some(':');
        if is_label {
            self.cursor.bump();
            return key;
        }
        self.cursor.blanks();
        let is_pair = !is_word && self.cursor.eat("=>");
        let key = key.filter(|_| is_pair);
        if key.is_none() {
            self.cursor = start;
        }
        key
    }
}

fn number(value: Value) -> Option<String> {
    match value {
        Value::Number(number) => Some(number),
        _ => None,
    }
}
