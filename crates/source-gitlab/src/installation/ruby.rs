//! `gitlab.rb`, which is a program: what of it is written out is read, and nothing is run.
//!
//! Statements are taken one by one. An assignment of a value that is written out is kept; of one that is not, and
//! of one in a branch, it is kept that there is one. All else is passed over.

mod cursor;
mod literal;
mod skip;
#[cfg(test)]
mod tests;
mod text;

use self::cursor::{Cursor, is_word};
use self::skip::{End, Skip};
use super::node::{DEEPEST, Node, Source, Value, Why};

/// What a text of Ruby says.
pub(super) fn source(text: &str) -> Source {
    let mut reader = Reader {
        cursor: Cursor::new(text),
        blocks: 0,
        source: Source { root: Node::map(1), passed_over: Vec::new() },
    };
    while reader.statement() {}
    reader.source
}

/// Reads one statement after the other.
struct Reader<'t> {
    cursor: Cursor<'t>,
    /// How many blocks (branches, loops, methods) are open.
    blocks: usize,
    source: Source,
}

/// What sets something that was set before.
enum Set {
    /// `=`.
    Plain,
    /// `||=`, which leaves what there is.
    IfUnset,
    /// An operator, or a method, that makes something else of it.
    Changed,
    /// Nothing is set.
    Not,
}

/// Methods that change what they are called upon; so do those with an exclamation mark.
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
            self.pass_over(Skip::after(' ', End::Statement));
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
                self.pass_over(Skip::after('a', End::Statement));
            }
            "else" | "elsif" | "when" | "in" | "rescue" | "ensure" => self.pass_over(Skip::of_loop(false)),
            "git_data_dirs" => self.git_data_dirs(line),
            "from_file" | "instance_eval" | "eval" | "load" => {
                let why = format!("`{word}` brings in what stands elsewhere, which was not read");
                self.source.passed_over.push((line, why));
                self.pass_over(Skip::after('a', End::Statement));
            }
            _ => self.assignment(word, line),
        }
        true
    }

    /// The head of a block.
    fn open(&mut self, is_loop: bool) {
        self.blocks += 1;
        self.pass_over(Skip::of_loop(is_loop));
    }

    fn pass_over(&mut self, skip: Skip) {
        skip.run(&mut self.cursor, &mut self.blocks);
    }

    /// `name['key'][:key] = value`, if it is one.
    fn assignment(&mut self, name: &str, line: usize) {
        let Some(path) = self.path(name) else {
            return self.pass_over(Skip::after('a', End::Statement));
        };
        let set = self.set();
        let node = match set {
            Set::Not => return self.pass_over(Skip::after('a', End::Statement)),
            Set::Plain | Set::IfUnset => {
                self.cursor.blanks();
                let blocks = self.blocks;
                let node = self.value(0, End::Statement);
                if blocks > 0 { Node::new(node.line, Value::Unread(Why::Conditional)) } else { node }
            }
            Set::Changed => {
                self.pass_over(Skip::after('a', End::Statement));
                Node::new(line, Value::Unread(Why::Calculated))
            }
        };
        match (set, path.as_slice()) {
            (Set::Changed, [root]) => {
                let why = format!("`{root}` is changed as a whole, in a way that was not understood");
                self.source.passed_over.push((line, why));
            }
            (Set::IfUnset, path) if self.is_set(path) => {}
            (_, path) => self.source.root.put(path, node),
        }
    }

    /// The keys of what is set, the name first.
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

    /// What is done with it, passed over if that is the sign of an assignment.
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
        let node = path.iter().try_fold(&self.source.root, |node, key| node.get(key));
        node.is_some_and(|node| !matches!(node.value, Value::Nil))
    }

    /// `git_data_dirs({ 'name' => { 'path' => … } })`, which is a call and sets something all the same.
    fn git_data_dirs(&mut self, line: usize) {
        let blocks = self.blocks;
        self.cursor.spaces();
        let is_call = self.cursor.eat("(");
        self.cursor.blanks();
        let value = match (is_call, self.cursor.peek()) {
            (true, Some('{')) => self.value(0, End::Element).value,
            (true, _) => self.map(0, ')').unwrap_or(Value::Unread(Why::Calculated)),
            (false, _) => self.value(0, End::Statement).value,
        };
        self.pass_over(Skip::after('a', End::Statement));
        let value = if blocks > 0 { Value::Unread(Why::Conditional) } else { value };
        self.source.root.put(&["git_data_dirs".to_owned()], Node::new(line, value));
    }
}
