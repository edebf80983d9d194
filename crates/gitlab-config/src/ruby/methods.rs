//! Methods of Ruby's classes, as far as they are followed. Each is what Ruby's documentation says; what is not here makes
//! an unknown value, and if it may change its receiver or an argument, these become unknown as well.

mod arguments;
mod list;
mod table;
mod text;

use lib_ruby_parser::Node;

use self::arguments::{Call, whole};
use super::interpreter::{Evaluated, Flow, Interpreter};
use super::object::{Item, Object, Table, Unknown};
use crate::node::UnknownReason;

/// Modules whose methods change nothing that they are given.
const HARMLESS: [&str; 33] = [
    "File",
    "Dir",
    "IO",
    "ENV",
    "JSON",
    "YAML",
    "Psych",
    "Socket",
    "Time",
    "Date",
    "DateTime",
    "OpenSSL",
    "Base64",
    "URI",
    "SecureRandom",
    "IPAddr",
    "Etc",
    "Pathname",
    "Process",
    "Digest",
    "ERB",
    "Shellwords",
    "Open3",
    "Chef",
    "Math",
    "String",
    "Integer",
    "Float",
    "Hash",
    "Array",
    "Regexp",
    "Set",
    "Struct",
];

/// Methods that change no receiver, whatever its class is.
const READING: [&str; 60] = [
    "!",
    "!=",
    "!~",
    "%",
    "&",
    "*",
    "**",
    "+",
    "-",
    "/",
    "<",
    "<=",
    "<=>",
    "==",
    "===",
    "=~",
    ">",
    ">=",
    "[]",
    "|",
    "all?",
    "any?",
    "bytes",
    "chars",
    "class",
    "count",
    "cover?",
    "dig",
    "encode",
    "encoding",
    "eql?",
    "fetch",
    "frozen?",
    "hash",
    "hex",
    "include?",
    "inspect",
    "is_a?",
    "kind_of?",
    "instance_of?",
    "key",
    "length",
    "lines",
    "match",
    "match?",
    "nil?",
    "none?",
    "object_id",
    "ord",
    "respond_to?",
    "scan",
    "size",
    "slice",
    "sum",
    "to_a",
    "to_json",
    "to_yaml",
    "unpack",
    "unpack1",
    "crypt",
];

