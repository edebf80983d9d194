//! Methods of lists, and of what can be gone through like one.

use super::arguments::{Call, whole};
use crate::ruby::interpreter::{Flow, Interpreter};
use crate::ruby::object::{Item, Key, Object, Shared, Table};

/// Methods that change their receiver, beside those with an exclamation mark.
pub(super) const CHANGING: [&str; 16] = [
    "<<",
    "push",
    "append",
    "concat",
    "unshift",
    "prepend",
    "insert",
    "pop",
    "shift",
    "delete",
    "delete_at",
    "delete_if",
    "keep_if",
    "replace",
    "clear",
    "fill",
];

impl Interpreter<'_> {
    /// A method of a list.
    pub(super) fn of_list(
        &mut self,
        list: &Shared<Vec<Item>>,
        call: &Call<'_>,
    ) -> Result<Option<Object>, Flow> {
        let own = list.borrow().value.clone();
        self.work(own.len())?;
        if let Some(changed) = changed(&own, call) {
            list.borrow_mut().value = changed;
            return Ok(Some(Object::List(list.clone())));
        }
        let value = match (call.name, call.arguments) {
            ("pop", []) if call.block.is_none() => {
                list.borrow_mut().value.pop().map_or(Some(Object::Nil), |item| Some(item.value))
            }
            ("shift", []) => {
                Some(if own.is_empty() { Object::Nil } else { list.borrow_mut().value.remove(0).value })
            }
            ("+", [other]) => other.value.as_list().map(|other| Object::list([own.clone(), other].concat())),
            ("-", [other]) => without(&own, &other.value),
            ("join", []) => joined(&own, "", 0),
            ("join", [_]) => call.only_text().and_then(|by| joined(&own, &by, 0)),
            ("last", []) => Some(own.last().map_or(Object::Nil, |item| item.value.clone())),
            ("flatten", []) => flattened(&own, 0).map(Object::list),
            ("compact", []) => compact(&own),
            ("reverse", []) => Some(Object::list(own.iter().rev().cloned().collect())),
            ("uniq", []) if call.block.is_none() => unique(&own),
            ("sort", []) if call.block.is_none() => sorted(own.clone()),
            ("to_h", []) if call.block.is_none() => Self::table_of(&Object::List(list.clone())),
            ("fetch" | "at", [_]) => match call.only_whole().map(usize::try_from) {
                Some(Ok(at)) => own.get(at).map(|item| item.value.clone()),
                _ => None,
            },
            ("dig", [_]) => match call.only_whole().map(usize::try_from) {
                Some(Ok(at)) => Some(own.get(at).map_or(Object::Nil, |item| item.value.clone())),
                _ => None,
            },
            _ => None,
        };
        if value.is_some() {
            return Ok(value);
        }
        self.of_items(&Object::List(list.clone()), call)
    }

    /// Methods of everything that can be gone through.
    pub(super) fn of_items(&mut self, receiver: &Object, call: &Call<'_>) -> Result<Option<Object>, Flow> {
        let Some(items) = receiver.each() else { return Ok(None) };
        self.work(items.len())?;
        if let Some(block) = call.block {
            return self.each(receiver, items, call, block);
        }
        let place = self.place(call.node.expression());
        Ok(match (call.name, call.arguments) {
            ("to_a" | "entries" | "each_entry", []) => Some(Object::list(items)),
            ("first" | "min", []) if call.name == "first" => {
                Some(items.first().map_or(Object::Nil, |item| item.value.clone()))
            }
            ("first" | "take", [_]) => taken(&items, call),
            ("drop", [_]) => match call.only_whole().map(usize::try_from) {
                Some(Ok(count)) => Some(Object::list(items.into_iter().skip(count).collect())),
                _ => None,
            },
            ("length" | "size" | "count", []) => Some(whole(items.len())),
            ("empty?", []) => Some(Object::Flag(items.is_empty())),
            ("any?", []) => known_truths(&items).map(|truths| Object::Flag(truths.contains(&true))),
            ("none?", []) => known_truths(&items).map(|truths| Object::Flag(!truths.contains(&true))),
            ("all?", []) => known_truths(&items).map(|truths| Object::Flag(!truths.contains(&false))),
            ("include?" | "member?", [wanted]) => contains(&items, &wanted.value).map(Object::Flag),
            ("zip", [other]) => other.value.as_list().map(|other| {
                let at = |at: usize| other.get(at).cloned().unwrap_or(Item { value: Object::Nil, place });
                let pairs = items.iter().enumerate().map(|(number, item)| Item {
                    value: Object::list(vec![item.clone(), at(number)]),
                    place: item.place,
                });
                Object::list(pairs.collect())
            }),
            _ => None,
        })
    }

    /// Methods with a block that is called for each item.
    fn each(
        &mut self,
        receiver: &Object,
        items: Vec<Item>,
        call: &Call<'_>,
        block: &Object,
    ) -> Result<Option<Object>, Flow> {
        let place = self.place(call.node.expression());
        match (call.name, call.arguments) {
            (
                "each" | "each_pair" | "each_entry" | "reverse_each" | "each_with_index" | "each_with_object",
                _,
            ) => {
                let mut items = items;
                if call.name == "reverse_each" {
                    items.reverse();
                }
                let with = call.arguments.first().cloned();
                for (number, item) in items.into_iter().enumerate() {
                    let mut arguments = vec![item];
                    match call.name {
                        "each_with_index" => arguments.push(Item { value: whole(number), place }),
                        "each_with_object" => arguments.extend(with.clone()),
                        _ => {}
                    }
                    self.call_block(call.node, block, arguments)?;
                }
                Ok(Some(match (call.name, with) {
                    ("each_with_object", Some(with)) => with.value,
                    _ => receiver.clone(),
                }))
            }
            ("map" | "collect" | "flat_map" | "to_h" | "filter_map", []) => {
                let mut made = Vec::with_capacity(items.len());
                for item in items {
                    let value = self.call_block(call.node, block, vec![item])?;
                    made.push(Item { value, place });
                }
                let list = Object::list(made.clone());
                Ok(match call.name {
                    "to_h" => Self::table_of(&list),
                    "flat_map" => flattened_once(&made).map(Object::list),
                    "filter_map" => chosen(&made, &made, true),
                    _ => Some(list),
                })
            }
            (
                "select" | "filter" | "reject" | "any?" | "all?" | "none?" | "find" | "detect" | "count",
                [],
            ) => self.choose(receiver, &items, call, block),
            ("inject" | "reduce", [] | [_]) => {
                let mut items = items.into_iter();
                let first = call.arguments.first().cloned().or_else(|| items.next());
                let Some(mut sum) = first else { return Ok(Some(Object::Nil)) };
                for item in items {
                    sum = Item { value: self.call_block(call.node, block, vec![sum, item])?, place };
                }
                Ok(Some(sum.value))
            }
            _ => Ok(None),
        }
    }

    /// Methods with a block that says yes or no to each item.
    fn choose(
        &mut self,
        receiver: &Object,
        items: &[Item],
        call: &Call<'_>,
        block: &Object,
    ) -> Result<Option<Object>, Flow> {
        let mut answers = Vec::with_capacity(items.len());
        for item in items {
            let answer = self.call_block(call.node, block, vec![item.clone()])?;
            let truth = answer.truth();
            answers.push(Item { value: answer, place: item.place });
            let is_decided = match call.name {
                "any?" | "find" | "detect" | "none?" => truth == Some(true),
                "all?" => truth == Some(false),
                _ => false,
            };
            if is_decided {
                break;
            }
        }
        let Some(truths) = known_truths(&answers) else { return Ok(None) };
        let is_table = matches!(receiver, Object::Table(_));
        Ok(match call.name {
            "any?" => Some(Object::Flag(truths.contains(&true))),
            "none?" => Some(Object::Flag(!truths.contains(&true))),
            "all?" => Some(Object::Flag(!truths.contains(&false))),
            "count" => Some(whole(truths.iter().filter(|truth| **truth).count())),
            "find" | "detect" => {
                let found = truths.iter().position(|truth| *truth).and_then(|at| items.get(at));
                Some(found.map_or(Object::Nil, |item| item.value.clone()))
            }
            name => {
                let kept = chosen(items, &answers, name != "reject");
                if is_table { kept.and_then(|kept| Self::table_of(&kept)) } else { kept }
            }
        })
    }

    /// A hash of a list of pairs, or of a hash.
    pub(super) fn table_of(value: &Object) -> Option<Object> {
        if let Object::Table(table) = value {
            return Some(Object::table(table.borrow().clone()));
        }
        let mut table = Table::default();
        for pair in value.as_list()? {
            let [key, value] = <[Item; 2]>::try_from(pair.value.as_list()?).ok()?;
            table.set(Key::of(&key.value)?, value);
        }
        Some(Object::table(table))
    }
}

