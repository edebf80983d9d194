//! Dependencies point inwards: which crate may know which.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use anyhow::Context as _;
use cargo_metadata::{DependencyKind, Metadata};

use super::Finding;
use crate::project::capture;

/// The crate that knows no other and no technology.
pub(super) const INNERMOST: &str = "stocktake-domain";

/// What the kinds of content have in common.
const SHARED_BY_KINDS: &str = "stocktake-content";

/// One line of a manifest: a workspace crate names a dependency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Edge {
    from: String,
    to: String,
    /// In `[dev-dependencies]`.
    dev: bool,
}

/// A rule over edges, with its line in `docs/architecture.md`.
#[derive(Debug)]
pub(super) struct Rule {
    /// The name in parentheses in the document.
    pub(super) id: &'static str,
    /// The crates that the document's line must name.
    pub(super) crates: &'static [&'static str],
    reason: &'static str,
    breaks: fn(&Edge) -> bool,
}

/// What the domain may name: nothing that does input or output, no runtime, no protocol, no database.
const DOMAIN_MAY_NAME: [&str; 6] = ["async-trait", "base64", "chrono", "futures-core", "hex", "thiserror"];

/// Doubles of the ports for other crates' tests, behind the feature `mocks`.
const DOMAIN_DOUBLES: &str = "mockall";

/// What must not even come to the domain through another crate.
const DOMAIN_NEVER_REACHES: [&str; 9] =
    ["actix", "diesel", "hyper", "libsqlite3-sys", "reqwest", "rustls", "serde", "tokio", "tracing"];

fn is_ours(name: &str) -> bool {
    name == "stocktake" || name == "xtask" || name.starts_with("stocktake-")
}

/// The rules, each with its line in the document.
pub(super) fn rules() -> [Rule; 10] {
    [
        Rule {
            id: "domain-pure",
            crates: &[INNERMOST],
            reason: "the domain knows no database, protocol or runtime, so that its rules can be read and tested alone",
            breaks: |edge| {
                edge.from == INNERMOST
                    && !edge.dev
                    && edge.to != DOMAIN_DOUBLES
                    && !DOMAIN_MAY_NAME.contains(&edge.to.as_str())
            },
        },
        inward("inward-content", &["stocktake-content", INNERMOST], |edge| leaves("stocktake-content", edge)),
        Rule {
            id: "inward-kinds",
            crates: &["stocktake-git", "stocktake-objects", "stocktake-registry", SHARED_BY_KINDS, INNERMOST],
            reason: "so that adding a kind of content touches no other",
            breaks: |edge| {
                let kinds = ["stocktake-git", "stocktake-objects", "stocktake-registry"];
                edge.to != SHARED_BY_KINDS && kinds.iter().any(|kind| leaves(kind, edge))
            },
        },
        inward("inward-gitlab", &["stocktake-gitlab", INNERMOST], |edge| leaves("stocktake-gitlab", edge)),
        inward("inward-http", &["stocktake-http", INNERMOST], |edge| leaves("stocktake-http", edge)),
        inward("inward-storage", &["stocktake-storage", INNERMOST], |edge| leaves("stocktake-storage", edge)),
        inward("inward-sync", &["stocktake-sync", INNERMOST], |edge| leaves("stocktake-sync", edge)),
        inward("inward-worker", &["stocktake-worker", INNERMOST], |edge| leaves("stocktake-worker", edge)),
        Rule {
            id: "only-app-wires",
            crates: &["stocktake"],
            reason: "only the program wires the parts together, so nothing may lean on it",
            breaks: |edge| edge.to == "stocktake",
        },
        Rule {
            id: "testbed-dev-only",
            crates: &["stocktake-testbed", "xtask"],
            reason: "the testbed installs and starts things, and sees the program from outside as the gate does",
            breaks: |edge| {
                let deployed = edge.to == "stocktake-testbed" && !edge.dev && edge.from != "xtask";
                let inside = ["stocktake-testbed", "xtask"].contains(&edge.from.as_str());
                deployed
                    || edge.to == "xtask"
                    || (inside && is_ours(&edge.to) && edge.to != "stocktake-testbed")
            },
        },
    ]
}

