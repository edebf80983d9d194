//! What the rows of a page lead to in other tables: looked up for all of them at once.

mod tables;

use std::collections::{BTreeMap, HashMap, HashSet};

use stocktake_domain::ports::SourceError;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

pub(crate) use tables::{
    DIFF_FILES, LFS_LINKS, PACKAGES, PROJECTS, Package, Project, RECORDED_PATHS, ROUTES, RecordedPath,
    SHARDS, SNIPPETS, Shard, Snippet, TERRAFORM_STATES, TerraformState,
};

use crate::database::{Snapshot, Value};
use crate::field::Field as _;
use crate::owners;
use crate::path;
use crate::plan::Owner;
use crate::schema::{Part, Schema};

/// The ids to look up, each as often as it was asked for.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    /// Projects, where their repositories lie included.
    pub(crate) projects: Vec<i64>,
    /// Projects of which only the full path is wanted.
    pub(crate) project_paths: Vec<i64>,
    pub(crate) group_paths: Vec<i64>,
    pub(crate) shards: Vec<i64>,
    pub(crate) terraform_states: Vec<i64>,
    pub(crate) packages: Vec<i64>,
    pub(crate) snippets: Vec<i64>,
    /// Merge request diffs whose length is wanted.
    pub(crate) diffs: Vec<i64>,
    /// LFS objects of which one project is wanted.
    pub(crate) lfs_objects: Vec<i64>,
    /// Owners of uploads that are to be seen, by their model.
    pub(crate) owners: BTreeMap<&'static str, Vec<i64>>,
}

impl Wanted {
    /// Wants the full path of an owner.
    pub(crate) fn owner(&mut self, owner: Owner) {
        match owner {
            Owner::Nobody => {}
            Owner::Project(id) => self.project_paths.push(id),
            Owner::Group(id) => self.group_paths.push(id),
        }
    }
}

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Known {
    pub(crate) projects: HashMap<i64, Project>,
    pub(crate) project_paths: HashMap<i64, String>,
    pub(crate) group_paths: HashMap<i64, String>,
    /// The paths of repositories that GitLab has recorded beside its rules, where a rule is not enough.
    pub(crate) recorded_paths: HashMap<i64, String>,
    pub(crate) shards: HashMap<i64, String>,
    pub(crate) terraform_states: HashMap<i64, TerraformState>,
    /// The project of each package.
    pub(crate) packages: HashMap<i64, i64>,
    pub(crate) snippets: HashMap<i64, Snippet>,
    pub(crate) diff_lengths: HashMap<i64, i64>,
    /// The first project of each LFS object.
    pub(crate) lfs_projects: HashMap<i64, i64>,
    /// The owners of uploads that are there; a model that cannot be seen is left out.
    pub(crate) owners: BTreeMap<&'static str, HashSet<i64>>,
}

impl Known {
    /// The full path of an owner.
    pub(crate) fn path_of(&self, owner: Owner) -> Option<&String> {
        match owner {
            Owner::Nobody => None,
            Owner::Project(id) => self.project_paths.get(&id),
            Owner::Group(id) => self.group_paths.get(&id),
        }
    }

    /// Where a project's repositories lie in their storage, but for what is behind it in their names.
    pub(crate) fn disk_path(&self, project: &Project) -> Result<String, String> {
        let id = project.id;
        if project.is_hashed() {
            return Ok(format!("@hashed/{}", path::hashed(id)));
        }
        let path = self.project_paths.get(&id).or_else(|| self.recorded_paths.get(&id));
        path.cloned().ok_or_else(|| format!("the project {id} has no full path (no row in routes)"))
    }

    /// Looks everything up. What a table leads to is looked up after it.
    pub(crate) async fn gather(main: &Main<'_>, mut wanted: Wanted) -> Result<Self, SourceError> {
        let mut known = Self::default();
        for row in main.fetch(&TERRAFORM_STATES, wanted.terraform_states, TerraformState::read).await? {
            wanted.project_paths.extend(row.project_id);
            known.terraform_states.insert(row.id, row);
        }
        for row in main.fetch(&PACKAGES, wanted.packages, Package::read).await? {
            wanted.project_paths.extend(row.project_id);
            known.packages.extend(row.project_id.map(|project| (row.id, project)));
        }
        for row in main.fetch(&SNIPPETS, wanted.snippets, Snippet::read).await? {
            wanted.project_paths.extend(row.project_id);
            known.snippets.insert(row.id, row);
        }
        known.lfs_projects = main.lfs_projects(wanted.lfs_objects).await?;
        wanted.project_paths.extend(known.lfs_projects.values());
        wanted.project_paths.extend(&wanted.projects);
        let (projects, shards);
        // Asked at once, so that a server far away is waited for but once.
        (known.project_paths, known.group_paths, projects, shards, known.diff_lengths, known.owners) = tokio::try_join!(
            main.paths("Project", wanted.project_paths),
            main.paths("Namespace", wanted.group_paths),
            main.fetch(&PROJECTS, wanted.projects, Project::read),
            main.fetch(&SHARDS, wanted.shards, Shard::read),
            main.diff_lengths(wanted.diffs),
            main.owners(wanted.owners),
        )?;
        known.projects = projects.into_iter().map(|row| (row.id, row)).collect();
        known.shards = shards.into_iter().filter_map(|row| Some((row.id, row.name?))).collect();
        let unrouted = known.projects.values().filter(|project| !project.is_hashed());
        let unrouted = unrouted.filter(|project| !known.project_paths.contains_key(&project.id));
        let unrouted = unrouted.map(|project| project.id).collect();
        for row in main.fetch(&RECORDED_PATHS, unrouted, RecordedPath::read).await? {
            known.recorded_paths.extend(row.disk_path.map(|path| (row.project_id, path)));
        }
        Ok(known)
    }
}

