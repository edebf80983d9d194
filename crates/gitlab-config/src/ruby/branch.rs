//! Conditions and repetitions: what is executed for certain, and what perhaps.

use lib_ruby_parser::{Node, nodes};

use super::interpreter::{Evaluated, Flow, Interpreter};
use super::object::{Object, Unknown};
use crate::node::UnknownReason;

impl Interpreter<'_> {
    /// Conditions, and what else has parts that may not be executed.
    pub(super) fn branch(&mut self, node: &Node) -> Evaluated {
        match node {
            Node::If(nodes::If { cond, if_true, if_false, .. })
            | Node::IfMod(nodes::IfMod { cond, if_true, if_false, .. }) => {
                self.either(cond, if_true.as_deref(), if_false.as_deref())
            }
            Node::IfTernary(nodes::IfTernary { cond, if_true, if_false, .. }) => {
                self.either(cond, Some(if_true), Some(if_false))
            }
            Node::And(nodes::And { lhs, rhs, .. }) => self.logical(lhs, rhs, false),
            Node::Or(nodes::Or { lhs, rhs, .. }) => self.logical(lhs, rhs, true),
            Node::Case(case) => self.case(node, case),
            Node::Rescue(nodes::Rescue { body, rescue_bodies, else_, .. }) => {
                // Any part of it may raise an error.
                self.perhaps(node, body.as_deref())?;
                for rescue in rescue_bodies {
                    if let Node::RescueBody(nodes::RescueBody { exc_var, body, .. }) = rescue {
                        if let Some(variable) = exc_var {
                            let error = self.calculated(rescue);
                            self.in_doubt(rescue, |own| {
                                own.assign_to(variable, error).map(|()| Object::Nil)
                            })?;
                        }
                        self.perhaps(rescue, body.as_deref())?;
                    }
                }
                self.perhaps(node, else_.as_deref())?;
                Ok(self.conditional(node))
            }
            Node::Ensure(nodes::Ensure { body, ensure, .. }) => {
                let value = self.optional(body.as_deref());
                self.optional(ensure.as_deref())?;
                value
            }
            _ => Ok(self.lose_everything(node)),
        }
    }

    /// A value that depends on a condition.
    fn conditional(&self, node: &Node) -> Object {
        let place = self.place(node.expression());
        Object::Unknown(Unknown::new(UnknownReason::Conditional, place).aliasing(true))
    }

    /// Evaluates what may not be executed.
    fn perhaps(&mut self, node: &Node, part: Option<&Node>) -> Evaluated {
        self.in_doubt(node, |own| own.optional(part))
    }

    /// One of two, by a condition.
    fn either(&mut self, condition: &Node, yes: Option<&Node>, no: Option<&Node>) -> Evaluated {
        match self.evaluate(condition)?.truth() {
            Some(true) => self.optional(yes),
            Some(false) => self.optional(no),
            None => {
                let yes = self.perhaps(condition, yes)?;
                let no = self.perhaps(condition, no)?;
                Ok(self.one_of(condition, &yes, &no))
            }
        }
    }

    /// A value that is one of two.
    fn one_of(&self, node: &Node, one: &Object, other: &Object) -> Object {
        if one.equals(other) == Some(true) && one.is_immutable_scalar() {
            return one.clone();
        }
        let may_alias = [one, other].into_iter().any(|value| value.is_mutable() && value.as_text().is_none());
        let place = self.place(node.expression());
        Object::Unknown(Unknown::new(UnknownReason::Conditional, place).aliasing(may_alias))
    }

    fn logical(&mut self, left: &Node, right: &Node, decisive: bool) -> Evaluated {
        let value = self.evaluate(left)?;
        match value.truth() {
            Some(truth) if truth == decisive => Ok(value),
            Some(_) => self.evaluate(right),
            None => {
                let other = self.perhaps(right, Some(right))?;
                Ok(self.one_of(left, &value, &other))
            }
        }
    }

    fn case(&mut self, node: &Node, case: &nodes::Case) -> Evaluated {
        let subject = match &case.expr {
            Some(subject) => Some(self.evaluate(subject)?),
            None => None,
        };
        let mut is_certain = true;
        for when in &case.when_bodies {
            let Node::When(nodes::When { patterns, body, .. }) = when else { continue };
            match self.is_case(subject.as_ref(), patterns)? {
                Some(false) => {}
                Some(true) if is_certain => return self.optional(body.as_deref()),
                _ => {
                    is_certain = false;
                    self.perhaps(when, body.as_deref())?;
                }
            }
        }
        if is_certain {
            return self.optional(case.else_body.as_deref());
        }
        self.perhaps(node, case.else_body.as_deref())?;
        Ok(self.conditional(node))
    }

    /// Whether one of the patterns of a `when` is met.
    fn is_case(&mut self, subject: Option<&Object>, patterns: &[Node]) -> Result<Option<bool>, Flow> {
        let mut met = Some(false);
        for item in self.items(patterns)? {
            let is_met = match subject {
                None => item.value.truth(),
                Some(subject) => item.value.is_case_of(subject),
            };
            match is_met {
                Some(true) if met == Some(false) => return Ok(Some(true)),
                Some(false) => {}
                _ => met = None,
            }
        }
        Ok(met)
    }

    /// Loops. How often one is executed is known only of those over a list.
    pub(super) fn repetition(&mut self, node: &Node) -> Evaluated {
        match node {
            Node::For(nodes::For { iterator, iteratee, body, .. }) => {
                let list = self.evaluate(iteratee)?;
                let Some(items) = list.each() else {
                    let item = self.calculated(node);
                    return self.several_times(node, |own| {
                        own.assign_to(iterator, item.clone())?;
                        own.optional(body.as_deref())
                    });
                };
                self.left_by(|own| {
                    for item in items {
                        own.assign_to(iterator, item.value)?;
                        match own.optional(body.as_deref()) {
                            Err(Flow::Next(_)) | Ok(_) => {}
                            Err(Flow::Break(value)) => return Ok(value),
                            Err(other) => return Err(other),
                        }
                    }
                    Ok(list.clone())
                })
            }
            Node::While(nodes::While { cond, body, .. }) => {
                self.loop_while(node, cond, body.as_deref(), true)
            }
            Node::Until(nodes::Until { cond, body, .. }) => {
                self.loop_while(node, cond, body.as_deref(), false)
            }
            Node::WhilePost(nodes::WhilePost { cond, body, .. })
            | Node::UntilPost(nodes::UntilPost { cond, body, .. }) => self.several_times(node, |own| {
                own.evaluate(body)?;
                own.evaluate(cond)
            }),
            _ => Ok(self.lose_everything(node)),
        }
    }

    fn loop_while(&mut self, node: &Node, condition: &Node, body: Option<&Node>, wanted: bool) -> Evaluated {
        self.left_by(|own| {
            loop {
                match own.evaluate(condition)?.truth() {
                    Some(truth) if truth == wanted && !own.may_have_left => {}
                    Some(truth) if truth != wanted => return Ok(Object::Nil),
                    _ => {
                        return own.several_times(node, |own| {
                            own.optional(body)?;
                            own.evaluate(condition)
                        });
                    }
                }
                match own.optional(body) {
                    Err(Flow::Next(_)) | Ok(_) => {}
                    Err(Flow::Break(value)) => return Ok(value),
                    Err(other) => return Err(other),
                }
            }
        })
    }

    /// Evaluates what is executed any number of times. The second time shows what the first has done to variables.
    pub(super) fn several_times(
        &mut self,
        node: &Node,
        mut evaluate: impl FnMut(&mut Self) -> Evaluated,
    ) -> Evaluated {
        self.left_by(|own| {
            for _ in 0..2 {
                own.in_doubt(node, &mut evaluate)?;
            }
            Ok(())
        })?;
        Ok(self.conditional(node))
    }
}
