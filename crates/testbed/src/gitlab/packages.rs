//! Rows of packages and of the dependency proxy.

use md5::Md5;
use sha1::{Digest as _, Sha1};

use super::content::sha256;
use super::record::{CREATED, GitlabRecord, PLANNER, hashed};

/// The columns of a file's digests, its project and its store.
pub(super) const FILE: &str = "project_id, file_store, file_md5, file_sha1, file_sha256";

pub(super) fn records() -> anyhow::Result<Vec<GitlabRecord>> {
    Ok([files(), symbols()?, blobs(), manifests()].concat())
}

/// A file of a package: its id, the package, its content, columns of its own and their values.
pub(super) fn file(id: i64, package: i64, content: &str, columns: &str, values: &str) -> GitlabRecord {
    let size = content.len();
    let columns = format!("package_id, created_at, size, file, {columns}");
    let values = format!("{package}, {CREATED}, {size}, 'f.bin', {values}");
    GitlabRecord::new("packages_package_files", id, "packages_package_files", &columns, &values)
        .size(size)
        .bytes(content)
        .of(PLANNER)
}

/// Where a file of the package 5 lies.
pub(super) fn file_path(id: i64) -> String {
    format!("{}/packages/5/files/{id}/f.bin", hashed(1))
}

/// The MD5 of these bytes.
pub(super) fn md5(bytes: impl AsRef<[u8]>) -> String {
    hex::encode(Md5::digest(bytes))
}

fn files() -> Vec<GitlabRecord> {
    let package = "INSERT INTO packages_packages (id, project_id, package_type) VALUES (5, 1, 1)";
    let (content, below) = ("the file of a package", file_path);
    let (sha256, sha1, md5) = (sha256(content), hex::encode(Sha1::digest(content)), md5(content));
    let states = ("packages_package_file_states", "package_file_id");
    let last = format!("{}/@final/3d/4e/{}", hashed(1), "5f".repeat(30));
    let row = |id: i64, columns: &str, values: &str| file(id, 5, content, columns, values);
    vec![
        row(1, FILE, &format!("1, 1, '{md5}', '{sha1}', '{sha256}'"))
            .with(package)
            .at("packages-disk", below(1))
            .digest(format!("sha256:{sha256}"))
            .state(states.0, states.1, 2, &sha256)
            .source_checksum(&sha256)
            .older(|record| record.source_checksum = None),
        // Maven's: no SHA-256. Npm's: SHA-1 alone. The project is the package's.
        row(2, FILE, &format!("NULL, 1, '{md5}', '{sha1}', NULL"))
            .at("packages-disk", below(2))
            .digest(format!("sha1:{sha1}")),
        row(3, FILE, &format!("1, 1, '{md5}', NULL, NULL"))
            .at("packages-disk", below(3))
            .digest(format!("md5:{md5}")),
        // Bytes where text is the rule.
        row(4, FILE, &format!("1, 1, NULL, decode('{sha1}', 'hex'), decode('{sha256}', 'hex')"))
            .at("packages-disk", below(4))
            .digest(format!("sha256:{sha256}")),
        row(5, "project_id, file_store, file_final_path", &format!("1, 2, '{last}'"))
            .at("packages-bucket", last)
            .older(|record| record.path = file_path(5)),
        file(6, 6, content, "project_id, file_store", "NULL, 1")
            .at("packages-disk", "-")
            .lost("the package 6 that it belongs to is missing")
            .unowned(),
        // A state with its defaults: the old column's bytes count.
        row(
            7,
            "project_id, file_store, verification_state, verification_checksum",
            &format!("1, 1, 2, decode('{sha256}', 'hex')"),
        )
        .with("INSERT INTO packages_package_file_states (package_file_id) VALUES (7)")
        .at("packages-disk", below(7))
        .source_checksum(&sha256),
    ]
}

fn symbols() -> anyhow::Result<Vec<GitlabRecord>> {
    // The vector of a portable PDB, whose digest was decoded as if it were base64.
    let content = hex::decode(
        "42534a42000000000000000000000000000000000000000023426c6f62000000\
         0102030405060708090a0b0c0d0e0f101112131472657374206f6620706462",
    )?;
    let column =
        "f1c7f96b8d37efdd7bef47b97b76dbf1aedadbcddaedfddddb8d34d35e36f3b69adf5eda69a7f77fce39e796b47b77f9";
    let digest = "8cf5a403791770e5e3bb8a7a283a7f3d2400014287aa317aaaf3f84555a0e3f5";
    let size = content.len();
    let row = |id: i64, sha: &str, store: u8| {
        let columns =
            "created_at, package_id, project_id, size, file, object_storage_key, file_sha256, file_store";
        let values = format!("{CREATED}, NULL, 1, {size}, 'f.pdb', 'key/{id}', {sha}, {store}");
        GitlabRecord::new("packages_nuget_symbols", id, "packages_nuget_symbols", columns, &values)
            .size(size)
            .bytes(content.clone())
            .of(PLANNER)
            .older(|record| record.owner = None)
    };
    let full = |id: i64, store: u8, storage: &str| {
        row(id, &format!("decode('{column}', 'hex')"), store)
            .at(storage, format!("key/{id}/f.pdb"))
            .digest(format!("sha256:{digest}"))
            .rule("portable_pdb")
    };
    Ok(vec![
        full(1, 1, "packages-disk"),
        full(2, 2, "packages-bucket"),
        row(3, "NULL", 1).at("packages-disk", "key/3/f.pdb"),
    ])
}

fn blobs() -> Vec<GitlabRecord> {
    let content = "the layer of an image";
    let (digest, size) = (sha256(content), content.len());
    let row = |id: i64, store: &str| {
        let columns = "group_id, created_at, size, file_name, file, file_store";
        let values = format!("7, {CREATED}, {size}, '{digest}.gz', '{digest}.gz', {store}");
        GitlabRecord::new("dependency_proxy_blobs", id, "dependency_proxy_blobs", columns, &values)
            .size(size)
            .digest(format!("sha256:{digest}"))
            .bytes(content)
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
    let content = r#"{"schemaVersion":2}"#;
    let (digest, size) = (sha256(content), content.len());
    let row = |id: i64, store: u8, updated: &'static str| {
        let columns = "group_id, created_at, updated_at, size, file_name, file, digest, file_store";
        let file = "'library/alpine:latest.json'";
        let values = format!("8, {CREATED}, '{updated}', {size}, {file}, {file}, 'sha256:{digest}', {store}");
        GitlabRecord::new("dependency_proxy_manifests", id, "dependency_proxy_manifests", columns, &values)
            .size(size)
            .digest(format!("sha256:{digest}"))
            .bytes(content)
            .of("flights/tower")
            .touched(Some(updated))
    };
    let below = |id: i64| format!("{}/dependency_proxy/8/files/{id}/library/alpine:latest.json", hashed(8));
    vec![
        row(1, 1, "2025-02-05T00:00:00Z").at("dependency_proxy-disk", below(1)),
        row(2, 2, "2025-02-07T00:00:00Z").at("dependency_proxy-bucket", below(2)),
    ]
}
