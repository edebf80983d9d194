//! Rows of single files.

use super::DB_KEY_BASE;
use super::content::{filled, sha256};
use super::record::{CREATED, CREATED_AT, GitlabRecord, NO_FILE, PLANNER, hashed};
use crate::encryption::{derived_key, encrypt};

/// The table of the states of LFS objects.
pub(super) const LFS_STATES: (&str, &str) = ("lfs_object_states", "lfs_object_id");

pub(super) fn records() -> anyhow::Result<Vec<GitlabRecord>> {
    Ok([lfs_objects(), diffs(), pages(), attestations(), terraform()?].concat())
}

/// An LFS object: its content, its store, when it was made; and its digest.
pub(super) fn lfs_object(id: i64, content: &str, store: &str, created: &str) -> (GitlabRecord, String) {
    let oid = sha256(content);
    let file = format!("'{}'", &oid[4..]);
    let path = format!("{}/{}/{}", &oid[..2], &oid[2..4], &oid[4..]);
    let storage = if store == "2" { "lfs-bucket" } else { "lfs-disk" };
    let record = lfs_row(id, content.len(), &oid, &file, &format!("{store}, {created}"));
    (record.at(storage, path).digest(format!("sha256:{oid}")).bytes(content), oid)
}

fn lfs_row(id: i64, size: usize, oid: &str, file: &str, rest: &str) -> GitlabRecord {
    let values = format!("'{oid}', {size}, {file}, {rest}");
    let columns = "oid, size, file, file_store, created_at";
    GitlabRecord::new("lfs_objects", id, "lfs_objects", columns, &values).size(size)
}

