//! Expressions.

use lib_ruby_parser::{Node, nodes};

use super::interpreter::{Evaluated, Flow, Interpreter, LONGEST_TEXT};
use super::object::{Item, Key, Object, Table, Unknown};
use crate::node::{Pattern, UnknownReason};

impl Interpreter<'_> {
    /// Evaluates an expression.
    pub(super) fn evaluate(&mut self, node: &Node) -> Evaluated {
        self.deeper(node, |own| match node {
            Node::Begin(nodes::Begin { statements, .. })
            | Node::KwBegin(nodes::KwBegin { statements, .. }) => own.statements(statements),
            Node::If(_)
            | Node::IfMod(_)
            | Node::IfTernary(_)
            | Node::Case(_)
            | Node::And(_)
            | Node::Or(_)
            | Node::Rescue(_)
            | Node::Ensure(_) => own.branch(node),
            Node::While(_) | Node::WhilePost(_) | Node::Until(_) | Node::UntilPost(_) | Node::For(_) => {
                own.repetition(node)
            }
            Node::Lvasgn(_)
            | Node::Gvasgn(_)
            | Node::Ivasgn(_)
            | Node::Cvasgn(_)
            | Node::Casgn(_)
            | Node::IndexAsgn(_)
            | Node::OpAsgn(_)
            | Node::OrAsgn(_)
            | Node::AndAsgn(_)
            | Node::Masgn(_) => own.assignment(node),
            Node::Send(_) | Node::CSend(_) | Node::Index(_) => own.call(node, None),
            Node::Block(_) | Node::Numblock(_) | Node::Yield(_) => own.call_with_block(node),
            Node::Def(method) => Ok(own.define(method)),
            Node::Next(nodes::Next { args, .. }) => {
                let value = own.only(args)?;
                Err(Flow::Next(value))
            }
            Node::Break(nodes::Break { args, .. }) => {
                let value = own.only(args)?;
                Err(Flow::Break(value))
            }
            Node::Return(nodes::Return { args, .. }) => {
                let value = own.only(args)?;
                Err(Flow::Return(value))
            }
            _ => own.literal(node),
        })
    }

    /// Evaluates what may not be there.
    pub(super) fn optional(&mut self, node: Option<&Node>) -> Evaluated {
        node.map_or(Ok(Object::Nil), |node| self.evaluate(node))
    }

    pub(super) fn statements(&mut self, statements: &[Node]) -> Evaluated {
        let mut last = Object::Nil;
        for statement in statements {
            last = self.evaluate(statement)?;
        }
        Ok(last)
    }

    /// The value of `next`, `break` and `return`.
    fn only(&mut self, arguments: &[Node]) -> Evaluated {
        match arguments {
            [] => Ok(Object::Nil),
            [one] => self.evaluate(one),
            several => Ok(Object::list(self.items(several)?)),
        }
    }

    /// Literals and variables.
    fn literal(&mut self, node: &Node) -> Evaluated {
        Ok(match node {
            Node::Nil(_) | Node::EmptyElse(_) => Object::Nil,
            Node::True(_) => Object::Flag(true),
            Node::False(_) => Object::Flag(false),
            Node::Self_(_) => Object::Package,
            Node::Int(nodes::Int { value, .. }) => {
                whole(value).map_or_else(|| self.calculated(node), Object::Whole)
            }
            Node::Float(nodes::Float { value, .. }) => {
                let number = value.replace('_', "").parse();
                number.map_or_else(|_| self.calculated(node), Object::Float)
            }
            Node::Str(nodes::Str { value, .. }) => {
                value.to_string().map_or_else(|_| self.calculated(node), Object::text)
            }
            Node::Sym(nodes::Sym { name, .. }) => {
                name.to_string().map_or_else(|_| self.calculated(node), |name| Object::Symbol(name.into()))
            }
            Node::Dstr(nodes::Dstr { parts, .. }) | Node::Heredoc(nodes::Heredoc { parts, .. }) => {
                self.interpolated(node, parts)?
            }
            Node::Dsym(nodes::Dsym { parts, .. }) => match self.interpolated(node, parts)? {
                Object::Text(text) => Object::Symbol(text.borrow().value.as_str().into()),
                other => other,
            },
            Node::Xstr(nodes::Xstr { parts, .. })
            | Node::XHeredoc(nodes::XHeredoc { parts, .. })
            | Node::Regexp(nodes::Regexp { parts, .. }) => {
                self.statements(parts)?;
                self.calculated(node)
            }
            Node::Array(nodes::Array { elements, .. }) => Object::list(self.items(elements)?),
            Node::Hash(nodes::Hash { pairs, .. }) | Node::Kwargs(nodes::Kwargs { pairs, .. }) => {
                self.pairs(pairs)?
            }
            Node::Irange(nodes::Irange { left, right, .. }) => {
                self.range(node, left.as_deref(), right.as_deref(), 0)?
            }
            Node::Erange(nodes::Erange { left, right, .. }) => {
                self.range(node, left.as_deref(), right.as_deref(), 1)?
            }
            _ => self.variable(node),
        })
    }

    fn variable(&mut self, node: &Node) -> Object {
        let global = |own: &mut Self, name: &str| own.globals.get(name).cloned();
        match node {
            Node::Lvar(nodes::Lvar { name, .. }) => self.scope.get(name).settled(),
            Node::Gvar(nodes::Gvar { name, .. }) => {
                // Those of Ruby itself are not known.
                global(self, name).unwrap_or_else(|| self.calculated(node)).settled()
            }
            Node::Ivar(nodes::Ivar { name, .. }) | Node::Cvar(nodes::Cvar { name, .. }) => {
                global(self, name).unwrap_or(Object::Nil).settled()
            }
            Node::Const(nodes::Const { scope, name, .. }) => match (scope.as_deref(), name.as_str()) {
                (None | Some(Node::Cbase(_)), "Gitlab") => Object::Package,
                (None, name) => global(self, name).unwrap_or_else(|| Object::Class(name.into())).settled(),
                (Some(_), _) => self.calculated(node),
            },
            Node::File(_)
            | Node::Line(_)
            | Node::Encoding(_)
            | Node::Rational(_)
            | Node::Complex(_)
            | Node::Defined(_)
            | Node::NthRef(_)
            | Node::BackRef(_) => self.calculated(node),
            // Classes, patterns and whatever else there is.
            _ => self.lose_everything(node),
        }
    }

    /// The text that an interpolation makes.
    fn interpolated(&mut self, node: &Node, parts: &[Node]) -> Evaluated {
        let mut begins = String::new();
        let mut ends = String::new();
        let mut unknown: Option<Unknown> = None;
        for part in parts {
            let value = self.evaluate(part)?;
            if let Some(text) = value.to_text() {
                let known = if unknown.is_some() { &mut ends } else { &mut begins };
                known.push_str(&text);
                self.work(1 + text.len() / 16)?;
                if begins.len() + ends.len() > LONGEST_TEXT {
                    return Ok(self.calculated(node));
                }
                continue;
            }
            ends.clear();
            let place = self.place(node.expression());
            let reason = match value {
                Object::Unknown(unknown) => unknown.reason,
                _ => UnknownReason::Calculated,
            };
            unknown.get_or_insert_with(|| Unknown::new(reason, place));
        }
        Ok(match unknown {
            None => Object::text(begins),
            Some(unknown) => {
                let known = Some(std::rc::Rc::new(Pattern { begins, ends }));
                Object::Unknown(Unknown { known, ..unknown })
            }
        })
    }

    /// The elements of a list, or the arguments of a call.
    pub(super) fn items(&mut self, elements: &[Node]) -> Result<Vec<Item>, Flow> {
        let mut items = Vec::with_capacity(elements.len());
        for element in elements {
            let place = self.place(element.expression());
            let Node::Splat(nodes::Splat { value, .. }) = element else {
                items.push(Item { value: self.evaluate(element)?, place });
                continue;
            };
            let value = self.optional(value.as_deref())?;
            match value.as_list() {
                Some(more) => items.extend(more),
                None => items.push(Item { value, place }),
            }
            self.work(items.len())?;
        }
        Ok(items)
    }

    /// A hash.
    fn pairs(&mut self, pairs: &[Node]) -> Evaluated {
        let mut table = Table::default();
        for pair in pairs {
            self.work(table.entries.len() / 16)?;
            let place = self.place(pair.expression());
            match pair {
                Node::Pair(nodes::Pair { key, value, .. }) => {
                    let key = self.evaluate(key)?;
                    let place = self.place(value.expression());
                    let value = self.evaluate(value)?.settled();
                    if let Some(key) = Key::of(&key) {
                        table.set(key, Item { value, place });
                    } else {
                        let unknown = Unknown::new(UnknownReason::Calculated, place);
                        table.doubt(&key_pattern(&key), &unknown);
                    }
                }
                Node::Kwsplat(nodes::Kwsplat { value, .. }) => match self.evaluate(value)? {
                    Object::Table(more) => {
                        let more = more.borrow().clone();
                        table.merge(more);
                    }
                    Object::Nil => {}
                    _ => table.doubt(&Pattern::any(), &Unknown::new(UnknownReason::Calculated, place)),
                },
                _ => table.doubt(&Pattern::any(), &Unknown::new(UnknownReason::Calculated, place)),
            }
        }
        Ok(Object::table(table))
    }

    fn range(&mut self, node: &Node, left: Option<&Node>, right: Option<&Node>, less: i64) -> Evaluated {
        let (left, right) = (self.optional(left)?, self.optional(right)?);
        Ok(match (left, right) {
            (Object::Whole(left), Object::Whole(right)) => Object::Range(left, right.saturating_sub(less)),
            _ => self.calculated(node),
        })
    }
}

/// The keys that a value may be that is no known one.
pub(super) fn key_pattern(key: &Object) -> Pattern {
    match key {
        Object::Unknown(unknown) => unknown.pattern(),
        _ => Pattern::any(),
    }
}

/// The value of a literal.
fn whole(literal: &str) -> Option<i64> {
    let literal = literal.replace('_', "").to_ascii_lowercase();
    let (is_negative, digits) = match literal.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, literal.strip_prefix('+').unwrap_or(&literal)),
    };
    let (digits, radix) = match digits.as_bytes() {
        [b'0', b'x', ..] => (digits.get(2..)?, 16),
        [b'0', b'b', ..] => (digits.get(2..)?, 2),
        [b'0', b'o', ..] => (digits.get(2..)?, 8),
        [b'0', b'd', ..] => (digits.get(2..)?, 10),
        [b'0', _, ..] => (digits.get(1..)?, 8),
        _ => (digits, 10),
    };
    let value = i64::from_str_radix(digits, radix).ok()?;
    Some(if is_negative { -value } else { value })
}
