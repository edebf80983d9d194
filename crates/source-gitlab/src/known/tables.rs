//! The tables that rows of other tables lead to.

use stocktake_domain::Timestamp;

use crate::field::{Column, Kind, row};
use crate::plan::needed;
use crate::schema::Part;

row! {
    /// A project, as far as it says where its repositories lie.
    Project {
        id: i64 = must "id",
        repository_storage: Option<String> = must "repository_storage",
        storage_version: Option<i64> = must "storage_version",
        last_repository_updated_at: Option<Timestamp> = may "last_repository_updated_at",
    }
}

row! {
    /// A Git storage's name.
    Shard {
        id: i64 = must "id",
        name: Option<String> = must "name",
    }
}

row! {
    /// A Terraform state, which has versions.
    TerraformState {
        id: i64 = must "id",
        project_id: Option<i64> = must "project_id",
        uuid: Option<String> = must "uuid",
        versioning_enabled: Option<bool> = may "versioning_enabled",
    }
}

row! {
    /// A package, which has files.
    Package {
        id: i64 = must "id",
        project_id: Option<i64> = must "project_id",
    }
}

row! {
    /// A snippet.
    Snippet {
        id: i64 = must "id",
        project_id: Option<i64> = may "project_id",
        class: Option<String> = may "type",
        updated_at: Option<Timestamp> = may "updated_at",
    }
}

row! {
    /// Where a project's repository was when GitLab last moved it.
    RecordedPath {
        project_id: i64 = must "project_id",
        disk_path: Option<String> = must "disk_path",
    }
}

/// The full paths of projects and groups.
const ROUTE: &[Column] =
    &[needed("source_id", Kind::Integer), needed("source_type", Kind::Text), needed("path", Kind::Text)];

/// Projects that refer to LFS objects.
const LFS_LINK: &[Column] = &[needed("lfs_object_id", Kind::Integer), needed("project_id", Kind::Integer)];

/// The files of external diffs, each a part of one.
const DIFF_FILE: &[Column] = &[
    needed("merge_request_diff_id", Kind::Integer),
    needed("external_diff_offset", Kind::Integer),
    needed("external_diff_size", Kind::Integer),
];

pub(crate) const PROJECTS: Part = Part { table: "projects", columns: Project::COLUMNS };
pub(crate) const ROUTES: Part = Part { table: "routes", columns: ROUTE };
pub(crate) const SHARDS: Part = Part { table: "shards", columns: Shard::COLUMNS };
pub(crate) const TERRAFORM_STATES: Part =
    Part { table: "terraform_states", columns: TerraformState::COLUMNS };
pub(crate) const PACKAGES: Part = Part { table: "packages_packages", columns: Package::COLUMNS };
pub(crate) const SNIPPETS: Part = Part { table: "snippets", columns: Snippet::COLUMNS };
pub(crate) const RECORDED_PATHS: Part =
    Part { table: "project_repositories", columns: RecordedPath::COLUMNS };
pub(crate) const LFS_LINKS: Part = Part { table: "lfs_objects_projects", columns: LFS_LINK };
pub(crate) const DIFF_FILES: Part = Part { table: "merge_request_diff_files", columns: DIFF_FILE };

impl Project {
    /// Whether the repositories lie under the id's digest, not under the full path.
    pub(crate) fn is_hashed(&self) -> bool {
        self.storage_version.unwrap_or_default() >= 1
    }

    /// Whether attachments do so too, which came later.
    pub(crate) fn has_hashed_attachments(&self) -> bool {
        self.storage_version.unwrap_or_default() >= 2
    }
}