/// What a changing method makes of it, whose value is the list.
fn changed(own: &[Item], call: &Call<'_>) -> Option<Vec<Item>> {
    match (call.name, call.arguments) {
        ("<<", [_]) | ("push" | "append", _) => Some([own, call.arguments].concat()),
        ("unshift" | "prepend", _) => Some([call.arguments, own].concat()),
        ("concat", [other]) => Some([own.to_vec(), other.value.as_list()?].concat()),
        ("replace", [other]) => other.value.as_list(),
        ("clear", []) => Some(Vec::new()),
        _ => None,
    }
}

fn taken(items: &[Item], call: &Call<'_>) -> Option<Object> {
    let count = usize::try_from(call.only_whole()?).ok()?;
    Some(Object::list(items.iter().take(count).cloned().collect()))
}

fn known_truths(items: &[Item]) -> Option<Vec<bool>> {
    items.iter().map(|item| item.value.truth()).collect()
}

/// The items to which the answer is the wanted one.
fn chosen(items: &[Item], answers: &[Item], wanted: bool) -> Option<Object> {
    let truths = known_truths(answers)?;
    let chosen = items.iter().zip(truths).filter(|(_, truth)| *truth == wanted);
    Some(Object::list(chosen.map(|(item, _)| item.clone()).collect()))
}

