//! The values of a configuration file, independent of its format.

use std::collections::BTreeMap;

/// The deepest nesting of values; anything deeper is not read.
pub(crate) const DEEPEST: usize = 64;

/// A value and its line. There is no `Debug` outside of tests, because a value may be a secret.
#[derive(Clone)]
#[cfg_attr(test, derive(Debug, PartialEq))]
pub(crate) struct Node {
    /// The line, from 1.
    pub(crate) line: usize,
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
    Map(BTreeMap<String, Node>),
    /// Only known when the file is executed.
    Unknown(UnknownReason),
}

/// Why a value is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UnknownReason {
    /// It is an expression.
    Calculated,
    /// It is inside a branch, a loop or a method.
    Conditional,
}

impl UnknownReason {
    /// The reason, as the predicate of a sentence about the setting.
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::Calculated => "is calculated",
            Self::Conditional => "is set only under a condition",
        }
    }
}

/// The content of a configuration file.
pub(crate) struct Document {
    pub(crate) root: Node,
    /// Parts of the file that were ignored as a whole: the line, and a sentence about it.
    pub(crate) ignored: Vec<(usize, String)>,
}

impl Node {
    pub(crate) fn new(line: usize, value: Value) -> Self {
        Self { line, value }
    }

    pub(crate) fn map(line: usize) -> Self {
        Self::new(line, Value::Map(BTreeMap::new()))
    }

    /// The value of a key, if this is a map that contains it.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        match &self.value {
            Value::Map(map) => map.get(key),
            _ => None,
        }
    }

    /// Whether the value is empty, which counts as not set.
    pub(crate) fn is_empty(&self) -> bool {
        match &self.value {
            Value::Nil => true,
            Value::Text(text) => text.is_empty(),
            Value::List(list) => list.is_empty(),
            Value::Map(map) => map.is_empty(),
            Value::Flag(_) | Value::Number(_) | Value::Unknown(_) => false,
        }
    }

    /// Sets the value at a path of keys. An unknown value stays unknown, whatever is set below it.
    pub(crate) fn set(&mut self, path: &[String], node: Self) {
        let Some((key, rest)) = path.split_first() else {
            *self = node;
            return;
        };
        if !matches!(self.value, Value::Map(_) | Value::Unknown(_)) {
            *self = Self::map(node.line);
        }
        if let Value::Map(map) = &mut self.value {
            map.entry(key.clone()).or_insert_with(|| Self::new(node.line, Value::Nil)).set(rest, node);
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
                let (size, depth) = below(&mut map.values());
                (size + map.keys().map(String::len).sum::<usize>(), depth)
            }
            Value::Text(text) | Value::Number(text) => (1 + text.len(), 1),
            Value::Nil | Value::Flag(_) | Value::Unknown(_) => (1, 1),
        }
    }
}
