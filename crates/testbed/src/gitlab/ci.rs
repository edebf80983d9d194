//! Rows of the database of CI.

use super::record::{CREATED, GitlabRecord, hashed, sha256};

const PROJECT: &str = "flights/Planner";
const NO_FILE: &str = "File is not checksummable - file does not exist at: (path unavailable)";

pub(super) fn records() -> Vec<GitlabRecord> {
    [artifacts(), pipeline_artifacts(), secure_files()].concat()
}

fn artifact(id: i64, partition: u32, columns: &str, values: &str) -> GitlabRecord {
    let columns = format!("partition_id, job_id, size, created_at, project_id, {columns}");
    let values = format!("{partition}, 3, 10, {CREATED}, 1, {values}");
    GitlabRecord::new("ci_job_artifacts", id, "p_ci_job_artifacts", &columns, &values).size(10).of(PROJECT)
}

fn artifacts() -> Vec<GitlabRecord> {
    let digest = sha256("artifact");
    let below = |id: i64, file: &str| format!("{}/2025_02_05/3/{id}/{file}", hashed(1));
    let states = ("ci_job_artifact_states", "job_artifact_id");
    let last = "aa/bb/6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b/@final/xx/yy/0f";
    let plain = "file_type, file, file_store, file_sha256, file_location, file_final_path";
    vec![
        artifact(1, 100, plain, &format!("1, 'artifacts.zip', 1, '{digest}', 2, NULL"))
            .at("artifacts-disk", below(1, "artifacts.zip"))
            .digest(format!("sha256:{digest}"))
            .state(states.0, states.1, 2, &digest)
            .elsewhere(&digest),
        // The path that is final counts in object storage only.
        artifact(2, 101, plain, &format!("1, 'artifacts.zip', 2, NULL, 2, '{last}'"))
            .at("artifacts-bucket", last)
            .state(states.0, states.1, 2, "0123")
            .elsewhere("0123"),
        artifact(3, 101, plain, &format!("1, 'a.zip', 1, NULL, NULL, '{last}'"))
            .at("artifacts-disk", below(3, "a.zip"))
            .state(states.0, states.1, 3, ""),
        artifact(4, 100, plain, "2, 'metadata.gz', 1, NULL, 1, NULL")
            .at("artifacts-disk", "2025_02/1/3/metadata.gz")
            .state(states.0, states.1, 0, &digest),
        // A job's log is never in the place that was first used.
        artifact(5, 100, plain, "3, 'job.log', 2, NULL, 1, NULL").at("artifacts-bucket", below(5, "job.log")),
        artifact(6, 100, plain, "1, NULL, 1, NULL, 2, NULL").at("artifacts-disk", "-").lost(NO_FILE),
        artifact(7, 100, plain, "1, 'a.zip', 3, NULL, 2, NULL")
            .at("-", below(7, "a.zip"))
            .lost("its store is 3, neither 1 (local) nor 2 (object storage)"),
    ]
}

fn pipeline_artifacts() -> Vec<GitlabRecord> {
    let row = |id: i64, values: &str| {
        GitlabRecord::new(
            "ci_pipeline_artifacts",
            id,
            "ci_pipeline_artifacts",
            "created_at, pipeline_id, project_id, size, file, file_store, file_type, verification_state, \
             verification_checksum",
            &format!("{CREATED}, 9, 1, 20, {values}"),
        )
        .size(20)
        .of(PROJECT)
    };
    let below = |id: i64, file: &str| format!("{}/pipelines/9/artifacts/{id}/{file}", hashed(1));
    let digest = sha256("coverage");
    let legacy = |text: &str| format!("2, decode('{text}', 'hex')");
    let states = ("p_ci_pipeline_artifact_states", "pipeline_artifact_id");
    vec![
        // No row of the state's own, so that the column counts.
        row(1, &format!("'coverage.json', 1, 1, {}", legacy(&digest)))
            .at("artifacts-disk", below(1, "coverage.json"))
            .elsewhere(&digest),
        row(2, "'variables.json', 2, 3, 0, NULL")
            .at("artifacts-bucket", below(2, "variables.json"))
            .rule("pipeline_artifact:1"),
        // A state of its own counts before what the column has, here that it failed.
        row(3, &format!("'q.json', 1, 2, {}", legacy(&digest)))
            .at("artifacts-disk", below(3, "q.json"))
            .state(states.0, states.1, 3, "")
            .older(|record| record.elsewhere = Some(sha256("coverage"))),
        // One with its defaults does not: a size of three digits, packed.
        row(4, &format!("'q.json', 2, 2, {}", legacy("0123")))
            .at("artifacts-bucket", below(4, "q.json"))
            .with("INSERT INTO p_ci_pipeline_artifact_states (pipeline_artifact_id) VALUES (4)")
            .elsewhere("0123"),
    ]
}

fn secure_files() -> Vec<GitlabRecord> {
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
        .of(PROJECT)
    };
    let below = |id: i64| format!("{}/secure_files/{id}/key.pem", hashed(1));
    let key = "ab".repeat(64);
    let geo = "eae7da9acc94821e932b7ddc51b5b7b3568ced7a14b96a9f6f78d502d76a55db";
    vec![
        row(1, &format!("1, '{key}'"))
            .at("ci_secure_files-disk", below(1))
            .rule(format!("secure_file:{key}"))
            .state("ci_secure_file_states", "ci_secure_file_id", 2, geo)
            .elsewhere(geo),
        row(2, &format!("2, '{key}'"))
            .at("ci_secure_files-bucket", below(2))
            .rule(format!("secure_file:{key}")),
        row(3, "1, NULL")
            .at("ci_secure_files-disk", below(3))
            .lost("its key_data are empty, so that it cannot be decrypted"),
    ]
}
