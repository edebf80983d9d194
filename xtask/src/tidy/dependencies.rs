//! Dependencies point inwards: which crate may know which.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use anyhow::Context as _;
use cargo_metadata::{DependencyKind, Metadata};

use super::Finding;
use crate::project::capture;

/// The crate that knows no other and no technology.
pub(super) const INNERMOST: &str = "stocktake-domain";

/// What tests and the local environment need around the program.
const TESTBED: &str = "stocktake-testbed";

/// The fuzz targets, which see the adapters from inside.
const FUZZ: &str = "stocktake-fuzz";

/// How other machines are reached: knows no other crate of ours.
const NET: &str = "stocktake-net";

/// Digests of many messages at once: knows no other crate of ours.
const LANES: &str = "stocktake-lanes";

/// What the API and the console have in common.
const WEB: &str = "stocktake-web";

/// What adapters may depend on besides the domain: what several of them need, and no port.
const SHARED: [&str; 4] = ["stocktake-content", LANES, NET, WEB];

/// The crates around the domain, each of which implements a port or drives one.
const ADAPTERS: &[&str] = &[
    "stocktake-console",
    "stocktake-content",
    "stocktake-content-directory",
    "stocktake-content-git",
    "stocktake-content-objects",
    "stocktake-content-registry",
    "stocktake-diesel-storage",
    "stocktake-gitlab-config",
    "stocktake-http",
    "stocktake-source-gitlab",
    "stocktake-source-sync",
    "stocktake-store-report",
    WEB,
    "stocktake-worker",
];

/// One line of a manifest: a workspace crate names a dependency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Edge {
    pub(super) from: String,
    pub(super) to: String,
    /// In `[dev-dependencies]`.
    pub(super) dev: bool,
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

/// What tests of other crates need of the domain: doubles of the ports, and the contract suites. Behind features.
const DOMAIN_FOR_TESTS: [&str; 1] = ["mockall"];

/// What must not even come to the domain through another crate.
const DOMAIN_NEVER_REACHES: [&str; 9] =
    ["actix", "diesel", "hyper", "libsqlite3-sys", "reqwest", "rustls", "serde", "tokio", "tracing"];

/// Whether the crate belongs to this workspace.
pub(super) fn is_ours(name: &str) -> bool {
    name == "stocktake" || name == "xtask" || name.starts_with("stocktake-")
}

/// The rules, each with its line in the document.
pub(super) fn rules() -> [Rule; 7] {
    [
        Rule {
            id: "domain-pure",
            crates: &[INNERMOST],
            reason: "the domain knows no database, protocol or runtime, so that its rules can be read and tested alone",
            breaks: |edge| {
                let may_name = DOMAIN_MAY_NAME.iter().chain(&DOMAIN_FOR_TESTS);
                edge.from == INNERMOST && !edge.dev && !may_name.into_iter().any(|name| *name == edge.to)
            },
        },
        Rule {
            id: "adapters-apart",
            crates: &[INNERMOST, "stocktake-content", NET, WEB],
            reason: "so that each adapter can be read, tested and replaced alone",
            breaks: |edge| {
                let shared = edge.to == INNERMOST || SHARED.contains(&edge.to.as_str());
                let allowed = shared || (edge.dev && edge.to == TESTBED);
                ADAPTERS.contains(&edge.from.as_str()) && is_ours(&edge.to) && !allowed
            },
        },
        Rule {
            id: "net-knows-none",
            crates: &[NET],
            reason: "so that every crate may use it, and none of their rules ends up in it",
            breaks: |edge| {
                let allowed = edge.dev && edge.to == TESTBED;
                edge.from == NET && is_ours(&edge.to) && !allowed
            },
        },
        Rule {
            id: "lanes-knows-none",
            crates: &[LANES],
            reason: "it is a library about bytes and processors, which others could use as it is",
            breaks: |edge| edge.from == LANES && is_ours(&edge.to),
        },
        Rule {
            id: "only-app-wires",
            crates: &["stocktake"],
            reason: "only the program wires the parts together, so nothing may depend on it",
            breaks: |edge| edge.to == "stocktake",
        },
        Rule {
            id: "fuzz-outermost",
            crates: &[FUZZ],
            reason: "what it sees of the adapters is behind their feature `fuzzing`, which nothing else may switch on",
            breaks: |edge| edge.to == FUZZ,
        },
        Rule {
            id: "testbed-dev-only",
            crates: &[TESTBED, "xtask"],
            reason: "the testbed installs and starts things, and sees the program from outside as the gate does",
            breaks: |edge| {
                let deployed = edge.to == TESTBED && !edge.dev && edge.from != "xtask";
                let inside = [TESTBED, "xtask"].contains(&edge.from.as_str());
                deployed || edge.to == "xtask" || (inside && is_ours(&edge.to) && edge.to != TESTBED)
            },
        },
    ]
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

/// What each crate of ours is deployed with of the others: the edges that the document's table must list.
pub(super) fn deployed(edges: &[Edge]) -> BTreeMap<String, BTreeSet<String>> {
    let mut table = BTreeMap::<String, BTreeSet<String>>::new();
    for edge in edges {
        let named = table.entry(edge.from.clone()).or_default();
        if is_ours(&edge.to) && !edge.dev {
            named.insert(edge.to.clone());
        }
    }
    table
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
    fn adapters_know_no_other_adapter() {
        for adapter in
            ["stocktake-http", "stocktake-diesel-storage", "stocktake-worker", "stocktake-content-git"]
        {
            assert!(broken(adapter, "stocktake-domain", false).is_empty());
            assert!(broken(adapter, "stocktake-net", false).is_empty());
            assert!(broken(adapter, "stocktake-testbed", true).is_empty());
            assert_eq!(broken(adapter, "stocktake-testbed", false), ["adapters-apart", "testbed-dev-only"]);
            assert_eq!(broken(adapter, "stocktake-source-sync", true), ["adapters-apart"]);
        }
    }

    #[test]
    fn the_network_crate_knows_no_other() {
        assert_eq!(broken("stocktake-net", "stocktake-domain", false), ["net-knows-none"]);
        assert_eq!(broken("stocktake-net", "stocktake-domain", true), ["net-knows-none"]);
        assert!(broken("stocktake-net", "stocktake-testbed", true).is_empty());
        assert!(broken("stocktake-net", "rustls", false).is_empty());
    }

    #[test]
    fn the_lanes_know_no_crate_of_ours() {
        assert_eq!(broken("stocktake-lanes", "stocktake-domain", false), ["lanes-knows-none"]);
        assert_eq!(broken("stocktake-lanes", "stocktake-testbed", true), ["lanes-knows-none"]);
        assert!(broken("stocktake-lanes", "fearless_simd", false).is_empty());
    }

    #[test]
    fn the_program_is_outermost() {
        assert_eq!(broken("stocktake-domain", "stocktake", true), ["only-app-wires"]);
        assert!(broken("stocktake", "stocktake-worker", false).is_empty());
        assert_eq!(broken("xtask", "stocktake-fuzz", true), ["fuzz-outermost", "testbed-dev-only"]);
        assert!(broken("stocktake-fuzz", "stocktake-http", false).is_empty());
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
