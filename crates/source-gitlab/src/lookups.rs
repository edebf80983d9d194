//! The rows of other tables that the records of a page depend on, looked up for the whole page at once.

mod tables;

use std::collections::{BTreeMap, HashMap, HashSet};

use stocktake_domain::ports::SourceError;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

pub(crate) use tables::{
    DEBIAN_COMPONENTS, DEBIAN_DISTRIBUTIONS, DIFF_FILES, DebianComponent, DebianDistribution, LFS_LINKS,
    PACKAGES, PROJECTS, Package, Project, RECORDED_PATHS, ROUTES, RecordedPath, SHARDS, SNIPPETS, Shard,
    Snippet, TERRAFORM_STATES, TerraformState,
};

use crate::column::Field as _;
use crate::database::Value;
use crate::path;
use crate::schema::{TableColumns, Tables};
use crate::upload_owners;

/// The keys to look up, with repetitions.
#[derive(Debug, Default)]
pub(crate) struct LookupKeys {
    /// Projects whose path and repository storage are needed.
    pub(crate) projects: Vec<i64>,
    /// Projects of which only the full path is needed.
    pub(crate) project_paths: Vec<i64>,
    pub(crate) group_paths: Vec<i64>,
    pub(crate) shards: Vec<i64>,
    pub(crate) terraform_states: Vec<i64>,
    pub(crate) packages: Vec<i64>,
    /// Components of distributions whose project is needed.
    pub(crate) debian_components: Vec<i64>,
    pub(crate) snippets: Vec<i64>,
    /// Merge request diffs whose length is needed.
    pub(crate) diffs: Vec<i64>,
    /// LFS objects of which one project is needed.
    pub(crate) lfs_objects: Vec<i64>,
    /// Owners of uploads whose existence is to be checked, by their model.
    pub(crate) owners: BTreeMap<&'static str, Vec<i64>>,
}

/// The rows that were found, by their keys.
#[derive(Debug, Default)]
pub(crate) struct Lookups {
    pub(crate) projects: HashMap<i64, Project>,
    pub(crate) project_paths: HashMap<i64, String>,
    pub(crate) group_paths: HashMap<i64, String>,
    /// The paths of repositories as GitLab recorded them, for projects without a route.
    pub(crate) recorded_paths: HashMap<i64, String>,
    pub(crate) shards: HashMap<i64, String>,
    pub(crate) terraform_states: HashMap<i64, TerraformState>,
    /// The project of each package.
    pub(crate) packages: HashMap<i64, i64>,
    /// The project of each component of a distribution.
    pub(crate) debian_components: HashMap<i64, i64>,
    pub(crate) snippets: HashMap<i64, Snippet>,
    pub(crate) diff_lengths: HashMap<i64, i64>,
    /// The first project of each LFS object.
    pub(crate) lfs_projects: HashMap<i64, i64>,
    /// The owners of uploads that exist; a model whose table cannot be read is missing.
    pub(crate) owners: BTreeMap<&'static str, HashSet<i64>>,
}

impl Lookups {
    /// The full path of a project.
    pub(crate) fn project_path(&self, id: Option<i64>) -> Option<String> {
        self.project_paths.get(&id?).cloned()
    }

    /// The full path of a group.
    pub(crate) fn group_path(&self, id: Option<i64>) -> Option<String> {
        self.group_paths.get(&id?).cloned()
    }

    /// The path of a project's repositories in their storage, without the suffix of each.
    pub(crate) fn disk_path(&self, project: &Project) -> Result<String, String> {
        let id = project.id;
        if project.is_hashed() {
            return Ok(format!("@hashed/{}", path::hashed(id)));
        }
        let path = self.project_paths.get(&id).or_else(|| self.recorded_paths.get(&id));
        path.cloned().ok_or_else(|| format!("the project {id} has no full path (no row in routes)"))
    }

    /// Looks up all keys in the main database, or that of security. Keys that follow from rows are looked up after them.
    pub(crate) async fn find(
        main: Tables<'_>,
        sec: Option<Tables<'_>>,
        mut keys: LookupKeys,
    ) -> Result<Self, SourceError> {
        let mut found = Self::default();
        for row in main.fetch(&TERRAFORM_STATES, keys.terraform_states, TerraformState::read).await? {
            keys.project_paths.extend(row.project_id);
            found.terraform_states.insert(row.id, row);
        }
        for row in main.fetch(&PACKAGES, keys.packages, Package::read).await? {
            keys.project_paths.extend(row.project_id);
            found.packages.extend(row.project_id.map(|project| (row.id, project)));
        }
        found.debian_components = main.debian_components(keys.debian_components).await?;
        keys.project_paths.extend(found.debian_components.values());
        for row in main.fetch(&SNIPPETS, keys.snippets, Snippet::read).await? {
            keys.project_paths.extend(row.project_id);
            found.snippets.insert(row.id, row);
        }
        found.lfs_projects = main.lfs_projects(keys.lfs_objects).await?;
        keys.project_paths.extend(found.lfs_projects.values());
        keys.project_paths.extend(&keys.projects);
        let (projects, shards);
        // Sent at once, so that the latency of a distant server counts only once.
        (found.project_paths, found.group_paths, projects, shards, found.diff_lengths, found.owners) = tokio::try_join!(
            main.paths("Project", keys.project_paths),
            main.paths("Namespace", keys.group_paths),
            main.fetch(&PROJECTS, keys.projects, Project::read),
            main.fetch(&SHARDS, keys.shards, Shard::read),
            main.diff_lengths(keys.diffs),
            main.owners(sec, keys.owners),
        )?;
        found.projects = projects.into_iter().map(|row| (row.id, row)).collect();
        found.shards = shards.into_iter().filter_map(|row| Some((row.id, row.name?))).collect();
        let unrouted = found.projects.values().filter(|project| !project.is_hashed());
        let unrouted = unrouted.filter(|project| !found.project_paths.contains_key(&project.id));
        let unrouted = unrouted.map(|project| project.id).collect();
        for row in main.fetch(&RECORDED_PATHS, unrouted, RecordedPath::read).await? {
            found.recorded_paths.extend(row.disk_path.map(|path| (row.project_id, path)));
        }
        Ok(found)
    }
}

