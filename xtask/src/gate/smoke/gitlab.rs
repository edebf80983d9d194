//! `cargo xtask up --gitlab`: all 19 types are there with the right counts, the planted faults are reported, and nothing
//! else is.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;
use stocktake_testbed::{GitlabFixture, GitlabOutcome, GitlabRecord, PgCluster};

use super::{Up, answer};
use crate::api::list_path;
use crate::machine;
use crate::project::{Project, capture};

/// Runs it, and compares all records, findings and orphans.
pub(super) fn run(project: &Project, parent: &Path) -> anyhow::Result<()> {
    let folder = parent.join("gitlab");
    std::fs::create_dir_all(&folder)?;
    // `up` makes the same in the same place; only the database is another.
    let cluster = machine::postgres(PgCluster::start)?;
    let fixture = GitlabFixture::write(&folder.join("gitlab"), &cluster.create_database()?)?;
    let up = Up::start(project, &folder, &["--gitlab"])?;
    let lines =
        |start: &str| -> Vec<&str> { up.said.lines().filter(|line| line.starts_with(start)).collect() };
    let [findings, broken, sync] = lines("curl ")[..] else { bail!("not three curl lines") };

    let mut by_model: BTreeMap<&str, Vec<&GitlabRecord>> = BTreeMap::new();
    for record in &fixture.records {
        by_model.entry(record.model).or_default().push(record);
    }
    ensure!(by_model.len() == 19, "{} models", by_model.len());
    for (model, records) in &by_model {
        let path = format!("{}?per_page=100", list_path(model));
        let page = up.api.get(&path)?;
        let page = page.as_array().context("no list")?;
        ensure!(page.len() == records.len(), "{model}: {} records, not {}", page.len(), records.len());
        page.iter().zip(records).try_for_each(|(shown, wanted)| check(shown, wanted))?;
    }
    check_findings(&answer(findings)?, &fixture)?;
    ensure!(answer(broken)?.pointer("/checksum_information/checksum_state") == Some(&"failed".into()));
    ensure!(answer(sync)?.as_array().is_some_and(|models| models.len() == 19), "not 19 models are synced");
    let commands = lines(&format!("{}", binary(project).display()));
    let [export, orphans] = commands[..] else { bail!("not two commands: {commands:?}") };
    let run = |line: &str| capture(Command::new("sh").args(["-c", line]).current_dir(&project.root));
    let wrong = fixture.records.iter().filter(|record| is_wrong(record)).count();
    ensure!(run(export)?.lines().count() == 1 + wrong, "export prints another number of findings");
    let listed = run(orphans)?;
    for orphan in &fixture.orphans {
        ensure!(listed.contains(&orphan.path), "{} is not listed", orphan.path);
    }
    let total = listed.lines().find_map(|line| line.strip_prefix("all ")).context("no totals")?;
    let counted = total.split_whitespace().nth(1).context("no count of orphans")?;
    ensure!(counted == fixture.orphans.len().to_string(), "{counted} orphans, not {}", fixture.orphans.len());
    up.end()?;
    println!("up --gitlab: {} records as they should be, {wrong} findings", fixture.records.len());
    Ok(())
}

fn binary(project: &Project) -> std::path::PathBuf {
    let path = project.target.join("debug/stocktake");
    path.strip_prefix(&project.root).map(Path::to_owned).unwrap_or(path)
}

fn is_wrong(record: &GitlabRecord) -> bool {
    matches!(record.outcome, GitlabOutcome::Failed { .. })
}

fn check(shown: &Value, wanted: &GitlabRecord) -> anyhow::Result<()> {
    let text = |name: &str| shown.pointer(&format!("/checksum_information/{name}")).and_then(Value::as_str);
    let good = shown.get("record_identifier").and_then(Value::as_i64) == Some(wanted.id)
        && shown.get("file_size").and_then(Value::as_u64) == wanted.file_size
        && shown.get("created_at").and_then(Value::as_str) == wanted.created_at
        && match &wanted.outcome {
            GitlabOutcome::Succeeded => {
                text("checksum_state") == Some("succeeded") && text("checksum") == wanted.checksum.as_deref()
            }
            GitlabOutcome::Failed { text: failure, .. } => {
                text("checksum_state") == Some("failed")
                    && text("checksum_failure").is_some_and(|told| told.contains(failure))
            }
            GitlabOutcome::Disabled => text("checksum_state") == Some("disabled"),
        };
    ensure!(good, "{}/{}: wanted {:?}, found {shown}", wanted.model, wanted.id, wanted.outcome);
    Ok(())
}

/// Just the planted faults, each with its kind and its owner.
fn check_findings(shown: &Value, fixture: &GitlabFixture) -> anyhow::Result<()> {
    let shown = shown.as_array().context("no list")?;
    let wanted: Vec<_> = fixture.records.iter().filter(|record| is_wrong(record)).collect();
    ensure!(shown.len() == wanted.len(), "{} findings, not {}", shown.len(), wanted.len());
    for (finding, record) in shown.iter().zip(wanted) {
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