impl Interpreter<'_> {
    /// Calls a method of a value.
    pub(super) fn call_method(
        &mut self,
        node: &Node,
        receiver: Object,
        name: &str,
        arguments: &[Item],
        block: Option<&Object>,
    ) -> Evaluated {
        self.work(1)?;
        let call = Call { node, name, arguments, block };
        // A file's own method counts for every value if it is called like one; that is not followed.
        let receiver = receiver.settled();
        if let Some(value) = self.of_any(&receiver, &call)? {
            return Ok(value);
        }
        if self.doubt.is_some() && Self::is_changing(&receiver, &call) {
            let doubt = Unknown::new(UnknownReason::Conditional, self.place(node.expression()));
            self.doubt_value(&receiver, &doubt);
            self.perhaps_call(node, call.block)?;
            return Ok(self.calculated(node));
        }
        let value = match &receiver {
            Object::Text(text) => self.of_text(text, &call)?,
            Object::List(list) => self.of_list(list, &call)?,
            Object::Table(table) => self.of_table(table, &call)?,
            Object::Whole(number) => self.of_whole(*number, &call)?,
            Object::Range(..) => self.of_items(&receiver, &call)?,
            Object::Symbol(name) => match (call.name, call.is_plain()) {
                ("to_proc", true) => Some(Object::Symbol(name.clone())),
                ("to_sym", true) => Some(receiver.clone()),
                ("name" | "id2name", true) => Some(Object::text(&**name)),
                ("length" | "size", true) => Some(whole(name.chars().count())),
                _ => None,
            },
            Object::Nil => nil(&call),
            Object::Proc(_) if matches!(call.name, "call" | "()" | "yield" | "===") => {
                Some(self.call_block(node, &receiver, arguments.to_vec())?)
            }
            Object::Class(class) => Self::of_class(class, &call),
            _ => None,
        };
        match value {
            Some(value) => Ok(value),
            None => self.not_followed(&receiver, &call),
        }
    }

    /// What every value has.
    fn of_any(&mut self, receiver: &Object, call: &Call<'_>) -> Result<Option<Object>, Flow> {
        if let ("==" | "!=" | "eql?" | "equal?", Some(other)) = (call.name, call.only()) {
            if call.name == "equal?" {
                return Ok(None);
            }
            let is_equal = receiver.equals(other);
            return Ok(is_equal.map(|is_equal| Object::Flag(is_equal == (call.name != "!="))));
        }
        if let ("to_s", []) = (call.name, call.arguments) {
            let unknown = || match self.calculated(call.node) {
                Object::Unknown(unknown) => Object::Unknown(unknown.of_text()),
                other => other,
            };
            return Ok(Some(receiver.to_text().map_or_else(unknown, Object::text)));
        }
        if matches!(receiver, Object::Unknown(_)) {
            return Ok(None);
        }
        Ok(match (call.name, call.arguments) {
            ("!", []) => receiver.truth().map(|truth| Object::Flag(!truth)),
            ("nil?", []) => Some(Object::Flag(matches!(receiver, Object::Nil))),
            ("freeze" | "itself" | "dup" | "clone", []) => match (call.name, receiver) {
                ("dup" | "clone", Object::Text(text)) => Some(Object::text(text.borrow().value.clone())),
                ("dup" | "clone", Object::List(_)) => receiver.as_list().map(Object::list),
                ("dup" | "clone", Object::Table(table)) => Some(Object::table(table.borrow().clone())),
                _ => Some(receiver.clone()),
            },
            ("is_a?" | "kind_of?", [class]) => match &class.value {
                Object::Class(class) => receiver.is_a(class).map(Object::Flag),
                _ => None,
            },
            ("tap", []) => match call.block {
                Some(block) => {
                    let place = self.place(call.node.expression());
                    self.call_block(call.node, block, vec![Item { value: receiver.clone(), place }])?;
                    Some(receiver.clone())
                }
                None => None,
            },
            ("then" | "yield_self", []) => match call.block {
                Some(block) => {
                    let place = self.place(call.node.expression());
                    let item = Item { value: receiver.clone(), place };
                    Some(self.call_block(call.node, block, vec![item])?)
                }
                None => None,
            },
            _ => None,
        })
    }

    /// Whether a method may change its receiver.
    fn is_changing(receiver: &Object, call: &Call<'_>) -> bool {
        let name = call.name;
        match receiver {
            Object::Text(_) => text::CHANGING.contains(&name) || (name.ends_with('!') && name != "!"),
            Object::List(_) => list::CHANGING.contains(&name) || (name.ends_with('!') && name != "!"),
            Object::Table(_) => table::CHANGING.contains(&name) || (name.ends_with('!') && name != "!"),
            _ => false,
        }
    }

    /// A method that is not followed.
    fn not_followed(&mut self, receiver: &Object, call: &Call<'_>) -> Evaluated {
        let is_harmless = match receiver {
            Object::Class(class) => HARMLESS.contains(&&**class),
            Object::Text(_) | Object::Unknown(Unknown { may_alias: false, .. }) => true,
            _ => READING.contains(&call.name),
        };
        if let Object::Text(_) = receiver
            && Self::is_changing(receiver, call)
        {
            let unknown = Unknown::new(UnknownReason::Calculated, self.place(call.node.expression()));
            self.doubt_value(receiver, &unknown);
        }
        if is_harmless && !matches!(receiver, Object::Unknown(_)) {
            self.perhaps_call(call.node, call.block)?;
            return Ok(self.calculated(call.node));
        }
        if matches!(receiver, Object::Unknown(_)) && READING.contains(&call.name) {
            self.perhaps_call(call.node, call.block)?;
            return Ok(self.calculated(call.node));
        }
        self.call_unknown(call.node, receiver, call.arguments, call.block)
    }

    fn of_whole(&mut self, number: i64, call: &Call<'_>) -> Result<Option<Object>, Flow> {
        if let Some(other) = call.only_whole() {
            let result = match call.name {
                "+" => number.checked_add(other).map(Object::Whole),
                "-" => number.checked_sub(other).map(Object::Whole),
                "*" => number.checked_mul(other).map(Object::Whole),
                "<" => Some(Object::Flag(number < other)),
                "<=" => Some(Object::Flag(number <= other)),
                ">" => Some(Object::Flag(number > other)),
                ">=" => Some(Object::Flag(number >= other)),
                "/" if other > 0 => Some(Object::Whole(number.div_euclid(other))),
                "%" if other > 0 => Some(Object::Whole(number.rem_euclid(other))),
                _ => None,
            };
            if result.is_some() {
                return Ok(result);
            }
        }
        let range = match (call.name, call.only_whole(), call.arguments) {
            ("times", None, []) => Some(Object::Range(0, number.saturating_sub(1))),
            ("upto", Some(last), _) => Some(Object::Range(number, last)),
            _ => None,
        };
        if let (Some(range), Some(_)) = (range, call.block) {
            let each = Call { name: "each", arguments: &[], ..*call };
            return self.of_items(&range, &each).map(|value| value.map(|_| Object::Whole(number)));
        }
        Ok(match (call.name, call.is_plain()) {
            ("to_i" | "to_int" | "floor" | "ceil" | "round", true) => Some(Object::Whole(number)),
            ("zero?", true) => Some(Object::Flag(number == 0)),
            ("positive?", true) => Some(Object::Flag(number > 0)),
            ("negative?", true) => Some(Object::Flag(number < 0)),
            ("even?", true) => Some(Object::Flag(number % 2 == 0)),
            ("odd?", true) => Some(Object::Flag(number % 2 != 0)),
            ("succ", true) => number.checked_add(1).map(Object::Whole),
            ("-@", true) => number.checked_neg().map(Object::Whole),
            _ => None,
        })
    }

    /// The methods of a class or a module.
    fn of_class(class: &str, call: &Call<'_>) -> Option<Object> {
        let values: Vec<&Object> = call.arguments.iter().map(|item| &item.value).collect();
        match (class, call.name, values.as_slice()) {
            ("File", "join", parts) => {
                let mut texts = Vec::new();
                join_parts(parts, &mut texts).map(|()| Object::text(text::join_paths(&texts)))
            }
            ("File", "basename", [path]) => path.as_text().map(|path| Object::text(text::base_name(&path))),
            ("File", "dirname", [path]) => path.as_text().map(|path| Object::text(text::folder_name(&path))),
            ("File", "expand_path", [path]) => {
                path.as_text().and_then(|path| text::absolute(&path)).map(Object::text)
            }
            ("Hash", "new", []) if call.block.is_none() => Some(Object::table(Table::default())),
            ("Array", "new", []) if call.block.is_none() => Some(Object::list(Vec::new())),
            ("String", "new", []) => Some(Object::text("")),
            ("String", "new", [text]) => text.as_text().map(Object::text),
            ("Hash", "[]", [value]) => Self::table_of(value),
            ("Proc", "new", []) => call.block.cloned(),
            _ => None,
        }
    }
}

/// The parts of a path, with those of lists.
fn join_parts(parts: &[&Object], texts: &mut Vec<String>) -> Option<()> {
    for part in parts {
        match part {
            Object::List(_) => {
                let items = part.as_list()?;
                for item in &items {
                    texts.push(item.value.as_text()?);
                }
            }
            part => texts.push(part.as_text()?),
        }
    }
    Some(())
}

/// The methods of `nil`.
fn nil(call: &Call<'_>) -> Option<Object> {
    match (call.name, call.is_plain()) {
        ("to_a", true) => Some(Object::list(Vec::new())),
        ("to_h", true) => Some(Object::table(Table::default())),
        ("to_i", true) => Some(Object::Whole(0)),
        _ => None,
    }
}
