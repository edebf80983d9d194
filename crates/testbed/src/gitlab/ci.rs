//! Rows of the database of CI.

use super::DB_KEY_BASE;
use super::content::{filled, sha256, shown_size};
use super::record::{CREATED, GitlabRecord, NO_FILE, PLANNER, hashed};
use crate::encryption::{derived_key, encrypt};

/// All columns of an artifact of a job that are its own.
pub(super) const ARTIFACT: &str = "file_type, file, file_store, file_sha256, file_location, file_final_path";

/// The table of the states of artifacts of jobs.
pub(super) const ARTIFACT_STATES: (&str, &str) = ("ci_job_artifact_states", "job_artifact_id");

pub(super) fn records() -> anyhow::Result<Vec<GitlabRecord>> {
    Ok([artifacts(), pipeline_artifacts()?, secure_files()?].concat())
}

/// An artifact of a job: its id and partition, its content, the values of its columns.
pub(super) fn artifact(id: i64, partition: u32, content: &str, values: &str) -> GitlabRecord {
    let columns = format!("partition_id, job_id, size, created_at, project_id, {ARTIFACT}");
    let size = content.len();
    let values = format!("{partition}, 3, {size}, {CREATED}, 1, {values}");
    GitlabRecord::new("ci_job_artifacts", id, "p_ci_job_artifacts", &columns, &values)
        .size(size)
        .bytes(content)
        .of(PLANNER)
}

/// Where an artifact lies below its root.
pub(super) fn artifact_path(id: i64, file: &str) -> String {
    format!("{}/2025_02_05/3/{id}/{file}", hashed(1))
}

fn artifacts() -> Vec<GitlabRecord> {
    let (content, below) = ("the artifact of a job", artifact_path);
    let digest = sha256(content);
    let (table, key) = ARTIFACT_STATES;
    let long = filled("an archive ", 123);
    let last = format!("{}/@final/0a/1b/{}", hashed(1), "2c".repeat(30));
    vec![
        artifact(1, 100, content, &format!("1, 'artifacts.zip', 1, '{digest}', 2, NULL"))
            .at("artifacts-disk", below(1, "artifacts.zip"))
            .digest(format!("sha256:{digest}"))
            .state(table, key, 2, &digest)
            .source_checksum(&digest),
        // The path that is final counts in object storage only.
        artifact(2, 101, &long, &format!("1, 'artifacts.zip', 2, NULL, 2, '{last}'"))
            .at("artifacts-bucket", last.as_str())
            .state(table, key, 2, &shown_size(123))
            .source_checksum("0123"),
        artifact(3, 101, "archive", &format!("1, 'a.zip', 1, NULL, NULL, '{last}'"))
            .at("artifacts-disk", below(3, "a.zip"))
            .state(table, key, 3, ""),
        artifact(4, 100, "metadata", "2, 'metadata.gz', 1, NULL, 1, NULL")
            .at("artifacts-disk", "2025_02/1/3/metadata.gz")
            .state(table, key, 0, &digest),
        // A job's log is never in the place that was first used; what is there of GitLab's own is no checksum.
        artifact(5, 100, "log", "3, 'job.log', 2, NULL, 1, NULL")
            .at("artifacts-bucket", below(5, "job.log"))
            .state(table, key, 2, "no checksum"),
        artifact(6, 100, "", "1, NULL, 1, NULL, 2, NULL").at("artifacts-disk", "-").lost(NO_FILE),
        artifact(7, 100, "", "1, 'a.zip', 3, NULL, 2, NULL")
            .at("-", below(7, "a.zip"))
            .lost("its store is 3, neither 1 (local) nor 2 (object storage)"),
    ]
}

