//! The values of a configuration file, independent of its format.

use std::collections::BTreeMap;

/// The deepest nesting of values; anything deeper is not read.
pub(crate) const DEEPEST: usize = 64;

/// A line of one of the files that were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// The file, as an index into [`Document::files`].
    pub(crate) file: usize,
    /// The line, from 1.
    pub(crate) line: usize,
}

impl From<usize> for Place {
    /// A line of the only file.
    fn from(line: usize) -> Self {
        Self { file: 0, line }
    }
}

/// A value and its place. There is no `Debug` outside of tests, because a value may be a secret.
#[derive(Clone)]
#[cfg_attr(test, derive(Debug, PartialEq))]
pub(crate) struct Node {
    pub(crate) place: Place,
    pub(crate) value: Value,
}

/// A value.
#[derive(Clone)]
#[cfg_attr(test, derive(Debug, PartialEq))]
pub(crate) enum Value {
    Nil,
    Flag(bool),
    /// A number, as it is written.
    Number(String),
    Text(String),
    List(Vec<Node>),
    Map(Map),
    /// Only known when the file is executed.
    Unknown(UnknownReason),
}

/// Pairs of a key and its value.
#[derive(Clone, Default)]
#[cfg_attr(test, derive(Debug, PartialEq))]
pub(crate) struct Map {
    pub(crate) pairs: BTreeMap<String, Node>,
    /// What other keys may have, of which only a part is known: unknown values, the last first.
    pub(crate) doubts: Vec<(Pattern, Node)>,
}

/// Keys of which only a part is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern {
    pub(crate) begins: String,
    pub(crate) ends: String,
}

impl Pattern {
    /// Every key.
    pub(crate) const fn any() -> Self {
        Self { begins: String::new(), ends: String::new() }
    }

    pub(crate) fn matches(&self, key: &str) -> bool {
        key.len() >= self.begins.len() + self.ends.len()
            && key.starts_with(&self.begins)
            && key.ends_with(&self.ends)
    }
}

/// Why a value is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UnknownReason {
    /// It is an expression whose value only the program has.
    Calculated,
    /// It is set in a branch or a loop, and it is not known whether that is executed.
    Conditional,
    /// Code that cannot be followed may have set it.
    Loaded,
    /// It is in a secret of Kubernetes, which was not given.
    Secret,
}

impl UnknownReason {
    /// The reason, as the predicate of a sentence about the setting.
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::Calculated => "is calculated",
            Self::Conditional => "is set only under a condition",
            Self::Loaded => "may be set by code that cannot be followed",
            Self::Secret => "is in a secret of Kubernetes",
        }
    }

    /// The reason, as what the file does to the setting.
    pub(crate) const fn active(self) -> &'static str {
        match self {
            Self::Calculated => "calculates it",
            Self::Conditional => "sets it only under a condition",
            Self::Loaded => "executes code that may set it",
            Self::Secret => "has it in a secret of Kubernetes",
        }
    }
}

/// The content of a configuration file.
pub(crate) struct Document {
    pub(crate) root: Node,
    /// The names of the file and of those that it loads, for people.
    pub(crate) files: Vec<String>,
    /// Parts of the file that were ignored as a whole: the place, and a sentence about it.
    pub(crate) ignored: Vec<(Place, String)>,
}

impl Node {
    pub(crate) fn new(place: impl Into<Place>, value: Value) -> Self {
        Self { place: place.into(), value }
    }

    pub(crate) fn map(place: impl Into<Place>) -> Self {
        Self::new(place, Value::Map(Map::default()))
    }

    /// The value of a key, if this is a map that contains it, or may contain it.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        let Value::Map(map) = &self.value else { return None };
        let doubt = || map.doubts.iter().find(|(pattern, _)| pattern.matches(key)).map(|(_, node)| node);
        map.pairs.get(key).or_else(doubt)
    }

    /// Whether the value is empty, which counts as not set.
    pub(crate) fn is_empty(&self) -> bool {
        match &self.value {
            Value::Nil => true,
            Value::Text(text) => text.is_empty(),
            Value::List(list) => list.is_empty(),
            Value::Map(map) => map.pairs.is_empty() && map.doubts.is_empty(),
            Value::Flag(_) | Value::Number(_) | Value::Unknown(_) => false,
        }
    }

    /// The size, as a measure of the memory that a copy takes, and the depth of nesting.
    pub(crate) fn extent(&self) -> (usize, usize) {
        let below = |nodes: &mut dyn Iterator<Item = &Self>| {
            nodes
                .map(Self::extent)
                .fold((1, 1), |(size, depth), (more, deeper)| (size + more, depth.max(deeper + 1)))
        };
        match &self.value {
            Value::List(list) => below(&mut list.iter()),
            Value::Map(map) => {
                let (size, depth) = below(&mut map.pairs.values());
                (size + map.pairs.keys().map(String::len).sum::<usize>(), depth)
            }
            Value::Text(text) | Value::Number(text) => (1 + text.len(), 1),
            Value::Nil | Value::Flag(_) | Value::Unknown(_) => (1, 1),
        }
    }
}
