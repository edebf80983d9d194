//! Our values against those of a real Ruby: see `tests/ruby`.
//!
//! Each case is evaluated by Ruby in two worlds that differ in all that lies outside of the file. What we call known must
//! be the same as in both; what we call unknown is listed in the case, so that nothing becomes unknown by the way.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use serde_json::Value as Json;
use tempfile::TempDir;

use super::{FAILED, Program, document};
use crate::node::{Map, Node, Value};

const CASES: [&str; 3] = [
    include_str!("../../tests/ruby/forms.txt"),
    include_str!("../../tests/ruby/installations.txt"),
    include_str!("../../tests/ruby/unknown.txt"),
];
const LOADED: &str = include_str!("../../tests/ruby/loaded.txt");

/// A program, and the settings of it that are unknown.
struct Case {
    name: String,
    text: String,
    unknown: BTreeSet<String>,
}

/// The cases in a file: each begins with a line `#### name`, and may list unknown settings in lines `#? setting`.
fn cases(text: &str) -> Vec<Case> {
    let cases = text.split("#### ").skip(1).map(|case| {
        let (name, text) = case.split_once('\n').unwrap();
        let unknown = text.lines().filter_map(|line| line.strip_prefix("#? ").map(ToOwned::to_owned));
        Case { name: name.to_owned(), text: text.to_owned(), unknown: unknown.collect() }
    });
    cases.collect()
}

fn all_cases() -> Vec<Case> {
    CASES.into_iter().flat_map(cases).collect()
}

/// What Ruby makes of the files in a folder, by their names; `None` where it raises an error.
fn of_ruby(folder: &Path, mode: &str) -> BTreeMap<String, Option<Json>> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ruby/evaluate.rb");
    let mut command = Command::new("ruby");
    command.arg(script).arg(mode).arg(folder).env("LANG", "C.UTF-8");
    let output = command.output().expect("ruby is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    let cases = lines.lines().map(|line| {
        let json: Json = serde_json::from_str(line).unwrap();
        (json["case"].as_str().unwrap().to_owned(), json.get("settings").cloned())
    });
    cases.collect()
}

/// Writes the cases, and the files that they load.
fn written(cases: &[Case]) -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("loaded")).unwrap();
    for case in self::cases(LOADED) {
        fs::write(folder.path().join("loaded").join(&case.name), &case.text).unwrap();
    }
    for case in cases {
        fs::write(folder.path().join(format!("{}.rb", case.name)), &case.text).unwrap();
    }
    folder
}

/// What we make of a program.
fn ours(text: &str) -> Result<Node, String> {
    let loaded: BTreeMap<String, String> =
        cases(LOADED).into_iter().map(|case| (case.name, case.text)).collect();
    let load = move |path: &str| {
        let name = path.strip_prefix("/etc/gitlab/").unwrap_or(path);
        let text = loaded.get(name).cloned().ok_or("there is no such file")?;
        Ok((PathBuf::from(path), text))
    };
    let program = Program::file("gitlab.rb".to_owned(), text.to_owned());
    document(&[program], &load)
        .map(|document| document.root)
        .map_err(|refused| format!("{} {}", refused.line, refused.why))
}

/// What differs between Ruby's values and ours.
#[derive(Default)]
struct Comparison {
    /// Whether a hash that only unknown code may have made is the same as none: an empty one counts as not set.
    allows_hollow: bool,
    /// The paths of the values that are unknown to us.
    unknown: BTreeSet<String>,
    wrong: Vec<String>,
}

impl Comparison {
    /// Compares a value with that of Ruby in both worlds.
    fn compare(&mut self, path: &str, ours: Option<&Node>, theirs: [Option<&Json>; 2]) {
        match (ours.map(|node| &node.value), theirs) {
            (Some(Value::Unknown(_)), _) => {
                self.unknown.insert(path.to_owned());
            }
            (Some(Value::Map(map)), [Some(Json::Object(one)), Some(Json::Object(other))]) => {
                self.compare_pairs(path, map, [one, other]);
            }
            (Some(Value::List(list)), [Some(Json::Array(one)), Some(Json::Array(other))])
                if one.len() == list.len() && other.len() == list.len() =>
            {
                for (at, node) in list.iter().enumerate() {
                    self.compare(&format!("{path}.{at}"), Some(node), [one.get(at), other.get(at)]);
                }
            }
            (Some(Value::Map(map)), theirs) if self.allows_hollow && theirs.contains(&None) => {
                let empty = serde_json::Map::new();
                let theirs = theirs.map(|theirs| theirs.and_then(Json::as_object).unwrap_or(&empty));
                self.compare_pairs(path, map, theirs);
            }
            (value, theirs) => {
                if !theirs.iter().all(|theirs| is_same(value, *theirs)) {
                    self.wrong.push(format!("{path}: ours {value:?}, Ruby's {theirs:?}"));
                }
            }
        }
    }

