//! `gitlab.rb`, which is a Ruby program: its literals are read, and nothing is executed.
//!
//! Statements are read one by one. An assignment of a literal is kept; an assignment of anything else, or inside a
//! branch, becomes an unknown value. Everything else is skipped.

mod cursor;
mod literal;
mod skip;
#[cfg(test)]
mod tests;
mod text;

use self::cursor::{Cursor, is_word};
use self::skip::{End, Skip};
use crate::node::{DEEPEST, Document, Node, UnknownReason, Value};

/// The content of a `gitlab.rb`.
pub(crate) fn document(text: &str) -> Document {
    let mut reader = Reader {
        cursor: Cursor::new(text),
        blocks: 0,
        document: Document { root: Node::map(1), ignored: Vec::new() },
    };
    while reader.statement() {}
    reader.document
}

/// Reads statements one by one.
struct Reader<'t> {
    cursor: Cursor<'t>,
    /// How many blocks (branches, loops, methods) are open.
    blocks: usize,
    document: Document,
}

/// How a statement sets a variable.
enum Set {
    /// `=`.
    Plain,
    /// `||=`, which keeps an earlier value.
    IfUnset,
    /// An operator or a method that changes the earlier value.
    Changed,
    /// It does not.
    Not,
}

/// Methods that change their receiver; those with an exclamation mark do so as well.
const CHANGING: [&str; 9] =
    ["append", "clear", "concat", "delete", "merge", "push", "replace", "store", "update"];

impl Reader<'_> {
    /// Reads a statement; `false` at the end.
    fn statement(&mut self) -> bool {
        self.cursor.blanks();
        if self.cursor.is_at_end() {
            return false;
        }
        if self.cursor.eat(";") {
            return true;
        }
        let line = self.cursor.line();
        let Some(word) = self.cursor.word() else {
            let sign = self.cursor;
            self.skip(Skip::after(' ', End::Statement));
            if self.cursor.rest().len() == sign.rest().len() {
                self.cursor.bump();
            }
            return true;
        };
        match word {
            "if" | "unless" | "case" | "begin" | "def" | "class" | "module" => self.open(false),
            "while" | "until" | "for" => self.open(true),
            "end" => {
                self.blocks = self.blocks.saturating_sub(1);
                self.skip(Skip::after('a', End::Statement));
            }
            "else" | "elsif" | "when" | "in" | "rescue" | "ensure" => self.skip(Skip::of_loop(false)),
            "git_data_dirs" => self.git_data_dirs(line),
            "from_file" | "instance_eval" | "eval" | "load" => {
                let why = format!("`{word}` loads other settings, which were not read");
                self.document.ignored.push((line, why));
                self.skip(Skip::after('a', End::Statement));
            }
            _ => self.assignment(word, line),
        }
        true
    }

    /// The head of a block.
    fn open(&mut self, is_loop: bool) {
        self.blocks += 1;
        self.skip(Skip::of_loop(is_loop));
    }

    fn skip(&mut self, skip: Skip) {
        skip.run(&mut self.cursor, &mut self.blocks);
    }

    /// `name['key'][:key] = value`, if it is one.
    fn assignment(&mut self, name: &str, line: usize) {
        let Some(path) = self.path(name) else {
            return self.skip(Skip::after('a', End::Statement));
        };
        let set = self.set();
        let node = match set {
            Set::Not => return self.skip(Skip::after('a', End::Statement)),
            Set::Plain | Set::IfUnset => {
                self.cursor.blanks();
                let blocks = self.blocks;
                let node = self.value(0, End::Statement);
                if blocks > 0 {
                    Node::new(node.line, Value::Unknown(UnknownReason::Conditional))
                } else {
                    node
                }
            }
            Set::Changed => {
                self.skip(Skip::after('a', End::Statement));
                Node::new(line, Value::Unknown(UnknownReason::Calculated))
            }
        };
        match (set, path.as_slice()) {
            (Set::Changed, [root]) => {
                let why = format!("`{root}` is changed as a whole in a way that could not be understood");
                self.document.ignored.push((line, why));
            }
            (Set::IfUnset, path) if self.is_set(path) => {}
            (_, path) => self.document.root.set(path, node),
        }
    }

    /// The keys of the variable, the name first.
    fn path(&mut self, name: &str) -> Option<Vec<String>> {
        let mut path = vec![name.to_owned()];
        while self.cursor.eat("[") {
            self.cursor.blanks();
            path.push(match self.cursor.peek()? {
                '\'' | '"' => text::quoted(&mut self.cursor)?,
                ':' => text::symbol(&mut self.cursor)?,
                _ => return None,
            });
            self.cursor.blanks();
            if !self.cursor.eat("]") || path.len() > DEEPEST {
                return None;
            }
        }
        Some(path)
    }

    /// How the variable is set; moves past the operator of an assignment.
    fn set(&mut self) -> Set {
        self.cursor.spaces();
        if self.cursor.eat("||=") {
            return Set::IfUnset;
        }
        let rest = self.cursor.rest();
        if let Some(after) = rest.strip_prefix('=') {
            if after.starts_with(['=', '~', '>']) {
                return Set::Not;
            }
            self.cursor.eat("=");
            return Set::Plain;
        }
        if let Some(call) = rest.strip_prefix('.') {
            let end = call.find(|next| !is_word(next)).unwrap_or(call.len());
            let (method, after) = call.split_at_checked(end).unwrap_or_default();
            let is_changing = CHANGING.contains(&method) || after.starts_with('!');
            return if is_changing { Set::Changed } else { Set::Not };
        }
        let operators = rest.trim_start_matches(['+', '-', '*', '/', '|', '&', '%', '^']);
        let is_operator = (1..=2).contains(&(rest.len() - operators.len())) && operators.starts_with('=');
        if is_operator || rest.starts_with("<<") { Set::Changed } else { Set::Not }
    }

    fn is_set(&self, path: &[String]) -> bool {
        let node = path.iter().try_fold(&self.document.root, |node, key| node.get(key));
        node.is_some_and(|node| !matches!(node.value, Value::Nil))
    }

    /// `git_data_dirs({ 'name' => { 'path' => … } })`, which is a method call that sets something.
    fn git_data_dirs(&mut self, line: usize) {
        let blocks = self.blocks;
        self.cursor.spaces();
        let is_call = self.cursor.eat("(");
        self.cursor.blanks();
        let value = match (is_call, self.cursor.peek()) {
            (true, Some('{')) => self.value(0, End::Element).value,
            (true, _) => self.map(0, ')').unwrap_or(Value::Unknown(UnknownReason::Calculated)),
            (false, _) => self.value(0, End::Statement).value,
        };
        self.skip(Skip::after('a', End::Statement));
        let value = if blocks > 0 { Value::Unknown(UnknownReason::Conditional) } else { value };
        self.document.root.set(&["git_data_dirs".to_owned()], Node::new(line, value));
    }
}
