//! The values of a running program, with Ruby's own identity: two variables may name the same hash.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use lib_ruby_parser::Node;

use crate::node::{Pattern, Place, UnknownReason};

/// A value.
#[derive(Clone)]
pub(super) enum Object {
    Nil,
    Flag(bool),
    Whole(i64),
    Float(f64),
    Text(Shared<String>),
    Symbol(Rc<str>),
    List(Shared<Vec<Item>>),
    Table(Rc<RefCell<Table>>),
    /// Whole numbers from the first to the last, both included.
    Range(i64, i64),
    Proc(Rc<Proc>),
    /// `self` of the file, which is the package's configuration.
    Package,
    /// A constant that no file assigns: a class or a module.
    Class(Rc<str>),
    Unknown(Unknown),
}

/// A value in a list or a hash, and where the file puts it there.
#[derive(Clone)]
pub(super) struct Item {
    pub(super) value: Object,
    pub(super) place: Place,
}

/// A text or a list, which several variables may name and methods change.
pub(super) type Shared<T> = Rc<RefCell<Doubtful<T>>>;

/// A value that may have been changed in a way that is not known.
pub(super) struct Doubtful<T> {
    pub(super) value: T,
    pub(super) doubt: Option<Unknown>,
}

/// A block or a lambda, with the variables around it.
pub(super) struct Proc {
    pub(super) parameters: Option<Node>,
    pub(super) body: Option<Node>,
    /// How many of `_1`, `_2`, … there are instead of named parameters.
    pub(super) numbered: u8,
    pub(super) scope: Scope,
    /// The file in which it is.
    pub(super) file: usize,
}

/// Why a value is unknown, and where.
#[derive(Clone)]
pub(super) struct Unknown {
    pub(super) reason: UnknownReason,
    pub(super) place: Place,
    /// Whether it may be one of the package's hashes under another name.
    pub(super) may_alias: bool,
    /// What is known of it, if it surely is a text.
    pub(super) known: Option<Rc<Pattern>>,
}

/// A hash.
#[derive(Clone, Default)]
pub(super) struct Table {
    pub(super) entries: Vec<(Key, Item)>,
    /// Keys that may have been set in a way that is not known, each until it is set again.
    pub(super) doubts: Vec<(Pattern, Unknown)>,
    pub(super) kind: Kind,
}

/// Which class of hash it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Kind {
    /// Ruby's own.
    #[default]
    Plain,
    /// The package's: all keys are texts, and a key that is read becomes an empty hash if it is not there.
    Package,
}

/// A key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Key {
    Text(String),
    Symbol(Rc<str>),
    Whole(i64),
    Flag(bool),
    Nil,
}

/// The local variables that are visible at one place.
#[derive(Clone, Default)]
pub(super) struct Scope(pub(super) Rc<Variables>);

/// The variables of a block or a method.
#[derive(Default)]
pub(super) struct Variables {
    pub(super) own: RefCell<HashMap<String, Object>>,
    pub(super) around: Option<Scope>,
}

impl Unknown {
    pub(super) fn new(reason: UnknownReason, place: Place) -> Self {
        Self { reason, place, may_alias: false, known: None }
    }

    /// The texts that it may be.
    pub(super) fn pattern(&self) -> Pattern {
        self.known.as_ref().map_or_else(Pattern::any, |known| Pattern::clone(known))
    }

    /// The same of what surely is a text.
    pub(super) fn of_text(self) -> Self {
        Self { known: Some(Rc::new(Pattern::any())), ..self }
    }

    pub(super) fn aliasing(self, may_alias: bool) -> Self {
        Self { may_alias, ..self }
    }
}

