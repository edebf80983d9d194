//! Rows of single files.

use super::record::{CREATED, GitlabRecord, hashed, sha256};

const PROJECT: &str = "flights/Planner";
const NO_FILE: &str = "File is not checksummable - file does not exist at: (path unavailable)";

pub(super) fn records() -> Vec<GitlabRecord> {
    [lfs(), diffs(), pages(), attestations(), terraform()].concat()
}

fn lfs() -> Vec<GitlabRecord> {
    let row = |id: i64, oid: &str, file: &str, store: &str, created: &str| {
        let values = format!("'{oid}', 30, {file}, {store}, {created}");
        GitlabRecord::new(
            "lfs_objects",
            id,
            "lfs_objects",
            "oid, size, file, file_store, created_at",
            &values,
        )
        .size(30)
    };
    let [one, two, three, four] = ["a", "b", "c", "d"].map(sha256);
    let file = |oid: &str| format!("'{}'", &oid[4..]);
    let path = |oid: &str| format!("{}/{}/{}", &oid[..2], &oid[2..4], &oid[4..]);
    let states = ("lfs_object_states", "lfs_object_id");
    vec![
        row(1, &one, &file(&one), "1", CREATED)
            .at("lfs-disk", path(&one))
            .digest(format!("sha256:{one}"))
            .with("INSERT INTO lfs_objects_projects (lfs_object_id, project_id) VALUES (1, 42), (1, 2)")
            .of("flights/tower/lights")
            .state(states.0, states.1, 2, &one)
            .elsewhere(&one),
        // Nobody knows when, nor whose; the state waits, with a checksum of before.
        row(2, &two, &file(&two), "2", "NULL")
            .at("lfs-bucket", path(&two))
            .digest(format!("sha256:{two}"))
            .undated()
            .state(states.0, states.1, 0, "12"),
        row(3, &three, &file(&three), "NULL", CREATED)
            .at("lfs-disk", path(&three))
            .digest(format!("sha256:{three}")),
        row(4, &four, "NULL", "1", CREATED)
            .at("lfs-disk", "-")
            .digest(format!("sha256:{four}"))
            .lost(NO_FILE),
        row(5, "abc", "'x'", "1", CREATED).at("lfs-disk", "-").lost(r#"its oid "abc" is no SHA-256"#),
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
        .of(PROJECT)
        .older(|record| record.owner = None)
    };
    let files = |id: i64, parts: &str| {
        let columns = "merge_request_diff_id, relative_order, external_diff_offset, external_diff_size";
        format!(
            "INSERT INTO merge_request_diff_files ({columns}) SELECT {id}, n, o, s FROM (VALUES {parts}) p (n, o, s)"
        )
    };
    vec![
        row(1, "collected", "'diff-1', 1, true")
            .at("external_diffs-disk", "merge_request_diffs/mr-4/diff-1")
            .with(&files(1, "(0, 0, 70), (1, 100, 23), (2, 70, 30)"))
            .state("merge_request_diff_details", "merge_request_diff_id", 2, "0123")
            .elsewhere("0123")
            .rule("length:123"),
        row(2, "collected", "'diff-2', 2, true")
            .at("external_diffs-bucket", "merge_request_diffs/mr-4/diff-2"),
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
    let digest = sha256("pages");
    let row = |id: i64, store: u8| {
        let columns = "created_at, project_id, file_store, file, file_sha256, size, upload_ready";
        let values = format!("{CREATED}, 2, {store}, 'artifacts.zip', '{digest}', 40, false");
        GitlabRecord::new("pages_deployments", id, "pages_deployments", columns, &values)
            .size(40)
            .digest(format!("sha256:{digest}"))
            .of("flights/tower/lights")
    };
    let below = |id: i64| format!("{}/pages_deployments/{id}/artifacts.zip", hashed(2));
    vec![row(1, 1).at("pages-disk", format!("@hashed/{}", below(1))), row(2, 2).at("pages-bucket", below(2))]
}

fn attestations() -> Vec<GitlabRecord> {
    let row = |id: i64, values: &str| {
        let columns = "created_at, project_id, status, file, file_store";
        let values = format!("{CREATED}, 1, {values}");
        GitlabRecord::new("supply_chain_attestations", id, "slsa_attestations", columns, &values)
            .of(PROJECT)
            .newer()
    };
    let below = |id: i64| format!("{}/attestations/{id}/attestation.json", hashed(1));
    vec![
        row(1, "0, 'attestation.json', 1").at("public-disk", below(1)),
        row(2, "0, 'attestation.json', 2").at("uploads-bucket", below(2)),
        // Its making failed, so that there is no file; GitLab counts it none the less.
        row(3, "1, NULL, 1").at("public-disk", "-").lost(NO_FILE),
    ]
}

fn terraform() -> Vec<GitlabRecord> {
    let row = |id: i64, state: i64, values: &str| {
        let columns =
            "terraform_state_id, created_at, updated_at, version, project_id, file_store, file, is_encrypted";
        let values = format!("{state}, {CREATED}, {CREATED}, {id}, {values}");
        GitlabRecord::new("terraform_state_versions", id, "terraform_state_versions", columns, &values)
    };
    let parent = |id: i64, project: i64, versioned: bool| {
        format!("INSERT INTO terraform_states VALUES ({id}, {project}, 'uuid{id}', {versioned})")
    };
    let states = ("terraform_state_version_states", "terraform_state_version_id");
    vec![
        row(1, 1, "1, 1, '1.tfstate', true")
            .with(&parent(1, 1, true))
            .at("terraform_state-disk", format!("{}/uuid1/1.tfstate", hashed(1)))
            .rule("terraform_state:1")
            .of(PROJECT)
            .state(states.0, states.1, 2, &sha256("state"))
            .elsewhere(sha256("state"))
            .older(|record| record.elsewhere = Some("0c".repeat(32))),
        row(2, 1, "1, 2, '2.tfstate', false")
            .at("terraform_state-bucket", format!("{}/uuid1/2.tfstate", hashed(1)))
            .of(PROJECT)
            .older(|record| record.rule = Some("terraform_state:1".to_owned())),
        // Without versions, there is one file that is written over; the project is the state's.
        row(3, 3, "NULL, 1, 'uuid3.tfstate', true")
            .with(&parent(3, 42, false))
            .at("terraform_state-disk", "42/uuid3.tfstate")
            .rule("terraform_state:42")
            .mutable()
            .of("old/legacy"),
        row(4, 9, "1, 1, '4.tfstate', true")
            .at("terraform_state-disk", "-")
            .of(PROJECT)
            .lost("the Terraform state 9 that it is of is missing")
            .older(|record| record.owner = None),
    ]
}
