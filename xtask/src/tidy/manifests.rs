//! Rules for every `Cargo.toml`: shared lints, shared versions, one `rust-version`, no unused dependencies.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::Context as _;
use cargo_metadata::Metadata;
use toml::{Table, Value};

use super::{Finding, sources};

/// Dependencies that no source file names, with the reason for them.
const NEVER_NAMED: [(&str, &str); 1] =
    [("libsqlite3-sys", "its feature `bundled` is what makes SQLite part of the program")];

/// The tables that name dependencies.
const TABLES: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];

/// Checks the manifests of the workspace and all its crates.
pub(super) fn check(root: &Path, metadata: &Metadata) -> anyhow::Result<Vec<Finding>> {
    let mut findings = Vec::new();
    let mut used = BTreeSet::new();
    let libraries = libraries(metadata);
    for package in metadata.workspace_packages() {
        let path = package.manifest_path.as_std_path();
        let manifest = read(path)?;
        let folder = path.parent().context("a manifest without a folder")?;
        let text = sources::text_below(folder)?;
        findings.extend(check_one(package.name.as_str(), &manifest, &text, &libraries));
        used.extend(dependencies(&manifest).map(|(name, _)| name.to_owned()));
    }
    findings.extend(check_workspace(&read(&root.join("Cargo.toml"))?, &used));
    Ok(findings)
}

/// The name of each crate's library, as sources name it.
fn libraries(metadata: &Metadata) -> BTreeMap<String, String> {
    let targets = metadata
        .packages
        .iter()
        .flat_map(|package| package.targets.iter().map(move |target| (package, target)));
    targets
        .filter(|(_, target)| target.is_lib() || target.is_proc_macro())
        .map(|(package, target)| (package.name.to_string(), target.name.replace('-', "_")))
        .collect()
}

fn read(path: &Path) -> anyhow::Result<Table> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    text.parse().with_context(|| path.display().to_string())
}

fn dependencies(manifest: &Table) -> impl Iterator<Item = (&str, &Value)> {
    let tables = TABLES.iter().filter_map(|name| manifest.get(*name)?.as_table());
    tables.flatten().map(|(name, value)| (name.as_str(), value))
}

/// Checks the manifest of one crate. `text` is that of all its source files.
fn check_one(name: &str, manifest: &Table, text: &str, libraries: &BTreeMap<String, String>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let is_true = |value: Option<&Value>| value.and_then(Value::as_bool) == Some(true);
    if !is_true(manifest.get("lints").and_then(|lints| lints.get("workspace"))) {
        findings.push(Finding::new("shared-lints", name, "has no `[lints] workspace = true`"));
    }
    let version = manifest.get("package").and_then(|package| package.get("rust-version"));
    if !is_true(version.and_then(|version| version.get("workspace"))) {
        let message =
            "has no `rust-version.workspace = true`: clippy checks a crate against its own version only";
        findings.push(Finding::new("documented-rust-version", name, message));
    }
    for (dependency, value) in dependencies(manifest) {
        if !is_true(value.get("workspace")) {
            let message = format!("gives `{dependency}` a version of its own instead of `workspace = true`");
            findings.push(Finding::new("shared-versions", name, message));
        }
        let is_exempt = NEVER_NAMED.iter().any(|(exempt, _)| *exempt == dependency);
        let library = libraries.get(dependency).cloned().unwrap_or_else(|| dependency.replace('-', "_"));
        if !is_exempt && !names(text, &library) {
            let message = format!("depends on `{dependency}`, which none of its source files names");
            findings.push(Finding::new("used-dependencies", name, message));
        }
    }
    findings
}

