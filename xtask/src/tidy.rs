//! The repository's own rules, which neither the compiler nor clippy checks, and figures of its code.

mod dependencies;
mod figures;
mod imports;
mod invariants;
mod layout;
mod licences;
mod manifests;
mod sources;

use std::fmt;
use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use cargo_metadata::{Metadata, MetadataCommand};
use clap::Args;

use crate::code::Sources;
use figures::Figures;

/// One violation of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    /// The rule's name.
    rule: &'static str,
    /// The file or crate.
    subject: String,
    /// What is wrong, and the reason for the rule.
    message: String,
}

impl Finding {
    fn new(rule: &'static str, subject: impl Into<String>, message: impl Into<String>) -> Self {
        Self { rule, subject: subject.into(), message: message.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}\n    rule: {}", self.subject, self.message, self.rule)
    }
}

/// Options of `tidy`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Print sizes, long functions, missing documentation and import circles instead of checking
    #[arg(long)]
    figures: bool,
    /// Measure this checkout instead of the one that the command was built from
    #[arg(long, value_name = "FOLDER", requires = "figures")]
    root: Option<PathBuf>,
}

/// Checks the checkout at `root`, or prints figures of it or of another.
pub(crate) fn run(root: &Path, options: &Options) -> anyhow::Result<()> {
    if !options.figures {
        return check(root);
    }
    let root = options.root.as_deref().unwrap_or(root);
    let figures = Figures::measure(&Sources::read(root)?)?;
    match write!(std::io::stdout(), "{figures}") {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// Checks the checkout at `root`. Prints all findings, and fails if there is one.
pub(crate) fn check(root: &Path) -> anyhow::Result<()> {
    let metadata = MetadataCommand::new()
        .manifest_path(root.join("Cargo.toml"))
        .other_options(["--locked".to_owned()])
        .exec()
        .context("cargo metadata")?;
    let findings = findings(root, &metadata)?;
    for finding in &findings {
        eprintln!("{finding}");
    }
    match findings.len() {
        0 => Ok(()),
        1 => bail!("1 finding"),
        count => bail!("{count} findings"),
    }
}

fn findings(root: &Path, metadata: &Metadata) -> anyhow::Result<Vec<Finding>> {
    let edges = dependencies::edges(metadata);
    let architecture =
        fs::read_to_string(root.join("docs/architecture.md")).context("docs/architecture.md")?;
    let names: Vec<&str> = metadata.packages.iter().map(|package| package.name.as_str()).collect();

    let mut findings = dependencies::check(&edges);
    findings.extend(dependencies::check_reach(&dependencies::reach(root, dependencies::INNERMOST)?));
    findings.extend(invariants::check(&architecture, &dependencies::rules(), &names));
    findings.extend(invariants::check_table(&architecture, &dependencies::deployed(&edges)));
    findings.extend(licences::check(metadata));
    findings.extend(layout::check(root)?);
    findings.extend(manifests::check(root, metadata)?);
    findings.extend(sources::check(root)?);
    let code = Sources::read(root)?;
    let crates = code.crates()?;
    findings.extend(imports::check_circles(&crates));
    findings.extend(imports::check_places(&crates));
    findings.extend(imports::check_names(&code));
    findings.extend(readme(root)?);
    Ok(findings)
}

/// The README must name the two commands that a newcomer needs.
fn readme(root: &Path) -> anyhow::Result<Vec<Finding>> {
    let text = fs::read_to_string(root.join("README.md")).context("README.md")?;
    Ok(readme_findings(&text))
}

fn readme_findings(text: &str) -> Vec<Finding> {
    let missing =
        ["cargo xtask up", "cargo xtask test"].into_iter().filter(|command| !text.contains(command));
    missing
        .map(|command| Finding::new("two-commands", "README.md", format!("does not name `{command}`")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readme_names_both_commands() {
        assert_eq!(readme_findings("`cargo xtask up`, then `cargo xtask test`"), []);
        assert_eq!(readme_findings("`cargo xtask up`").len(), 1);
    }
}
