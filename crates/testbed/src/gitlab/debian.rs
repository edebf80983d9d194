//! Rows of the indexes of packages of Debian's distributions.

use super::content::sha256;
use super::record::{CREATED, GitlabRecord, PLANNER, hashed};

/// The distributions and their components. A distribution has two files of its own, in stores that differ.
pub(super) const DISTRIBUTIONS: &str = "
    INSERT INTO packages_debian_project_distributions (id, project_id, codename, file, file_store, signed_file,
        signed_file_store) VALUES (1, 1, 'trixie', 'Release', 1, 'InRelease', 2);
    INSERT INTO packages_debian_project_components (id, distribution_id, name) VALUES (1, 1, 'main'), (2, 9, 'gone');
";

/// What an index contains.
const CONTENT: &str = "Package: planner\nVersion: 1.0\n\n";

pub(super) fn records() -> Vec<GitlabRecord> {
    let (digest, states) = (
        sha256(CONTENT),
        ("packages_debian_project_component_file_states", "packages_debian_project_component_file_id"),
    );
    vec![
        index(1, "packages-disk", "1, 1, 1", CONTENT)
            .state(states.0, states.1, 2, &digest)
            .source_checksum(digest)
            .older(|record| record.source_checksum = None),
        index(2, "packages-bucket", "2, 1, 1", CONTENT),
        // The project is that of the component's distribution.
        index(3, "packages-disk", "1, 1, NULL", CONTENT),
        index(4, "packages-disk", "1, 2, NULL", CONTENT)
            .at("packages-disk", "-")
            .lost("the component 2 that it belongs to, or its distribution, is missing")
            .unowned(),
    ]
}

/// An index in a storage: its id, its store, component and project, and its content.
pub(super) fn index(id: i64, storage: &str, values: &str, content: &str) -> GitlabRecord {
    let (digest, size) = (sha256(content), content.len());
    let columns = "created_at, size, file, file_sha256, file_store, component_id, project_id";
    let values = format!("{CREATED}, {size}, 'Packages', '{digest}', {values}");
    let table = "packages_debian_project_component_files";
    GitlabRecord::new(table, id, table, columns, &values)
        .size(size)
        .digest(format!("sha256:{digest}"))
        .bytes(content)
        .of(PLANNER)
        .at(storage, index_path(id))
}

/// Where an index of a distribution of the project 1 lies.
pub(super) fn index_path(id: i64) -> String {
    format!("{}/debian_project_component_file/{id}/Packages", hashed(1))
}

/// Where a file of its distribution lies.
pub(super) fn release_path(file: &str) -> String {
    format!("{}/debian_project_distribution/1/{file}", hashed(1))
}