/// Checks the settings that all crates share. `used` are the dependencies that at least one crate has.
fn check_workspace(manifest: &Table, used: &BTreeSet<String>) -> Vec<Finding> {
    let finding = |rule, message: String| Finding::new(rule, "Cargo.toml", message);
    let workspace = manifest.get("workspace");
    let table = |path: &[&str]| path.iter().try_fold(workspace?, |value, name| value.get(*name));
    let mut findings = Vec::new();
    if table(&["package", "rust-version"]).is_none() {
        let message =
            "has no `rust-version` in [workspace.package], so the oldest supported compiler is unknown";
        findings.push(finding("documented-rust-version", message.to_owned()));
    }
    let is_denied = table(&["lints", "clippy", "all", "level"]).and_then(Value::as_str) == Some("deny");
    if !is_denied || table(&["lints", "clippy", "incompatible_msrv"]).is_some() {
        let message = "does not deny `clippy::all`, or makes an exception for `incompatible_msrv`, the lint that \
                       proves `rust-version`";
        findings.push(finding("documented-rust-version", message.to_owned()));
    }
    for (name, value) in table(&["dependencies"]).and_then(Value::as_table).into_iter().flatten() {
        if !used.contains(name) {
            let message = format!("lists `{name}` in [workspace.dependencies], but no crate uses it");
            findings.push(finding("used-dependencies", message));
        }
        if let Some(package) = value.get("package").and_then(Value::as_str) {
            let message = format!(
                "renames the package `{package}` to `{name}`, so that a search for one misses the other"
            );
            findings.push(finding("own-names", message));
        }
    }
    findings
}

/// Whether the text contains the word.
fn names(text: &str, word: &str) -> bool {
    let part_of_word = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).any(|(start, _)| {
        let (before, from) = text.split_at(start);
        let after = from.strip_prefix(word).unwrap_or(from);
        !before.ends_with(part_of_word) && !after.starts_with(part_of_word)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(manifest: &str, text: &str) -> Vec<&'static str> {
        let libraries = BTreeMap::from([("md-5".to_owned(), "md5".to_owned())]);
        check_one("it", &manifest.parse().unwrap(), text, &libraries)
            .iter()
            .map(|finding| finding.rule)
            .collect()
    }

    #[test]
    fn a_good_manifest() {
        let manifest = "[package]\nrust-version.workspace = true\n[dependencies]\nserde-json.workspace = true\n[dev-dependencies]\n\
                        md-5 = { workspace = true, features = [\"x\"] }\n[lints]\nworkspace = true";
        assert!(rules(manifest, "use serde_json::x; md5::y").is_empty());
    }

    #[test]
    fn bad_manifests() {
        let good = "[package]\nrust-version.workspace = true\n[lints]\nworkspace = true\n";
        assert_eq!(rules("", ""), ["shared-lints", "documented-rust-version"]);
        assert_eq!(rules(&good.replace("[lints]\nworkspace = true", "[lints]"), ""), ["shared-lints"]);
        assert_eq!(
            rules(&good.replace(".workspace = true\n[", " = \"1.89\"\n["), ""),
            ["documented-rust-version"]
        );
        assert_eq!(rules(&format!("{good}[dependencies]\nhex = \"1\""), "hex::x"), ["shared-versions"]);
        let unused = format!("{good}[dependencies]\nhex.workspace = true");
        assert_eq!(rules(&unused, "a_hex, hexa, hex_"), ["used-dependencies"]);
    }

    #[test]
    fn bad_workspaces() {
        let good = "[workspace.package]\nrust-version = \"1.89\"\n[workspace.lints.clippy]\n\
                    all = { level = \"deny\", priority = -1 }\n[workspace.dependencies]\nhex = \"1\"\n";
        let rules = |manifest: &str| -> Vec<_> {
            let findings = check_workspace(&manifest.parse().unwrap(), &BTreeSet::from(["hex".to_owned()]));
            findings.iter().map(|finding| finding.rule).collect()
        };
        assert_eq!(rules(good), [""; 0]);
        assert_eq!(rules(&format!("{good}url = \"2\"")), ["used-dependencies"]);
        assert_eq!(rules(&good.replace("\"1\"", "{ package = \"hexagon\" }")), ["own-names"]);
        for (bad, instead) in
            [("rust-version", "edition"), ("deny", "warn"), ("all", "incompatible_msrv = \"allow\"\nall")]
        {
            assert_eq!(rules(&good.replace(bad, instead)), ["documented-rust-version"], "{bad}");
        }
    }
}
