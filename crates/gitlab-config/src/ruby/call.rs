//! Calls: of the package's settings, of methods of the file, and of blocks.

use std::rc::Rc;

use lib_ruby_parser::{Node, nodes};

use super::assign::spread;
use super::interpreter::{Evaluated, Flow, Interpreter};
use super::object::{Item, Object, Proc, Scope, Unknown};
use crate::node::UnknownReason;

/// Functions that change no setting.
const HARMLESS: [&str; 14] = [
    "puts", "print", "p", "pp", "warn", "printf", "sleep", "srand", "system", "spawn", "putc", "trap",
    "at_exit", "require",
];

/// Functions of Ruby that have a value, and change no setting.
const VALUES: [&str; 16] = [
    "format",
    "sprintf",
    "rand",
    "gets",
    "Integer",
    "Float",
    "String",
    "Array",
    "Hash",
    "Rational",
    "caller",
    "block_given?",
    "node",
    "open",
    "__method__",
    "__dir__",
];

/// Functions after which any setting may be another.
const EXECUTING: [&str; 19] = [
    "eval",
    "instance_eval",
    "instance_exec",
    "class_eval",
    "module_eval",
    "load",
    "require_relative",
    "send",
    "__send__",
    "public_send",
    "binding",
    "method",
    "define_method",
    "define_singleton_method",
    "instance_variable_set",
    "extend",
    "include",
    "catch",
    "Dir",
];

