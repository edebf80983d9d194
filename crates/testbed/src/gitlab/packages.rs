//! Rows of packages and of the dependency proxy.

use super::record::{CREATED, GitlabRecord, hashed, sha256};

const PROJECT: &str = "flights/Planner";

pub(super) fn records() -> Vec<GitlabRecord> {
    [files(), symbols(), blobs(), manifests()].concat()
}

fn files() -> Vec<GitlabRecord> {
    let row = |id: i64, package: i64, columns: &str, values: &str| {
        let columns = format!("package_id, created_at, size, file, {columns}");
        let values = format!("{package}, {CREATED}, 50, 'f.bin', {values}");
        GitlabRecord::new("packages_package_files", id, "packages_package_files", &columns, &values).size(50)
    };
    let package = "INSERT INTO packages_packages (id, project_id, package_type) VALUES (5, 1, 1)";
    let below = |id: i64| format!("{}/packages/5/files/{id}/f.bin", hashed(1));
    let (sha256, sha1, md5) = (sha256("package"), "a9".repeat(20), "3c".repeat(16));
    let states = ("packages_package_file_states", "package_file_id");
    let last = "aa/bb/@final/cc";
    let all = "project_id, file_store, file_md5, file_sha1, file_sha256";
    vec![
        row(1, 5, all, &format!("1, 1, '{md5}', '{sha1}', '{sha256}'"))
            .with(package)
            .at("packages-disk", below(1))
            .digest(format!("sha256:{sha256}"))
            .of(PROJECT)
            .state(states.0, states.1, 2, &sha256)
            .elsewhere(&sha256)
            .older(|record| record.elsewhere = None),
        // Maven's: no SHA-256. Npm's: SHA-1 alone. The project is the package's.
        row(2, 5, all, &format!("NULL, 1, '{md5}', '{sha1}', NULL"))
            .at("packages-disk", below(2))
            .digest(format!("sha1:{sha1}"))
            .of(PROJECT),
        row(3, 5, all, &format!("1, 1, '{md5}', NULL, NULL"))
            .at("packages-disk", below(3))
            .digest(format!("md5:{md5}"))
            .of(PROJECT),
        // Bytes where text is the rule.
        row(4, 5, all, &format!("1, 1, NULL, decode('{sha1}', 'hex'), decode('{sha256}', 'hex')"))
            .at("packages-disk", below(4))
            .digest(format!("sha256:{sha256}"))
            .of(PROJECT),
        row(5, 5, "project_id, file_store, file_final_path", &format!("1, 2, '{last}'"))
            .at("packages-bucket", last)
            .of(PROJECT)
            .older(|record| record.path = format!("{}/packages/5/files/5/f.bin", hashed(1))),
        row(6, 6, "project_id, file_store", "NULL, 1")
            .at("packages-disk", "-")
            .lost("the package 6 that it belongs to is missing"),
        // A state with its defaults: the old column's bytes count.
        row(
            7,
            5,
            "project_id, file_store, verification_state, verification_checksum",
            &format!("1, 1, 2, decode('{sha256}', 'hex')"),
        )
        .with("INSERT INTO packages_package_file_states (package_file_id) VALUES (7)")
        .at("packages-disk", below(7))
        .of(PROJECT)
        .elsewhere(&sha256),
    ]
}

fn symbols() -> Vec<GitlabRecord> {
    // The vector of a portable PDB, whose digest was decoded as if it were base64.
    let column =
        "f1c7f96b8d37efdd7bef47b97b76dbf1aedadbcddaedfddddb8d34d35e36f3b69adf5eda69a7f77fce39e796b47b77f9";
    let digest = "8cf5a403791770e5e3bb8a7a283a7f3d2400014287aa317aaaf3f84555a0e3f5";
    let row = |id: i64, sha: &str, store: u8| {
        let columns =
            "created_at, package_id, project_id, size, file, object_storage_key, file_sha256, file_store";
        let values = format!("{CREATED}, NULL, 1, 62, 'f.pdb', 'key/{id}', {sha}, {store}");
        GitlabRecord::new("packages_nuget_symbols", id, "packages_nuget_symbols", columns, &values)
            .size(62)
            .of(PROJECT)
            .older(|record| record.owner = None)
    };
    let full = |id: i64, store: u8, storage: &str| {
        row(id, &format!("decode('{column}', 'hex')"), store)
            .at(storage, format!("key/{id}/f.pdb"))
            .digest(format!("sha256:{digest}"))
            .rule("portable_pdb")
    };
    vec![
        full(1, 1, "packages-disk"),
        full(2, 2, "packages-bucket"),
        row(3, "NULL", 1).at("packages-disk", "key/3/f.pdb"),
    ]
}

fn blobs() -> Vec<GitlabRecord> {
    let digest = sha256("layer");
    let row = |id: i64, store: &str| {
        let columns = "group_id, created_at, size, file_name, file, file_store";
        let values = format!("7, {CREATED}, 60, '{digest}.gz', '{digest}.gz', {store}");
        GitlabRecord::new("dependency_proxy_blobs", id, "dependency_proxy_blobs", columns, &values)
            .size(60)
            .digest(format!("sha256:{digest}"))
            .of("flights")
    };
    let below = |id: i64| format!("{}/dependency_proxy/7/files/{id}/{digest}.gz", hashed(7));
    vec![
        row(1, "1").at("dependency_proxy-disk", below(1)),
        row(2, "2").at("dependency_proxy-bucket", below(2)),
        row(3, "NULL").at("dependency_proxy-disk", below(3)),
    ]
}

fn manifests() -> Vec<GitlabRecord> {
    let digest = sha256("manifest");
    let row = |id: i64, store: u8, updated: &str| {
        let columns = "group_id, created_at, updated_at, size, file_name, file, digest, file_store";
        let file = "'library/alpine:latest.json'";
        let values = format!("8, {CREATED}, '{updated}', 70, {file}, {file}, 'sha256:{digest}', {store}");
        GitlabRecord::new("dependency_proxy_manifests", id, "dependency_proxy_manifests", columns, &values)
            .size(70)
            .digest(format!("sha256:{digest}"))
            .of("flights/tower")
    };
    let below = |id: i64| format!("{}/dependency_proxy/8/files/{id}/library/alpine:latest.json", hashed(8));
    vec![
        row(1, 1, "2025-02-05Z").at("dependency_proxy-disk", below(1)),
        row(2, 2, "2025-02-07Z").at("dependency_proxy-bucket", below(2)),
    ]
}
