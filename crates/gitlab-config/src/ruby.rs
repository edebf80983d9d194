//! `gitlab.rb`, which is a Ruby program.
//!
//! The program is parsed by a library and then followed step by step, over values of our own: nothing of it is executed
//! by a Ruby, and nothing outside of it is touched but the files that it loads. What depends on more than its literals
//! (the environment, other files, commands) is an unknown value, and what may be executed or not leaves unknown values
//! in all that it sets: no setting is ever read as something that the package may not see.
//!
//! Begin reading at `interpreter.rs`. `evaluate.rs` has the expressions, `assign.rs` the assignments, `branch.rs` the
//! conditions and loops, `call.rs` and `methods.rs` the calls.

mod assign;
mod branch;
mod call;
mod evaluate;
mod interpreter;
mod methods;
mod object;
mod output;
mod scope;
mod table;
#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use lib_ruby_parser::{Node, Parser, ParserOptions, ParserResult};

pub(crate) use self::interpreter::Load;
use self::interpreter::{Evaluated, Flow, Interpreter, Source};
use crate::node::{Document, Pattern, Place, UnknownReason};

/// A program, or a part of one.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    /// The name of the file, for people.
    pub(crate) name: String,
    pub(crate) text: String,
    /// The number of its first line in that file.
    pub(crate) first_line: usize,
}

impl Program {
    /// A whole file.
    pub(crate) fn file(name: String, text: String) -> Self {
        Self { name, text, first_line: 1 }
    }
}

/// Why the package would refuse a program.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) name: String,
    pub(crate) line: usize,
    pub(crate) why: String,
}

/// The most stack that a program of one byte more takes, in a tree that is one level deeper for each byte.
const STACK_FOR_BYTE: usize = 1024;
/// The stack of a small program.
const SMALLEST_STACK: usize = 64 * 1024 * 1024;
/// What is said of a program that the code here cannot follow, though it should.
pub(crate) const FAILED: &str = "cannot be followed: an internal error of Stocktake";
/// How many files may load one another.
const DEEPEST_LOAD: usize = 8;

/// What programs set that are executed one after another.
pub(crate) fn document(programs: &[Program], load: &Load) -> Result<Document, Refused> {
    let length: usize = programs.iter().map(|program| program.text.len()).sum();
    // The parser's tree is as deep as the text is nested, and it is taken apart by recursion.
    let stack = SMALLEST_STACK + length.saturating_mul(STACK_FOR_BYTE);
    let refused = |why: &str| {
        let name = programs.first().map(|program| program.name.clone()).unwrap_or_default();
        Refused { name, line: 1, why: why.to_owned() }
    };
    thread::scope(|scope| {
        let follow = || follow(programs, load);
        let thread = thread::Builder::new().stack_size(stack).spawn_scoped(scope, follow);
        let thread = thread.map_err(|error| refused(&format!("cannot be read: {error}")))?;
        thread.join().unwrap_or_else(|_| Err(refused(FAILED)))
    })
}

fn follow(programs: &[Program], load: &Load) -> Result<Document, Refused> {
    let mut interpreter = Interpreter::new(load);
    for program in programs {
        match interpreter.follow(program) {
            Ok(_) | Err(Flow::Next(_) | Flow::Break(_) | Flow::Return(_)) => {}
            Err(Flow::Endless) => interpreter.give_up(),
            Err(Flow::Refused(place)) => return Err(interpreter.refusal(place)),
        }
    }
    Ok(output::document(interpreter))
}

impl Interpreter<'_> {
    /// Follows all statements of a program.
    fn follow(&mut self, program: &Program) -> Evaluated {
        let text = program.text.as_bytes();
        let ends = text.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at);
        self.files.push(Source {
            name: program.name.clone(),
            first_line: program.first_line,
            line_ends: ends.collect(),
            error: None,
        });
        let around = std::mem::replace(&mut self.file, self.files.len() - 1);
        let value = match parse(text) {
            Ok(tree) => self.optional(tree.as_ref()),
            Err((at, why)) => {
                if let Some(file) = self.files.last_mut() {
                    file.error = Some(why);
                }
                Err(Flow::Refused(self.place_at(at)))
            }
        };
        self.file = around;
        value
    }

    /// Follows a file that the program loads.
    fn load_file(&mut self, node: &Node, path: &str) -> Evaluated {
        let loaded = if self.loading >= DEEPEST_LOAD {
            Err("too many files load one another".to_owned())
        } else {
            (self.load)(path)
        };
        match loaded {
            Ok((name, text)) => {
                self.loading += 1;
                let around = std::mem::take(&mut self.scope);
                let value = self.follow(&Program::file(name.display().to_string(), text));
                self.scope = around;
                self.loading -= 1;
                match value {
                    Err(Flow::Return(value)) => Ok(value),
                    other => other,
                }
            }
            Err(why) => {
                let place = self.place(node.expression());
                let sentence = format!(
                    "`from_file` loads {path}, which cannot be read ({why}), so that nothing of what it may set is known"
                );
                self.ignored.push((place, sentence));
                Ok(self.lose_everything(node))
            }
        }
    }

    /// The program takes too many steps to follow it to its end.
    fn give_up(&mut self) {
        let place = Place { file: self.file, line: 1 };
        let sentence = "takes too many steps to follow it, so that none of its settings is known";
        self.ignored.push((place, sentence.to_owned()));
        let unknown = object::Unknown::new(UnknownReason::Loaded, place);
        self.doubt_everywhere(&Pattern::any(), &unknown);
    }

    fn refusal(&self, place: Place) -> Refused {
        let file = self.files.get(place.file);
        let error = file.and_then(|file| file.error.clone());
        Refused {
            name: file.map(|file| file.name.clone()).unwrap_or_default(),
            line: place.line,
            why: error.unwrap_or_else(|| "raises an error, so that the package refuses the file".to_owned()),
        }
    }
}

thread_local! {
    static IS_PARSING: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread is within the Ruby parser, a library that panics on some texts that are no Ruby. That is told as an
/// error of the file, so a panic hook need not report it.
pub fn is_parsing_ruby() -> bool {
    IS_PARSING.get()
}

/// The tree of a text; where it is no Ruby, and why not.
fn parse(text: &[u8]) -> Result<Option<Node>, (usize, String)> {
    let options = ParserOptions { record_tokens: false, ..ParserOptions::default() };
    IS_PARSING.set(true);
    let parsed = catch_unwind(AssertUnwindSafe(|| Parser::new(text.to_vec(), options).do_parse()));
    IS_PARSING.set(false);
    let Ok(ParserResult { ast, diagnostics, .. }) = parsed else {
        return Err((0, "cannot be parsed: `ruby -c` says where it is no Ruby".to_owned()));
    };
    match diagnostics.iter().find(|diagnostic| diagnostic.is_error()) {
        Some(error) => {
            let why = error.render_message();
            Err((error.loc.begin, format!("is not Ruby: {}", why.lines().next().unwrap_or_default())))
        }
        None => Ok(ast.map(|tree| *tree)),
    }
}
