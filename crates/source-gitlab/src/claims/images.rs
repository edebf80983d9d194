//! Container repositories that are not in the catalogue yet.

use std::collections::HashSet;

use stocktake_domain::ports::SourceError;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::Unclaimed;
use crate::column::{Column, ColumnType, required};
use crate::database::Value;
use crate::lookups::ROUTES;
use crate::schema::{TableColumns, Tables};
use crate::settings::StorageRole;

const COLUMNS: &[Column] = &[required("project_id", ColumnType::Integer), required("name", ColumnType::Text)];

const REPOSITORIES: TableColumns = TableColumns { table: "container_repositories", columns: COLUMNS };

/// The repositories of projects that have one of these full paths in lower case.
const STATEMENT: &str = "
    SELECT r.path, c.name FROM routes r JOIN container_repositories c ON c.project_id = r.source_id
    WHERE r.source_type = 'Project' AND lower(r.path) = ANY ($1)";

/// Everything that is read.
pub(super) fn parts() -> impl Iterator<Item = TableColumns> {
    [REPOSITORIES, ROUTES].into_iter()
}

/// The indexes of the locations that rows claim.
pub(super) async fn claimed(
    tables: Tables<'_>,
    locations: &[Unclaimed<'_>],
) -> Result<HashSet<usize>, SourceError> {
    let locations: Vec<&Unclaimed<'_>> =
        locations.iter().filter(|location| location.role == StorageRole::Registry).collect();
    if locations.is_empty() || !tables.can_read(&REPOSITORIES)? || !tables.can_read(&ROUTES)? {
        return Ok(HashSet::new());
    }
    let mut paths: Vec<&str> = locations.iter().flat_map(|location| projects(location.path)).collect();
    paths.sort_unstable();
    paths.dedup();
    let values: [Value<'_>; 1] = [(&paths, Type::TEXT_ARRAY)];
    let read = |row: &Row| Ok(repository(row.try_get(0)?, row.try_get(1)?));
    let claimed: HashSet<String> =
        tables.snapshot.rows(STATEMENT, &values, read).await?.into_iter().collect();
    Ok(locations
        .iter()
        .filter(|location| claimed.contains(location.path))
        .map(|location| location.index)
        .collect())
}

/// The projects that a repository at this path may belong to: the path does not show how deep groups are nested.
fn projects(path: &str) -> impl Iterator<Item = &str> {
    let above = path.match_indices('/').filter_map(|(end, _)| path.get(..end));
    above.chain([path])
}

/// The path of the repository of this name in a project with this full path.
fn repository(project: &str, name: Option<&str>) -> String {
    match name.filter(|name| !name.is_empty()) {
        Some(name) => format!("{project}/{name}").to_lowercase(),
        None => project.to_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_may_belong_to_any_project_above_it() {
        let of = |path| projects(path).collect::<Vec<_>>();
        assert_eq!(of("a/b/c"), ["a", "a/b", "a/b/c"]);
        assert_eq!(of("a"), ["a"]);
    }
}