    fn compare_pairs(&mut self, path: &str, map: &Map, [one, other]: [&serde_json::Map<String, Json>; 2]) {
        let keys: BTreeSet<&String> = map.pairs.keys().chain(one.keys()).chain(other.keys()).collect();
        for key in keys {
            let below = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            let node = map.pairs.get(key);
            // It is one of the keys that are not known.
            if node.is_none() && map.doubts.iter().any(|(pattern, _)| pattern.matches(key)) {
                continue;
            }
            self.compare(&below, node, [one.get(key), other.get(key)]);
        }
        for (pattern, _) in &map.doubts {
            self.unknown.insert(format!("{path}.{}*{}", pattern.begins, pattern.ends));
        }
    }
}

fn is_same(ours: Option<&Value>, theirs: Option<&Json>) -> bool {
    match (ours, theirs) {
        (None, None) | (Some(Value::Nil), Some(Json::Null)) => true,
        (Some(Value::Flag(flag)), Some(theirs)) => theirs.as_bool() == Some(*flag),
        (Some(Value::Number(number)), Some(Json::Number(theirs))) => *number == theirs.to_string(),
        (Some(Value::Text(text)), Some(theirs)) => theirs.as_str() == Some(text),
        _ => false,
    }
}

/// The differences between Ruby's values and ours, a line each.
fn differences(cases: &[Case]) -> Vec<String> {
    let folder = written(cases);
    let worlds = ["one", "other"].map(|mode| of_ruby(folder.path(), mode));
    let mut all = Vec::new();
    for case in cases {
        let [one, other] = [0, 1].map(|world: usize| worlds[world][&case.name].as_ref());
        let mut comparison = Comparison::default();
        match (ours(&case.text), one, other) {
            (Ok(root), Some(one), Some(other)) => {
                comparison.compare("", Some(&root), [Some(one), Some(other)]);
                let Comparison { unknown, wrong, .. } = &mut comparison;
                if *unknown != case.unknown {
                    wrong.push(format!("unknown are {unknown:?}, and expected {:?}", case.unknown));
                }
            }
            (Err(_), None, None) => {}
            (Err(why), ..) => comparison.wrong.push(format!("we refuse it ({why}), Ruby does not")),
            (Ok(_), ..) => comparison.wrong.push("Ruby refuses it, we do not".to_owned()),
        }
        all.extend(comparison.wrong.into_iter().map(|line| format!("{}: {line}", case.name)));
    }
    all
}

#[test]
fn our_values_are_those_of_a_real_ruby() {
    let cases = all_cases();
    let names: BTreeSet<&String> = cases.iter().map(|case| &case.name).collect();
    assert_eq!(names.len(), cases.len(), "two cases have the same name");
    assert!(cases.len() >= 67, "{} cases", cases.len());
    let differences = differences(&cases);
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));
}

#[test]
fn a_wrong_value_would_be_seen() {
    let text = "gitlab_rails['a'] = ENV['LFS']\ngitlab_rails['b'] = 'x'\n".to_owned();
    let case = Case { name: "seen".to_owned(), text, unknown: BTreeSet::new() };
    assert_eq!(differences(&[case]).len(), 1);
    let json: Json = serde_json::from_str(r#"{"a": "x", "c": 1}"#).unwrap();
    let pairs = [("a".to_owned(), Node::new(1, Value::Text("y".to_owned())))].into();
    let node = Node::new(1, Value::Map(Map { pairs, doubts: Vec::new() }));
    let mut comparison = Comparison::default();
    comparison.compare("", Some(&node), [Some(&json), Some(&json)]);
    assert_eq!(comparison.wrong.len(), 2, "{:?}", comparison.wrong);
}

/// How many programs are generated, unless the variable `STOCKTAKE_RUBY_PROGRAMS` says another number.
const GENERATED: usize = 100;

/// Expressions of literals and of the variables `a` and `b`, some of which are not known.
fn expression() -> impl Strategy<Value = String> {
    let literals = [
        "'x'",
        "\"y\"",
        "1",
        "2",
        ":s",
        "nil",
        "true",
        "false",
        "[]",
        "[1, 'q']",
        "{}",
        "{ k: 1 }",
        "a",
        "b",
        "ENV['LFS']",
        "gitlab_rails['p']",
        "gitlab_rails['q']",
        "%w[m n]",
    ];
    let leaf = proptest::sample::select(literals.to_vec()).prop_map(ToOwned::to_owned);
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(one, two)| format!("\"#{{{one}}}-#{{{two}}}\"")),
            (inner.clone(), inner.clone()).prop_map(|(one, two)| format!("({one} || {two})")),
            (inner.clone(), inner.clone()).prop_map(|(one, two)| format!("({one} && {two})")),
            (inner.clone(), inner.clone()).prop_map(|(one, two)| format!("({one} == {two})")),
            (inner.clone(), inner.clone(), inner.clone())
                .prop_map(|(one, two, three)| format!("({one} ? {two} : {three})")),
            (inner.clone(), inner.clone()).prop_map(|(one, two)| format!("[{one}, {two}]")),
            inner.clone().prop_map(|one| format!("{{ 'k' => {one} }}")),
            inner.clone().prop_map(|one| format!("{one}.to_s")),
            inner.clone().prop_map(|one| format!("!{one}")),
            inner.clone().prop_map(|one| format!("{one}.nil?")),
            inner.clone().prop_map(|one| format!("[{one}].map {{ |x| [x, a] }}")),
            inner.clone().prop_map(|one| format!("{{ k: {one} }}.merge({{ 'j' => 1 }})")),
            inner.prop_map(|one| format!("({one}).to_s + 'end'")),
        ]
    })
}