fn pipeline_artifacts() -> anyhow::Result<Vec<GitlabRecord>> {
    // The size is that of the content as it was before it was encrypted.
    let row = |id: i64, content: &str, values: &str| {
        let size = content.len();
        let columns = "created_at, pipeline_id, project_id, size, file, file_store, file_type, verification_state, \
                       verification_checksum";
        let values = format!("{CREATED}, 9, 1, {size}, {values}");
        GitlabRecord::new("ci_pipeline_artifacts", id, "ci_pipeline_artifacts", columns, &values)
            .size(size)
            .bytes(content)
            .of(PLANNER)
    };
    let below = |id: i64, file: &str| format!("{}/pipelines/9/artifacts/{id}/{file}", hashed(1));
    let digest = sha256(COVERAGE);
    let legacy = |text: &str| format!("2, decode('{text}', 'hex')");
    let states = ("p_ci_pipeline_artifact_states", "pipeline_artifact_id");
    let variables = r#"[{"key": "NUMBER", "value": "2"}]"#;
    let key = derived_key(DB_KEY_BASE, "pipeline_artifact:1")?;
    let quality = filled("quality ", 123);
    Ok(vec![
        // No row of the state's own, so that the column counts.
        row(1, COVERAGE, &format!("'coverage.json', 1, 1, {}", legacy(&digest)))
            .at("artifacts-disk", below(1, "coverage.json"))
            .source_checksum(&digest),
        row(2, variables, "'variables.json', 2, 3, 0, NULL")
            .at("artifacts-bucket", below(2, "variables.json"))
            .bytes(encrypt(key, 2, variables.as_bytes())?)
            .rule("pipeline_artifact:1"),
        // A state of its own counts before what the column has, here that it failed.
        row(3, COVERAGE, &format!("'q.json', 1, 2, {}", legacy(&digest)))
            .at("artifacts-disk", below(3, "q.json"))
            .state(states.0, states.1, 3, "")
            .older(|record| record.source_checksum = Some(sha256(COVERAGE))),
        // One with its defaults does not: a size of three digits, packed.
        row(4, &quality, &format!("'q.json', 2, 2, {}", legacy("0123")))
            .at("artifacts-bucket", below(4, "q.json"))
            .with("INSERT INTO p_ci_pipeline_artifact_states (pipeline_artifact_id) VALUES (4)")
            .source_checksum("0123"),
    ])
}

/// The content of an artifact of a pipeline.
const COVERAGE: &str = "the coverage of a pipeline";

fn secure_files() -> anyhow::Result<Vec<GitlabRecord>> {
    // The vector of a file that holds `hello`: as it is stored, its digest as it is stored, and that of its plaintext.
    let stored = hex::decode("000102030405060708090a0b7fd5ba51ff9cdfb76ba9e22e63b4f07e6fcb220a79")?;
    let geo = "eae7da9acc94821e932b7ddc51b5b7b3568ced7a14b96a9f6f78d502d76a55db";
    let digest = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    let row = |id: i64, values: &str| {
        GitlabRecord::new(
            "ci_secure_files",
            id,
            "ci_secure_files",
            "project_id, created_at, name, file, checksum, file_store, key_data",
            &format!("1, {CREATED}, 'Key', 'key.pem', '{digest}', {values}"),
        )
        .digest(format!("sha256:{digest}"))
        .bytes(stored.clone())
        .of(PLANNER)
    };
    let below = |id: i64| format!("{}/secure_files/{id}/key.pem", hashed(1));
    let key = "ab".repeat(64);
    Ok(vec![
        row(1, &format!("1, '{key}'"))
            .at("ci_secure_files-disk", below(1))
            .rule(format!("secure_file:{key}"))
            .state("ci_secure_file_states", "ci_secure_file_id", 2, geo)
            .source_checksum(geo),
        row(2, &format!("2, '{key}'"))
            .at("ci_secure_files-bucket", below(2))
            .rule(format!("secure_file:{key}")),
        row(3, "1, NULL")
            .at("ci_secure_files-disk", below(3))
            .lost("its key_data are empty, so that it cannot be decrypted"),
    ])
}
