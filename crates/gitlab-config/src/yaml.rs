//! `gitlab.yml` and `secrets.yml`.
//!
//! The tree is built from the parser's events, so that nesting and the size of what aliases repeat are bounded, and
//! each value keeps its line. `gitlab.yml` may be an ERB template; its tags are replaced before the YAML is parsed.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use saphyr_parser::{Event, Parser, ScalarStyle};

use crate::file::InstallationError;
use crate::node::{DEEPEST, Document, Map, Node, Place, UnknownReason, Value};

/// The most that aliases may repeat, as a size by [`Node::extent`].
const MOST_REPEATED: usize = 4 * 1024 * 1024;

/// The content of a YAML file: the section of the environment `production`, or all of it if there is none.
pub(crate) fn document(file: &Path, text: &str) -> Result<Document, InstallationError> {
    let template = template(text);
    let mut builder = Builder::default();
    for event in Parser::new_from_str(&template.text) {
        let (event, span) = event.map_err(|error| {
            let why = format!("is not YAML: {}", error.info());
            InstallationError::line(file, error.marker().line(), why)
        })?;
        let line = span.start.line();
        if builder.take(event, line).map_err(|why| InstallationError::line(file, line, why))? {
            break;
        }
    }
    let root = builder.root.unwrap_or_else(|| Node::map(1));
    let root = match root.get("production") {
        Some(production) => production.clone(),
        None => root,
    };
    let condition = template.condition.map(|line| {
        let why = "an ERB tag makes parts of the file conditional; it was read as if all parts applied";
        (Place::from(line), why.to_owned())
    });
    Ok(Document { root, files: vec![file.display().to_string()], ignored: condition.into_iter().collect() })
}

/// Builds the tree of a document.
#[derive(Default)]
struct Builder {
    /// The lists and mappings that have not ended, the outermost first.
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    repeated: usize,
    root: Option<Node>,
}

/// A list or a mapping that has not ended.
struct Open {
    line: usize,
    anchor: usize,
    items: Items,
}

enum Items {
    List(Vec<Node>),
    Map {
        pairs: BTreeMap<String, Node>,
        /// The mappings merged by `<<`.
        merged: Vec<Node>,
        key: Key,
    },
}

/// The key of the value that is next.
enum Key {
    /// The key itself is next.
    Awaited,
    Merge,
    Named(String),
    /// It is not a text, so it names no setting.
    Other,
}

impl Builder {
    /// Handles an event; `true` at the end of the first document.
    fn take(&mut self, event: Event<'_>, line: usize) -> Result<bool, String> {
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) => {}
            Event::DocumentEnd => return Ok(true),
            Event::Alias(anchor) => {
                let node = self.alias(anchor)?;
                self.add(node, false);
            }
            Event::Scalar(text, style, anchor, _) => {
                let is_plain = style == ScalarStyle::Plain;
                let node = Node::new(line, scalar(text, is_plain));
                self.finish(node, anchor, is_plain);
            }
            Event::SequenceStart(anchor, _) => self.open(line, anchor, Items::List(Vec::new()))?,
            Event::MappingStart(anchor, _) => {
                let items = Items::Map { pairs: BTreeMap::new(), merged: Vec::new(), key: Key::Awaited };
                self.open(line, anchor, items)?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(),
        }
        Ok(false)
    }

    fn open(&mut self, line: usize, anchor: usize, items: Items) -> Result<(), String> {
        if self.open.len() >= DEEPEST {
            return Err(too_deep());
        }
        self.open.push(Open { line, anchor, items });
        Ok(())
    }

    fn close(&mut self) {
        let Some(Open { line, anchor, items }) = self.open.pop() else { return };
        let value = match items {
            Items::List(list) => Value::List(list),
            Items::Map { pairs, merged, .. } => {
                Value::Map(Map { pairs: merge(pairs, merged), doubts: Vec::new() })
            }
        };
        self.finish(Node::new(line, value), anchor, false);
    }

    fn alias(&mut self, anchor: usize) -> Result<Node, String> {
        let Some(node) = self.anchors.get(&anchor) else {
            return Err("an alias is inside the value that it repeats".to_owned());
        };
        let (size, depth) = node.extent();
        if self.open.len() + depth > DEEPEST {
            return Err(too_deep());
        }
        self.repeated += size;
        if self.repeated > MOST_REPEATED {
            return Err("its aliases repeat too much".to_owned());
        }
        Ok(node.clone())
    }

    fn finish(&mut self, node: Node, anchor: usize, is_plain: bool) {
        // The parser counts anchors from 1.
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        self.add(node, is_plain);
    }

    fn add(&mut self, node: Node, is_plain: bool) {
        match self.open.last_mut().map(|open| &mut open.items) {
            None => self.root = Some(node),
            Some(Items::List(list)) => list.push(node),
            Some(Items::Map { pairs, merged, key }) => match std::mem::replace(key, Key::Awaited) {
                Key::Awaited => *key = named(node, is_plain),
                Key::Merge => merged.push(node),
                Key::Named(name) => {
                    pairs.insert(name, node);
                }
                Key::Other => {}
            },
        }
    }
}