/// Statements that assign to `a`, to `b` and to settings.
fn statement() -> impl Strategy<Value = String> {
    let targets =
        ["a", "b", "gitlab_rails['p']", "gitlab_rails['q']", "gitlab_rails[:p]", "registry['h']['i']"];
    let target = proptest::sample::select(targets.to_vec());
    let assign = (target.clone(), expression()).prop_map(|(target, value)| format!("{target} = {value}"));
    let simple = prop_oneof![
        4 => assign,
        1 => (target, expression()).prop_map(|(target, value)| format!("{target} ||= {value}")),
        1 => expression().prop_map(|key| format!("gitlab_rails[\"k#{{{key}}}\"] = 1")),
    ];
    simple.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            (expression(), inner.clone())
                .prop_map(|(condition, then)| format!("if {condition}\n{then}\nend")),
            (expression(), inner.clone(), inner.clone())
                .prop_map(|(condition, then, or)| format!("if {condition}\n{then}\nelse\n{or}\nend")),
            (expression(), inner.clone())
                .prop_map(|(condition, then)| format!("({then}) unless {condition}")),
            inner.clone().prop_map(|body| format!("%w[c d].each do |a|\n{body}\nend")),
            (expression(), inner.clone()).prop_map(|(condition, body)| format!(
                "[1, 2].each do |x|\nnext if {condition}\n{body}\nend"
            )),
            (expression(), inner.clone(), inner.clone()).prop_map(|(subject, one, two)| format!(
                "case {subject}\nwhen 'x', 1 then {one}\nelse {two}\nend"
            )),
            (inner.clone(), inner).prop_map(|(one, two)| format!("{one}\n{two}")),
        ]
    })
}

#[test]
fn generated_programs_mean_the_same_to_a_real_ruby() {
    let count = std::env::var("STOCKTAKE_RUBY_PROGRAMS").ok().and_then(|count| count.parse().ok());
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let program = proptest::collection::vec(statement(), 1..5);
    let cases: Vec<Case> = (0..count.unwrap_or(GENERATED))
        .map(|number| {
            let statements = program.new_tree(&mut runner).unwrap().current();
            let text = format!("a = 'A'\nb = ['B']\n{}\n", statements.join("\n"));
            Case { name: format!("generated {number:05}"), text, unknown: BTreeSet::new() }
        })
        .collect();
    let folder = written(&cases);
    let worlds = ["one", "other"].map(|mode| of_ruby(folder.path(), mode));
    let mut wrong = Vec::new();
    let mut known = 0;
    for case in &cases {
        // Where Ruby raises an error in one of the worlds, the package refuses the file.
        let [Some(one), Some(other)] = [0, 1].map(|world: usize| worlds[world][&case.name].as_ref()) else {
            continue;
        };
        let mut comparison = Comparison { allows_hollow: true, ..Comparison::default() };
        match ours(&case.text) {
            Ok(root) => comparison.compare("", Some(&root), [Some(one), Some(other)]),
            Err(why) => comparison.wrong.push(format!("we refuse it: {why}")),
        }
        known += usize::from(comparison.unknown.is_empty());
        if !comparison.wrong.is_empty() {
            wrong.push(format!("{}\n{}", comparison.wrong.join("\n"), case.text));
        }
    }
    assert!(wrong.is_empty(), "{} programs differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(known * 4 > cases.len(), "only {known} of {} programs are known as a whole", cases.len());
}

#[test]
fn a_text_on_which_the_parser_panics_is_refused() {
    let why = ours("if e\n''=<<~E\nE\n'").unwrap_err();
    assert_eq!(why, "1 cannot be parsed: `ruby -c` says where it is no Ruby");
}

proptest! {
    #[test]
    fn every_text_is_followed_or_refused(text in any::<String>()) {
        if let Err(why) = ours(&text) {
            prop_assert!(!why.contains(FAILED), "{}", why);
        }
    }
}
