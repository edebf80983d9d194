//! `cargo xtask up --gitlab` has all records of all 20 types, and reports the planted faults and nothing else.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;
use stocktake_testbed::{GitlabFixture, GitlabOutcome, GitlabRecord, PgCluster};

use super::{Up, answer};
use crate::api::list_path;
use crate::machine;
use crate::project::{Profile, Project, capture};

/// Runs the command, and compares all records, findings and orphans.
pub(super) fn run(project: &Project, parent: &Path) -> anyhow::Result<()> {
    let folder = parent.join("gitlab");
    std::fs::create_dir_all(&folder)?;
    // `up` writes the same files to the same place, with a database of its own.
    let cluster = machine::postgres(PgCluster::start)?;
    let fixture = GitlabFixture::write(&folder.join("gitlab"), &cluster.create_database()?)?;
    let up = Up::start(project, &folder, &["--gitlab"])?;
    check_records(&up, &fixture)?;

    let [findings, broken, sync] = up.lines("curl ")[..] else { bail!("there are not three `curl` lines") };
    check_findings(&answer(findings)?, &fixture)?;
    ensure!(answer(broken)?.pointer("/checksum_information/checksum_state") == Some(&"failed".into()));
    let models = answer(sync)?.as_array().map(Vec::len);
    ensure!(models == Some(20), "there is no sync state for 20 models");

    let binary = project.binary(Profile::Dev);
    let commands = up.lines(&project.relative(&binary).display().to_string());
    let [export, orphans] = commands[..] else { bail!("there are not two commands: {commands:?}") };
    let run = |line: &str| capture(Command::new("sh").args(["-c", line]).current_dir(&project.root));
    let wrong = fixture.records.iter().filter(|record| is_wrong(record)).count();
    ensure!(run(export)?.lines().count() == 1 + wrong, "`export` does not print {wrong} findings");
    check_orphans(&run(orphans)?, &fixture)?;
    up.stop()?;
    println!("up --gitlab: {} records are as expected, {wrong} of them with findings", fixture.records.len());
    Ok(())
}

/// Checks that each model has the records of the fixture and no others.
fn check_records(up: &Up, fixture: &GitlabFixture) -> anyhow::Result<()> {
    let mut by_model: BTreeMap<&str, Vec<&GitlabRecord>> = BTreeMap::new();
    for record in &fixture.records {
        by_model.entry(record.model).or_default().push(record);
    }
    ensure!(by_model.len() == 20, "{} models instead of 20", by_model.len());
    for (model, records) in &by_model {
        let page = up.api.get(&format!("{}?per_page=100", list_path(model)))?;
        let page = page.as_array().context("not a list")?;
        ensure!(page.len() == records.len(), "{model}: {} records instead of {}", page.len(), records.len());
        page.iter().zip(records).try_for_each(|(shown, expected)| check(shown, expected))?;
    }
    Ok(())
}

/// Checks that the output of `orphans` lists those of the fixture and no others.
fn check_orphans(listed: &str, fixture: &GitlabFixture) -> anyhow::Result<()> {
    let expected = fixture.orphans.len();
    for orphan in &fixture.orphans {
        ensure!(listed.contains(&orphan.path), "`orphans` does not list {}", orphan.path);
    }
    let total = listed.lines().find_map(|line| line.strip_prefix("all "));
    let total = total.context("`orphans` prints no totals")?;
    let counted = total.split_whitespace().nth(1).context("the totals have no count of orphans")?;
    ensure!(counted == expected.to_string(), "{counted} orphans instead of {expected}");
    Ok(())
}

fn is_wrong(record: &GitlabRecord) -> bool {
    matches!(record.outcome, GitlabOutcome::Failed { .. })
}

fn check(shown: &Value, expected: &GitlabRecord) -> anyhow::Result<()> {
    let text = |name: &str| shown.pointer(&format!("/checksum_information/{name}")).and_then(Value::as_str);
    let good = shown.get("record_identifier").and_then(Value::as_i64) == Some(expected.id)
        && shown.get("file_size").and_then(Value::as_u64) == expected.file_size
        && shown.get("created_at").and_then(Value::as_str) == expected.created_at
        && match &expected.outcome {
            GitlabOutcome::Succeeded => {
                text("checksum_state") == Some("succeeded")
                    && text("checksum") == expected.checksum.as_deref()
            }
            GitlabOutcome::Failed { text: failure, .. } => {
                text("checksum_state") == Some("failed")
                    && text("checksum_failure").is_some_and(|shown| shown.contains(failure))
            }
            GitlabOutcome::Disabled => text("checksum_state") == Some("disabled"),
        };
    ensure!(good, "{}/{}: expected {:?}, found {shown}", expected.model, expected.id, expected.outcome);
    Ok(())
}

/// Checks that the findings are the planted faults, each with its kind and its owner.
fn check_findings(shown: &Value, fixture: &GitlabFixture) -> anyhow::Result<()> {
    let shown = shown.as_array().context("not a list")?;
    let expected: Vec<_> = fixture.records.iter().filter(|record| is_wrong(record)).collect();
    ensure!(shown.len() == expected.len(), "{} findings instead of {}", shown.len(), expected.len());
    for (finding, record) in shown.iter().zip(expected) {
        let text = |name: &str| finding.get(name).and_then(Value::as_str);
        let GitlabOutcome::Failed { kind, .. } = &record.outcome else { continue };
        let same = text("model_name") == Some(record.model)
            && finding.get("record_identifier").and_then(Value::as_i64) == Some(record.id)
            && text("kind") == Some(kind)
            && text("owner") == record.owner;
        ensure!(same, "{}/{}: {finding}", record.model, record.id);
    }
    Ok(())
}
