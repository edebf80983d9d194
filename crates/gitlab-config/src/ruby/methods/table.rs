//! Methods of hashes.

use std::cell::RefCell;
use std::rc::Rc;

use super::arguments::Call;
use crate::ruby::interpreter::{Flow, Interpreter};
use crate::ruby::object::{Item, Key, Kind, Object, Table};

/// Methods that change their receiver, beside those with an exclamation mark.
pub(super) const CHANGING: [&str; 11] = [
    "[]=",
    "store",
    "update",
    "delete",
    "delete_if",
    "keep_if",
    "replace",
    "clear",
    "shift",
    "default=",
    "deep_set",
];

impl Interpreter<'_> {
    /// A method of a hash.
    pub(super) fn of_table(
        &mut self,
        table: &Rc<RefCell<Table>>,
        call: &Call<'_>,
    ) -> Result<Option<Object>, Flow> {
        let own = table.borrow().clone();
        self.work(own.entries.len())?;
        let receiver = Object::Table(table.clone());
        match (call.name, call.arguments) {
            ("[]=" | "store", [key, value]) => {
                let (key, item) = (key.clone(), value.clone());
                self.set_element(&receiver, &[key], item.value.clone(), item.place)?;
                return Ok(Some(item.value));
            }
            ("merge!" | "update" | "merge" | "replace", others) if call.block.is_none() => {
                return self.merged(table, call, others);
            }
            ("delete", [key]) if call.block.is_none() && own.is_settled() => {
                let Some(key) = Key::of(&key.value) else { return Ok(None) };
                let removed = table.borrow_mut().remove(&own.key(key));
                return Ok(Some(removed.unwrap_or(Object::Nil)));
            }
            ("clear", []) => {
                *table.borrow_mut() = Table { kind: own.kind, ..Table::default() };
                return Ok(Some(receiver));
            }
            _ => {}
        }
        if let Some(value) = read(&own, call) {
            return Ok(Some(value));
        }
        if let ("transform_values" | "each_value" | "each_key", Some(block)) = (call.name, call.block) {
            return self.over(&receiver, own, call, block);
        }
        // Methods whose value is another hash are those of a plain one.
        if own.kind == Kind::Package && ["select", "filter", "reject", "to_h"].contains(&call.name) {
            return Ok(None);
        }
        self.of_items(&receiver, call)
    }

    /// Methods with a block that is called for each key or each value.
    fn over(
        &mut self,
        receiver: &Object,
        own: Table,
        call: &Call<'_>,
        block: &Object,
    ) -> Result<Option<Object>, Flow> {
        if !own.is_settled() || (own.kind == Kind::Package && call.name == "transform_values") {
            return Ok(None);
        }
        let mut made = Table { kind: own.kind, ..Table::default() };
        for (key, item) in own.entries {
            let place = item.place;
            let argument = match call.name {
                "each_key" => Item { value: key.object(), place },
                _ => item,
            };
            let value = self.call_block(call.node, block, vec![argument])?;
            made.set(key, Item { value, place });
        }
        Ok(Some(if call.name == "transform_values" { Object::table(made) } else { receiver.clone() }))
    }

    fn merged(
        &mut self,
        table: &Rc<RefCell<Table>>,
        call: &Call<'_>,
        others: &[Item],
    ) -> Result<Option<Object>, Flow> {
        let mut made = table.borrow().clone();
        if call.name == "replace" {
            made = Table { kind: made.kind, ..Table::default() };
        }
        for other in others {
            let Object::Table(other) = &other.value else { return Ok(None) };
            let mut other = other.borrow().clone();
            if made.kind == Kind::Package {
                for (_, item) in &mut other.entries {
                    item.value = self.packaged(item.value.clone(), 0)?;
                }
            }
            self.work(other.entries.len().saturating_mul(made.entries.len()) / 16)?;
            made.merge(other);
        }
        if call.name == "merge" {
            return Ok(Some(Object::table(made)));
        }
        *table.borrow_mut() = made;
        Ok(Some(Object::Table(table.clone())))
    }
}

/// Methods that only read.
fn read(own: &Table, call: &Call<'_>) -> Option<Object> {
    let has = |key: &Object| {
        let key = own.key(Key::of(key)?);
        let is_there = own.entries.iter().any(|(known, _)| *known == key);
        if is_there { Some(true) } else { own.doubt_of(&key).is_none().then_some(false) }
    };
    let get = |key: &Object| Some(own.get(&own.key(Key::of(key)?)));
    match (call.name, call.arguments) {
        ("key?" | "has_key?" | "include?" | "member?", [key]) => has(&key.value).map(Object::Flag),
        ("fetch", [key]) if call.block.is_none() => get(&key.value)?,
        ("fetch", [key, or]) => Some(get(&key.value)?.unwrap_or_else(|| or.value.clone())),
        ("dig", keys) => dig(own, keys),
        ("keys", []) if own.is_settled() => {
            let keys = own.entries.iter().map(|(key, item)| Item { value: key.object(), place: item.place });
            Some(Object::list(keys.collect()))
        }
        ("values", []) if own.is_settled() => {
            Some(Object::list(own.entries.iter().map(|(_, item)| item.clone()).collect()))
        }
        ("any?", []) if call.block.is_none() && own.is_settled() => {
            Some(Object::Flag(!own.entries.is_empty()))
        }
        ("to_h" | "to_hash", []) if call.block.is_none() && own.kind == Kind::Plain => {
            Some(Object::table(own.clone()))
        }
        ("slice" | "except", keys) if own.kind == Kind::Plain && own.is_settled() => {
            let keys: Option<Vec<Key>> = keys.iter().map(|item| Key::of(&item.value)).collect();
            let keys = keys?;
            let is_wanted = |key: &Key| keys.contains(key) == (call.name == "slice");
            let entries = own.entries.iter().filter(|(key, _)| is_wanted(key)).cloned().collect();
            Some(Object::table(Table { entries, ..Table::default() }))
        }
        _ => None,
    }
}

/// `dig` makes no empty hashes, and takes a key as it is.
fn dig(own: &Table, keys: &[Item]) -> Option<Object> {
    let (first, rest) = keys.split_first()?;
    let value = own.get(&Key::of(&first.value)?).unwrap_or(Object::Nil);
    match (value, rest) {
        (value, []) => Some(value),
        (Object::Nil, _) => Some(Object::Nil),
        (Object::Table(table), rest) => dig(&table.borrow(), rest),
        _ => None,
    }
}