impl Object {
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::Text(shared(text.into()))
    }

    pub(super) fn list(items: Vec<Item>) -> Self {
        Self::List(shared(items))
    }

    pub(super) fn table(table: Table) -> Self {
        Self::Table(Rc::new(RefCell::new(table)))
    }

    /// Whether it counts as true; `None` if that is not known.
    pub(super) fn truth(&self) -> Option<bool> {
        match self {
            Self::Nil | Self::Flag(false) => Some(false),
            // A text is always true, whatever it is.
            Self::Unknown(unknown) => unknown.known.as_ref().map(|_| true),
            _ => Some(true),
        }
    }

    /// Whether methods can change it, so that another name of it matters.
    pub(super) fn is_mutable(&self) -> bool {
        match self {
            Self::Text(_) | Self::List(_) | Self::Table(_) | Self::Package | Self::Proc(_) => true,
            Self::Unknown(unknown) => unknown.may_alias,
            _ => false,
        }
    }

    /// The same as an unknown value, if it may have been changed in a way that is not known.
    pub(super) fn settled(self) -> Self {
        let doubt = match &self {
            Self::Text(text) => text.borrow().doubt.clone(),
            Self::List(list) => list.borrow().doubt.clone(),
            _ => None,
        };
        doubt.map_or(self, Self::Unknown)
    }

    /// The text, if it is one and known.
    pub(super) fn as_text(&self) -> Option<String> {
        match self {
            Self::Text(text) => {
                let text = text.borrow();
                text.doubt.is_none().then(|| text.value.clone())
            }
            _ => None,
        }
    }

    /// What `to_s` makes of it, and interpolation.
    pub(super) fn to_text(&self) -> Option<String> {
        match self {
            Self::Nil => Some(String::new()),
            Self::Flag(flag) => Some(flag.to_string()),
            Self::Whole(number) => Some(number.to_string()),
            Self::Symbol(name) => Some(name.to_string()),
            Self::Text(_) => self.as_text(),
            _ => None,
        }
    }

    /// The items of a list; `None` if it is no list, or not a known one.
    pub(super) fn as_list(&self) -> Option<Vec<Item>> {
        match self {
            Self::List(list) => {
                let list = list.borrow();
                list.doubt.is_none().then(|| list.value.clone())
            }
            _ => None,
        }
    }

    /// Whether they are equal as `==` says; `None` if that is not known.
    pub(super) fn equals(&self, other: &Self) -> Option<bool> {
        if [self, other].into_iter().any(|object| matches!(object.clone().settled(), Self::Unknown(_))) {
            return None;
        }
        Some(match (self, other) {
            (Self::Nil, Self::Nil) => true,
            (Self::Flag(one), Self::Flag(two)) => one == two,
            (Self::Whole(one), Self::Whole(two)) => one == two,
            (Self::Text(_), Self::Text(_)) => self.as_text()? == other.as_text()?,
            (Self::Symbol(one), Self::Symbol(two)) => one == two,
            (Self::List(_), Self::List(_)) => {
                let (one, two) = (self.as_list()?, other.as_list()?);
                if one.len() != two.len() {
                    return Some(false);
                }
                let pairs = one.iter().zip(&two);
                return all(pairs.map(|(one, two)| one.value.shallow_equals(&two.value)));
            }
            (Self::Table(_) | Self::Float(_) | Self::Range(..) | Self::Proc(_) | Self::Class(_), _)
            | (_, Self::Table(_) | Self::Float(_) | Self::Range(..) | Self::Proc(_) | Self::Class(_)) => {
                return None;
            }
            _ => false,
        })
    }

    /// The same for what is inside a list, where lists are not compared any further.
    fn shallow_equals(&self, other: &Self) -> Option<bool> {
        match (self, other) {
            (Self::List(_), _) | (_, Self::List(_)) => None,
            _ => self.equals(other),
        }
    }
}

/// Whether all are true; a false one decides, an unknown one does not.
fn all(flags: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let mut known = Some(true);
    for flag in flags {
        match flag {
            Some(false) => return Some(false),
            None => known = None,
            Some(true) => {}
        }
    }
    known
}

pub(super) fn shared<T>(value: T) -> Shared<T> {
    Rc::new(RefCell::new(Doubtful { value, doubt: None }))
}

impl Object {
    /// Whether it is a single value that no method changes.
    pub(super) fn is_immutable_scalar(&self) -> bool {
        matches!(self, Self::Nil | Self::Flag(_) | Self::Whole(_) | Self::Symbol(_))
    }

    /// Whether a `when` with this is met by a value.
    pub(super) fn is_case_of(&self, subject: &Self) -> Option<bool> {
        match (self, subject) {
            (_, Self::Unknown(_)) => None,
            (Self::Range(first, last), Self::Whole(number)) => Some((first..=last).contains(&number)),
            (Self::Class(name), subject) => subject.is_a(name),
            _ => self.equals(subject),
        }
    }

    /// Whether it is an instance of a class.
    pub(super) fn is_a(&self, class: &str) -> Option<bool> {
        let classes: &[&str] = match self {
            Self::Nil => &["NilClass"],
            Self::Flag(true) => &["TrueClass"],
            Self::Flag(false) => &["FalseClass"],
            Self::Whole(_) => &["Integer", "Numeric", "Comparable"],
            Self::Float(_) => &["Float", "Numeric", "Comparable"],
            Self::Text(_) => &["String", "Comparable"],
            Self::Symbol(_) => &["Symbol", "Comparable"],
            Self::List(_) => &["Array", "Enumerable"],
            Self::Table(_) => &["Hash", "Enumerable"],
            Self::Range(..) => &["Range", "Enumerable"],
            Self::Proc(_) => &["Proc"],
            Self::Package | Self::Class(_) | Self::Unknown(_) => return None,
        };
        if matches!(class, "Object" | "BasicObject" | "Kernel") || classes.contains(&class) {
            return Some(true);
        }
        KNOWN.contains(&class).then_some(false)
    }

    /// The values over which `each` goes; `None` if they are not known.
    pub(super) fn each(&self) -> Option<Vec<Item>> {
        const MOST: i64 = 10_000;
        match self {
            Self::List(_) => self.as_list(),
            Self::Table(table) => {
                let table = table.borrow();
                let pair = |key: &Key, item: &Item| Item {
                    value: Self::list(vec![Item { value: key.object(), place: item.place }, item.clone()]),
                    place: item.place,
                };
                let pairs = || table.entries.iter().map(|(key, item)| pair(key, item)).collect();
                table.is_settled().then(pairs)
            }
            Self::Range(first, last) if last.saturating_sub(*first) < MOST => {
                let item = |number| Item { value: Self::Whole(number), place: Place { file: 0, line: 1 } };
                Some((*first..=*last).map(item).collect())
            }
            _ => None,
        }
    }
}

/// The classes of which it is known whether a value is one.
const KNOWN: [&str; 15] = [
    "NilClass",
    "TrueClass",
    "FalseClass",
    "Integer",
    "Float",
    "Numeric",
    "Comparable",
    "String",
    "Symbol",
    "Array",
    "Hash",
    "Enumerable",
    "Range",
    "Proc",
    "Regexp",
];