/// Lookups in the main database.
impl Tables<'_> {
    /// The rows whose first column, which is unique, has one of these values, and perhaps others; none if the table
    /// cannot be read, which is possible for tables that no model requires.
    async fn fetch<T>(
        &self,
        part: &TableColumns,
        ids: Vec<i64>,
        make: impl Fn(&Row) -> Result<T, tokio_postgres::Error>,
    ) -> Result<Vec<T>, SourceError> {
        let key = part.columns.first().map_or("id", |column| column.name);
        let columns = self.schema.select(part);
        let condition = format!("SELECT {columns} FROM {} WHERE {key}", part.table);
        self.find_unique(part, &condition, ids, make).await
    }

    async fn paths(&self, source: &str, ids: Vec<i64>) -> Result<HashMap<i64, String>, SourceError> {
        let condition = format!(
            "SELECT source_id::bigint, path FROM routes WHERE source_type = '{source}' AND source_id"
        );
        let read = |row: &Row| Ok((row.try_get(0)?, row.try_get::<_, String>(1)?));
        Ok(self.find_unique(&ROUTES, &condition, ids, read).await?.into_iter().collect())
    }

    /// The rows with one of these ids in a unique column, whose name the statement ends with.
    ///
    /// Ids that are close together are read as one range, with the rows between them, instead of one by one.
    async fn find_unique<T>(
        &self,
        part: &TableColumns,
        statement: &str,
        ids: Vec<i64>,
        make: impl Fn(&Row) -> Result<T, tokio_postgres::Error>,
    ) -> Result<Vec<T>, SourceError> {
        let ids = sorted(ids);
        let Some((first, last)) = close_together(&ids) else {
            return self.find(part, &format!("{statement} = ANY ($1)"), ids, make).await;
        };
        if self.schema.check(part).is_err() {
            return Ok(Vec::new());
        }
        let values: [Value<'_>; 2] = [(&first, Type::INT8), (&last, Type::INT8)];
        self.snapshot.rows(&format!("{statement} BETWEEN $1 AND $2"), &values, make).await
    }

    async fn find<T>(
        &self,
        part: &TableColumns,
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

    /// The project of each of these components, which only the distribution that it is of has.
    async fn debian_components(&self, ids: Vec<i64>) -> Result<HashMap<i64, i64>, SourceError> {
        let components = self.fetch(&DEBIAN_COMPONENTS, ids, DebianComponent::read).await?;
        let distributions = components.iter().filter_map(|component| component.distribution_id).collect();
        let distributions =
            self.fetch(&DEBIAN_DISTRIBUTIONS, distributions, DebianDistribution::read).await?;
        let projects: HashMap<i64, i64> = distributions
            .into_iter()
            .filter_map(|distribution| Some((distribution.id, distribution.project_id?)))
            .collect();
        let found = components
            .into_iter()
            .filter_map(|component| Some((component.id, *projects.get(&component.distribution_id?)?)));
        Ok(found.collect())
    }

    async fn lfs_projects(&self, ids: Vec<i64>) -> Result<HashMap<i64, i64>, SourceError> {
        let statement = "SELECT lfs_object_id::bigint, min(project_id)::bigint FROM lfs_objects_projects \
                         WHERE lfs_object_id = ANY ($1) GROUP BY lfs_object_id";
        Ok(self.find(&LFS_LINKS, statement, ids, pair).await?.into_iter().collect())
    }

    /// The length of each of these diffs: the end of the range that is last in the file.
    async fn diff_lengths(&self, ids: Vec<i64>) -> Result<HashMap<i64, i64>, SourceError> {
        let statement = "SELECT merge_request_diff_id::bigint, \
                         coalesce(max(external_diff_offset::bigint + external_diff_size::bigint), -1) \
                         FROM merge_request_diff_files WHERE merge_request_diff_id = ANY ($1) GROUP BY 1";
        Ok(self.find(&DIFF_FILES, statement, ids, pair).await?.into_iter().collect())
    }

    /// The owners that exist; of some, the table is in the database of security where there is one.
    async fn owners(
        &self,
        sec: Option<Tables<'_>>,
        keys: BTreeMap<&'static str, Vec<i64>>,
    ) -> Result<BTreeMap<&'static str, HashSet<i64>>, SourceError> {
        let mut owners = BTreeMap::new();
        for (model, ids) in keys {
            let Some(part) = upload_owners::part(model) else { continue };
            let own =
                if upload_owners::is_of_sec(part.table) { [sec, Some(*self)] } else { [Some(*self), sec] };
            // A copy that is no longer written to says nothing about what there is.
            if let Some(tables) = own.into_iter().flatten().find(|tables| tables.schema.is_live(part)) {
                let found = tables.fetch(part, ids, |row| i64::read(row, 0)).await?;
                owners.insert(model, found.into_iter().collect());
            }
        }
        Ok(owners)
    }
}

/// The distinct ids in ascending order.
fn sorted(mut ids: Vec<i64>) -> Vec<i64> {
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// The first and the last of these, if at most as many others are between them.
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
