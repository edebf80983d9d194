//! Rows of Git repositories that follow from their project or group, and of container repositories.

use stocktake_domain::{Model, Timestamp};

use super::table;
use crate::field::{Kind, row};
use crate::known::{Known, PROJECTS, ROUTES, SHARDS, Wanted};
use crate::plan::{Facts, Owner, Plan, Side, Table, Touched, filled, named, needed, states};
use crate::schema::Part;
use crate::settings::Storages;

/// When a project's repositories were last written to.
const PUSHED_AT: Touched = Touched::Through {
    part: Part {
        table: "projects",
        columns: &[needed("id", Kind::Integer), needed("last_repository_updated_at", Kind::Time)],
    },
    by: "project_id",
};

row! {
    /// A project, which has a repository.
    ProjectRow {
        id: i64 = must "id",
        created_at: Option<Timestamp> = must "created_at",
    }
}

impl Table for ProjectRow {
    table!(Plan {
        model: Model::Projects,
        side: Side::Main,
        tables: &["projects"],
        columns: Self::COLUMNS,
        states: states!("project_states" by "project_id"),
        needs: &[PROJECTS, ROUTES],
        touched: Touched::Own(&[needed("last_repository_updated_at", Kind::Time)]),
    });

    fn want(&self, wanted: &mut Wanted) {
        wanted.projects.push(self.id);
    }

    fn describe(self, known: &Known, storages: &Storages) -> Facts {
        repository(Some(self.id), self.created_at, "", known, storages)
    }
}

/// A repository of a project: its place follows from the project, with this at the end.
fn repository(
    project: Option<i64>,
    created_at: Option<Timestamp>,
    suffix: &str,
    known: &Known,
    storages: &Storages,
) -> Facts {
    let found = filled(project, "project_id").and_then(|id| {
        known.projects.get(&id).ok_or_else(|| format!("the project {id} that it belongs to is missing"))
    });
    let storage = found
        .clone()
        .and_then(|project| storages.git(project.repository_storage.as_deref().unwrap_or_default()));
    let path = found.and_then(|project| Ok(format!("{}{suffix}.git", known.disk_path(project)?)));
    let content_changed_at = project.and_then(|id| known.projects.get(&id)?.last_repository_updated_at);
    Facts { created_at, content_changed_at, owner: Owner::project(project), ..Facts::at(storage, path) }
}

row! {
    /// The wiki of a project.
    ProjectWiki {
        id: i64 = must "id",
        project_id: Option<i64> = must "project_id",
        created_at: Option<Timestamp> = must "created_at",
    }
}

impl Table for ProjectWiki {
    table!(Plan {
        model: Model::ProjectsWikiRepositories,
        side: Side::Main,
        tables: &["project_wiki_repositories"],
        columns: Self::COLUMNS,
        states: states!("wiki_repository_states" by "project_wiki_repository_id"),
        needs: &[PROJECTS, ROUTES],
        touched: PUSHED_AT,
    });

    fn want(&self, wanted: &mut Wanted) {
        wanted.projects.extend(self.project_id);
    }

    fn describe(self, known: &Known, storages: &Storages) -> Facts {
        repository(self.project_id, self.created_at, ".wiki", known, storages)
    }
}

row! {
    /// The designs of a project.
    DesignRepository {
        id: i64 = must "id",
        project_id: Option<i64> = must "project_id",
        created_at: Option<Timestamp> = must "created_at",
    }
}

impl Table for DesignRepository {
    table!(Plan {
        model: Model::DesignManagementRepositories,
        side: Side::Main,
        tables: &["design_management_repositories"],
        columns: Self::COLUMNS,
        states: states!("design_management_repository_states" by "design_management_repository_id"),
        needs: &[PROJECTS, ROUTES],
        touched: PUSHED_AT,
    });

    fn want(&self, wanted: &mut Wanted) {
        wanted.projects.extend(self.project_id);
    }

    fn describe(self, known: &Known, storages: &Storages) -> Facts {
        repository(self.project_id, self.created_at, ".design", known, storages)
    }
}

row! {
    /// The wiki of a group.
    GroupWiki {
        id: i64 = must "group_id",
        shard_id: Option<i64> = must "shard_id",
        disk_path: Option<String> = must "disk_path",
    }
}

impl Table for GroupWiki {
    table!(Plan {
        model: Model::GroupWikiRepositories,
        side: Side::Main,
        tables: &["group_wiki_repositories"],
        columns: Self::COLUMNS,
        states: states!("group_wiki_repository_states" by "group_wiki_repository_id"),
        needs: &[SHARDS],
        touched: Touched::Never,
    });

    fn want(&self, wanted: &mut Wanted) {
        wanted.shards.extend(self.shard_id);
        wanted.group_paths.push(self.id);
    }

    fn describe(self, known: &Known, storages: &Storages) -> Facts {
        // The column has the path of what is common to all of a group's repositories.
        let path = named(self.disk_path.as_ref()).map(|path| format!("{path}.wiki.git"));
        Facts { owner: Owner::Group(self.id), ..Facts::at(shard(self.shard_id, known, storages), path) }
    }
}

/// The storage of a shard.
pub(super) fn shard(id: Option<i64>, known: &Known, storages: &Storages) -> Result<String, String> {
    let id = filled(id, "shard_id")?;
    let name = known.shards.get(&id).ok_or_else(|| format!("the shard {id} that it lies in is missing"))?;
    storages.git(name)
}

row! {
    /// A repository of the container registry.
    ContainerRepository {
        id: i64 = must "id",
        project_id: Option<i64> = must "project_id",
        name: Option<String> = must "name",
        created_at: Option<Timestamp> = must "created_at",
    }
}

impl Table for ContainerRepository {
    table!(Plan {
        model: Model::ContainerRepositories,
        side: Side::Main,
        tables: &["container_repositories"],
        columns: Self::COLUMNS,
        states: states!("container_repository_states" by "container_repository_id"),
        needs: &[ROUTES],
        touched: Touched::Never,
    });

    fn want(&self, wanted: &mut Wanted) {
        wanted.owner(Owner::project(self.project_id));
    }

    fn describe(self, known: &Known, storages: &Storages) -> Facts {
        let registry = storages.registry.clone();
        let registry = registry.ok_or_else(|| "no storage is configured for GitLab's registry".to_owned());
        Facts {
            created_at: self.created_at,
            owner: Owner::project(self.project_id),
            ..Facts::at(registry, self.path(known))
        }
    }
}

impl ContainerRepository {
    fn path(&self, known: &Known) -> Result<String, String> {
        let project = filled(self.project_id, "project_id")?;
        let path = known.project_paths.get(&project);
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
