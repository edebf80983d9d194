//! Rules for the text of source files.

use std::fs;
use std::path::Path;

use anyhow::Context as _;

use super::Finding;
use crate::project::files_below;

/// The maximum length of a Rust file in lines.
const MAX_LINES: usize = 500;

/// Extensions of the files that are searched for marks of unfinished work.
const TEXTS: [&str; 6] = ["md", "py", "rs", "sh", "sql", "toml"];

/// Words that mark unfinished work, assembled so that this file does not contain them.
const UNFINISHED: [&str; 3] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];

/// Code that does not belong in finished sources, and why.
const UNWANTED: [(&str, &str); 3] = [
    (concat!("db", "g!("), "prints for debugging only"),
    (concat!("#[ig", "nore"), "a test that does not run proves nothing"),
    (concat!("#[should", "_panic"), "it passes on any panic; assert on the error instead"),
];

/// What only the module that quotes names from outside may write to.
const STDOUT: &str = concat!("io::std", "out");
const PRINTER: &str = "crates/app/src/output.rs";

/// What panics where a word or a variable that somebody gave is no UTF-8, and what does not.
const TEXT_ONLY: [(&str, &str); 2] =
    [(concat!("env::ar", "gs()"), "args_os"), (concat!("env::va", "rs()"), "vars_os")];
const OF_TESTS: &str = "crates/testbed/";

/// Statements that name the table of all records, in the crate whose statements name that of a data type or say that they are about
/// all. SQLite has the one table.
const ALL_RECORDS: [&str; 4] = ["FROM records ", "UPDATE records ", "INTO records ", "JOIN records "];
const STATEMENTS: &str = "crates/diesel-storage/src/";
const OF_SQLITE: &str = "crates/diesel-storage/src/sqlite/";

/// Checks every text file below `root`.
pub(super) fn check(root: &Path) -> anyhow::Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for path in files_below(root)? {
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        if TEXTS.contains(&extension) {
            let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
            let name = path.strip_prefix(root)?.display().to_string();
            findings.extend(check_one(&name, &text));
        }
    }
    Ok(findings)
}

/// The concatenated text of all Rust files below the folder.
pub(super) fn text_below(folder: &Path) -> anyhow::Result<String> {
    let mut text = String::new();
    for path in files_below(folder)? {
        if path.extension().is_some_and(|extension| extension == "rs") {
            text += &fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        }
    }
    Ok(text)
}

fn check_one(name: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let is_rust = Path::new(name).extension().is_some_and(|extension| extension == "rs");
    for (number, line) in (1..).zip(text.lines()) {
        for word in line.split(|c: char| !c.is_alphanumeric()).filter(|word| UNFINISHED.contains(word)) {
            let message = format!(
                "line {number} contains {word}: finish it, or describe what is left in the issue tracker"
            );
            findings.push(Finding::new("finished", name, message));
        }
        if !is_rust {
            continue;
        }
        if line.contains(STDOUT) && name.starts_with("crates/") && name != PRINTER {
            let message =
                format!("line {number} contains {STDOUT}: print through {PRINTER}, which quotes names");
            findings.push(Finding::new("printing", name, message));
        }
        findings.extend(text_only(name, number, line));
        if name.starts_with(STATEMENTS) && !name.starts_with(OF_SQLITE) {
            for named in ALL_RECORDS.iter().filter(|named| line.contains(*named)) {
                let message = format!(
                    "line {number} contains {named:?}: name `Dialect::records`, or `RECORDS_OF_EVERY_MODEL` in a statement about \
                     every data type"
                );
                findings.push(Finding::new("partition-named", name, message));
            }
        }
        for (code, reason) in UNWANTED.iter().filter(|(code, _)| line.contains(code)) {
            findings.push(Finding::new("finished", name, format!("line {number} contains {code}: {reason}")));
        }
    }
    if is_rust {
        if !text.starts_with("//!") {
            findings.push(Finding::new(
                "module-docs",
                name,
                "does not begin with `//!` and a description of its purpose",
            ));
        }
        let lines = text.lines().count();
        if lines > MAX_LINES {
            let message = format!("has {lines} lines, more than {MAX_LINES}: split it by responsibility");
            findings.push(Finding::new("short-files", name, message));
        }
    }
    findings
}

/// Words and variables that users give to the program need not be texts.
fn text_only(name: &str, number: usize, line: &str) -> Option<Finding> {
    if !name.starts_with("crates/") || !name.contains("/src/") || name.starts_with(OF_TESTS) {
        return None;
    }
    let (code, instead) = TEXT_ONLY.iter().find(|(code, _)| line.contains(code))?;
    let message = format!("line {number} contains {code}, which panics on what is no UTF-8: use {instead}");
    Some(Finding::new("text-only", name, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(name: &str, text: &str) -> Vec<&'static str> {
        check_one(name, text).iter().map(|finding| finding.rule).collect()
    }

    #[test]
    fn good_sources() {
        assert!(rules("a.rs", "//! What it is.\nfn todo_list() {}\n").is_empty());
        assert!(rules("a.md", "No module docs here.").is_empty());
    }

    #[test]
    fn each_rule_fails_on_a_bad_source() {
        assert_eq!(rules("a.rs", "fn main() {}"), ["module-docs"]);
        for word in UNFINISHED {
            assert_eq!(rules("a.sql", &format!("-- {word}: later")), ["finished"]);
        }
        for (code, _) in UNWANTED {
            assert_eq!(rules("a.rs", &format!("//! It.\n{code}x)]")), ["finished"]);
        }
        let prints = format!("//! It.\nuse std::{STDOUT};\n");
        assert_eq!(rules("crates/app/src/a.rs", &prints), ["printing"]);
        assert!(rules(PRINTER, &prints).is_empty() && rules("xtask/src/a.rs", &prints).is_empty());
        for (code, _) in TEXT_ONLY {
            let reads = format!("//! It.\nfn f() {{ std::{code}; }}\n");
            assert_eq!(rules("crates/app/src/a.rs", &reads), ["text-only"]);
            assert!(rules("crates/app/benches/a.rs", &reads).is_empty());
        }
        let query = "//! It.\nconst SQL: &str = \"SELECT 1 FROM records r\";\n";
        assert_eq!(rules("crates/diesel-storage/src/a.rs", query), ["partition-named"]);
        assert!(rules("crates/diesel-storage/src/sqlite/a.rs", query).is_empty());
        let long = format!("//! It.\n{}", "\n".repeat(MAX_LINES));
        assert_eq!(rules("a.rs", &long), ["short-files"]);
    }

    #[test]
    fn every_folder_is_searched_but_the_generated() {
        let root = tempfile::tempdir().unwrap();
        for name in ["src/deep/a.rs", ".ci/b.sh", "target/c.rs", "var/d.rs"] {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "//! It.\n").unwrap();
        }
        let found: Vec<_> = files_below(root.path()).unwrap();
        assert_eq!(found, [root.path().join(".ci/b.sh"), root.path().join("src/deep/a.rs")]);
        assert_eq!(text_below(root.path()).unwrap(), "//! It.\n");
    }
}
