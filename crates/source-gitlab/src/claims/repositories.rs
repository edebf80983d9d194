//! Repositories that rows claim which are no records of a model, or of which the catalogue does not know yet.

use std::collections::HashSet;

use stocktake_domain::ports::SourceError;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::{Place, Tables};
use crate::database::Value;
use crate::field::{Column, Field as _, Kind};
use crate::known::{Known, Main, PROJECTS, RECORDED_PATHS, ROUTES, SHARDS, Wanted};
use crate::plan::needed;
use crate::schema::Part;
use crate::settings::{Role, Storages};

/// Where the row's repository lies, and the id of its shard.
const ON_A_SHARD: &[Column] = &[needed("disk_path", Kind::Text), needed("shard_id", Kind::Integer)];

/// Tables whose rows say themselves where their repositories lie, with what is behind that in their names: pools,
/// which hold what a project and its forks have in common, and those that are models, too.
const SHARDED: [(Part, &str); 3] = [
    (on_a_shard("pool_repositories"), ".git"),
    (on_a_shard("group_wiki_repositories"), ".wiki.git"),
    (on_a_shard("snippet_repositories"), ".git"),
];

const fn on_a_shard(table: &'static str) -> Part {
    Part { table, columns: ON_A_SHARD }
}

/// What repositories of a project have behind its path in their names. Wikis and designs may be there although no
/// row of their own tables says so.
const OF_PROJECTS: [&str; 3] = [".git", ".wiki.git", ".design.git"];

/// All that is read besides what models are read with.
pub(super) fn parts() -> impl Iterator<Item = Part> {
    SHARDED.into_iter().map(|(part, _)| part)
}

/// A repository: its storage's name and its path.
type Repository = (String, String);

/// The indexes of the places that rows claim.
pub(super) async fn claimed(
    tables: Tables<'_>,
    storages: &Storages,
    places: &[Place<'_>],
) -> Result<HashSet<usize>, SourceError> {
    let places: Vec<&Place<'_>> = places.iter().filter(|place| place.role == Role::Git).collect();
    if places.is_empty() {
        return Ok(HashSet::new());
    }
    let paths: Vec<&str> = places.iter().map(|place| place.path).collect();
    let mut there = of_projects(tables, storages, &paths).await?;
    for (part, suffix) in SHARDED {
        there.extend(sharded(tables, storages, &part, suffix, &paths).await?);
    }
    let claimed =
        places.iter().filter(|place| there.contains(&(place.storage.to_owned(), place.path.to_owned())));
    Ok(claimed.map(|place| place.index).collect())
}

/// The paths without this at their end, of those that have it.
fn without<'p>(paths: &[&'p str], suffix: &str) -> Vec<&'p str> {
    paths.iter().filter_map(|path| path.strip_suffix(suffix)).collect()
}

async fn sharded(
    tables: Tables<'_>,
    storages: &Storages,
    part: &Part,
    suffix: &str,
    paths: &[&str],
) -> Result<Vec<Repository>, SourceError> {
    let wanted = without(paths, suffix);
    if wanted.is_empty() || !tables.has(part)? || !tables.has(&SHARDS)? {
        return Ok(Vec::new());
    }
    let statement = format!(
        "SELECT t.disk_path, s.name, t.shard_id IS NULL FROM {} t LEFT JOIN shards s ON s.id = t.shard_id \
         WHERE t.disk_path = ANY ($1)",
        part.table
    );
    let values: [Value<'_>; 1] = [(&wanted, Type::TEXT_ARRAY)];
    let read =
        |row: &Row| Ok((row.try_get::<_, String>(0)?, row.try_get::<_, Option<String>>(1)?, row.try_get(2)?));
    let rows = tables.snapshot.rows(&statement, &values, read).await?;
    let known = rows.into_iter().flat_map(|(path, shard, is_anywhere)| {
        // A row that does not say on which shard it is may be on any.
        let named = shard.and_then(|shard| storages.git(&shard).ok());
        let any = storages.git.values().filter(move |_| is_anywhere).cloned();
        any.chain(named).map(move |storage| (storage, format!("{path}{suffix}")))
    });
    Ok(known.collect())
}

/// All that may lie beside projects which may lie at these paths: by what GitLab has recorded of their places, and
/// by their full paths, as no path tells the id that it is hashed from.
async fn of_projects(
    tables: Tables<'_>,
    storages: &Storages,
    paths: &[&str],
) -> Result<HashSet<Repository>, SourceError> {
    if !tables.has(&PROJECTS)? {
        return Ok(HashSet::new());
    }
    let mut wanted: Vec<&str> = OF_PROJECTS.iter().flat_map(|suffix| without(paths, suffix)).collect();
    wanted.sort_unstable();
    wanted.dedup();
    let recorded = "SELECT project_id FROM project_repositories WHERE disk_path = ANY ($1)";
    let routed = "SELECT source_id FROM routes WHERE source_type = 'Project' AND path = ANY ($1)";
    let mut projects = ids(tables, &RECORDED_PATHS, recorded, &wanted).await?;
    projects.extend(ids(tables, &ROUTES, routed, &wanted).await?);
    let main = Main { snapshot: tables.snapshot, schema: tables.schema };
    let known = Box::pin(Known::gather(&main, Wanted { projects, ..Wanted::default() })).await?;
    let found = known.projects.values().filter_map(|project| {
        let storage = storages.git(project.repository_storage.as_deref().unwrap_or_default()).ok()?;
        Some((storage, known.disk_path(project).ok()?))
    });
    let beside = found
        .flat_map(|(storage, path)| OF_PROJECTS.map(|suffix| (storage.clone(), format!("{path}{suffix}"))));
    Ok(beside.collect())
}

/// The ids of the rows that have one of these paths.
async fn ids(
    tables: Tables<'_>,
    part: &Part,
    statement: &str,
    paths: &[&str],
) -> Result<Vec<i64>, SourceError> {
    if paths.is_empty() || !tables.has(part)? {
        return Ok(Vec::new());
    }
    let values: [Value<'_>; 1] = [(&paths, Type::TEXT_ARRAY)];
    tables.snapshot.rows(statement, &values, |row| i64::read(row, 0)).await
}