fn too_deep() -> String {
    format!("is nested more than {DEEPEST} deep")
}

fn named(node: Node, is_plain: bool) -> Key {
    match node.value {
        Value::Text(text) if text == "<<" && is_plain => Key::Merge,
        Value::Text(text) | Value::Number(text) => Key::Named(text),
        _ => Key::Other,
    }
}

/// The pairs of a mapping, completed by those of the mappings merged into it.
fn merge(mut pairs: BTreeMap<String, Node>, merged: Vec<Node>) -> BTreeMap<String, Node> {
    let nodes = merged.into_iter().flat_map(|node| match node.value {
        Value::List(list) => list,
        _ => vec![node],
    });
    for node in nodes {
        if let Value::Map(others) = node.value {
            for (key, value) in others.pairs {
                pairs.entry(key).or_insert(value);
            }
        }
    }
    pairs
}

/// The value of a scalar as Ruby reads it, which is YAML 1.1.
fn scalar(text: Cow<'_, str>, is_plain: bool) -> Value {
    if let Some(why) = unknown_reason(&text) {
        return Value::Unknown(why);
    }
    if !is_plain {
        return Value::Text(text.into_owned());
    }
    match text.as_ref() {
        "" | "~" | "null" | "Null" | "NULL" => Value::Nil,
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Value::Flag(true),
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => Value::Flag(false),
        number if number.starts_with(is_numeric) && number.parse::<f64>().is_ok() => {
            Value::Number(text.into_owned())
        }
        _ => Value::Text(text.into_owned()),
    }
}

fn is_numeric(first: char) -> bool {
    first.is_ascii_digit() || matches!(first, '-' | '+' | '.')
}

/// Replaces a value that an ERB tag calculates: a private-use character, which no configuration contains.
const CALCULATED: char = '\u{e000}';

/// An ERB template as plain YAML, with the same number of lines.
struct Template {
    text: String,
    /// The first line with a tag that makes lines conditional.
    condition: Option<usize>,
}

/// Replaces the tags in a text.
fn template(text: &str) -> Template {
    let mut all = Template { text: String::with_capacity(text.len()), condition: None };
    let mut line = 1;
    let mut rest = text;
    // Line breaks inside a tag are added again at the end of its line.
    let mut missing = 0;
    while let Some((before, tag)) = rest.split_once("<%") {
        all.push(before, &mut missing);
        line += before.matches('\n').count();
        let (code, after) = tag.split_once("%>").unwrap_or((tag, ""));
        if code.starts_with('=') {
            all.text.push(CALCULATED);
        } else if !code.starts_with('#') {
            all.condition.get_or_insert(line);
        }
        let lines = code.matches('\n').count();
        line += lines;
        missing += lines;
        rest = after;
    }
    all.push(rest, &mut missing);
    all
}

/// Why a scalar is unknown, if a tag calculates it or a part of it.
fn unknown_reason(scalar: &str) -> Option<UnknownReason> {
    scalar.contains(CALCULATED).then_some(UnknownReason::Calculated)
}

