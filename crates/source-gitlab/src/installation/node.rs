//! What a configuration says, whichever language it is written in.

use std::collections::BTreeMap;

/// How deep values are nested at most; what is deeper is not read.
pub(super) const DEEPEST: usize = 64;

/// A value, and where it stands. There is no `Debug` outside of tests, because a value may be a secret.
#[derive(Clone)]
#[cfg_attr(test, derive(Debug, PartialEq))]
pub(super) struct Node {
    /// The line, from 1.
    pub(super) line: usize,
    pub(super) value: Value,
}

/// A value.
#[derive(Clone)]
#[cfg_attr(test, derive(Debug, PartialEq))]
pub(super) enum Value {
    Nil,
    Flag(bool),
    /// A number, as it is written.
    Number(String),
    Text(String),
    List(Vec<Node>),
    Map(BTreeMap<String, Node>),
    /// Something that would have to be run to know it.
    Unread(Why),
}

/// Why a value is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// It is an expression.
    Calculated,
    /// It stands in a branch, a loop or a method.
    Conditional,
}

impl Why {
    /// The reason, after "it is passed over, because it".
    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::Calculated => "is calculated",
            Self::Conditional => "holds under a condition only",
        }
    }
}

/// A configuration.
pub(super) struct Source {
    pub(super) root: Node,
    /// Parts of the file that were passed over as a whole: the line, and a sentence without it.
    pub(super) passed_over: Vec<(usize, String)>,
}

impl Node {
    pub(super) fn new(line: usize, value: Value) -> Self {
        Self { line, value }
    }

    pub(super) fn map(line: usize) -> Self {
        Self::new(line, Value::Map(BTreeMap::new()))
    }

    /// The value below a key, if this is a map that has it.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        match &self.value {
            Value::Map(map) => map.get(key),
            _ => None,
        }
    }

    /// Whether there is nothing in it, which is as good as nothing said.
    pub(super) fn is_empty(&self) -> bool {
        match &self.value {
            Value::Nil => true,
            Value::Text(text) => text.is_empty(),
            Value::List(list) => list.is_empty(),
            Value::Map(map) => map.is_empty(),
            Value::Flag(_) | Value::Number(_) | Value::Unread(_) => false,
        }
    }

    /// Sets what is below a path of keys. What is not known stays so, whatever is set below it.
    pub(super) fn put(&mut self, path: &[String], node: Self) {
        let Some((key, rest)) = path.split_first() else {
            *self = node;
            return;
        };
        if !matches!(self.value, Value::Map(_) | Value::Unread(_)) {
            *self = Self::map(node.line);
        }
        if let Value::Map(map) = &mut self.value {
            map.entry(key.clone()).or_insert_with(|| Self::new(node.line, Value::Nil)).put(rest, node);
        }
    }

    /// How much there is of it, as a measure of the memory that a copy takes, and how deep it is nested.
    pub(super) fn extent(&self) -> (usize, usize) {
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
            Value::Nil | Value::Flag(_) | Value::Unread(_) => (1, 1),
        }
    }
}
