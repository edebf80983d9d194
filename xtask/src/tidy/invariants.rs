//! The "Architecture Invariant" lines of `docs/architecture.md` and the rules that are enforced are the same.
//!
//! Such a line reads `Architecture Invariant (rule-id): …` and goes on to the next empty line. What stands there in
//! backticks and in lower case is the name of a crate.

use std::collections::BTreeMap;

use super::Finding;
use super::dependencies::Rule;

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

    const KNOWN: [&str; 13] = [
        "stocktake",
        "stocktake-content",
        "stocktake-domain",
        "stocktake-git",
        "stocktake-gitlab",
        "stocktake-http",
        "stocktake-objects",
        "stocktake-registry",
        "stocktake-storage",
        "stocktake-sync",
        "stocktake-testbed",
        "stocktake-worker",
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
        let other = complete().replace("`stocktake-worker`", "the worker");
        assert_eq!(check(&other, &rules(), &KNOWN).len(), 1);
    }

    #[test]
    fn a_line_needs_a_rule_and_crates_that_exist() {
        let unnamed = complete() + "Architecture Invariant: `stocktake-http` is fast.";
        assert_eq!(check(&unnamed, &rules(), &KNOWN).len(), 1);
        let unknown = complete() + "Architecture Invariant (domain-pure): `Clock` nor\n`stocktake-s3`.";
        assert_eq!(check(&unknown, &rules(), &KNOWN).len(), 1);
    }
}
