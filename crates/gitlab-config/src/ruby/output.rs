//! The settings that a program leaves, as a tree of values.

use super::interpreter::Interpreter;
use super::object::{Item, Object, Table, Unknown};
use crate::node::{DEEPEST, Document, Map, Node, Place, UnknownReason, Value};

/// The most values and bytes of the tree: a hash may contain another one many times.
const LARGEST: usize = 1024 * 1024;

/// The settings.
pub(super) fn document(interpreter: Interpreter<'_>) -> Document {
    let mut left = LARGEST;
    let place = Place { file: 0, line: 1 };
    let root = Node::new(place, map(&interpreter.settings.borrow(), 0, &mut left));
    let files = interpreter.files.into_iter().map(|file| file.name).collect();
    Document { root, files, ignored: interpreter.ignored }
}

fn node(item: &Item, depth: usize, left: &mut usize) -> Node {
    if depth > DEEPEST || *left == 0 {
        return Node::new(item.place, Value::Unknown(UnknownReason::Calculated));
    }
    *left = left.saturating_sub(1);
    let value = match item.value.clone().settled() {
        Object::Nil => Value::Nil,
        Object::Flag(flag) => Value::Flag(flag),
        Object::Whole(number) => Value::Number(number.to_string()),
        Object::Float(number) => Value::Number(format!("{number:?}")),
        Object::Symbol(name) => Value::Text(name.to_string()),
        Object::Text(text) => {
            let text = text.borrow().value.clone();
            *left = left.saturating_sub(text.len());
            Value::Text(text)
        }
        Object::List(list) => {
            let items = list.borrow().value.clone();
            Value::List(items.iter().map(|item| node(item, depth + 1, left)).collect())
        }
        Object::Table(table) => map(&table.borrow(), depth + 1, left),
        Object::Unknown(unknown) => Value::Unknown(unknown.reason),
        Object::Range(..) | Object::Proc(_) | Object::Package | Object::Class(_) => {
            Value::Unknown(UnknownReason::Calculated)
        }
    };
    Node::new(item.place, value)
}

fn map(table: &Table, depth: usize, left: &mut usize) -> Value {
    let mut map = Map::default();
    for (key, item) in &table.entries {
        let name = key.name();
        *left = left.saturating_sub(name.len());
        map.pairs.insert(name, node(item, depth + 1, left));
    }
    let doubts = table.doubts.iter().rev();
    map.doubts = doubts.map(|(pattern, unknown)| (pattern.clone(), unknown_node(unknown))).collect();
    Value::Map(map)
}

fn unknown_node(unknown: &Unknown) -> Node {
    Node::new(unknown.place, Value::Unknown(unknown.reason))
}
