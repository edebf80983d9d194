//! `docs/architecture.md` says what is enforced, and nothing else: its "Architecture Invariant" lines are the rules of
//! [`super::dependencies`], and its table of crates lists each edge between them.
//!
//! A row of that table begins with the name of a crate in backticks; its third column has the crates it depends on.
//! An invariant reads `Architecture Invariant (rule-id): …` and goes on to the next empty line. What stands there in
//! backticks and in lower case is the name of a crate.

use std::collections::{BTreeMap, BTreeSet};

use super::Finding;
use super::dependencies::{Rule, is_ours};

const MARK: &str = "Architecture Invariant";
const DOCUMENT: &str = "docs/architecture.md";

/// Compares the document's lines with the rules. `known` are the names of all crates there are.
pub(super) fn check(document: &str, rules: &[Rule], known: &[&str]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut named: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for paragraph in document.split("\n\n").filter(|paragraph| paragraph.contains(MARK)) {
        if let Some(id) = id(paragraph) {
            named.entry(id).or_default().extend(crates(paragraph));
        } else {
            let message = format!("a line says \"{MARK}\" without a rule's name in parentheses");
            findings.push(finding(message));
        }
    }
    for (id, crates) in &named {
        if !rules.iter().any(|rule| rule.id == *id) {
            findings.push(finding(format!("\"{MARK} ({id})\" is enforced by no rule")));
        }
        for name in crates.iter().filter(|name| !known.contains(name)) {
            findings.push(finding(format!("\"{MARK} ({id})\" names `{name}`, and there is no such crate")));
        }
    }
    for rule in rules {
        let crates = named.get(rule.id).map_or(&[][..], Vec::as_slice);
        for missing in rule.crates.iter().filter(|name| !crates.contains(name)) {
            findings.push(finding(format!("no line \"{MARK} ({}): … `{missing}` …\"", rule.id)));
        }
    }
    findings
}

/// Compares the rows of the document's table with the edges there are, by crate.
pub(super) fn check_table(document: &str, edges: &BTreeMap<String, BTreeSet<String>>) -> Vec<Finding> {
    let rows: BTreeMap<&str, BTreeSet<String>> = document.lines().filter_map(row).collect();
    let mut findings = Vec::new();
    for (name, named) in edges {
        let Some(listed) = rows.get(name.as_str()) else {
            findings.push(finding(format!("the table of crates has no row `{name}`")));
            continue;
        };
        for new in named.difference(listed) {
            findings.push(finding(format!("the table does not list the edge from `{name}` to `{new}`")));
        }
        for old in listed.difference(named) {
            findings
                .push(finding(format!("the table lists an edge from `{name}` to `{old}`: there is none")));
        }
    }
    for name in rows.keys().filter(|name| !edges.contains_key(**name)) {
        findings.push(finding(format!("the table has a row `{name}`, and there is no such crate")));
    }
    findings
}

/// A row's crate and the crates it depends on; `None` if the line is no row of the table of crates.
fn row(line: &str) -> Option<(&str, BTreeSet<String>)> {
    let mut cells = line.strip_prefix("| `")?.split('|');
    let name = cells.next()?.trim().strip_suffix('`').filter(|name| is_ours(name))?;
    let depends = cells.nth(1)?;
    Some((name, crates(depends).map(str::to_owned).collect()))
}

fn finding(message: String) -> Finding {
    Finding::new(
        "written-invariants",
        DOCUMENT,
        message + "; what is enforced is written there, and the reverse",
    )
}

/// The rule's name: what stands in parentheses behind the mark.
fn id(paragraph: &str) -> Option<&str> {
    let (_, rest) = paragraph.split_once(MARK)?;
    let (id, _) = rest.trim_start().strip_prefix('(')?.split_once(')')?;
    Some(id)
}

/// The names of crates that stand in backticks.
fn crates(paragraph: &str) -> impl Iterator<Item = &str> {
    let of_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    paragraph.split('`').skip(1).step_by(2).filter(move |word| word.chars().all(of_name))
}

#[cfg(test)]
mod tests {
    use super::super::dependencies::rules;
    use super::*;

    const KNOWN: [&str; 9] = [
        "stocktake",
        "stocktake-content",
        "stocktake-domain",
        "stocktake-fuzz",
        "stocktake-lanes",
        "stocktake-net",
        "stocktake-testbed",
        "stocktake-web",
        "xtask",
    ];

    /// A document that says all the rules.
    fn complete() -> String {
        let line =
            |rule: &Rule| format!("**{MARK} ({}):** about `{}`.\n\n", rule.id, rule.crates.join("` and `"));
        rules().iter().map(line).collect()
    }

    #[test]
    fn a_complete_document_is_good() {
        assert_eq!(check(&complete(), &rules(), &KNOWN), []);
    }

    #[test]
    fn each_rule_needs_its_line_with_its_crates() {
        let without = complete().replace("(domain-pure)", "(domain-puer)");
        assert_eq!(check(&without, &rules(), &KNOWN).len(), 2);
        let other = complete().replace("`stocktake-testbed`", "the testbed");
        assert_eq!(check(&other, &rules(), &KNOWN).len(), 1);
    }

    #[test]
    fn a_line_needs_a_rule_and_crates_that_exist() {
        let unnamed = complete() + "Architecture Invariant: `stocktake-net` is fast.";
        assert_eq!(check(&unnamed, &rules(), &KNOWN).len(), 1);
        let unknown = complete() + "Architecture Invariant (domain-pure): `Clock` nor\n`stocktake-s3`.";
        assert_eq!(check(&unknown, &rules(), &KNOWN).len(), 1);
    }
    #[test]
    fn the_table_lists_each_edge_and_no_other() {
        let edges = |to: &[&str]| {
            BTreeMap::from([("stocktake-net".to_owned(), to.iter().map(|name| (*name).to_owned()).collect())])
        };
        let table =
            "| crate | folder | depends on |\n| `stocktake-net` | `crates/net` | `stocktake-domain` |";
        assert_eq!(check_table(table, &edges(&["stocktake-domain"])), []);
        assert_eq!(check_table(table, &edges(&[])).len(), 1);
        assert_eq!(check_table(table, &edges(&["stocktake-domain", "stocktake-content"])).len(), 1);
        assert_eq!(check_table("", &edges(&[])).len(), 1);
        assert_eq!(check_table(table, &BTreeMap::new()).len(), 1);
    }
}
