//! Assignments.

use lib_ruby_parser::{Node, nodes};

use super::evaluate::key_pattern;
use super::interpreter::{Evaluated, Flow, Interpreter};
use super::object::{Item, Key, Kind, Object, Table, Unknown};
use crate::node::{Pattern, Place, UnknownReason};

/// What is assigned to, with all that leads there evaluated.
enum Target<'n> {
    Local(&'n str),
    Global(&'n str),
    /// What a list or a hash has there.
    Element(Object, Vec<Item>),
    /// A setting of the package, as `external_url = …` with `self.` before it.
    Setting(&'n str),
    /// Anything else.
    Other,
}

impl Interpreter<'_> {
    /// `a = b`, `a ||= b`, `a, b = c` and the like; the value is that of the expression.
    pub(super) fn assignment(&mut self, node: &Node) -> Evaluated {
        match node {
            Node::Masgn(nodes::Masgn { lhs, rhs, .. }) => {
                let value = self.evaluate(rhs)?;
                self.assign_to(lhs, value.clone())?;
                Ok(value)
            }
            Node::OpAsgn(nodes::OpAsgn { recv, operator, value, .. }) => {
                let target = self.target(recv)?;
                let before = self.read(node, &target)?;
                let place = self.place(value.expression());
                let argument = Item { value: self.evaluate(value)?, place };
                let operator = operator.trim_end_matches('=');
                let value = self.call_method(node, before, operator, &[argument], None)?;
                self.write(node, &target, value.clone(), place)?;
                Ok(value)
            }
            Node::OrAsgn(nodes::OrAsgn { recv, value, .. }) => self.assign_unless(node, recv, value, true),
            Node::AndAsgn(nodes::AndAsgn { recv, value, .. }) => self.assign_unless(node, recv, value, false),
            _ => {
                let Some(assigned) = assigned(node) else { return Ok(self.lose_everything(node)) };
                let target = self.target(node)?;
                let value = self.evaluate(assigned)?;
                let place = self.place(assigned.expression());
                self.write(node, &target, value.clone(), place)?;
                Ok(value)
            }
        }
    }

    /// `a ||= b` and `a &&= b`.
    fn assign_unless(&mut self, node: &Node, target: &Node, value: &Node, decisive: bool) -> Evaluated {
        let place = self.place(value.expression());
        let target = self.target(target)?;
        let before = match &target {
            // A constant that was not assigned to is none of Ruby's classes here.
            Target::Global(name) if !self.globals.contains_key(*name) => Object::Nil,
            target => self.read(node, target)?,
        };
        match before.truth() {
            Some(truth) if truth == decisive => Ok(before),
            Some(_) => {
                let value = self.evaluate(value)?;
                self.write(node, &target, value.clone(), place)?;
                Ok(value)
            }
            None => self.in_doubt(node, |own| {
                let value = own.evaluate(value)?;
                own.write(node, &target, value, place)?;
                Ok(own.calculated(node))
            }),
        }
    }

    /// Assigns to one or several variables.
    pub(super) fn assign_to(&mut self, target: &Node, value: Object) -> Result<(), Flow> {
        match target {
            Node::Mlhs(nodes::Mlhs { items, .. }) => self.destructure(items, &value),
            Node::Splat(nodes::Splat { value: Some(target), .. }) => self.assign_to(target, value),
            Node::Splat(_) => Ok(()),
            _ => {
                let place = self.place(target.expression());
                let assigned = self.target(target)?;
                self.write(target, &assigned, value, place)
            }
        }
    }

    fn destructure(&mut self, targets: &[Node], value: &Object) -> Result<(), Flow> {
        let Some(parts) = spread(targets.len(), splat_at(targets), value) else {
            for target in targets {
                let part = self.calculated(target);
                self.assign_to(target, part)?;
            }
            return Ok(());
        };
        targets.iter().zip(parts).try_for_each(|(target, part)| self.assign_to(target, part))
    }

    fn target<'n>(&mut self, node: &'n Node) -> Result<Target<'n>, Flow> {
        Ok(match node {
            Node::Lvasgn(nodes::Lvasgn { name, .. }) | Node::Lvar(nodes::Lvar { name, .. }) => {
                Target::Local(name)
            }
            Node::Gvasgn(nodes::Gvasgn { name, .. })
            | Node::Gvar(nodes::Gvar { name, .. })
            | Node::Ivasgn(nodes::Ivasgn { name, .. })
            | Node::Ivar(nodes::Ivar { name, .. })
            | Node::Cvasgn(nodes::Cvasgn { name, .. })
            | Node::Casgn(nodes::Casgn { name, scope: None, .. })
            | Node::Const(nodes::Const { name, scope: None, .. }) => Target::Global(name),
            Node::IndexAsgn(nodes::IndexAsgn { recv, indexes, .. })
            | Node::Index(nodes::Index { recv, indexes, .. }) => {
                let of = self.evaluate(recv)?;
                Target::Element(of, self.items(indexes)?)
            }
            Node::Send(nodes::Send { recv: Some(recv), method_name, .. }) => match self.evaluate(recv)? {
                Object::Package => Target::Setting(method_name.trim_end_matches('=')),
                _ => Target::Other,
            },
            _ => Target::Other,
        })
    }

    fn read(&mut self, node: &Node, target: &Target<'_>) -> Evaluated {
        Ok(match target {
            Target::Local(name) => self.scope.get(name).settled(),
            Target::Global(name) => {
                self.globals.get(*name).cloned().unwrap_or_else(|| self.calculated(node)).settled()
            }
            Target::Element(of, keys) => self.element(node, of, keys)?,
            Target::Setting(name) => {
                let place = self.place(node.expression());
                self.root(name, place)
            }
            Target::Other => self.calculated(node),
        })
    }

    fn write(&mut self, node: &Node, target: &Target<'_>, value: Object, place: Place) -> Result<(), Flow> {
        let assigned = self.assigned(value);
        match target {
            Target::Local(name) => self.scope.set(name, assigned),
            Target::Global(name) => {
                self.globals.insert((*name).to_owned(), assigned);
            }
            Target::Element(of, keys) => self.set_element(of, keys, assigned, place)?,
            Target::Setting(name) => self.set_root(name, assigned, place),
            Target::Other => {
                self.lose_everything(node);
            }
        }
        Ok(())
    }

    /// Sets a whole part of the settings.
    pub(super) fn set_root(&mut self, name: &str, value: Object, place: Place) {
        self.settings.borrow_mut().set(Key::Text(name.to_owned()), Item { value, place });
    }

    /// `of[key]`.
    pub(super) fn element(&mut self, node: &Node, of: &Object, keys: &[Item]) -> Evaluated {
        let [key] = keys else { return Ok(self.calculated(node)) };
        self.work(1)?;
        let place = self.place(node.expression());
        let known = Key::of(&key.value);
        Ok(match (of, known) {
            (Object::Package, Some(key)) => self.root(&key.name(), place),
            (Object::Table(table), Some(key)) => {
                let key = table.borrow().key(key);
                let found = table.borrow().get(&key);
                let kind = table.borrow().kind;
                self.work(table.borrow().entries.len() / 16)?;
                match (found, kind) {
                    (Some(value), _) => value.settled(),
                    (None, Kind::Plain) => Object::Nil,
                    // The package makes an empty hash of what is only read.
                    (None, Kind::Package) => {
                        let value = Object::table(Table::package());
                        let item = Item { value: value.clone(), place };
                        table.borrow_mut().set(key, item);
                        value
                    }
                }
            }
            (Object::Table(_) | Object::Package, None) => {
                Object::Unknown(Unknown::new(UnknownReason::Calculated, place).aliasing(true))
            }
            (Object::List(_), Some(Key::Whole(at))) => match of.as_list() {
                Some(items) => position(at, items.len())
                    .and_then(|at| items.get(at))
                    .map_or(Object::Nil, |item| item.value.clone().settled()),
                None => self.calculated(node),
            },
            (Object::Unknown(unknown), _) => Object::Unknown(Unknown { known: None, ..unknown.clone() }),
            _ => self.calculated(node),
        })
    }

    /// `of[key] = value`.
    pub(super) fn set_element(
        &mut self,
        of: &Object,
        keys: &[Item],
        value: Object,
        place: Place,
    ) -> Result<(), Flow> {
        self.work(1)?;
        let key = match keys {
            [key] => &key.value,
            _ => &Object::Package,
        };
        let unknown = Unknown::new(UnknownReason::Calculated, place);
        match (of, Key::of(key)) {
            (Object::Package, Some(key)) => self.set_root(&key.name(), value, place),
            (Object::Table(table), Some(key)) => {
                let kind = table.borrow().kind;
                let value = if kind == Kind::Package { self.packaged(value, 0)? } else { value };
                let key = table.borrow().key(key);
                self.work(table.borrow().entries.len() / 16)?;
                table.borrow_mut().set(key, Item { value, place });
            }
            (Object::Table(table), None) => table.borrow_mut().doubt(&key_pattern(key), &unknown),
            (Object::List(list), Some(Key::Whole(at))) => {
                let length = list.borrow().value.len();
                let is_in_doubt = list.borrow().doubt.is_some();
                match position(at, length) {
                    Some(at) if !is_in_doubt => {
                        if let Some(item) = list.borrow_mut().value.get_mut(at) {
                            *item = Item { value, place };
                        }
                    }
                    _ => list.borrow_mut().doubt = Some(unknown),
                }
            }
            (Object::List(_) | Object::Text(_), _) => self.doubt_value(of, &unknown),
            (Object::Package, None) => {
                self.doubt_everywhere(&Pattern::any(), &unknown);
            }
            (Object::Unknown(of), _) if of.may_alias => {
                self.doubt_everywhere(&key_pattern_of(key), &unknown);
            }
            _ => {}
        }
        Ok(())
    }

    /// A value as the package's hashes keep it: hashes become hashes of the package's.
    pub(super) fn packaged(&mut self, value: Object, depth: usize) -> Evaluated {
        self.work(1)?;
        if depth > crate::node::DEEPEST {
            return Ok(Object::Unknown(Unknown::new(
                UnknownReason::Calculated,
                Place { file: self.file, line: 1 },
            )));
        }
        Ok(match &value {
            Object::Table(table) if table.borrow().kind == Kind::Plain => {
                let plain = table.borrow().clone();
                let mut packaged = Table::package();
                for (pattern, unknown) in &plain.doubts {
                    packaged.doubt(pattern, unknown);
                }
                for (key, item) in plain.entries {
                    let key = packaged.key(key);
                    let value = self.packaged(item.value, depth + 1)?;
                    packaged.set(key, Item { value, place: item.place });
                }
                Object::table(packaged)
            }
            Object::List(_) => match value.as_list() {
                Some(items) => {
                    let mut packaged = Vec::with_capacity(items.len());
                    for item in items {
                        let value = self.packaged(item.value, depth + 1)?;
                        packaged.push(Item { value, place: item.place });
                    }
                    Object::list(packaged)
                }
                None => value.settled(),
            },
            _ => value,
        })
    }
}

