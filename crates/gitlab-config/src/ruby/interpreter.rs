//! The state of a program that is followed step by step.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::rc::Rc;

use lib_ruby_parser::{Loc, Node, nodes};

use super::object::{Item, Key, Object, Scope, Table, Unknown};
use crate::node::{Pattern, Place, UnknownReason};

/// The most steps that are followed. A file as it comes with the package takes some thousand.
const MOST_STEPS: usize = 500_000;
/// The deepest nesting of expressions and calls.
const DEEPEST_CALL: usize = 150;
/// The longest text that is built, in bytes.
pub(super) const LONGEST_TEXT: usize = 1024 * 1024;

/// What ends the evaluation of an expression early.
pub(super) enum Flow {
    /// `next`: the value of the block.
    Next(Object),
    /// `break`: the value of the call to which the block belongs.
    Break(Object),
    /// `return`: the value of the method.
    Return(Object),
    /// It takes too many steps.
    Endless,
    /// The program raises an error there, so that the package refuses it.
    Refused(Place),
}

/// The value of an expression, or what ended it.
pub(super) type Evaluated = Result<Object, Flow>;

/// A file whose statements are followed.
pub(super) struct Source {
    /// How it is called in messages.
    pub(super) name: String,
    /// The number of its first line.
    pub(super) first_line: usize,
    /// The offsets at which lines end.
    pub(super) line_ends: Vec<usize>,
    /// Why it is no Ruby.
    pub(super) error: Option<String>,
}

/// Reads a file that a program loads, by the path in the program: its name for people, and its text; the reason if it
/// cannot be read.
pub(crate) type Load = dyn Fn(&str) -> Result<(PathBuf, String), String> + Sync;

/// Follows a program.
pub(super) struct Interpreter<'l> {
    pub(super) files: Vec<Source>,
    /// The index of the file that is followed now.
    pub(super) file: usize,
    /// How many files are being loaded by one another.
    pub(super) loading: usize,
    pub(super) load: &'l Load,
    /// The package's settings, each below the name of its first part.
    pub(super) settings: Rc<RefCell<Table>>,
    pub(super) scope: Scope,
    /// Global and instance variables, and constants.
    pub(super) globals: HashMap<String, Object>,
    pub(super) methods: BTreeMap<String, (usize, Rc<nodes::Def>)>,
    /// The block of the method that is followed.
    pub(super) block: Option<Object>,
    /// Why it is not known whether what is followed now is executed at all.
    pub(super) doubt: Option<Unknown>,
    /// Whether a `next`, `break` or `return` may have been executed, so that all that follows is in doubt.
    pub(super) may_have_left: bool,
    pub(super) steps: usize,
    pub(super) depth: usize,
    pub(super) ignored: Vec<(Place, String)>,
}

impl<'l> Interpreter<'l> {
    pub(super) fn new(load: &'l Load) -> Self {
        Self {
            files: Vec::new(),
            file: 0,
            loading: 0,
            load,
            settings: Rc::new(RefCell::new(Table::default())),
            scope: Scope::default(),
            globals: HashMap::new(),
            methods: BTreeMap::new(),
            block: None,
            doubt: None,
            may_have_left: false,
            steps: 0,
            depth: 0,
            ignored: Vec::new(),
        }
    }

    /// The line at which something is.
    pub(super) fn place(&self, at: &Loc) -> Place {
        self.place_at(at.begin)
    }

    /// The line at this offset.
    pub(super) fn place_at(&self, offset: usize) -> Place {
        let line = self
            .files
            .get(self.file)
            .map_or(1, |file| file.first_line + file.line_ends.partition_point(|end| *end < offset));
        Place { file: self.file, line }
    }

    /// Counts work that is done.
    pub(super) fn work(&mut self, steps: usize) -> Result<(), Flow> {
        self.steps = self.steps.saturating_add(steps);
        if self.steps > MOST_STEPS { Err(Flow::Endless) } else { Ok(()) }
    }

    /// Evaluates one level deeper; what is too deep is not evaluated, and may have done anything.
    pub(super) fn deeper(&mut self, at: &Node, evaluate: impl FnOnce(&mut Self) -> Evaluated) -> Evaluated {
        self.work(1)?;
        if self.depth >= DEEPEST_CALL {
            return Ok(self.lose_everything(at));
        }
        self.depth += 1;
        let value = evaluate(self);
        self.depth -= 1;
        value
    }

    /// An unknown value that is calculated here.
    pub(super) fn calculated(&self, at: &Node) -> Object {
        Object::Unknown(Unknown::new(UnknownReason::Calculated, self.place(at.expression())))
    }

    /// What a variable or a setting has after an assignment, which may not have been executed.
    pub(super) fn assigned(&self, value: Object) -> Object {
        match &self.doubt {
            Some(doubt) => {
                let may_alias = value.is_mutable() && value.as_text().is_none();
                Object::Unknown(doubt.clone().aliasing(may_alias))
            }
            None => value.settled(),
        }
    }