/// The main database at one moment.
#[derive(Clone, Copy)]
pub(crate) struct Main<'s> {
    pub(crate) snapshot: &'s Snapshot<'s>,
    pub(crate) schema: &'s Schema,
}

impl Main<'_> {
    /// The rows whose first column, of which each value is there once, is one of these, and perhaps others; none
    /// if the table cannot be read, which only tables may that are not needed.
    async fn fetch<T>(
        &self,
        part: &Part,
        ids: Vec<i64>,
        make: impl Fn(&Row) -> Result<T, tokio_postgres::Error>,
    ) -> Result<Vec<T>, SourceError> {
        let key = part.columns.first().map_or("id", |column| column.name);
        let columns = self.schema.select(part);
        let condition = format!("SELECT {columns} FROM {} WHERE {key}", part.table);
        self.ask_unique(part, &condition, ids, make).await
    }

    async fn paths(&self, source: &str, ids: Vec<i64>) -> Result<HashMap<i64, String>, SourceError> {
        let condition = format!(
            "SELECT source_id::bigint, path FROM routes WHERE source_type = '{source}' AND source_id"
        );
        let read = |row: &Row| Ok((row.try_get(0)?, row.try_get::<_, String>(1)?));
        Ok(self.ask_unique(&ROUTES, &condition, ids, read).await?.into_iter().collect())
    }

    /// The rows with one of these ids in a column, where each is once; the statement ends with the column.
    ///
    /// Ids that are close together are read in one go with what is between them, instead of one by one.
    async fn ask_unique<T>(
        &self,
        part: &Part,
        statement: &str,
        ids: Vec<i64>,
        make: impl Fn(&Row) -> Result<T, tokio_postgres::Error>,
    ) -> Result<Vec<T>, SourceError> {
        let ids = sorted(ids);
        let Some((first, last)) = close_together(&ids) else {
            return self.ask(part, &format!("{statement} = ANY ($1)"), ids, make).await;
        };
        if self.schema.check(part).is_err() {
            return Ok(Vec::new());
        }
        let values: [Value<'_>; 2] = [(&first, Type::INT8), (&last, Type::INT8)];
        self.snapshot.rows(&format!("{statement} BETWEEN $1 AND $2"), &values, make).await
    }

    async fn ask<T>(
        &self,
        part: &Part,
        statement: &str,
        ids: Vec<i64>,
        make: impl Fn(&Row) -> Result<T, tokio_postgres::Error>,
    ) -> Result<Vec<T>, SourceError> {
        let ids = sorted(ids);
        if ids.is_empty() || self.schema.check(part).is_err() {
            return Ok(Vec::new());
        }
        let values: [Value<'_>; 1] = [(&ids, Type::INT8_ARRAY)];
        self.snapshot.rows(statement, &values, make).await
    }

    async fn lfs_projects(&self, ids: Vec<i64>) -> Result<HashMap<i64, i64>, SourceError> {
        let statement = "SELECT lfs_object_id::bigint, min(project_id)::bigint FROM lfs_objects_projects \
                         WHERE lfs_object_id = ANY ($1) GROUP BY lfs_object_id";
        Ok(self.ask(&LFS_LINKS, statement, ids, pair).await?.into_iter().collect())
    }

    /// How long each of these diffs is: as far as the part of it that is the last in the file reaches.
    async fn diff_lengths(&self, ids: Vec<i64>) -> Result<HashMap<i64, i64>, SourceError> {
        let statement = "SELECT merge_request_diff_id::bigint, \
                         coalesce(max(external_diff_offset::bigint + external_diff_size::bigint), -1) \
                         FROM merge_request_diff_files WHERE merge_request_diff_id = ANY ($1) GROUP BY 1";
        Ok(self.ask(&DIFF_FILES, statement, ids, pair).await?.into_iter().collect())
    }

    async fn owners(
        &self,
        wanted: BTreeMap<&'static str, Vec<i64>>,
    ) -> Result<BTreeMap<&'static str, HashSet<i64>>, SourceError> {
        let mut owners = BTreeMap::new();
        for (model, ids) in wanted {
            if let Some(part) = owners::part(model).filter(|part| self.schema.check(part).is_ok()) {
                let found = self.fetch(part, ids, |row| i64::read(row, 0)).await?;
                owners.insert(model, found.into_iter().collect());
            }
        }
        Ok(owners)
    }
}

/// Each id once, in order.
fn sorted(mut ids: Vec<i64>) -> Vec<i64> {
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// The first and the last of these, if at most as many others lie between them.
fn close_together(ids: &[i64]) -> Option<(i64, i64)> {
    let (first, last) = ids.first().copied().zip(ids.last().copied())?;
    let count = i64::try_from(ids.len()).ok()?;
    (last.checked_sub(first)? < count.checked_mul(2)?).then_some((first, last))
}

fn pair(row: &Row) -> Result<(i64, i64), tokio_postgres::Error> {
    Ok((row.try_get(0)?, row.try_get(1)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_are_close_together() {
        for (ids, expected) in [
            (&[][..], None),
            (&[7], Some((7, 7))),
            (&[1, 2, 3], Some((1, 3))),
            (&[1, 3, 6], Some((1, 6))),
            (&[1, 3, 7], None),
            (&[i64::MIN, i64::MAX], None),
        ] {
            assert_eq!(close_together(ids), expected, "{ids:?}");
        }
        assert_eq!(sorted(vec![3, 1, 3]), [1, 3]);
    }
}
