//! The top level of the repository: few names, each of which a newcomer recognises.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use super::Finding;
use crate::project::capture;

/// The files and folders that may be there.
const ALLOWED: [&str; 15] = [
    ".cargo",
    ".ci",
    ".gitignore",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "clippy.toml",
    "config",
    "crates",
    "docs",
    "fuzz",
    "rustfmt.toml",
    "xtask",
];

/// The texts of the licences that every manifest names.
const LICENCES: [&str; 2] = ["LICENSE-APACHE", "LICENSE-MIT"];

/// Checks the files that git knows of: what is ignored or not yet added does not count.
pub(super) fn check(root: &Path) -> anyhow::Result<Vec<Finding>> {
    let files = capture(Command::new("git").args(["ls-files", "-z"]).current_dir(root))?;
    Ok(check_files(files.split('\0').filter(|file| !file.is_empty())))
}

fn check_files<'a>(files: impl Iterator<Item = &'a str>) -> Vec<Finding> {
    let names: BTreeSet<&str> = files.map(|file| file.split_once('/').map_or(file, |(top, _)| top)).collect();
    let others = names.iter().filter(|name| !ALLOWED.contains(name)).map(|name| {
        let message = "does not belong at the top level: move it into the folder of what uses it";
        Finding::new("top-level", *name, message)
    });
    let missing = LICENCES.iter().filter(|name| !names.contains(*name)).map(|name| {
        Finding::new(
            "licence-texts",
            *name,
            "is missing: a copy of the sources must include the text of its licence",
        )
    });
    others.chain(missing).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(files: &[&str]) -> Vec<(&'static str, String)> {
        let findings = check_files(files.iter().copied()).into_iter();
        findings.map(|finding| (finding.rule, finding.subject)).collect()
    }

    #[test]
    fn only_known_names_are_at_the_top() {
        let good = ["LICENSE-APACHE", "LICENSE-MIT", "crates/a/notes.txt", "docs/a.md"];
        assert_eq!(rules(&good), []);
        let bad = [&good[..], &["notes.txt", "scripts/a.sh", "scripts/b.sh"]].concat();
        assert_eq!(rules(&bad), ["notes.txt", "scripts"].map(|name| ("top-level", name.to_owned())));
    }

    #[test]
    fn the_licences_are_there() {
        assert_eq!(rules(&["LICENSE-MIT"]), [("licence-texts", "LICENSE-APACHE".to_owned())]);
    }

    #[test]
    fn git_is_asked_for_the_files() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("a b"), "").unwrap();
        assert!(check(root.path()).is_err());
        for words in [&["init", "--quiet"][..], &["add", "a b"]] {
            capture(Command::new("git").args(words).current_dir(root.path())).unwrap();
        }
        std::fs::write(root.path().join("not added"), "").unwrap();
        assert_eq!(check(root.path()).unwrap()[0].subject, "a b");
    }
}