    /// Evaluates what may not be executed, or more than once.
    pub(super) fn in_doubt(&mut self, at: &Node, evaluate: impl FnOnce(&mut Self) -> Evaluated) -> Evaluated {
        let place = self.place(at.expression());
        let around = self.doubt.clone();
        let doubt = around.clone().unwrap_or_else(|| Unknown::new(UnknownReason::Conditional, place));
        self.doubt = Some(doubt);
        let value = match evaluate(self) {
            Err(Flow::Next(_) | Flow::Break(_) | Flow::Return(_)) => {
                self.may_have_left = true;
                Ok(Object::Unknown(Unknown::new(UnknownReason::Conditional, place)))
            }
            // If it is executed, the package refuses the file.
            Err(Flow::Refused(_)) => Ok(Object::Nil),
            other => other,
        };
        if !self.may_have_left {
            self.doubt = around;
        }
        value
    }

    /// Evaluates what `next`, `break` or `return` may leave, after which nothing is in doubt for it.
    pub(super) fn left_by<T>(&mut self, evaluate: impl FnOnce(&mut Self) -> T) -> T {
        let around = (self.doubt.clone(), self.may_have_left);
        let value = evaluate(self);
        (self.doubt, self.may_have_left) = around;
        value
    }

    /// Code that cannot be followed may have changed every setting.
    pub(super) fn lose_everything(&mut self, at: &Node) -> Object {
        let unknown = Unknown::new(UnknownReason::Loaded, self.place(at.expression()));
        self.doubt_everywhere(&Pattern::any(), &unknown);
        Object::Unknown(unknown.aliasing(true))
    }

    /// It is not known any more what these keys have in all settings.
    pub(super) fn doubt_everywhere(&mut self, pattern: &Pattern, unknown: &Unknown) {
        let roots: Vec<Object> =
            self.settings.borrow().entries.iter().map(|(_, item)| item.value.clone()).collect();
        for root in roots {
            doubt_below(&root, pattern, unknown, &mut HashSet::new());
        }
        if *pattern == Pattern::any() {
            let mut settings = self.settings.borrow_mut();
            for (_, item) in &mut settings.entries {
                if !matches!(item.value, Object::Table(_)) {
                    *item = Item { value: Object::Unknown(unknown.clone()), place: unknown.place };
                }
            }
            settings.doubts = vec![(Pattern::any(), unknown.clone())];
        }
    }

    /// It is not known any more what a value that can be changed is, or contains.
    pub(super) fn doubt_value(&mut self, value: &Object, unknown: &Unknown) {
        match value {
            Object::Text(text) => text.borrow_mut().doubt = Some(unknown.clone()),
            Object::List(list) => list.borrow_mut().doubt = Some(unknown.clone()),
            Object::Table(_) => doubt_below(value, &Pattern::any(), unknown, &mut HashSet::new()),
            Object::Package | Object::Proc(_) => self.doubt_everywhere(&Pattern::any(), unknown),
            Object::Unknown(value) if value.may_alias => {
                self.doubt_everywhere(&Pattern::any(), unknown);
            }
            _ => {}
        }
    }

    /// A part of the settings, which is made if it is not there.
    pub(super) fn root(&mut self, name: &str, place: Place) -> Object {
        let key = Key::Text(name.to_owned());
        if let Some(value) = self.settings.borrow().entries.iter().find(|(known, _)| *known == key) {
            return value.1.value.clone();
        }
        let doubt = self.settings.borrow().doubt_of(&key);
        if NIL.contains(&name) {
            return doubt.map_or(Object::Nil, Object::Unknown);
        }
        let mut table = Table::package();
        table.doubts.extend(doubt.map(|doubt| (Pattern::any(), doubt)));
        let value = Object::table(table);
        self.settings.borrow_mut().set(key, Item { value: value.clone(), place });
        value
    }
}

/// Parts of the settings that are no hash, and nothing until they are set.
const NIL: [&str; 8] = [
    "external_url",
    "registry_external_url",
    "mattermost_external_url",
    "pages_external_url",
    "gitlab_kas_external_url",
    "runtime_dir",
    "git_data_dir",
    "roles",
];

/// It is not known any more what these keys have in a hash and in the hashes inside it.
fn doubt_below(
    value: &Object,
    pattern: &Pattern,
    unknown: &Unknown,
    seen: &mut HashSet<*const RefCell<Table>>,
) {
    let Object::Table(table) = value else { return };
    if !seen.insert(Rc::as_ptr(table)) {
        return;
    }
    let below: Vec<Object> = table.borrow().entries.iter().map(|(_, item)| item.value.clone()).collect();
    for value in below {
        doubt_below(&value, pattern, unknown, seen);
    }
    table.borrow_mut().doubt(pattern, unknown);
}
