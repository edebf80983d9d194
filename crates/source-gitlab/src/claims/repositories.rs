//! Repositories claimed by rows that are no records, or that are not in the catalogue yet.

use std::collections::HashSet;

use stocktake_domain::ports::SourceError;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::Unclaimed;
use crate::column::{Column, ColumnType, Field as _, required};
use crate::database::Value;
use crate::lookups::{LookupKeys, Lookups, PROJECTS, RECORDED_PATHS, ROUTES, SHARDS};
use crate::schema::{TableColumns, Tables};
use crate::settings::{StorageRole, Storages};

/// The path of the row's repository, and the id of its shard.
const ON_A_SHARD: &[Column] =
    &[required("disk_path", ColumnType::Text), required("shard_id", ColumnType::Integer)];

/// Tables whose rows contain the path of their repositories, with its suffix: pools, which hold the objects that a
/// project shares with its forks, and those of two models.
const SHARDED: [(TableColumns, &str); 3] = [
    (on_a_shard("pool_repositories"), ".git"),
    (on_a_shard("group_wiki_repositories"), ".wiki.git"),
    (on_a_shard("snippet_repositories"), ".git"),
];

const fn on_a_shard(table: &'static str) -> TableColumns {
    TableColumns { table, columns: ON_A_SHARD }
}

/// The suffixes of a project's repositories. Wikis and designs may exist although their own tables have no row.
const OF_PROJECTS: [&str; 3] = [".git", ".wiki.git", ".design.git"];

/// Everything that is read in addition to the tables of the models.
pub(super) fn parts() -> impl Iterator<Item = TableColumns> {
    SHARDED.into_iter().map(|(part, _)| part)
}

/// A repository: its storage's name and its path.
type Repository = (String, String);

/// The indexes of the locations that rows claim.
pub(super) async fn claimed(
    tables: Tables<'_>,
    storages: &Storages,
    locations: &[Unclaimed<'_>],
) -> Result<HashSet<usize>, SourceError> {
    let locations: Vec<&Unclaimed<'_>> =
        locations.iter().filter(|location| location.role == StorageRole::Git).collect();
    if locations.is_empty() {
        return Ok(HashSet::new());
    }
    let paths: Vec<&str> = locations.iter().map(|location| location.path).collect();
    let mut claimed = of_projects(tables, storages, &paths).await?;
    for (part, suffix) in SHARDED {
        claimed.extend(sharded(tables, storages, &part, suffix, &paths).await?);
    }
    let claimed = locations
        .iter()
        .filter(|location| claimed.contains(&(location.storage.to_owned(), location.path.to_owned())));
    Ok(claimed.map(|location| location.index).collect())
}

/// The paths that have this suffix, without it.
fn without<'p>(paths: &[&'p str], suffix: &str) -> Vec<&'p str> {
    paths.iter().filter_map(|path| path.strip_suffix(suffix)).collect()
}

async fn sharded(
    tables: Tables<'_>,
    storages: &Storages,
    part: &TableColumns,
    suffix: &str,
    paths: &[&str],
) -> Result<Vec<Repository>, SourceError> {
    let paths = without(paths, suffix);
    if paths.is_empty() || !tables.can_read(part)? || !tables.can_read(&SHARDS)? {
        return Ok(Vec::new());
    }
    let statement = format!(
        "SELECT t.disk_path, s.name, t.shard_id IS NULL FROM {} t LEFT JOIN shards s ON s.id = t.shard_id \
         WHERE t.disk_path = ANY ($1)",
        part.table
    );
    let values: [Value<'_>; 1] = [(&paths, Type::TEXT_ARRAY)];
    let read =
        |row: &Row| Ok((row.try_get::<_, String>(0)?, row.try_get::<_, Option<String>>(1)?, row.try_get(2)?));
    let rows = tables.snapshot.rows(&statement, &values, read).await?;
    let repositories = rows.into_iter().flat_map(|(path, shard, is_anywhere)| {
        // A row without a shard may be on any.
        let named = shard.and_then(|shard| storages.git(&shard).ok());
        let any = storages.git.values().filter(move |_| is_anywhere).cloned();
        any.chain(named).map(move |storage| (storage, format!("{path}{suffix}")))
    });
    Ok(repositories.collect())
}

/// All repositories of the projects that may be at these paths. The projects are found by the paths that GitLab
/// recorded and by their full paths, as a hashed path does not reveal its id.
async fn of_projects(
    tables: Tables<'_>,
    storages: &Storages,
    paths: &[&str],
) -> Result<HashSet<Repository>, SourceError> {
    if !tables.can_read(&PROJECTS)? {
        return Ok(HashSet::new());
    }
    let mut disk_paths: Vec<&str> = OF_PROJECTS.iter().flat_map(|suffix| without(paths, suffix)).collect();
    disk_paths.sort_unstable();
    disk_paths.dedup();
    let recorded = "SELECT project_id FROM project_repositories WHERE disk_path = ANY ($1)";
    let routed = "SELECT source_id FROM routes WHERE source_type = 'Project' AND path = ANY ($1)";
    let mut projects = ids(tables, &RECORDED_PATHS, recorded, &disk_paths).await?;
    projects.extend(ids(tables, &ROUTES, routed, &disk_paths).await?);
    let lookups =
        Box::pin(Lookups::find(tables, None, LookupKeys { projects, ..LookupKeys::default() })).await?;
    let found = lookups.projects.values().filter_map(|project| {
        let storage = storages.git(project.repository_storage.as_deref().unwrap_or_default()).ok()?;
        Some((storage, lookups.disk_path(project).ok()?))
    });
    let repositories = found
        .flat_map(|(storage, path)| OF_PROJECTS.map(|suffix| (storage.clone(), format!("{path}{suffix}"))));
    Ok(repositories.collect())
}

/// The ids of the rows that have one of these paths.
async fn ids(
    tables: Tables<'_>,
    part: &TableColumns,
    statement: &str,
    paths: &[&str],
) -> Result<Vec<i64>, SourceError> {
    if paths.is_empty() || !tables.can_read(part)? {
        return Ok(Vec::new());
    }
    let values: [Value<'_>; 1] = [(&paths, Type::TEXT_ARRAY)];
    tables.snapshot.rows(statement, &values, |row| i64::read(row, 0)).await
}
