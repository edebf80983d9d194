//! Rows of the Git repositories of projects and groups, and of container repositories.

use stocktake_domain::{DigestRule, SourceRecord, Timestamp};

use super::model_row;
use crate::column::{ColumnType, required, row};
use crate::lookups::{LookupKeys, Lookups, PROJECTS, ROUTES, SHARDS};
use crate::mapping::{ChangedAt, ModelRow, file_name, not_null, record_at};
use crate::schema::TableColumns;
use crate::settings::Storages;

/// When a project's repositories were last pushed to.
const PUSHED_AT: ChangedAt = ChangedAt::Through {
    part: TableColumns {
        table: "projects",
        columns: &[
            required("id", ColumnType::Integer),
            required("last_repository_updated_at", ColumnType::Time),
        ],
    },
    by: "project_id",
};

row! {
    /// A project, which has a repository.
    ProjectRow {
        id: i64 = required "id",
        created_at: Option<Timestamp> = required "created_at",
    }
}

impl ModelRow for ProjectRow {
    model_row!(
        Projects from "projects",
        states: "project_states" by "project_id",
        lookups: &[PROJECTS, ROUTES],
        changed_at: ChangedAt::Own(&[required("last_repository_updated_at", ColumnType::Time)]),
    );

    fn add_keys(&self, keys: &mut LookupKeys) {
        keys.projects.push(self.id);
    }

    fn record(self, lookups: &Lookups, storages: &Storages) -> SourceRecord {
        repository(self.id, Some(self.id), self.created_at, "", lookups, storages)
    }
}

/// A repository of a project: its path is that of the project with a suffix.
fn repository(
    key: i64,
    project: Option<i64>,
    created_at: Option<Timestamp>,
    suffix: &str,
    lookups: &Lookups,
    storages: &Storages,
) -> SourceRecord {
    let found = not_null(project, "project_id").and_then(|id| {
        lookups.projects.get(&id).ok_or_else(|| format!("the project {id} that it belongs to is missing"))
    });
    let storage = found
        .clone()
        .and_then(|project| storages.git(project.repository_storage.as_deref().unwrap_or_default()));
    let path = found.and_then(|project| Ok(format!("{}{suffix}.git", lookups.disk_path(project)?)));
    let content_changed_at = project.and_then(|id| lookups.projects.get(&id)?.last_repository_updated_at);
    SourceRecord {
        created_at,
        content_changed_at,
        owner: lookups.project_path(project),
        ..record_at(key, storage, path, DigestRule::Stored)
    }
}

row! {
    /// The wiki of a project.
    ProjectWiki {
        id: i64 = required "id",
        project_id: Option<i64> = required "project_id",
        created_at: Option<Timestamp> = required "created_at",
    }
}

impl ModelRow for ProjectWiki {
    model_row!(
        ProjectsWikiRepositories from "project_wiki_repositories",
        states: "wiki_repository_states" by "project_wiki_repository_id",
        lookups: &[PROJECTS, ROUTES],
        changed_at: PUSHED_AT,
    );

    fn add_keys(&self, keys: &mut LookupKeys) {
        keys.projects.extend(self.project_id);
    }

    fn record(self, lookups: &Lookups, storages: &Storages) -> SourceRecord {
        repository(self.id, self.project_id, self.created_at, ".wiki", lookups, storages)
    }
}

row! {
    /// The designs of a project.
    DesignRepository {
        id: i64 = required "id",
        project_id: Option<i64> = required "project_id",
        created_at: Option<Timestamp> = required "created_at",
    }
}

impl ModelRow for DesignRepository {
    model_row!(
        DesignManagementRepositories from "design_management_repositories",
        states: "design_management_repository_states" by "design_management_repository_id",
        lookups: &[PROJECTS, ROUTES],
        changed_at: PUSHED_AT,
    );

    fn add_keys(&self, keys: &mut LookupKeys) {
        keys.projects.extend(self.project_id);
    }

    fn record(self, lookups: &Lookups, storages: &Storages) -> SourceRecord {
        repository(self.id, self.project_id, self.created_at, ".design", lookups, storages)
    }
}

row! {
    /// The wiki of a group.
    GroupWiki {
        id: i64 = required "group_id",
        shard_id: Option<i64> = required "shard_id",
        disk_path: Option<String> = required "disk_path",
    }
}

impl ModelRow for GroupWiki {
    model_row!(
        GroupWikiRepositories from "group_wiki_repositories",
        states: "group_wiki_repository_states" by "group_wiki_repository_id",
        lookups: &[SHARDS],
    );

    fn add_keys(&self, keys: &mut LookupKeys) {
        keys.shards.extend(self.shard_id);
        keys.group_paths.push(self.id);
    }

    fn record(self, lookups: &Lookups, storages: &Storages) -> SourceRecord {
        // The column has the common part of the paths of all of a group's repositories.
        let path = file_name(self.disk_path.as_ref()).map(|path| format!("{path}.wiki.git"));
        let storage = shard(self.shard_id, lookups, storages);
        SourceRecord {
            owner: lookups.group_path(Some(self.id)),
            ..record_at(self.id, storage, path, DigestRule::Stored)
        }
    }
}

/// The storage of a shard.
pub(super) fn shard(id: Option<i64>, lookups: &Lookups, storages: &Storages) -> Result<String, String> {
    let id = not_null(id, "shard_id")?;
    let name = lookups.shards.get(&id).ok_or_else(|| format!("the shard {id} that it lies in is missing"))?;
    storages.git(name)
}

row! {
    /// A repository of the container registry.
    ContainerRepository {
        id: i64 = required "id",
        project_id: Option<i64> = required "project_id",
        name: Option<String> = required "name",
        created_at: Option<Timestamp> = required "created_at",
    }
}

impl ModelRow for ContainerRepository {
    model_row!(
        ContainerRepositories from "container_repositories",
        states: "container_repository_states" by "container_repository_id",
        lookups: &[ROUTES],
    );

    fn add_keys(&self, keys: &mut LookupKeys) {
        keys.project_paths.extend(self.project_id);
    }

    fn record(self, lookups: &Lookups, storages: &Storages) -> SourceRecord {
        let registry = storages.registry();
        SourceRecord {
            created_at: self.created_at,
            owner: lookups.project_path(self.project_id),
            ..record_at(self.id, registry, self.path(lookups), DigestRule::Stored)
        }
    }
}

impl ContainerRepository {
    fn path(&self, lookups: &Lookups) -> Result<String, String> {
        let project = not_null(self.project_id, "project_id")?;
        let path = lookups.project_paths.get(&project);
        let path = path.ok_or_else(|| {
            format!(
                "the project {project} that it belongs to is missing or has no full path (no row in routes)"
            )
        })?;
        Ok(match self.name.as_deref().filter(|name| !name.is_empty()) {
            Some(name) => format!("{path}/{name}").to_lowercase(),
            None => path.to_lowercase(),
        })
    }
}