impl Template {
    fn push(&mut self, plain: &str, missing: &mut usize) {
        match plain.split_once('\n') {
            Some((line, rest)) if *missing > 0 => {
                self.text.push_str(line);
                self.text.extend(std::iter::repeat_n('\n', *missing + 1));
                self.text.push_str(rest);
                *missing = 0;
            }
            _ => self.text.push_str(plain),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<Node, String> {
        let read = document(Path::new("gitlab.yml"), text);
        read.map(|document| document.root).map_err(|error| error.to_string())
    }

    /// The value at a path of keys.
    fn at(text: &str, path: &str) -> Value {
        let root = read(text).unwrap();
        let node = path.split('.').try_fold(&root, |node, key| node.get(key));
        node.map_or(Value::Nil, |node| node.value.clone())
    }

    #[test]
    fn scalars_mean_what_they_mean_to_ruby() {
        let text = |text: &str| Value::Text(text.to_owned());
        let cases = [
            ("a: yes", Value::Flag(true)),
            ("a: 'yes'", text("yes")),
            ("a: off", Value::Flag(false)),
            ("a: ~", Value::Nil),
            ("a:", Value::Nil),
            ("a: 0600", Value::Number("0600".to_owned())),
            ("a: infinity", text("infinity")),
            ("a: 10.0.0.1", text("10.0.0.1")),
            ("a: /x y # z", text("/x y")),
            ("a: \"x\\ny\"", text("x\ny")),
            ("a: |\n  x\n  y\n", text("x\ny\n")),
            ("a: <%= ENV['A'] ? 1 : 2 %>", Value::Unknown(crate::node::UnknownReason::Calculated)),
            ("{\"a\":\"b\",\"c\":[]}", text("b")),
        ];
        for (yaml, value) in cases {
            assert_eq!(at(yaml, "a"), value, "{yaml:?}");
        }
    }

    #[test]
    fn the_section_of_production_counts_with_what_it_takes_from_others() {
        let yaml = "base: &base\n  a: 1\n  b: 2\nproduction:\n  <<: *base\n  b: 3\ntest:\n  a: 4\n";
        assert_eq!(at(yaml, "a"), Value::Number("1".to_owned()));
        assert_eq!(at(yaml, "b"), Value::Number("3".to_owned()));
        let listed = "x: &x {a: 1}\ny: &y {a: 2, b: 2}\nproduction:\n  <<: [*x, *y]\n";
        assert_eq!(at(listed, "a"), Value::Number("1".to_owned()));
        assert_eq!(at(listed, "b"), Value::Number("2".to_owned()));
    }

    #[test]
    fn lines_are_those_of_the_file() {
        let yaml = "a: 1\n<% if x %>\nb:\n  c: <%= x(\n  1) %>\n  d: 2\n";
        let root = read(yaml).unwrap();
        let line =
            |path: &str| path.split('.').try_fold(&root, |node, key| node.get(key)).unwrap().place.line;
        assert_eq!((line("a"), line("b.c"), line("b.d")), (1, 4, 6));
    }

    #[test]
    fn what_is_wrong_names_file_and_line() {
        let deep = "[".repeat(100);
        let bomb = (0..20).fold("a0: &a0 [x,x,x,x,x,x,x,x]\n".to_owned(), |text, n| {
            format!("{text}a{}: &a{} [{}]\n", n + 1, n + 1, format!("*a{n},").repeat(8))
        });
        let cases = [
            ("a: 1\nb: [\n", "gitlab.yml, line 3: is not YAML: "),
            ("a: *b\n", "gitlab.yml, line 1: is not YAML: "),
            (deep.as_str(), "gitlab.yml, line 1: is nested more than 64 deep"),
            (bomb.as_str(), "its aliases repeat too much"),
            ("a: &a [*a]\n", "gitlab.yml, line 1: an alias is inside the value that it repeats"),
        ];
        for (yaml, error) in cases {
            let message = read(yaml).unwrap_err();
            assert!(message.contains(error), "{message}");
        }
    }

    #[test]
    fn tags_become_unknown_values_or_nothing() {
        let cases = [
            ("a: 1\n", "a: 1\n", None),
            ("a: <%= x %>\nb: 1\n", "a: \u{e000}\nb: 1\n", None),
            ("a: \"x<%= y %>z\"\n", "a: \"x\u{e000}z\"\n", None),
            ("a: 1\n<% if x -%>\nb: 2\n<% end %>\n", "a: 1\n\nb: 2\n\n", Some(2)),
            ("<%# a comment %>\na: 1\n", "\na: 1\n", None),
            ("a: <%= x(\n  y) %> \nb: 1\n", "a: \u{e000} \n\nb: 1\n", None),
            ("a: <%= x", "a: \u{e000}", None),
        ];
        for (text, plain, condition) in cases {
            let template = template(text);
            assert_eq!((template.text.as_str(), template.condition), (plain, condition), "{text:?}");
        }
        assert_eq!(unknown_reason("x"), None);
        assert_eq!(unknown_reason("\u{e000}/x"), Some(UnknownReason::Calculated));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_fail_otherwise(text in "[a-c&*<>%=:\\[\\]{},\"' \\n#!|?-]{0,80}") {
            if let Err(error) = read(&text) {
                prop_assert!(error.starts_with("gitlab.yml, line "), "{}", error);
            }
        }
    }
}
