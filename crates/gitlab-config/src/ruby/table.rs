//! Hashes, and what is not known about them.

use super::object::{Item, Key, Kind, Object, Table, Unknown};
use crate::node::Pattern;

impl Key {
    /// The key that a value is; `None` for one that is not known, or that no setting has.
    pub(super) fn of(object: &Object) -> Option<Self> {
        Some(match object {
            Object::Text(_) => Self::Text(object.as_text()?),
            Object::Symbol(name) => Self::Symbol(name.clone()),
            Object::Whole(number) => Self::Whole(*number),
            Object::Flag(flag) => Self::Flag(*flag),
            Object::Nil => Self::Nil,
            _ => return None,
        })
    }

    pub(super) fn name(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Symbol(name) => name.to_string(),
            Self::Whole(number) => number.to_string(),
            Self::Flag(flag) => flag.to_string(),
            Self::Nil => String::new(),
        }
    }

    pub(super) fn object(&self) -> Object {
        match self {
            Self::Text(text) => Object::text(text.clone()),
            Self::Symbol(name) => Object::Symbol(name.clone()),
            Self::Whole(number) => Object::Whole(*number),
            Self::Flag(flag) => Object::Flag(*flag),
            Self::Nil => Object::Nil,
        }
    }
}

impl Table {
    pub(super) fn package() -> Self {
        Self { kind: Kind::Package, ..Self::default() }
    }

    /// The key as this hash keeps it.
    pub(super) fn key(&self, key: Key) -> Key {
        match (self.kind, key) {
            (Kind::Package, Key::Symbol(name)) => Key::Text(name.to_string()),
            (_, key) => key,
        }
    }

    /// The value of a key.
    pub(super) fn get(&self, key: &Key) -> Option<Object> {
        let known = self.entries.iter().find(|(known, _)| known == key);
        known.map(|(_, item)| item.value.clone()).or_else(|| self.doubt_of(key).map(Object::Unknown))
    }

    /// Why it is not known whether a key that is not there has been set.
    pub(super) fn doubt_of(&self, key: &Key) -> Option<Unknown> {
        let name = key.name();
        let doubt = self.doubts.iter().rev().find(|(pattern, _)| pattern.matches(&name));
        doubt.map(|(_, unknown)| unknown.clone())
    }

    pub(super) fn set(&mut self, key: Key, item: Item) {
        match self.entries.iter_mut().find(|(known, _)| *known == key) {
            Some((_, known)) => *known = item,
            None => self.entries.push((key, item)),
        }
    }

    pub(super) fn remove(&mut self, key: &Key) -> Option<Object> {
        let at = self.entries.iter().position(|(known, _)| known == key)?;
        Some(self.entries.remove(at).1.value)
    }

    /// From here on, it is not known what these keys have.
    pub(super) fn doubt(&mut self, pattern: &Pattern, unknown: &Unknown) {
        for (key, item) in &mut self.entries {
            if pattern.matches(&key.name()) {
                *item = Item { value: Object::Unknown(unknown.clone()), place: unknown.place };
            }
        }
        self.doubts.retain(|(known, _)| known != pattern);
        self.doubts.push((pattern.clone(), unknown.clone()));
    }

    /// Whether all of its keys are known.
    pub(super) fn is_settled(&self) -> bool {
        self.doubts.is_empty()
    }
}

impl Table {
    /// Sets what another hash has.
    pub(super) fn merge(&mut self, other: Self) {
        for (pattern, unknown) in &other.doubts {
            self.doubt(pattern, unknown);
        }
        for (key, item) in other.entries {
            let key = self.key(key);
            self.set(key, item);
        }
    }
}