/// The keys that a value may be.
fn key_pattern_of(key: &Object) -> Pattern {
    match Key::of(key) {
        Some(key) => Pattern { begins: key.name(), ends: String::new() },
        None => key_pattern(key),
    }
}

/// What is assigned.
fn assigned(node: &Node) -> Option<&Node> {
    match node {
        Node::Lvasgn(nodes::Lvasgn { value, .. })
        | Node::Gvasgn(nodes::Gvasgn { value, .. })
        | Node::Ivasgn(nodes::Ivasgn { value, .. })
        | Node::Cvasgn(nodes::Cvasgn { value, .. })
        | Node::Casgn(nodes::Casgn { value, .. })
        | Node::IndexAsgn(nodes::IndexAsgn { value, .. }) => value.as_deref(),
        _ => None,
    }
}

/// The position in a list, which counts from the end if it is negative.
fn position(at: i64, length: usize) -> Option<usize> {
    if at >= 0 {
        return usize::try_from(at).ok();
    }
    length.checked_sub(usize::try_from(at.unsigned_abs()).ok()?)
}

/// Which of several targets takes all that is left.
fn splat_at(targets: &[Node]) -> Option<usize> {
    targets.iter().position(|target| matches!(target, Node::Splat(_) | Node::Restarg(_)))
}

/// The parts of a value for as many targets; `None` if it is not known what they are.
pub(super) fn spread(targets: usize, splat: Option<usize>, value: &Object) -> Option<Vec<Object>> {
    let values: Vec<Object> = match value {
        Object::Unknown(_) => return None,
        Object::List(_) => value.as_list()?.into_iter().map(|item| item.value).collect(),
        single => vec![single.clone()],
    };
    let at = |at: usize| values.get(at).cloned().unwrap_or(Object::Nil);
    let Some(splat) = splat else { return Some((0..targets).map(at).collect()) };
    let after = targets - splat - 1;
    let end = values.len().saturating_sub(after).max(splat);
    let rest = values.get(splat..end).unwrap_or_default();
    let place = Place { file: 0, line: 1 };
    let rest = rest.iter().map(|value| Item { value: value.clone(), place }).collect();
    let mut parts: Vec<Object> = (0..splat).map(at).collect();
    parts.push(Object::list(rest));
    parts.extend((end..end + after).map(at));
    Some(parts)
}