fn contains(items: &[Item], wanted: &Object) -> Option<bool> {
    let mut answer = Some(false);
    for item in items {
        match item.value.equals(wanted) {
            Some(true) => return Some(true),
            Some(false) => {}
            None => answer = None,
        }
    }
    answer
}

fn without(items: &[Item], other: &Object) -> Option<Object> {
    let other = other.as_list()?;
    let mut left = Vec::new();
    for item in items {
        if !contains(&other, &item.value)? {
            left.push(item.clone());
        }
    }
    Some(Object::list(left))
}

fn unique(items: &[Item]) -> Option<Object> {
    let mut left: Vec<Item> = Vec::new();
    for item in items {
        if !contains(&left, &item.value)? {
            left.push(item.clone());
        }
    }
    Some(Object::list(left))
}

fn compact(items: &[Item]) -> Option<Object> {
    known_truths(items)?;
    let left = items.iter().filter(|item| !matches!(item.value, Object::Nil));
    Some(Object::list(left.cloned().collect()))
}

/// Texts in order.
fn sorted(items: Vec<Item>) -> Option<Object> {
    let texts: Option<Vec<String>> = items.iter().map(|item| item.value.as_text()).collect();
    let mut pairs: Vec<(String, Item)> = texts?.into_iter().zip(items).collect();
    pairs.sort_by(|one, other| one.0.cmp(&other.0));
    Some(Object::list(pairs.into_iter().map(|(_, item)| item).collect()))
}

fn joined(items: &[Item], by: &str, depth: usize) -> Option<Object> {
    let texts = texts(items, by, depth)?;
    Some(Object::text(texts))
}

fn texts(items: &[Item], by: &str, depth: usize) -> Option<String> {
    if depth > crate::node::DEEPEST {
        return None;
    }
    let mut all = Vec::with_capacity(items.len());
    for item in items {
        all.push(match &item.value {
            Object::List(_) => texts(&item.value.as_list()?, by, depth + 1)?,
            value => value.to_text()?,
        });
    }
    Some(all.join(by))
}

fn flattened(items: &[Item], depth: usize) -> Option<Vec<Item>> {
    if depth > crate::node::DEEPEST {
        return None;
    }
    let mut flat = Vec::new();
    for item in items {
        match &item.value {
            Object::Unknown(_) => return None,
            Object::List(_) => flat.extend(flattened(&item.value.as_list()?, depth + 1)?),
            _ => flat.push(item.clone()),
        }
    }
    Some(flat)
}

fn flattened_once(items: &[Item]) -> Option<Vec<Item>> {
    let mut flat = Vec::new();
    for item in items {
        match &item.value {
            Object::Unknown(_) => return None,
            Object::List(_) => flat.extend(item.value.as_list()?),
            _ => flat.push(item.clone()),
        }
    }
    Some(flat)
}
