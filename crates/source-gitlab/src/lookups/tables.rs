//! The tables in which rows are looked up.

use stocktake_domain::Timestamp;

use crate::column::{Column, ColumnType, required, row};
use crate::schema::TableColumns;

row! {
    /// The columns of a project that determine where its repositories are.
    Project {
        id: i64 = required "id",
        repository_storage: Option<String> = required "repository_storage",
        storage_version: Option<i64> = required "storage_version",
        last_repository_updated_at: Option<Timestamp> = optional "last_repository_updated_at",
    }
}

row! {
    /// A Git storage's name.
    Shard {
        id: i64 = required "id",
        name: Option<String> = required "name",
    }
}

row! {
    /// A Terraform state, which has versions.
    TerraformState {
        id: i64 = required "id",
        project_id: Option<i64> = required "project_id",
        uuid: Option<String> = required "uuid",
        versioning_enabled: Option<bool> = optional "versioning_enabled",
    }
}

row! {
    /// A package, which has files.
    Package {
        id: i64 = required "id",
        project_id: Option<i64> = required "project_id",
    }
}

row! {
    /// A component of a distribution of Debian's, which has files.
    DebianComponent {
        id: i64 = required "id",
        distribution_id: Option<i64> = required "distribution_id",
    }
}

row! {
    /// A distribution of Debian's, which has components.
    DebianDistribution {
        id: i64 = required "id",
        project_id: Option<i64> = required "project_id",
    }
}

row! {
    /// A snippet.
    Snippet {
        id: i64 = required "id",
        project_id: Option<i64> = optional "project_id",
        class: Option<String> = optional "type",
        updated_at: Option<Timestamp> = optional "updated_at",
    }
}

row! {
    /// The path of a project's repository as GitLab recorded it when it last moved the repository.
    RecordedPath {
        project_id: i64 = required "project_id",
        disk_path: Option<String> = required "disk_path",
    }
}

/// The full paths of projects and groups.
const ROUTE: &[Column] = &[
    required("source_id", ColumnType::Integer),
    required("source_type", ColumnType::Text),
    required("path", ColumnType::Text),
];

/// The links between LFS objects and projects.
const LFS_LINK: &[Column] =
    &[required("lfs_object_id", ColumnType::Integer), required("project_id", ColumnType::Integer)];

/// The files of a merge request diff, each a range of the external diff.
const DIFF_FILE: &[Column] = &[
    required("merge_request_diff_id", ColumnType::Integer),
    required("external_diff_offset", ColumnType::Integer),
    required("external_diff_size", ColumnType::Integer),
];

pub(crate) const PROJECTS: TableColumns = TableColumns { table: "projects", columns: Project::COLUMNS };
pub(crate) const ROUTES: TableColumns = TableColumns { table: "routes", columns: ROUTE };
pub(crate) const SHARDS: TableColumns = TableColumns { table: "shards", columns: Shard::COLUMNS };
pub(crate) const TERRAFORM_STATES: TableColumns =
    TableColumns { table: "terraform_states", columns: TerraformState::COLUMNS };
pub(crate) const PACKAGES: TableColumns =
    TableColumns { table: "packages_packages", columns: Package::COLUMNS };
pub(crate) const DEBIAN_COMPONENTS: TableColumns =
    TableColumns { table: "packages_debian_project_components", columns: DebianComponent::COLUMNS };
pub(crate) const DEBIAN_DISTRIBUTIONS: TableColumns =
    TableColumns { table: "packages_debian_project_distributions", columns: DebianDistribution::COLUMNS };
pub(crate) const SNIPPETS: TableColumns = TableColumns { table: "snippets", columns: Snippet::COLUMNS };
pub(crate) const RECORDED_PATHS: TableColumns =
    TableColumns { table: "project_repositories", columns: RecordedPath::COLUMNS };
pub(crate) const LFS_LINKS: TableColumns = TableColumns { table: "lfs_objects_projects", columns: LFS_LINK };
pub(crate) const DIFF_FILES: TableColumns =
    TableColumns { table: "merge_request_diff_files", columns: DIFF_FILE };

impl Project {
    /// Whether the repositories are below the hash of the id instead of the full path.
    pub(crate) fn is_hashed(&self) -> bool {
        self.storage_version.unwrap_or_default() >= 1
    }

    /// Whether attachments are, too; this came with a later storage version.
    pub(crate) fn has_hashed_attachments(&self) -> bool {
        self.storage_version.unwrap_or_default() >= 2
    }
}