impl Interpreter<'_> {
    /// A call without a block of its own.
    pub(super) fn call(&mut self, node: &Node, block: Option<Object>) -> Evaluated {
        match node {
            Node::Index(nodes::Index { recv, indexes, .. }) => {
                let of = self.evaluate(recv)?;
                let keys = self.items(indexes)?;
                match of {
                    Object::Proc(_) => self.call_block(node, &of, keys),
                    Object::Table(_) | Object::List(_) | Object::Package | Object::Unknown(_) => {
                        self.element(node, &of, &keys)
                    }
                    of => self.call_method(node, of, "[]", &keys, block.as_ref()),
                }
            }
            Node::Send(nodes::Send { recv, method_name, args, .. }) => {
                let receiver = match recv {
                    Some(receiver) => Some(self.evaluate(receiver)?),
                    None => None,
                };
                let (arguments, passed) = self.arguments(args)?;
                let block = block.or(passed);
                match receiver {
                    None | Some(Object::Package) => self.call_function(node, method_name, arguments, block),
                    Some(receiver) => {
                        self.call_method(node, receiver, method_name, &arguments, block.as_ref())
                    }
                }
            }
            Node::CSend(nodes::CSend { recv, method_name, args, .. }) => match self.evaluate(recv)? {
                Object::Nil => Ok(Object::Nil),
                Object::Unknown(unknown) => self.in_doubt(node, |own| {
                    let (arguments, passed) = own.arguments(args)?;
                    own.call_method(
                        node,
                        Object::Unknown(unknown),
                        method_name,
                        &arguments,
                        block.or(passed).as_ref(),
                    )
                }),
                receiver => {
                    let (arguments, passed) = self.arguments(args)?;
                    self.call_method(node, receiver, method_name, &arguments, block.or(passed).as_ref())
                }
            },
            _ => Ok(self.lose_everything(node)),
        }
    }

    /// A call with a block, a lambda, or the call of the block of a method.
    pub(super) fn call_with_block(&mut self, node: &Node) -> Evaluated {
        let (call, parameters, body, numbered) = match node {
            Node::Block(nodes::Block { call, args, body, .. }) => (call, args.as_deref(), body.as_deref(), 0),
            Node::Numblock(nodes::Numblock { call, numargs, body, .. }) => {
                (call, None, Some(body.as_ref()), *numargs)
            }
            Node::Yield(nodes::Yield { args, .. }) => {
                let arguments = self.items(args)?;
                return match self.block.clone() {
                    Some(block) => self.call_block(node, &block, arguments),
                    None => Ok(self.lose_everything(node)),
                };
            }
            _ => return Ok(self.lose_everything(node)),
        };
        let block = Object::Proc(Rc::new(Proc {
            parameters: parameters.cloned(),
            body: body.cloned(),
            numbered,
            scope: self.scope.clone(),
            file: self.file,
        }));
        match call.as_ref() {
            Node::Lambda(_) => Ok(block),
            Node::Send(nodes::Send { recv: None, method_name, .. })
                if ["lambda", "proc"].contains(&method_name.as_str()) =>
            {
                Ok(block)
            }
            call => match self.call(call, Some(block)) {
                Err(Flow::Break(value)) => Ok(value),
                other => other,
            },
        }
    }

    /// Arguments, and the block among them (`&block`, `&:name`).
    fn arguments(&mut self, nodes: &[Node]) -> Result<(Vec<Item>, Option<Object>), Flow> {
        let Some((Node::BlockPass(nodes::BlockPass { value, .. }), before)) = nodes.split_last() else {
            return Ok((self.items(nodes)?, None));
        };
        let arguments = self.items(before)?;
        let block = match value {
            Some(value) => self.evaluate(value)?,
            None => self.block.clone().unwrap_or(Object::Nil),
        };
        Ok((arguments, Some(block)))
    }

    /// A call without a receiver: a method of the file, of Ruby, or a part of the package's settings.
    fn call_function(
        &mut self,
        node: &Node,
        name: &str,
        arguments: Vec<Item>,
        block: Option<Object>,
    ) -> Evaluated {
        if let Some((file, method)) = self.methods.get(name).cloned() {
            return self.call_own(node, file, &method, arguments, block);
        }
        let place = self.place(node.expression());
        match (name, arguments.as_slice()) {
            ("from_file", [path]) => match path.value.as_text() {
                Some(path) => self.load_file(node, &path),
                None => Ok(self.lose_everything(node)),
            },
            ("raise" | "fail" | "exit" | "exit!" | "abort" | "throw", _) => Err(Flow::Refused(place)),
            ("loop", _) => match block {
                Some(block) => self.several_times(node, |own| own.call_block(node, &block, Vec::new())),
                None => Ok(self.calculated(node)),
            },
            ("!", _) => Ok(self.calculated(node)),
            (name, _) if EXECUTING.contains(&name) => Ok(self.lose_everything(node)),
            (name, _) if HARMLESS.contains(&name) => {
                self.perhaps_call(node, block.as_ref())?;
                Ok(Object::Nil)
            }
            (name, _) if VALUES.contains(&name) => {
                self.perhaps_call(node, block.as_ref())?;
                Ok(self.calculated(node))
            }
            ("[]", [_]) => self.element(node, &Object::Package, &arguments),
            ("itself", []) => Ok(Object::Package),
            (name, []) if block.is_none() && is_setting(name) => Ok(self.root(name, place)),
            (name, [value]) if block.is_none() && is_setting(name.trim_end_matches('=')) => {
                let assigned = self.assigned(value.value.clone());
                self.set_root(name.trim_end_matches('='), assigned, value.place);
                Ok(value.value.clone())
            }
            (name, [_, _, ..]) if block.is_none() && is_setting(name) => {
                let value = Object::list(arguments);
                let assigned = self.assigned(value.clone());
                self.set_root(name, assigned, place);
                Ok(value)
            }
            _ => Ok(self.lose_everything(node)),
        }
    }

    /// Executes a block that may be called any number of times, with anything.
    pub(super) fn perhaps_call(&mut self, node: &Node, block: Option<&Object>) -> Result<(), Flow> {
        let Some(block) = block else { return Ok(()) };
        let unknown = self.calculated(node);
        let place = self.place(node.expression());
        self.several_times(node, |own| {
            let arguments = (0..4).map(|_| Item { value: unknown.clone(), place }).collect();
            own.call_block(node, block, arguments)
        })?;
        Ok(())
    }

    /// Keeps a method of the file.
    pub(super) fn define(&mut self, method: &nodes::Def) -> Object {
        self.methods.insert(method.name.clone(), (self.file, Rc::new(method.clone())));
        Object::Symbol(method.name.as_str().into())
    }

    /// Calls a method of the file.
    fn call_own(
        &mut self,
        node: &Node,
        file: usize,
        method: &nodes::Def,
        arguments: Vec<Item>,
        block: Option<Object>,
    ) -> Evaluated {
        let around = (self.scope.clone(), self.block.clone(), self.file);
        let (outside, outer_block, outer_file) = around;
        self.scope = Scope::default();
        self.block = block;
        let value = self.left_by(|own| {
            let place = own.place(node.expression());
            own.file = file;
            let values = Object::list(arguments);
            own.bind(method.args.as_ref().map_or(&[][..], |args| parameters(args)), &values)?;
            match own.optional(method.body.as_deref()) {
                Err(Flow::Return(value)) => Ok(value),
                // What it returns depends on what is not known.
                Ok(_) if own.may_have_left => {
                    Ok(Object::Unknown(Unknown::new(UnknownReason::Conditional, place).aliasing(true)))
                }
                other => other,
            }
        });
        (self.scope, self.block, self.file) = (outside, outer_block, outer_file);
        value
    }

    /// Calls a block, which may also be a method's name (`&:upcase`).
    pub(super) fn call_block(&mut self, node: &Node, block: &Object, arguments: Vec<Item>) -> Evaluated {
        self.deeper(node, |own| match block {
            Object::Proc(block) => {
                let (outside, file) = (own.scope.clone(), own.file);
                own.scope = block.scope.inside();
                own.file = block.file;
                let value = own.left_by(|own| own.in_block(block, arguments));
                (own.scope, own.file) = (outside, file);
                value
            }
            Object::Symbol(name) => {
                let mut arguments = arguments.into_iter();
                let receiver = arguments.next().map_or(Object::Nil, |item| item.value);
                let arguments: Vec<Item> = arguments.collect();
                own.call_method(node, receiver, name, &arguments, None)
            }
            Object::Nil => Ok(Object::Nil),
            _ => Ok(own.lose_everything(node)),
        })
    }

    fn in_block(&mut self, block: &Proc, arguments: Vec<Item>) -> Evaluated {
        let named = block.parameters.as_ref().map_or(&[][..], |args| parameters(args));
        // One list for several parameters is taken apart.
        let count = named.len().max(block.numbered.into());
        let is_spread = count > 1 || matches!(named, [Node::Mlhs(_)]);
        let values = match arguments.as_slice() {
            [one] if is_spread && !matches!(named, [Node::Mlhs(_)]) => one.value.clone(),
            _ => Object::list(arguments),
        };
        if block.numbered > 0 {
            let parts = spread(count, None, &values);
            for at in 0..count {
                let part = parts.as_ref().and_then(|parts| parts.get(at).cloned());
                let part = part.unwrap_or_else(|| match &values {
                    Object::Unknown(unknown) => Object::Unknown(unknown.clone()),
                    _ => Object::Nil,
                });
                self.scope.define(&format!("_{}", at + 1), part);
            }
        } else {
            self.bind(named, &values)?;
        }
        match self.optional_in(block) {
            Err(Flow::Next(value)) => Ok(value),
            other => other,
        }
    }

    fn optional_in(&mut self, block: &Proc) -> Evaluated {
        self.optional(block.body.as_ref())
    }

    /// Gives parameters their values.
    fn bind(&mut self, parameters: &[Node], values: &Object) -> Result<(), Flow> {
        let splat = parameters.iter().position(|parameter| matches!(parameter, Node::Restarg(_)));
        let given = values.as_list().map_or(0, |items| items.len());
        let parts = spread(parameters.len(), splat, values);
        for (at, parameter) in parameters.iter().enumerate() {
            let part = parts.as_ref().and_then(|parts| parts.get(at).cloned());
            let part = part.unwrap_or_else(|| self.calculated(parameter));
            match parameter {
                Node::Arg(nodes::Arg { name, .. }) | Node::Shadowarg(nodes::Shadowarg { name, .. }) => {
                    self.scope.define(name, part);
                }
                Node::Restarg(nodes::Restarg { name: Some(name), .. }) => self.scope.define(name, part),
                Node::Restarg(_) => {}
                Node::Optarg(nodes::Optarg { name, default, .. }) => {
                    let part = if at < given { part } else { self.evaluate(default)? };
                    self.scope.define(name, part);
                }
                Node::Mlhs(nodes::Mlhs { items, .. }) => {
                    let inner: Vec<Node> = items.clone();
                    self.bind(&inner, &part)?;
                }
                Node::Procarg0(nodes::Procarg0 { args, .. }) => match args.as_slice() {
                    [_] => self.bind(args, &one(part))?,
                    several => self.bind(several, &part)?,
                },
                // Named parameters: what they have is not followed.
                other => self.bind_unknown(other),
            }
        }
        Ok(())
    }

    fn bind_unknown(&mut self, parameter: &Node) {
        let value = self.calculated(parameter);
        match parameter {
            Node::Kwarg(nodes::Kwarg { name, .. })
            | Node::Kwoptarg(nodes::Kwoptarg { name, .. })
            | Node::Kwrestarg(nodes::Kwrestarg { name: Some(name), .. })
            | Node::Blockarg(nodes::Blockarg { name: Some(name), .. }) => {
                let value = match parameter {
                    Node::Blockarg(_) => self.block.clone().unwrap_or(Object::Nil),
                    _ => value,
                };
                self.scope.define(name, value);
            }
            _ => {}
        }
    }

    /// A call of something that is not known: all that it may change is in doubt.
    pub(super) fn call_unknown(
        &mut self,
        node: &Node,
        receiver: &Object,
        arguments: &[Item],
        block: Option<&Object>,
    ) -> Evaluated {
        let unknown = Unknown::new(UnknownReason::Loaded, self.place(node.expression()));
        let mut may_alias = false;
        let arguments = arguments.iter().map(|item| &item.value);
        for value in std::iter::once(receiver).chain(arguments) {
            if value.is_mutable() && value.as_text().is_none() {
                may_alias = true;
                self.doubt_value(value, &unknown);
            }
        }
        self.perhaps_call(node, block)?;
        let place = self.place(node.expression());
        Ok(Object::Unknown(Unknown::new(UnknownReason::Calculated, place).aliasing(may_alias)))
    }
}

/// A list of one value.
fn one(value: Object) -> Object {
    let place = crate::node::Place { file: 0, line: 1 };
    Object::list(vec![Item { value, place }])
}

/// The parameters of a method or a block.
fn parameters(args: &Node) -> &[Node] {
    match args {
        Node::Args(nodes::Args { args, .. }) => match args.as_slice() {
            [Node::Procarg0(nodes::Procarg0 { args, .. })] => args,
            args => args,
        },
        _ => &[],
    }
}

/// Whether a name may be that of a part of the settings.
fn is_setting(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.chars().all(|next| next.is_ascii_lowercase() || next.is_ascii_digit() || next == '_')
}