fn lfs_objects() -> Vec<GitlabRecord> {
    let (table, key) = LFS_STATES;
    let (one, oid) = lfs_object(1, "the first LFS object", "1", CREATED);
    let (two, _) = lfs_object(2, "the second LFS object", "2", "NULL");
    let (three, _) = lfs_object(3, "the third LFS object", "NULL", CREATED);
    let four = sha256("four");
    vec![
        one.with("INSERT INTO lfs_objects_projects (lfs_object_id, project_id) VALUES (1, 42), (1, 2)")
            .of("flights/tower/lights")
            .state(table, key, 2, &oid)
            .source_checksum(&oid),
        // Nobody knows when, nor whose; the state waits, with a checksum of before.
        two.undated().state(table, key, 0, "12"),
        three,
        lfs_row(4, 30, &four, "NULL", &format!("1, {CREATED}"))
            .at("lfs-disk", "-")
            .digest(format!("sha256:{four}"))
            .lost(NO_FILE),
        lfs_row(5, 30, "abc", "'x'", &format!("1, {CREATED}"))
            .at("lfs-disk", "-")
            .lost(r#"its oid "abc" is no SHA-256"#),
    ]
}

fn diffs() -> Vec<GitlabRecord> {
    let row = |id: i64, state: &str, values: &str| {
        GitlabRecord::new(
            "merge_request_diffs",
            id,
            "merge_request_diffs",
            "state, merge_request_id, created_at, real_size, project_id, external_diff, external_diff_store, \
             stored_externally",
            &format!("'{state}', 4, {CREATED}, '7', 1, {values}"),
        )
        .of(PLANNER)
        .older(|record| record.owner = None)
    };
    let files = |id: i64, parts: &str| {
        let columns = "merge_request_diff_id, relative_order, external_diff_offset, external_diff_size";
        format!(
            "INSERT INTO merge_request_diff_files ({columns}) SELECT {id}, n, o, s FROM (VALUES {parts}) p (n, o, s)"
        )
    };
    let states = ("merge_request_diff_details", "merge_request_diff_id");
    let content = filled("@@ -1 +1 @@\n-before\n+after\n", 123);
    vec![
        row(1, "collected", "'diff-1', 1, true")
            .at("external_diffs-disk", "merge_request_diffs/mr-4/diff-1")
            .with(&files(1, "(0, 0, 70), (1, 100, 23), (2, 70, 30)"))
            .bytes(content.as_str())
            .state(states.0, states.1, 2, &sha256(&content))
            .source_checksum(sha256(&content))
            .rule("length:123"),
        row(2, "collected", "'diff-2', 2, true")
            .at("external_diffs-bucket", "merge_request_diffs/mr-4/diff-2")
            .bytes(content)
            .state(states.0, states.1, 2, "0123")
            .source_checksum("0123"),
        // In the database, or without a file at all: never checksummed.
        row(3, "collected", "NULL, 1, false").at("external_diffs-disk", "-").disabled(),
        row(4, "empty", "'diff-4', 1, true")
            .at("external_diffs-disk", "merge_request_diffs/mr-4/diff-4")
            .disabled(),
        row(5, "without_files", "'diff-5', 1, true")
            .at("external_diffs-disk", "merge_request_diffs/mr-4/diff-5")
            .disabled(),
        row(6, "collected", "NULL, 1, NULL").at("external_diffs-disk", "-").disabled(),
    ]
}

fn pages() -> Vec<GitlabRecord> {
    let content = "the archive of a site";
    let (digest, size) = (sha256(content), content.len());
    let row = |id: i64, store: u8| {
        let columns = "created_at, project_id, file_store, file, file_sha256, size, upload_ready";
        let values = format!("{CREATED}, 2, {store}, 'artifacts.zip', '{digest}', {size}, false");
        GitlabRecord::new("pages_deployments", id, "pages_deployments", columns, &values)
            .size(size)
            .digest(format!("sha256:{digest}"))
            .bytes(content)
            .of("flights/tower/lights")
    };
    let below = |id: i64| format!("{}/pages_deployments/{id}/artifacts.zip", hashed(2));
    vec![row(1, 1).at("pages-disk", format!("@hashed/{}", below(1))), row(2, 2).at("pages-bucket", below(2))]
}

/// Where the files of an attestation lie.
pub(super) fn attestation_path(id: i64, file: &str) -> String {
    format!("{}/attestations/{id}/{file}", hashed(1))
}

fn attestations() -> Vec<GitlabRecord> {
    let row = |id: i64, values: &str| {
        let columns =
            "created_at, project_id, status, file, file_store, predicate_file, predicate_file_store";
        let values = format!("{CREATED}, 1, {values}");
        GitlabRecord::new("supply_chain_attestations", id, "slsa_attestations", columns, &values)
            .bytes(format!(r#"{{"attestation": {id}}}"#))
            .of(PLANNER)
            .newer()
    };
    let below = |id: i64| attestation_path(id, "attestation.json");
    vec![
        row(1, "0, 'attestation.json', 1, 'predicate.json', 1").at("public-disk", below(1)),
        row(2, "0, 'attestation.json', 2, 'predicate.json', 2").at("uploads-bucket", below(2)),
        // Its making failed, so that there is no file; GitLab counts it none the less.
        row(3, "1, NULL, 1, NULL, 1").at("public-disk", "-").lost(NO_FILE),
    ]
}

/// A version of a Terraform state of the project 1: its id and that of the state, the values of its columns.
pub(super) fn terraform_version(id: i64, state: i64, values: &str) -> GitlabRecord {
    let columns =
        "terraform_state_id, created_at, updated_at, version, project_id, file_store, file, is_encrypted";
    let values = format!("{state}, {CREATED}, {CREATED}, {id}, {values}");
    GitlabRecord::new("terraform_state_versions", id, "terraform_state_versions", columns, &values)
        .touched(Some(CREATED_AT))
        .of(PLANNER)
}

/// The statement that makes a Terraform state.
pub(super) fn terraform_state(id: i64, project: i64, versioned: bool) -> String {
    format!("INSERT INTO terraform_states VALUES ({id}, {project}, 'uuid{id}', {versioned})")
}

/// The content of a version of a Terraform state.
pub(super) fn terraform_plain(id: i64) -> String {
    format!(r#"{{"version": 4, "serial": {id}, "resources": []}}"#)
}

fn terraform() -> anyhow::Result<Vec<GitlabRecord>> {
    let states = ("terraform_state_version_states", "terraform_state_version_id");
    let encrypted = |id: i64, number: u64, project: &str| {
        encrypt(derived_key(DB_KEY_BASE, project)?, number, terraform_plain(id).as_bytes())
    };
    let one = encrypted(1, 1, "1")?;
    let digest = sha256(&one);
    Ok(vec![
        terraform_version(1, 1, "1, 1, '1.tfstate', true")
            .with(&terraform_state(1, 1, true))
            .at("terraform_state-disk", format!("{}/uuid1/1.tfstate", hashed(1)))
            .rule("terraform_state:1")
            .bytes(one)
            .state(states.0, states.1, 2, &digest)
            .source_checksum(digest)
            .older(|record| record.source_checksum = Some("0c".repeat(32))),
        terraform_version(2, 1, "1, 2, '2.tfstate', false")
            .at("terraform_state-bucket", format!("{}/uuid1/2.tfstate", hashed(1)))
            .bytes(terraform_plain(2))
            // All states are encrypted there.
            .older(|record| {
                *record = record.clone().rule("terraform_state:1").fails("unreadable", "cannot be decrypted");
            }),
        // Without versions, there is one file that is written over; the project is the state's.
        terraform_version(3, 3, "NULL, 1, 'uuid3.tfstate', true")
            .with(&terraform_state(3, 42, false))
            .at("terraform_state-disk", "42/uuid3.tfstate")
            .rule("terraform_state:42")
            .bytes(encrypted(3, 3, "42")?)
            .mutable()
            .of("old/legacy"),
        terraform_version(4, 9, "1, 1, '4.tfstate', true")
            .at("terraform_state-disk", "-")
            .lost("the Terraform state 9 that it is of is missing")
            .older(|record| record.owner = None),
    ])
}