/// An adapter that depends on the domain alone.
const fn inward(id: &'static str, crates: &'static [&'static str], breaks: fn(&Edge) -> bool) -> Rule {
    Rule { id, crates, reason: "so that each can be read, tested and replaced alone", breaks }
}

/// Whether the edge leads from this adapter to a crate of ours other than the domain, or, in tests, the testbed.
fn leaves(adapter: &str, edge: &Edge) -> bool {
    let allowed = edge.to == INNERMOST || (edge.dev && edge.to == "stocktake-testbed");
    edge.from == adapter && is_ours(&edge.to) && !allowed
}

/// All edges that begin at a workspace crate. Optional and build dependencies count as ordinary ones.
pub(super) fn edges(metadata: &Metadata) -> Vec<Edge> {
    let of_package = |package: &cargo_metadata::Package| {
        let from = package.name.to_string();
        let dependencies = package.dependencies.iter();
        dependencies
            .map(|dependency| Edge {
                from: from.clone(),
                to: dependency.name.clone(),
                dev: dependency.kind == DependencyKind::Development,
            })
            .collect::<Vec<_>>()
    };
    metadata.workspace_packages().into_iter().flat_map(of_package).collect()
}

/// The edges that break a rule.
pub(super) fn check(edges: &[Edge]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for rule in rules() {
        for edge in edges.iter().filter(|edge| (rule.breaks)(edge)) {
            let message = format!("must not depend on `{}`: {}", edge.to, rule.reason);
            findings.push(Finding::new(rule.id, edge.from.as_str(), message));
        }
    }
    findings
}

/// The names of everything that comes with the crate when it is built alone: what other crates of the workspace
/// ask of a dependency they share does not count.
pub(super) fn reach(root: &Path, name: &str) -> anyhow::Result<BTreeSet<String>> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["tree", "--locked", "--package", name, "--edges", "normal", "--prefix", "none"]);
    let lines = capture(command.args(["--format", "{p}"]).current_dir(root)).context("cargo tree")?;
    let names = lines.lines().filter_map(|line| line.split_whitespace().next());
    Ok(names.filter(|reached| *reached != name).map(str::to_owned).collect())
}

/// What the domain reaches and must not.
pub(super) fn check_reach(reached: &BTreeSet<String>) -> Vec<Finding> {
    let forbidden = |name: &&String| {
        DOMAIN_NEVER_REACHES.iter().any(|never| name == never || name.starts_with(&format!("{never}-")))
    };
    reached
        .iter()
        .filter(forbidden)
        .map(|name| {
            let message = format!("brings in `{name}` through another crate: the domain knows no technology");
            Finding::new("domain-pure", INNERMOST, message)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edge(from: &str, to: &str, dev: bool) -> Edge {
        Edge { from: from.to_owned(), to: to.to_owned(), dev }
    }

    fn broken(from: &str, to: &str, dev: bool) -> Vec<&'static str> {
        check(&[edge(from, to, dev)]).iter().map(|finding| finding.rule).collect()
    }

    #[test]
    fn the_domain_names_only_what_it_may() {
        assert_eq!(broken("stocktake-domain", "tokio", false), ["domain-pure"]);
        assert_eq!(broken("stocktake-domain", "stocktake-worker", false), ["domain-pure"]);
        assert!(broken("stocktake-domain", "thiserror", false).is_empty());
        assert!(broken("stocktake-domain", "proptest", true).is_empty());
    }

    #[test]
    fn the_domain_reaches_no_technology() {
        let reached = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(check_reach(&reached(&["hex", "tokio", "actix-web"])).len(), 2);
        assert!(check_reach(&reached(&["hex", "chrono", "serendipity"])).is_empty());
    }

    #[test]
    fn adapters_know_the_domain_only() {
        for (adapter, rule) in [
            ("stocktake-content", "inward-content"),
            ("stocktake-http", "inward-http"),
            ("stocktake-storage", "inward-storage"),
            ("stocktake-worker", "inward-worker"),
        ] {
            assert!(broken(adapter, "stocktake-domain", false).is_empty());
            assert!(broken(adapter, "stocktake-testbed", true).is_empty());
            assert_eq!(broken(adapter, "stocktake-testbed", false), [rule, "testbed-dev-only"]);
            for other in ["stocktake-content", "stocktake-http", "stocktake-storage", "stocktake-worker"] {
                assert_eq!(broken(adapter, other, true), [rule]);
            }
        }
    }

    #[test]
    fn the_program_is_outermost() {
        assert_eq!(broken("stocktake-domain", "stocktake", true), ["only-app-wires"]);
        assert!(broken("stocktake", "stocktake-worker", false).is_empty());
    }

    #[test]
    fn the_testbed_and_the_gate_stay_outside() {
        assert_eq!(broken("stocktake", "stocktake-testbed", false), ["testbed-dev-only"]);
        assert_eq!(broken("stocktake", "xtask", true), ["testbed-dev-only"]);
        assert_eq!(broken("xtask", "stocktake-domain", false), ["testbed-dev-only"]);
        assert_eq!(broken("stocktake-testbed", "stocktake-domain", false), ["testbed-dev-only"]);
        assert!(broken("xtask", "stocktake-testbed", false).is_empty());
        assert!(broken("stocktake", "stocktake-testbed", true).is_empty());
    }
}
